"""What is explained over all sequences at once, beside the single ones: embedding dimensions, and attention.

Each gets a folder of its own in that of the run, and a section of its page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sortilin.explain.opened import Opened
from sortilin.explain.parts import ATTENTION, DIMENSIONS
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import SequenceRecord

LEAST = 3
"""Sequences from which on means, planes and correlations over a set say anything."""


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the report: its name, heading, values and text.

    Attributes:
        key: Name of its folder.
        title: Heading.
        values: Plain values.
        html: What stands below the heading.
    """

    key: str
    title: str
    values: Mapping[str, Any]
    html: str


def why_not(name: str, opened: Opened) -> str | None:
    """None if the model has what the section tells of, else the reason in words."""
    from sortilin.explain import attention_maps, dimensions

    return dimensions.why_not(opened) if name == DIMENSIONS else attention_maps.why_not(opened)


def is_default(name: str, opened: Opened) -> bool:
    """Whether a section is made where nothing is said: dimensions take long, and tell most of embeddings."""
    features = opened.predictor.model.description.get("features") or {}
    return name != DIMENSIONS or features.get("name") in ("embedding", "precomputed")


def explained(
    opened: Opened,
    rows: Sequence[tuple[str, str, str | None]],
    out: Path,
    wanted: Mapping[str, Mapping[str, Any]],
    on_progress: OnProgress | None,
) -> list[Section]:
    """The sections asked for; none of fewer than three sequences.

    Args:
        opened: The model.
        rows: (id, sequence, label as read) of each sequence.
        out: Folder of the run.
        wanted: Name of a section → its options.
        on_progress: Told of what is done.
    """
    from sortilin.explain.attention_maps import AttentionSettings, explain_attention
    from sortilin.explain.dimensions import DimensionSettings, explain_dimensions

    if len(rows) < LEAST:
        return []
    y, found = _labels(opened, rows), []
    if DIMENSIONS in wanted:
        sequences = [sequence for _, sequence, _ in rows]
        asked = DimensionSettings(**wanted[DIMENSIONS])
        made = explain_dimensions(opened, sequences, y, out / DIMENSIONS, asked, on_progress)
        found.append(Section(DIMENSIONS, made.title, made.values, made.html))
    if ATTENTION in wanted:
        records = [SequenceRecord(name, sequence) for name, sequence, _ in rows]
        maps = AttentionSettings(**wanted[ATTENTION])
        made = explain_attention(opened, records, y, out / ATTENTION, maps, on_progress)
        found.append(Section(ATTENTION, made.title, made.values, made.html))
    return found


def notes(
    opened: Opened,
    rows: Sequence[tuple[str, str, str | None]],
    wanted: Mapping[str, Mapping[str, Any]],
    *,
    is_labelled: bool,
) -> list[str]:
    """What of the sections is missing, and why, for whoever asked for it.

    Args:
        opened: The model.
        rows: As for `explained`.
        wanted: As for `explained`.
        is_labelled: Whether true classes were asked for.
    """
    if not wanted:
        return []
    if len(rows) < LEAST:
        return [f"{' and '.join(wanted)} left out: of {len(rows)} sequences; allowed: {LEAST} or more"]
    others = [(name, label) for name, _, label in rows if label not in opened.classes]
    if not is_labelled or not others:
        return []
    name, label = others[0]
    said = "has no label" if label is None else f"is '{label}'"
    what = (
        f"'{name}' {said}, and {len(others):,} of {len(rows):,} sequences have none of the model's classes "
        f"({', '.join(opened.classes)})"
    )
    return [f"labels are not used: {what}; {' and '.join(wanted)} go by predicted classes"]


def _labels(opened: Opened, rows: Sequence[tuple[str, str, str | None]]) -> IntArray | None:
    """(N,) places of the classes; None where a sequence has none of the model's."""
    if any(label not in opened.classes for _, _, label in rows):
        return None
    return np.array([opened.classes.index(str(label)) for _, _, label in rows], dtype=np.int64)
