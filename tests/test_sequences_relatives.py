"""The nearest of other sequences: by equal residues, among the rows that are asked for and no others."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest

from sortilin.sequences.relatives import Pair, Pairs, Relatives

CHAIN = [
    Pair(0, 1, 90, 0.9, 1e-40),
    Pair(0, 2, 40, 0.45, 1e-9),
    Pair(1, 2, 12, 1.0, 1e-4),  # a short stretch that is equal
    Pair(2, 3, 12, 0.6, math.nan),  # of peptides
]
"""Pairs of sequences 0 to 3; sequence 4 is like none."""


def relatives(pairs: list[Pair], n: int) -> Relatives:
    return Relatives(np.arange(n), Pairs.of(pairs).ranked())


def identities(found: Relatives, rows: list[int], among: list[int]) -> list[float]:
    nearest = found.nearest(np.array(rows), np.array(among, dtype=np.int64))
    return [float(share) for share in nearest.identity]


def test_nearest_has_the_most_equal_residues() -> None:
    found = relatives(CHAIN, 5)
    assert identities(found, [0], [1, 2, 3, 4]) == [0.9]
    assert identities(found, [1], [0, 2]) == [0.9]  # not the stretch of 12
    assert identities(found, [2], [0, 1, 3]) == [0.45]
    assert identities(found, [2], [1, 3]) == [1.0]  # of two with as many the higher identity


def test_only_rows_asked_for_are_compared() -> None:
    found = relatives(CHAIN, 5)
    assert identities(found, [0], [2, 3]) == [0.45]
    assert identities(found, [3], [2]) == [0.6]
    nearest = found.nearest(np.array([0, 3, 4, 1]), np.array([4]))
    assert (
        np.isnan(nearest.identity).tolist() == np.isnan(nearest.e_value).tolist() == [True, True, False, True]
    )
    assert np.isnan(found.nearest(np.arange(5), np.array([], dtype=np.int64)).identity).all()
    assert len(found.nearest(np.array([], dtype=np.int64), np.arange(5)).identity) == 0


def test_e_value_is_that_of_the_nearest() -> None:
    found = relatives(CHAIN, 5)
    assert found.nearest(np.array([0, 0]), np.array([1, 2])).e_value.tolist() == [1e-40, 1e-40]
    assert math.isnan(found.nearest(np.array([3]), np.array([2])).e_value[0])


def test_equal_sequence_is_nearest_of_all() -> None:
    found = Relatives(np.array([0, 1, 0, 4]), Pairs.of(CHAIN).ranked())  # row 2 repeats row 0
    nearest = found.nearest(np.array([0, 1, 3]), np.array([1, 2]))
    assert nearest.identity[:2].tolist() == [1, 1]  # row 1 stands among them itself
    assert nearest.e_value[:2].tolist() == [0, 0]
    assert math.isnan(nearest.identity[2])


def test_pair_that_comes_twice_is_kept_as_its_best_alignment_has_it() -> None:
    both = [Pair(0, 1, 30, 0.5, 1e-5), Pair(0, 1, 31, 0.4, 1e-6), Pair(0, 2, 10, 0.3, 1e-4)]
    for seed in range(4):
        kept = Pairs.of(random.Random(seed).sample(both, 3)).ranked()
        assert list(kept.numbers()) == [(0, 2), (0, 1)]
        assert kept.n_equal.tolist() == [10, 31]
        assert kept.identity.tolist() == [0.3, 0.4]


def test_result_is_that_of_looking_at_every_pair() -> None:
    rng = random.Random(5)
    pairs = []
    for _ in range(400):
        first, second = sorted(rng.sample(range(40), 2))
        pairs.append(Pair(first, second, rng.randint(5, 20), rng.randint(2, 9) / 10, 1e-5))
    found = relatives(pairs, 45)
    among = rng.sample(range(45), 12)
    rows = [row for row in range(45) if row not in among]
    for row, identity in zip(rows, identities(found, rows, among), strict=True):
        near = [
            p
            for p in pairs
            if (p.first == row and p.second in among) or (p.second == row and p.first in among)
        ]
        if near:
            assert identity == max((p.n_equal, p.identity) for p in near)[1]
        else:
            assert math.isnan(identity)


def test_no_pairs_and_no_sequences() -> None:
    none = Relatives.none(3)
    assert np.isnan(none.nearest(np.array([0, 1]), np.array([2])).identity).all()
    empty = np.array([], dtype=np.int64)
    assert len(Relatives.none(0).nearest(empty, empty).identity) == 0
    assert len(Pairs.joined([])) == 0
    assert list(Pairs.joined([Pairs.of(CHAIN[:1]), Pairs.of(CHAIN[3:])]).numbers()) == [(0, 1), (2, 3)]


@pytest.mark.parametrize("n", [1, 200_000])
def test_pairs_are_small(n: int) -> None:
    pairs = Pairs.of(Pair(0, i + 1, 50, 0.5, 1e-9) for i in range(n)).ranked()
    n_bytes = sum(
        getattr(pairs, name).nbytes for name in ("first", "second", "n_equal", "identity", "e_value")
    )
    assert n_bytes == 28 * n
