"""Models side by side: metrics with intervals, and a paired test against the best.

Axis letters: M held-out sequences, C classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from sortilin.evaluation import bounded, comparison, intervals
from sortilin.evaluation.weighted import OF_TWO
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import IntArray
from sortilin.results import Evaluation

TEST_DRAWS = 5
"""Draws of the paired test for each resample of the bootstrap."""


def plain(value: Any) -> Any:
    """Dataclasses and numbers as JSON has them; NaN becomes None."""
    if isinstance(value, Evaluation):
        return plain(value.as_dict())
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
    """Evaluation of held-out probabilities, with intervals of every metric, also of each class.

    The papers' metrics, `metric` and, of two classes, those of two come first.
    """
    found = bounded.evaluate(y, np.array(result["probabilities"]), classes, seed=seed, n_resamples=resamples)
    of_two = OF_TWO if len(classes) == 2 else ()
    first = (*intervals.METRICS, metric, *of_two)
    ordered = {name: found.intervals[name] for name in (*first, *found.intervals)}
    return {
        "evaluation": plain(replace(found, intervals={}, class_intervals={})),
        "intervals": plain(ordered),
        "class_intervals": plain(found.class_intervals),
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


def correct(tests: Sequence[dict[str, Any]]) -> None:
    """Put `adjusted` beside each p-value of tests against the best: corrected over all of them (Holm)."""
    p_values = [math.nan if test["p_value"] is None else test["p_value"] for test in tests]
    for test, adjusted in zip(tests, comparison.holm(p_values), strict=True):
        test["adjusted"] = plain(adjusted)


def folded(folds: CrossValidation) -> dict[str, Any]:
    """Each metric of a cross-validation: mean, sample standard deviation over folds, and value of each."""
    names = folds.pooled.metrics
    return {
        "mean": plain({name: folds.mean(name) for name in names}),
        "spread": plain({name: folds.spread(name) for name in names}),
        "values": plain({name: [fold.metrics[name] for fold in folds.folds] for name in names}),
        "n": folds.pooled.n,
    }
