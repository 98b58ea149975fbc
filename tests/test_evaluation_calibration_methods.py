"""Each method finds the distortion that it is made for, and is applied by NumPy as it was fitted."""

from __future__ import annotations

import numpy as np
import pytest

from sortilin.errors import ConfigError, UnknownNameError
from sortilin.evaluation import calibration, metrics
from sortilin.evaluation.calibration import METHODS, Calibration, _parametric
from sortilin.interfaces import DoubleArray, IntArray

pytest.importorskip("sklearn")

ALL = [(method, n) for method in METHODS for n in (2, 4)]


def drawn(table: DoubleArray, rng: np.random.Generator) -> IntArray:
    found = (table.cumsum(axis=1) < rng.random((len(table), 1))).sum(axis=1)
    return np.asarray(np.minimum(found, table.shape[1] - 1))


def scores_of(n: int, n_classes: int, rng: np.random.Generator) -> DoubleArray:
    """Log-odds of class 1, or logits of the classes."""
    return rng.normal(size=(n, 1 if n_classes == 2 else n_classes)) * 3


def distorted(method: str, scores: DoubleArray, n_classes: int) -> DoubleArray:
    """True probabilities of scores that are wrong in the way that a method mends."""
    logits = np.hstack((-scores / 2, scores / 2)) if scores.shape[1] == 1 else scores
    if method == "none":
        return calibration.softmax(logits)
    if method == "temperature":
        return calibration.softmax(logits / 2.5)
    if method in ("logistic", "dirichlet"):
        bias = np.linspace(-1, 1, n_classes)
        return calibration.softmax(0.5 * calibration.log_softmax(logits) + bias)
    if method == "platt":
        known = Calibration(0.6 * np.eye(n_classes), _of_class_1(0.4, n_classes), "platt")
        return known(scores)
    if method == "beta":
        weights = np.vstack((0.7 * np.eye(n_classes), 0.4 * np.eye(n_classes)))
        if n_classes == 2:  # class 0 is what is left of class 1
            weights[[0, 2], 0] = weights[[2, 0], 0]
        return Calibration(weights, _of_class_1(0.3, n_classes), "beta")(scores)
    # Isotonic: a staircase of the log-odds, far from a sigmoid.
    places = np.array([-8.0, -2.0, -1.9, 2.0, 2.1, 8.0])
    heights = np.array([0.05, 0.05, 0.4, 0.4, 0.9, 0.9])
    if n_classes == 2:
        steps = np.stack([[-places[::-1], places], [1 - heights[::-1], heights]])
    else:
        steps = np.stack([[places] * n_classes, [heights] * n_classes])
    return Calibration(np.zeros((n_classes, n_classes)), np.zeros(n_classes), "isotonic", steps)(scores)


def _of_class_1(offset: float, n_classes: int) -> DoubleArray:
    return np.array([-offset, offset]) if n_classes == 2 else np.full(n_classes, -offset)


def truth(method: str, n_classes: int, n: int, seed: int) -> tuple[DoubleArray, DoubleArray, IntArray]:
    rng = np.random.default_rng(seed)
    scores = scores_of(n, n_classes, rng)
    table = distorted(method, scores, n_classes)
    return scores, table, drawn(table, rng)


@pytest.mark.parametrize(("method", "n_classes"), ALL)
def test_known_distortion_is_mended(method: str, n_classes: int) -> None:
    scores, _, y = truth(method, n_classes, 4000, 1)
    fitted = calibration.fit(scores, y, n_classes=n_classes, method=method)
    new, table, new_y = truth(method, n_classes, 4000, 2)
    found = fitted(new)
    # The staircase of several classes is normalised after its fit, so that it is found less closely.
    assert np.abs(found - table).mean() < (0.05 if method == "isotonic" else 0.015)
    raw = calibration.uncalibrated(new, n_classes)
    assert raw is not None
    if method != "none":
        assert metrics.log_loss(new_y, found) < metrics.log_loss(new_y, raw)
    assert metrics.log_loss(new_y, found) < metrics.log_loss(new_y, table) + (
        0.08 if method == "isotonic" else 0.02
    )


@pytest.mark.parametrize(("method", "n_classes"), ALL)
def test_rows_sum_to_one_and_stand_alone(method: str, n_classes: int) -> None:
    scores, _, y = truth("temperature", n_classes, 300, 3)
    fitted = calibration.fit(scores, y, n_classes=n_classes, method=method)
    extreme = np.vstack([scores[:6], 500 * scores[:3]])
    table = fitted(extreme)
    assert table.shape == (9, n_classes)
    assert np.isfinite(table).all()
    assert (table >= 0).all()
    assert table.sum(axis=1) == pytest.approx(np.ones(9), abs=1e-12)
    assert np.concatenate([fitted(row[None]) for row in extreme]).tobytes() == table.tobytes()
    assert fitted.n_scores == scores.shape[1]


def test_parameters_are_found() -> None:
    scores, _, y = truth("temperature", 4, 8000, 4)
    assert calibration.fit(scores, y, n_classes=4, method="temperature").weights[0, 0] == pytest.approx(
        1 / 2.5, abs=0.02
    )
    scores, _, y = truth("temperature", 2, 8000, 4)
    weights = calibration.fit(scores, y, n_classes=2, method="temperature").weights
    assert weights[0, 1] - weights[0, 0] == pytest.approx(1 / 2.5, abs=0.02)
    scores, _, y = truth("platt", 2, 8000, 5)
    platt = calibration.fit(scores, y, n_classes=2, method="platt")
    assert (platt.weights[1, 1], platt.bias[1]) == (pytest.approx(0.6, abs=0.05), pytest.approx(0.4, abs=0.1))
    scores, _, y = truth("beta", 2, 20000, 6)
    beta = calibration.fit(scores, y, n_classes=2, method="beta")
    found = (beta.weights[1, 1], beta.weights[3, 1], beta.bias[1])
    assert found == (pytest.approx(0.7, abs=0.1), pytest.approx(0.4, abs=0.1), pytest.approx(0.3, abs=0.2))


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
def test_what_scikit_learn_has_is_applied_as_it_applies_it(method: str) -> None:
    """Of two classes, on decision values as they are."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(7)
    x = rng.normal(size=(600, 3))
    y = (x[:, 0] + rng.normal(size=600) > 0).astype(np.int64)
    every = [(np.arange(600), np.arange(600))]
    theirs = CalibratedClassifierCV(LogisticRegression(), method=method, cv=every).fit(x, y)
    scores = theirs.calibrated_classifiers_[0].estimator.decision_function(x)[:, None]
    name = "platt" if method == "sigmoid" else method
    ours = calibration.fit(scores, y, n_classes=2, method=name)(scores)
    # Its temperature reads log-odds x as logits (-x, x), twice what they are; the fit makes up for it.
    assert ours == pytest.approx(theirs.predict_proba(x), abs=1e-5)


def test_order_of_a_class_is_kept_by_monotone_methods() -> None:
    scores, _, y = truth("temperature", 2, 500, 8)
    ascending = np.sort(scores, axis=0)
    for method in ("temperature", "platt", "beta", "isotonic"):
        table = calibration.fit(scores, y, n_classes=2, method=method)(ascending)
        assert (np.diff(table[:, 1]) >= -1e-12).all()


def test_dirichlet_with_few_rows_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The penalty is chosen by rows that were not fitted."""
    scores, _, y = truth("none", 4, 60, 9)
    new, table, _ = truth("none", 4, 4000, 10)
    found = calibration.fit(scores, y, n_classes=4, method="dirichlet")(new)
    monkeypatch.setattr(_parametric, "PENALTIES", (1e-6,))
    free = calibration.fit(scores, y, n_classes=4, method="dirichlet")(new)
    assert np.abs(found - table).mean() < np.abs(free - table).mean() - 0.01


@pytest.mark.parametrize("method", METHODS[:-1])
def test_missing_class_is_an_error(method: str) -> None:
    with pytest.raises(
        ConfigError, match=r"calibration needs every class; none of the 4 sequences is of class \[1\]"
    ):
        calibration.fit(np.zeros((4, 3)), np.array([0, 0, 2, 2]), n_classes=3, method=method)


def test_unknown_method_is_an_error_with_a_hint() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'isotonic'"):
        calibration.fit(np.zeros((2, 1)), np.array([0, 1]), n_classes=2, method="isotonik")


def test_scores_of_pairs_are_refused() -> None:
    y = np.array([0, 1, 2, 3])
    with pytest.raises(
        ConfigError, match=r"'beta' needs a score for each class.*6 scores.*choose 'logistic'"
    ):
        calibration.fit(np.zeros((4, 6)), y, n_classes=4, method="beta")
    with pytest.raises(ConfigError, match="in pairs"):  # three pairs of three classes
        calibration.check_scores("beta", 3, 3, are_log_odds=False)
    calibration.check_scores("logistic", 3, 3, are_log_odds=False)


# --- repeated


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_ece_is_that_of_the_truth(method: str) -> None:
    """200 times: after its own distortion a method is as well calibrated as the true probabilities are."""
    # Of more classes the staircases are normalised after their fit: no distortion is quite their own.
    n_classes = 2 if method == "isotonic" else 3
    found, true = [], []
    for repeat in range(200):
        scores, _, y = truth(method, n_classes, 1500, 1000 + repeat)
        fitted = calibration.fit(scores, y, n_classes=n_classes, method=method)
        new, table, new_y = truth(method, n_classes, 1500, 5000 + repeat)
        found.append(metrics.expected_calibration_error(new_y, fitted(new)))
        true.append(metrics.expected_calibration_error(new_y, table))
    # Figures of a finite sample: that of the truth is not 0 either.
    assert np.mean(found) < np.mean(true) + 0.012
