"""Batches: each example once, none too large, of like length, and the same for the same generator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortilin.interfaces import IntArray
from sortilin.seeding import generator
from sortilin.training.batching import length_buckets, oversampled, share

lengths_of = st.lists(st.integers(1, 300), max_size=120).map(lambda found: np.array(found, dtype=np.int64))
LENGTHS = np.random.default_rng(4).integers(1, 2_000, 700)


def batches_of_epoch(epoch: int, *, batch_size: int = 8, batch_positions: int = 6_000) -> list[IntArray]:
    return length_buckets(
        LENGTHS,
        batch_size=batch_size,
        batch_positions=batch_positions,
        generator=generator(1, "batches", str(epoch)),
    )


def as_lists(batches: list[IntArray]) -> list[list[int]]:
    return [rows.tolist() for rows in batches]


@given(
    lengths=lengths_of,
    batch_size=st.integers(1, 20),
    batch_positions=st.integers(1, 1_000),
    seed=st.none() | st.integers(0, 5),
)
def test_each_row_stands_once_and_no_batch_is_too_large(
    lengths: IntArray, batch_size: int, batch_positions: int, seed: int | None
) -> None:
    shuffler = None if seed is None else np.random.default_rng(seed)
    batches = length_buckets(
        lengths, batch_size=batch_size, batch_positions=batch_positions, generator=shuffler
    )
    assert sorted(row for rows in batches for row in rows.tolist()) == list(range(len(lengths)))
    for rows in batches:
        assert 1 <= len(rows) <= batch_size
        assert len(rows) == 1 or len(rows) * lengths[rows].max() <= batch_positions


def test_example_beyond_the_budget_is_a_batch_of_its_own() -> None:
    lengths = np.array([10, 5_000, 10, 10])
    found = length_buckets(lengths, batch_size=8, batch_positions=100)
    assert as_lists(found) == [[0, 2, 3], [1]]


def test_batches_are_filled_as_far_as_they_may_be() -> None:
    found = length_buckets(np.full(10, 7), batch_size=4, batch_positions=21)
    assert [len(rows) for rows in found] == [3, 3, 3, 1]
    found = length_buckets(np.full(10, 7), batch_size=4, batch_positions=1_000)
    assert [len(rows) for rows in found] == [4, 4, 2]


def test_evaluation_goes_from_short_to_long_and_keeps_the_order_of_equals() -> None:
    lengths = np.array([5, 2, 5, 1, 2])
    found = length_buckets(lengths, batch_size=2, batch_positions=100)
    assert as_lists(found) == [[3, 1], [4, 0], [2]]


def test_same_generator_gives_the_same_batches_and_another_epoch_others() -> None:
    assert as_lists(batches_of_epoch(0)) == as_lists(batches_of_epoch(0))
    first, second = as_lists(batches_of_epoch(0)), as_lists(batches_of_epoch(1))
    assert first != second
    # Not only another order: an example gets other company.
    assert not {frozenset(rows) for rows in first} >= {frozenset(rows) for rows in second}


def test_batches_of_an_epoch_are_not_in_the_order_of_length() -> None:
    longest = np.array([LENGTHS[rows].max() for rows in batches_of_epoch(0)])
    middle = len(longest) // 2
    assert not (np.diff(longest) >= 0).all()
    assert longest[:middle].max() > longest[middle:].min()


def test_little_is_padded() -> None:
    batches = batches_of_epoch(0)
    padded = sum(len(rows) * int(LENGTHS[rows].max()) for rows in batches)
    unsorted = [LENGTHS[start : start + 8] for start in range(0, len(LENGTHS), 8)]
    without_buckets = sum(len(part) * int(part.max()) for part in unsorted)
    assert padded < 1.1 * LENGTHS.sum() < without_buckets


@given(n_batches=st.integers(1, 30), n_processes=st.integers(1, 6))
def test_processes_get_equally_many_and_leave_none_out(n_batches: int, n_processes: int) -> None:
    batches = [np.array([n]) for n in range(n_batches)]
    shares = [share(batches, rank, n_processes) for rank in range(n_processes)]
    assert len({len(own) for own in shares}) == 1
    found = sorted(int(rows[0]) for own in shares for rows in own)
    assert set(found) == set(range(n_batches))
    assert len(found) - n_batches < n_processes


@pytest.mark.parametrize("n_processes", [3, 5])
def test_more_processes_than_batches_repeat_them(n_processes: int) -> None:
    batches = [np.array([0, 1])]
    assert [as_lists(share(batches, rank, n_processes)) for rank in range(n_processes)] == [
        [[0, 1]]
    ] * n_processes


@given(targets=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 5))
def test_oversampled_classes_are_equally_frequent_and_no_row_is_left_out(
    targets: list[int], seed: int
) -> None:
    y = np.array(targets, dtype=np.int64)
    rows = oversampled(y, np.random.default_rng(seed))
    counts = np.bincount(y[rows])
    assert set(counts[counts > 0].tolist()) == {np.bincount(y).max()}
    assert set(rows.tolist()) == set(range(len(y)))


def test_oversampling_draws_other_rows_with_another_generator() -> None:
    y = np.array([0] * 40 + [1] * 8)
    one, same, other = (oversampled(y, generator(1, "resampling", epoch)) for epoch in "001")
    assert np.array_equal(one, same)
    assert not np.array_equal(np.sort(one), np.sort(other))
