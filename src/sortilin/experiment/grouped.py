"""Cross-validation in which no group of homologues is split: what a model is worth on new families.

Folds are scikit-learn's StratifiedGroupKFold, shuffled with the experiment's seed, on the groups of
`sequences.clusters`. Whole groups cannot be dealt out evenly, so that folds differ in size and in class
counts more than stratified ones do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sortilin.component import Component
from sortilin.errors import LabelError
from sortilin.experiment import validate
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.validate import CrossValidation, Problem, Split
from sortilin.interfaces import NOBODY, OnProgress, Watch
from sortilin.sequences import clusters
from sortilin.sequences.clusters import Groups


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups of homologues and the folds made of them."""

    groups: Groups
    folds: tuple[Split, ...]


@dataclass(frozen=True, slots=True)
class Grouped:
    """What a model is worth on folds that split no group.

    Attributes:
        groups: Of the experiment's sequences.
        cross_validation: The folds.
    """

    groups: Groups
    cross_validation: CrossValidation


def group(
    labelled: LabelledSet, n_folds: int, seed: int, *, on_progress: OnProgress | None = None
) -> Grouping:
    """Search homologues and make the folds.

    Raises:
        LabelError: The groups cannot be dealt out so that each fold holds each class.
        MissingDependencyError: There is nothing to search with.
        SortilinError: The search failed.
    """
    groups = clusters.groups(labelled.sequences, on_progress=on_progress)
    return Grouping(groups, folds(labelled, groups, n_folds, seed))


def folds(labelled: LabelledSet, groups: Groups, n_folds: int, seed: int) -> tuple[Split, ...]:
    """Folds that split no group, each with sequences of each class.

    A fold without a class could not be scored, nor could the others be calibrated on it.

    Raises:
        LabelError: The groups cannot be dealt out like that, or leave too few of a class to train on.
    """
    n_groups = [len(np.unique(groups.labels[labelled.y == c])) for c in range(len(labelled.classes))]
    for c, n in enumerate(n_groups):
        if n < n_folds:
            raise _undealt(labelled, c, n, n_folds)
    found = tuple(validate.grouped_folds(labelled.y, groups.labels, n_folds, seed))
    for c, n in enumerate(n_groups):
        if any((labelled.y[held_out] != c).all() for _, held_out in found):
            raise _undealt(labelled, c, n, n_folds)
    for c in range(len(n_groups)):
        least = min(int((labelled.y[train] == c).sum()) for train, _ in found)
        if least < n_folds:
            raise _unlearned(labelled, c, least, n_folds)
    return found


def _undealt(labelled: LabelledSet, c: int, n_groups: int, n_folds: int) -> LabelError:
    name = labelled.classes[c]
    return LabelError(
        f"class '{name}': its {labelled.class_counts[name]} sequences in {labelled.name} stand in {n_groups} "
        f"groups of homologues, which cannot be dealt out so that each of {n_folds} folds holds one; use "
        "fewer folds (at least 2), or leave out the folds grouped by homology"
    )


def _unlearned(labelled: LabelledSet, c: int, n_left: int, n_folds: int) -> LabelError:
    name = labelled.classes[c]
    return LabelError(
        f"class '{name}': so many of its {labelled.class_counts[name]} sequences in {labelled.name} are "
        f"homologues of each other that a fold leaves {n_left} to train on, fewer than the {n_folds} folds "
        "of a search or a calibration; use fewer folds (at least 2), or leave out the folds grouped by "
        "homology"
    )


def cross_validate(spec: Component, problem: Problem, grouping: Grouping, watch: Watch = NOBODY) -> Grouped:
    """Cross-validation on those folds, each calibrated as a stratified one is."""
    return Grouped(grouping.groups, validate.cross_validate(spec, problem, watch, folds=grouping.folds))
