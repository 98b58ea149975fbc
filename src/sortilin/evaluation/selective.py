"""Answering only where a model is sure: accuracy against the share of sequences that are answered.

Sequences are answered from the largest probability of the predicted class down (El-Yaniv & Wiener 2010,
JMLR 11:1605; Geifman & El-Yaniv 2017, NeurIPS). Those of equal probability are answered together. NumPy only.

Axis letters: N sequences, B resamples, T different probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import generator

ACCURACY = 0.95
"""The accuracy at which the share that is answered is given."""

LEVEL = 0.95
N_RESAMPLES = 1000
_CELLS_AT_ONCE = 4_000_000

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Selective:
    """What a model is worth where it may stay silent.

    Attributes:
        n: Sequences.
        accuracy: Where all are answered.
        asked: The accuracy that is asked for.
        share: The largest share of sequences, the surest first, of which that many are right; 0 if none is.
        share_interval: Its bootstrap interval.
        threshold: Smallest probability of those answered; NaN if none is.
        crossed: Share and accuracy where each fold is answered by the threshold of the others; None without
            folds.
        aurc: Area under the curve of errors over share answered; 0 is best.
        aurc_interval: Its bootstrap interval.
        curve: Points (share answered, accuracy), from the surest on; at most 200.
    """

    n: int
    accuracy: float
    asked: float
    share: float
    share_interval: Interval
    threshold: float
    crossed: tuple[float, float] | None
    aurc: float
    aurc_interval: Interval
    curve: tuple[tuple[float, float], ...]


def measure(
    y: IntArray,
    probabilities: DoubleArray,
    *,
    accuracy: float = ACCURACY,
    fold: IntArray | None = None,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
) -> Selective:
    """Curve, area, and the share answered at an accuracy, with bootstrap intervals.

    Args:
        y: (N,) class indices.
        probabilities: (N, C); the prediction is the largest.
        accuracy: Asked of what is answered, above 0, up to 1.
        fold: (N,) the fold in which each row was held out; None where there are none.
        seed: Seed of the resamples.
        n_resamples: Resamples of sequences.

    Raises:
        InputError: There are no sequences.
        ConfigError: The accuracy is not allowed.
    """
    if not len(y):
        raise InputError("selective prediction needs at least one sequence; found none")
    if not 0 < accuracy <= 1:
        raise ConfigError(f"accuracy is {accuracy}; allowed: above 0, up to 1")
    confidence = probabilities.max(axis=1)
    is_right = (probabilities.argmax(axis=1) == y).astype(np.float64)
    # Sequences that tie are alike in all that counts, so the same set gives the same resamples in any order.
    order = np.lexsort((is_right, -confidence))
    confidence, is_right = confidence[order], is_right[order]
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    shares, accuracies, aurc = _curves(np.ones((1, len(y))), is_right, ends)
    share = float(_answered(shares, accuracies, accuracy)[0])
    drawn = [_curves(w, is_right, ends) for w in _resamples(len(y), n_resamples, seed)]
    at_accuracy = np.concatenate([_answered(part[0], part[1], accuracy) for part in drawn])
    return Selective(
        n=len(y),
        accuracy=float(is_right.mean()),
        asked=accuracy,
        share=share,
        share_interval=_interval(at_accuracy),
        threshold=float(confidence[round(share * len(y)) - 1]) if share > 0 else float("nan"),
        crossed=None if fold is None else _crossed(y, probabilities, fold, accuracy),
        aurc=float(aurc[0]),
        aurc_interval=_interval(np.concatenate([part[2] for part in drawn])),
        curve=_points(shares[0], accuracies[0]),
    )


def _curves(
    weights: DoubleArray, is_right: DoubleArray, ends: IntArray
) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """(B, T) shares answered and accuracies, (B,) areas under the errors, of (B, N) counts of each row."""
    answered, right = np.cumsum(weights, axis=1), np.cumsum(weights * is_right, axis=1)
    n = answered[:, -1:]
    answered, right = answered[:, ends], right[:, ends]
    accuracies = right / np.maximum(answered, 1e-300)
    # Each sequence counts with the error of all that are answered when it is.
    steps = np.diff(answered, axis=1, prepend=0.0)
    return answered / n, accuracies, ((1 - accuracies) * steps).sum(axis=1) / n[:, 0]


def _answered(shares: DoubleArray, accuracies: DoubleArray, accuracy: float) -> DoubleArray:
    """(B,) largest share whose accuracy is at least what is asked; 0 if there is none."""
    is_enough = accuracies >= accuracy - 1e-12
    return np.asarray(np.where(is_enough, shares, 0.0).max(axis=1))


def _crossed(y: IntArray, probabilities: DoubleArray, fold: IntArray, accuracy: float) -> tuple[float, float]:
    """Share answered and its accuracy, each fold by the threshold of the others; NaN if none is answered."""
    confidence, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    is_answered = np.zeros(len(y), dtype=bool)
    for number in np.unique(fold):
        here = fold == number
        is_answered[here] = confidence[here] >= _threshold(confidence[~here], is_right[~here], accuracy)
    n = int(is_answered.sum())
    return n / len(y), float(is_right[is_answered].mean()) if n else float("nan")


def _threshold(confidence: DoubleArray, is_right: DoubleArray, accuracy: float) -> float:
    """Smallest probability to be answered for an accuracy; infinite if none is enough."""
    order = np.argsort(-confidence, kind="stable")
    confidence, is_right = confidence[order], is_right[order].astype(np.float64)
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    shares, accuracies, _ = _curves(np.ones((1, len(order))), is_right, ends)
    share = float(_answered(shares, accuracies, accuracy)[0])
    return float(confidence[round(share * len(order)) - 1]) if share > 0 else float("inf")


def _resamples(n: int, n_resamples: int, seed: int) -> Iterator[DoubleArray]:
    """Blocks of (B, N) counts: how often each resample holds each sequence."""
    rng, at_once = generator(seed, "selective"), max(_CELLS_AT_ONCE // n, 1)
    for start in range(0, n_resamples, at_once):
        n_here = min(at_once, n_resamples - start)
        cells = rng.integers(n, size=(n_here, n)) + n * np.arange(n_here)[:, None]
        yield np.bincount(cells.ravel(), minlength=n_here * n).reshape(n_here, n).astype(np.float64)


def _interval(values: DoubleArray) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _points(shares: DoubleArray, accuracies: DoubleArray, most: int = 200) -> tuple[tuple[float, float], ...]:
    """At most so many points of a curve, evenly by number, the last one always."""
    keep = np.unique(np.linspace(0, len(shares) - 1, min(most, len(shares))).round().astype(np.int64))
    return tuple(zip(shares[keep].tolist(), accuracies[keep].tolist(), strict=True))
