"""From a word to a matrix with a threshold.

A matrix is made from one site a sequence, scores all windows, and takes the best of each sequence as its
sites; those above the threshold that tells positives from controls best make the next matrix, until nothing
is gained. A sequence that gave the matrix a site is scored by the matrix without that site: a wide matrix
would else always find the very words that it was made from, and win over a narrower and truer one.

Axis letters: N sequences, S sites, W columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sortilin.interfaces import DoubleArray, IntArray
from sortilin.motifs._corpus import N_CODES, N_RESIDUES, Corpus, scoring_table
from sortilin.motifs._enrichment import enrichment

PSEUDOCOUNT = 2.0
"""Sites' worth of background that each column is given."""

MIN_SITES = 3
MAX_ROUNDS = 12
MIN_GAIN = 1.0
"""A change of width must raise G by so much: of several changes, chance alone raises it a little."""

CLEAR_BITS, VAGUE_BITS = 1.0, 0.3
"""Information of a column that a motif may end with for its own sake, and of one that it should not."""

KEPT_OF_G = 0.85
"""A matrix of all sites is taken for that of the best ones if it keeps so much of its G."""

NARROWED = (1.0, 0.5, 0.25)
"""Shares of the sites, the best ones, that a next matrix is tried from: nested subsets, as STREME's."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A matrix and how well it tells positives from controls.

    Attributes:
        places: (S,) where its sites begin among the positives, at most one a sequence.
        counts: (W, 20) their residues.
        threshold: Score in bits from which a window is a site.
        g: Enrichment of sequences with a site, each scored without its own.
        found: (S',) best windows from the threshold on, one a sequence, the best first.
    """

    places: IntArray
    counts: DoubleArray
    threshold: float
    g: float
    found: IntArray

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.counts)


class Refiner:
    """Matrices between a set of positives and a set of controls.

    Args:
        positives: The training part of the positives.
        controls: The training part of the controls.
        background: (20,) probabilities that scores compare with.
        widths: Narrowest and widest motif.
    """

    def __init__(
        self, positives: Corpus, controls: Corpus, background: DoubleArray, widths: tuple[int, int]
    ) -> None:
        self.positives, self.controls = positives, controls
        self.background, self.widths = background, widths

    def probabilities(self, counts: DoubleArray) -> DoubleArray:
        """(W, 20) from counts, with pseudocounts."""
        totals = counts.sum(axis=1, keepdims=True) + PSEUDOCOUNT
        matrix: DoubleArray = (counts + PSEUDOCOUNT * self.background) / totals
        return matrix

    def refined(self, places: IntArray, width: int, *, rounds: int = MAX_ROUNDS) -> Candidate | None:
        """The best matrix on the way from these sites; None if they tell nothing."""
        best = self.evaluated(places, width)
        for _ in range(rounds if best is not None else 0):
            assert best is not None
            following = [self.evaluated(part, width) for part in _nested(best.found)]
            gained = self._better(best, following)
            if gained is None:
                break
            best = gained
        return best

    def resized(self, candidate: Candidate) -> Candidate:
        """The same motif at the width that tells best, a column at a time."""
        best = candidate
        while True:
            tried = [
                self.refined(best.places + shift, width, rounds=1)
                for shift, width in _neighbours(best.width)
                if self.widths[0] <= width <= self.widths[1]
            ]
            gained = self._better(best, tried, MIN_GAIN) or self._better(
                best, filter(self._is_clear, tried), 0
            )
            if gained is None or (gained.g <= best.g and gained.width <= best.width):
                return self._trimmed(best)
            best = gained

    def settled(self, candidate: Candidate) -> Candidate:
        """The same motif from all the sites that it finds, if it tells nearly as well.

        The best matrix may come from the best few of its sites; that of all of them says more of the motif.
        """
        return self._whole(self.resized(self._whole(candidate)))

    def _whole(self, candidate: Candidate) -> Candidate:
        whole = self.evaluated(candidate.found, candidate.width)
        return candidate if whole is None or whole.g < KEPT_OF_G * candidate.g else whole

    def information(self, counts: DoubleArray) -> DoubleArray:
        """(W,) bits of each column, its relative entropy to the background."""
        matrix = self.probabilities(counts)
        bits: DoubleArray = (matrix * np.log2(matrix / self.background)).sum(axis=1)
        return bits

    def _is_clear(self, candidate: Candidate | None) -> bool:
        """Whether both ends say much: such a motif may be wider though it tells no better."""
        return candidate is not None and self.information(candidate.counts)[[0, -1]].min() >= CLEAR_BITS

    def _trimmed(self, candidate: Candidate) -> Candidate:
        """Without columns at its ends that say next to nothing, where that costs next to nothing."""
        says = np.flatnonzero(self.information(candidate.counts) >= VAGUE_BITS)
        if not len(says) or says[-1] + 1 - says[0] < self.widths[0]:
            return candidate
        trimmed = self.evaluated(candidate.places + says[0], int(says[-1] + 1 - says[0]))
        return candidate if trimmed is None or trimmed.g < candidate.g - MIN_GAIN else trimmed

    def evaluated(self, places: IntArray, width: int) -> Candidate | None:
        """The matrix of these sites, and how well it tells; None for too few sites."""
        if len(places) < MIN_SITES:
            return None
        words = self.positives.codes[places[:, None] + np.arange(width)]  # (S, W)
        cells = np.bincount((words + N_CODES * np.arange(width)).ravel(), minlength=N_CODES * width).reshape(
            width, N_CODES
        )
        counts = cells[:, :N_RESIDUES].astype(np.float64)
        log_odds = np.log2(self.probabilities(counts) / self.background)
        scores = self._without_own(scoring_table(log_odds), counts, places, words)
        positives = self.positives.best(scores)
        controls = self.controls.best(self.controls.scores(scoring_table(log_odds)))
        chosen = best_threshold(positives, controls)
        if chosen is None:
            return None
        threshold, g = chosen
        rows = np.flatnonzero(positives >= threshold)
        rows = rows[np.argsort(-positives[rows], kind="stable")]
        found = self.positives.places_of(scores, positives)[rows]
        return Candidate(places, counts, threshold, g, found)

    def _without_own(
        self, table: DoubleArray, counts: DoubleArray, places: IntArray, words: IntArray
    ) -> DoubleArray:
        """Scores of all windows of the positives, each sequence's own site taken out of the matrix.

        Taking it out only lowers scores, so that windows at or below zero, which are no sites, may stay.
        """
        scores = self.positives.scores(table)
        totals = counts.sum(axis=1, keepdims=True) - 1 + PSEUDOCOUNT
        fewer = (np.maximum(counts - 1, 0) + PSEUDOCOUNT * self.background) / totals
        loss = np.zeros((len(table), N_CODES))
        loss[:, :N_RESIDUES] = table[:, :N_RESIDUES] - np.log2(fewer / self.background)
        columns = np.arange(len(table))
        own = np.full((len(self.positives), len(table)), -1, dtype=np.int64)
        own[self.positives.owners[places]] = words
        high = np.flatnonzero(scores > 0)
        seen = self.positives.codes[high[:, None] + columns]
        is_own = seen == own[self.positives.owners[high]]
        scores[high] -= np.where(is_own, loss[columns, seen], 0.0).sum(axis=1)
        return scores

    @staticmethod
    def _better(
        best: Candidate, others: Iterable[Candidate | None], min_gain: float = 1e-9
    ) -> Candidate | None:
        """The best of the others, if it gains enough."""
        gained = [other for other in others if other is not None and other.g >= best.g + min_gain]
        return max(gained, key=lambda other: other.g, default=None)


def _nested(found: IntArray) -> Iterator[IntArray]:
    for share in NARROWED:
        yield found[: max(MIN_SITES, round(share * len(found)))]


def _neighbours(width: int) -> Iterator[tuple[int, int]]:
    """Shift of the sites and new width: a column more or less on either side, or moved by one."""
    yield from ((-1, width + 1), (0, width + 1), (-1, width + 2))
    yield from ((1, width - 1), (0, width - 1), (-1, width), (1, width))


def best_threshold(positives: DoubleArray, controls: DoubleArray) -> tuple[float, float] | None:
    """The score above zero that parts the (N,) best scores of either set best, and the enrichment there.

    None if positives score above zero no more often than controls.
    """
    ranked = np.unique(positives[positives > 0])[::-1]
    if not len(ranked):
        return None
    n_positives = len(positives) - np.searchsorted(np.sort(positives), ranked)
    n_controls = len(controls) - np.searchsorted(np.sort(controls), ranked)
    g = enrichment(n_positives, len(positives), n_controls, len(controls))
    best = int(g.argmax())
    if g[best] <= 0:
        return None
    below = np.concatenate([positives[positives < ranked[best]], controls[controls < ranked[best]], [0.0]])
    # Halfway to the next lower score, so that rounding moves nothing across the threshold.
    return float((ranked[best] + max(0.0, below.max())) / 2), float(g[best])
