"""What lies far from the training data is told, at a stated rate."""

from __future__ import annotations

import numpy as np
import pytest

from sortilin.errors import ConfigError
from sortilin.evaluation import far
from sortilin.evaluation.far import Far, Kind
from sortilin.interfaces import DoubleArray, IntArray

KINDS = [Kind("mahalanobis", 8), Kind("neighbours", 8, 3)]


def cloud(n: int, seed: int, shift: float = 0.0) -> tuple[DoubleArray, IntArray]:
    """Two classes in six dimensions of unlike scales; one feature says nothing, one never changes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    x = rng.normal(size=(n, 6)) * [1, 100, 0.01, 1, 1, 1] + np.outer(y, [3, 0, 0, 0, 0, 0])
    x[:, 3] += shift
    return np.column_stack((x, np.full(n, 7.0))), y


def splits(n: int) -> list[tuple[IntArray, IntArray]]:
    fold = np.arange(n) % 3
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]


def test_mahalanobis_is_that_of_scipy() -> None:
    spatial = pytest.importorskip("scipy.spatial.distance")
    x, y = cloud(400, 1)
    found = far.fit(x, y, Kind("mahalanobis", 99))(x[:5])
    varied = x[:, :6]
    means = [varied[y == c].mean(axis=0) for c in range(2)]
    within = varied - np.array(means)[y]
    inverse = np.linalg.inv(within.T @ within / len(x))
    expected = [min(spatial.mahalanobis(row, mean, inverse) for mean in means) for row in varied[:5]]
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_rate_is_the_stated_one_and_what_is_far_is_flagged(kind: Kind) -> None:
    x, y = cloud(900, 2)
    found = Far(far.fit(x, y, kind), far._quantiles(far.held_out(x, y, splits(900), kind)))
    new, _ = cloud(2000, 3)
    # Neighbours are nearer among all training rows than among those of a fold, so that fewer are flagged.
    slack = 0.02 if kind.name == "mahalanobis" else 0.04
    assert found.is_far(new).mean() == pytest.approx(0.05, abs=slack)
    assert found.is_far(new, 0.2).mean() == pytest.approx(0.2, abs=2 * slack)
    shifted, _ = cloud(500, 4, shift=12.0)
    assert found.is_far(shifted).mean() > 0.99


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_rows_stand_alone_and_come_back_from_arrays(kind: Kind) -> None:
    x, y = cloud(200, 5)
    found = Far(far.fit(x, y, kind), far._quantiles(far.held_out(x, y, splits(200), kind)))
    whole = found.distance(x)
    assert np.concatenate([found.distance(row[None]) for row in x]).tobytes() == whole.tobytes()
    again = far.restored(found.described(), found.arrays())
    assert again.distance(x).tobytes() == whole.tobytes()
    assert again.threshold() == found.threshold()


def test_scale_of_a_feature_does_not_matter() -> None:
    x, y = cloud(300, 6)
    scaled = x * [1e3, 1, 1e-3, 5, 1, 1, 1]
    assert far.fit(scaled, y)(scaled) == pytest.approx(far.fit(x, y)(x), rel=1e-2)


def test_way_that_tells_other_families_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Families differ in a feature of small spread, which one component does not see."""
    monkeypatch.setattr(far, "CANDIDATES", (Kind("mahalanobis", 1), Kind("mahalanobis", 6)))
    rng = np.random.default_rng(7)
    family = np.arange(600) % 6
    shared = rng.normal(size=(600, 1))
    x = np.hstack(
        [shared + 0.1 * rng.normal(size=(600, 5)), (20 * family[:, None]) ** 2 + rng.normal(size=(600, 1))]
    )
    y = rng.integers(2, size=600)
    turn = np.arange(600) // 6 % 3
    random = [(np.flatnonzero(turn != k), np.flatnonzero(turn == k)) for k in range(3)]
    grouped = [(np.flatnonzero(family // 2 != k), np.flatnonzero(family // 2 == k)) for k in range(3)]
    found, choices = far.choose(x, y, random, grouped)
    assert found.distance.kind == choices[0].kind == Kind("mahalanobis", 6)
    assert choices[0].separation is not None
    assert choices[1].separation is not None
    assert choices[0].separation > choices[1].separation
    assert choices[0].n_flagged is not None
    assert choices[0].n == 600


def test_without_families_the_default_is_taken() -> None:
    x, y = cloud(90, 8)
    found, (choice,) = far.choose(x, y, splits(90), None)
    assert found.distance.kind == far.DEFAULT == choice.kind
    assert choice.separation is None


@pytest.mark.parametrize("rate", [0, 1, 5])
def test_rate_outside_0_and_1_is_an_error(rate: float) -> None:
    x, y = cloud(90, 9)
    with pytest.raises(ConfigError, match=r"rate is .*; allowed: above 0 and below 1"):
        far.choose(x, y, splits(90), None)[0].threshold(rate)
