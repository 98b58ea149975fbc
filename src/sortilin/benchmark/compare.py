"""Models side by side: metrics with intervals, and a paired test against the best.

Axis letters: M held-out sequences, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sortilin.evaluation import intervals, metrics
from sortilin.evaluation.weighted import OF_TWO
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import IntArray
from sortilin.results import Evaluation

TEST_DRAWS = 5
"""Draws of the paired test for each resample of the bootstrap."""


def plain(value: Any) -> Any:
    """Dataclasses and numbers as JSON has them; NaN becomes None."""
    if isinstance(value, Evaluation):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def best_of(rows: Sequence[Mapping[str, Any]], metric: str) -> str:
    """Name of the model, not a baseline, with the largest metric; the first of equals."""
    models = [row for row in rows if not row["is_baseline"]]

    def value(row: Mapping[str, Any]) -> float:
        found = row["evaluation"]["metrics"][metric]
        return -math.inf if found is None else float(found)

    return str(max(models, key=value)["name"])


def evaluated(
    result: Mapping[str, Any],
    y: IntArray,
    classes: Sequence[str],
    *,
    metric: str,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Evaluation of held-out probabilities; bootstrap intervals of the papers' metrics and of `metric`."""
    table = np.array(result["probabilities"])
    of_two = OF_TWO if len(classes) == 2 else ()
    names = tuple(dict.fromkeys((*intervals.METRICS, metric, *of_two)))
    bounds = intervals.bootstrap(y, table, classes, seed=seed, n_resamples=resamples, metrics=names)
    return {
        "evaluation": plain(metrics.evaluate(y, table, classes)),
        "intervals": plain({name: list(pair) for name, pair in bounds.items()}),
    }


def against(
    best: Mapping[str, Any],
    other: Mapping[str, Any],
    y: IntArray,
    classes: Sequence[str],
    *,
    metric: str,
    seed: int,
    resamples: int,
) -> dict[str, Any] | None:
    """The paired test of a model against the best; None for the best itself."""
    if other["name"] == best["name"]:
        return None
    test = intervals.paired(
        y,
        np.array(other["probabilities"]),
        np.array(best["probabilities"]),
        metric=metric,
        classes=classes,
        seed=seed,
        n_resamples=TEST_DRAWS * resamples,
    )
    found: dict[str, Any] = plain({"best": best["name"], **asdict(test)})
    return found


def folded(folds: CrossValidation) -> dict[str, Any]:
    """Each metric of a cross-validation: mean and sample standard deviation over folds."""
    names = folds.pooled.metrics
    return {
        "mean": plain({name: folds.mean(name) for name in names}),
        "spread": plain({name: folds.spread(name) for name in names}),
    }
