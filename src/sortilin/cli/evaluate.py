"""`sortilin evaluate`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _several
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
  sortilin evaluate runs/mine --data test.csv --against runs/svm --against runs/boosting
  sortilin evaluate mine.tsv --data test.csv --against theirs.tsv
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
@click.option(
    "--against",
    multiple=True,
    help="Another model of the same classes, or its table of predictions of the same data (.tsv), to be "
    "compared with; may be repeated.",
)
@vectors_options
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON.")
def evaluate(
    model: str,
    *,
    data: tuple[str, ...],
    labels: str,
    against: tuple[str, ...],
    vectors: tuple[str, ...],
    table: str | None,
    as_json: bool,
) -> None:
    """Score MODEL, a bundled model or a model folder, on labelled data.

    Every figure has its 95 % interval and the number of sequences behind it. If the model was trained on
    some of the sequences, a second part is scored without them. A model of more classes that answers
    questions of two is scored by question as well, where the data ask one. MODEL may be a table of
    predictions that `sortilin predict -o` wrote of the same data, in the same order.
    """
    from sortilin.experiment import card, card_trust, questions, validate, versus
    from sortilin.experiment import data as labelled_data
    from sortilin.experiment.scored import Source

    source = Source(model, vectors=vectors, table=table)
    if source.several is not None:
        click.echo(_several.evaluated(source.several, data, labels=labels, against=against, as_json=as_json))
        return
    others = [Source(name, vectors=vectors, table=table) for name in against]
    labelled = labelled_data.load(source.task, data, labels=labels, classes=source.classes)
    scored = source.scored(labelled)
    compared = [scored, *(other.scored(labelled) for other in others)]
    parts = validate.parts(labelled, scored.table, scored.is_known)
    hows = {q.name: source.answering(q) for q in source.questions}
    answers = questions.of_test(source.questions, labelled, scored.table, scored.is_known, hows)
    found = versus.versus(labelled, compared, card.headline(labelled.classes)) if others else None
    if as_json:
        figures: dict[str, Any] = {name: part.as_dict() for name, part in parts.items()}
        figures |= {"questions": [_plain(answer) for answer in answers]} if answers else {}
        figures |= {"against": found.as_dict()} if found else {}
        click.echo(json.dumps(_without_nan(figures), indent=2, allow_nan=False))
        return
    said = [f"{model} on {labelled.name}", *_asked(answers), *_text(parts)]
    said += card_trust.when_sure(labelled.y, scored.table, scored.is_known)
    click.echo("\n\n".join([*said, *(versus.text(found) if found else ())]))


def _plain(answer: Answer) -> dict[str, Any]:
    return {**asdict(answer.question), "part": answer.part, **answer.pooled.as_dict()}


def _asked(answers: Sequence[Answer]) -> list[str]:
    """A line and a table for each question that the data ask."""
    from sortilin.experiment import card

    said = []
    for question in dict.fromkeys(answer.question for answer in answers):
        mine = {answer.part: answer.pooled for answer in answers if answer.question == question}
        said.append(
            f"Question '{question.name}': {question.title} A yes is {question.positive}, a no is "
            f"{question.negative}; other classes are left out of the answer."
        )
        said.append(_figures(mine, card.BINARY_HEADLINE))
    return [*said, "All classes:"] if said else []


def _without_nan(value: Any) -> Any:
    """The same with None for NaN, which JSON has no word for."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _figures(parts: Mapping[str, Evaluation], names: Sequence[str]) -> str:
    """A row a metric and a column a part, for a terminal."""
    from sortilin.experiment.markdown import TITLES, cell, table

    header = ["metric", *(f"{part} (n = {found.n})" for part, found in parts.items())]
    rows = [
        [TITLES[name], *(cell(found.metrics[name], found.intervals.get(name)) for found in parts.values())]
        for name in names
    ]
    return table(header, rows)


def _text(parts: Mapping[str, Evaluation]) -> list[str]:
    from sortilin.evaluation.bounded import HOW
    from sortilin.experiment import card

    name, last = list(parts.items())[-1]
    return [
        _figures(parts, (*card.headline(last.classes), "brier", "log_loss")),
        f"In brackets 95% intervals: {HOW}.",
        f"Per class ({name}):",
        card.per_class_table(last),
        "Confusion (row = true, column = predicted):",
        card.confusion_table(last),
    ]
