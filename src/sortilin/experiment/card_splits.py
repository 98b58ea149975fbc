"""The card on its splits: what stands together, how balanced classes are, and what that means for a reader.

A card says nothing here where rows are merely stratified.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sortilin.experiment.markdown import table
from sortilin.experiment.split_config import GIVEN, HOMOLOGY, RANDOM, STRATIFIED

if TYPE_CHECKING:
    from sortilin.experiment.balance import Balance
    from sortilin.experiment.config import ExperimentConfig
    from sortilin.experiment.outcome import Outcome

_FOLDS = {
    RANDOM: "random cross-validation",
    STRATIFIED: "stratified cross-validation",
    HOMOLOGY: "cross-validation split by homology",
    GIVEN: "cross-validation on given folds, or stratified where none are given",
}
_LIMIT = {
    RANDOM: "The folds below are made by chance, not by homology: expect less on new families.",
    HOMOLOGY: (
        "No cluster of homologues stands in two folds: the figures below are those to expect on new families."
    ),
    GIVEN: "The rows below are split as the data mark them; what they share with each other is not known.",
}


def folds(config: ExperimentConfig) -> str:
    """What the cross-validation is: "5-fold stratified cross-validation"."""
    return f"{config.folds}-fold {_FOLDS[config.split.kind]}"


def named(config: ExperimentConfig) -> str:
    """What the folds are called within a sentence."""
    kind = config.split.kind
    return "the folds split by homology" if kind == HOMOLOGY else f"the {kind} folds"


def hold_out(config: ExperimentConfig) -> str:
    """What the hold-out is: "stratified hold-out of 20%"."""
    if config.split.kind == GIVEN:
        return "hold-out, the rows marked for validation"
    by = "hold-out split by homology" if config.split.kind == HOMOLOGY else f"{config.split.kind} hold-out"
    return f"{by} of {config.holdout:.0%}"


def limit(config: ExperimentConfig) -> str | None:
    """What the split means for new families; None where rows are merely stratified."""
    return _LIMIT.get(config.split.kind)


def section(outcome: Outcome) -> list[str]:
    """How the rows were split, with the sequences of each class in each part."""
    found = outcome.split
    if found is None:
        return []
    parts = ["## How the rows were split", " ".join(found.sentences())]
    if found.folds is not None:
        parts += _of_parts("Sequences of each class in each fold", found.folds)
    if found.holdout is not None:
        parts += _of_parts("In the hold-out", found.holdout)
    return ["\n\n".join(parts)]


def _of_parts(what: str, reached: Balance) -> list[str]:
    head, *rows = reached.rows()
    return [f"{what}. {reached.sentence()}", table(head, rows)]
