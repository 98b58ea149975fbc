"""What a benchmark's results say of what its models rest on: contents and figures of two sections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sortilin.report.benchmark import (
    _explained_attention,
    _explained_dimension_figures,
    _explained_dimensions,
)
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._explained_attention import Seen
from sortilin.report.benchmark._results import Results, title_of


def contents(results: Results) -> dict[str, Any]:
    """Topic → what its section says; None of what was not explained."""
    found = (results.get("explained") or {}).get("dimensions")
    title = title_of(results, found["model"]) if found else ""
    return {
        _explained_dimensions.TOPIC: found and _explained_dimensions.content(found, title, _on(found)),
        _explained_attention.TOPIC: _explained_attention.content(_networks(results)),
    }


def drawings(results: Results) -> Iterator[Drawing]:
    """The figures of both sections."""
    dimensions = (results.get("explained") or {}).get("dimensions")
    if dimensions:
        title = title_of(results, dimensions["model"])
        yield from _explained_dimension_figures.drawings(dimensions, title, _on(dimensions))
    yield from _explained_attention.drawings(_networks(results))


def _networks(results: Results) -> list[Seen]:
    networks = (results.get("explained") or {}).get("attention") or ()
    return [(found, title_of(results, found["model"]), _on(found)) for found in networks]


def _on(found: Results) -> str:
    """Which sequences these are: those that the network in question did not learn from."""
    n = words.count(found["n_held_out"], "held-out sequence")
    return f"{n} of the first fold" if found["is_of_fold"] else n
