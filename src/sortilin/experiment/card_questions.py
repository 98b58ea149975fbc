"""What a card says of questions of two classes that a model of more answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sortilin.evaluation import intervals
from sortilin.experiment import questions
from sortilin.experiment.markdown import TITLES, cell, table
from sortilin.interfaces import Question
from sortilin.results import Answering

if TYPE_CHECKING:
    from sortilin.experiment.outcome import Outcome
    from sortilin.experiment.questions import Answer

HOW = (
    "A question of two classes is answered by P(yes) = 1 / (1 + exp(-a · (ln p(yes) - ln p(no)) - b)) from "
    "the probabilities p of the two, and scored on the rows of its own dataset. a and b are fitted on "
    "held-out rows of that dataset, in cross-validation on those of the other folds. SN is the share of "
    "right answers to those that are a yes, SP to those that are a no."
)


def section(outcome: Outcome, names: Sequence[str]) -> list[str]:
    """The heading and one part a question; empty where the task has none.

    Args:
        outcome: What the experiment found.
        names: Metrics of the tables.
    """
    answers = (*questions.cross_validated(outcome), *outcome.answers)
    if not answers:
        return []
    parts = ["## By question", HOW]
    for question in questions.of_task(outcome.config.task):
        mine = [answer for answer in answers if answer.question == question]
        if mine:
            parts += _one(question, outcome.answerings[question.name], mine, names)
    return parts


def _one(question: Question, how: Answering, answers: Sequence[Answer], names: Sequence[str]) -> list[str]:
    folds = [answer for answer in answers if answer.folds]
    rows = f"Rows of `{question.dataset}`; a yes is `{question.positive}`, a no is `{question.negative}`."
    parts = [
        f"### {question.title[:1].upper()}{question.title[1:]}",
        f"{rows} a is {how.slope:.3f}, b is {how.offset:.3f}.",
    ]
    if folds:
        cells = [
            [a.name, a.part, str(a.pooled.n), *(f"{a.mean(m):.3f} ± {a.spread(m):.3f}" for m in names)]
            for a in folds
        ]
        best = folds[0]
        sure = ", ".join(
            f"{TITLES[metric]} {cell(best.pooled.metrics[metric], interval)}"
            for metric, interval in best.intervals.items()
        )
        parts += [
            table(["model", "folds", "n", *_titles(names)], cells),
            (
                f"All held-out stratified folds together (n = {best.pooled.n}), with {intervals.LEVEL:.0%} "
                f"intervals: {sure}."
            ),
        ]
    tests = [answer for answer in answers if not answer.folds]
    if tests:
        parts += [
            f"Test sets, scored once with the final model, with {intervals.LEVEL:.0%} intervals:",
            test_table(tests, names),
        ]
    return parts


def test_table(answers: Sequence[Answer], names: Sequence[str]) -> str:
    """One row a test set and part."""
    rows = [
        [
            a.name,
            a.part,
            str(a.pooled.n),
            *(cell(a.pooled.metrics[metric], a.pooled.intervals.get(metric)) for metric in names),
        ]
        for a in answers
    ]
    return table(["test set", "part", "n", *_titles(names)], rows)


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES[name] for name in names]
