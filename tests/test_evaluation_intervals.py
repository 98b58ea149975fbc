"""Intervals and paired tests: the definition of `metrics.evaluate`, and what they promise of chance."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.errors import ConfigError, InputError, UnknownNameError
from sortilin.evaluation import intervals, metrics, weighted
from sortilin.evaluation.intervals import (
    METRICS,
    PER_CLASS,
    PairedTest,
    bootstrap,
    bootstrap_per_class,
    paired,
)
from sortilin.evaluation.weighted import Scored
from sortilin.interfaces import DoubleArray, IntArray

ALL = (*METRICS, "mcc")
EVERY = (*ALL, "ece", "brier", "log_loss")
NAMES = tuple("abcde")

Table = tuple[IntArray, DoubleArray, DoubleArray, int]
"""Labels, probabilities of two models, number of classes."""


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Few different weights, so that ties are common; some classes are absent."""
    n_classes, n = draw(st.integers(2, 5)), draw(st.integers(1, 25))
    y = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    weights = st.lists(st.integers(1, 4), min_size=n * n_classes, max_size=n * n_classes)
    first, second = (np.array(draw(weights), np.float64).reshape(n, n_classes) for _ in range(2))
    return np.array(y), shares(first), shares(second), n_classes


def shares(table: DoubleArray) -> DoubleArray:
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def guesses(rng: np.random.Generator, y: IntArray, n_classes: int, skill: float) -> DoubleArray:
    """(N, C) probabilities that lean to the truth."""
    table = rng.random((len(y), n_classes))
    table[np.arange(len(y)), y] += skill
    return shares(table)


def values(y: IntArray, table: DoubleArray, n_classes: int) -> dict[str, float]:
    found = metrics.evaluate(y, table, NAMES[:n_classes]).metrics
    return {name: found[name] for name in EVERY}


relaxed = settings(deadline=None, max_examples=60)


@relaxed
@given(table=tables(), seed=st.integers(0, 9))
def test_resample_is_measured_as_evaluate_measures_it(table: Table, seed: int) -> None:
    y, probabilities, _, n_classes = table
    rows = intervals.row_order(y, probabilities)
    y, probabilities = y[rows], probabilities[rows]
    scored = Scored(y, probabilities, n_classes)
    weights = np.concatenate(list(intervals.resamples(y, 5, seed)))
    found = {name: scored.metric(name, weights) for name in EVERY}
    of_classes = scored.of_classes(weights)
    for number, counts in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(len(y)), counts)
        expected = values(y[again], probabilities[again], n_classes)
        assert {name: found[name][number] for name in EVERY} == pytest.approx(expected, nan_ok=True, abs=1e-9)
        per_class = metrics.evaluate(y[again], probabilities[again], NAMES[:n_classes]).per_class
        for c, of_class in enumerate(per_class.values()):
            for name in PER_CLASS:
                assert of_classes[name][number, c] == pytest.approx(of_class[name], nan_ok=True)


@relaxed
@given(
    rows=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=25),
    seed=st.integers(0, 9),
)
def test_metrics_of_two_classes_are_measured_as_evaluate_measures_them(
    rows: list[tuple[int, int]], seed: int
) -> None:
    y, p = np.array([row[0] for row in rows]), np.array([row[1] / 4 for row in rows])
    table = np.column_stack((1 - p, p))
    weights = np.random.default_rng(seed).integers(0, 3, size=(4, len(y))).astype(np.float64)
    scored = Scored(y, table, 2)
    found = {name: scored.metric(name, weights) for name in weighted.OF_TWO}
    for number, counts in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(len(y)), counts)
        if len(again):
            expected = metrics.evaluate(y[again], table[again], ("no", "yes")).metrics
            assert {name: found[name][number] for name in found} == pytest.approx(
                {name: expected[name] for name in found}, nan_ok=True, abs=1e-12
            )


@pytest.mark.parametrize("name", ["pr_auc", "sensitivity", "specificity"])
def test_metric_of_two_classes_is_refused_for_three(name: str) -> None:
    y = np.array([0, 1, 2])
    with pytest.raises(ConfigError, match=f"{name} is a metric of two classes; found 3"):
        bootstrap(y, np.eye(3), ("a", "b", "c"), seed=0, metrics=[name])


@relaxed
@given(table=tables())
def test_resample_has_the_class_counts_of_the_set(table: Table) -> None:
    y = np.sort(table[0])
    weights = np.concatenate(list(intervals.resamples(y, 20, 0)))
    assert weights.shape == (20, len(y))
    for counts in weights.astype(int):
        assert np.repeat(y, counts).tolist() == y.tolist()


@relaxed
@given(table=tables(), seed=st.integers(0, 9))
def test_swapped_models_are_measured_as_evaluate_measures_them(table: Table, seed: int) -> None:
    y, first, second, n_classes = table
    both = Scored(np.tile(y, 2), np.concatenate((first, second)), n_classes)
    swaps = np.concatenate(list(intervals._swaps(len(y), 3, seed)))
    found = {name: intervals._difference(both, name, swaps) for name in ALL}
    for number, is_swapped in enumerate(swaps.astype(bool)[:, :, None]):
        one = values(y, np.where(is_swapped, second, first), n_classes)
        other = values(y, np.where(is_swapped, first, second), n_classes)
        for name in ALL:
            expected = pytest.approx(one[name] - other[name], nan_ok=True, abs=1e-12)
            assert found[name][number] == expected


def test_resamples_draw_every_sequence_of_a_class_alike() -> None:
    y = np.repeat([0, 1], [3, 7])
    counts = np.concatenate(list(intervals.resamples(y, 20_000, 0)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(10), abs=0.03)
    assert counts[:, :3].var() == pytest.approx(2 / 3, abs=0.03)  # binomial: 3 draws, chance 1/3
    assert counts[:, 3:].var() == pytest.approx(6 / 7, abs=0.03)


def test_blocks_do_not_change_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_WEIGHTS_AT_ONCE", 70)
    y = np.repeat([0, 1], 5)
    assert [len(weights) for weights in intervals.resamples(y, 16, 0)] == [7, 7, 2]
    assert [len(swapped) for swapped in intervals._swaps(200, 2, 0)] == [1, 1]


@pytest.mark.parametrize("n_classes", [2, 4])
def test_interval_holds_the_value_of_the_set(n_classes: int) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(n_classes, size=300)
    table = guesses(rng, y, n_classes, 0.4)
    found = bootstrap(y, table, NAMES[:n_classes], seed=3, metrics=EVERY)
    for name, value in values(y, table, n_classes).items():
        low, high = found[name]
        assert low < value < high
        assert high - low < 0.25
    of_classes = bootstrap_per_class(y, table, NAMES[:n_classes], seed=3)
    for of_class, expected in metrics.evaluate(y, table, NAMES[:n_classes]).per_class.items():
        assert list(of_classes[of_class]) == list(PER_CLASS)
        for name, (low, high) in of_classes[of_class].items():
            assert low < expected[name] < high


def test_intervals_of_classes_are_on_the_resamples_of_the_set() -> None:
    rng = np.random.default_rng(12)
    y = rng.integers(2, size=120)
    table = guesses(rng, y, 2, 0.3)
    of_classes = bootstrap_per_class(y, table, ["a", "b"], seed=5, n_resamples=300)
    # Of the class that the other is not, sensitivity; and both alike in any order.
    (alone,) = bootstrap(
        y[y == 1], table[y == 1], ["a", "b"], seed=5, n_resamples=300, metrics=["accuracy"]
    ).values()
    assert of_classes["b"]["recall"] == pytest.approx(alone, abs=0.03)
    order = rng.permutation(120)
    assert bootstrap_per_class(y[order], table[order], ["a", "b"], seed=5, n_resamples=300) == of_classes
    assert bootstrap_per_class(y, table, ["a", "b"], seed=6, n_resamples=300) != of_classes


def test_interval_of_the_calibration_error_is_freed_of_what_resampling_adds() -> None:
    """Calibrated predictions: the percentiles of the resamples would lie above the set's own value."""
    rng = np.random.default_rng(13)
    chance = rng.uniform(0.5, 1, 600)
    y = (rng.random(600) > chance).astype(np.int64)
    table = np.column_stack((chance, 1 - chance))
    value = metrics.expected_calibration_error(y, table)
    low, high = bootstrap(y, table, ["a", "b"], seed=0, metrics=["ece"])["ece"]
    rows = intervals.row_order(y, table)
    weights = np.concatenate(list(intervals.resamples(y[rows], 1000, 0)))
    resampled = Scored(y[rows], table[rows], 2).metric("ece", weights)
    assert resampled.mean() > 1.1 * value
    assert 0 <= low < value < high
    assert high - low < 0.06
    perfect = np.eye(2)[y]
    assert bootstrap(y, perfect, ["a", "b"], seed=0, metrics=["ece"]) == {"ece": (0.0, 0.0)}


def test_interval_of_accuracy_covers_the_truth() -> None:
    """A model is right with a chance of 0.9 in one class and 0.7 in the other; both have 100 sequences."""
    rng, n_covered, n_sets = np.random.default_rng(0), 0, 400
    y = np.repeat([0, 1], 100)
    for number in range(n_sets):
        is_right = rng.random(200) < np.where(y == 0, 0.9, 0.7)
        table = np.eye(2)[np.where(is_right, y, 1 - y)]
        found = bootstrap(y, table, NAMES[:2], seed=number, n_resamples=400, metrics=["accuracy"])
        low, high = found["accuracy"]
        n_covered += low <= 0.8 <= high
    assert 0.92 < n_covered / n_sets < 0.98


def test_larger_level_and_fewer_sequences_give_wider_intervals() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(3, size=400)
    table = guesses(rng, y, 3, 0.3)

    def width(n: int, level: float) -> float:
        (interval,) = bootstrap(
            y[:n], table[:n], NAMES[:3], seed=0, level=level, metrics=["macro_f1"]
        ).values()
        return interval[1] - interval[0]

    assert all(narrow < wide for narrow, wide in pairwise(width(400, level) for level in (0.5, 0.8, 0.99)))
    assert width(400, 0.9) < width(100, 0.9)


def test_order_of_the_sequences_does_not_matter() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(3, size=80)
    first, second = guesses(rng, y, 3, 0.3), guesses(rng, y, 3, 0.2)
    order = rng.permutation(80)
    again = bootstrap(y[order], first[order], NAMES[:3], seed=1, metrics=EVERY)
    assert again == bootstrap(y, first, NAMES[:3], seed=1, metrics=EVERY)
    for metric in ALL:
        assert compared(y[order], first[order], second[order], metric) == compared(y, first, second, metric)


def compared(y: IntArray, first: DoubleArray, second: DoubleArray, metric: str, seed: int = 1) -> PairedTest:
    return paired(
        y, first, second, metric=metric, classes=NAMES[: first.shape[1]], seed=seed, n_resamples=500
    )


def test_same_seed_gives_the_same_numbers_and_metrics_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(6)
    y = rng.integers(2, size=60)
    table = guesses(rng, y, 2, 0.3)
    whole = bootstrap(y, table, NAMES[:2], seed=7, metrics=EVERY)
    assert bootstrap(y, table, NAMES[:2], seed=7, metrics=EVERY) == whole
    assert bootstrap(y, table, NAMES[:2], seed=8, metrics=EVERY) != whole
    assert list(bootstrap(y, table, NAMES[:2], seed=7)) == list(METRICS)
    for name in EVERY:
        assert bootstrap(y, table, NAMES[:2], seed=7, metrics=[name]) == {name: whole[name]}


def test_absent_class_takes_part_only_if_it_is_predicted() -> None:
    y = np.repeat([0, 1], 20)
    right = np.eye(3)[y]
    assert set(bootstrap(y, right, NAMES[:3], seed=0, metrics=ALL).values()) == {(1.0, 1.0)}
    wrong = np.eye(3)[np.where(np.arange(40) % 10 == 0, 2, y)]
    found = bootstrap(y, wrong, NAMES[:3], seed=0, metrics=ALL)
    assert found["precision"][0] == pytest.approx(2 / 3)  # nobody who is called class 2 is of it
    assert found["recall"][0] > 0.7


def test_area_of_a_set_of_one_class_is_undefined() -> None:
    y, table = np.zeros(5, dtype=np.int64), shares(np.random.default_rng(0).random((5, 2)))
    found = bootstrap(y, table, NAMES[:2], seed=0)
    assert all(map(math.isnan, found["roc_auc"]))
    assert not any(map(math.isnan, found["accuracy"]))
    test = compared(y, table, table[::-1], "roc_auc")
    assert math.isnan(test.difference)
    assert math.isnan(test.low)
    assert math.isnan(test.p_value)


def test_scores_that_all_tie_have_half_the_area() -> None:
    y = np.repeat([0, 1, 2], [5, 6, 7])
    found = bootstrap(y, np.full((18, 3), 1 / 3), NAMES[:3], seed=0)
    assert found["roc_auc"] == (0.5, 0.5)
    assert found["recall"] == pytest.approx((1 / 3, 1 / 3))


def test_single_sequence_has_an_interval() -> None:
    found = bootstrap(np.array([1]), np.array([[0.2, 0.8]]), NAMES[:2], seed=0, metrics=["accuracy", "mcc"])
    assert found == {"accuracy": (1.0, 1.0), "mcc": (0.0, 0.0)}


@pytest.mark.parametrize("metric", ALL)
def test_identical_models_do_not_differ(metric: str) -> None:
    rng = np.random.default_rng(8)
    y = rng.integers(4, size=50)
    table = guesses(rng, y, 4, 0.3)
    assert compared(y, table, table.copy(), metric) == PairedTest(0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_clearly_better_model_is_found(metric: str, n_classes: int) -> None:
    rng = np.random.default_rng(9)
    y = rng.integers(n_classes, size=200)
    good, bad = guesses(rng, y, n_classes, 0.8), guesses(rng, y, n_classes, 0.1)
    found = compared(y, good, bad, metric)
    expected = values(y, good, n_classes)[metric] - values(y, bad, n_classes)[metric]
    assert found.difference == pytest.approx(expected)
    assert 0 < found.low < found.difference < found.high
    assert found.p_value == 1 / 501  # no random assignment does as well
    swapped = compared(y, bad, good, metric)
    assert swapped.difference == -found.difference
    assert swapped.high < 0
    assert swapped.p_value == 1 / 501


def test_p_value_of_a_case_done_by_hand() -> None:
    """The models differ in 5 sequences, all won by the first: 2 of 32 assignments are as far apart."""
    y = np.zeros(20, dtype=np.int64)
    right, wrong = np.eye(2)[y], np.eye(2)[np.where(np.arange(20) < 5, 1, 0)]
    found = paired(y, right, wrong, metric="accuracy", classes=NAMES[:2], seed=0, n_resamples=20_000)
    assert found.difference == 5 / 20
    assert found.p_value == pytest.approx(2 / 32, abs=0.006)


def test_p_values_are_even_where_no_model_is_better() -> None:
    rng, found = np.random.default_rng(10), []
    y = np.repeat([0, 1, 2], 40)
    for seed in range(300):
        first, second = guesses(rng, y, 3, 0.4), guesses(rng, y, 3, 0.4)
        found.append(
            paired(y, first, second, metric="macro_f1", classes=NAMES[:3], seed=seed, n_resamples=199)
        )
    p = np.array([test.p_value for test in found])
    assert p.mean() == pytest.approx(0.5, abs=0.06)
    for limit in (0.05, 0.2, 0.5, 0.8):
        assert (p <= limit).mean() == pytest.approx(limit, abs=0.08)
    assert 0.9 < np.mean([test.low <= 0 <= test.high for test in found]) < 0.99


def test_faults_are_told() -> None:
    y, table = np.array([0, 1]), np.eye(2)
    with pytest.raises(UnknownNameError, match=r"unknown metric 'macro_f'; did you mean 'macro_f1'\?"):
        bootstrap(y, table, NAMES[:2], seed=0, metrics=["macro_f"])
    with pytest.raises(UnknownNameError, match=r"unknown metric 'support'"):
        compared(y, table, table, "support")
    with pytest.raises(ConfigError, match=r"^n_resamples is 0; allowed: 1 or more$"):
        bootstrap(y, table, NAMES[:2], seed=0, n_resamples=0)
    with pytest.raises(ConfigError, match=r"^level is 95; allowed: above 0 and below 1$"):
        bootstrap(y, table, NAMES[:2], seed=0, level=95)
    with pytest.raises(InputError, match=r"^an interval needs at least one sequence; found none$"):
        bootstrap(y[:0], table[:0], NAMES[:2], seed=0)
