"""Held-out predictions in bands: by likeness to what their model learned from, and by length.

A figure of all held-out sequences together hides that copies of training sequences are easy and strangers
hard. Here each is put beside the nearest sequence of its own fold's training part, from the search that made
the groups (`sequences.relatives`); rows that a network set aside count as learned from. Relatives in the same
held-out fold are none.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.evaluation import bounded, intervals, metrics
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.sequences.relatives import Relatives

Interval = tuple[float, float]
"""Lower and upper end."""

FEWEST = 30
"""Sequences of a band with figures; of fewer, one prediction moves the accuracy by more than 3 %."""

IDENTITIES = (0.3, 0.5, 0.9)
"""Where bands of identity meet: the limit of a link, half, and near copies."""

NO_RELATIVE = "none found"

LENGTH_BANDS = 5
"""Bands of length where there are sequences enough, each with about as many of them."""

METRICS = ("macro_f1", "mcc", "accuracy", "ece")
OF_TWO = ("sensitivity", "specificity")


@dataclass(frozen=True, slots=True)
class Band:
    """Held-out predictions of like sequences.

    Attributes:
        name: What stands in the table ("30 to 50 %", "201 to 300").
        low: Lower end, which belongs to the band: an identity from 0 to 1, or residues; None in the band of
            those without a relative.
        high: Upper end: an identity, which does not belong to the band, or residues, which do; None where
            there is none.
        n: Sequences.
        classes: Class → number of sequences.
        metrics: `macro_f1`, `mcc`, `accuracy`, `ece`, for two classes `sensitivity` and `specificity`, and
            `confidence`, the mean probability of the predicted class; None where there are fewer than
            `FEWEST` sequences.
        intervals: Interval of each of them; None likewise.
    """

    name: str
    low: float | None
    high: float | None
    n: int
    classes: Mapping[str, int]
    metrics: Mapping[str, float] | None
    intervals: Mapping[str, Interval] | None

    @property
    def is_too_sure(self) -> bool:
        """Whether the mean probability lies above the interval of the accuracy."""
        if self.metrics is None or self.intervals is None:
            return False
        return self.metrics["confidence"] > self.intervals["accuracy"][1]


@dataclass(frozen=True, slots=True)
class Scored:
    """Held-out predictions.

    Attributes:
        y: (N,) class indices.
        probabilities: (N, C) calibrated.
        classes: C class names.
        seed: Of the resamples.
    """

    y: IntArray
    probabilities: DoubleArray
    classes: Sequence[str]
    seed: int

    def band(
        self, inside: NDArray[np.bool_], name: str, low: float | None = None, high: float | None = None
    ) -> Band:
        """Those that an (N,) mask selects."""
        y, table = self.y[inside], self.probabilities[inside]
        counts = np.bincount(y, minlength=len(self.classes)).tolist()
        of_classes = dict(zip(self.classes, counts, strict=True))
        if len(y) < FEWEST:
            return Band(name, low, high, len(y), of_classes, None, None)
        whole = metrics.evaluate(y, table, self.classes).metrics
        values = {metric: whole[metric] for metric in (*METRICS, *OF_TWO) if metric in whole}
        around = bounded.of_set(y, table, self.classes, metrics=tuple(values), seed=self.seed)
        confidence = table.max(axis=1)
        values["confidence"] = float(confidence.mean())
        around["confidence"] = intervals.of_mean(confidence, y, seed=self.seed)
        return Band(name, low, high, len(y), of_classes, values, around)


def by_identity(
    folds: CrossValidation, relatives: Relatives, y: IntArray, classes: Sequence[str], *, seed: int
) -> tuple[Band, ...]:
    """Bands by identity to the nearest sequence in training, the farthest first: those without any relative.

    Args:
        folds: A cross-validation of N sequences.
        relatives: What a search has found of the same.
        y: (N,) class indices.
        classes: C class names.
        seed: Of the resamples of the intervals.
    """
    scored = Scored(y, folds.probabilities, classes, seed)
    identity = nearest_in_training(folds.fold, relatives)
    bands = [scored.band(np.isnan(identity), NO_RELATIVE)]
    ends = (0.0, *IDENTITIES, math.inf)
    for low, high in itertools.pairwise(ends):
        inside = (identity >= low) & (identity < high)  # False for NaN
        bands.append(scored.band(inside, _shares(low, high), low, high if high < math.inf else None))
    return tuple(bands)


def nearest_in_training(fold: IntArray, relatives: Relatives) -> DoubleArray:
    """(N,) identity of each sequence to the nearest outside its own fold; NaN where there is none.

    Args:
        fold: (N,) the fold in which each sequence is held out.
        relatives: What a search has found of the same.
    """
    identity = np.full(len(fold), np.nan)
    for number in np.unique(fold):
        held_out, training = np.flatnonzero(fold == number), np.flatnonzero(fold != number)
        identity[held_out] = relatives.nearest(held_out, training).identity
    return identity


def _shares(low: float, high: float) -> str:
    if low == 0:
        return f"below {high * 100:.0f} %"
    return f"{low * 100:.0f} to {high * 100:.0f} %" if high < math.inf else f"{low * 100:.0f} % and more"


def by_length(
    folds: CrossValidation,
    lengths: IntArray,
    y: IntArray,
    classes: Sequence[str],
    *,
    seed: int,
) -> tuple[Band, ...]:
    """Bands of about as many sequences each, the shortest first; their ends are round numbers.

    Args:
        folds: A cross-validation of N sequences.
        lengths: (N,) residues.
        y: (N,) class indices.
        classes: C class names.
        seed: Of the resamples of the intervals.
    """
    scored = Scored(y, folds.probabilities, classes, seed)
    ends = length_ends(lengths)
    lows = (int(lengths.min()), *(end + 1 for end in ends[:-1]))
    return tuple(
        scored.band((lengths >= low) & (lengths <= high), f"{low:,} to {high:,}", low, high)
        for low, high in zip(lows, ends, strict=True)
    )


def length_ends(lengths: IntArray) -> tuple[int, ...]:
    """Longest sequence of each band: rounded quantiles, and the longest of all.

    There are `LENGTH_BANDS`, or fewer where a band would hold fewer than `FEWEST` sequences.

    Args:
        lengths: (N,) residues, at least one.
    """
    longest, kept = int(lengths.max()), []
    n_bands = max(min(LENGTH_BANDS, len(lengths) // FEWEST), 1)
    quantiles = np.quantile(lengths, np.arange(1, n_bands) / n_bands)
    below = 0  # sequences in the bands that are done
    for end in sorted({_rounded(value) for value in quantiles}):
        n_up_to = int((lengths <= end).sum())
        if end < longest and n_up_to - below >= FEWEST and len(lengths) - n_up_to >= FEWEST:
            kept.append(end)
            below = n_up_to
    return (*kept, longest)


def _rounded(length: float) -> int:
    """The nearest number whose second digit is 0 or 5: 15, 40, 250, 700."""
    step = max(int(5 * 10.0 ** (math.floor(math.log10(length)) - 1)), 1)
    return max(round(length / step) * step, 1)
