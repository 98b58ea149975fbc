"""Where a network with attention looks: the classes' mean weights from both ends, and single sequences.

After Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization", Fig. 29 to 36. A
weight is given in even shares, multiplied by the number of residues that were looked at: in a long protein
each single weight is small.

Axis letters: N sequences, L residues, C classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from sortilin.errors import ConfigError, InputError
from sortilin.explain.dimensions.settings import Explained
from sortilin.interfaces import DoubleArray, FloatArray, IntArray, OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened
    from sortilin.sequences import SequenceRecord

TABLE = "attention_by_class.tsv"
_DECIMALS = 4
_FEWEST_POSITIONS = 5
_BATCH = 256


class AttentionSettings(BaseModel):
    """What is drawn of the attention.

    Attributes:
        first: Residues from the N terminus in the classes' heatmap; of peptides fewer, see `maps`.
        last: Residues from its other end.
        per_class: Sequences of each class that are drawn one by one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    first: PositiveInt = 60
    last: PositiveInt = 60
    per_class: NonNegativeInt = 2


@dataclass(frozen=True, slots=True)
class Looks:
    """Where a network looks in N sequences.

    Attributes:
        ids: N names.
        sequences: Cleaned residues.
        weights: N arrays (L,) of weights, each summing to 1; NaN at residues that it does not look at.
        predicted: (N,) the class that it predicts.
        y: (N,) their classes; None where they are not known.
        classes: C names.
    """

    ids: Sequence[str]
    sequences: Sequence[str]
    weights: Sequence[FloatArray]
    predicted: IntArray
    y: IntArray | None
    classes: tuple[str, ...]


def why_not(opened: Opened) -> str | None:
    """None if the model has attention, else the reason in words."""
    if opened.has_attention:
        return None
    return "the model has no attention; networks with pooling: attention or self_attention have"


def maps(looks: Looks, settings: AttentionSettings) -> dict[str, Any]:
    """Mean weights of each class at both ends, and some sequences; in whatever order they are given.

    An end is at most half of the median length, but at least five residues, so that the ends of peptides are
    not the same residues.

    Returns:
        Plain values. `by_class`: class → `n` and, for each end, `mean` and `n` of each position from that end
        outwards to the inside (`last` is in the order of the sequence: its last value is the C terminus), and
        `share`: of the attention and of the residues that stand there. `sequences`: `id`, `label`, `sequence`
        and `weights` in even shares.

    Raises:
        InputError: There is no sequence.
    """
    if not len(looks.sequences):
        raise InputError("no sequences; attention is drawn of one or more")
    groups = looks.predicted if looks.y is None else looks.y
    order = sorted(range(len(looks.sequences)), key=lambda place: _checksum(looks, place))
    half = max(_FEWEST_POSITIONS, int(np.ceil(np.median([len(s) for s in looks.sequences]) / 2)))
    first, last = min(settings.first, half), min(settings.last, half)
    by_class, shown = {}, []
    for c, label in enumerate(looks.classes):
        rows = [row for row in order if groups[row] == c]
        if not rows:
            continue
        even = [_in_even_shares(looks.weights[row]) for row in rows]
        by_class[label] = {
            "n": len(rows),
            "first": _end([values[:first] for values in even], even, first),
            "last": _end([values[-last:] for values in even], even, last, is_last=True),
        }
        right = [place for place, row in enumerate(rows) if looks.predicted[row] == c]
        shown += [_shown(looks, rows[p], even[p], label) for p in right[: settings.per_class]]
    return {
        "n": len(order),
        "first": first,
        "last": last,
        "classes": list(looks.classes),
        "is_labelled": looks.y is not None,
        "by_class": by_class,
        "sequences": shown,
    }


def _checksum(looks: Looks, place: int) -> tuple[bytes, str]:
    return hashlib.sha256(looks.sequences[place].encode()).digest(), looks.ids[place]


def _in_even_shares(weights: FloatArray) -> DoubleArray:
    """(L,) weights → the same by the share that each residue that is looked at would have."""
    wide = weights.astype(np.float64)
    return np.asarray(wide * np.isfinite(wide).sum())


def _end(
    parts: Sequence[DoubleArray], whole: Sequence[DoubleArray], n: int, *, is_last: bool = False
) -> dict[str, Any]:
    """Mean and number of weights at each position of an end, and its share of all."""
    table = np.full((len(parts), n), np.nan)
    for row, values in enumerate(parts):
        table[row, slice(n - len(values), n) if is_last else slice(0, len(values))] = values
    is_there = np.isfinite(table)
    counts = is_there.sum(axis=0)
    total = np.where(is_there, table, 0.0).sum(axis=0)
    looked = np.array([np.isfinite(values).sum() for values in whole])
    attention = np.where(is_there, table, 0.0).sum(axis=1) / np.maximum(looked, 1)
    residues = is_there.sum(axis=1) / np.maximum(looked, 1)
    error = float(attention.std(ddof=1) / np.sqrt(len(attention))) if len(attention) > 1 else None
    return {
        "mean": [round(float(t / c), _DECIMALS) if c else None for t, c in zip(total, counts, strict=True)],
        "n": counts.tolist(),
        "share": {
            "attention": float(attention.mean()),
            "standard_error": error,
            "residues": float(residues.mean()),
        },
    }


def _shown(looks: Looks, row: int, even: DoubleArray, label: str) -> dict[str, Any]:
    return {
        "id": looks.ids[row],
        "label": label,
        "sequence": looks.sequences[row],
        "weights": [round(float(v), _DECIMALS) if np.isfinite(v) else None for v in even],
    }


def explain_attention(
    opened: Opened,
    records: Sequence[SequenceRecord],
    y: IntArray | None,
    out_folder: Path,
    settings: AttentionSettings | None = None,
    on_progress: OnProgress | None = None,
) -> Explained:
    """Write `attention_by_class.tsv` and `figures/`, and give the section of a report.

    Args:
        opened: A model with attention.
        records: Cleaned sequences.
        y: (N,) their classes, as places in `opened.classes`; None where they are not known. Sequences stand
            with their predicted class then.
        out_folder: Made if it does not exist.
        settings: How much is drawn.
        on_progress: Called as (stage, done, total).

    Raises:
        ConfigError: The model has no attention.
        InputError: There is no sequence.
        OutputError: The folder cannot be written to.
    """
    from sortilin.explain.dimensions import writing
    from sortilin.report.benchmark import _explained

    if reason := why_not(opened):
        raise ConfigError(reason)
    found = maps(_looks(opened, records, y, on_progress), settings or AttentionSettings())
    html, pictures = _explained.of_attention(found, opened.name, f"{found['n']:,} sequences")
    files = [writing.table(out_folder / TABLE, *table(found)), *writing.pictures(out_folder, pictures)]
    return Explained(found, _explained.TITLES[_explained.ATTENTION], html, tuple(files))


def _looks(
    opened: Opened, records: Sequence[SequenceRecord], y: IntArray | None, tell: OnProgress | None
) -> Looks:
    weights: list[FloatArray] = []
    predicted: list[IntArray] = []
    for start in range(0, len(records), _BATCH):
        part = list(records[start : start + _BATCH])
        weights += opened.predictor.attention(part)
        predicted.append(opened.predictor.predict_proba(part).argmax(axis=1))
        if on_progress := tell:
            on_progress("attention", start + len(part), len(records))
    return Looks(
        [record.id for record in records],
        [record.sequence for record in records],
        weights,
        np.concatenate(predicted) if predicted else np.empty(0, dtype=np.int64),
        y,
        opened.classes,
    )


def table(found: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """Header and rows of `attention_by_class.tsv`: positions from 1 at either end."""
    rows = []
    for label, part in found["by_class"].items():
        for end in ("first", "last"):
            values, counts = part[end]["mean"], part[end]["n"]
            pairs = list(zip(values, counts, strict=True))
            for place, (mean, n) in enumerate(pairs if end == "first" else pairs[::-1], start=1):
                rows.append([label, "N" if end == "first" else "C", place, mean, n])
    return ["class", "terminus", "position", "mean_even_shares", "n"], rows
