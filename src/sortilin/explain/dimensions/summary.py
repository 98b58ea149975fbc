"""From attributions of rows to what is said of dimensions: means, ranks, and how alike classes are.

Axis letters: N rows, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.explain.dimensions.gradients import TOLERANCE, Gradients
from sortilin.interfaces import DoubleArray, IntArray


def by_class(found: Gradients, y: IntArray, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Class that has rows → `n` of them, and (F,) means over them: `absolute`, `signed`, `saliency`."""
    return {
        label: {"n": int((y == c).sum()), **means(found, y == c)}
        for c, label in enumerate(classes)
        if (y == c).any()
    }


def means(found: Gradients, rows: Any = slice(None)) -> dict[str, DoubleArray]:
    """(F,) means over rows: of the attributions' absolute values, of themselves, and of the saliency."""
    values = found.values[rows]
    return {
        "absolute": np.abs(values).mean(axis=0),
        "signed": values.mean(axis=0),
        "saliency": found.saliency[rows].mean(axis=0),
    }


def ranked(values: DoubleArray, top: int) -> list[int]:
    """The dimensions with the largest values, the largest first; of equals the one with the lower number."""
    return [int(place) for place in np.argsort(-values, kind="stable")[:top]]


def cosines(vectors: Mapping[str, DoubleArray]) -> list[list[float | None]]:
    """(C, C) cosine of the angle between the classes' vectors; None where one is 0 throughout."""
    table = np.stack(list(vectors.values()))
    length = np.sqrt((table**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = table @ table.T / np.outer(length, length)
    return [[None if np.isnan(v) else float(np.clip(v, -1, 1)) for v in row] for row in found]


def rank_agreement(first: DoubleArray, second: DoubleArray) -> float | None:
    """Spearman's correlation of two (F,) importances, ties by mean rank; None where one is constant."""
    ranks = [_ranks(values) for values in (first, second)]
    centred = [values - values.mean() for values in ranks]
    spread = np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    return float(centred[0] @ centred[1] / spread) if spread > 0 else None


def _ranks(values: DoubleArray) -> DoubleArray:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def completeness(found: Gradients) -> dict[str, Any]:
    """How far the attributions add up to the change of the output, over all rows."""
    errors = found.completeness
    return {
        "n": len(errors),
        "tolerance": TOLERANCE,
        "share_below": float((errors < TOLERANCE).mean()),
        "median": float(np.median(errors)),
        "percentile_95": float(np.quantile(errors, 0.95)),
        "steps_median": float(np.median(found.steps)),
        "steps_most": int(found.steps.max()),
    }


def array(values: Sequence[float | None]) -> DoubleArray:
    """Plain values as an array, None as the lowest of all."""
    return np.array([-np.inf if value is None else value for value in values])
