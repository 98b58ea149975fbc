"""From a classifier's scores to probabilities that mean what they say.

A multinomial logistic regression on held-out scores: Platt scaling (Platt 1999) for two classes,
matrix scaling (Guo et al. 2017, ICML) for more. It learns class frequencies as well, so a classifier
that was trained with balanced weights gets back to the frequencies of the data.

Axis letters: N sequences, S scores, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.interfaces import DoubleArray, IntArray

METHOD = "logistic"

_INVERSE_PENALTY = 10.0
"""On standardized scores: weak, only there to keep separable classes finite."""


def softmax(logits: DoubleArray) -> DoubleArray:
    """(N, C) → (N, C) probabilities; each row sums to 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def uncalibrated(scores: DoubleArray, n_classes: int) -> DoubleArray | None:
    """Probabilities as the scores have them: softmax, or for one column the sigmoid.

    Args:
        scores: (N, S) log-odds of class 1, S = 1, or logits of the classes.
        n_classes: C.

    Returns:
        (N, C); None where S is neither 1 nor C, so that the scores are of something else than classes.
    """
    if scores.shape[1] == 1 and n_classes == 2:
        return softmax(np.hstack((-scores / 2, scores / 2)))
    return softmax(scores) if scores.shape[1] == n_classes else None


def log_softmax(logits: DoubleArray) -> DoubleArray:
    """(N, C) → (N, C) logarithms of the same; finite however far logits are apart."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


@dataclass(frozen=True, slots=True)
class Calibration:
    """probabilities = softmax(scores @ weights + bias).

    Attributes:
        weights: (S, C).
        bias: (C,).
    """

    weights: DoubleArray
    bias: DoubleArray

    def __call__(self, scores: DoubleArray) -> DoubleArray:
        """(N, S) scores → (N, C) probabilities; each row sums to 1."""
        # einsum, not BLAS: a row's result must not depend on how many stand beside it.
        logits = np.einsum("ns,sc->nc", scores.astype(np.float64), self.weights) + self.bias
        return softmax(logits)


def fit(scores: DoubleArray, y: IntArray, *, n_classes: int) -> Calibration:
    """Fit on (N, S) scores of sequences that the classifier was not trained on.

    Raises:
        ConfigError: A class is missing among the labels.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError("calibration", "scikit-learn", "train") from None
    present = np.unique(y)
    if len(present) < n_classes:
        missing = sorted(set(range(n_classes)) - set(present.tolist()))
        raise ConfigError(
            f"calibration needs every class; none of the {len(y)} sequences is of class {missing}"
        )
    centre, spread = scores.mean(axis=0), np.maximum(scores.std(axis=0), 1e-12)
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=5000).fit((scores - centre) / spread, y)
    weights, bias = model.coef_.T / spread[:, None], model.intercept_ - model.coef_ @ (centre / spread)
    if n_classes == 2:  # scikit-learn gives the logit of class 1 alone
        weights, bias = np.column_stack((-weights / 2, weights / 2)), np.concatenate((-bias / 2, bias / 2))
    return Calibration(np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64))
