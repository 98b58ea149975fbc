"""One yes or no a class: probabilities that need not sum to 1, and the thresholds that decide.

Each class has a logistic regression of its own on held-out scores (Platt 1999), and a threshold on its
probability: the one with the largest Matthews correlation on the same held-out scores. A rare class so gets a
threshold below one half, where that tells it better.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import LabelError, MissingDependencyError
from sortilin.interfaces import DoubleArray, IntArray

METHOD = "platt_per_class"
ARRAYS = ("multi_label.slopes", "multi_label.offsets", "multi_label.thresholds")
"""Names in a model folder, in the order of the fields of `PerClass`."""
EVEN = 0.5
"""The threshold of a class that no threshold tells from the rest, and the one nearest to which wins a tie."""

_EQUAL = 1e-12
_SMALLEST_SPREAD = 1e-12
_INVERSE_PENALTY = 10.0
"""On standardized scores: weak, only there to keep separable classes finite."""


@dataclass(frozen=True, slots=True)
class PerClass:
    """probability = 1 / (1 + exp(-(slope · score + offset))), class by class.

    Attributes:
        slopes: (C,).
        offsets: (C,).
        thresholds: (C,) a class is predicted from this probability on.
    """

    slopes: DoubleArray
    offsets: DoubleArray
    thresholds: DoubleArray

    @property
    def n_scores(self) -> int:
        """C."""
        return len(self.slopes)

    @property
    def weights(self) -> DoubleArray:
        """(C, C) the slopes on the diagonal, as a `calibration.Calibration` has them."""
        return np.diag(self.slopes)

    @property
    def bias(self) -> DoubleArray:
        """(C,) the offsets."""
        return self.offsets

    def __call__(self, scores: DoubleArray) -> DoubleArray:
        """(N, C) scores → (N, C) probabilities; a row need not sum to 1."""
        # tanh does not overflow.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * (scores * self.slopes + self.offsets)))

    def called(self, probabilities: DoubleArray) -> NDArray[np.bool_]:
        """(N, C) whether each class is predicted.

        A sequence of which no class reaches its threshold gets its most probable class.
        """
        found = probabilities >= self.thresholds
        is_bare = ~found.any(axis=1)
        found[is_bare, probabilities[is_bare].argmax(axis=1)] = True
        return np.asarray(found)


def fit(scores: DoubleArray, truth: IntArray, classes: Sequence[str]) -> PerClass:
    """Calibrations and thresholds on scores of sequences that the classifier was not trained on.

    Args:
        scores: (N, C) of each class against the rest.
        truth: (N, C), 1 where a sequence has a class.
        classes: C names.

    Raises:
        LabelError: All sequences have a class, or none has it.
        MissingDependencyError: scikit-learn is not installed.
    """
    slopes, offsets = np.empty(len(classes)), np.empty(len(classes))
    for c, name in enumerate(classes):
        n = int(truth[:, c].sum())
        if n in (0, len(truth)):
            raise LabelError(
                f"class '{name}': {'none' if n == 0 else 'each'} of the {len(truth)} sequences for "
                "calibration has it, and a threshold needs both; use fewer folds, or leave the class out"
            )
        slopes[c], offsets[c] = _platt(scores[:, c], truth[:, c])
    bare = PerClass(slopes, offsets, np.full(len(classes), EVEN))
    table = bare(scores)
    best = [best_threshold(truth[:, c], table[:, c]) for c in range(len(classes))]
    return PerClass(slopes, offsets, np.array(best))


def _platt(scores: DoubleArray, truth: IntArray) -> tuple[float, float]:
    """Slope and offset of a logistic regression of (N,) scores."""
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError("calibration", "scikit-learn", "train") from None
    centre, spread = scores.mean(), max(scores.std(), _SMALLEST_SPREAD)
    z = ((scores - centre) / spread)[:, None]
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=5000).fit(z, truth)
    slope = float(model.coef_[0, 0]) / spread
    return slope, float(model.intercept_[0]) - slope * centre


def best_threshold(truth: IntArray, probabilities: DoubleArray) -> float:
    """The threshold with the largest Matthews correlation; of equal ones the nearest to one half.

    Args:
        truth: (N,), 1 where a sequence has the class.
        probabilities: (N,).

    Returns:
        A number halfway between two of the probabilities; one half where all are equal.
    """
    order = np.argsort(-probabilities, kind="stable")
    p, is_true = probabilities[order], truth[order].astype(np.float64)
    ends = np.flatnonzero(p[:-1] != p[1:])  # the last of those that are called
    if not len(ends):
        return EVEN
    n, n_true, hits, n_called = len(p), is_true.sum(), np.cumsum(is_true)[ends], ends + 1.0
    spread = n_true * (n - n_true) * n_called * (n - n_called)
    gained = np.where(spread > 0, (hits * n - n_true * n_called) / np.sqrt(np.maximum(spread, 1)), 0.0)
    cuts = (p[ends] + p[ends + 1]) / 2
    cuts = np.where(cuts > p[ends + 1], cuts, p[ends])  # of neighbouring numbers there is no middle
    best = np.flatnonzero(gained >= gained.max() - _EQUAL)
    return float(cuts[best[np.abs(cuts[best] - EVEN).argmin()]])
