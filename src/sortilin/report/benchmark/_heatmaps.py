"""Figures of per-class metrics: models from the top down, classes from left to right."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._grid import Cells, grid_figure
from sortilin.report.benchmark._results import Results, contenders_first, numbers, scored

TOPIC = "per_class"
METRICS = ("f1", "precision", "recall")


def drawings(results: Results) -> Iterator[Drawing]:
    """F1, precision and recall, on one scale of colours."""
    models, classes = contenders_first(results), results["classes"]
    values = {metric: _values(models, classes, metric) for metric in METRICS}
    low = _lowest(list(values.values()))
    for metric in METRICS:
        yield _drawing(metric, values[metric], results, low)


def _values(models: Sequence[Results], classes: Sequence[str], metric: str) -> NDArray[np.float64]:
    """(M, C), NaN where undefined."""
    return np.array(
        [numbers([m["evaluation"]["per_class"].get(c, {}).get(metric) for c in classes]) for m in models]
    )


def _lowest(tables: Sequence[NDArray[np.float64]]) -> float:
    """The tenth below the smallest value of all, so that near values differ in colour."""
    every = np.concatenate([table.ravel() for table in tables])
    defined = every[np.isfinite(every)]
    return min(math.floor(10 * defined.min()) / 10, 0.9) if len(defined) else 0.0


def _drawing(metric: str, values: NDArray[np.float64], results: Results, low: float) -> Drawing:
    models, classes, name = contenders_first(results), results["classes"], words.metric_name(metric)
    n = words.count(models[0]["evaluation"]["n"], scored(results))
    cells = Cells(
        values=values,
        texts=[[words.decimals(v, 2) if np.isfinite(v) else words.UNDEFINED for v in row] for row in values],
        rows=words.tick_labels([m["title"] for m in models]),
        columns=words.tick_labels(classes, width=20, n_lines=1),
        low=low,
        high=1.0,
    )
    return Drawing(
        name=f"per_class_{metric}",
        topic=TOPIC,
        alt=f"Heatmap of {words.in_sentence(metric)}: {words.count(len(models), 'model')} by "
        f"{words.count(len(classes), 'class', 'classes')}. {_extremes(values, models, classes)}",
        caption=f"{name} of each class, on {n}.",
        figure=grid_figure(cells, title=f"{name} by class", row_inches=0.3, bar_label=name),
    )


def _extremes(values: NDArray[np.float64], models: Sequence[Results], classes: Sequence[str]) -> str:
    """The best and the worst cell in words; empty if no cell is defined."""
    if not np.isfinite(values).any():
        return ""
    said = []
    for word, place in (("Highest", np.nanargmax(values)), ("Lowest", np.nanargmin(values))):
        row, column = map(int, np.unravel_index(place, values.shape))
        value = words.decimals(float(values[row, column]), 2)
        said.append(f"{word}: {value}, {models[row]['title']}, {words.label(classes[column])}.")
    return " ".join(said)
