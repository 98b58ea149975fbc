"""Metrics of both papers from class probabilities, in NumPy, so that the base install can evaluate.

Paper 1 (localization): macro-F1, accuracy, ROC-AUC one-vs-rest, macro precision, macro recall.
Paper 2 (anticancer): accuracy, sensitivity, specificity, Matthews correlation (MCC). Beside them stands the
area under the precision-recall curve, which a rare positive class does not flatter.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sortilin.interfaces import DoubleArray, IntArray
from sortilin.results import Evaluation

ECE_BINS = 15
_SMALLEST_PROBABILITY = 1e-15


def evaluate(y: IntArray, probabilities: DoubleArray, classes: Sequence[str]) -> Evaluation:
    """Score (N, C) probabilities against (N,) class indices; the prediction is the largest.

    Binary tasks get sensitivity, specificity and PR-AUC, with class 1 as the positive one. A class that is
    neither among the labels nor predicted has NaN of its own and no part in a mean over classes; nor
    has the recall of a class that is not among the labels.
    """
    predicted = probabilities.argmax(axis=1)
    confusion = confusion_matrix(y, predicted, len(classes))
    per_class = _per_class(y, probabilities, confusion)
    metrics = {
        "macro_f1": _mean(per_class["f1"]),
        "accuracy": float(np.trace(confusion) / max(len(y), 1)),
        "roc_auc": _mean(per_class["roc_auc"]),
        "precision": _mean(per_class["precision"]),
        "recall": _mean(per_class["recall"]),
        "mcc": matthews(confusion),
        "ece": expected_calibration_error(y, probabilities),
        "brier": brier_score(y, probabilities),
        "log_loss": log_loss(y, probabilities),
    }
    if len(classes) == 2:
        recall = per_class["recall"]
        metrics |= {"sensitivity": float(recall[1]), "specificity": float(recall[0])}
        metrics["pr_auc"] = average_precision(y == 1, probabilities[:, 1])
    return Evaluation(
        n=len(y),
        classes=tuple(classes),
        metrics=metrics,
        per_class={
            name: {metric: float(values[i]) for metric, values in per_class.items()}
            for i, name in enumerate(classes)
        },
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
    )


def _mean(values: DoubleArray) -> float:
    """Mean over the classes where the value is defined; NaN where it is for none."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def confusion_matrix(y: IntArray, predicted: IntArray, n_classes: int) -> IntArray:
    """(C, C) counts; row = true class, column = predicted class."""
    flat = np.bincount(y * n_classes + predicted, minlength=n_classes**2)
    return flat.reshape(n_classes, n_classes).astype(np.int64)


def _per_class(y: IntArray, probabilities: DoubleArray, confusion: IntArray) -> Mapping[str, DoubleArray]:
    hits, true, called = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    auc = [roc_auc(y == c, probabilities[:, c]) for c in range(len(confusion))]
    is_absent = true + called == 0
    return {
        "precision": _ratio(hits, called, is_absent),
        "recall": _ratio(hits, true, true == 0),
        "f1": _ratio(2 * hits, true + called, is_absent),
        "roc_auc": np.array(auc),
        "support": true.astype(np.float64),
    }


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64], is_undefined: NDArray[np.bool_]) -> DoubleArray:
    """Part of whole; 0 where the whole is empty, NaN where the class has no say at all."""
    return np.where(is_undefined, np.nan, part / np.maximum(whole, 1))


def matthews(confusion: IntArray) -> float:
    """Matthews correlation for any number of classes (Gorodkin 2004); 0 where it is undefined.

    doi:10.1016/j.compbiolchem.2004.09.006
    """
    table = confusion.astype(np.float64)
    n, hits = table.sum(), np.trace(table)
    true, called = table.sum(axis=1), table.sum(axis=0)
    spread = (n**2 - called @ called) * (n**2 - true @ true)
    return float((hits * n - true @ called) / np.sqrt(spread)) if spread > 0 else 0.0


def roc_auc(is_positive: NDArray[np.bool_], score: DoubleArray) -> float:
    """Area under the ROC curve from mean ranks; NaN if one of the two groups is empty."""
    n_positive = int(is_positive.sum())
    n_negative = len(is_positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2  # ranks from 1; ties share their mean
    rank_sum = float(mean_rank[place][is_positive].sum())
    return (rank_sum - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def average_precision(is_positive: NDArray[np.bool_], score: DoubleArray) -> float:
    """Area under the precision-recall curve as a sum of steps; NaN without positives.

    The mean, over the positives, of the precision at each one's score: nothing tells equal scores apart, so
    that they count at once. No line is drawn between two points, which would promise precision that no
    threshold has (Davis & Goadrich 2006, doi:10.1145/1143844.1143874).
    """
    n_positive = int(is_positive.sum())
    if n_positive == 0:
        return float("nan")
    _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=is_positive, minlength=len(count))
    precision = np.cumsum(hits) / np.cumsum(count)
    return float((precision * hits).sum() / n_positive)


def expected_calibration_error(y: IntArray, probabilities: DoubleArray, n_bins: int = ECE_BINS) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, ICML), 0 to 1."""
    return float(sum(n * abs(p - a) for n, p, a in reliability(y, probabilities, n_bins)) / max(len(y), 1))


def reliability(
    y: IntArray, probabilities: DoubleArray, n_bins: int = ECE_BINS
) -> list[tuple[int, float, float]]:
    """Per filled bin of the predicted class's probability: count, mean probability, accuracy."""
    confidence = probabilities.max(axis=1)
    is_right = probabilities.argmax(axis=1) == y
    place = bin_of(confidence, n_bins)
    return [
        (int(inside.sum()), float(confidence[inside].mean()), float(is_right[inside].mean()))
        for inside in (place == b for b in range(n_bins))
        if inside.any()
    ]


def bin_of(confidence: DoubleArray, n_bins: int) -> IntArray:
    """(N,) number of the equal-width bin of each probability, from 0; a bin holds its upper end."""
    return np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)


def brier_score(y: IntArray, probabilities: DoubleArray) -> float:
    """Mean squared distance to the one-hot truth, summed over classes, 0 to 2 (Brier 1950)."""
    return float(brier_scores(y, probabilities).mean())


def brier_scores(y: IntArray, probabilities: DoubleArray) -> DoubleArray:
    """(N,) squared distance of each row to the one-hot truth, summed over classes."""
    truth = np.eye(probabilities.shape[1])[y]
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1))


def log_loss(y: IntArray, probabilities: DoubleArray) -> float:
    """Mean negative natural logarithm of the true class's probability."""
    return float(log_losses(y, probabilities).mean())


def log_losses(y: IntArray, probabilities: DoubleArray) -> DoubleArray:
    """(N,) negative natural logarithm of the true class's probability."""
    of_truth = probabilities[np.arange(len(y)), y]
    return np.asarray(-np.log(np.maximum(of_truth, _SMALLEST_PROBABILITY)))
