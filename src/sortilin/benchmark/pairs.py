"""Every pair of a benchmark's models on the same sequences, with p-values corrected over all pairs.

The tests are those of `evaluation.comparison`: McNemar's, the paired bootstrap and, where the models were
cross-validated, the corrected resampled t-test over the folds.

Axis letters: M scored sequences, C classes.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sortilin.benchmark.compare import TEST_DRAWS, plain
from sortilin.evaluation import comparison
from sortilin.interfaces import IntArray

DRAWS_A_PAIR = 100
"""Resamples for each pair: the least p-value that they can give, times the number of pairs, is 0.02."""


def compared(
    rows: Sequence[Mapping[str, Any]],
    y: IntArray,
    classes: Sequence[str],
    *,
    metric: str,
    n_folds: int | None,
    seed: int,
    resamples: int,
) -> dict[str, Any] | None:
    """The content of `pairs` in `results.json`; None where there is one model only.

    Args:
        rows: Records of the models, with `probabilities` and, where they have folds, `folds`.
        y: (M,) classes of the scored sequences.
        classes: C class names.
        metric: What is compared, beside right and wrong.
        n_folds: Folds of the cross-validation; None where the models were scored on held-out rows.
        seed: Of the resamples.
        resamples: Of the benchmark's intervals; more are drawn here.
    """
    best_first = sorted(rows, key=lambda row: -_value(row, metric))
    tables = {str(row["name"]): np.array(row["probabilities"]) for row in best_first}
    pairs = list(itertools.combinations(tables, 2))
    if not pairs:
        return None
    n_resamples = max(TEST_DRAWS * resamples, DRAWS_A_PAIR * len(pairs))
    drawn = comparison.differences(
        y, tables, pairs, metrics=[metric], classes=classes, seed=seed, n_resamples=n_resamples
    )
    found = {
        "metric": metric,
        "n": len(y),
        "n_pairs": len(pairs),
        "resamples": n_resamples,
        "differences": [asdict(one) for one in drawn],
        "mcnemar": [asdict(one) for one in comparison.disagreements(y, tables, pairs)],
        "folds": _over_folds(rows, pairs, metric, n_folds),
    }
    plain_found: dict[str, Any] = plain(found)
    return plain_found


def _value(row: Mapping[str, Any], metric: str) -> float:
    value = row["evaluation"]["metrics"][metric]
    return -math.inf if value is None else float(value)


def _over_folds(
    rows: Sequence[Mapping[str, Any]], pairs: Sequence[tuple[str, str]], metric: str, n_folds: int | None
) -> list[dict[str, Any]] | None:
    values = {
        row["name"]: [math.nan if value is None else value for value in row["folds"]["values"][metric]]
        for row in rows
        if row.get("folds")
    }
    if n_folds is None or len(values) < len(rows):
        return None
    share = 1 / (n_folds - 1)  # n_test / n_train of folds of one size
    found = comparison.folds_compared(values, pairs, metric=metric, test_share=share)
    return [asdict(one) for one in found]
