"""Whole groups dealt out: none is cut, every row is dealt, classes are balanced, each class is everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.errors import LabelError
from sortilin.interfaces import IntArray
from sortilin.sequences import dealing


def drawn(seed: int, n_groups: int, n_classes: int) -> tuple[IntArray, IntArray]:
    """Groups of very unequal sizes, most of whose members share a class; numbers with gaps, in no order."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(1 + rng.pareto(1.2, n_groups).astype(np.int64), 40)
    group = rng.permutation(np.repeat(rng.choice(10_000, n_groups, replace=False), sizes))
    main = dict(zip(np.unique(group).tolist(), rng.integers(n_classes, size=n_groups).tolist(), strict=True))
    y = np.array([main[g] for g in group.tolist()])
    return np.where(rng.random(len(y)) < 0.9, y, rng.integers(n_classes, size=len(y))), group


SHARES = [[0.5, 0.5], [0.8, 0.2], [0.8, 0.1, 0.1], [0.2] * 5]


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_groups=st.integers(2, 60),
    n_classes=st.integers(1, 5),
    shares=st.sampled_from(SHARES),
)
def test_no_group_is_cut_and_every_row_is_dealt(
    seed: int, n_groups: int, n_classes: int, shares: list[float]
) -> None:
    y, groups = drawn(seed, n_groups, n_classes)
    part = dealing.deal(y, groups, shares, seed)
    assert part.shape == y.shape
    assert set(part.tolist()) <= set(range(len(shares)))
    for group in np.unique(groups):
        assert len(np.unique(part[groups == group])) == 1


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), n_folds=st.integers(2, 6))
def test_folds_are_disjoint_and_hold_all_rows(seed: int, n_folds: int) -> None:
    y, groups = drawn(seed, 40, 3)
    found = dealing.folds(y, groups, n_folds, seed)
    assert len(found) == n_folds
    assert sorted(np.concatenate([held_out for _, held_out in found]).tolist()) == list(range(len(y)))
    for train, held_out in found:
        assert not set(groups[train].tolist()) & set(groups[held_out].tolist())
        assert len(train) + len(held_out) == len(y)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_class_in_as_many_small_groups_as_folds_is_in_each_fold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.concatenate([np.zeros(200, dtype=np.int64), np.ones(5, dtype=np.int64)])
    groups = np.concatenate([rng.integers(40, size=200), 100 + np.arange(5)])
    for _, held_out in dealing.folds(y, groups, 5, seed):
        assert (y[held_out] == 1).sum() == 1


def test_singletons_are_as_balanced_as_stratified_folds() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(4, size=403)
    part = dealing.deal(y, np.arange(403), [0.2] * 5, 1)
    counts = np.array([[(y[part == p] == c).sum() for c in range(4)] for p in range(5)])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 2


def test_balance_is_no_worse_than_that_of_scikit_learn() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    def worst(counts: IntArray) -> float:
        return float(np.abs(counts / counts.sum(axis=0) - 0.2).max())

    ours: list[float] = []
    theirs: list[float] = []
    for seed in range(20):
        y, groups = drawn(seed, 80, 3)
        found = [held_out for _, held_out in dealing.folds(y, groups, 5, seed)]
        made = StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(y, y, groups)
        for parts, into in ((found, ours), ([held_out for _, held_out in made], theirs)):
            into.append(worst(np.array([np.bincount(y[rows], minlength=3) for rows in parts])))
    assert np.mean(ours) < np.mean(theirs)
    assert sum(one <= other + 1e-9 for one, other in zip(ours, theirs, strict=True)) >= 16


def test_numbers_of_groups_change_nothing() -> None:
    y, groups = drawn(3, 30, 3)
    renumbered = np.unique(groups, return_inverse=True)[1] * 7 + 3
    assert np.array_equal(dealing.deal(y, groups, [0.2] * 5, 9), dealing.deal(y, renumbered, [0.2] * 5, 9))


def test_another_seed_deals_otherwise() -> None:
    y, groups = drawn(3, 60, 3)
    assert not np.array_equal(dealing.deal(y, groups, [0.2] * 5, 1), dealing.deal(y, groups, [0.2] * 5, 2))


# --- setting aside


def test_rows_set_aside_hold_every_class_and_no_group_of_the_others() -> None:
    y, groups = drawn(5, 60, 3)
    learned, aside = dealing.set_aside(y, groups, 0.2, 5)
    assert not set(groups[learned].tolist()) & set(groups[aside].tolist())
    assert sorted([*learned.tolist(), *aside.tolist()]) == list(range(len(y)))
    assert set(y[learned].tolist()) == set(y[aside].tolist()) == {0, 1, 2}
    assert 0.1 < len(aside) / len(y) < 0.35


def test_class_in_one_group_cannot_be_set_aside() -> None:
    y, groups = np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 3, 3])
    with pytest.raises(LabelError, match="the 3 sequences of class number 1 stand in 1 group, too few"):
        dealing.set_aside(y, groups, 0.3, 0)


def test_shortage_names_the_first_class_in_too_few_groups() -> None:
    y, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 3, 3, 4])
    assert dealing.shortage(y, groups, 1) is None
    assert dealing.shortage(y, groups, 2) == (1, 1)
    assert dealing.shortage(y[:3], groups[:3], 4) == (0, 3)
