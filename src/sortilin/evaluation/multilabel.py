"""Metrics of predictions in which a sequence may have several classes, in NumPy.

What is compared is two tables of yes and no. F1 and the correlation of a class are those of its own yes and
no (Matthews 1975); micro-F1 counts all cells of the tables together, macro-F1 is the mean over classes. The
Jaccard index is the mean over sequences of shared classes over all classes that either names (Godbole &
Sarawagi 2004), the exact match the share of sequences whose classes are all right and complete, the Hamming
loss the share of cells that are wrong (Tsoumakas & Katakis 2007, doi:10.4018/jdwm.2007070101). Less is better
in the last.

Shares (the exact match, a class's precision and recall) have Wilson's interval, see `proportions`; all other
metrics have percentiles of a bootstrap over sequences. A class may vanish from a resample: its F1 and ROC-AUC
are left out of the interval there.

Axis letters: N sequences, C classes, B weightings.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import InputError
from sortilin.evaluation.proportions import wilson
from sortilin.evaluation.weighted import Scored
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import generator

METRICS = ("micro_f1", "macro_f1", "jaccard", "exact_match", "hamming_loss", "macro_mcc", "roc_auc")
"""Over all classes."""

PER_CLASS = ("precision", "recall", "f1", "mcc", "roc_auc")
"""Of one class against the rest."""

LEVEL = 0.95
N_RESAMPLES = 1000

_WEIGHTS_AT_ONCE = 1_000_000

Interval = tuple[float, float]
"""Lower and upper end."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MultiLabelEvaluation:
    """How predictions of several classes compare with the known ones.

    Attributes:
        n: Number of sequences scored.
        classes: Class names, in the order of every per-class value.
        metrics: One of `METRICS` → value; NaN where undefined.
        per_class: Class → one of `PER_CLASS` → value; "support" and "called" are counts.
    """

    n: int
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals of an evaluation, both ends NaN where one is undefined.

    Attributes:
        metrics: Metric → interval.
        per_class: Class → metric → interval.
    """

    metrics: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, Interval]]


def evaluate(
    truth: IntArray, probabilities: DoubleArray, called: BoolArray, classes: Sequence[str]
) -> MultiLabelEvaluation:
    """Score predictions against known classes.

    Args:
        truth: (N, C), 1 where a sequence has a class.
        probabilities: (N, C); what ROC-AUC ranks by.
        called: (N, C) whether a class is predicted.
        classes: C names.

    Raises:
        InputError: There are no sequences.
    """
    if not len(truth):
        raise InputError("an evaluation needs at least one sequence; found none")
    table = _Table(truth, probabilities, called)
    whole, each = table.measure(np.ones((1, len(truth))))
    counts = {"support": truth.sum(axis=0), "called": called.sum(axis=0)}
    return MultiLabelEvaluation(
        n=len(truth),
        classes=tuple(classes),
        metrics={name: float(values[0]) for name, values in whole.items()},
        per_class={
            name: {metric: float(values[0, c]) for metric, values in each.items()}
            | {metric: float(values[c]) for metric, values in counts.items()}
            for c, name in enumerate(classes)
        },
    )


def intervals(
    truth: IntArray,
    probabilities: DoubleArray,
    called: BoolArray,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> Intervals:
    """The interval of each metric as it suits the metric: Wilson's of shares, else that of `bootstrap`.

    The arguments and errors are those of `bootstrap`.
    """
    drawn = bootstrap(truth, probabilities, called, classes, seed=seed, n_resamples=n_resamples, level=level)
    is_true = truth.astype(bool)
    n_exact = int((is_true == called).all(axis=1).sum())
    hits, n_true, n_called = ((t.sum(axis=0)).tolist() for t in (is_true & called, is_true, called))
    shares = {
        name: {
            "precision": wilson(hits[c], n_called[c], level=level),
            "recall": wilson(hits[c], n_true[c], level=level),
        }
        for c, name in enumerate(classes)
    }
    return Intervals(
        {**drawn.metrics, "exact_match": wilson(n_exact, len(truth), level=level)},
        {name: {**drawn.per_class[name], **shares[name]} for name in classes},
    )


def bootstrap(
    truth: IntArray,
    probabilities: DoubleArray,
    called: BoolArray,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> Intervals:
    """Bootstrap intervals over sequences; thresholds and probabilities stay as they are.

    Args:
        truth: (N, C), 1 where a sequence has a class.
        probabilities: (N, C).
        called: (N, C) whether a class is predicted.
        classes: C names.
        seed: Of the resamples.
        n_resamples: Resamples drawn.
        level: Share of the resamples inside the interval, above 0 and below 1.

    Raises:
        InputError: There are no sequences.
    """
    if not len(truth):
        raise InputError("an interval needs at least one sequence; found none")
    table = _Table(truth, probabilities, called)
    blocks = [table.measure(weights) for weights in _resamples(len(truth), n_resamples, seed)]
    whole = {name: np.concatenate([block[0][name] for block in blocks]) for name in METRICS}
    each = {name: np.concatenate([block[1][name] for block in blocks]) for name in PER_CLASS}
    return Intervals(
        {name: _interval(values, level) for name, values in whole.items()},
        {
            name: {metric: _interval(values[:, c], level) for metric, values in each.items()}
            for c, name in enumerate(classes)
        },
    )


class _Table:
    """Truth and predictions, ready to be measured under many weightings of the sequences."""

    def __init__(self, truth: IntArray, probabilities: DoubleArray, called: BoolArray) -> None:
        is_true = truth.astype(bool)
        shared, either = (is_true & called).sum(axis=1), (is_true | called).sum(axis=1)
        self._hits = (is_true & called).astype(np.float64)  # (N, C)
        self._true, self._called = is_true.astype(np.float64), called.astype(np.float64)
        self._jaccard = np.where(either > 0, shared / np.maximum(either, 1), 1.0)  # (N,)
        self._exact = (is_true == called).all(axis=1).astype(np.float64)
        # Of two opposite columns both areas are that of the class.
        self._ranked = [
            Scored(truth[:, c].astype(np.int64), np.column_stack((-p, p)), 2)
            for c, p in enumerate(probabilities.T)
        ]

    def measure(self, weights: DoubleArray) -> tuple[dict[str, DoubleArray], dict[str, DoubleArray]]:
        """(B, N) weights → each of `METRICS`, (B,), and each of `PER_CLASS`, (B, C)."""
        n = weights.sum(axis=1)
        hits, true, called = weights @ self._hits, weights @ self._true, weights @ self._called
        area = np.column_stack([scored.metric("roc_auc", weights) for scored in self._ranked])
        is_told = true + called > 0
        f1 = np.where(is_told, 2 * hits / np.maximum(true + called, 1), np.nan)
        mcc = _correlation(hits, true, called, n[:, None])
        total = (true + called).sum(axis=1)
        whole = {
            "micro_f1": np.where(total > 0, 2 * hits.sum(axis=1) / np.maximum(total, 1), np.nan),
            "macro_f1": _mean(f1),
            "jaccard": weights @ self._jaccard / n,
            "exact_match": weights @ self._exact / n,
            "hamming_loss": (true + called - 2 * hits).sum(axis=1) / (n * true.shape[1]),
            "macro_mcc": mcc.mean(axis=1),
            "roc_auc": _mean(area),
        }
        each = {
            "precision": np.where(is_told, hits / np.maximum(called, 1), np.nan),
            "recall": np.where(true > 0, hits / np.maximum(true, 1), np.nan),
            "f1": f1,
            "mcc": mcc,
            "roc_auc": area,
        }
        return whole, each


def _correlation(hits: DoubleArray, true: DoubleArray, called: DoubleArray, n: DoubleArray) -> DoubleArray:
    """Matthews correlation of counts; 0 where it is undefined."""
    spread = true * called * (n - true) * (n - called)
    return np.where(spread > 0, (hits * n - true * called) / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def _mean(values: DoubleArray) -> DoubleArray:
    """(B, C) → (B,) mean of what is defined; NaN where nothing is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a row without any value
        return np.asarray(np.nanmean(values, axis=1))


def _interval(values: DoubleArray, level: float) -> Interval:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _resamples(n: int, n_resamples: int, seed: int) -> Iterator[DoubleArray]:
    """Blocks of (B, N) counts: how often each resample holds each sequence."""
    rng, at_once = generator(seed, "bootstrap"), max(_WEIGHTS_AT_ONCE // n, 1)
    for start in range(0, n_resamples, at_once):
        n_here = min(at_once, n_resamples - start)
        cells = rng.integers(n, size=(n_here, n)) + n * np.arange(n_here)[:, None]
        yield np.bincount(cells.ravel(), minlength=n_here * n).reshape(n_here, n).astype(np.float64)
