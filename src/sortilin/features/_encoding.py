"""A batch of sequences as one flat array of residue codes, so that NumPy works on all at once.

Axis letters: N sequences, R residues of the whole batch, W positions of a window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"
UNKNOWN = len(ALPHABET)
"""Code of X, and of positions past the end of a padded window."""

_CODE_OF_BYTE = np.full(256, UNKNOWN, dtype=np.uint8)
_CODE_OF_BYTE[np.frombuffer(ALPHABET.encode(), dtype=np.uint8)] = np.arange(len(ALPHABET))


@dataclass(frozen=True)
class EncodedBatch:
    """Sequences laid end to end.

    Attributes:
        sequences: The N sequences themselves.
        codes: (R,) uint8, 0 to 19 in the order of `ALPHABET`, 20 for X.
        starts: (N,) first position of each sequence in `codes`.
        lengths: (N,) residues, each at least 1.
    """

    sequences: tuple[str, ...]
    codes: NDArray[np.uint8]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, sequences: Sequence[str]) -> EncodedBatch:
        """Encode cleaned sequences; none may be empty."""
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        if len(lengths) and lengths.min() == 0:
            raise ValueError("an empty sequence cannot be described")
        codes = _CODE_OF_BYTE[np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)]
        starts = np.cumsum(lengths) - lengths
        return cls(tuple(sequences), codes, starts, lengths)

    @property
    def n(self) -> int:
        """Number of sequences."""
        return len(self.sequences)

    @cached_property
    def owner(self) -> NDArray[np.int64]:
        """(R,) index of the sequence that each residue belongs to."""
        return np.repeat(np.arange(self.n), self.lengths)

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """(N, 21) how often each residue and X occur."""
        flat = np.bincount(self.owner * 21 + self.codes, minlength=self.n * 21)
        return flat.reshape(self.n, 21).astype(np.float64)

    @cached_property
    def composition(self) -> NDArray[np.float64]:
        """(N, 20) frequencies among the known residues; zeros where there are none."""
        return frequencies(self.counts[:, :20])

    def head(self, width: int) -> NDArray[np.uint8]:
        """(N, width) codes of the first residues, padded with 20 at the end."""
        return self._window(np.zeros(self.n, dtype=np.int64), width)

    def tail(self, width: int) -> NDArray[np.uint8]:
        """(N, width) codes of the last residues, right-aligned, padded with 20 at the start."""
        return self._window(self.lengths - width, width)

    def _window(self, first: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
        position = first[:, None] + np.arange(width)  # (N, W), within each sequence
        is_inside = (position >= 0) & (position < self.lengths[:, None])
        place = self.starts[:, None] + np.where(is_inside, position, 0)
        return np.where(is_inside, self.codes[place], np.uint8(UNKNOWN))

    def pair_counts(self, group_of_code: NDArray[np.int64], n_groups: int, gap: int) -> NDArray[np.float64]:
        """(N, G*G) counts of ordered pairs of residue groups `gap` positions apart.

        Args:
            group_of_code: (21,) group of each code, -1 to leave it out (X).
            n_groups: G.
            gap: 1 for neighbours, 2 with one residue between, ...
        """
        # Left-out codes are a group of their own, cut off at the end: cheaper than a mask.
        left_out = np.where(group_of_code < 0, n_groups, group_of_code).astype(np.int32)
        group, owner = left_out[self.codes], self.owner.astype(np.int32)
        width = n_groups + 1
        is_pair = owner[:-gap] == owner[gap:]
        key = (owner[:-gap] * np.int32(width) + group[:-gap]) * np.int32(width) + group[gap:]
        flat = np.bincount(key[is_pair], minlength=self.n * width**2).reshape(self.n, width, width)
        inside = flat[:, :n_groups, :n_groups].reshape(self.n, n_groups**2)
        return inside.astype(np.float64)

    @cached_property
    def _joined(self) -> tuple[str, NDArray[np.int64]]:
        # One search over all sequences: "." never matches the line end between two of them.
        line_starts = self.starts + np.arange(self.n)
        return "\n".join(self.sequences), line_starts

    def motif_counts(self, pattern: re.Pattern[str]) -> NDArray[np.float64]:
        r"""(N,) non-overlapping matches; compile with re.MULTILINE where ^ or $ mean the termini."""
        text, line_starts = self._joined
        found = [match.start() for match in pattern.finditer(text)]
        owner = np.searchsorted(line_starts, np.asarray(found, dtype=np.int64), side="right") - 1
        return np.bincount(owner, minlength=self.n).astype(np.float64)

    def window_extremes(
        self, values: NDArray[np.int32], widths: Sequence[int]
    ) -> list[tuple[NDArray[np.int32], NDArray[np.int32]]]:
        """Per width, the lowest and highest sum of `values` (R,) over windows, per sequence, each (N,).

        Whole numbers, so that a sequence gets the same sums in any batch. A sequence shorter than the
        window is one window.
        """
        running = np.zeros(len(values) + 1, dtype=np.int32)
        np.cumsum(values, out=running[1:])
        whole = running[self.starts + self.lengths] - running[self.starts]
        return [self._extremes(running, whole, width) for width in widths]

    def _extremes(
        self, running: NDArray[np.int32], whole: NDArray[np.int32], width: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        sums = np.zeros(len(running) - 1, dtype=np.int32)
        if width <= len(sums):
            np.subtract(running[width:], running[:-width], out=sums[: len(sums) - width + 1])
        n_windows = np.maximum(self.lengths - width + 1, 1)
        sums[self.starts] = np.where(self.lengths > width, sums[self.starts], whole)
        # Pairs of bounds: windows that stay inside, then those that would cross into the next one.
        bounds = np.column_stack((self.starts, self.starts + n_windows)).ravel()
        bounds = bounds[bounds < len(sums)]
        return np.minimum.reduceat(sums, bounds)[::2], np.maximum.reduceat(sums, bounds)[::2]


def row_sums(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, K) → (N,), each row by itself.

    Never a matrix product in its place: BLAS rounds differently for other batch sizes.
    """
    return np.asarray(table.sum(axis=1), dtype=np.float64)


def frequencies(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows divided by their sum; a row of zeros stays zeros."""
    return counts / np.maximum(row_sums(counts), 1.0)[:, None]


def count_codes(window: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(N, W) codes → (N, 20) counts of the known residues."""
    n = len(window)
    key = np.arange(n)[:, None] * 21 + window
    return np.bincount(key.ravel(), minlength=n * 21).reshape(n, 21)[:, :20].astype(np.float64)


def without_unknown(sequences: Sequence[str]) -> list[str]:
    """Sequences with X taken out; one that holds nothing else keeps a single X."""
    return [s.replace("X", "") or "X" if "X" in s else s for s in sequences]


def named_columns(
    prefix: str, table: NDArray[np.float64], names: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """(N, K) table → K columns by name, `prefix_name`."""
    return {f"{prefix}_{name}": column for name, column in zip(names, table.T, strict=True)}
