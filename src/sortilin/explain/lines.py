"""One explanation as one JSON object, and back: what `explanations.jsonl` holds.

Axis letters: L residues.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.explain.attribution import Attribution
from sortilin.explain.signals import Signal
from sortilin.explain.stretches import strongest
from sortilin.interfaces import DoubleArray
from sortilin.results import Prediction
from sortilin.sequences import SequenceRecord

_DIGITS = 6

Line = dict[str, Any]
"""An explanation of one sequence and one class."""


def line_of(
    record: SequenceRecord,
    prediction: Prediction,
    attributions: Sequence[Attribution],
    *,
    label: str,
    known: Iterable[Signal],
    given: Iterable[Signal] | None,
) -> Line:
    """What is said of a sequence and a class, the label, by methods as far as there are any."""
    return {
        "id": record.id,
        "length": len(record.sequence),
        "class": label,
        "label": record.label,
        "prediction": prediction.label,
        "is_predicted": label in labels_of(prediction),
        "probability": _rounded(prediction.probabilities[label]),
        "probabilities": {name: _rounded(p) for name, p in prediction.probabilities.items()},
        "flags": list(prediction.flags),
        "methods": {one.method: _method(one) for one in attributions},
        "signals": [_signal(one) for one in known],
        "features": None if given is None else [_signal(one) for one in given],
        "picture": None,
        "sequence": record.sequence,
    }


def labels_of(prediction: Prediction) -> tuple[str, ...]:
    """The predicted class; of a model of several labels, which writes `A|B`, each of them."""
    if prediction.label in prediction.probabilities:
        return (prediction.label,)
    return tuple(name for name in prediction.label.split("|") if name in prediction.probabilities)


def encoded(line: Line) -> str:
    """The object on one line, with its line end."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"


def attributions_of(line: Line) -> list[Attribution]:
    """The attributions of a line, to the digits that it holds."""
    return [
        Attribution(
            id=line["id"],
            sequence=line["sequence"],
            method=method,
            label=line["class"],
            values=values_of(said),
            score=said["score"],
            baseline_score=said["baseline_score"],
            completeness=said["completeness"],
            details=said["details"],
        )
        for method, said in line["methods"].items()
    ]


def values_of(said: Mapping[str, Any]) -> DoubleArray:
    """(L,) values of a method, NaN where the model did not look."""
    return np.array([math.nan if v is None else v for v in said["values"]], dtype=np.float64)


def _method(one: Attribution) -> dict[str, Any]:
    return {
        "score": _rounded(one.score),
        "baseline_score": _rounded(one.baseline_score),
        "completeness": _rounded(one.completeness),
        "details": plain(one.details),
        "stretches": [
            {
                "start": found.start + 1,
                "end": found.end,
                "residues": one.sequence[found.start : found.end],
                "sum": _rounded(found.total),
            }
            for found in strongest(one.values)
        ],
        "values": [_rounded(v) for v in one.values.tolist()],
    }


def _signal(one: Signal) -> dict[str, Any]:
    return {"name": one.name, "start": one.start + 1, "end": one.end, "detail": one.detail}


def _rounded(value: float | None) -> float | None:
    """Six significant digits; None for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")


def plain(value: Any) -> Any:
    """Anything that details may hold, as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    if isinstance(value, float):
        return _rounded(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)
