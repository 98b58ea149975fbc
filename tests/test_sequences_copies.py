"""Copies and near copies: equal ones, fragments, one residue changed, and what is none."""

from __future__ import annotations

import pytest

import tiny
from sortilin.sequences.copies import are_copies

PEPTIDE = "GLFDIVKKVVGALGSLWKRQ"


def found(*sequences: str, of: tuple[str, ...] = (PEPTIDE,), min_identity: float = 0.9) -> list[bool]:
    return are_copies(sequences, of, min_identity=min_identity).tolist()  # type: ignore[no-any-return]


def test_equal_sequence_is_a_copy_however_short() -> None:
    assert found("MKV", PEPTIDE, of=("MKV",)) == [True, False]


def test_fragment_and_what_holds_it_are_copies() -> None:
    assert found(PEPTIDE[3:15], "MMM" + PEPTIDE + "WWW") == [True, True]


def test_short_fragment_is_chance() -> None:
    assert found(PEPTIDE[:6], PEPTIDE[:7]) == [False, True]


@pytest.mark.parametrize(("n_changed", "is_copy"), [(1, True), (2, True), (3, False)])
def test_changed_residues_count(n_changed: int, is_copy: bool) -> None:
    letters = list(PEPTIDE)
    for place in range(5, 5 + 3 * n_changed, 3):
        letters[place] = "C"
    assert found("".join(letters)) == [is_copy]


def test_smaller_identity_finds_more() -> None:
    half = PEPTIDE[:12] + "CCCCCCCC"
    assert found(half) == [False]
    assert found(half, min_identity=0.5) == [True]


def test_nothing_is_a_copy_of_nothing() -> None:
    assert found(PEPTIDE, of=()) == [False]


def test_unrelated_sequences_are_none() -> None:
    assert not any(found(*tiny.random_sequences(3, 20, shortest=20, longest=150)))


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    are_copies([PEPTIDE, "MKV"], [PEPTIDE], min_identity=0.9, on_progress=lambda *now: told.append(now))
    assert told == [("looking for copies", 1, 2), ("looking for copies", 2, 2)]
