"""Figures of the data: lengths, isoelectric points and motifs by class, correlations of the features."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark import _correlation, _lengths
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import COLUMN_INCHES, Drawing, new_figure
from sortilin.report.benchmark._palette import INK, RULE, SOFT, class_colour
from sortilin.report.benchmark._results import Results, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TOPIC = "exploration"


def drawings(results: Results) -> Iterator[Drawing]:
    """A figure for each part of the exploration that there is."""
    exploration, classes = results.get("exploration") or {}, results["classes"]
    if any((exploration.get("lengths") or {}).values()):
        yield _lengths.drawing(exploration["lengths"], _length_names(results), TOPIC)
    points = exploration.get("isoelectric_point") or {}
    by_class = {name: _finite(points.get(name)) for name in classes}
    if any(len(values) for values in by_class.values()):
        yield _isoelectric_points(by_class)
    motifs = exploration.get("motifs") or {}
    if motifs.get("names"):
        yield _motifs(motifs, classes)
    correlation = exploration.get("correlation") or {}
    if correlation.get("names"):
        yield _correlation.drawing(correlation, TOPIC)


def _length_names(results: Results) -> dict[str, str]:
    """What the two groups of lengths are called; the labelled ones may hold those held out as well."""
    has_all = len(results["exploration"]["lengths"].get("training") or ()) == results["data"]["n"]
    labelled = "labelled sequences" if has_all else "training sequences"
    return {"training": labelled, "blind": "blind sequences"}


def _finite(values: Sequence[object] | None) -> NDArray[np.float64]:
    every = np.array(numbers(values), dtype=np.float64)
    return every[np.isfinite(every)]


def _isoelectric_points(by_class: Mapping[str, NDArray[np.float64]]) -> Drawing:
    shown = [(index, name, values) for index, (name, values) in enumerate(by_class.items()) if len(values)]
    figure = new_figure(COLUMN_INCHES, 1.0 + max(0.36 * len(shown), 1.2))
    axes = figure.add_subplot()
    drawn = axes.boxplot(
        [values for _, _, values in shown],
        orientation="horizontal",
        widths=0.62,
        patch_artist=True,
        medianprops={"color": INK, "lw": 1.6},
        whiskerprops={"color": SOFT},
        capprops={"color": SOFT},
        flierprops={"marker": ".", "ms": 2.5, "mec": "none", "mfc": SOFT, "alpha": 0.5, "rasterized": True},
    )
    for (index, _, _), box in zip(shown, drawn["boxes"], strict=True):
        box.set(facecolor=class_colour(index), edgecolor=INK, lw=0.8)
    axes.set_yticks(range(1, len(shown) + 1), words.tick_labels([name for _, name, _ in shown]))
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=RULE, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.set(xlabel="Isoelectric point (pH)")
    medians = ", ".join(f"{words.label(name)} {np.median(values):.1f}" for _, name, values in shown)
    n = sum(len(values) for _, _, values in shown)
    return Drawing(
        name="isoelectric_point",
        topic=TOPIC,
        alt=f"Box plots of the isoelectric point by class. Medians: {medians}.",
        caption=f"Isoelectric point by class, of {words.count(n, 'labelled sequence')}. Box: quartiles and "
        "median; whiskers: to the last value within 1.5 box lengths; dots: beyond.",
        figure=figure,
    )


def _motifs(motifs: Mapping[str, Any], classes: Sequence[str]) -> Drawing:
    names = [name.removeprefix("motif_").replace("_", " ", 1) for name in motifs["names"]]
    empty: list[float] = []
    shares = np.array([numbers(motifs["share"].get(c, empty)) or [math.nan] * len(names) for c in classes])
    figure = _motif_figure(names, 100 * shares, classes)
    said = [
        f"{name}: " + ", ".join(_motif_words(c, v) for c, v in zip(classes, shares[:, m], strict=True))
        for m, name in enumerate(names)
    ]
    return Drawing(
        name="motifs",
        topic=TOPIC,
        alt=f"Bars: share of the labelled sequences of each class that hold a motif. {'. '.join(said)}.",
        caption="Share of the labelled sequences of each class in which a motif occurs.",
        figure=figure,
    )


def _motif_words(name: str, share: float) -> str:
    return f"{words.label(name)} {words.percent(share) if math.isfinite(share) else 'undefined'}"


def _motif_figure(names: Sequence[str], percent: NDArray[np.float64], classes: Sequence[str]) -> Figure:
    """One panel a motif, one bar a class; (C, M) percent."""
    figure = new_figure(COLUMN_INCHES, 0.55 + len(names) * (0.33 + 0.215 * len(classes)))
    panels = figure.subplots(len(names), sharex=True, squeeze=False)[:, 0]
    highest = np.nanmax(percent) if np.isfinite(percent).any() else 0.0
    places, labels = np.arange(len(classes)), words.tick_labels(classes, width=19, n_lines=1)
    for m, (axes, name) in enumerate(zip(panels, names, strict=True)):
        for c, value in enumerate(percent[:, m]):
            if math.isfinite(value):
                axes.barh(c, value, height=0.74, color=class_colour(c), edgecolor=INK, linewidth=0.5)
                axes.annotate(
                    f"{value:.1f}", (value, c), (3, 0), textcoords="offset points", va="center", size=8
                )
        axes.set_yticks(places, labels, size=8.5)
        axes.set_ylim(len(classes) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        _head(axes, words.one_line(name, 46))
        axes.set(xlim=(0, max(1.14 * highest, 1.0)))
    panels[-1].set_xlabel("Share of sequences (%)")
    return figure


def _head(axes: Axes, text: str) -> None:
    """A heading above a panel that begins at the figure's edge, where the longest has room."""
    axes.set_title(" ")  # keeps its place in the arrangement, which would give way to the text itself
    figure_edge, panel_top = "figure fraction", "axes fraction"
    heading = axes.annotate(
        text,
        (0.01, 1.0),
        (0, 4),
        xycoords=(figure_edge, panel_top),
        textcoords="offset points",
        weight="bold",
    )
    heading.set_in_layout(False)
