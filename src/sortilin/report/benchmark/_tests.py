"""Test sets: tables of all models on each set and on what of it is new, and a figure of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sortilin.report._columns import escape
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import BASELINE, BEST, OTHER, PUBLISHED, RULE
from sortilin.report.benchmark._results import Results, ends, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOPIC = "tests"
ORDER = ("accuracy", "sensitivity", "specificity", "mcc", "macro_f1", "roc_auc", "pr_auc")
"""Columns, as the second paper has them, and what it has not."""

PARTS = {"whole": "whole", "new": "without what stands in training"}
_PANEL_INCHES = 2.5


def tests(results: Results) -> list[dict[str, Any]] | None:
    """What the page says of each test set and each part of it; None without test sets."""
    return [_view(results, test, part) for test, part in _parts(results)] or None


def _parts(results: Results) -> Iterator[tuple[Results, str]]:
    """Each test set whole, and without what stands in training where that leaves some."""
    for test in results.get("tests") or ():
        yield test, "whole"
        if 0 < test["n_known"] < test["n"]:
            yield test, "new"


def heading(test: Results, part: str) -> str:
    """A set and its part in words: `acp:test2, without what stands in training: 80 sequences`."""
    n = test["n"] if part == "whole" else test["n"] - test["n_known"]
    return f"{test['name']}, {PARTS[part]}: {words.count(n, 'sequence')}"


def table_on(results: Results, test: Results) -> Results | None:
    """The published table on a test set."""
    return next((t for t in results.get("tables") or () if t["on"] == test["name"]), None)


def names_of(results: Results, test: Results) -> list[str]:
    """Metrics that have an interval on a test set, in the order of the columns."""
    first = results["models"][0]["tests"][test["name"]]["whole"]["intervals"]
    known = [name for name in ORDER if name in first]
    return known + [name for name in first if name not in known]


def ranked(results: Results, test: Results, part: str) -> list[Results]:
    """Models by the benchmark's metric on a part, best first, and after them the baselines."""

    def place(model: Results) -> tuple[bool, float]:
        value = _metric(model, test, part, results["metric"])
        return bool(model["is_baseline"]), -value if value is not None else float("inf")

    return sorted(results["models"], key=place)


def _metric(model: Results, test: Results, part: str, name: str) -> float | None:
    return number(model["tests"][test["name"]][part]["evaluation"]["metrics"].get(name))


def _view(results: Results, test: Results, part: str) -> dict[str, Any]:
    names = names_of(results, test)
    published = table_on(results, test) if part == "whole" else None
    return {
        "heading": heading(test, part),
        "n": test["n"] if part == "whole" else test["n"] - test["n_known"],
        "counts": _counts(test) if part == "whole" else "",
        "metrics": [(name, words.metric_name(name)) for name in names],
        "rows": [_row(model, test, part, names) for model in ranked(results, test, part)],
        "not_run": results.get("not_run") or [] if part == "whole" else [],
        "table": published and f"Table {published['id']}: {published['title']}",
        "published": [
            {"name": row["name"], "values": [words.decimals(row["published"].get(n)) for n in names]}
            for row in (published or {}).get("rows", ())
        ],
        "notes": (published or {}).get("notes", []),
    }


def _counts(test: Results) -> str:
    said = words.listed([f"{n:,} {words.label(name)}" for name, n in test["class_counts"].items()])
    if not test["n_known"]:
        return f"{said}; none stands in training."
    return f"{said}; {test['n_known']:,} of them stand in training, letter for letter."


def _row(model: Results, test: Results, part: str, names: Sequence[str]) -> dict[str, Any]:
    found = model["tests"][test["name"]][part]
    return {
        "title": model["title"],
        "is_baseline": bool(model["is_baseline"]),
        "cells": [
            {
                "value": words.decimals(number(found["evaluation"]["metrics"].get(name))),
                "span": words.span(ends(*(found["intervals"].get(name) or (None, None)))),
            }
            for name in names
        ],
    }


def tsv(results: Results) -> str:
    """`tests.tsv`: a row for each model, test set and part, and for each published row of a test set.

    Its columns: source ("sortilin" or "published"), name, title, is_baseline, test, part, n, and each metric
    with the ends of its 95 % interval. A cell is empty where a value is undefined or unknown.
    """
    names = names_of(results, results["tests"][0])
    ends_of = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    lines = [["source", "name", "title", "is_baseline", "test", "part", "n", *ends_of]]
    for test, part in _parts(results):
        for model in ranked(results, test, part):
            flag = "true" if model["is_baseline"] else "false"
            found = model["tests"][test["name"]][part]
            n = str(found["evaluation"]["n"])
            head = ["sortilin", escape(model["name"]), escape(model["title"]), flag]
            lines.append([*head, escape(test["name"]), part, n, *_numbers(found, names)])
        published = table_on(results, test) if part == "whole" else None
        for row in (published or {}).get("rows", ()):
            values = [cell for name in names for cell in (_plain(row["published"].get(name)), "", "")]
            head = ["published", escape(row["name"]), escape(row["name"]), ""]
            lines.append([*head, escape(test["name"]), part, str(test["n"]), *values])
    return "".join("\t".join(line) + "\n" for line in lines)


def _numbers(found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Value and both ends of each metric."""
    cells: list[str] = []
    for name in names:
        low, high = found["intervals"].get(name) or (None, None)
        cells += [_plain(value) for value in (found["evaluation"]["metrics"].get(name), low, high)]
    return cells


def _plain(value: object) -> str:
    known = number(value)
    return "" if known is None else repr(known)


# The figure


def drawings(results: Results) -> Iterator[Drawing]:
    """One figure: a panel for each test set and part, in one order of the models."""
    parts = list(_parts(results))
    if not parts:
        return
    name = results["metric"]
    models = sorted(results["models"], key=lambda model: bool(model["is_baseline"]))
    labels = words.tick_labels([model["title"] for model in models], width=30)
    figure = new_figure(2.2 + _PANEL_INCHES * len(parts), 1.1 + 0.3 * len(models))
    panels = figure.subplots(1, len(parts), sharey=True, squeeze=False)[0]
    for axes, (test, part) in zip(panels, parts, strict=True):
        _panel(axes, results, test, part, models)
        axes.set_xlabel(f"{words.metric_name(name)}")
    panels[0].set_yticks(range(len(labels)), labels)
    panels[0].set_ylim(len(labels) - 0.4, -0.6)
    yield Drawing(
        name="tests",
        topic=TOPIC,
        alt=f"{words.metric_name(name)} of each model on "
        + words.listed([heading(test, part) for test, part in parts]),
        caption=f"{words.metric_name(name)} on the test sets, with 95{words.NO_BREAK}% intervals. Open "
        "circles: baselines. Dashed lines: the best published value.",
        figure=figure,
    )


def _panel(axes: Axes, results: Results, test: Results, part: str, models: Sequence[Results]) -> None:
    name = results["metric"]
    published = table_on(results, test) if part == "whole" else None
    known = [row["published"].get(name) for row in (published or {}).get("rows", ())]
    if any(value is not None for value in known):
        axes.axvline(max(v for v in known if v is not None), color=PUBLISHED, ls="--", lw=1, zorder=1)
    for place, model in enumerate(models):
        found = model["tests"][test["name"]][part]
        _point(axes, place, found, name, (bool(model["is_baseline"]), model["name"] == results.get("best")))
    n = found["evaluation"]["n"]
    axes.set_title(f"{test['name']}\n{PARTS[part]} ({n:,})", size=8.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=RULE, lw=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _point(
    axes: Axes, place: int, found: Mapping[str, Any], name: str, is_baseline_or_best: tuple[bool, bool]
) -> None:
    is_baseline, is_best = is_baseline_or_best
    colour = BASELINE if is_baseline else BEST if is_best else OTHER
    between = ends(*(found["intervals"].get(name) or (None, None)))
    value = number(found["evaluation"]["metrics"].get(name))
    if between:
        axes.plot(between, (place, place), color=colour, lw=2, solid_capstyle="butt", zorder=2)
    if value is not None:
        face = "white" if is_baseline else colour
        axes.plot([value], [place], "o", ms=6, color=colour, markerfacecolor=face, zorder=3)
