"""Pairs of like sequences as a search finds them, and of each sequence the nearest among any others.

The nearest is the one with which a sequence shares the most equal residues in their alignment: a whole copy
comes before a short stretch that happens to be equal, and a peptide that is compared without an E-value is
ranked like a protein. Of two with as many the one with the higher identity is nearer.

Axis letters: N sequences, D different ones among them, P pairs.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sortilin.interfaces import DoubleArray, IntArray


class Pair(NamedTuple):
    """Two sequences of which one finds the other.

    Attributes:
        first: Number of the one that comes first.
        second: Number of the other, larger than `first`.
        n_equal: Equal residues in their alignment.
        identity: Share of equal residues, 0 to 1: of the columns of the alignment, gaps among them, or of
            the shorter one's residues where peptides are compared.
        e_value: Targets expected to score as high by chance; NaN where peptides are compared.
    """

    first: int
    second: int
    n_equal: int
    identity: float
    e_value: float


@dataclass(frozen=True, slots=True)
class Pairs:
    """P pairs as arrays, 28 bytes each.

    Attributes:
        first: (P,) as in `Pair`.
        second: (P,) likewise.
        n_equal: (P,) likewise.
        identity: (P,) likewise.
        e_value: (P,) likewise.
    """

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    n_equal: NDArray[np.int32]
    identity: DoubleArray
    e_value: DoubleArray

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, pairs: Iterable[Pair]) -> Pairs:
        """All pairs of a stream, which is never held as Python objects."""
        columns: list[array[Any]] = [array(code) for code in "iiidd"]
        for pair in pairs:
            for column, value in zip(columns, pair, strict=True):
                column.append(value)
        first, second, n_equal = (np.array(column, dtype=np.int32) for column in columns[:3])
        identity, e_value = (np.array(column, dtype=np.float64) for column in columns[3:])
        return cls(first, second, n_equal, identity, e_value)

    @classmethod
    def joined(cls, parts: Sequence[Pairs]) -> Pairs:
        """Those of several searches, in turn."""
        tables = [cls.of(()), *parts]
        return cls(*(np.concatenate([getattr(part, f.name) for part in tables]) for f in fields(cls)))

    def taken(self, keep: NDArray[np.bool_] | IntArray) -> Pairs:
        """The pairs that a mask or an index array selects."""
        return Pairs(*(getattr(self, f.name)[keep] for f in fields(self)))

    def numbers(self) -> Iterator[tuple[int, int]]:
        """Who is paired with whom."""
        return zip(self.first.tolist(), self.second.tolist(), strict=True)

    def ranked(self) -> Pairs:
        """Each pair once, as its best alignment has it, from the farthest to the nearest."""
        columns = (self.second, self.first, -self.e_value, self.identity, self.n_equal)
        order = np.lexsort(columns)[::-1]  # by the last of them first, the nearest pair in front
        who = (self.first[order].astype(np.int64) << 32) | self.second[order]
        _, place = np.unique(who, return_index=True)  # of each pair the one in front
        return self.taken(order[np.sort(place)[::-1]])


@dataclass(frozen=True, slots=True)
class Nearest:
    """Of each of some sequences the nearest among others.

    Attributes:
        identity: Share of equal residues, as in `Pair`; 1 for an equal sequence, NaN where nothing is found.
        e_value: As in `Pair`; 0 for an equal sequence, NaN where nothing is found.
    """

    identity: DoubleArray
    e_value: DoubleArray


@dataclass(frozen=True, slots=True)
class Relatives:
    """What a search of N sequences, all against all, has found.

    Attributes:
        number: (N,) number of each sequence among the D different ones.
        pairs: Of those numbers, each pair once, from the farthest to the nearest.
    """

    number: IntArray
    pairs: Pairs

    @classmethod
    def none(cls, n: int) -> Relatives:
        """N different sequences that are all unlike."""
        return cls(np.arange(n), Pairs.of(()))

    def nearest(self, rows: IntArray, among: IntArray) -> Nearest:
        """The nearest of each of M rows among other rows; no new search.

        Args:
            rows: (M,) row numbers of the sequences, 0 to N - 1.
            among: Row numbers of those that are compared with them, say of a fold's training part. An equal
                sequence among them counts as nearest, the row itself too if it stands there.
        """
        n_different = int(self.number.max(initial=-1)) + 1
        is_target = np.zeros(n_different, dtype=bool)
        is_target[self.number[among]] = True
        best = np.full(n_different, -1, dtype=np.int64)  # the last pair is the nearest; -1 is none
        for one, other in ((self.pairs.first, self.pairs.second), (self.pairs.second, self.pairs.first)):
            reached = np.flatnonzero(is_target[other])
            np.maximum.at(best, one[reached], reached)
        identity = np.append(self.pairs.identity, np.nan)[best]
        e_value = np.append(self.pairs.e_value, np.nan)[best]
        identity[is_target], e_value[is_target] = 1.0, 0.0  # an equal sequence
        mine = self.number[rows]
        return Nearest(identity[mine], e_value[mine])
