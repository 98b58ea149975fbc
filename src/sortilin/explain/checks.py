"""Whether the explanations of a run are true, on its first sequences, as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sortilin.explain import faithfulness
from sortilin.explain.attribution import Attribution
from sortilin.explain.faithfulness import Agreement, Mean
from sortilin.explain.lines import Line, attributions_of
from sortilin.explain.opened import Opened
from sortilin.explain.settings import Settings
from sortilin.interfaces import Explainer, OnProgress
from sortilin.sequences import SequenceRecord

MAX_BASELINES = 20
"""Sequences that integrated gradients explain anew from each baseline."""

_GRADIENTS = "integrated_gradients"


def measured(
    opened: Opened,
    made: Mapping[str, Explainer],
    checked: Sequence[Line],
    options: Settings,
    on_progress: OnProgress | None,
) -> dict[str, Any]:
    """Curves of each method, agreement of each two, and that of integrated gradients from other baselines.

    Args:
        opened: The model.
        made: Name → explainer.
        checked: Explanations of different sequences, at least one.
        options: Of the run; without `check` nothing is measured.
        on_progress: Told of each method.

    Returns:
        `n`, `n_random`, `shares`, `curves` by method, `agreement` and `baselines` as lists; empty where
        nothing was measured.
    """
    if not options.check or not checked:
        return {"n": 0, "curves": {}, "agreement": [], "baselines": []}
    tell = on_progress or (lambda _stage, _done, _total: None)
    by_method = _by_method(checked)
    curves: dict[str, Any] = {}
    shares: tuple[float, ...] = ()
    can_change = opened.why_no_changes() is None
    for index, (name, attributions) in enumerate(by_method.items() if can_change else (), 1):
        one = faithfulness.curves(opened, attributions, seed=options.seed)
        shares = one.shares
        curves[name] = {
            "n": one.deletion_gain.n,
            "deletion": one.deletion,
            "insertion": one.insertion,
            "random_deletion": one.random_deletion,
            "random_insertion": one.random_insertion,
            "deletion_gain": _mean(one.deletion_gain),
            "insertion_gain": _mean(one.insertion_gain),
        }
        tell("checking whether it is true", index, len(by_method))
    pairs = faithfulness.agreements(dict(by_method), seed=options.seed) if len(by_method) > 1 else []
    return {
        "n": len(checked),
        "n_random": faithfulness.N_ORDERS,
        "shares": list(shares),
        "curves": curves,
        "agreement": [_agreement(one) for one in pairs],
        "baselines": _baselines(opened, checked, options) if _GRADIENTS in made else [],
    }


def _by_method(checked: Sequence[Line]) -> dict[str, list[Attribution]]:
    found: dict[str, list[Attribution]] = {}
    for line in checked:
        for one in attributions_of(line):
            found.setdefault(one.method, []).append(one)
    return found


def _baselines(opened: Opened, checked: Sequence[Line], options: Settings) -> list[dict[str, Any]]:
    few = checked[:MAX_BASELINES]
    records = [SequenceRecord(line["id"], line["sequence"]) for line in few]
    found = faithfulness.to_baseline(opened, records, [line["class"] for line in few], seed=options.seed)
    return [_agreement(one) for one in found]


def _agreement(one: Agreement) -> dict[str, Any]:
    return {
        "first": one.first,
        "second": one.second,
        "n": one.spearman.n,
        "spearman": _finite(one.spearman.value),
        "interval": [_finite(one.spearman.low), _finite(one.spearman.high)],
        "overlap": _finite(one.overlap.value),
        "overlap_interval": [_finite(one.overlap.low), _finite(one.overlap.high)],
    }


def _mean(one: Mean) -> dict[str, Any]:
    return {"value": _finite(one.value), "interval": [_finite(one.low), _finite(one.high)], "n": one.n}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
