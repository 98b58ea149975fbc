"""McNemar, paired bootstrap, t-test over folds, corrections: published values, SciPy's, and chance."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from scipy import stats

from sortilin.errors import InputError
from sortilin.evaluation import comparison, intervals, metrics
from sortilin.evaluation.comparison import benjamini_hochberg, differences, disagreements, holm, mcnemar
from sortilin.interfaces import DoubleArray, IntArray

CLASSES = ["a", "b", "c"]
PAIR = [("one", "other")]


def guesses(rng: np.random.Generator, y: IntArray, n_classes: int, share: float) -> DoubleArray:
    """Probabilities of a model that knows a share of the classes and guesses the others."""
    said = np.where(rng.random(len(y)) < share, y, rng.integers(n_classes, size=len(y)))
    table = rng.random((len(y), n_classes)) + 2 * np.eye(n_classes)[said]
    return np.asarray(table / table.sum(axis=1, keepdims=True))


# --- McNemar


def test_mcnemar_agrees_with_the_published_example() -> None:
    """Fagerland, Lydersen & Laake 2013, table 1: airway hyper-responsiveness, 7 and 1 discordant pairs."""
    found = mcnemar(1, 7)
    assert found.exact == pytest.approx(0.070, abs=5e-4)
    assert found.mid_p == pytest.approx(0.039, abs=5e-4)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (3, 3), (0, 6), (11, 4), (60, 85), (1200, 1100)])
def test_mcnemar_is_a_binomial_test(first: int, second: int) -> None:
    found = mcnemar(first, second)
    n = first + second
    expected = stats.binomtest(first, n, 0.5).pvalue if n else 1.0
    assert found.exact == pytest.approx(expected)
    middle = stats.binom.pmf(first, n, 0.5) if first != second else stats.binom.pmf(first, n, 0.5) / 2
    assert found.mid_p == pytest.approx(expected - (middle if n else 0.0))
    assert mcnemar(second, first).exact == found.exact
    assert 0 < found.mid_p <= found.exact <= 1


def test_mcnemar_counts_what_one_model_alone_calls_right() -> None:
    y = np.array([0, 0, 1, 1, 2, 2])
    one, other = np.eye(3)[[0, 0, 1, 0, 2, 0]], np.eye(3)[[0, 1, 2, 1, 0, 0]]
    (found,) = disagreements(y, {"one": one, "other": other}, PAIR)
    assert (found.first_only, found.second_only, found.n) == (3, 1, 6)
    assert found.exact == stats.binomtest(3, 4).pvalue


def test_mcnemar_of_many_sequences_is_exact_and_quick() -> None:
    started = time.perf_counter()
    found = mcnemar(10_100, 9_900)
    assert time.perf_counter() - started < 5
    assert found.exact == pytest.approx(stats.binomtest(10_100, 20_000).pvalue)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(InputError, match="counts are 0 or more"):
        mcnemar(-1, 3)


# --- paired bootstrap


def test_differences_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=200)
    tables = {
        "one": guesses(rng, y, 3, 0.8),
        "other": guesses(rng, y, 3, 0.3),
        "third": guesses(rng, y, 3, 0.3),
    }
    pairs = [("one", "other"), ("one", "third"), ("other", "third")]
    names = ("macro_f1", "accuracy", "roc_auc", "ece", "log_loss")
    found = differences(y, tables, pairs, metrics=names, classes=CLASSES, seed=4, n_resamples=400)
    values = {name: metrics.evaluate(y, table, CLASSES).metrics for name, table in tables.items()}
    assert [(one.first, one.second, one.metric) for one in found] == [(*p, n) for p in pairs for n in names]
    for one in found:
        expected = values[one.first][one.metric] - values[one.second][one.metric]
        assert one.difference == pytest.approx(expected)
        assert one.n == 200
        if one.metric != "ece":  # a resample adds to it
            assert one.low <= one.difference <= one.high
        assert one.p_value <= one.adjusted <= 1
    better = {one.second: one for one in found if one.first == "one" and one.metric == "macro_f1"}
    assert all(one.low > 0 and one.p_value == 2 / 401 for one in better.values())
    alike = next(one for one in found if one.first == "other" and one.metric == "accuracy")
    assert alike.low < 0 < alike.high
    assert alike.p_value > 0.05


def test_intervals_of_differences_are_those_of_the_paired_test() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(3, size=90)
    one, other = guesses(rng, y, 3, 0.6), guesses(rng, y, 3, 0.4)
    (found,) = differences(
        y, {"one": one, "other": other}, PAIR, metrics=["mcc"], classes=CLASSES, seed=3, n_resamples=500
    )
    expected = intervals.paired(y, one, other, metric="mcc", classes=CLASSES, seed=3, n_resamples=500)
    assert (found.difference, found.low, found.high) == pytest.approx(
        (expected.difference, expected.low, expected.high)
    )


def test_order_of_the_sequences_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=60)
    tables = {"one": guesses(rng, y, 3, 0.6), "other": guesses(rng, y, 3, 0.4)}
    order = rng.permutation(60)
    how = {"metrics": ["macro_f1"], "classes": CLASSES, "seed": 1, "n_resamples": 200}
    again = {name: table[order] for name, table in tables.items()}
    assert differences(y[order], again, PAIR, **how) == differences(y, tables, PAIR, **how)  # type: ignore[arg-type]


def test_identical_models_do_not_differ() -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(3, size=30)
    table = guesses(rng, y, 3, 0.5)
    tables = {"one": table, "other": table.copy()}
    (found,) = differences(y, tables, PAIR, metrics=["accuracy"], classes=CLASSES, seed=0, n_resamples=99)
    assert (found.difference, found.low, found.high, found.p_value, found.adjusted) == (0, 0, 0, 1, 1)


def test_undefined_difference_has_no_p_value() -> None:
    y = np.zeros(4, dtype=np.int64)
    table = np.full((4, 3), 1 / 3)
    (found,) = differences(
        y, {"one": table, "other": table}, PAIR, metrics=["roc_auc"], classes=CLASSES, seed=0, n_resamples=9
    )
    assert math.isnan(found.difference)
    assert math.isnan(found.p_value)
    assert math.isnan(found.adjusted)


# --- over folds


def test_corrected_t_test_by_hand() -> None:
    """Nadeau & Bengio 2003: t = mean / sqrt((1/K + n_test/n_train) var), K - 1 degrees of freedom."""
    first, second = [0.80, 0.82, 0.79, 0.83, 0.81], [0.78, 0.79, 0.78, 0.80, 0.80]
    d = np.subtract(first, second)
    found = comparison.over_folds(first, second, test_share=0.25)
    t = d.mean() / math.sqrt((1 / 5 + 0.25) * d.var(ddof=1))
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(t), 4))
    assert found.mean == pytest.approx(d.mean())
    half = stats.t.ppf(0.975, 4) * d.mean() / t
    assert (found.low, found.high) == pytest.approx((d.mean() - half, d.mean() + half))


def test_without_overlap_it_is_the_paired_t_test() -> None:
    first, second = [0.80, 0.82, 0.79, 0.83], [0.78, 0.85, 0.78, 0.80]
    found = comparison.over_folds(first, second, test_share=0.0)
    assert found.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)


def test_equal_folds_have_no_p_value_and_a_constant_difference_is_sure() -> None:
    assert math.isnan(comparison.over_folds([0.5, 0.6], [0.5, 0.6], test_share=0.5).p_value)
    with pytest.raises(InputError, match="at least 2"):
        comparison.over_folds([0.5], [0.6], test_share=0.5)
    with pytest.raises(InputError, match="as many of both"):
        comparison.over_folds([0.5, 0.4], [0.6], test_share=0.5)


# --- corrections


def test_holm_agrees_with_a_case_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize("seed", range(5))
def test_benjamini_hochberg_is_that_of_scipy(seed: int) -> None:
    p = np.random.default_rng(seed).random(12) ** 2
    assert benjamini_hochberg(p.tolist()) == pytest.approx(stats.false_discovery_control(p, method="bh"))
    by_holm, alone = np.array(holm(p.tolist())), np.minimum(p * len(p), 1)
    assert (by_holm <= alone + 1e-12).all()  # never stricter than Bonferroni's
    assert (by_holm >= np.array(benjamini_hochberg(p.tolist())) - 1e-12).all()


def test_undefined_p_values_count_for_nothing() -> None:
    found = holm([0.02, math.nan, 0.03])
    assert found[0] == pytest.approx(0.04)
    assert math.isnan(found[1])
    assert holm([]) == []
    with pytest.raises(InputError, match=r"^1\.5 is no p-value"):
        holm([1.5])


# --- what they promise of chance

REPEATS = 200


def _n_rejected(p_values: list[float], level: float = 0.05) -> int:
    return sum(p <= level for p in p_values)


def _at_most(level: float) -> int:
    """Rejections of 200 that a test of the level reaches with a chance below 1 in 1,000."""
    return int(stats.binom.ppf(0.999, REPEATS, level))


@pytest.mark.slow
def test_mcnemar_and_paired_bootstrap_keep_their_rate_of_false_findings() -> None:
    rng = np.random.default_rng(20)
    y = np.repeat([0, 1, 2], 60)
    exact, mid, drawn, permuted = [], [], [], []
    for seed in range(REPEATS):
        tables = {"one": guesses(rng, y, 3, 0.5), "other": guesses(rng, y, 3, 0.5)}
        (counted,) = disagreements(y, tables, PAIR)
        exact.append(counted.exact)
        mid.append(counted.p_value)
        (found,) = differences(
            y, tables, PAIR, metrics=["macro_f1"], classes=CLASSES, seed=seed, n_resamples=499
        )
        drawn.append(found.p_value)
        test = intervals.paired(
            y, *tables.values(), metric="macro_f1", classes=CLASSES, seed=seed, n_resamples=499
        )
        permuted.append(test.p_value)
    for p_values in (exact, mid, drawn, permuted):
        assert _n_rejected(p_values) <= _at_most(0.05)
        assert np.mean(p_values) == pytest.approx(0.5, abs=0.08)
    assert _n_rejected(exact) <= _n_rejected(mid)
    for p_values in (mid, drawn, permuted):  # nor are they deaf
        assert _n_rejected(p_values, 0.2) >= stats.binom.ppf(0.001, REPEATS, 0.15)


@pytest.mark.slow
def test_tests_find_what_is_there() -> None:
    rng = np.random.default_rng(21)
    y = np.repeat([0, 1, 2], 100)
    mid, drawn = [], []
    for seed in range(60):
        tables = {"one": guesses(rng, y, 3, 0.7), "other": guesses(rng, y, 3, 0.5)}
        mid.append(disagreements(y, tables, PAIR)[0].p_value)
        drawn.append(
            differences(y, tables, PAIR, metrics=["macro_f1"], classes=CLASSES, seed=seed, n_resamples=299)[
                0
            ].p_value
        )
    assert _n_rejected(mid) >= 48
    assert _n_rejected(drawn) >= 48


@pytest.mark.slow
def test_holm_bounds_the_chance_of_any_false_finding() -> None:
    """Five models that are equally good, in pairs: without a correction something is found far too often."""
    rng = np.random.default_rng(22)
    y = np.repeat([0, 1], 100)
    names = list("abcde")
    pairs = [(first, other) for i, first in enumerate(names) for other in names[i + 1 :]]
    n_raw = n_corrected = 0
    for _ in range(REPEATS):
        tables = {name: guesses(rng, y, 2, 0.5) for name in names}
        found = disagreements(y, tables, pairs)
        n_raw += min(one.p_value for one in found) <= 0.05
        n_corrected += min(one.adjusted for one in found) <= 0.05
    assert n_corrected <= _at_most(0.05)
    assert n_raw > 2 * n_corrected + 10


@pytest.mark.slow
def test_corrected_t_test_keeps_its_rate_where_the_plain_one_does_not() -> None:
    """Two equally good learners on 5 folds of one set: the folds' differences share training rows."""
    rng = np.random.default_rng(23)
    corrected, plain = [], []
    for _ in range(REPEATS):
        first, second = _folds_of_two_learners(rng)
        corrected.append(comparison.over_folds(first, second, test_share=0.25).p_value)
        plain.append(comparison.over_folds(first, second, test_share=0.0).p_value)
    assert _n_rejected(corrected) <= _at_most(0.05)
    assert _n_rejected(plain) > _n_rejected(corrected)


def _folds_of_two_learners(rng: np.random.Generator) -> tuple[list[float], list[float]]:
    """Accuracy on 5 folds of nearest centroids on one half of the features each, all of them alike."""
    n, f = 60, 4
    y = np.tile([0, 1], n // 2)
    x = rng.normal(size=(n, 2 * f)) + 0.3 * y[:, None]
    order = rng.permutation(n)
    found: tuple[list[float], list[float]] = ([], [])
    for fold in range(5):
        test = order[fold::5]
        train = np.setdiff1d(order, test)
        for values, half in zip(found, (slice(0, f), slice(f, 2 * f)), strict=True):
            centres = [x[train][y[train] == c][:, half].mean(axis=0) for c in (0, 1)]
            gaps = [((x[test][:, half] - centre) ** 2).sum(axis=1) for centre in centres]
            values.append(float(((gaps[1] < gaps[0]) == y[test]).mean()))
    return found
