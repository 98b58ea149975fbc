"""Questions of two classes, answered by a model of more: who is asked, and how good the answers are.

The answer is P(positive) / (P(positive) + P(negative)). It is scored on rows of the question's own dataset
that are of one of its two classes, so that a figure can be compared with those of two-class models.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.evaluation import intervals, metrics
from sortilin.experiment import validate
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import DoubleArray, IntArray, Question
from sortilin.results import Evaluation

if TYPE_CHECKING:
    from sortilin.experiment.outcome import Outcome

METRICS = ("mcc", "accuracy", "roc_auc", "ece")
"""Of all held-out folds together; these get an interval."""

STRATIFIED, GROUPED = "stratified folds", "folds grouped by homology"


@dataclass(frozen=True, slots=True)
class Answer:
    """How good the answers to one question are.

    Attributes:
        question: What was asked.
        name: The model that was cross-validated, or the test set.
        part: Which folds, or which part of the test set.
        pooled: All of them together; class 1 is the positive one.
        folds: Evaluation of each fold; empty for a test set.
        intervals: Metric → interval of the pooled folds; empty for a test set.
    """

    question: Question
    name: str
    part: str
    pooled: Evaluation
    folds: tuple[Evaluation, ...] = ()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def mean(self, metric: str) -> float:
        """Mean of a metric over folds."""
        return fmean(fold.metrics[metric] for fold in self.folds)

    def spread(self, metric: str) -> float:
        """Sample standard deviation of a metric over folds."""
        return stdev(fold.metrics[metric] for fold in self.folds)


def of_task(name: str) -> tuple[Question, ...]:
    """The questions of a registered task; most have none."""
    found: tuple[Question, ...] = getattr(registry.get("task", name), "questions", ())
    return found


def asked(question: Question, labelled: LabelledSet) -> NDArray[np.bool_]:
    """(N,) which rows ask a question: those of its dataset, of one of its two classes.

    Rows of files, of which no dataset is known, ask it whenever they are of one of the two classes. No row
    does if one of the two classes has none.
    """
    two = [labelled.classes.index(name) for name in (question.negative, question.positive)]
    rows = np.isin(labelled.y, two)
    if labelled.stands_in:
        rows &= np.array([question.dataset in names for names in labelled.stands_in], dtype=bool)
    return rows if len(np.unique(labelled.y[rows])) == 2 else np.zeros(len(rows), dtype=bool)


def answered(
    question: Question, labelled: LabelledSet, table: DoubleArray
) -> tuple[LabelledSet, DoubleArray]:
    """The rows of the question's two classes as a set of two classes, and their (M, 2) probabilities.

    Args:
        question: Of which all N rows are of one of the two classes.
        labelled: N sequences.
        table: (N, C) probabilities of the classes of `labelled`.
    """
    names = (question.negative, question.positive)
    two = [labelled.classes.index(name) for name in names]
    chosen = np.maximum(table[:, two], np.finfo(np.float64).tiny)
    y: IntArray = (labelled.y == two[1]).astype(np.int64)
    set_of_two = LabelledSet(labelled.name, labelled.sequences, y, names, labelled.citation)
    return set_of_two, chosen / chosen.sum(axis=1, keepdims=True)


def of_test(
    questions: tuple[Question, ...], test: LabelledSet, table: DoubleArray, is_known: NDArray[np.bool_]
) -> list[Answer]:
    """A test set by question: whole and, if it holds training sequences, without them.

    Args:
        questions: Those of the task.
        test: N sequences with labels.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
    """
    found = []
    for question in questions:
        rows = asked(question, test)
        if rows.any():
            of_two, chosen = answered(question, test.taken(rows, test.name), table[rows])
            parts = validate.parts(of_two, chosen, is_known[rows])
            found += [Answer(question, test.name, part, evaluation) for part, evaluation in parts.items()]
    return found


def of_folds(
    question: Question, labelled: LabelledSet, measured: CrossValidation, *, name: str, part: str, seed: int
) -> Answer | None:
    """The held-out predictions of a cross-validation by question; None where a fold lacks a class."""
    rows = asked(question, labelled)
    if not rows.any():
        return None
    of_two, table = answered(question, labelled.taken(rows, labelled.name), measured.probabilities[rows])
    fold, classes = measured.fold[rows], of_two.classes
    inside = [fold == number for number in range(len(measured.folds))]
    if any(len(np.unique(of_two.y[here])) < 2 for here in inside):
        return None
    return Answer(
        question,
        name,
        part,
        metrics.evaluate(of_two.y, table, classes),
        tuple(metrics.evaluate(of_two.y[here], table[here], classes) for here in inside),
        intervals.bootstrap(of_two.y, table, classes, seed=seed, metrics=METRICS),
    )


def cross_validated(outcome: Outcome) -> tuple[Answer, ...]:
    """Each question, by the model on stratified and on grouped folds, and by the baselines."""
    measured = [(row.model, STRATIFIED, row.cross_validation) for row in outcome.rows]
    if outcome.grouped is not None:
        measured.insert(1, (outcome.rows[0].model, GROUPED, outcome.grouped.cross_validation))
    seed = outcome.config.seed
    found = [
        of_folds(question, outcome.data, folds, name=model, part=part, seed=seed)
        for question in of_task(outcome.config.task)
        for model, part, folds in measured
    ]
    return tuple(answer for answer in found if answer is not None)
