"""The method of this package, of the kind of STREME (Bailey 2021, doi:10.1093/bioinformatics/btab203).

Both sets are parted into a training and a held-out part. On the training part, words that are more frequent
among positives are refined to matrices; the best one, with its threshold, is counted on the held-out part,
where Fisher's exact test gives its p-value. Its sites are masked, in both parts, and the next is searched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sortilin import seeding
from sortilin.interfaces import DoubleArray, IntArray, OnProgress
from sortilin.motifs._corpus import Corpus, scoring_table
from sortilin.motifs._enrichment import Counts
from sortilin.motifs._refinement import Candidate, Refiner
from sortilin.motifs._words import Word, best_words, shapes
from sortilin.motifs.config import MotifConfig
from sortilin.motifs.motif import Motif, apart, consensus

N_WORDS, N_RESIZED = 150, 10
"""Words that are refined, and matrices of them whose width is searched."""

EARLY_ROUNDS = 3
_BACKGROUND_PSEUDOCOUNT = 1.0


@dataclass(frozen=True, eq=False)
class _Part:
    """Positives and controls of one side of the split."""

    positives: Corpus
    controls: Corpus

    def masked(self, table: DoubleArray, threshold: float) -> _Part:
        """Without the sites of a motif."""
        return _Part(*(_masked(corpus, table, threshold) for corpus in (self.positives, self.controls)))

    def counts(self, table: DoubleArray, threshold: float) -> Counts:
        """How many hold a site."""
        n_with = [
            int((corpus.best(corpus.scores(table)) >= threshold).sum())
            for corpus in (self.positives, self.controls)
        ]
        return Counts(n_with[0], len(self.positives), n_with[1], len(self.controls))


def _masked(corpus: Corpus, table: DoubleArray, threshold: float) -> Corpus:
    return corpus.without(apart(corpus.scores(table), threshold, len(table)), len(table))


def found(
    positives: Sequence[str],
    controls: Sequence[str],
    config: MotifConfig,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> list[Motif]:
    """All motifs that were tried, the smallest p-value first.

    Args:
        positives: Distinct cleaned sequences, some of which the held-out part gets.
        controls: Likewise.
        config: Options.
        seed: Seed of the split.
        on_progress: Called as ("motif 1", shapes of words counted, all shapes), ...
    """
    training, held_out = _split(positives, controls, config.holdout, seed)
    counts = training.controls.composition() + _BACKGROUND_PSEUDOCOUNT
    background = counts / counts.sum()
    tried: list[Motif] = []
    n_good = n_bad_in_a_row = 0
    while n_good < config.n_motifs and n_bad_in_a_row < config.patience:
        refiner = Refiner(
            training.positives, training.controls, background, (config.min_width, config.max_width)
        )
        best = _best(refiner, config.max_width, _told(on_progress, len(tried) + 1))
        if best is None:
            break
        motif = _motif(best, refiner, held_out)
        tried.append(motif)
        # The correction for further tries comes at the end; this one decides only when to stop.
        is_good = motif.p_value * len(tried) <= config.p_threshold
        n_good, n_bad_in_a_row = n_good + is_good, 0 if is_good else n_bad_in_a_row + 1
        table = scoring_table(motif.log_odds)
        training, held_out = training.masked(table, motif.threshold), held_out.masked(table, motif.threshold)
    return _ranked(tried, positives, controls)


def _told(on_progress: OnProgress | None, number: int) -> OnProgress:
    def tell(_stage: str, done: int, total: int) -> None:
        if on_progress is not None:
            on_progress(f"motif {number}", done, total)

    return tell


def n_held_out(n: int, holdout: float) -> int:
    """How many of n sequences are kept back for the p-values."""
    return math.floor(holdout * n + 0.5)


def _split(
    positives: Sequence[str], controls: Sequence[str], holdout: float, seed: int
) -> tuple[_Part, _Part]:
    """Training and held-out part of both sets."""
    parts: list[tuple[Corpus, Corpus]] = []
    for name, sequences in (("positives", positives), ("controls", controls)):
        n_out = n_held_out(len(sequences), holdout)
        order = seeding.generator(seed, "motifs", name).permutation(len(sequences))
        out, kept = np.sort(order[:n_out]), np.sort(order[n_out:])
        parts.append((Corpus.of([sequences[i] for i in kept]), Corpus.of([sequences[i] for i in out])))
    (training, out_positives), (training_controls, out_controls) = parts
    return _Part(training, training_controls), _Part(out_positives, out_controls)


def _best(refiner: Refiner, max_width: int, tell: OnProgress) -> Candidate | None:
    """The matrix that tells the training parts apart best; None if no word is enriched."""
    first = [
        candidate
        for word in _words(refiner, max_width, tell)
        if (candidate := refiner.refined(*_sites(word, refiner), rounds=EARLY_ROUNDS)) is not None
    ]
    first.sort(key=lambda candidate: -candidate.g)
    resized = [refiner.resized(candidate) for candidate in _different(first)]
    best = max(resized, key=lambda candidate: candidate.g, default=None)
    return None if best is None else refiner.settled(best)


def _words(refiner: Refiner, max_width: int, tell: OnProgress) -> list[Word]:
    all_shapes = list(shapes(max_width))
    words: list[Word] = []
    for done, shape in enumerate(all_shapes, 1):
        words += best_words(shape, refiner.positives, refiner.controls)
        tell("", done, len(all_shapes))
    return sorted(words, key=lambda word: -word.g)[:N_WORDS]


def _sites(word: Word, refiner: Refiner) -> tuple[IntArray, int]:
    """First sites of a word and their width: its span, or as much wider as a motif must be."""
    width = max(word.shape.span, refiner.widths[0])
    return word.places(refiner.positives) - (width - word.shape.span) // 2, width


def _different(candidates: Sequence[Candidate]) -> Iterator[Candidate]:
    """The first ones whose sites are not those of an earlier one again."""
    kept: list[set[int]] = []
    for candidate in candidates:
        middles = {int(place + candidate.width // 2) // 2 for place in candidate.found}
        if all(len(middles & earlier) < 0.5 * min(len(middles), len(earlier)) for earlier in kept):
            kept.append(middles)
            yield candidate
        if len(kept) == N_RESIZED:
            return


def _motif(best: Candidate, refiner: Refiner, held_out: _Part) -> Motif:
    """As a motif, with its counts on the held-out part; those over all sequences come later."""
    matrix = refiner.probabilities(best.counts)
    table = scoring_table(np.log2(matrix / refiner.background))
    counts = held_out.counts(table, best.threshold)
    words = refiner.positives.codes[best.places[:, None] + np.arange(best.width)]
    return Motif(
        name=consensus(matrix, refiner.background),
        matrix=matrix,
        background=refiner.background,
        n_sites=len(best.places),
        n_distinct=len(np.unique(words, axis=0)),
        p_value=counts.p_value,
        e_value=math.nan,
        threshold=best.threshold,
        held_out=counts,
        counts=counts,
    )


def _ranked(tried: Sequence[Motif], positives: Sequence[str], controls: Sequence[str]) -> list[Motif]:
    """By p-value, numbered, with E-values and with counts over all sequences."""
    return [
        replace(
            motif,
            name=f"{number}-{motif.name}",
            e_value=motif.p_value * len(tried),
            counts=motif.counted(positives, controls),
        )
        for number, motif in enumerate(sorted(tried, key=lambda motif: motif.p_value), 1)
    ]
