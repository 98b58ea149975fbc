"""Whole groups of sequences dealt out to parts of given sizes, classes as balanced as the groups allow.

Groups go in turn, those first that hold the largest share of a class, each to the part that it fits best;
then single groups move as long as that helps. What is made small is the sum, over parts and classes, of the
squared difference between the share of the class that a part holds and the share that it should hold; all
sequences together count as one more class. A part without a class costs more than any difference. Where
groups are few, several orders are tried.

Axis letters: N sequences, G groups, P parts, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sortilin.errors import LabelError
from sortilin.interfaces import DoubleArray, IntArray

FEW_GROUPS = 500
"""Up to so many groups, several orders are tried."""

_ORDERS = 8
_ABSENT = 10.0
"""What a part without a class costs; no sum of squared differences of one class comes near it."""
_BETTER = 1e-12

Split = tuple[IntArray, IntArray]
"""Row numbers: to learn from, and held out."""


def deal(y: IntArray, groups: IntArray, shares: Sequence[float], seed: int) -> IntArray:
    """The part of each sequence; no group is in two.

    Args:
        y: (N,) class indices.
        groups: (N,) group of each sequence, any whole numbers.
        shares: (P,) sizes of the parts; their sum is 1.
        seed: Of the order of groups that are alike.

    Returns:
        (N,) numbers of parts, from 0. The same for the same rows, whatever the groups' numbers.
    """
    group = _in_order_of_rows(groups)
    n = _counts(y, group)  # (G, C + 1)
    share = n / np.maximum(n.sum(axis=0), 1)
    wanted = np.asarray(shares, dtype=np.float64)
    rng = np.random.default_rng(seed)
    tries = [_dealt(share, wanted, rng) for _ in range(_ORDERS if len(n) <= FEW_GROUPS else 1)]
    part, _ = min(tries, key=lambda found: found[1])  # the first of equals
    return np.asarray(part[group], dtype=np.int64)


def folds(y: IntArray, groups: IntArray, n_folds: int, seed: int) -> list[Split]:
    """Row numbers of each fold, to learn from and held out; a fold may lack a class (see `shortage`)."""
    part = deal(y, groups, [1 / n_folds] * n_folds, seed)
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(n_folds)]


def set_aside(y: IntArray, groups: IntArray, share: float, seed: int) -> Split:
    """Row numbers to learn from, and about a share of them set aside; each class stands on both sides.

    Raises:
        LabelError: A class stands in one group only, or the groups cannot be dealt out like that.
    """
    lacking = shortage(y, groups, 2)
    if lacking is None:
        part = deal(y, groups, [1 - share, share], seed)
        learned, aside = np.flatnonzero(part == 0), np.flatnonzero(part == 1)
        absent = [int(c) for c in np.unique(y) if not (c in y[learned] and c in y[aside])]
        if not absent:
            return learned, aside
        lacking = (absent[0], len(np.unique(groups[y == absent[0]])))
    c, n_groups = lacking
    raise LabelError(
        f"setting {share:.0%} of {len(y)} sequences aside splits no group of homologues, and the "
        f"{int((y == c).sum())} sequences of class number {c} stand in {n_groups} "
        f"group{'s' * (n_groups != 1)}, too few for both sides: add sequences of other families, leave the "
        "class out, or split by a higher identity"
    )


def shortage(y: IntArray, groups: IntArray, n_parts: int) -> tuple[int, int] | None:
    """The first class that stands in fewer groups than there are parts, and in how many; None if none does.

    Where no class does, the parts may still not get one group of each: a group may hold several classes.
    """
    for c in np.unique(y):
        n_groups = len(np.unique(groups[y == c]))
        if n_groups < n_parts:
            return int(c), n_groups
    return None


def _in_order_of_rows(groups: IntArray) -> IntArray:
    """(N,) numbers from 0 in the order of each group's first row."""
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[group.reshape(-1)])


def _counts(y: IntArray, group: IntArray) -> DoubleArray:
    """(G, C + 1) sequences of each class in each group, and of all together."""
    n_groups, (present, column) = int(group.max(initial=-1)) + 1, np.unique(y, return_inverse=True)
    n = np.zeros((n_groups, len(present) + 1))
    np.add.at(n, (group, column.reshape(-1)), 1)
    n[:, -1] = n.sum(axis=1)
    return n


def _dealt(
    share: DoubleArray, wanted: DoubleArray, rng: np.random.Generator
) -> tuple[IntArray, tuple[int, float]]:
    """(G,) parts of groups, the parts without a class that this leaves, and the sum of squares."""
    shuffled = rng.permutation(len(share))
    order = shuffled[np.argsort(-share[shuffled].max(axis=1), kind="stable")]
    part = np.zeros(len(share), dtype=np.int64)
    lacks = -np.outer(wanted, np.ones(share.shape[1]))  # (P, C + 1) what each part holds too much
    for g in order:
        is_new = (lacks[:, :-1] <= -wanted[:, None] + _BETTER) & (share[g, :-1] > 0)
        gain = 2 * lacks @ share[g] - _ABSENT * is_new.sum(axis=1)
        part[g] = int(np.argmin(gain))
        lacks[part[g]] += share[g]
    part = _moved(part, share, wanted)
    held = _held(part, share, len(wanted))
    n_absent = int((held[:, :-1] <= _BETTER).sum())
    return part, (n_absent, float(((held - wanted[:, None]) ** 2).sum()))


def _held(part: IntArray, share: DoubleArray, n_parts: int) -> DoubleArray:
    """(P, C + 1) share of each class that stands in each part."""
    held = np.zeros((n_parts, share.shape[1]))
    np.add.at(held, part, share)
    return held


def _moved(part: IntArray, share: DoubleArray, wanted: DoubleArray) -> IntArray:
    """The same after moves of single groups, the best one first, until none helps."""
    rows, squares = np.arange(len(part)), 2 * (share**2).sum(axis=1)[:, None]
    has = share[:, :-1] > 0
    for _ in range(len(part)):
        held = _held(part, share, len(wanted))
        over = held - wanted[:, None]
        to = 2 * share @ over.T  # (G, P)
        cost = to - to[rows, part][:, None] + squares
        is_gained = has @ (held[:, :-1] <= _BETTER).astype(np.float64).T  # (G, P) classes that P gets
        is_lost = (has & (held[part, :-1] - share[:, :-1] <= _BETTER)).sum(axis=1)[:, None]
        cost += _ABSENT * (is_lost - is_gained)
        cost[rows, part] = 0.0
        best = int(cost.argmin())
        g, p = divmod(best, len(wanted))
        if cost[g, p] >= -_BETTER:
            break
        part[g] = p
    return part
