"""Sequences end to end as one array, and scores of all their windows at once.

Axis letters: N sequences, T places of the array, W columns of a motif.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from sortilin.interfaces import DoubleArray, IntArray
from sortilin.motifs.config import MAX_WIDTH
from sortilin.sequences.residues import RESIDUES, UNKNOWN

N_RESIDUES = len(RESIDUES)
UNKNOWN_CODE, WALL = N_RESIDUES, N_RESIDUES + 1
"""X, and what no site may cover: the end of a sequence, or the site of an earlier motif."""

N_CODES = WALL + 1
_FORBIDDEN = -1e6
_CODE_OF_BYTE = np.full(256, WALL, dtype=np.int64)
_CODE_OF_BYTE[np.frombuffer((RESIDUES + UNKNOWN).encode(), dtype=np.uint8)] = np.arange(WALL)


@dataclass(frozen=True, eq=False)
class Corpus:
    """Sequences end to end, a wall behind each.

    Attributes:
        codes: (T,) residues 0 to 19 in alphabetical order, X, walls; more walls than a motif is wide at the
            end, so that a window may begin at every place of a sequence.
        starts: (N,) place of the first residue of each sequence.
        lengths: (N,) residues of each sequence.
    """

    codes: IntArray
    starts: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, sequences: Sequence[str]) -> Self:
        """From cleaned sequences, each of at least one residue."""
        lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths + 1)])
        text = "".join(f"{sequence}*" for sequence in sequences) + "*" * MAX_WIDTH
        codes = _CODE_OF_BYTE[np.frombuffer(text.encode("ascii"), dtype=np.uint8)]
        return cls(codes, starts[:-1], lengths)

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def owners(self) -> IntArray:
        """(T,) the sequence that each place belongs to; the walls at the end belong to the last."""
        ends = np.append(self.starts[1:], len(self.codes))
        return np.repeat(np.arange(len(self)), ends - self.starts)

    @cached_property
    def n_walls(self) -> IntArray:
        """(T + 1,) walls before each place."""
        return np.concatenate([[0], np.cumsum(self.codes == WALL)])

    def composition(self) -> DoubleArray:
        """(20,) counts of the residues, walls and X left out."""
        return np.bincount(self.codes, minlength=N_CODES)[:N_RESIDUES].astype(np.float64)

    def scores(self, table: DoubleArray) -> DoubleArray:
        """(T - W + 1,) score of the window that begins at each place; far below zero where it meets a wall.

        Args:
            table: (W, 22) score of each code in each column, as `scoring_table` makes it.
        """
        n = len(self.codes) - len(table) + 1
        total: DoubleArray = table[0].take(self.codes[:n])
        for column, row in enumerate(table[1:], 1):
            total += row.take(self.codes[column : column + n])
        return total

    def best(self, scores: DoubleArray) -> DoubleArray:
        """(N,) highest score of a window in each sequence."""
        highest: DoubleArray = np.maximum.reduceat(scores, self.starts)
        return highest

    def places_of(self, scores: DoubleArray, best: DoubleArray) -> IntArray:
        """(N,) place of the first window of each sequence that has the sequence's best score."""
        owners = self.owners[: len(scores)]
        found = np.flatnonzero(scores == best[owners])
        return found[np.searchsorted(owners[found], np.arange(len(self)))]

    def without(self, places: IntArray, width: int) -> Corpus:
        """The same with walls over the windows that begin at these places."""
        codes = self.codes.copy()
        for column in range(width):
            codes[places + column] = WALL
        return Corpus(codes, self.starts, self.lengths)


def scoring_table(log_odds: DoubleArray) -> DoubleArray:
    """(W, 22) from (W, 20): an X counts nothing, and a window that meets a wall is no site."""
    width = len(log_odds)
    return np.hstack([log_odds, np.zeros((width, 1)), np.full((width, 1), _FORBIDDEN)])
