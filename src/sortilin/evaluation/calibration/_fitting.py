"""Fitting a calibration on scores of sequences that the classifier was not trained on.

Axis letters: N sequences, S scores, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sortilin.errors import ConfigError, MissingDependencyError, UnknownNameError
from sortilin.evaluation.calibration import _parametric
from sortilin.evaluation.calibration._maps import METHOD, Calibration, class_logits, log_odds
from sortilin.interfaces import DoubleArray, IntArray

__all__ = ["METHOD", "METHODS", "check_scores", "fit"]

_INVERSE_PENALTY = 10.0
"""On standardized scores: weak, only there to keep separable classes finite."""


def fit(scores: DoubleArray, y: IntArray, *, n_classes: int, method: str = METHOD) -> Calibration:
    """Fit on (N, S) scores of sequences that the classifier was not trained on.

    Args:
        scores: Held-out scores.
        y: (N,) class indices.
        n_classes: C.
        method: One of `METHODS`.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: A class is missing among the labels, or the scores are not of the classes.
    """
    check_scores(method, scores.shape[1], n_classes)
    present = np.unique(y)
    if method != "none" and len(present) < n_classes:
        missing = sorted(set(range(n_classes)) - set(present.tolist()))
        raise ConfigError(
            f"calibration needs every class; none of the {len(y)} sequences is of class {missing}"
        )
    return _FITS[method](scores, y, n_classes)


def check_scores(method: str, n_scores: int, n_classes: int, *, are_log_odds: bool = True) -> None:
    """Refuse a method for scores that it cannot read.

    Args:
        method: One of `METHODS`.
        n_scores: S.
        n_classes: C.
        are_log_odds: Whether the classifier says that its scores are logits of the classes.

    Raises:
        UnknownNameError: There is no such method.
        ConfigError: Only the logistic method reads such scores.
    """
    if method not in METHODS:
        raise UnknownNameError("calibration method", method, METHODS)
    expected = 1 if n_classes == 2 else n_classes
    if method == METHOD or (n_scores == expected and (are_log_odds or n_classes == 2)):
        return
    raise ConfigError(
        f"calibration '{method}' needs a score for each class, and this classifier's {n_scores} scores are "
        f"not that (an SVM compares {n_classes} classes in pairs); choose '{METHOD}'"
    )


def _logistic(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingDependencyError("calibration", "scikit-learn", "train") from None
    centre, spread = scores.mean(axis=0), np.maximum(scores.std(axis=0), 1e-12)
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=5000).fit((scores - centre) / spread, y)
    weights, bias = model.coef_.T / spread[:, None], model.intercept_ - model.coef_ @ (centre / spread)
    if n_classes == 2:  # scikit-learn gives the logit of class 1 alone
        weights, bias = np.column_stack((-weights / 2, weights / 2)), np.concatenate((-bias / 2, bias / 2))
    return Calibration(np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64))


def _none(scores: DoubleArray, _y: IntArray, n_classes: int) -> Calibration:
    return Calibration(_identity(scores.shape[1], 1.0), np.zeros(n_classes), "none")


def _identity(n_scores: int, scale: float) -> DoubleArray:
    """Weights that multiply the classes' logits by a number."""
    return scale * (np.array([[-0.5, 0.5]]) if n_scores == 1 else np.eye(n_scores))


def _temperature(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    logits = class_logits(np.asarray(scores, dtype=np.float64))
    # Rows that sum to 0 are never taken for probabilities, and the softmax does not feel it.
    fitted = _scikit_learn("temperature", logits - logits.mean(axis=1, keepdims=True), y, n_classes)
    beta = float(fitted[0].beta_)
    return Calibration(_identity(scores.shape[1], beta), np.zeros(n_classes), "temperature")


def _platt(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    fitted = _scikit_learn("sigmoid", log_odds(scores), y, n_classes)
    slope, offset = np.array([[-one.a_ for one in fitted], [-one.b_ for one in fitted]])
    if n_classes == 2:
        slope, offset = np.repeat(slope, 2), np.array([-offset[0], offset[0]])
    return Calibration(np.diag(slope), offset, "platt")


def _isotonic(scores: DoubleArray, y: IntArray, n_classes: int) -> Calibration:
    fitted = _scikit_learn("isotonic", log_odds(scores), y, n_classes)
    stairs = [(one.X_thresholds_, one.y_thresholds_) for one in fitted]
    if n_classes == 2:
        (places, heights) = stairs[0]
        stairs = [(-places[::-1], 1 - heights[::-1]), stairs[0]]
    longest = max(len(places) for places, _ in stairs)
    steps = np.stack([[_padded(values, longest) for values in pair] for pair in stairs], axis=1)
    return Calibration(np.zeros((n_classes, n_classes)), np.zeros(n_classes), "isotonic", steps)


def _padded(values: DoubleArray, length: int) -> DoubleArray:
    """As many values, the last one repeated; a staircase goes on level."""
    return np.pad(np.asarray(values, dtype=np.float64), (0, length - len(values)), mode="edge")


def _scikit_learn(method: str, inputs: DoubleArray, y: IntArray, n_classes: int) -> list[Any]:
    """What scikit-learn fits on (N, C) inputs: one map a class; for two classes, that of class 1."""
    try:
        from sklearn.base import BaseEstimator, ClassifierMixin
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.frozen import FrozenEstimator
    except ImportError:
        raise MissingDependencyError("calibration", "scikit-learn", "train") from None

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """A fitted classifier whose scores are its input."""

        classes_ = np.arange(n_classes)

        def fit(self, _x: Any, _y: Any) -> Given:
            return self

        def __sklearn_is_fitted__(self) -> bool:
            return True

        def decision_function(self, x: Any) -> Any:
            return x[:, 1] if n_classes == 2 else x

        def predict(self, x: Any) -> Any:
            return x.argmax(axis=1)

    every = np.arange(len(y))  # one split of all rows: nothing is fitted but the map
    whole = CalibratedClassifierCV(FrozenEstimator(Given()), method=method, cv=[(every, every)])
    whole.fit(inputs, y)
    return list(whole.calibrated_classifiers_[0].calibrators)


_FITS: dict[str, Callable[[DoubleArray, IntArray, int], Calibration]] = {
    METHOD: _logistic,
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
    "beta": _parametric.beta,
    "dirichlet": _parametric.dirichlet,
    "none": _none,
}
METHODS = tuple(_FITS)
"""Names of the methods, the default first."""
