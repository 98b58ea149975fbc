"""What the papers report, as facts with their source (`published.json`)."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def _all() -> dict[str, Any]:
    text = files("sortilin.benchmark").joinpath("published.json").read_text(encoding="utf-8")
    tables: dict[str, Any] = json.loads(text)
    return tables


def of(task: str, sources: tuple[str, ...]) -> dict[str, Any] | None:
    """The published table of a task; None for other data than the paper's."""
    found: dict[str, Any] | None = _all().get(task)
    if found is None or (sources and sources != (found["dataset"],)):
        return None
    return found
