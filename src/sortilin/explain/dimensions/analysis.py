"""All that is said of the dimensions of a model's features, as plain values.

Rows are brought into an order of their own first, so that the order in which they are given changes nothing.

Axis letters: N rows, F features, S scores, C classes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sortilin.errors import InputError
from sortilin.explain.dimensions import gradients, permutation, planes, summary
from sortilin.explain.dimensions.gradients import Differentiable, Gradients
from sortilin.explain.dimensions.permutation import Importance, Probabilities, Scores
from sortilin.explain.dimensions.settings import DimensionSettings
from sortilin.interfaces import DoubleArray, FloatArray, IntArray, OnProgress
from sortilin.seeding import generator

DIGITS = 6
"""Significant digits of what is kept."""

FEWEST = 2


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model makes of sequences before its classifier.

    Attributes:
        x: (N, F) features.
        y: (N,) classes; None where they are not known.
        classes: C names.
        names: F names of the features.
    """

    x: FloatArray
    y: IntArray | None
    classes: tuple[str, ...]
    names: tuple[str, ...]

    def taken(self, rows: IntArray) -> Rows:
        """Some of them, in this order."""
        return replace(self, x=self.x[rows], y=None if self.y is None else self.y[rows])


@dataclass(frozen=True, slots=True)
class Model:
    """A classifier on features.

    Attributes:
        scores: (N, F) features → (N, S) scores.
        probabilities: (N, S) scores → (N, C) probabilities.
        network: The same as a torch module of (B, F) → (B, C) logits, with `mean` and `scale`; None where it
            is no network, so that there are no gradients.
    """

    scores: Scores
    probabilities: Probabilities
    network: Any | None = None

    def predicted(self, x: FloatArray) -> IntArray:
        """(N,) the class of the highest probability."""
        found: DoubleArray = self.probabilities(np.asarray(self.scores(x), dtype=np.float64))
        return np.asarray(found.argmax(axis=1))


def analysed(
    model: Model, rows: Rows, settings: DimensionSettings, tell: OnProgress | None = None
) -> dict[str, Any]:
    """Gradients, shuffles and planes of some rows, as far as the model and the rows allow them.

    Args:
        model: What is explained.
        rows: That it did not learn from, for shuffles to mean anything.
        settings: How.
        tell: Called as (stage, done, total).

    Returns:
        Plain values; `gradients` is None without a network, `permutation` without labels, `planes` may be
        empty.

    Raises:
        InputError: There are fewer than two rows.
        ConfigError: The network keeps no mean to begin at.
    """
    if len(rows.x) < FEWEST:
        raise InputError(f"{len(rows.x)} sequences; the dimensions are explained on {FEWEST} or more")
    chosen = _chosen(rows, settings)
    kept = rows.taken(chosen)
    of_rows = None
    if model.network is not None:
        net = Differentiable(model.network, baseline=settings.baseline, output=settings.output)
        of_rows = gradients.explained(net, kept.x.astype(np.float64), tell=tell)
    shuffled = None if kept.y is None else _shuffled(model, kept, settings, tell)
    groups = kept.y if kept.y is not None else model.predicted(kept.x)
    importance = _importance(of_rows, shuffled)
    top = [] if importance is None else summary.ranked(importance, settings.top)
    return {
        "n": len(chosen),
        "n_given": len(rows.x),
        "n_features": int(rows.x.shape[1]),
        "names": list(rows.names),
        "classes": list(rows.classes),
        "is_labelled": rows.y is not None,
        "settings": settings.model_dump(mode="json"),
        "gradients": None if of_rows is None else _of_gradients(of_rows, groups, kept),
        "permutation": None if shuffled is None else _of_shuffles(shuffled, settings),
        "agreement": _agreement(of_rows, shuffled),
        "top": top,
        "planes": _planes(_standardized(model, kept.x), groups, rows.classes, chosen, top, settings, tell),
        "lacking": planes.lacking(),
    }


# --- rows


def _chosen(rows: Rows, settings: DimensionSettings) -> IntArray:
    """Row numbers in an order that depends on the rows alone; of too many, a stratified draw."""
    keys = [
        (int(-1 if rows.y is None else rows.y[place]), hashlib.sha256(row.tobytes()).digest())
        for place, row in enumerate(np.ascontiguousarray(rows.x))
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    return _drawn(order, rows.y, settings.max_rows, generator(settings.seed, "rows"))


def _drawn(order: IntArray, y: IntArray | None, most: int, draws: np.random.Generator) -> IntArray:
    """At most so many of the row numbers, of each class its share, in the order given."""
    if len(order) <= most:
        return order
    of_order = np.zeros(len(order), dtype=np.int64) if y is None else y[order]
    mixed = draws.permutation(len(order))
    # Each row's place within its class, as a share of it: the lowest ones are that share of each class.
    share = np.empty(len(order))
    for c in np.unique(of_order):
        here = mixed[of_order[mixed] == c]
        share[here] = (np.arange(len(here)) + 0.5) / len(here)
    return order[np.sort(np.argsort(share, kind="stable")[:most])]


def _standardized(model: Model, x: FloatArray) -> DoubleArray:
    """(N, F) as the network sees them; of other models by these rows."""
    wide = x.astype(np.float64)
    if model.network is not None:
        mean, scale = gradients.standardization(model.network)
        return np.asarray((wide - mean.numpy()) / scale.numpy())
    spread = wide.std(axis=0)
    return np.asarray((wide - wide.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


# --- parts


def _shuffled(model: Model, rows: Rows, settings: DimensionSettings, tell: OnProgress | None) -> Importance:
    assert rows.y is not None
    how: dict[str, Any] = {"shuffles": settings.shuffles, "seed": settings.seed, "tell": tell}
    if model.network is None:
        return permutation.of_scores(model.scores, rows.x, rows.y, model.probabilities, **how)
    return permutation.of_network(model.network, rows.x, rows.y, model.probabilities, **how)


def _importance(of_rows: Gradients | None, shuffled: Importance | None) -> DoubleArray | None:
    """What the dimensions are ranked by: integrated gradients, or else the loss that shuffling costs."""
    if of_rows is not None:
        return summary.means(of_rows)["absolute"]
    return None if shuffled is None else shuffled.mean("log_loss")


def _of_gradients(found: Gradients, groups: IntArray, rows: Rows) -> dict[str, Any]:
    per_class = summary.by_class(found, groups, rows.classes)
    return {
        "overall": _plain(summary.means(found)),
        "per_class": {label: _plain(part) for label, part in per_class.items()},
        "similarity": {
            kind: _plain(summary.cosines({label: part[kind] for label, part in per_class.items()}))
            for kind in ("absolute", "signed")
        },
        "completeness": _plain(summary.completeness(found)),
    }


def _of_shuffles(found: Importance, settings: DimensionSettings) -> dict[str, Any]:
    return {
        "shuffles": settings.shuffles,
        "whole": _plain(found.whole),
        "mean": {name: _plain(found.mean(name)) for name in permutation.METRICS},
        "sd": {name: _plain(found.spread(name)) for name in permutation.METRICS},
    }


def _agreement(of_rows: Gradients | None, shuffled: Importance | None) -> dict[str, float | None]:
    """Spearman's correlation over the dimensions, of each two ways that there are."""
    ways: dict[str, DoubleArray] = {}
    if of_rows is not None:
        overall = summary.means(of_rows)
        ways |= {"integrated_gradients": overall["absolute"], "saliency": overall["saliency"]}
    if shuffled is not None:
        ways["permutation"] = shuffled.mean("log_loss")
    names = list(ways)
    return {
        f"{a},{b}": summary.rank_agreement(ways[a], ways[b])
        for place, a in enumerate(names)
        for b in names[place + 1 :]
    }


def _planes(
    x: DoubleArray,
    groups: IntArray,
    classes: Sequence[str],
    numbers: IntArray,
    top: Sequence[int],
    settings: DimensionSettings,
    tell: OnProgress | None,
) -> list[dict[str, Any]]:
    """Planes of all dimensions and of the top ones; `rows` are numbers in the order given, from 0."""
    kept = _drawn(np.arange(len(x)), groups, settings.max_projected, generator(settings.seed, "planes"))
    in_given_order = np.argsort(numbers[kept], kind="stable")
    sides = [("all dimensions", x[kept])]
    if top and len(top) < x.shape[1]:
        sides.append((f"top {len(top)}", x[kept][:, list(top)]))
    found = []
    for done, (what, part) in enumerate(sides):
        if tell is not None:
            tell("planes", done, len(sides))
        for plane in planes.of(part, groups[kept], classes, what=what, seed=settings.seed):
            xy = np.array(plane.pop("xy"))[in_given_order]
            found.append({**_plain(plane), "xy": xy.tolist()})
    if tell is not None:
        tell("planes", len(sides), len(sides))
    rows, of_rows = numbers[kept][in_given_order], groups[kept][in_given_order]
    return [{**plane, "rows": rows.tolist(), "y": of_rows.tolist()} for plane in found]


def _plain(value: Any) -> Any:
    """Numbers of a few digits, as JSON has them; NaN becomes None."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value
