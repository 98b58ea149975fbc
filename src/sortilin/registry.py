"""Variants by name: a file in a variant folder is a variant, and so is a third party's entry point.

A variant module defines `VARIANT`. Files that start with an underscore are not variants. Another
package adds one by an entry point in the group `sortilin.<kind>` whose value is the class.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from sortilin.errors import UnknownNameError

FOLDERS = {
    "task": "tasks",
    "features": "features",
    "classifier": "classifiers",
    "backbone": "backbones",
    "head": "heads",
    "language_model": "language_models",
    "format": "report",
    "explainer": "explain/methods",
}
"""Kind → folder of the package that holds its variants."""


@cache
def _builtin(kind: str) -> tuple[str, ...]:
    folder = Path(__file__).parent / FOLDERS[kind]
    return tuple(sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("_")))


@cache
def _third_party(kind: str) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=f"sortilin.{kind}")}


def names(kind: str) -> tuple[str, ...]:
    """Names of all variants of a kind, sorted, without importing any of them."""
    return tuple(sorted({*_builtin(kind), *_third_party(kind)}))


def get(kind: str, name: str) -> Any:
    """The variant class of that name.

    Raises:
        UnknownNameError: There is none; the message offers the nearest names.
    """
    if name in _builtin(kind):
        return importlib.import_module(f"sortilin.{FOLDERS[kind].replace('/', '.')}.{name}").VARIANT
    point = _third_party(kind).get(name)
    if point is None:
        raise UnknownNameError(kind, name, names(kind))
    return point.load()
