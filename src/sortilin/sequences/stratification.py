"""Sequences that may have several classes, dealt out so that each class is as frequent in each part.

Iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, doi:10.1007/978-3-642-23808-6_10): the class
with the fewest sequences left goes first, and each of its sequences into the part that lacks the class most;
of equal ones, into that which lacks sequences most. Where groups must stay whole, a group stands in place of
a sequence, the larger ones first.

Axis letters: N sequences, G groups, C classes, P parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import generator


def parts(truth: IntArray, shares: Sequence[float], seed: int, groups: IntArray | None = None) -> IntArray:
    """The part of each sequence.

    Args:
        truth: (N, C), 1 where a sequence has a class.
        shares: (P,) sizes of the parts; their sum is 1.
        seed: Of the order of sequences that are alike.
        groups: (N,) numbers; no group is in two parts.

    Returns:
        (N,) numbers of parts, from 0.
    """
    n = len(truth)
    group = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1].reshape(-1)
    counts = np.zeros((int(group.max(initial=-1)) + 1, truth.shape[1] + 1))  # (G, C + 1), all in the last
    np.add.at(counts, group, np.column_stack((truth, np.ones(n))))
    rng = generator(seed, "stratification")
    shuffled = rng.permutation(len(counts))
    order = shuffled[np.argsort(-counts[shuffled, -1], kind="stable")]
    return _dealt(counts, order, np.asarray(shares, dtype=np.float64), rng)[group]


def _dealt(counts: DoubleArray, order: IntArray, shares: DoubleArray, rng: np.random.Generator) -> IntArray:
    """(G,) part of each group."""
    lacks = np.outer(shares, counts.sum(axis=0))  # (P, C + 1)
    found = np.full(len(counts), -1, dtype=np.int64)
    left = counts.sum(axis=0)[:-1]
    n_left = len(counts)
    while n_left:
        c = int(np.where(left > 0, left, np.inf).argmin()) if left.any() else -1
        for g in order[(found[order] < 0) & (counts[order, c] > 0)]:
            wanting = np.flatnonzero(lacks[:, c] >= lacks[:, c].max() - 1e-9)
            room = lacks[wanting, -1]
            wanting = wanting[room >= room.max() - 1e-9]
            part = int(wanting[rng.integers(len(wanting))])
            found[g] = part
            lacks[part] -= counts[g]
            left = left - counts[g, :-1]
            n_left -= 1
    return found
