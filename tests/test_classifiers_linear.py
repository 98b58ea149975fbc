"""Logistic regression against scikit-learn, its search, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sortilin import registry
from sortilin.errors import ConfigError
from sortilin.interfaces import FloatArray, IntArray

WIDTH, SEED = 6, 4


def planted(seed: int, n_classes: int, *, n: int = 120) -> tuple[FloatArray, IntArray]:
    """Overlapping clouds in columns of unlike scale."""
    centres = np.random.default_rng(9).normal(size=(n_classes, WIDTH))
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes).astype(np.int64)
    x = (centres[y] + rng.normal(size=(n, WIDTH))) * np.logspace(-2, 2, WIDTH) + 3
    return x.astype(np.float32), y


def fitted(n_classes: int = 3, **options: Any) -> Any:
    variant = registry.get("classifier", "linear")
    classifier = variant(variant.Config(**options))
    x, y = planted(1, n_classes)
    classifier.fit(x, y, n_classes=n_classes, seed=SEED)
    return classifier


@pytest.mark.parametrize("weights", [None, "balanced"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_it_scores_as_scikit_learn(n_classes: int, weights: str | None) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = planted(1, n_classes)
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.3, class_weight=weights, max_iter=1000, tol=1e-8)
    )
    theirs.fit(x.astype(np.float64), y)
    new, _ = planted(2, n_classes)
    expected = theirs.decision_function(new.astype(np.float64)).reshape(len(new), -1)
    ours = fitted(n_classes, c=(0.3,), class_weights=weights or "none")
    assert ours.scores(new) == pytest.approx(expected, abs=1e-2)


def test_search_is_recorded_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn import model_selection

    searched = fitted(c=(1e-6, 0.1), search_folds=3, search_metric="accuracy")
    assert set(searched.chosen) == {"c", "accuracy"}
    assert searched.chosen["c"] == 0.1
    monkeypatch.setattr(model_selection, "GridSearchCV", None)
    variant = registry.get("classifier", "linear")
    again = variant(searched.chosen_config())
    x, y = planted(1, 3)
    again.fit(x, y, n_classes=3, seed=SEED)
    assert np.array_equal(again.scores(x), searched.scores(x))
    assert again.chosen == {}


def test_class_too_small_for_the_search_is_named() -> None:
    variant = registry.get("classifier", "linear")
    x, y = planted(1, 2)
    keep = np.concatenate([np.flatnonzero(y == 0)[:3], np.flatnonzero(y == 1)])
    with pytest.raises(ConfigError) as caught:
        variant().fit(x[keep], y[keep], n_classes=2, seed=SEED)
    assert str(caught.value) == (
        "the search needs 5 training sequences of each class, one a fold; found 3: lower search_folds, or "
        "give one value of c"
    )


def test_features_that_say_nothing_give_one_score() -> None:
    variant = registry.get("classifier", "linear")
    classifier = variant(variant.Config(c=(1.0,)))
    x, y = np.full((20, 3), 7, dtype=np.float32), np.repeat([0, 1], 10)
    classifier.fit(x, y, n_classes=2, seed=SEED)
    assert len(set(classifier.scores(x)[:, 0])) == 1


def test_it_learns_from_all_rows_and_gives_log_odds() -> None:
    classifier = fitted(c=(0.1,))
    assert classifier.set_aside() is None
    assert classifier.gives_log_odds
    assert {name: array.shape for name, array in classifier.arrays().items()} == {
        "mean": (WIDTH,),
        "scale": (WIDTH,),
        "weights": (WIDTH, 3),
        "bias": (3,),
    }
