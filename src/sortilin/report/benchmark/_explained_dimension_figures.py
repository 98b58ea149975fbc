"""Figures of what the dimensions of a model's features say; the words stand in `_explained_dimensions`.

Axis letters: F features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._explained_dimensions import TOPIC, dimension_name, plane_rows, similarity_rows
from sortilin.report.benchmark._grid import Cells, grid_figure
from sortilin.report.benchmark._palette import BEST, DIVERGING, INK, SOFT, class_colour
from sortilin.report.benchmark._results import number, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH = 9.4
_LABELLED, _LABELLED_A_CLASS = 10, 4
_SHUFFLED_SHOWN = 15
_MARKERS = "o^sDvP"


def drawings(found: Mapping[str, Any] | None, title: str, on: str) -> Iterator[Drawing]:
    """The figures, as far as there is something to draw; see `content`."""
    if not found:
        return
    if found["gradients"]:
        yield _overall(found, title, on)
        yield _by_class(found, title, on)
        if len(found["gradients"]["per_class"]) > 1:
            yield _similarity(found, title, on)
    if found["permutation"]:
        yield _permutation(found, title, on)
    if found["planes"]:
        yield _planes(found, title, on)


def _overall(found: Mapping[str, Any], title: str, on: str) -> Drawing:
    overall = found["gradients"]["overall"]
    values, signed = np.array(numbers(overall["absolute"])), np.array(numbers(overall["signed"]))
    figure = new_figure(_WIDTH, 3.0)
    axes, strip = figure.subplots(2, 1, sharex=True, height_ratios=[8, 1])
    _spikes(axes, values, BEST)
    _name_highest(axes, found, values, _LABELLED)
    axes.set_ylabel("Mean |attribution|")
    most = float(np.abs(signed).max()) or 1.0
    mesh = strip.pcolormesh(
        np.arange(len(signed) + 1) - 0.5,
        [0, 1],
        signed[None],
        cmap=DIVERGING,
        vmin=-most,
        vmax=most,
        rasterized=True,
    )
    strip.set(yticks=[], xlabel="Dimension")
    strip.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=[axes, strip], aspect=24, pad=0.01, label="Mean attribution")
    bar.outline.set_visible(False)
    highest = _listed_top(found, values, _LABELLED)
    return Drawing(
        name="dimensions_overall",
        topic=TOPIC,
        alt=f"Mean absolute integrated gradients of {found['n_features']:,} dimensions. Highest: {highest}.",
        caption=f"Integrated gradients of {title}, mean of the absolute values over {on}; below, the mean "
        f"with its sign, for and against the class that was predicted. The {_LABELLED} highest are named.",
        figure=figure,
    )


def _spikes(axes: Axes, values: Any, colour: str) -> None:
    """A line from 0 to each value; as a picture, since they may be thousands."""
    lines = axes.vlines(np.arange(len(values)), 0, values, colors=colour, lw=0.9)
    lines.set_rasterized(len(values) > 400)
    axes.set(xlim=(-0.01 * len(values) - 0.5, 1.01 * len(values) - 0.5), ylim=(0, None))
    axes.margins(y=0.18)


def _name_highest(axes: Axes, found: Mapping[str, Any], values: Any, n: int) -> None:
    """Names of the highest; of two that stand close the lower one is left out."""
    taken: list[int] = []
    high = float(values.max()) or 1.0
    axes.set_ylim(0, 1.16 * high)
    for place in np.argsort(-values, kind="stable")[:n]:
        name = dimension_name(found, int(place))
        room = len(values) * (0.006 + 0.0042 * len(name))
        if values[place] <= 0 or any(abs(int(place) - other) < 2 * room for other in taken):
            continue
        taken.append(int(place))
        axes.annotate(
            name,
            (float(place), float(values[place])),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            size=7.5,
            color=INK,
        )


def _listed_top(found: Mapping[str, Any], values: Any, n: int) -> str:
    best = np.argsort(-values, kind="stable")[:n]
    return ", ".join(f"{dimension_name(found, int(p))} ({words.decimals(float(values[p]))})" for p in best)


def _by_class(found: Mapping[str, Any], title: str, on: str) -> Drawing:
    per_class = found["gradients"]["per_class"]
    figure = new_figure(_WIDTH, 0.7 + 1.25 * len(per_class))
    panels = figure.subplots(len(per_class), 1, sharex=True, squeeze=False)[:, 0]
    tables = {label: np.array(numbers(part["absolute"])) for label, part in per_class.items()}
    high = max(float(values.max()) for values in tables.values()) or 1.0
    for axes, (label, values) in zip(panels, tables.items(), strict=True):
        index = found["classes"].index(label)
        _spikes(axes, values, class_colour(index))
        _name_highest(axes, found, values, _LABELLED_A_CLASS)
        axes.set_ylim(0, 1.3 * high)
        axes.set_title(f"{words.one_line(label)} ({per_class[label]['n']:,})", size=8.5)
    panels[-1].set_xlabel("Dimension")
    figure.supylabel("Mean |attribution|", size=9)
    which = "of each class" if found["is_labelled"] else "called each class"
    said = "; ".join(f"{words.label(c)}: {_listed_top(found, v, 3)}" for c, v in tables.items())
    return Drawing(
        name="dimensions_by_class",
        topic=TOPIC,
        alt=f"Mean absolute integrated gradients by class, on one scale. Highest: {said}.",
        caption=f"The same by class: mean over the sequences {which}, of {on}, for the class that {title} "
        f"predicts of each. One scale; the {_LABELLED_A_CLASS} highest are named where there is room.",
        figure=figure,
    )


def _similarity(found: Mapping[str, Any], title: str, on: str) -> Drawing:
    labels = list(found["gradients"]["per_class"])
    values = np.array([numbers(row) for row in found["gradients"]["similarity"]["absolute"]])
    defined = values[np.isfinite(values)]
    names = words.tick_labels(labels, width=20, n_lines=1)
    cells = Cells(
        values=values,
        texts=[[words.decimals(v, 2) if np.isfinite(v) else words.UNDEFINED for v in row] for row in values],
        rows=names,
        columns=names,
        low=min(float(np.floor(10 * defined.min()) / 10), 0.9) if len(defined) else 0.0,
        high=1.0,
    )
    pairs = "; ".join(f"{row['pair']}: {row['absolute']}" for row in similarity_rows(found))
    return Drawing(
        name="dimensions_similarity",
        topic=TOPIC,
        alt=f"Heatmap of cosine similarities between classes. {pairs}.",
        caption=f"Cosine of the angle between the classes' mean absolute attributions, {title}, {on}. All "
        "values are positive before, so that the cosine is high for classes with little in common.",
        figure=grid_figure(cells, title="Cosine similarity", row_inches=0.42, bar_label="Cosine"),
    )


def _permutation(found: Mapping[str, Any], title: str, on: str) -> Drawing:
    shuffled = found["permutation"]
    loss = np.array(numbers(shuffled["mean"]["log_loss"]))
    best = np.argsort(-loss, kind="stable")[:_SHUFFLED_SHOWN]
    figure = new_figure(6.4, 0.9 + 0.2 * len(best))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (metric, times, said) in zip(
        panels,
        (("log_loss", 1.0, "Rise of log loss"), ("accuracy", 100.0, "Loss of accuracy, points")),
        strict=True,
    ):
        mean, sd = (times * np.array(numbers(shuffled[what][metric]))[best] for what in ("mean", "sd"))
        axes.axvline(0, color=SOFT, lw=0.8)
        axes.errorbar(mean, np.arange(len(best)), xerr=sd, fmt="o", ms=4, color=BEST, ecolor=SOFT, lw=1.1)
        axes.set_xlabel(said)
    panels[0].set_yticks(np.arange(len(best)), [dimension_name(found, int(p)) for p in best], size=8)
    panels[0].invert_yaxis()
    panels[0].set_ylabel("Dimension")
    said = words.count(shuffled["shuffles"], "shuffle")
    return Drawing(
        name="dimensions_permutation",
        topic=TOPIC,
        alt=f"Permutation importance of {len(best)} dimensions. Highest: {_listed_top(found, loss, 5)}.",
        caption=f"What {title} loses when a dimension is shuffled over {on}: the {len(best)} dimensions that "
        f"cost most, mean and standard deviation of {said}.",
        figure=figure,
    )


def _planes(found: Mapping[str, Any], title: str, on: str) -> Drawing:
    planes = found["planes"]
    methods, kinds = (list(dict.fromkeys(plane[key] for plane in planes)) for key in ("method", "of"))
    figure = new_figure(3.6 * len(methods) + 0.2, 0.5 + 3.2 * len(kinds))
    panels = figure.subplots(len(kinds), len(methods), squeeze=False)
    for plane in planes:
        axes = panels[kinds.index(plane["of"]), methods.index(plane["method"])]
        _scatter(axes, np.array(plane["xy"]), np.array(plane["y"]), found["classes"])
        axes.set_title(
            f"{plane['method']}, {plane['of']}\ntrustworthiness "
            f"{words.decimals(number(plane['trustworthiness']), 2)}, silhouette "
            f"{words.decimals(number(plane['silhouette']), 2)}",
            size=8.5,
        )
    _legend(figure, panels)
    drawn = words.count(len(planes[0]["xy"]), "sequence")
    said = "; ".join(f"{row['name']}: {row['silhouette']}" for row in plane_rows(found))
    return Drawing(
        name="dimensions_planes",
        topic=TOPIC,
        alt=f"Sequences in the plane by {words.listed(methods)}. Silhouettes of the classes: {said}.",
        caption=f"What {title} is given of {drawn}, of {on}, in the plane. The silhouette is that of the "
        f"{'classes' if found['is_labelled'] else 'predicted classes'} in the dimensions themselves.",
        figure=figure,
    )


def _scatter(axes: Axes, xy: Any, y: Any, classes: Sequence[str]) -> None:
    size = 9 if len(xy) <= 600 else 4
    for index, name in enumerate(classes):
        here = xy[y == index]
        if not len(here):
            continue
        axes.scatter(
            here[:, 0],
            here[:, 1],
            s=size,
            marker=_MARKERS[index % len(_MARKERS)],
            color=class_colour(index),
            edgecolors="none",
            alpha=0.7,
            label=words.label(name),
            rasterized=len(xy) > 600,
        )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(SOFT)


def _legend(figure: Figure, panels: Any) -> None:
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 4), markerscale=1.5)
