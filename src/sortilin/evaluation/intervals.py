"""How sure a metric is: bootstrap intervals, and a paired test of two models on the same sequences.

Both say what other test sequences would have changed. They say nothing of what another training set,
seed or split would have changed.

The bootstrap draws within each true class, so that every resample has the class counts of the set and no
class vanishes; its intervals are percentiles (Efron & Tibshirani 1993, An Introduction to the Bootstrap,
chapter 13). An interval of a metric that is 1 (or 0) in the set has no width, whatever the number of
sequences.

The test swaps the two models' predictions of a sequence at random, as it may if neither is better (Good
2005, Permutation, Parametric and Bootstrap Tests of Hypotheses, doi:10.1007/b138696). The observed
assignment is counted as one of those drawn, so that p is never 0 (Phipson & Smyth 2010,
doi:10.2202/1544-6115.1585).

A metric is that of `metrics.evaluate`, over sequences that count several times or not at all. Here it is
computed for many such weightings at once.

Axis letters: N sequences, C classes, B resamples, G groups of equal scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, InputError, UnknownNameError
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import generator

METRICS = ("macro_f1", "accuracy", "roc_auc", "precision", "recall")
"""The metrics that get an interval unless others are asked for."""

LEVEL = 0.95

_WEIGHTS_AT_ONCE = 1_000_000
"""Resamples are taken in blocks of about so many weights, 8 MB: small enough for a processor's cache."""

_EQUAL = 1e-12
"""Differences of metrics that are nearer than this are the same fraction, rounded otherwise."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """How two models compare on the same sequences in one metric.

    Attributes:
        difference: The metric of the first model less that of the second; NaN where it is undefined.
        low: Lower end of the difference's bootstrap interval.
        high: Upper end of it.
        p_value: Two-sided, of a paired permutation test, above 0 and at most 1; NaN with the difference.
    """

    difference: float
    low: float
    high: float
    p_value: float


def bootstrap(
    y: IntArray,
    probabilities: DoubleArray,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = 1000,
    level: float = LEVEL,
    metrics: Sequence[str] = METRICS,
) -> dict[str, tuple[float, float]]:
    """Bootstrap intervals of metrics over sequences, stratified by class.

    Every metric is computed on the same resamples, so that one more does not change the others. The
    order of the sequences does not matter either.

    Args:
        y: (N,) class indices.
        probabilities: (N, C); the prediction is the largest.
        classes: C class names.
        seed: Seed of the resamples.
        n_resamples: Resamples drawn.
        level: Share of the resamples inside the interval, above 0 and below 1.
        metrics: Any of macro_f1, accuracy, roc_auc, precision, recall and mcc.

    Returns:
        Metric → (low, high), both NaN where `metrics.evaluate` gives NaN.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed.
    """
    _check(y, metrics, n_resamples, level)
    rows = _row_order(y, probabilities)
    scored = _Scored(y[rows], probabilities[rows], len(classes))
    drawn: dict[str, list[DoubleArray]] = {name: [] for name in metrics}
    for weights in _resamples(y[rows], n_resamples, seed):
        for name, values in drawn.items():
            values.append(scored.metric(name, weights))
    return {name: _interval(np.concatenate(values), level) for name, values in drawn.items()}


def paired(
    y: IntArray,
    first: DoubleArray,
    second: DoubleArray,
    *,
    metric: str,
    classes: Sequence[str],
    seed: int,
    n_resamples: int = 5000,
    level: float = LEVEL,
) -> PairedTest:
    """Compare two models' predictions of the same sequences in one metric.

    Args:
        y: (N,) class indices.
        first: (N, C) probabilities of one model.
        second: (N, C) probabilities of the other.
        metric: One of macro_f1, accuracy, roc_auc, precision, recall and mcc.
        classes: C class names.
        seed: Seed of the resamples and of the swaps.
        n_resamples: Resamples of the interval, and as many random assignments of the test.
        level: Share of the resamples inside the interval, above 0 and below 1.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed.
    """
    _check(y, [metric], n_resamples, level)
    rows = _row_order(y, np.column_stack((first, second)))
    y, first, second = y[rows], first[rows], second[rows]
    one, other = (_Scored(y, table, len(classes)) for table in (first, second))
    resampled = [
        one.metric(metric, weights) - other.metric(metric, weights)
        for weights in _resamples(y, n_resamples, seed)
    ]
    # Row n of `both` is the first model's prediction of sequence n, row N + n the second's. A model that
    # says now what the one said, now what the other, is then one more weighting of the 2N rows.
    both = _Scored(np.tile(y, 2), np.concatenate((first, second)), len(classes))
    difference = float(_difference(both, metric, np.zeros((1, len(y))))[0])
    swapped = [_difference(both, metric, is_swapped) for is_swapped in _swaps(len(y), n_resamples, seed)]
    low, high = _interval(np.concatenate(resampled), level)
    return PairedTest(difference, low, high, _p_value(difference, np.concatenate(swapped)))


def _difference(both: _Scored, metric: str, is_swapped: DoubleArray) -> DoubleArray:
    """(B, N) ones where the models' predictions are swapped, zeros elsewhere → (B,) differences."""
    of_first = np.hstack((1 - is_swapped, is_swapped))  # (B, 2N)
    return both.metric(metric, of_first) - both.metric(metric, 1 - of_first)


def _p_value(observed: float, under_null: DoubleArray) -> float:
    if np.isnan(observed):
        return float("nan")
    n_as_large = int((np.abs(under_null) >= abs(observed) - _EQUAL).sum())
    return (1 + n_as_large) / (1 + len(under_null))


def _interval(values: DoubleArray, level: float) -> tuple[float, float]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _check(y: IntArray, names: Sequence[str], n_resamples: int, level: float) -> None:
    if not len(y):
        raise InputError("an interval needs at least one sequence; found none")
    for name in names:
        if name not in _KNOWN:
            raise UnknownNameError("metric", name, _KNOWN)
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples}; allowed: 1 or more")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; allowed: above 0 and below 1")


def _row_order(y: IntArray, table: DoubleArray) -> IntArray:
    """The order in which sequences are drawn from: by class, then by what was said of them.

    Sequences that tie are alike in all that counts, so the same set gives the same resamples in any order.
    """
    return np.lexsort((*table.T[::-1], y))


def _blocks(n_weights: int, n_resamples: int) -> Iterator[int]:
    """Sizes of blocks of resamples, whose sum is `n_resamples`."""
    at_once = max(_WEIGHTS_AT_ONCE // n_weights, 1)
    for start in range(0, n_resamples, at_once):
        yield min(at_once, n_resamples - start)


def _resamples(y: IntArray, n_resamples: int, seed: int) -> Iterator[DoubleArray]:
    """Blocks of (B, N) counts: how often each resample holds each sequence; `y` is in ascending order."""
    rng, n = generator(seed, "bootstrap"), len(y)
    class_size = np.bincount(y)
    class_start = np.cumsum(class_size) - class_size
    for n_here in _blocks(n, n_resamples):
        drawn = class_start[y] + rng.integers(class_size[y], size=(n_here, n))
        cells = drawn + n * np.arange(n_here)[:, None]
        yield np.bincount(cells.ravel(), minlength=n_here * n).reshape(n_here, n).astype(np.float64)


def _swaps(n: int, n_resamples: int, seed: int) -> Iterator[DoubleArray]:
    """Blocks of (B, N) ones and zeros with equal chances."""
    rng = generator(seed, "permutation")
    for n_here in _blocks(n, n_resamples):
        yield rng.integers(2, size=(n_here, n), dtype=np.int8).astype(np.float64)


class _Scored:
    """Predictions with their labels, ready to be measured under many weightings at once.

    Args:
        y: (N,) class indices.
        probabilities: (N, C).
        n_classes: C.
    """

    def __init__(self, y: IntArray, probabilities: DoubleArray, n_classes: int) -> None:
        self._y, self._probabilities, self._n_classes = y, probabilities, n_classes
        cell = y * n_classes + probabilities.argmax(axis=1)
        self._is_in_cell = np.eye(n_classes**2)[cell]  # (N, C * C)

    def metric(self, name: str, weights: DoubleArray) -> DoubleArray:
        """(B, N) weights, whole numbers → (B,) values of a metric."""
        if name == _RANKED:
            return self._roc_auc(weights)
        # A matrix product rounds nothing here: its terms and sums are whole numbers.
        confusion = (weights @ self._is_in_cell).reshape(-1, self._n_classes, self._n_classes)
        return _OF_CONFUSION[name](confusion)

    def _roc_auc(self, weights: DoubleArray) -> DoubleArray:
        areas = [
            _area(weights, self._y == c, self._probabilities[:, c])
            for c in range(self._n_classes)
            if 0 < (self._y == c).sum() < len(self._y)
        ]
        return _mean_of_defined(np.array(areas).reshape(-1, len(weights)).T)


def _area(weights: DoubleArray, is_positive: NDArray[np.bool_], score: DoubleArray) -> DoubleArray:
    """(B,) areas under the ROC curve of (N,) scores under (B, N) weights; NaN if a group weighs nothing.

    The area is the share of pairs of a positive and a negative in which the positive scores higher, with
    half of those in which they tie.
    """
    order = np.argsort(score, kind="stable")
    in_order, sorted_weights = score[order], weights[:, order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    positive = np.add.reduceat(sorted_weights * is_positive[order], starts, axis=1)  # (B, G)
    negative = np.add.reduceat(sorted_weights * ~is_positive[order], starts, axis=1)
    up_to = np.cumsum(negative, axis=1)
    n_pairs = positive.sum(axis=1) * up_to[:, -1]
    wins = np.einsum("bg,bg->b", positive, up_to - negative / 2)
    return np.where(n_pairs > 0, wins / np.maximum(n_pairs, 1), np.nan)


def _accuracy(confusion: DoubleArray) -> DoubleArray:
    return np.asarray(np.einsum("bcc->b", confusion) / confusion.sum(axis=(1, 2)))


def _precision(confusion: DoubleArray) -> DoubleArray:
    hits, true, called = _margins(confusion)
    return _mean_ratio(hits, called, true + called > 0)


def _recall(confusion: DoubleArray) -> DoubleArray:
    hits, true, _ = _margins(confusion)
    return _mean_ratio(hits, true, true > 0)


def _macro_f1(confusion: DoubleArray) -> DoubleArray:
    hits, true, called = _margins(confusion)
    return _mean_ratio(2 * hits, true + called, true + called > 0)


def _matthews(confusion: DoubleArray) -> DoubleArray:
    """Correlation of labels and predictions (Gorodkin 2004), 0 where it is undefined."""
    hits, true, called = (counts.T for counts in _margins(confusion))  # each (C, B)
    n = true.sum(axis=0)
    spread = (n**2 - (called**2).sum(axis=0)) * (n**2 - (true**2).sum(axis=0))
    shared = hits.sum(axis=0) * n - (true * called).sum(axis=0)
    return np.where(spread > 0, shared / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def _margins(confusion: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """(B, C, C) counts → right, true and predicted counts of each class, each (B, C)."""
    return np.einsum("bcc->bc", confusion), confusion.sum(axis=2), confusion.sum(axis=1)


def _mean_ratio(part: DoubleArray, whole: DoubleArray, is_defined: NDArray[np.bool_]) -> DoubleArray:
    """(B, C) parts and wholes → (B,) mean ratio of the classes that have a say."""
    return _mean_of_defined(np.where(is_defined, part / np.maximum(whole, 1), np.nan))


def _mean_of_defined(values: DoubleArray) -> DoubleArray:
    """(B, C) → (B,) mean without the NaN; NaN where there is nothing else."""
    is_defined = ~np.isnan(values)
    n_defined = is_defined.sum(axis=1)
    total = np.where(is_defined, values, 0.0).sum(axis=1)
    return np.where(n_defined > 0, total / np.maximum(n_defined, 1), np.nan)


_RANKED = "roc_auc"
_OF_CONFUSION: Mapping[str, Callable[[DoubleArray], DoubleArray]] = {
    "macro_f1": _macro_f1,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "mcc": _matthews,
}
_KNOWN = (*_OF_CONFUSION, _RANKED)
