"""What the papers report, as facts with their source (`published.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from sortilin.component import Component
from sortilin.experiment.presets import Preset

_EVERYTHING = "all"


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


def choices(table: Mapping[str, Any], presets: Iterable[Preset]) -> list[dict[str, str]]:
    """Where a paper disagrees with itself, and what is done here: the points that these models touch."""
    touched = {_EVERYTHING}.union(*map(_parts, presets))
    return [
        {key: value for key, value in choice.items() if key != "about"}
        for choice in table["choices"]
        if choice["about"] in touched
    ]


def _parts(preset: Preset) -> set[str]:
    """Names of what a model is made of."""
    if preset.features is not None:
        return {preset.features.name, preset.classifier.name}
    return _of_sequences(preset.classifier)


def _of_sequences(classifier: Component) -> set[str]:
    if classifier.name != "neural":
        return {classifier.name}
    head = classifier.options.get("head", {})
    return {"networks", head.get("name"), head.get("options", {}).get("pooling")} - {None}
