"""What classifiers of features share: the standardization, and a search by cross-validation.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.errors import ConfigError
from sortilin.interfaces import DoubleArray, Inputs, IntArray

SMALLEST_SCALE = 1e-12
"""A feature that is constant in the training rows is divided by 1 instead."""


def mean_and_scale(x: Inputs) -> tuple[DoubleArray, DoubleArray]:
    """(N, F) training rows → mean (F,) and standard deviation (F,), 1 where a feature is constant."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale < SMALLEST_SCALE] = 1.0
    return mean, scale


def grid_search(
    estimator: Any,
    grid: Mapping[str, Sequence[Any]],
    x: Inputs,
    y: IntArray,
    *,
    n_folds: int,
    metric: str,
    seed: int,
    n_jobs: int | None = None,
) -> tuple[dict[str, Any], float]:
    """The best combination of options by stratified cross-validation, and its mean value of the metric.

    Args:
        estimator: Of scikit-learn; it sees standardized features.
        grid: Option of the estimator → values.
        x: (N, F) features.
        y: (N,) classes.
        n_folds: Folds.
        metric: Of scikit-learn.
        seed: Of the folds.
        n_jobs: Processes; -1 for one a core.

    Raises:
        ConfigError: A class has fewer members than there are folds.
    """
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    smallest = int(np.bincount(y).min())
    if smallest < n_folds:
        raise ConfigError(
            f"the search needs {n_folds} training sequences of each class, one a fold; found {smallest}: "
            f"lower search_folds, or give one value of {' and of '.join(map(str.lower, grid))}"
        )
    search = GridSearchCV(
        # The scaler stands inside, so that a validation fold never shapes it.
        Pipeline([("scaler", StandardScaler()), ("fitted", estimator)]),
        {f"fitted__{name}": list(values) for name, values in grid.items()},
        cv=StratifiedKFold(n_folds, shuffle=True, random_state=seed),
        scoring=metric,
        n_jobs=n_jobs,
        refit=False,
    )
    search.fit(x, y)
    best = {name.partition("__")[2]: value for name, value in search.best_params_.items()}
    return best, float(search.best_score_)
