"""`sortilin evaluate`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from sortilin.experiment.data import LabelledSet
    from sortilin.predictor import Predictor
    from sortilin.results import Evaluation


@click.command(
    epilog="""\b
Examples:
  sortilin evaluate runs/svm --data test.fasta
  sortilin evaluate localization --data nucleus=nuc.fasta --data cytosol=cyto.fasta
  sortilin evaluate anticancer --data acp:test1 --json
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
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON.")
def evaluate(model: str, *, data: tuple[str, ...], labels: str, as_json: bool) -> None:
    """Score MODEL, a bundled model or a model folder, on labelled data.

    If the model was trained on some of the sequences, a second part is scored without them.
    """
    from sortilin.experiment import data as labelled_data
    from sortilin.predictor import load

    loaded = load(model)
    labelled = labelled_data.load(loaded.task, data, labels=labels, classes=loaded.classes)
    parts = _scored(loaded, labelled)
    if as_json:
        click.echo(json.dumps({name: asdict(part) for name, part in parts.items()}, indent=2))
    else:
        click.echo(f"{model} on {labelled.name}\n\n{_text(parts)}")


def _scored(model: Predictor, labelled: LabelledSet) -> dict[str, Evaluation]:
    """The whole set, and what is left of it without training sequences if there are any."""
    from sortilin.evaluation.metrics import evaluate as score

    table = model.predict_proba(labelled.sequences)
    is_new = ~model.was_trained_on(labelled.sequences)
    parts = {"whole": score(labelled.y, table, model.classes)}
    if not is_new.all() and is_new.any():
        name = f"without {int((~is_new).sum())} training sequences"
        parts[name] = score(labelled.y[is_new], table[is_new], model.classes)
    elif not is_new.any():
        parts = {"whole, every one a training sequence": parts["whole"]}
    return parts


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
