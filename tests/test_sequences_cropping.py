"""Long sequences: their two ends are kept, and no more than was allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from sortilin.errors import ConfigError
from sortilin.sequences.cropping import LengthPolicy


def test_default_keeps_the_first_1900_and_the_last_100_beyond_2000() -> None:
    (sequence,) = tiny.random_sequences(1, 1, shortest=2_500, longest=2_500)
    assert LengthPolicy().apply(sequence) == sequence[:1_900] + sequence[-100:]
    assert LengthPolicy().apply(sequence[:2_000]) == sequence[:2_000]
    assert LengthPolicy().apply(sequence[:2_001]) == sequence[:1_900] + sequence[1_901:2_001]


@given(
    length=st.integers(1, 60),
    max_residues=st.integers(1, 50),
    keep_last=st.integers(0, 49),
)
def test_as_many_residues_as_allowed_are_kept_from_both_ends(
    length: int, max_residues: int, keep_last: int
) -> None:
    keep_last %= max_residues
    policy = LengthPolicy(max_residues, keep_last)
    sequence = "".join(chr(0x100 + n) for n in range(length))  # each letter once
    kept = policy.apply(sequence)
    assert len(kept) == min(length, max_residues)
    assert policy.shortens(length) == (kept != sequence)
    if policy.shortens(length):
        n_first = max_residues - keep_last
        assert kept[:n_first] == sequence[:n_first]
        assert kept[n_first:] == sequence[length - keep_last :]


def test_no_limit_keeps_all() -> None:
    policy = LengthPolicy(None, 100)
    assert not policy.shortens(10**6)
    assert policy.apply("MKV" * 10_000) == "MKV" * 10_000


@pytest.mark.parametrize(("max_residues", "keep_last"), [(100, 100), (1, 1), (50, -1)])
def test_end_that_is_longer_than_the_whole_is_refused(max_residues: int, keep_last: int) -> None:
    with pytest.raises(ConfigError) as caught:
        LengthPolicy(max_residues, keep_last)
    assert str(caught.value) == (
        f"keep_last is {keep_last}; allowed: 0 to max_residues - 1, here {max_residues - 1}"
    )
