"""The page of a leakage audit: one self-contained file, with its style, and no script.

Python decides what is said, `templates/audit*.j2` how it looks. The page names no other resource, and its
content security policy allows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from sortilin.report._html_page import class_name, percent
from sortilin.report._templates import environment

MAX_CONFLICTS_SHOWN = 100
N_COLOURS = 8
"""Class colours in `page.css.j2`."""

KINDS = (
    ("copies", "copies", "the same, letter for letter"),
    ("near", "near copies", "at or above the identity that was asked for, and no copies"),
    ("homologous", "homologues", "related by E-value or as peptides, and no near copies"),
    ("rest", "nothing alike", "nothing of these found"),
)
"""Parts of a bar: key, name and what it means, the gravest first."""


def build_page(found: Mapping[str, Any], *, command: str = "") -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        found: An audit as plain values, as its JSON has them.
        command: What made it, for the last section.
    """
    return (
        _environment()
        .get_template("audit.html.j2")
        .render(
            found=found,
            title=_title(found),
            overlaps=[_overlap(one) for one in found["overlaps"]],
            kinds=[kind for kind in KINDS if kind[0] != "homologous" or found["searched_by"]],
            sets=[_set(one, _classes(found)) for one in found["sets"]],
            conflicts=found["conflicts"][:MAX_CONFLICTS_SHOWN],
            n_more=max(len(found["conflicts"]) - MAX_CONFLICTS_SHOWN, 0),
            shortcuts=_shortcuts(found["shortcuts"]),
            command=command,
        )
    )


@cache
def _environment() -> Environment:
    return environment({"percent": percent, "class_name": class_name, "figure": figure})


def figure(value: float | None) -> str:
    """Three decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def _title(found: Mapping[str, Any]) -> str:
    first, *tests = (one["name"] for one in found["sets"])
    return f"Leakage audit: {first}" + (f" against {', '.join(tests)}" if tests else "")


def _classes(found: Mapping[str, Any]) -> list[str]:
    return sorted({name for one in found["sets"] for name in one["classes"]})


def _overlap(one: Mapping[str, Any]) -> dict[str, Any]:
    """Rows of each kind without those of the kinds before, as a bar."""
    counts, before = {}, 0
    for key in ("copies", "near", "homologous"):
        rows = before if one[key] is None else one[key]["rows"]
        counts[key], before = rows - before, rows
    counts["rest"] = one["n"] - before
    parts = [
        {"key": key, "name": name, "n": counts[key], "share": counts[key] / one["n"]}
        for key, name, _ in KINDS
        if counts[key]
    ]
    return {**one, "parts": parts}


def _set(one: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    bars = [
        {
            "name": name,
            "n": one["classes"][name],
            "share": one["classes"][name] / one["n"],
            "colour": classes.index(name) % N_COLOURS,
            "length": one["length_by_class"][name],
        }
        for name in classes
        if name in one["classes"]
    ]
    return {**one, "bars": bars, "name_width": max((len(bar["name"]) for bar in bars), default=0)}


def _shortcuts(shortcuts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a model and what it is scored on."""
    return [
        {
            "sees": one["sees"],
            "folds": one["folds"],
            "rows": [
                {
                    "on": f"training, {one['folds']}-fold CV",
                    "n": one["n"],
                    **one["cross_validation"],
                    "spread": one["spread"],
                },
                *_tested(one),
            ],
        }
        for one in shortcuts
    ]


def _tested(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for test, figures in one["tests"].items():
        rows.append({"on": test, **figures})
        if test in one["clean"]:
            rows.append({"on": f"{test}, without copies and near copies", **one["clean"][test]})
    return rows
