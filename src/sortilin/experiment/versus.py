"""A model against others on one labelled set: what `sortilin evaluate --against` says.

Compared are the sequences that none of the models was trained on; all of them where that leaves none.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sortilin.evaluation import bounded, comparison, intervals
from sortilin.evaluation.comparison import Compared, Disagreement
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.markdown import TITLES, between, p_value, table
from sortilin.experiment.scored import Scored
from sortilin.results import Evaluation

N_RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Versus:
    """Several models on the same sequences.

    Attributes:
        part: Which of the sequences, in words.
        n: How many.
        evaluations: Model → figures with intervals, the first model first.
        differences: The first model less each other, in each metric.
        disagreements: McNemar's test of the first and each other.
    """

    part: str
    n: int
    evaluations: dict[str, Evaluation]
    differences: tuple[Compared, ...]
    disagreements: tuple[Disagreement, ...]

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "part": self.part,
            "n": self.n,
            "models": {name: found.as_dict() for name, found in self.evaluations.items()},
            "differences": [asdict(one) for one in self.differences],
            "mcnemar": [asdict(one) for one in self.disagreements],
        }


def versus(labelled: LabelledSet, models: Sequence[Scored], names: Sequence[str]) -> Versus:
    """Compare the first of several models with the others.

    Args:
        labelled: N sequences with labels.
        models: Two or more.
        names: The metrics that are compared.
    """
    known = np.any([model.is_known for model in models], axis=0)
    rows, part = ~known, f"without {int(known.sum())} that a model was trained on"
    if known.all():
        rows, part = known, "every one a training sequence of a model"
    elif not known.any():
        part = "whole"
    y = labelled.y[rows]
    tables = {name: model.table[rows] for name, model in zip(_told_apart(models), models, strict=True)}
    first, *others = tables
    pairs = [(first, other) for other in others]
    drawn = comparison.differences(
        y,
        tables,
        pairs,
        metrics=names,
        classes=labelled.classes,
        seed=bounded.SEED,
        n_resamples=N_RESAMPLES,
    )
    return Versus(
        part,
        len(y),
        {name: bounded.evaluate(y, found, labelled.classes) for name, found in tables.items()},
        tuple(drawn),
        tuple(comparison.disagreements(y, tables, pairs)),
    )


def _told_apart(models: Sequence[Scored]) -> list[str]:
    """Names; a model that is given again gets a number."""
    names: list[str] = []
    for model in models:
        n_before = sum(other.name == model.name for other in models[: len(names)])
        names.append(f"{model.name} ({n_before + 1})" if n_before else model.name)
    return names


def text(found: Versus) -> list[str]:
    """Paragraphs and tables."""
    first = found.differences[0].first
    level = f"{intervals.LEVEL:.0%}"
    how = (
        f"{first} less each other model on the same sequences ({found.part}, n = {found.n}), with {level} "
        "intervals of a paired bootstrap. The last column is corrected for all comparisons of the table "
        "(Holm):"
    )
    alone = "Sequences that one of two models alone calls right, with McNemar's mid-p, corrected likewise:"
    return [
        how,
        table(
            ["against", "metric", "difference", "p", "p, corrected"],
            [
                [one.second, TITLES[one.metric], _signed(one), p_value(one.p_value), p_value(one.adjusted)]
                for one in found.differences
            ],
        ),
        alone,
        table(
            ["against", f"right by {first} alone", "right by the other alone", "n", "p", "p, corrected"],
            [
                [
                    one.second,
                    str(one.first_only),
                    str(one.second_only),
                    str(one.n),
                    p_value(one.p_value),
                    p_value(one.adjusted),
                ]
                for one in found.disagreements
            ],
        ),
    ]


def _signed(one: Compared) -> str:
    if np.isnan(one.difference):
        return "undefined"
    return f"{one.difference:+.3f} ({between((one.low, one.high))})"
