"""Computed vectors into a shelf, part by part, so that a kill loses the last part at most."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin.embedding._batches import Task
from sortilin.embedding._running import Runner
from sortilin.embedding.failures import BEYOND_HALF, NOT_FINITE, does_not_fit
from sortilin.embedding.report import EmbeddingReport
from sortilin.interfaces import OnProgress
from sortilin.vectors.kind import VectorArray

PART_BYTES = 64 * 2**20
PART_SECONDS = 20.0
"""A part is written when either is reached: memory stays bounded, and a kill loses little."""

STAGE = "embedding, residues"


class Shelf(Protocol):
    """Where vectors are kept by key."""

    def known(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether there is a vector of each key."""
        ...

    def append(self, keys: Sequence[str], vectors: Sequence[VectorArray]) -> None:
        """Add vectors; keys that are there already are left as they are."""
        ...

    def get(self, keys: Sequence[str]) -> list[VectorArray]:
        """The vector of each key, all of which are there."""
        ...

    def release(self) -> None:
        """Give back memory that nobody uses."""
        ...


class MemoryShelf:
    """Vectors of one call that has no store."""

    def __init__(self) -> None:
        self._vectors: dict[str, VectorArray] = {}

    def known(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """See `Shelf`."""
        return np.array([key in self._vectors for key in keys], dtype=np.bool_)

    def append(self, keys: Sequence[str], vectors: Sequence[VectorArray]) -> None:
        """See `Shelf`."""
        for key, vector in zip(keys, vectors, strict=True):
            self._vectors.setdefault(key, vector)

    def get(self, keys: Sequence[str]) -> list[VectorArray]:
        """See `Shelf`."""
        return [self._vectors[key] for key in keys]

    def release(self) -> None:
        """Nothing can be given back."""


class _Part:
    """Vectors that are not on the shelf yet."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._clear()

    def add(self, key: str, vector: VectorArray) -> None:
        self._vectors[key] = vector
        self._n_bytes += vector.nbytes
        if self._n_bytes >= PART_BYTES or time.monotonic() - self._started >= PART_SECONDS:
            self.write()

    def write(self) -> None:
        vectors = self._vectors
        self._clear()  # before, so that a shelf that cannot be written is not tried again
        if vectors:
            self._shelf.append(list(vectors), list(vectors.values()))

    def _clear(self) -> None:
        self._vectors: dict[str, VectorArray] = {}
        self._n_bytes, self._started = 0, time.monotonic()


def fill(
    shelf: Shelf,
    tasks: Sequence[Task],
    runner: Runner,
    report: EmbeddingReport,
    on_progress: OnProgress | None,
    *,
    dtype: np.dtype[Any],
    n_before: int = 0,
    n_total: int = 0,
) -> Mapping[str, str]:
    """Compute the vectors of tasks and put them on a shelf; also on the way out of an interrupt.

    Args:
        shelf: None of the tasks' keys is on it.
        tasks: Distinct sequences.
        runner: What computes.
        report: Its counts grow.
        on_progress: Called with residues.
        dtype: What vectors are kept in.
        n_before: Residues that were done before.
        n_total: Residues in all; 0 where that is not known.

    Returns:
        Key → why there is no vector of it.
    """
    failed: dict[str, str] = {}
    part, started, n_done, n_splits = _Part(shelf), time.monotonic(), n_before, runner.n_splits
    try:
        for task, vector in runner.run(tasks):
            length = len(task.sequence)
            if vector is None:
                failed[task.key] = does_not_fit(length)
            elif not np.isfinite(vector).all():
                failed[task.key] = NOT_FINITE
            elif not np.isfinite(kept := _rounded(vector, dtype)).all():
                failed[task.key] = BEYOND_HALF
            else:
                part.add(task.key, kept)
                report.n_computed += 1
                report.n_residues += length
            n_done += length
            if on_progress is not None:
                on_progress(STAGE, n_done, n_total)
    finally:
        part.write()
        report.seconds += time.monotonic() - started
        report.n_splits += runner.n_splits - n_splits
    report.n_failed += len(failed)
    return failed


def _rounded(vector: VectorArray, dtype: np.dtype[Any]) -> VectorArray:
    """A vector as it is kept; what is too large for its type is infinite."""
    with np.errstate(over="ignore"):
        return vector.astype(dtype, copy=False)
