"""Selective prediction: the curve, the area and the share at an accuracy, by hand and by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from sortilin.errors import ConfigError, InputError
from sortilin.evaluation import selective


def table_of(confidence: list[float], is_right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Class 0 is predicted; it is right or not."""
    table = np.array([[p, 1 - p] for p in confidence])
    return np.array([0 if right else 1 for right in is_right]), table


def test_curve_and_area_of_four_by_hand() -> None:
    y, table = table_of([0.6, 0.9, 0.8, 0.7], [True, True, False, True])
    found = selective.measure(y, table, accuracy=0.75)
    assert [share for share, _ in found.curve] == [0.25, 0.5, 0.75, 1.0]
    assert [accuracy for _, accuracy in found.curve] == pytest.approx([1.0, 0.5, 2 / 3, 0.75])
    assert found.aurc == pytest.approx((0 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert (found.share, found.threshold, found.accuracy, found.n) == (1.0, 0.6, 0.75, 4)


def test_ties_are_answered_together() -> None:
    y, table = table_of([0.9, 0.9, 0.6], [True, False, True])
    found = selective.measure(y, table, accuracy=0.9)
    assert [share for share, _ in found.curve] == [pytest.approx(2 / 3), 1.0]
    assert found.share == 0  # the one that is right cannot be told from the one that is not
    assert np.isnan(found.threshold)


def test_order_of_rows_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    table = rng.dirichlet(np.ones(3), 80)
    y = rng.integers(3, size=80)
    order = rng.permutation(80)
    assert selective.measure(y, table, seed=4) == selective.measure(y[order], table[order], seed=4)


def test_perfect_and_useless_models() -> None:
    y, table = table_of([0.9, 0.8, 0.7], [True] * 3)
    found = selective.measure(y, table)
    assert (found.share, found.aurc, found.share_interval) == (1.0, 0.0, (1.0, 1.0))
    y, table = table_of([0.9, 0.8, 0.7], [False] * 3)
    assert (selective.measure(y, table).share, selective.measure(y, table).aurc) == (0.0, 1.0)


def test_folds_are_answered_by_the_threshold_of_the_others() -> None:
    y, table = table_of([0.9, 0.6, 0.95, 0.7], [True, False, True, True])
    found = selective.measure(y, table, accuracy=1.0, fold=np.array([0, 0, 1, 1]))
    # Fold 1 asks for 0.7, so that 0.6 is not answered; fold 0 asks for 0.9, so that 0.7 is not.
    assert found.crossed == (0.5, 1.0)


def test_nothing_and_a_wrong_accuracy_are_errors() -> None:
    with pytest.raises(InputError, match="at least one sequence"):
        selective.measure(np.zeros(0, dtype=int), np.zeros((0, 2)))
    y, table = table_of([0.9], [True])
    with pytest.raises(ConfigError, match=r"accuracy is 95; allowed: above 0, up to 1"):
        selective.measure(y, table, accuracy=95)


@pytest.mark.slow
def test_interval_of_the_area_covers() -> None:
    """200 times: the area of a large sample is inside about 95 of 100 intervals."""

    def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        p = 0.5 + 0.5 * rng.random(n)
        return np.where(rng.random(n) < p, 0, 1), np.column_stack((p, 1 - p))

    true = selective.measure(*drawn(200_000, 1), n_resamples=1).aurc
    intervals = [selective.measure(*drawn(400, 2 + n), n_resamples=300).aurc_interval for n in range(200)]
    share = np.mean([low <= true <= high for low, high in intervals])
    assert 0.90 <= share <= 0.99
