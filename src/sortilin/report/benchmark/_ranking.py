"""Figure of the models with their intervals, beside what was published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import BASELINE, BEST, OTHER, PUBLISHED, RULE
from sortilin.report.benchmark._results import (
    Results,
    contenders_first,
    counterpart,
    interval,
    metric,
    scored,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOPIC = "comparison"
_WIDTH_INCHES = 4.9


def drawings(results: Results) -> Iterator[Drawing]:
    """One figure, if there are two models or more with a value of the benchmark's metric."""
    name = results["metric"]
    models = [model for model in contenders_first(results) if metric(model, name) is not None]
    if len(models) < 2:
        return
    labels = words.tick_labels([model["title"] for model in models], width=22)
    figure = new_figure(_WIDTH_INCHES, 0.9 + (0.36 if "\n" in "".join(labels) else 0.27) * len(models))
    axes = figure.add_subplot()
    for place, model in enumerate(models):
        _draw_model(axes, place, model, results)
    _finish(axes, labels)
    n = words.count(models[0]["evaluation"]["n"], scored(results))
    axes.set(xlabel=f"{words.metric_name(name)} on {n}")
    yield Drawing(
        name="comparison",
        topic=TOPIC,
        alt=f"{words.metric_name(name)} of each model: "
        + ", ".join(f"{m['title']} {words.decimals(metric(m, name))}" for m in models),
        caption=_caption(results, models, n),
        figure=figure,
    )


def _caption(results: Results, models: Sequence[Results], n: str) -> str:
    name = results["metric"]
    has_intervals = any(interval(model, name) for model in models)
    ends = f", with 95{words.NO_BREAK}% intervals" if has_intervals else ""
    said = [f"{words.metric_name(name)} on {n}{ends}."]
    if any(model["is_baseline"] for model in models):
        said.append("Open circles: baselines.")
    if any(counterpart(results, model).get(name) is not None for model in models):
        said.append("Diamonds: as published, on the authors' own split.")
    return " ".join(said)


def _draw_model(axes: Axes, place: int, model: Results, results: Results) -> None:
    name, colour = results["metric"], _colour(model, results)
    ends, value = interval(model, name), metric(model, name)
    if ends:
        axes.plot(ends, (place, place), color=colour, lw=2, solid_capstyle="butt", zorder=2)
    if value is not None:
        face = "white" if model["is_baseline"] else colour
        axes.plot([value], [place], "o", ms=6.5, color=colour, markerfacecolor=face, zorder=3)
    published = counterpart(results, model).get(name)
    if published is not None:
        axes.plot([published], [place], "D", ms=5, color=PUBLISHED, markerfacecolor="none", zorder=4)


def _finish(axes: Axes, labels: Sequence[str]) -> None:
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)  # the first model on top
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=RULE, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _colour(model: Results, results: Results) -> str:
    if model["is_baseline"]:
        return BASELINE
    return BEST if model["name"] == results.get("best") else OTHER
