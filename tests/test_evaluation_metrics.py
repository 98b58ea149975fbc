"""Metrics against scikit-learn on random tables, and against sums done by hand."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.evaluation import metrics
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.results import Evaluation

sklearn_metrics = pytest.importorskip("sklearn.metrics")


class Table(NamedTuple):
    """True classes and probabilities; few different weights, so that ties are common."""

    y: IntArray
    probabilities: DoubleArray
    n_classes: int

    @property
    def predicted(self) -> IntArray:
        return np.asarray(self.probabilities.argmax(axis=1))

    @property
    def evaluation(self) -> Evaluation:
        return metrics.evaluate(self.y, self.probabilities, [f"c{c}" for c in range(self.n_classes)])

    def by_class(self, metric: str) -> list[float]:
        return [values[metric] for values in self.evaluation.per_class.values()]


@st.composite
def tables(draw: st.DrawFn) -> Table:
    n_classes, n = draw(st.integers(2, 5)), draw(st.integers(1, 30))
    classes = st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n)
    weights = st.lists(st.integers(1, 4), min_size=n * n_classes, max_size=n * n_classes)
    table = np.array(draw(weights), dtype=np.float64).reshape(n, n_classes)
    return Table(np.array(draw(classes)), table / table.sum(axis=1, keepdims=True), n_classes)


any_table = given(table=tables())
relaxed = settings(deadline=None, max_examples=60)


def binary(rows: list[tuple[int, float]]) -> Table:
    """Rows of (true class, probability of class 1)."""
    y, p = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    return Table(y, np.column_stack((1 - p, p)), 2)


@relaxed
@any_table
def test_counts_are_those_of_scikit_learn(table: Table) -> None:
    labels = range(table.n_classes)
    expected = sklearn_metrics.confusion_matrix(table.y, table.predicted, labels=labels)
    assert table.evaluation.confusion == tuple(map(tuple, expected.tolist()))
    assert table.evaluation.n == len(table.y)
    assert table.evaluation.metrics["accuracy"] == sklearn_metrics.accuracy_score(table.y, table.predicted)


@relaxed
@any_table
def test_precision_recall_and_f1_are_those_of_scikit_learn(table: Table) -> None:
    expected = sklearn_metrics.precision_recall_fscore_support(
        table.y, table.predicted, labels=range(table.n_classes), zero_division=0
    )
    is_true = np.isin(np.arange(table.n_classes), table.y)
    is_called = np.isin(np.arange(table.n_classes), table.predicted)
    overall = table.evaluation.metrics
    for metric, mean, values, is_defined in (
        ("precision", "precision", expected[0], is_true | is_called),
        ("recall", "recall", expected[1], is_true),
        ("f1", "macro_f1", expected[2], is_true | is_called),
    ):
        defined = np.where(is_defined, values, np.nan)
        assert table.by_class(metric) == pytest.approx(defined.tolist(), nan_ok=True)
        assert overall[mean] == pytest.approx(np.nanmean(defined))
    assert table.by_class("support") == expected[3].tolist()


@pytest.mark.filterwarnings("ignore:A single label was found")
@relaxed
@any_table
def test_matthews_correlation_is_that_of_scikit_learn(table: Table) -> None:
    expected = sklearn_metrics.matthews_corrcoef(table.y, table.predicted)
    assert table.evaluation.metrics["mcc"] == pytest.approx(expected, abs=1e-12)


@relaxed
@any_table
def test_area_under_the_curve_is_that_of_scikit_learn(table: Table) -> None:
    areas = table.by_class("roc_auc")
    defined = []
    for c, area in enumerate(areas):
        if 0 < (table.y == c).sum() < len(table.y):
            assert area == pytest.approx(
                sklearn_metrics.roc_auc_score(table.y == c, table.probabilities[:, c])
            )
            defined.append(area)
        else:
            assert math.isnan(area)
    expected = np.mean(defined) if defined else math.nan
    assert table.evaluation.metrics["roc_auc"] == pytest.approx(expected, nan_ok=True)


@relaxed
@given(rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=1, max_size=30))
def test_average_precision_is_that_of_scikit_learn(rows: list[tuple[int, int]]) -> None:
    table = binary([(y, level / 5) for y, level in rows])  # few levels, so that ties are common
    found = table.evaluation.metrics["pr_auc"]
    if table.y.any():
        expected = sklearn_metrics.average_precision_score(table.y, table.probabilities[:, 1])
        assert found == pytest.approx(expected)
    else:
        assert math.isnan(found)


@relaxed
@any_table
def test_losses_are_those_of_scikit_learn_and_of_a_plain_loop(table: Table) -> None:
    found = table.evaluation.metrics
    expected = sklearn_metrics.log_loss(table.y, table.probabilities, labels=range(table.n_classes))
    assert found["log_loss"] == pytest.approx(expected)
    squares = [
        sum((p - (c == true)) ** 2 for c, p in enumerate(row))
        for true, row in zip(table.y.tolist(), table.probabilities.tolist(), strict=True)
    ]
    assert found["brier"] == pytest.approx(sum(squares) / len(squares))


@relaxed
@any_table
def test_calibration_error_is_that_of_a_plain_loop(table: Table) -> None:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for true, row in zip(table.y.tolist(), table.probabilities.tolist(), strict=True):
        top = max(row)
        bins.setdefault(max(math.ceil(top * 15), 1), []).append((top, row.index(top) == true))
    gaps = [abs(sum(p for p, _ in b) - sum(right for _, right in b)) for b in bins.values()]
    assert table.evaluation.metrics["ece"] == pytest.approx(sum(gaps) / len(table.y))


def test_case_done_by_hand() -> None:
    # 3 of 4 positives and 4 of 6 negatives are right.
    table = binary([(1, 0.9), (1, 0.8), (1, 0.7), (1, 0.4)] + [(0, 0.1)] * 4 + [(0, 0.6)] * 2)
    found = table.evaluation.metrics
    assert table.evaluation.confusion == ((4, 2), (1, 3))
    assert found["sensitivity"] == 3 / 4
    assert found["specificity"] == 4 / 6
    assert found["accuracy"] == 7 / 10
    assert found["mcc"] == pytest.approx((3 * 4 - 2 * 1) / math.sqrt(5 * 4 * 6 * 5))
    assert table.by_class("precision") == pytest.approx([4 / 5, 3 / 5])
    assert found["macro_f1"] == pytest.approx((8 / 11 + 6 / 9) / 2)
    assert found["roc_auc"] == pytest.approx(22 / 24)  # all pairs but (0.4, 0.6) twice
    assert found["log_loss"] == pytest.approx(
        -sum(map(math.log, (0.9, 0.8, 0.7, 0.4, 0.9, 0.9, 0.9, 0.9, 0.4, 0.4))) / 10
    )


def test_sensitivity_and_specificity_are_for_two_classes_only() -> None:
    three = Table(np.array([0, 1, 2]), np.eye(3), 3).evaluation.metrics
    of_two = {"sensitivity", "specificity", "pr_auc"}
    assert not of_two & set(three)
    assert set(binary([(0, 0.1)]).evaluation.metrics) == {*three, *of_two}


def test_calibration_error_of_a_known_case() -> None:
    # Says 0.9 four times and is right in three of them, 0.6 twice and is right in one.
    table = binary([(1, 0.9)] * 3 + [(0, 0.9), (1, 0.6), (0, 0.6)])
    expected = 4 / 6 * (0.9 - 0.75) + 2 / 6 * (0.6 - 0.5)
    assert table.evaluation.metrics["ece"] == pytest.approx(expected)


@pytest.mark.parametrize(("p", "expected"), [(1.0, 0.0), (0.0, 1.0)])
def test_certain_predictions_have_finite_losses(p: float, expected: float) -> None:
    found = binary([(1, p)] * 3).evaluation.metrics
    assert found["ece"] == expected
    assert found["brier"] == 2 * expected
    assert found["log_loss"] == pytest.approx(expected * -math.log(1e-15))
    assert math.isnan(found["roc_auc"])


def test_bins_hold_every_sequence_once() -> None:
    p = np.linspace(0.5, 1, 101)
    table = binary([(1, float(value)) for value in p])
    bins = metrics.reliability(table.y, table.probabilities, 10)
    assert sum(n for n, _, _ in bins) == len(p)
    assert [round(mean, 6) for _, mean, _ in bins] == sorted({round(mean, 6) for _, mean, _ in bins})
    assert len(bins) == 6  # 0.5 alone, then (0.5, 0.6], ..., (0.9, 1]
