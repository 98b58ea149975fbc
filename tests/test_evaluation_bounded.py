"""Wilson's interval and metrics with intervals: published and SciPy's values, and how often they hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from sortilin.errors import ConfigError, InputError
from sortilin.evaluation import bounded, intervals, metrics, proportions
from sortilin.evaluation.proportions import wilson
from sortilin.interfaces import DoubleArray, IntArray


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 10), (7, 10), (81, 263), (500, 500), (1, 7458)])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_wilson_is_that_of_scipy(hits: int, n: int, level: float) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(level, method="wilson")
    assert wilson(hits, n, level=level) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_agrees_with_the_published_example() -> None:
    """Newcombe 1998, Statistics in Medicine 17:857-872, table I, method 3."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_wilson_has_a_width_where_all_are_right() -> None:
    low, high = wilson(10, 10)
    assert high == 1
    assert low == pytest.approx(0.7225, abs=5e-5)


def test_share_of_none_is_undefined_and_faults_are_told() -> None:
    assert all(map(math.isnan, wilson(0, 0)))
    with pytest.raises(InputError, match=r"^4 of 3 is no share; allowed: 0 to 3$"):
        wilson(4, 3)
    with pytest.raises(ConfigError, match=r"^level is 1; allowed: above 0 and below 1$"):
        wilson(1, 3, level=1)


def sample(seed: int, n: int, n_classes: int) -> tuple[IntArray, DoubleArray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    table = rng.random((n, n_classes)) + 0.7 * np.eye(n_classes)[np.where(rng.random(n) < 0.6, y, 0)]
    return y, table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_every_metric_has_an_interval_that_holds_it(n_classes: int) -> None:
    y, table = sample(1, 300, n_classes)
    classes = list("abcd")[:n_classes]
    found = bounded.evaluate(y, table, classes, seed=3)
    plain = metrics.evaluate(y, table, classes)
    assert (found.metrics, found.per_class, found.confusion) == (
        plain.metrics,
        plain.per_class,
        plain.confusion,
    )
    assert set(found.intervals) == set(found.metrics)
    for name, (low, high) in found.intervals.items():
        assert low < found.metrics[name] < high
    for of_class, ends in found.class_intervals.items():
        assert set(ends) == {"precision", "recall", "f1", "roc_auc"}
        for name, (low, high) in ends.items():
            assert low < found.per_class[of_class][name] < high
    n_right = int(np.trace(np.array(found.confusion)))
    assert found.intervals["accuracy"] == wilson(n_right, 300)
    drawn = intervals.bootstrap(y, table, classes, seed=3, metrics=["macro_f1"])
    assert found.intervals["macro_f1"] == drawn["macro_f1"]


def test_shares_of_two_classes_are_the_recalls() -> None:
    y, table = sample(2, 200, 2)
    found = bounded.evaluate(y, table, ["no", "yes"])
    assert found.intervals["sensitivity"] == found.class_intervals["yes"]["recall"]
    assert found.intervals["specificity"] == found.class_intervals["no"]["recall"]


def test_class_that_is_never_predicted_has_no_interval_of_its_precision() -> None:
    y = np.array([0, 0, 1, 1, 2])
    found = bounded.evaluate(y, np.eye(3)[[0, 0, 1, 1, 1]], list("abc"), n_resamples=50)
    assert all(map(math.isnan, found.class_intervals["c"]["precision"]))
    assert found.class_intervals["c"]["recall"] == wilson(0, 1)


def test_intervals_stand_in_the_record_where_there_are_some() -> None:
    y, table = sample(3, 20, 2)
    assert not {"intervals", "class_intervals"} & set(metrics.evaluate(y, table, ["a", "b"]).as_dict())
    found = bounded.evaluate(y, table, ["a", "b"], n_resamples=20).as_dict()
    assert {"n", "intervals", "class_intervals"} <= set(found)


def test_interval_of_a_mean_holds_it() -> None:
    rng = np.random.default_rng(5)
    values, y = rng.random(400), rng.integers(2, size=400)
    low, high = intervals.of_mean(values, y, seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


# --- simulated data with known truth

REPEATS = 200


def _holds_its_level(n_covered: int, level: float = 0.95) -> bool:
    """Whether so many of 200 intervals may be right by chance, at either end 1 in 1,000."""
    return bool(stats.binom.ppf(0.001, REPEATS, level) <= n_covered <= stats.binom.ppf(0.999, REPEATS, level))


@pytest.mark.slow
@pytest.mark.parametrize(("share", "n"), [(0.5, 40), (0.8, 100), (0.95, 200), (0.776, 1500)])
def test_wilson_covers_at_its_level(share: float, n: int) -> None:
    rng = np.random.default_rng(30)
    ends = [wilson(int(hits), n) for hits in rng.binomial(n, share, REPEATS)]
    assert _holds_its_level(sum(low <= share <= high for low, high in ends))


@pytest.mark.slow
def test_wilson_covers_where_the_plain_bootstrap_does_not() -> None:
    """Of 20 sequences with an accuracy of 0.97, more than half of the samples have no error at all."""
    rng = np.random.default_rng(31)
    n, share = 20, 0.97
    by_wilson = by_bootstrap = 0
    for hits in rng.binomial(n, share, REPEATS):
        low, high = wilson(int(hits), n)
        by_wilson += low <= share <= high
        y = np.zeros(n, dtype=np.int64)
        table = np.eye(2)[(np.arange(n) >= hits).astype(np.int64)]
        low, high = intervals.bootstrap(y, table, ["a", "b"], seed=1, n_resamples=200, metrics=["accuracy"])[
            "accuracy"
        ]
        by_bootstrap += low <= share <= high
    assert by_wilson >= 0.9 * REPEATS
    assert by_bootstrap < 0.8 * REPEATS


@pytest.mark.slow
def test_bootstrap_intervals_cover_at_their_level() -> None:
    """Scores from known distributions: the true values are those of a set of two million."""
    names = ("macro_f1", "roc_auc", "mcc", "brier", "log_loss")
    truth = metrics.evaluate(*_drawn(np.random.default_rng(32), 2_000_000), ["a", "b"]).metrics
    rng = np.random.default_rng(33)
    covered = dict.fromkeys((*names, "accuracy", "sensitivity", "specificity"), 0)
    for seed in range(REPEATS):
        y, table = _drawn(rng, 300)
        found = bounded.of_set(y, table, ["a", "b"], metrics=tuple(covered), seed=seed, n_resamples=400)
        for name, (low, high) in found.items():
            covered[name] += low <= truth[name] <= high
    for name, n in covered.items():
        # The classes' counts are given; the accuracy's interval is of a draw that does not know them, and
        # covers a little more.
        assert n >= stats.binom.ppf(0.001, REPEATS, 0.94), (name, n)


def _drawn(rng: np.random.Generator, n: int) -> tuple[IntArray, DoubleArray]:
    """Two classes, 40 % of the second, with normal log-odds one and a half deviations apart."""
    y = (np.arange(n) % 5 < 2).astype(np.int64)
    odds = rng.normal(1.5 * y - 0.75, 1.0)
    p = 1 / (1 + np.exp(-1.5 * odds))
    return y, np.column_stack([1 - p, p])


def test_proportions_of_a_table_are_counted_by_class() -> None:
    table = [[8, 2], [1, 4]]
    assert proportions.of_set(table) == {
        "accuracy": wilson(12, 15),
        "sensitivity": wilson(4, 5),
        "specificity": wilson(8, 10),
    }
    assert proportions.of_classes(table)[1] == {"precision": wilson(4, 6), "recall": wilson(4, 5)}


def test_interval_of_an_area_agrees_with_the_bootstrap() -> None:
    y, table = _drawn(np.random.default_rng(40), 500)
    area = metrics.roc_auc(y == 1, table[:, 1])
    drawn = intervals.bootstrap(y, table, ["a", "b"], seed=1, metrics=["roc_auc"])["roc_auc"]
    assert proportions.hanley_mcneil(area, 200, 300) == pytest.approx(drawn, abs=0.01)
    assert proportions.hanley_mcneil(1.0, 5, 5) == (1.0, 1.0)
    with pytest.raises(InputError, match="has no interval"):
        proportions.hanley_mcneil(0.5, 0, 5)
