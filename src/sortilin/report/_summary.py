"""A run's summary as JSON: what `OUT.meta.json` and the Parquet metadata hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from sortilin.results import RunSummary

FORMAT_VERSION = 1


def summary_record(summary: RunSummary) -> dict[str, Any]:
    """The summary's fields by name, after the version of this layout."""
    return {"format_version": FORMAT_VERSION} | {f.name: getattr(summary, f.name) for f in fields(summary)}


def to_json(record: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Strict JSON; paths, NumPy numbers, arrays and any mapping are written as their plain counterparts.

    Raises:
        TypeError: A value has no plain counterpart.
    """
    return json.dumps(record, indent=indent, ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value)
    msg = f"a run's summary holds a {type(value).__name__}, which JSON has no place for"
    raise TypeError(msg)
