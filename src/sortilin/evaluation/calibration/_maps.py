"""Maps from scores to probabilities, as arrays; NumPy only.

Axis letters: N sequences, S scores, C classes, K steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sortilin.interfaces import DoubleArray

METHOD = "logistic"
LINEAR = ("logistic", "temperature", "none")
"""Methods whose logits are a linear map of the scores themselves."""

_LEAST_LOGARITHM = float(np.log(1e-12))
"""Probabilities below count as this one, so that beta and Dirichlet calibration stay finite."""


def softmax(logits: DoubleArray) -> DoubleArray:
    """(N, C) → (N, C) probabilities; each row sums to 1."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def log_softmax(logits: DoubleArray) -> DoubleArray:
    """(N, C) → (N, C) logarithms of the same; finite however far logits are apart."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def class_logits(scores: DoubleArray) -> DoubleArray:
    """(N, C) logits of the classes; of one column, log-odds of class 1, those of two."""
    return np.hstack((-scores / 2, scores / 2)) if scores.shape[1] == 1 else scores


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


def logarithms(scores: DoubleArray) -> tuple[DoubleArray, DoubleArray]:
    """(N, C) logarithms of each class's probability, and of that of all others; at least that of 1e-12."""
    own = log_softmax(class_logits(np.asarray(scores, dtype=np.float64)))
    with np.errstate(divide="ignore"):
        others = np.log(-np.expm1(own))
    # Where a class is nearly certain, 1 - p is lost to rounding and summed from the others.
    sure = own.argmax(axis=1)
    rows = np.arange(len(own))
    rest = np.exp(own)
    rest[rows, sure] = 0.0
    with np.errstate(divide="ignore"):
        others[rows, sure] = np.log(rest.sum(axis=1))
    return np.maximum(own, _LEAST_LOGARITHM), np.maximum(others, _LEAST_LOGARITHM)


def log_odds(scores: DoubleArray) -> DoubleArray:
    """(N, C) log-odds of each class against all others."""
    own, others = logarithms(scores)
    return np.asarray(own - others)


def sigmoid(logits: DoubleArray) -> DoubleArray:
    """1 / (1 + exp(-x)); does not overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logits))


def normalised(table: DoubleArray) -> DoubleArray:
    """(N, C) rows that sum to 1; one of nothing but zeros says nothing, and is spread evenly."""
    total = table.sum(axis=1, keepdims=True)
    even = np.full_like(table, 1 / table.shape[1])
    return np.asarray(np.divide(table, total, out=even, where=total > 0))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted: (N, S) scores → (N, C) probabilities.

    logistic, temperature, none: softmax(scores @ weights + bias).
    dirichlet: softmax(log-probabilities @ weights + bias).
    platt: sigmoid(log-odds @ weights + bias), normalised.
    beta: sigmoid([ln p, -ln(1 - p)] @ weights + bias), normalised.
    isotonic: the height of each class's staircase at its log-odds, normalised.

    Attributes:
        weights: (S, C); (C, C) for dirichlet, platt and isotonic (unused there), (2C, C) for beta.
        bias: (C,).
        method: One of the above.
        steps: (2, C, K) places and heights of each class's staircase; None for all but isotonic.
    """

    weights: DoubleArray
    bias: DoubleArray
    method: str = METHOD
    steps: DoubleArray | None = None

    @property
    def n_scores(self) -> int:
        """S."""
        if self.method in LINEAR:
            return len(self.weights)
        return 1 if len(self.bias) == 2 else len(self.bias)

    def __call__(self, scores: DoubleArray) -> DoubleArray:
        """(N, S) scores → (N, C) probabilities; each row sums to 1."""
        scores = np.asarray(scores, dtype=np.float64)
        if self.steps is not None:
            return normalised(_heights(log_odds(scores), self.steps))
        if self.method in LINEAR:
            return softmax(self._logits(scores))
        if self.method == "dirichlet":
            return softmax(self._logits(logarithms(scores)[0]))
        if self.method == "platt":
            return normalised(sigmoid(self._logits(log_odds(scores))))
        own, others = logarithms(scores)
        return normalised(sigmoid(self._logits(np.hstack((own, -others)))))

    def _logits(self, inputs: DoubleArray) -> DoubleArray:
        # einsum, not BLAS: a row's result must not depend on how many stand beside it.
        return np.asarray(np.einsum("ns,sc->nc", inputs, self.weights) + self.bias)


def _heights(odds: DoubleArray, steps: DoubleArray) -> DoubleArray:
    """(N, C) log-odds on (2, C, K) staircases."""
    columns = [np.interp(odds[:, c], steps[0, c], steps[1, c]) for c in range(odds.shape[1])]
    return np.column_stack(columns)
