"""What the scored sequences share with training, and what length and composition alone come to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sortilin import audit, registry
from sortilin.benchmark import baselines
from sortilin.benchmark.compare import plain
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.measure import Split, TestSet
from sortilin.experiment.markdown import TITLES, cell
from sortilin.interfaces import OnProgress


def audited(
    config: BenchmarkConfig,
    split: Split,
    tests: Sequence[TestSet],
    rows: Sequence[Mapping[str, Any]],
    tell: OnProgress,
) -> dict[str, Any]:
    """The leakage audit of what is learned from and what is scored.

    Args:
        config: The benchmark's.
        split: Its data; where rows are held out, they are a test set as well.
        tests: Its test sets.
        rows: What was measured, the baselines among them.
        tell: Called as (stage, done, total).

    Returns:
        `summary`, sentences for a person, and `record`, all of it as plain values.
    """
    training, scored = split.data, [test.data for test in tests]
    if config.split == "holdout":
        training = split.data.taken(split.train, f"{split.data.name}, to train with")
        scored = [split.data.taken(split.held_out, f"{split.data.name}, held out"), *scored]
    found = audit.of_labelled(training, scored, on_progress=tell)
    return {
        "summary": [*found.summary(), *_shortcuts(config, rows)],
        "record": plain(found.as_dict()),
    }


def _shortcuts(config: BenchmarkConfig, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    metric = registry.get("task", config.task).metric
    known = {row["name"]: row for row in rows}
    told = [
        f"{name} alone {_told(known[name], metric)}"
        for name in baselines.COMPONENTS
        if name in known and known[name]["evaluation"]["metrics"][metric] is not None
    ]
    where = "in cross-validation" if config.split == "folds" else "on the held-out rows"
    if not told:
        return []
    n = rows[0]["evaluation"]["n"]
    return [f"Shortcuts, {TITLES[metric]} {where} (n = {n}): {', '.join(told)} (boosted trees)."]


def _told(row: Mapping[str, Any], metric: str) -> str:
    """A metric with its interval."""
    low, high = row["intervals"].get(metric) or (None, None)
    ends = (math.nan, math.nan) if low is None or high is None else (low, high)
    return cell(row["evaluation"]["metrics"][metric], ends)
