"""Metrics with their intervals: what is printed of a set that is scored once.

Shares of sequences (accuracy, sensitivity, specificity, a class's precision and recall) have Wilson's score
interval, see `proportions`. All other metrics have the percentile interval of a bootstrap within each class,
see `intervals`.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sortilin.evaluation import intervals, metrics, proportions
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.results import Evaluation

SEED = 42
"""Of the resamples, where no experiment gives one."""

HOW = "Wilson's for shares of sequences, bootstrap within each class for the others"
"""The intervals in words."""

Interval = tuple[float, float]


def evaluate(
    y: IntArray,
    probabilities: DoubleArray,
    classes: Sequence[str],
    *,
    seed: int = SEED,
    n_resamples: int = intervals.N_RESAMPLES,
) -> Evaluation:
    """`metrics.evaluate` with an interval of every metric.

    Args:
        y: (N,) class indices, at least one.
        probabilities: (N, C); the prediction is the largest.
        classes: C class names.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.
    """
    found = metrics.evaluate(y, probabilities, classes)
    how = {"seed": seed, "n_resamples": n_resamples}
    return replace(
        found,
        intervals=of_set(y, probabilities, classes, metrics=tuple(found.metrics), **how),
        class_intervals=of_classes(y, probabilities, classes, **how),
    )


def of_set(
    y: IntArray,
    probabilities: DoubleArray,
    classes: Sequence[str],
    *,
    metrics: Sequence[str],
    seed: int = SEED,
    n_resamples: int = intervals.N_RESAMPLES,
) -> dict[str, Interval]:
    """Metric → interval, each as it suits the metric; both ends NaN where the metric is undefined.

    Args:
        y: (N,) class indices, at least one.
        probabilities: (N, C).
        classes: C class names.
        metrics: Those of `intervals.bootstrap`.
        seed: Of the resamples.
        n_resamples: Of the bootstrap.

    Raises:
        UnknownNameError: There is no metric of that name.
        InputError: There are no sequences.
    """
    shares = proportions.of_set(confusion(y, probabilities, len(classes)))
    others = [name for name in metrics if name not in shares]
    drawn = intervals.bootstrap(y, probabilities, classes, seed=seed, n_resamples=n_resamples, metrics=others)
    return {name: shares[name] if name in shares else drawn[name] for name in metrics}


def of_classes(
    y: IntArray,
    probabilities: DoubleArray,
    classes: Sequence[str],
    *,
    seed: int = SEED,
    n_resamples: int = intervals.N_RESAMPLES,
) -> dict[str, Mapping[str, Interval]]:
    """Class → metric → interval: precision, recall, F1 and ROC-AUC; NaN where the metric is undefined."""
    shares = proportions.of_classes(confusion(y, probabilities, len(classes)))
    drawn = intervals.bootstrap_per_class(y, probabilities, classes, seed=seed, n_resamples=n_resamples)
    return {name: {**drawn[name], **shares[c]} for c, name in enumerate(classes)}


def confusion(y: IntArray, probabilities: DoubleArray, n_classes: int) -> IntArray:
    """(C, C) counts of the most probable classes; row = true class, column = predicted class."""
    return metrics.confusion_matrix(y, np.asarray(probabilities).argmax(axis=1), n_classes)
