"""The model of an experiment against its shortcuts, on the same held-out sequences and the same folds.

A model that is no better than trees on lengths has learned nothing of sequences; whether it is better may
be chance. All tests are those of `evaluation.comparison`, each kind corrected over the shortcuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sortilin.evaluation import comparison
from sortilin.evaluation.comparison import Compared, Disagreement
from sortilin.experiment.outcome import Outcome
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import IntArray


@dataclass(frozen=True, slots=True)
class Against:
    """The model less each shortcut.

    Attributes:
        differences: Paired bootstrap of all held-out predictions together.
        disagreements: McNemar's test of the same.
        folds: Corrected resampled t-test over the folds.
    """

    differences: tuple[Compared, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    folds: tuple[Compared, ...] = ()


def against(outcome: Outcome, metric: str) -> Against:
    """The comparisons in a metric; none where there are no shortcuts.

    Args:
        outcome: What the experiment found.
        metric: One of `intervals.bootstrap`.
    """
    rows = {row.model: row.cross_validation for row in outcome.rows}
    first, *others = rows
    pairs = [(first, other) for other in others if _are_alike(rows[first], rows[other])]
    if not pairs:
        return Against()
    y, tables = outcome.data.y, {name: folds.probabilities for name, folds in rows.items()}
    drawn = comparison.differences(
        y, tables, pairs, metrics=[metric], classes=outcome.data.classes, seed=outcome.config.seed
    )
    tested = comparison.folds_compared(
        of_folds(rows, metric), pairs, metric=metric, test_share=test_share(rows[first].fold)
    )
    return Against(tuple(drawn), tuple(comparison.disagreements(y, tables, pairs)), tuple(tested))


def _are_alike(one: CrossValidation, other: CrossValidation) -> bool:
    return bool(np.array_equal(one.fold, other.fold))


def of_folds(rows: Mapping[str, CrossValidation], metric: str) -> dict[str, Sequence[float]]:
    """Model → its values of a metric, one a fold."""
    return {name: [fold.metrics[metric] for fold in folds.folds] for name, folds in rows.items()}


def test_share(fold: IntArray) -> float:
    """Mean of n_test / n_train over the folds of (N,) fold numbers."""
    sizes = np.bincount(fold)
    return fmean((sizes / (sizes.sum() - sizes)).tolist())
