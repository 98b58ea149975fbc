"""Calibration: it finds the truth where there is one, and a row's result is its own."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.evaluation import calibration
from sortilin.evaluation.calibration import Calibration
from sortilin.interfaces import DoubleArray, IntArray

pytest.importorskip("sklearn")

TRUE_WEIGHTS = np.array([[1.5, -1.0, 0.0], [0.0, 1.0, -2.0]])
TRUE_BIAS = np.array([0.5, 0.0, -0.5])


def softmax(logits: DoubleArray) -> DoubleArray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))


def drawn(table: DoubleArray, rng: np.random.Generator) -> IntArray:
    return np.asarray((table.cumsum(axis=1) < rng.random((len(table), 1))).sum(axis=1))


def two_classes(n: int = 6000) -> tuple[DoubleArray, DoubleArray, IntArray]:
    """Scores (N, 1), true probabilities (N, 2) and classes drawn from them."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(n, 1)) * 2
    positive = 1 / (1 + np.exp(-(1.5 * scores[:, 0] - 0.7)))
    table = np.column_stack((1 - positive, positive))
    return scores, table, drawn(table, rng)


def three_classes(n: int = 6000) -> tuple[DoubleArray, DoubleArray, IntArray]:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=(n, 2))
    table = softmax(scores @ TRUE_WEIGHTS + TRUE_BIAS)
    return scores, table, drawn(table, rng)


@pytest.mark.parametrize("truth", [two_classes(), three_classes()], ids=["two classes", "three classes"])
def test_known_probabilities_are_found(truth: tuple[DoubleArray, DoubleArray, IntArray]) -> None:
    scores, table, y = truth
    found = calibration.fit(scores, y, n_classes=table.shape[1])(scores)
    assert np.abs(found - table).mean() < 0.015
    assert found.mean(axis=0) == pytest.approx(np.bincount(y) / len(y), abs=1e-3)


def test_slope_and_offset_of_a_logistic_are_found() -> None:
    scores, _, y = two_classes()
    fitted = calibration.fit(scores, y, n_classes=2)
    assert fitted.weights[0, 1] - fitted.weights[0, 0] == pytest.approx(1.5, abs=0.15)
    assert fitted.bias[1] - fitted.bias[0] == pytest.approx(-0.7, abs=0.15)


def test_scale_and_zero_of_the_scores_do_not_matter() -> None:
    scores, _, y = three_classes(600)
    plain = calibration.fit(scores, y, n_classes=3)(scores)
    moved = scores * [1000, 0.001] + [5, -70]
    assert calibration.fit(moved, y, n_classes=3)(moved) == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e6])
def test_scores_that_say_nothing_give_the_class_frequencies(value: float) -> None:
    y, scores = np.repeat([0, 1, 2], [50, 30, 20]), np.full((100, 3), value)
    found = calibration.fit(scores, y, n_classes=3)(scores[:1])
    assert found[0] == pytest.approx([0.5, 0.3, 0.2], abs=1e-3)


def test_separable_classes_stay_finite() -> None:
    y = np.repeat([0, 1], 50)
    scores = np.where(y == 1, 1.0, -1.0)[:, None] * np.linspace(1, 2, 100)[:, None]
    table = calibration.fit(scores, y, n_classes=2)(scores)
    assert np.isfinite(table).all()
    assert (table.argmax(axis=1) == y).all()
    assert table.min() > 0


@settings(deadline=None)
@given(
    scores=arrays(np.float64, (7, 3), elements=st.floats(-1e6, 1e6)),
    weights=arrays(np.float64, (3, 4), elements=st.floats(-50, 50)),
    bias=arrays(np.float64, 4, elements=st.floats(-50, 50)),
)
def test_rows_sum_to_one_and_stand_alone(
    scores: DoubleArray, weights: DoubleArray, bias: DoubleArray
) -> None:
    calibrate = Calibration(weights, bias)
    table = calibrate(scores)
    assert table.shape == (7, 4)
    assert table.sum(axis=1) == pytest.approx(np.ones(7), abs=1e-12)
    assert (table >= 0).all()
    alone = np.concatenate([calibrate(row[None]) for row in scores])
    assert alone.tobytes() == table.tobytes()


def test_missing_class_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        calibration.fit(np.zeros((4, 3)), np.array([0, 0, 2, 2]), n_classes=3)
    assert str(caught.value) == "calibration needs every class; none of the 4 sequences is of class [1]"


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(MissingDependencyError, match=r"calibration needs scikit-learn: pip install"):
        calibration.fit(np.zeros((2, 1)), np.array([0, 1]), n_classes=2)
