"""Nearest known sequences, found through words of a reduced alphabet and without the sequences themselves.

What is kept of a known sequence is which of eleven groups each residue belongs to: enough for the words and
for a score, not enough for the sequence. A search has the two steps of word methods (FASTA, Pearson & Lipman
1988; BLAST, Altschul et al. 1990), here with spaced seeds (Ma et al. 2002): words that two sequences share
are counted by diagonal, and the best diagonals are extended without gaps. A pair of groups scores the
log-odds, in bits, that BLOSUM62 gives to the residues in them (Henikoff & Henikoff 1992).

Axis letters: N queries, M known sequences, C classes, W word matches, K diagonals, P places of a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from sortilin.interfaces import FloatArray, IntArray

GROUPS = ("AST", "C", "DE", "FWY", "G", "H", "ILMV", "KR", "N", "P", "Q")
"""Residues that stand for each other in proteins; X is in none."""

SEEDS = ("11111", "110111")
"""Words: the places marked 1 have to agree."""

_BAND_BITS = 4
BAND = 1 << _BAND_BITS
"""Diagonals that are counted together, since a gap moves an alignment to a neighbouring one."""

COMMONEST = 400
"""A word that stands more often than this among the known sequences says little, and is passed over."""

N_BANDS = 60
"""Bands of a query that are extended."""

REACH = 150
"""Residues before and behind a shared word that an extension may take in."""

CHANCE_BITS = 8.0
"""What the best of many unrelated diagonals scores; taken off."""

_OTHERS_ABOVE = 10.0
"""Further diagonals of a known sequence, on the far side of a gap, count from here on."""

COLUMNS = ("nearest", "all", "lead")
"""Of each class: its nearest sequence, all its sequences, and the nearest less that of any other class."""

_SCORES = (
    (12, -3, -5, -11, -3, -9, -6, -5, -2, -6, -4),
    (-3, 44, -18, -11, -16, -16, -6, -16, -16, -16, -16),
    (-5, -18, 21, -15, -8, -3, -15, -2, 2, -6, 5),
    (-11, -11, -15, 25, -15, 1, -4, -14, -14, -19, -11),
    (-3, -16, -8, -15, 29, -11, -18, -11, -1, -11, -11),
    (-9, -16, -3, 1, -11, 39, -15, -3, 4, -11, -1),
    (-6, -6, -15, -4, -18, -15, 13, -12, -15, -13, -10),
    (-5, -16, -2, -14, -11, -3, -12, 19, -1, -8, 4),
    (-2, -16, 2, -14, -1, 4, -15, -1, 29, -11, -1),
    (-6, -16, -6, -19, -11, -11, -13, -8, -11, 34, -6),
    (-4, -16, 5, -11, -11, -1, -10, 4, -1, -6, 24),
)
"""Tenths of a bit for each pair of groups, from BLOSUM62 and the residue frequencies that belong to it."""

_X_SCORE, _TENTHS = -10, 10.0

MOST_MATCHES = 1 << 22
"""Of one query: a long one of little complexity is read from its start up to here, which bounds memory."""

_ROW_BITS = MOST_MATCHES.bit_length()
"""Room for the number of a match, beside that of its band, in one integer."""

_LEAST_EVIDENCE = 12.0
"""Natural logarithm of how much rarer than chance a band's words have to be: more than one common word."""


def _byte_table() -> NDArray[np.uint8]:
    table = np.full(256, len(GROUPS), dtype=np.uint8)
    for number, residues in enumerate(GROUPS):
        table[np.frombuffer(residues.encode(), dtype=np.uint8)] = number
    return table


_GROUP_OF_BYTE = _byte_table()
_X = len(GROUPS)
_MATRIX = np.full((_X + 1, _X + 1), _X_SCORE, dtype=np.int16)
_MATRIX[:_X, :_X] = _SCORES
_PAIR_STEP = np.uint8(_X + 1)
_SCORE_OF_PAIR = _MATRIX.ravel()


def reduced(sequence: str) -> NDArray[np.uint8]:
    """(L,) group of each residue of a cleaned sequence; `len(GROUPS)` for X."""
    return _GROUP_OF_BYTE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


@dataclass(frozen=True, slots=True)
class _Seed:
    """The words of one seed in the known sequences.

    Attributes:
        offsets: Places of a word that have to agree.
        starts: (words + 1,) where the places of each word begin in `places`.
        places: Places of the words on the axis of all known sequences, word by word.
        weights: (words,) natural logarithm of how rare each word is.
    """

    offsets: NDArray[np.int64]
    starts: NDArray[np.int64]
    places: NDArray[np.int32]
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, pattern: str, residues: NDArray[np.uint8]) -> _Seed:
        offsets = np.flatnonzero(np.frombuffer(pattern.encode(), dtype=np.uint8) == ord("1"))
        words, places = _words(residues, offsets)
        order = _order(words)
        counts = np.bincount(words, minlength=_X ** len(offsets))
        starts = np.concatenate([[0], np.cumsum(counts)])
        weights = np.log(max(len(words), 1) / np.maximum(counts, 1)).astype(np.float32)
        return cls(offsets, starts, places[order].astype(np.int32), weights)

    def matches(
        self, query: NDArray[np.uint8]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """(W,) places in the query, on the axis, and weights, of words that both have."""
        words, here = _words(query, self.offsets)
        counts = self.starts[words + 1] - self.starts[words]
        keep = (counts > 0) & (counts <= COMMONEST)
        words, here, counts = words[keep], here[keep], counts[keep]
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        rows = np.repeat(self.starts[words] - ends + counts, counts) + np.arange(total)
        return (
            np.repeat(here, counts),
            self.places[rows].astype(np.int64),
            np.repeat(self.weights[words], counts),
        )


class Neighbours:
    """Known sequences by their words, and the classes that they belong to."""

    def __init__(self, groups: NDArray[np.uint8], lengths: IntArray, y: IntArray, *, n_classes: int) -> None:
        """From what `arrays` gave.

        Args:
            groups: Group of each residue of all M known sequences, one behind the other.
            lengths: (M,) of each.
            y: (M,) class of each.
            n_classes: C.
        """
        self._groups, self._lengths, self._y = groups, lengths, y
        self._n_classes = n_classes
        # Whole bands, so that a sequence falls into the same ones wherever it stands.
        room = -(-(lengths + REACH) // BAND) * BAND
        self._starts = -(-REACH // BAND) * BAND + np.concatenate([[0], np.cumsum(room[:-1])]).astype(np.int64)
        self._ends = self._starts + lengths
        # All on one axis, with so many X between two that no extension gets from one to the next.
        self._axis = np.full(int(self._ends[-1]) + 2 * REACH, _X, dtype=np.uint8)
        rows = np.arange(len(groups)) + np.repeat(self._starts - (np.cumsum(lengths) - lengths), lengths)
        self._axis[rows] = groups
        self._seeds = [_Seed.of(pattern, self._axis) for pattern in SEEDS]

    @classmethod
    def of(cls, sequences: Sequence[str], y: IntArray, *, n_classes: int) -> Neighbours:
        """From M cleaned sequences, M >= 1, and their classes."""
        lengths = np.array([len(s) for s in sequences], dtype=np.int64)
        groups = np.concatenate([reduced(sequence) for sequence in sequences])
        return cls(groups, lengths, np.asarray(y, dtype=np.int64), n_classes=n_classes)

    @property
    def n_columns(self) -> int:
        """How many features it gives a sequence."""
        return len(COLUMNS) * self._n_classes

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that `restored` needs; two residues a byte."""
        even = np.append(self._groups, np.uint8(_X)) if len(self._groups) % 2 else self._groups
        return {
            "groups": (even[::2] << 4) | even[1::2],
            "lengths": self._lengths.astype(np.int32),
            "classes": self._y.astype(np.int32),
        }

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], *, n_classes: int) -> Neighbours:
        """From `arrays`.

        Raises:
            ValueError: They do not fit each other or the number of classes.
        """
        packed, lengths = arrays["groups"], arrays["lengths"].astype(np.int64)
        y = arrays["classes"].astype(np.int64)
        fits = lengths.ndim == 1 and len(lengths) > 0 and y.shape == lengths.shape
        if not fits or lengths.min() < 1 or y.min() < 0 or y.max() >= n_classes:
            raise ValueError(
                f"lengths and classes of its neighbours do not fit each other or {n_classes} classes"
            )
        groups = np.stack([packed >> 4, packed & 15], axis=1).ravel()
        if len(packed) != -(-int(lengths.sum()) // 2) or groups.max() > _X:
            raise ValueError("the residues of its neighbours do not fit their lengths")
        return cls(groups[: int(lengths.sum())], lengths, y, n_classes=n_classes)

    def features(self, sequences: Sequence[str], *, own: IntArray | None = None) -> FloatArray:
        """(N, 3 C): for each class, the three of `COLUMNS`, in logarithms of bits.

        Args:
            sequences: Cleaned sequences.
            own: (N,) index of each among the known ones, which it then does not find.
        """
        found = np.zeros((len(sequences), self.n_columns), dtype=np.float32)
        for row, sequence in enumerate(sequences):
            target, bits = self.search(sequence, own=None if own is None else int(own[row]))
            found[row] = self._summary(target, bits)
        return found

    def _summary(self, target: IntArray, bits: NDArray[np.float64]) -> NDArray[np.float64]:
        classes = self._y[target]
        nearest = np.zeros(self._n_classes)
        np.maximum.at(nearest, classes, bits)
        total = np.bincount(classes, bits, minlength=self._n_classes)
        others = np.array([np.delete(nearest, c).max() for c in range(self._n_classes)])
        lead = np.log1p(nearest) - np.log1p(others)
        return np.stack([np.log1p(nearest), np.log1p(total), lead], axis=1).ravel()

    def search(self, sequence: str, *, own: int | None = None) -> tuple[IntArray, NDArray[np.float64]]:
        """Known sequences that share a diagonal of words, and how many bits above chance they score.

        Args:
            sequence: A cleaned sequence.
            own: Index of a known sequence that is passed over.

        Returns:
            Indices, each once and ascending, and bits, above 0.
        """
        query = reduced(sequence)
        here, there, weight = (
            np.concatenate(p) for p in zip(*(s.matches(query) for s in self._seeds), strict=True)
        )
        if own is not None:
            keep = (there < self._starts[own]) | (there >= self._ends[own])
            here, there, weight = here[keep], there[keep], weight[keep]
        here, there, weight = here[:MOST_MATCHES], there[:MOST_MATCHES], weight[:MOST_MATCHES]
        rows = self._of_best_bands(there - here + len(query), weight)
        if not len(rows):
            return np.empty(0, dtype=np.int64), np.empty(0)
        here, there = here[rows], there[rows]
        window = (there - here + len(query)) * (len(query) // REACH + 1) + here // REACH
        _, first = np.unique(window, return_index=True)  # one extension a diagonal and stretch
        here, there = here[first], there[first]
        bits = self._extended(query, here, there)
        # The end of one known sequence and the start of the next may share a band; their words do not mix.
        return _of_targets(np.searchsorted(self._ends, there, side="right"), bits)

    @staticmethod
    def _of_best_bands(diagonal: IntArray, weight: NDArray[np.float32]) -> IntArray:
        """Row numbers of the matches in the bands with the rarest words."""
        if not len(diagonal):
            return diagonal
        # Sorted as one number each: NumPy sorts those several times as fast as it sorts by a key.
        packed = np.sort((diagonal >> _BAND_BITS << _ROW_BITS) | np.arange(len(diagonal)))
        band, row = packed >> _ROW_BITS, packed & ((1 << _ROW_BITS) - 1)
        first = np.flatnonzero(np.append(True, band[1:] != band[:-1]))
        evidence = np.add.reduceat(weight[row], first)
        bands = band[first]
        has_next = np.append(bands[1:] == bands[:-1] + 1, False)
        pairs = evidence + np.where(has_next, np.append(evidence[1:], 0), 0)  # a gap leads to the next one
        likely = _largest(pairs, N_BANDS)
        likely = likely[pairs[likely] > _LEAST_EVIDENCE]
        is_chosen = np.zeros(len(bands), dtype=bool)
        is_chosen[likely] = True
        is_chosen[likely[has_next[likely]] + 1] = True
        sizes = np.diff(np.append(first, len(band)))
        return np.sort(row[np.repeat(is_chosen, sizes)])

    def _extended(self, query: NDArray[np.uint8], here: IntArray, there: IntArray) -> NDArray[np.float64]:
        """(K,) bits of the best stretch without gaps around each word."""
        padded = np.full(len(query) + 2 * REACH + 1, _X, dtype=np.uint8)
        padded[REACH : REACH + len(query)] = query
        # Rows of a sliding view are copied whole, which is several times as fast as gathering residues.
        ours = sliding_window_view(padded, 2 * REACH + 1)[here]  # (K, P)
        theirs = sliding_window_view(self._axis, 2 * REACH + 1)[there - REACH]
        sums = np.cumsum(_SCORE_OF_PAIR.take(ours * _PAIR_STEP + theirs), axis=1, dtype=np.int32)
        lowest = np.minimum.accumulate(np.minimum(sums, 0), axis=1)
        best = np.maximum((sums[:, 1:] - lowest[:, :-1]).max(axis=1), sums[:, 0])
        return np.asarray(best / _TENTHS)


def _largest(values: NDArray[np.float32], n: int) -> IntArray:
    """Where the n largest stand, ascending; of equal ones the first."""
    if len(values) <= n:
        return np.arange(len(values))
    least = np.partition(values, len(values) - n)[len(values) - n]
    above = np.flatnonzero(values > least)
    return np.sort(np.append(above, np.flatnonzero(values == least)[: n - len(above)]))


def _of_targets(owner: IntArray, bits: NDArray[np.float64]) -> tuple[IntArray, NDArray[np.float64]]:
    """Each known sequence once: its best diagonal and, at most as much again, its other ones."""
    order = np.lexsort((-bits, owner))
    owner, bits = owner[order], bits[order]
    first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    above = np.maximum(bits - _OTHERS_ABOVE, 0)
    others = np.add.reduceat(above, first) - above[first]
    total = bits[first] + np.minimum(others, bits[first]) - CHANCE_BITS
    keep = total > 0
    return owner[first][keep], total[keep]


def _words(
    residues: NDArray[np.uint8], offsets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of each word without X, and its place."""
    n = len(residues) - int(offsets[-1])
    if n <= 0:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    word, is_whole = np.zeros(n, dtype=np.int64), np.ones(n, dtype=bool)
    for offset in offsets:
        part = residues[offset : offset + n]
        word = word * _X + part
        is_whole &= part < _X
    places = np.flatnonzero(is_whole)
    return word[places], places


def _order(words: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stable argsort; twice by 16 bits, which NumPy sorts by radix, is several times as fast as once."""
    low = np.argsort((words & 0xFFFF).astype(np.uint16), kind="stable")
    high = (words >> 16).astype(np.uint16)[low]
    return low[np.argsort(high, kind="stable")]
