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

The expected calibration error of a resample is larger than that of the set, because a resample adds noise to
each bin, and errors of both signs count alike. The mean of what it adds is taken off the interval.

Axis letters: N sequences, C classes, B resamples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sortilin.errors import ConfigError, InputError, UnknownNameError
from sortilin.evaluation.weighted import BINNED, KNOWN, Scored
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import generator

METRICS = ("macro_f1", "accuracy", "roc_auc", "precision", "recall")
"""The metrics that get an interval unless others are asked for."""

PER_CLASS = ("precision", "recall", "f1", "roc_auc")
"""The metrics of a class that get an interval."""

LEVEL = 0.95
N_RESAMPLES = 1000

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
    n_resamples: int = N_RESAMPLES,
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
        metrics: Any of macro_f1, accuracy, roc_auc, precision, recall, mcc, ece, brier and log_loss; of two
            classes also sensitivity, specificity and pr_auc.

    Returns:
        Metric → (low, high), both NaN where `metrics.evaluate` gives NaN.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed, or a metric is one of two classes and there
            are more.
    """
    check(y, metrics, n_resamples, level)
    rows = row_order(y, probabilities)
    scored = Scored(y[rows], probabilities[rows], len(classes))
    drawn: dict[str, list[DoubleArray]] = {name: [] for name in metrics}
    for weights in resamples(y[rows], n_resamples, seed):
        for name, values in drawn.items():
            values.append(scored.metric(name, weights))
    found = {name: np.concatenate(values) for name, values in drawn.items()}
    if BINNED in found:
        added = found[BINNED].mean() - scored.metric(BINNED, np.ones((1, len(y))))
        found[BINNED] = np.maximum(found[BINNED] - added, 0)
    return {name: _interval(values, level) for name, values in found.items()}


def bootstrap_per_class(
    y: IntArray,
    probabilities: DoubleArray,
    classes: Sequence[str],
    *,
    seed: int,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> dict[str, dict[str, tuple[float, float]]]:
    """Bootstrap intervals of each class's precision, recall, F1 and ROC-AUC, on the resamples of `bootstrap`.

    Args:
        y: (N,) class indices.
        probabilities: (N, C); the prediction is the largest.
        classes: C class names.
        seed: Seed of the resamples.
        n_resamples: Resamples drawn.
        level: Share of the resamples inside the interval, above 0 and below 1.

    Returns:
        Class → metric → (low, high), both NaN where the metric is undefined in a resample: the class is
        neither among the labels nor predicted, or, for ROC-AUC, alone among the labels or not there.

    Raises:
        InputError: There are no sequences.
        ConfigError: `n_resamples` or `level` is not allowed.
    """
    check(y, (), n_resamples, level)
    rows = row_order(y, probabilities)
    scored = Scored(y[rows], probabilities[rows], len(classes))
    blocks = [scored.of_classes(weights) for weights in resamples(y[rows], n_resamples, seed)]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in PER_CLASS}  # each (B, C)
    return {
        name: {metric: _interval(values[:, c], level) for metric, values in drawn.items()}
        for c, name in enumerate(classes)
    }


def of_mean(
    values: DoubleArray, y: IntArray, *, seed: int, n_resamples: int = N_RESAMPLES, level: float = LEVEL
) -> tuple[float, float]:
    """Bootstrap interval of the mean of (N,) values of sequences of (N,) classes, within each class.

    Raises:
        InputError: There are no sequences.
        ConfigError: `n_resamples` or `level` is not allowed.
    """
    check(y, (), n_resamples, level)
    rows = row_order(y, values[:, None])
    blocks = [weights @ values[rows] / len(y) for weights in resamples(y[rows], n_resamples, seed)]
    return _interval(np.concatenate(blocks), level)


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
        metric: One of macro_f1, accuracy, roc_auc, precision, recall, mcc, ece, brier and log_loss; of two
            classes also sensitivity, specificity and pr_auc.
        classes: C class names.
        seed: Seed of the resamples and of the swaps.
        n_resamples: Resamples of the interval, and as many random assignments of the test.
        level: Share of the resamples inside the interval, above 0 and below 1.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed, or the metric is one of two classes and there
            are more.
    """
    check(y, [metric], n_resamples, level)
    rows = row_order(y, np.column_stack((first, second)))
    y, first, second = y[rows], first[rows], second[rows]
    one, other = (Scored(y, table, len(classes)) for table in (first, second))
    resampled = [
        one.metric(metric, weights) - other.metric(metric, weights)
        for weights in resamples(y, n_resamples, seed)
    ]
    # Row n of `both` is the first model's prediction of sequence n, row N + n the second's. A model that
    # says now what the one said, now what the other, is then one more weighting of the 2N rows.
    both = Scored(np.tile(y, 2), np.concatenate((first, second)), len(classes))
    difference = float(_difference(both, metric, np.zeros((1, len(y))))[0])
    swapped = [_difference(both, metric, is_swapped) for is_swapped in _swaps(len(y), n_resamples, seed)]
    low, high = _interval(np.concatenate(resampled), level)
    return PairedTest(difference, low, high, _p_value(difference, np.concatenate(swapped)))


def _difference(both: Scored, metric: str, is_swapped: DoubleArray) -> DoubleArray:
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


def check(y: IntArray, names: Sequence[str], n_resamples: int, level: float) -> None:
    """Refuse what cannot be resampled.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed.
    """
    if not len(y):
        raise InputError("an interval needs at least one sequence; found none")
    for name in names:
        if name not in KNOWN:
            raise UnknownNameError("metric", name, KNOWN)
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples}; allowed: 1 or more")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; allowed: above 0 and below 1")


def row_order(y: IntArray, table: DoubleArray) -> IntArray:
    """The order in which sequences are drawn from: by class, then by what was said of them.

    Sequences that tie are alike in all that counts, so the same set gives the same resamples in any order.
    """
    return np.lexsort((*table.T[::-1], y))


def _blocks(n_weights: int, n_resamples: int) -> Iterator[int]:
    """Sizes of blocks of resamples, whose sum is `n_resamples`."""
    at_once = max(_WEIGHTS_AT_ONCE // n_weights, 1)
    for start in range(0, n_resamples, at_once):
        yield min(at_once, n_resamples - start)


def resamples(y: IntArray, n_resamples: int, seed: int) -> Iterator[DoubleArray]:
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
