"""Words with gaps that stand in more positives than controls: where the search for a motif begins.

A word is a few letters at fixed distances, as in "K..LK". It is counted over residues, and over ten groups of
similar residues, so that a place which takes any of several is found too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from sortilin.interfaces import IntArray
from sortilin.motifs._corpus import N_CODES, N_RESIDUES, Corpus
from sortilin.motifs._enrichment import enrichment
from sortilin.sequences.residues import RESIDUES

GROUPS = ("LVIM", "C", "A", "G", "ST", "P", "FYW", "EDNQ", "KR", "H")
"""Ten groups of residues that stand for each other in alignments (Murphy, Wallqvist and Levy 2000,
doi:10.1093/protein/13.3.149)."""

MAX_SPAN_OF_FOUR = 8
PER_SHAPE = 2
"""So many of the best words of a shape are kept; more are mostly the same sites again."""

MIN_POSITIVES = 3
"""A word of fewer positives is no beginning of a motif."""

_NONE = -1_000_000  # a key with such a digit is negative


def _lookup(groups: tuple[str, ...]) -> IntArray:
    table = np.full(N_CODES, _NONE, dtype=np.int64)
    for number, group in enumerate(groups):
        table[[RESIDUES.index(residue) for residue in group]] = number
    return table


_ALPHABETS = {"residues": (_lookup(tuple(RESIDUES)), N_RESIDUES), "groups": (_lookup(GROUPS), len(GROUPS))}


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the letters of a word stand, and what a letter is.

    Attributes:
        alphabet: "residues" or "groups".
        offsets: Places of the letters, the first 0.
    """

    alphabet: str
    offsets: tuple[int, ...]

    @property
    def span(self) -> int:
        """Residues from the first letter to the last."""
        return self.offsets[-1] + 1

    def keys(self, corpus: Corpus) -> IntArray:
        """Number of the word that begins at each place; negative where a letter is missing or a wall."""
        table, base = _ALPHABETS[self.alphabet]
        letters = table.take(corpus.codes)
        n = len(letters) - self.span + 1
        total = letters[:n].copy()
        is_none = corpus.n_walls[self.span :] > corpus.n_walls[:n]
        for offset in self.offsets[1:]:
            following = letters[offset : offset + n]
            total = total * base + following
            is_none |= following < 0
        total[is_none] = _NONE
        return total

    def counts(self, corpus: Corpus) -> tuple[IntArray, IntArray]:
        """Words that occur, sorted, and how many sequences hold each."""
        keys = self.keys(corpus)
        places = np.flatnonzero(keys >= 0)
        held = np.sort(keys[places] * len(corpus) + corpus.owners[places])
        words = held[np.diff(held, prepend=-1) > 0] // len(corpus)
        first = np.flatnonzero(np.diff(words, prepend=-1) > 0)
        return words[first], np.diff(first, append=len(words))


@dataclass(frozen=True, slots=True)
class Word:
    """A word that is more frequent among positives.

    Attributes:
        shape: Its shape.
        key: Its number.
        g: How much more frequent, as `enrichment` has it.
    """

    shape: Shape
    key: int
    g: float

    def places(self, corpus: Corpus) -> IntArray:
        """Where it begins: its first place in each sequence that holds it."""
        found = np.flatnonzero(self.shape.keys(corpus) == self.key)
        _, first = np.unique(corpus.owners[found], return_index=True)
        return found[first]


def shapes(max_width: int) -> Iterator[Shape]:
    """All shapes: three letters over any span, four in a row, and four groups over short spans."""
    for alphabet in _ALPHABETS:
        for span in range(3, max_width + 1):
            for middle in range(1, span - 1):
                yield Shape(alphabet, (0, middle, span - 1))
    if max_width > 3:
        yield Shape("residues", (0, 1, 2, 3))
    for span in range(4, min(max_width, MAX_SPAN_OF_FOUR) + 1):
        for inner in combinations(range(1, span - 1), 2):
            yield Shape("groups", (0, *inner, span - 1))


def best_words(shape: Shape, positives: Corpus, controls: Corpus) -> list[Word]:
    """The words of a shape that are enriched most, the best first."""
    keys, n_positives = shape.counts(positives)
    is_frequent = n_positives >= MIN_POSITIVES
    keys, n_positives = keys[is_frequent], n_positives[is_frequent]
    known, n_known = shape.counts(controls)
    at = np.searchsorted(known, keys)
    is_known = np.append(known, -1)[at] == keys
    n_controls = np.where(is_known, np.append(n_known, 0)[at], 0)
    g = enrichment(n_positives, len(positives), n_controls, len(controls))
    best = np.argsort(-g, kind="stable")[:PER_SHAPE]
    return [Word(shape, int(keys[n]), float(g[n])) for n in best if g[n] > 0]
