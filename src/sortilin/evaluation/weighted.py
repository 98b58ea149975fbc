"""Metrics of sequences that count several times or not at all, for many such weightings at once.

Each is that of `metrics.evaluate` on the sequences repeated so often.

Axis letters: N sequences, C classes, B weightings, G groups of equal scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError
from sortilin.evaluation import metrics
from sortilin.interfaces import DoubleArray, IntArray


class Scored:
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
        if name == BINNED:
            return self._calibration_error(weights)
        if name in OF_TWO:
            return self._of_two(name, weights)
        if name in _MEANS:
            return np.asarray(weights @ _MEANS[name](self._y, self._probabilities) / weights.sum(axis=1))
        return _OF_CONFUSION[name](self.confusion(weights))

    def confusion(self, weights: DoubleArray) -> DoubleArray:
        """(B, N) weights, whole numbers → (B, C, C) counts; row = true class, column = predicted class."""
        # A matrix product rounds nothing here: its terms and sums are whole numbers.
        return np.asarray((weights @ self._is_in_cell).reshape(-1, self._n_classes, self._n_classes))

    def of_classes(self, weights: DoubleArray) -> dict[str, DoubleArray]:
        """(B, N) weights, whole numbers → each metric of the classes, (B, C); NaN where it is undefined."""
        areas = [_area(weights, self._y == c, self._probabilities[:, c]) for c in range(self._n_classes)]
        return {**of_classes(self.confusion(weights)), "roc_auc": np.array(areas).T}

    def _calibration_error(self, weights: DoubleArray) -> DoubleArray:
        confidence = self._probabilities.max(axis=1)
        is_right = self._probabilities.argmax(axis=1) == self._y
        in_bin = np.eye(metrics.ECE_BINS)[metrics.bin_of(confidence, metrics.ECE_BINS)]
        gaps = weights @ (in_bin * (confidence - is_right)[:, None])  # (B, bins)
        return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))

    def _of_two(self, name: str, weights: DoubleArray) -> DoubleArray:
        if self._n_classes != len(_ROW_OF_TWO):
            raise ConfigError(f"{name} is a metric of two classes; found {self._n_classes}")
        if name == PRECISION_RECALL:
            return _average_precision(weights, self._y == 1, self._probabilities[:, 1])
        recall = of_classes(self.confusion(weights))["recall"]  # (B, 2)
        return recall[:, _ROW_OF_TWO[name]]

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


def _average_precision(
    weights: DoubleArray, is_positive: NDArray[np.bool_], score: DoubleArray
) -> DoubleArray:
    """(B,) average precisions of (N,) scores under (B, N) weights; NaN if the positives weigh nothing."""
    order = np.argsort(-score, kind="stable")
    in_order, sorted_weights = score[order], weights[:, order]
    starts = np.flatnonzero(np.append(True, in_order[1:] != in_order[:-1]))
    hits = np.add.reduceat(sorted_weights * is_positive[order], starts, axis=1)  # (B, G)
    called = np.cumsum(np.add.reduceat(sorted_weights, starts, axis=1), axis=1)
    precision = np.cumsum(hits, axis=1) / np.maximum(called, 1)
    n_positive = hits.sum(axis=1)
    area = np.einsum("bg,bg->b", precision, hits)
    return np.where(n_positive > 0, area / np.maximum(n_positive, 1), np.nan)


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


def of_classes(confusion: DoubleArray) -> dict[str, DoubleArray]:
    """(B, C, C) counts → each metric of the classes, (B, C); NaN where it is undefined."""
    hits, true, called = _margins(confusion)
    is_defined = true + called > 0
    return {
        "precision": _ratio(hits, called, is_defined),
        "recall": _ratio(hits, true, true > 0),
        "f1": _ratio(2 * hits, true + called, is_defined),
    }


def _margins(confusion: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """(B, C, C) counts → right, true and predicted counts of each class, each (B, C)."""
    return np.einsum("bcc->bc", confusion), confusion.sum(axis=2), confusion.sum(axis=1)


def _mean_ratio(part: DoubleArray, whole: DoubleArray, is_defined: NDArray[np.bool_]) -> DoubleArray:
    """(B, C) parts and wholes → (B,) mean ratio of the classes that have a say."""
    return _mean_of_defined(_ratio(part, whole, is_defined))


def _ratio(part: DoubleArray, whole: DoubleArray, is_defined: NDArray[np.bool_]) -> DoubleArray:
    """(B, C) parts and wholes → (B, C); 0 where the whole is empty, NaN where the class has no say."""
    return np.where(is_defined, part / np.maximum(whole, 1), np.nan)


def _mean_of_defined(values: DoubleArray) -> DoubleArray:
    """(B, C) → (B,) mean without the NaN; NaN where there is nothing else."""
    is_defined = ~np.isnan(values)
    n_defined = is_defined.sum(axis=1)
    total = np.where(is_defined, values, 0.0).sum(axis=1)
    return np.where(n_defined > 0, total / np.maximum(n_defined, 1), np.nan)


_RANKED, BINNED, PRECISION_RECALL = "roc_auc", "ece", "pr_auc"
_ROW_OF_TWO = {"specificity": 0, "sensitivity": 1}
"""Metric → the class whose recall it is, where class 1 is the positive one."""

OF_TWO = (*_ROW_OF_TWO, PRECISION_RECALL)
"""Metrics that only a task of two classes has."""

_MEANS: Mapping[str, Callable[[IntArray, DoubleArray], DoubleArray]] = {
    "brier": metrics.brier_scores,
    "log_loss": metrics.log_losses,
}
"""What is a mean over sequences."""

_OF_CONFUSION: Mapping[str, Callable[[DoubleArray], DoubleArray]] = {
    "macro_f1": _macro_f1,
    "accuracy": _accuracy,
    "precision": _precision,
    "recall": _recall,
    "mcc": _matthews,
}
KNOWN = (*_OF_CONFUSION, _RANKED, BINNED, *_MEANS, *OF_TWO)
"""All metrics that can be asked for."""
