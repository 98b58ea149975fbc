"""What classifiers of features share: the standardization, and a search by cross-validation.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.errors import ConfigError
from sortilin.interfaces import DoubleArray, Inputs, IntArray
from sortilin.sequences import dealing

SMALLEST_SCALE = 1e-12
"""A feature that is constant in the training rows is divided by 1 instead."""


def mean_and_scale(x: Inputs) -> tuple[DoubleArray, DoubleArray]:
    """(N, F) training rows → mean (F,) and standard deviation (F,), 1 where a feature is constant."""
    mean, scale = x.mean(axis=0, dtype=np.float64), x.std(axis=0, dtype=np.float64)
    scale[scale < SMALLEST_SCALE] = 1.0
    return mean, scale


def search_folds(
    y: IntArray, n_folds: int, *, seed: int, groups: IntArray | None, searched: Sequence[str]
) -> list[dealing.Split]:
    """Row numbers of the stratified folds of a search, to learn from and held out.

    Args:
        y: (N,) classes.
        n_folds: Folds.
        seed: Of the folds.
        groups: (N,) rows of one number stand in one fold; None for folds of single rows.
        searched: The options that are searched, for an error.

    Raises:
        ConfigError: A class has fewer members, or stands in fewer groups, than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    remedy = f"lower search_folds, or give one value of {' and of '.join(map(str.lower, searched))}"
    smallest = int(np.bincount(y).min())
    if smallest < n_folds:
        raise ConfigError(
            f"the search needs {n_folds} training sequences of each class, one a fold; found {smallest}: "
            f"{remedy}"
        )
    if groups is None:
        return list(StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(y, y))
    lacking = dealing.shortage(y, groups, n_folds)
    if lacking is not None:
        raise ConfigError(
            f"the search needs each class in {n_folds} groups of homologues, one a fold; class number "
            f"{lacking[0]} of the training rows stands in {lacking[1]}: {remedy}"
        )
    return dealing.folds(y, groups, n_folds, seed % 2**31)


def grid_search(
    estimator: Any,
    grid: Mapping[str, Sequence[Any]],
    x: Inputs,
    y: IntArray,
    *,
    folds: Sequence[dealing.Split],
    metric: str,
    n_jobs: int | None = None,
) -> tuple[dict[str, Any], float]:
    """The best combination of options by cross-validation, and its mean value of the metric.

    Args:
        estimator: Of scikit-learn; it sees standardized features.
        grid: Option of the estimator → values.
        x: (N, F) features.
        y: (N,) classes.
        folds: See `search_folds`.
        metric: Of scikit-learn.
        n_jobs: Processes; -1 for one a core.
    """
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    search = GridSearchCV(
        # The scaler stands inside, so that a validation fold never shapes it.
        Pipeline([("scaler", StandardScaler()), ("fitted", estimator)]),
        {f"fitted__{name}": list(values) for name, values in grid.items()},
        cv=folds,
        scoring=metric,
        n_jobs=n_jobs,
        refit=False,
    )
    search.fit(x, y)
    best = {name.partition("__")[2]: value for name, value in search.best_params_.items()}
    return best, float(search.best_score_)
