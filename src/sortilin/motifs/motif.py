"""A motif: a matrix of probabilities, where it occurs, and how sure it is.

Axis letters: W columns of a motif, L residues of a sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sortilin.interfaces import DoubleArray, IntArray
from sortilin.motifs._corpus import Corpus, scoring_table
from sortilin.motifs._enrichment import Counts
from sortilin.sequences.residues import RESIDUES

_SHOWN = 0.2
"""A residue with a smaller share of a column is not part of the pattern."""

_CLEAR_BITS, _ANY = 0.5, "x"
_FLOOR = 1e-6
"""Of probabilities of other programs, which may be zero; no logarithm is infinite."""


@dataclass(frozen=True, slots=True)
class Site:
    """An occurrence of a motif.

    Attributes:
        row: The sequence, by its place among those that were asked about.
        start: Its first residue, from 0.
        score: Log-odds against the background, in bits.
    """

    row: int
    start: int
    score: float


@dataclass(frozen=True, eq=False)
class Motif:
    """A pattern that is more frequent among positives than among controls.

    Attributes:
        name: Rank and consensus: "1-KWKLFKK".
        matrix: (W, 20) probability of each residue in each column, in the order of `residues.RESIDUES`.
        background: (20,) probabilities that scores compare with: those of the controls.
        n_sites: Sites that the matrix was made from.
        n_distinct: Different words among them; few mean one family rather than a motif. None where another
            program found it.
        p_value: Fisher's exact test, one-sided, on the held-out part. NaN where another program gives none.
        e_value: `p_value` times the number of motifs that were tried.
        threshold: A window is a site from this score on, in bits.
        held_out: Counts behind the p-value, the sites of earlier motifs masked; None where another program
            found it.
        counts: Counts over all sequences.
    """

    name: str
    matrix: DoubleArray
    background: DoubleArray
    n_sites: int
    n_distinct: int | None
    p_value: float
    e_value: float
    threshold: float
    held_out: Counts | None
    counts: Counts

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.matrix)

    @cached_property
    def log_odds(self) -> DoubleArray:
        """(W, 20) log2 of probability over background, in bits."""
        ratios = np.maximum(self.matrix, _FLOOR) / np.maximum(self.background, _FLOOR)
        bits: DoubleArray = np.log2(ratios)
        return bits

    @property
    def information(self) -> DoubleArray:
        """(W,) bits of each column: its relative entropy to the background."""
        bits: DoubleArray = (self.matrix * self.log_odds).sum(axis=1)
        return bits

    @property
    def consensus(self) -> str:
        """The most probable residue of each column, "x" where the column says little."""
        return consensus(self.matrix, self.background)

    @property
    def pattern(self) -> str:
        """Each column's residues with a fifth or more, as a regular expression: "K[LI].K".

        It matches not just what the matrix finds: sites come from scores.
        """
        columns = []
        for column, letter in zip(self.matrix, self.consensus, strict=True):
            order = np.argsort(-column, kind="stable") if letter != _ANY else ()
            shown = "".join(RESIDUES[i] for i in order if column[i] >= _SHOWN)
            columns.append(f"[{shown}]" if len(shown) > 1 else shown or ".")
        return "".join(columns)

    def sites(self, sequences: Sequence[str]) -> list[Site]:
        """Occurrences that do not overlap, the best first chosen; in order of row and start.

        Args:
            sequences: Cleaned sequences.
        """
        if not sequences:
            return []
        corpus = Corpus.of(sequences)
        scores = corpus.scores(scoring_table(self.log_odds))
        places = apart(scores, self.threshold, self.width)
        rows = corpus.owners[places]
        return [
            Site(int(row), int(place - corpus.starts[row]), float(scores[place]))
            for row, place in zip(rows, places, strict=True)
        ]

    def mask(self, sequences: Sequence[str]) -> list[NDArray[np.bool_]]:
        """One (L,) array a sequence: which residues stand in a site."""
        masks = [np.zeros(len(sequence), dtype=np.bool_) for sequence in sequences]
        for site in self.sites(sequences):
            masks[site.row][site.start : site.start + self.width] = True
        return masks

    def counted(self, positives: Sequence[str], controls: Sequence[str]) -> Counts:
        """How many of either hold a site."""
        n_with = [len({site.row for site in self.sites(rows)}) for rows in (positives, controls)]
        return Counts(n_with[0], len(positives), n_with[1], len(controls))


def consensus(matrix: DoubleArray, background: DoubleArray) -> str:
    """The most probable residue of each column.

    "x" where the column has less than half a bit, or no residue with a fifth.

    Args:
        matrix: (W, 20) probabilities.
        background: (20,) probabilities that the information of a column compares with.
    """
    bits = (matrix * np.log2(np.maximum(matrix, _FLOOR) / np.maximum(background, _FLOOR))).sum(axis=1)
    is_clear = (bits >= _CLEAR_BITS) & (matrix.max(axis=1) >= _SHOWN)
    letters = zip(matrix.argmax(axis=1), is_clear, strict=True)
    return "".join(RESIDUES[i] if clear else _ANY for i, clear in letters)


def apart(scores: DoubleArray, threshold: float, width: int) -> IntArray:
    """Sorted places of the windows from the threshold on, the best chosen first, none overlapping another."""
    places = np.flatnonzero(scores >= threshold)
    is_taken = np.zeros(len(scores) + width, dtype=np.bool_)
    kept = []
    for place in places[np.argsort(-scores[places], kind="stable")]:
        if not is_taken[place : place + width].any():
            is_taken[place : place + width] = True
            kept.append(place)
    return np.sort(np.array(kept, dtype=np.int64))
