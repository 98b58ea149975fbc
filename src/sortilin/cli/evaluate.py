"""`sortilin evaluate`."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from sortilin.experiment.questions import Answer
    from sortilin.results import Evaluation


@click.command(
    epilog="""\b
Examples:
  sortilin evaluate runs/svm --data test.fasta
  sortilin evaluate localization --data nucleus=nuc.fasta --data cytosol=cyto.fasta
  sortilin evaluate anticancer --data acp:test1 --json
  sortilin evaluate runs/mine --data test.csv --vectors test.h5
"""
)
@click.argument("model")
@click.option(
    "--data",
    multiple=True,
    required=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in files.")
@vectors_options
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON.")
def evaluate(
    model: str,
    *,
    data: tuple[str, ...],
    labels: str,
    vectors: tuple[str, ...],
    table: str | None,
    as_json: bool,
) -> None:
    """Score MODEL, a bundled model or a model folder, on labelled data.

    If the model was trained on some of the sequences, a second part is scored without them. A model of
    more classes that answers questions of two is scored by question as well, where the data ask one.
    """
    from sortilin.experiment import data as labelled_data
    from sortilin.experiment import questions, validate
    from sortilin.predictor import load
    from sortilin.results import Answering

    loaded = load(model, threads=None, vectors=vectors, table=table)
    labelled = labelled_data.load(loaded.task, data, labels=labels, classes=loaded.classes)
    probabilities = loaded.predict_proba(labelled.sequences)
    is_known = loaded.was_trained_on(labelled.sequences)
    parts = validate.parts(labelled, probabilities, is_known)
    mine = questions.of_task(loaded.task)
    hows = {q.name: loaded.questions.get(q.name, Answering(q.positive, q.negative)) for q in mine}
    answers = questions.of_test(mine, labelled, probabilities, is_known, hows)
    if as_json:
        figures = {name: _without_nan(asdict(part)) for name, part in parts.items()}
        asked = [_without_nan(_plain(answer)) for answer in answers]
        whole = figures | ({"questions": asked} if asked else {})
        click.echo(json.dumps(whole, indent=2, allow_nan=False))
    else:
        click.echo("\n\n".join([f"{model} on {labelled.name}", *_asked(answers), _text(parts)]))


def _plain(answer: Answer) -> dict[str, Any]:
    return {**asdict(answer.question), "part": answer.part, **asdict(answer.pooled)}


def _asked(answers: Sequence[Answer]) -> list[str]:
    """A line and a table for each question that the data ask."""
    from sortilin.experiment import card, card_questions

    parts = []
    for question in dict.fromkeys(answer.question for answer in answers):
        mine = [answer for answer in answers if answer.question == question]
        parts.append(
            f"Question '{question.name}': {question.title} A yes is {question.positive}, a no is "
            f"{question.negative}; other classes are left out of the answer."
        )
        parts.append(card_questions.test_table(mine, card.BINARY_HEADLINE))
    return [*parts, "All classes:"] if parts else []


def _without_nan(value: Any) -> Any:
    """The same with None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _text(parts: dict[str, Evaluation]) -> str:
    from sortilin.experiment import card

    first = next(iter(parts.values()))
    names = card.headline(first.classes)
    rows = [
        [part, str(evaluation.n), *(f"{evaluation.metrics[name]:.3f}" for name in names)]
        for part, evaluation in parts.items()
    ]
    last = list(parts.values())[-1]
    return "\n\n".join(
        [
            card.table(["part", "n", *(card.TITLES[name] for name in names)], rows),
            f"Per class ({list(parts)[-1]}):",
            card.per_class_table(last),
            "Confusion (row = true, column = predicted):",
            card.confusion_table(last),
        ]
    )
