"""Prediction sets hold the truth as often as asked, and say so where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.errors import ConfigError, UnknownNameError
from sortilin.evaluation import conformal
from sortilin.interfaces import DoubleArray, IntArray

CLASSES = ("a", "b", "c")


def sample(n: int, seed: int, *, is_wrong: bool = False) -> tuple[DoubleArray, IntArray]:
    """Probabilities and classes drawn from them; or from others, so that the model is badly calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 3)) * 2
    table = np.exp(logits)
    table /= table.sum(axis=1, keepdims=True)
    y = (table.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return (table**3 / (table**3).sum(axis=1, keepdims=True), y) if is_wrong else (table, y)


def test_threshold_is_the_quantile_of_split_conformal() -> None:
    table = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]])
    found = conformal.fit(table, np.array([0, 0, 0, 1, 1]))
    assert found.values == pytest.approx([0.1, 0.2, 0.4, 0.3, 0.45])
    assert found.counts.tolist() == [3, 2]
    # ceil(6 * 0.5) = 3rd of 0.1, 0.2, 0.3, 0.4, 0.45; of class a the 2nd of three, of b the 2nd of two.
    assert found.thresholds(0.5, ("a", "b")) == pytest.approx([0.3, 0.3])
    assert found.thresholds(0.5, ("a", "b"), per_class=True) == pytest.approx([0.2, 0.45])


def test_nonconformities_are_the_published_ones() -> None:
    table = np.array([[0.5, 0.2, 0.3]])
    assert conformal.nonconformity(table, "lac")[0] == pytest.approx([0.5, 0.8, 0.7])
    assert conformal.nonconformity(table, "aps")[0] == pytest.approx([0.5, 1.0, 0.8])
    with pytest.raises(UnknownNameError, match="lac"):
        conformal.nonconformity(table, "lacs")


def test_empty_sets_hold_the_predicted_class_where_asked() -> None:
    table = np.array([[0.5, 0.3, 0.2], [0.95, 0.04, 0.01]])
    thresholds = np.full(3, 0.1)
    assert conformal.sets(table, thresholds).tolist() == [[False] * 3, [True, False, False]]
    full = conformal.sets(table, thresholds, never_empty=True)
    assert full.tolist() == [[True, False, False]] * 2


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), low=st.floats(0.05, 0.9), more=st.floats(0, 0.09))
def test_more_coverage_makes_no_set_smaller(seed: int, low: float, more: float) -> None:
    table, y = sample(60, seed)
    if len(np.unique(y)) < 3:
        return
    for kind in conformal.KINDS:
        found = conformal.fit(table, y, kind)
        small, large = (
            conformal.sets(table, found.thresholds(coverage, CLASSES), kind) for coverage in (low, low + more)
        )
        assert (large >= small).all()


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5, 90, float("nan")])
def test_coverage_outside_0_and_1_is_an_error(coverage: float) -> None:
    table, y = sample(50, 1)
    with pytest.raises(ConfigError, match=r"coverage is .*; allowed: above 0 and below 1"):
        conformal.fit(table, y).thresholds(coverage, CLASSES)


def test_too_few_rows_are_an_error_with_a_remedy() -> None:
    found = conformal.fit(*sample(98, 1))
    with pytest.raises(ConfigError) as caught:
        found.thresholds(0.99, CLASSES)
    assert str(caught.value) == (
        "coverage 0.99 needs 99 held-out sequences at least; there are 98, enough for 0.989: ask for less, "
        "or bring more with sortilin calibrate --labelled"
    )
    assert np.isfinite(conformal.fit(*sample(99, 1)).thresholds(0.99, CLASSES)).all()
    with pytest.raises(ConfigError, match=r"needs 49 held-out sequences of class [abc] at least"):
        found.thresholds(0.98, CLASSES, per_class=True)


def test_missing_class_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"none of the 2 sequences is of class \[1\]"):
        conformal.fit(np.full((2, 3), 1 / 3), np.array([0, 2]))


def test_sets_of_folds_do_not_look_at_their_own_rows() -> None:
    """A fold whose truth is stranger than all others is covered less than asked."""
    table = np.tile([0.8, 0.1, 0.1], (60, 1))
    y = np.tile([0, 1, 2], 20)
    table[np.arange(60), y] += 0.5
    table /= table.sum(axis=1, keepdims=True)
    fold = np.repeat([0, 1, 2], 20)
    odd = fold == 2
    table[odd] = table[odd][:, [1, 2, 0]]  # the truth is now called something else
    inside = conformal.crossed(table, y, fold, 0.8, CLASSES)
    is_right = inside[np.arange(60), y]
    assert is_right[odd].mean() < 0.8 < is_right[~odd].mean()
    found = conformal.covered(inside, y, CLASSES, coverage=0.8, kind="lac", per_class=False)
    assert (found.n, found.n_covered) == (60, int(is_right.sum()))
    assert sum(n for n, _ in found.by_class.values()) == 60
    assert found.size == pytest.approx(inside.sum() / 60)


@pytest.mark.parametrize("is_wrong", [False, True], ids=["calibrated", "not calibrated"])
@pytest.mark.parametrize("kind", conformal.KINDS)
@pytest.mark.parametrize("per_class", [False, True])
def test_coverage_is_what_was_asked(kind: str, per_class: bool, is_wrong: bool) -> None:
    """Whatever the probabilities are worth."""
    table, y = sample(6000, 2, is_wrong=is_wrong)
    thresholds = conformal.fit(table, y, kind).thresholds(0.9, CLASSES, per_class=per_class)
    new, new_y = sample(6000, 3, is_wrong=is_wrong)
    inside = conformal.sets(new, thresholds, kind)[np.arange(6000), new_y]
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    if per_class:
        assert [inside[new_y == c].mean() for c in range(3)] == pytest.approx([0.9] * 3, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", conformal.KINDS)
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_coverage_over_many_draws(kind: str, coverage: float) -> None:
    """200 times 200 held-out rows: the mean coverage of new rows is within its binomial error."""
    n, m, hits = 200, 200, 0
    for repeat in range(200):
        table, y = sample(n, 10_000 + repeat, is_wrong=True)
        thresholds = conformal.fit(table, y, kind).thresholds(coverage, CLASSES)
        new, new_y = sample(m, 50_000 + repeat, is_wrong=True)
        hits += int(conformal.sets(new, thresholds, kind)[np.arange(m), new_y].sum())
    # Of the calibration draw and of the new rows; the expectation is between the target and 1 / (n + 1) more.
    error = np.sqrt(coverage * (1 - coverage) * (1 / n + 1 / m) / 200)
    found = hits / (200 * m)
    assert found > coverage - 3 * error
    if kind == "lac":  # the least probable class always adds up to 1 in aps: it ties, and ties cover more
        assert found < coverage + 1 / (n + 1) + 3 * error
