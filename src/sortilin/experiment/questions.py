"""Questions of two classes, answered by a model of more: who is asked, and how good the answers are.

The answer is a logistic function of ln P(positive) - ln P(negative), fitted on held-out rows of the
question's own dataset (Platt 1999), in which the two classes may be mixed in another way than in all
training data. It is scored on rows of that dataset, so that a figure can be compared with those of two-class
models.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.evaluation import bounded, calibration, metrics
from sortilin.experiment import validate
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import DoubleArray, IntArray, Question
from sortilin.results import Answering, Evaluation

if TYPE_CHECKING:
    from sortilin.experiment.outcome import Outcome

METRICS = ("mcc", "accuracy", "sensitivity", "specificity", "roc_auc", "ece")
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


def answering(question: Question, labelled: LabelledSet, table: DoubleArray) -> Answering:
    """How a question is answered, by held-out predictions; plainly where no row asks it.

    Args:
        question: What is asked.
        labelled: N sequences with labels, each class of the question among those that ask or none.
        table: (N, C) probabilities from fits that did not see them.
    """
    plain = Answering(question.positive, question.negative)
    rows = asked(question, labelled)
    if not rows.any():
        return plain
    yes, no = (labelled.classes.index(name) for name in (question.positive, question.negative))
    is_yes: IntArray = (labelled.y[rows] == yes).astype(np.int64)
    scores = plain.log_odds(table[rows, yes], table[rows, no])
    scale = calibration.fit(scores[:, None], is_yes, n_classes=2)
    slope, offset = np.diff(scale.weights[0])[0], np.diff(scale.bias)[0]
    # Scores that say nothing, or less, would turn the order of the answers around.
    return replace(plain, slope=float(slope), offset=float(offset)) if slope > 0 else plain


def answerings(task: str, labelled: LabelledSet, table: DoubleArray) -> dict[str, Answering]:
    """`answering` of each question of a task, by name."""
    return {question.name: answering(question, labelled, table) for question in of_task(task)}


def answered(
    question: Question, labelled: LabelledSet, table: DoubleArray, how: Answering
) -> tuple[LabelledSet, DoubleArray]:
    """The rows of the question's two classes as a set of two classes, and their (M, 2) probabilities.

    Args:
        question: Of which all N rows are of one of the two classes.
        labelled: N sequences.
        table: (N, C) probabilities of the classes of `labelled`.
        how: How it is answered.
    """
    names = (question.negative, question.positive)
    no, yes = (labelled.classes.index(name) for name in names)
    y: IntArray = (labelled.y == yes).astype(np.int64)
    set_of_two = LabelledSet(labelled.name, labelled.sequences, y, names, labelled.citation)
    answers = how.of(table[:, yes], table[:, no])
    return set_of_two, np.column_stack([1 - answers, answers])


def of_test(
    questions: tuple[Question, ...],
    test: LabelledSet,
    table: DoubleArray,
    is_known: NDArray[np.bool_],
    hows: Mapping[str, Answering],
) -> list[Answer]:
    """A test set by question: whole and, if it holds training sequences, without them.

    Args:
        questions: Those of the task.
        test: N sequences with labels.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
        hows: Question → how the model answers it.
    """
    found = []
    for question in questions:
        rows = asked(question, test)
        if rows.any():
            of_two, chosen = answered(question, test.taken(rows, test.name), table[rows], hows[question.name])
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
    mine, held_out = labelled.taken(rows, labelled.name), measured.probabilities[rows]
    of_two, table = answered(question, mine, held_out, Answering(question.positive, question.negative))
    fold, classes = measured.fold[rows], of_two.classes
    inside = [fold == number for number in range(len(measured.folds))]
    if any(len(np.unique(of_two.y[here])) < 2 for here in inside):
        return None
    for here in inside:  # answered by what the other folds say of it
        how = answering(question, mine.taken(~here, mine.name), held_out[~here])
        table[here] = answered(question, mine, held_out, how)[1][here]
    return Answer(
        question,
        name,
        part,
        metrics.evaluate(of_two.y, table, classes),
        tuple(metrics.evaluate(of_two.y[here], table[here], classes) for here in inside),
        bounded.of_set(of_two.y, table, classes, seed=seed, metrics=METRICS),
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
