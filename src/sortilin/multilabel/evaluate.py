"""Score a model of several classes a sequence on labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sortilin.evaluation.per_class import PerClass
from sortilin.multilabel import card, data, record, validate
from sortilin.multilabel.outcome import Scored

if TYPE_CHECKING:
    from sortilin.predictor import Predictor

SEED = 42
"""Of the intervals."""


def evaluate(model: Predictor, sources: Sequence[str], *, labels: str = "auto") -> list[Scored]:
    """The whole set, and what is left of it without training sequences if there are any.

    Each sequence counts once, with the classes of all its rows.

    Args:
        model: One of several classes a sequence.
        sources: Datasets or labelled files.
        labels: How labels are read from files.

    Raises:
        SortilinError: The data cannot be had, or hold a class that the model does not know.
    """
    decider = model.decider
    assert isinstance(decider, PerClass)
    labelled, _, _ = data.load(model.task, sources, labels=labels, classes=model.classes).joined()
    table = model.predict_proba(labelled.sequences)
    is_known = model.was_trained_on(labelled.sequences)
    return validate.by_part(labelled, table, is_known, decider, seed=SEED)


def text(model: str, parts: Sequence[Scored]) -> str:
    """What a person reads."""
    last = parts[-1]
    return "\n\n".join(
        [
            f"{model} on {parts[0].name}",
            card.set_table([(part.part, part) for part in parts], "part"),
            f"Per class ({last.part}):",
            card.per_class_table(last.evaluation, last.intervals),
        ]
    )


def as_record(parts: Sequence[Scored]) -> dict[str, Any]:
    """The same as plain values, by part."""
    return {part.part: record.set_record(part) for part in parts}
