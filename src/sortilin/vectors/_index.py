"""Where each key stands: sorted arrays, 52 bytes a key, that grow with the parts that are added.

Runs of keys are kept apart and joined when they are of like length, so that n keys in many parts cost
n log n in all, and a look-up goes through a few runs only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.vectors.kind import KEY_BYTES

_WORDS = KEY_BYTES // 8

Keys = NDArray[np.uint8]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Run:
    """Distinct keys in order.

    Attributes:
        words: (N, 4) uint64, the keys as big numbers.
        first: (N,) the first word, contiguous, to search in.
        parts: (N,) int32.
        rows: (N,) int64, the row within the part.
    """

    words: NDArray[np.uint64]
    first: NDArray[np.uint64]
    parts: NDArray[np.int32]
    rows: Numbers

    @classmethod
    def of(cls, words: NDArray[np.uint64], parts: NDArray[np.int32], rows: Numbers) -> _Run:
        order = np.lexsort(words.T[::-1])
        words = words[order]
        return cls(words, words[:, 0].copy(), parts[order], rows[order])

    def find(self, words: NDArray[np.uint64]) -> Numbers:
        """(M, 4) → (M,) places in this run; -1 where it is not there."""
        found = np.full(len(words), -1, np.int64)
        at = np.searchsorted(self.first, words[:, 0])
        asked = np.arange(len(words))
        while len(asked):  # once, unless two keys share their first eight bytes
            inside = at < len(self.first)
            asked, at = asked[inside], at[inside]
            near = self.first[at] == words[asked, 0]
            asked, at = asked[near], at[near]
            same = (self.words[at] == words[asked]).all(axis=1)
            found[asked[same]] = at[same]
            asked, at = asked[~same], at[~same] + 1
        return found


class KeyIndex:
    """Key → part and row; of a key in several parts, the place that was added first."""

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def __len__(self) -> int:
        return sum(len(run.rows) for run in self._runs)

    def add(self, part: int, keys: Keys) -> NDArray[np.bool_]:
        """Add the (N, 32) keys of a part; (N,) says which of them are new."""
        words = _words(keys)
        is_new = self._places(words)[0] < 0
        rows = np.flatnonzero(is_new)
        _, earliest = np.unique(words[rows], axis=0, return_index=True)
        rows = rows[np.sort(earliest)]
        is_new = np.zeros(len(words), np.bool_)
        is_new[rows] = True
        if len(rows):
            self._runs.append(_Run.of(words[rows], np.full(len(rows), part, np.int32), rows))
        while len(self._runs) > 1 and 2 * len(self._runs[-1].rows) >= len(self._runs[-2].rows):
            self._join()
        return is_new

    def find(self, keys: Keys) -> tuple[NDArray[np.int32], Numbers]:
        """(M, 32) keys → (M,) parts, -1 where a key is in none, and (M,) rows."""
        return self._places(_words(keys))

    def _places(self, words: NDArray[np.uint64]) -> tuple[NDArray[np.int32], Numbers]:
        parts, rows = np.full(len(words), -1, np.int32), np.zeros(len(words), np.int64)
        for run in self._runs:
            at = run.find(words)
            hit = at >= 0
            parts[hit], rows[hit] = run.parts[at[hit]], run.rows[at[hit]]
        return parts, rows

    def _join(self) -> None:
        one, other = self._runs[-2:]
        self._runs[-2:] = [
            _Run.of(
                np.concatenate([one.words, other.words]),
                np.concatenate([one.parts, other.parts]),
                np.concatenate([one.rows, other.rows]),
            )
        ]


def _words(keys: Keys) -> NDArray[np.uint64]:
    """(N, 32) bytes → (N, 4) numbers in the order of the bytes."""
    return np.ascontiguousarray(keys).view(np.dtype(">u8")).reshape(-1, _WORDS).astype(np.uint64)
