"""Beta and Dirichlet calibration, which scikit-learn does not have.

Both are convex and fitted with L-BFGS. Axis letters: N sequences, S scores, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sortilin.errors import MissingDependencyError
from sortilin.evaluation.calibration._maps import Calibration, log_softmax, logarithms, sigmoid, softmax
from sortilin.interfaces import DoubleArray, IntArray

PENALTIES = (1.0, 1e-1, 1e-2, 1e-3)
"""ODIR penalties that dirichlet chooses from, by cross-validated log loss."""

_INNER_FOLDS = 3
_MOST_STEPS = 200


def beta(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    """Beta calibration (Kull et al. 2017, AISTATS), a map a class against the rest.

    p' = sigmoid(a ln p - b ln(1 - p) + c) with a, b at least 0, so that order is kept. Of two classes,
    that of class 0 is what is left.
    """
    own, others = logarithms(scores)
    weights, bias = np.zeros((2 * n_classes, n_classes)), np.zeros(n_classes)
    for c in range(1 if n_classes == 2 else 0, n_classes):
        a, b, bias[c] = _beta_of(own[:, c], others[:, c], y == c)
        weights[c, c], weights[n_classes + c, c] = a, b
    if n_classes == 2:
        weights[0, 0], weights[2, 0], bias[0] = weights[3, 1], weights[1, 1], -bias[1]
    return Calibration(weights, bias, "beta")


def _beta_of(own: DoubleArray, others: DoubleArray, is_class: Any) -> tuple[float, float, float]:
    """a, b and c of one class: a logistic regression whose slopes are at least 0."""
    inputs = np.column_stack((own, -others, np.ones(len(own))))
    target = is_class.astype(np.float64)

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        logits = inputs @ parameters
        gap = sigmoid(logits) - target
        value = np.logaddexp(0, logits).mean() - (logits * target).mean()
        # As good as no penalty; it keeps separable classes finite.
        return float(value + 1e-6 * parameters @ parameters), inputs.T @ gap / len(gap) + 2e-6 * parameters

    a, b, c = _minimised(loss, np.array([1.0, 1.0, 0.0]), [(0, None), (0, None), (None, None)])
    return float(a), float(b), float(c)


def dirichlet(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    """Dirichlet calibration (Kull et al. 2019, NeurIPS): softmax(W ln p + b).

    Regularised off the diagonal and on the bias (ODIR), both with one penalty that is chosen by
    cross-validated log loss on the same rows.
    """
    logs = logarithms(scores)[0]
    fold = _fold_of(y)
    losses = [_validated(logs, y, fold, penalty) for penalty in PENALTIES]
    weights, bias = _dirichlet_of(logs, y, n_classes, PENALTIES[int(np.argmin(losses))])
    return Calibration(weights, bias, "dirichlet")


def _fold_of(y: IntArray) -> IntArray:
    """(N,) inner fold of each row: rows of a class are dealt out in turn."""
    fold = np.empty(len(y), dtype=np.int64)
    for c in np.unique(y):
        mine = np.flatnonzero(y == c)
        fold[mine] = np.arange(len(mine)) % _INNER_FOLDS
    return fold


def _validated(logs: DoubleArray, y: IntArray, fold: IntArray, penalty: float) -> float:
    """Sum of the log losses of rows that a map was not fitted on."""
    total = 0.0
    for number in range(_INNER_FOLDS):
        here = fold == number
        weights, bias = _dirichlet_of(logs[~here], y[~here], logs.shape[1], penalty)
        found = log_softmax(logs[here] @ weights + bias) if here.any() else np.zeros((0, logs.shape[1]))
        total -= float(found[np.arange(len(found)), y[here]].sum())
    return total


def _dirichlet_of(
    logs: DoubleArray, y: IntArray, n_classes: int, penalty: float
) -> tuple[DoubleArray, DoubleArray]:
    truth, n_off = np.eye(n_classes)[y], n_classes * (n_classes - 1)
    off = 1 - np.eye(n_classes)

    def loss(parameters: DoubleArray) -> tuple[float, DoubleArray]:
        weights, bias = parameters[n_classes:].reshape(n_classes, n_classes), parameters[:n_classes]
        logits = logs @ weights + bias
        value = -(log_softmax(logits) * truth).sum() / len(y)
        value += penalty * ((off * weights**2).sum() / n_off + (bias**2).mean())
        gap = (softmax(logits) - truth) / len(y)
        of_weights = logs.T @ gap + 2 * penalty * off * weights / n_off
        of_bias = gap.sum(axis=0) + 2 * penalty * bias / n_classes
        return float(value), np.concatenate((of_bias, of_weights.ravel()))

    found = _minimised(loss, np.concatenate((np.zeros(n_classes), np.eye(n_classes).ravel())))
    return found[n_classes:].reshape(n_classes, n_classes), found[:n_classes]


def _minimised(loss: Any, start: DoubleArray, bounds: Any = None) -> DoubleArray:
    try:
        from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise MissingDependencyError("calibration", "scipy", "train") from None
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _MOST_STEPS}
    )
    return np.asarray(found.x, dtype=np.float64)
