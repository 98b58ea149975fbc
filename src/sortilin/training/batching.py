"""Batches of examples of like length, so that little is padded.

Axis letters: N examples.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sortilin.interfaces import IntArray

POOL_BATCHES = 50
"""Sorting by length happens within so many batches of a shuffled epoch: enough for nearly equal lengths,
few enough that an example keeps changing its company."""


def length_buckets(
    lengths: IntArray,
    *,
    batch_size: int,
    batch_positions: int,
    generator: np.random.Generator | None = None,
) -> list[IntArray]:
    """Cut N examples into batches of like length.

    Args:
        lengths: (N,) positions of each example.
        batch_size: At most so many examples a batch.
        batch_positions: At most so many positions a batch when all are padded to its longest; a single
            longer example is a batch of its own.
        generator: Shuffles examples and batches; None sorts all by length, for evaluation.

    Returns:
        Row numbers of each batch; together each row once.
    """
    if generator is None:
        return _cut(np.argsort(lengths, kind="stable"), lengths, batch_size, batch_positions)
    rows = generator.permutation(len(lengths))
    pool = batch_size * POOL_BATCHES
    batches = []
    for start in range(0, len(rows), pool):
        part = rows[start : start + pool]
        in_order = part[np.argsort(lengths[part], kind="stable")]
        batches += _cut(in_order, lengths, batch_size, batch_positions)
    return [batches[i] for i in generator.permutation(len(batches))]


def _cut(rows: IntArray, lengths: IntArray, batch_size: int, batch_positions: int) -> list[IntArray]:
    """Cut rows in order of length; the last of a batch is its longest."""
    batches, start = [], 0
    for end in range(1, len(rows) + 1):
        n = end - start
        if n > 1 and (n > batch_size or n * int(lengths[rows[end - 1]]) > batch_positions):
            batches.append(rows[start : end - 1])
            start = end - 1
    if start < len(rows):
        batches.append(rows[start:])
    return batches


def oversampled(targets: IntArray, generator: np.random.Generator) -> IntArray:
    """Row numbers of an epoch in which all classes are equally frequent.

    Every row stands there; rows of a class smaller than the largest are drawn again, with replacement.

    Args:
        targets: (N,) class indices.
        generator: Draws them.
    """
    counts = np.bincount(targets)
    more = [
        generator.choice(np.flatnonzero(targets == c), size=counts.max() - n)
        for c, n in enumerate(counts)
        if n
    ]
    return np.concatenate([np.arange(len(targets)), *more])


def pieces(batches: Sequence[IntArray], rank: int, n_processes: int) -> list[tuple[IntArray, IntArray]]:
    """What one of several processes learns from in a step; together, and as often, all rows of its batches.

    Whole batches where each process gets as many, so that accumulated batches are spread over the processes;
    else a part of each batch, of like lengths as those of the others.

    Args:
        batches: Row numbers of each batch of the step.
        rank: Number of the process, from 0.
        n_processes: How many there are.

    Returns:
        Rows and the batch that they are of, as many in each process; some rows may be none, but not those of
        the first process.
    """
    if len(batches) % n_processes == 0:
        return [(batch, batch) for batch in batches[rank::n_processes]]
    return [(batch[rank::n_processes], batch) for batch in batches]


def share(batches: list[IntArray], rank: int, n_processes: int) -> list[IntArray]:
    """The batches of one of several processes; the first ones are repeated until all have as many."""
    n_even = -(-len(batches) // n_processes) * n_processes
    return [batches[i % len(batches)] for i in range(rank, n_even, n_processes)]
