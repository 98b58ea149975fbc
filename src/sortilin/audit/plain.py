"""An audit as plain values, as JSON has them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import sortilin
from sortilin.audit.findings import Audit, Overlap, Within
from sortilin.evaluation.plain import plain

FORMAT, FORMAT_VERSION = "sortilin-audit", 1
_DECIMALS = 6


def of(audit: Audit) -> dict[str, Any]:
    """All that an audit found but the pairs, of which there may be many."""
    options = audit.options
    found = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sortilin_version": sortilin.__version__,
        "identity": options.identity,
        "coverage": options.coverage,
        "min_equal": options.like.min_equal,
        "max_e_value": options.max_e_value if audit.searched_by else None,
        "aligner": audit.aligner,
        "searched_by": audit.searched_by,
        "summary": audit.summary(),
        "sets": [_set(one) for one in audit.within],
        "overlaps": [_overlap(one) for one in audit.overlaps],
        "conflicts": [_conflict(audit, number) for number in range(len(audit.conflicts))],
        "shortcuts": [asdict(one) for one in audit.shortcuts],
        "notes": list(audit.notes),
    }
    rounded: dict[str, Any] = plain(found, _DECIMALS)
    return rounded


def _set(one: Within) -> dict[str, Any]:
    return {
        "name": one.name,
        "n": one.n,
        "n_different": one.n_different,
        "n_repeats": one.n_repeats,
        "n_near": one.n_near,
        "classes": dict(one.class_counts),
        "length": asdict(one.lengths),
        "length_by_class": {name: asdict(lengths) for name, lengths in one.lengths_by_class.items()},
    }


def _overlap(one: Overlap) -> dict[str, Any]:
    return {
        "test": one.test,
        "other": one.other,
        "is_training": one.is_training,
        "n": len(one),
        "n_different": one.n_different(),
        "copies": _counts(one, one.is_copy),
        "near": _counts(one, one.is_near),
        "homologous": None if one.is_homologous is None else _counts(one, one.is_homologous),
        "largest_identity": one.largest,
        "n_other_label": one.n_other_label,
    }


def _counts(one: Overlap, rows: Any) -> dict[str, int]:
    """Each kind counts those of the kinds before it too."""
    return {"rows": int(rows.sum()), "sequences": one.n_different(rows)}


def _conflict(audit: Audit, number: int) -> dict[str, Any]:
    conflict = audit.conflicts[number]
    sets = {one.name: one for one in audit.sets}
    return {
        "sequence": conflict.sequence,
        "within_one_set": conflict.is_within,
        "places": [
            {"set": name, "row": row + 1, "id": sets[name].id_of(row), "label": label}
            for name, row, label in conflict.places
        ],
    }
