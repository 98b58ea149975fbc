"""The same models on stratified rows and split by homology: difference, table, figure and `splits.tsv`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import BASELINE, BEST, RULE, SECOND_VALIDATION
from sortilin.report.benchmark._results import LOWER_IS_BETTER, Results, ends, number, scored

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOPIC, TITLE = "kinds", "Stratified and by homology"
FILE = "splits.tsv"
STRATIFIED, HOMOLOGY, DIFFERENCE = "stratified", "homology", "difference"
HOW = "bootstrap of whole clusters"


def first(results: Results) -> list[str]:
    """What the best model loses from stratified rows to rows split by homology; empty without both."""
    found = results.get("split_kinds")
    if not found:
        return []
    model = next(row for row in found["models"] if row["name"] == found["best"])
    sides, n = model["metrics"][found["metric"]], found["n"]
    where = f"n = {n[STRATIFIED]:,}"
    if n[HOMOLOGY] != n[STRATIFIED]:
        where += f" and {n[HOMOLOGY]:,}"
    difference, span = _shown(sides[DIFFERENCE], signed=True)
    said = [f"{name} {_with_span(*_shown(sides[kind]))}" for kind, name in _NAMES.items()]
    sentence = (
        f"Split by homology instead of stratified, {words.in_sentence(found['metric'])} of {model['title']} "
        f"changes by {_with_span(difference, span)}: {', '.join(said)} "
        f"(95{words.NO_BREAK}% intervals, {where})."
    )
    return [sentence]


_NAMES = {STRATIFIED: "stratified", HOMOLOGY: "by homology"}


def _shown(side: Results, *, signed: bool = False) -> tuple[str, str]:
    """A value and its interval, as text."""
    form = words.signed if signed else words.decimals
    bounds = ends(side["low"], side["high"])
    return form(number(side["value"])), words.span(bounds).replace(words.EN_DASH, " to ") if bounds else ""


def _with_span(value: str, span: str) -> str:
    return f"{value} ({span})" if span else value


def reached(results: Results) -> dict[str, Any] | None:
    """What the split came to: sentences, and a table of the classes in each part; None where stratified."""
    found = results.get("split_reached")
    if not found:
        return None
    tables = []
    for name, heading in (("holdout", "Hold-out"), ("folds", "Folds of the cross-validation")):
        if part := found.get(name):
            counts = part["parts"]
            classes = list(next(iter(counts.values())))
            rows = [[p, *(str(n[c]) for c in classes), str(sum(n.values()))] for p, n in counts.items()]
            head = ["part", *map(words.label, classes), "all"]
            tables.append({"heading": heading, "head": head, "rows": rows, "said": _deviation(part)})
    return {"sentences": found["sentences"], "tables": tables}


def _deviation(part: Results) -> str:
    far = part["largest_deviation"]
    return (
        f"Largest deviation: {far['part']} holds {far['n']} of class {words.label(far['class'])}, "
        f"{far['even']:.1f} would be even ({words.percent(far['share_of_class'], 1)} of the class)."
    )


def view(results: Results) -> dict[str, Any] | None:
    """Both sides of each model as a table, best first by homology; None without any."""
    found, came_to = results.get("split_kinds"), reached(results)
    if not found:
        return {"models": [], "reached": came_to} if came_to else None
    names, n = found["metrics"], found["n"]
    return {
        "metrics": [words.metric_name(name) for name in names],
        "models": [_row(model, names) for model in _ranked(found)],
        "on": {kind: words.count(n[kind], scored(results)) for kind in (STRATIFIED, HOMOLOGY)},
        "is_paired": found["is_paired"],
        "how": HOW,
        "reached": came_to,
    }


def _ranked(found: Results) -> list[Results]:
    """Models, then baselines; each best first by homology."""
    name = found["metric"]
    sign = 1 if name in LOWER_IS_BETTER else -1

    def place(model: Results) -> tuple[bool, float]:
        value = number(model["metrics"][name][HOMOLOGY]["value"])
        return bool(model["is_baseline"]), sign * value if value is not None else float("inf")

    return sorted(found["models"], key=place)


def _row(model: Results, names: Sequence[str]) -> dict[str, Any]:
    cells = [
        {
            kind: dict(
                zip(
                    ("value", "span"),
                    _shown(model["metrics"][name][kind], signed=kind == DIFFERENCE),
                    strict=True,
                )
            )
            for kind in (STRATIFIED, HOMOLOGY, DIFFERENCE)
        }
        for name in names
    ]
    return {"title": model["title"], "is_baseline": bool(model["is_baseline"]), "cells": cells}


def lines(results: Results) -> list[str]:
    """For a terminal: the difference, what the split came to, and the difference of each model."""
    found, came_to = results.get("split_kinds"), reached(results)
    said = first(results)
    if came_to:
        said += ["", *came_to["sentences"], *(f"{t['heading']}. {t['said']}" for t in came_to["tables"])]
        for table in came_to["tables"]:
            said += ["", *_aligned([table["head"], *table["rows"]])]
    if found:
        name = found["metric"]
        head = [words.metric_name(name), *_NAMES.values(), "difference (95 % interval)"]
        rows = [
            [
                model["title"] + " (baseline)" * bool(model["is_baseline"]),
                *(_with_span(*_shown(model["metrics"][name][kind])) for kind in _NAMES),
                _with_span(*_shown(model["metrics"][name][DIFFERENCE], signed=True)),
            ]
            for model in _ranked(found)
        ]
        said += ["", *_aligned([head, *rows])]
    return said


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def tsv(results: Results) -> str:
    """One row a model, metric and side."""
    found = results["split_kinds"]
    said = ["model\tmetric\tside\tvalue\tlow\thigh\tn"]
    for model in _ranked(found):
        for name, sides in model["metrics"].items():
            for kind in (STRATIFIED, HOMOLOGY, DIFFERENCE):
                side = sides[kind]
                n = found["n"].get(kind, "")
                cells = ("" if side[key] is None else repr(side[key]) for key in ("value", "low", "high"))
                said.append("\t".join((model["name"], name, kind, *cells, str(n))))
    return "\n".join(said) + "\n"


def drawings(results: Results) -> Iterator[Drawing]:
    """Both sides of each model in the benchmark's metric, joined by a line."""
    found = results.get("split_kinds")
    if not found:
        return
    models, name = _ranked(found), found["metric"]
    labels = words.tick_labels([model["title"] for model in models], width=22)
    figure = new_figure(4.9, 1.3 + (0.44 if "\n" in "".join(labels) else 0.36) * len(models))
    axes = figure.add_subplot()
    for place, model in enumerate(models):
        _draw(axes, place, model["metrics"][name], is_baseline=bool(model["is_baseline"]))
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=RULE, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.set(xlabel=words.metric_name(name))
    handles = [
        axes.plot([], [], marker, color=colour, ms=6, label=_NAMES[kind])[0]
        for kind, (marker, colour) in _MARKS.items()
    ]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    n = found["n"]
    yield Drawing(
        name="splits",
        topic=TOPIC,
        alt="; ".join(_spoken(model, name) for model in models),
        caption=(
            f"{words.metric_name(name)} of the same models on stratified rows (n = {n[STRATIFIED]:,}) and "
            f"split by homology (n = {n[HOMOLOGY]:,}), with 95{words.NO_BREAK}% intervals. Open marks: "
            "baselines."
        ),
        figure=figure,
    )


_MARKS = {STRATIFIED: ("s", SECOND_VALIDATION), HOMOLOGY: ("o", BEST)}


def _spoken(model: Results, name: str) -> str:
    sides = model["metrics"][name]
    values = [f"{said} {words.decimals(number(sides[kind]['value']))}" for kind, said in _NAMES.items()]
    return f"{model['title']}: {', '.join(values)}"


def _draw(axes: Axes, place: int, sides: Results, *, is_baseline: bool) -> None:
    values = [number(sides[kind]["value"]) for kind in _NAMES]
    known = [value for value in values if value is not None]
    if len(known) > 1:
        axes.plot(known, (place, place), color=BASELINE, lw=1, zorder=1)
    for offset, (kind, (marker, colour)) in zip((-0.13, 0.13), _MARKS.items(), strict=True):
        value, bounds = number(sides[kind]["value"]), ends(sides[kind]["low"], sides[kind]["high"])
        if bounds:
            axes.plot(bounds, (place + offset,) * 2, color=colour, lw=2, solid_capstyle="butt", zorder=2)
        if value is not None:
            face = "white" if is_baseline else colour
            axes.plot([value], [place + offset], marker, ms=6, color=colour, markerfacecolor=face, zorder=3)
