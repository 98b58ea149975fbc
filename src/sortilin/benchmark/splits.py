"""The rows of a benchmark: what models learn from, what they are scored on, what the best one predicts."""

from __future__ import annotations

import numpy as np

from sortilin import registry
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.measure import Split, TestSet
from sortilin.errors import ConfigError, LabelError
from sortilin.experiment import balance, data, splits
from sortilin.experiment.balance import Reached
from sortilin.experiment.split_config import GIVEN, HOMOLOGY, RANDOM
from sortilin.experiment.splits import Parting
from sortilin.interfaces import OnProgress
from sortilin.sequences import SequenceRecord, read_sequences


def split(config: BenchmarkConfig, tell: OnProgress) -> tuple[Split, int]:
    """Data and rows, and how many repeats were left out; rows that the data mark as test are held out.

    Raises:
        SortilinError: The data cannot be had, or cannot be measured.
    """
    training, marked = data.load_parts(config.task, config.data, labels=config.labels, on_progress=tell)
    if marked is not None:
        return _marked_split(config, training, marked)
    labelled, n_repeats = training.distinct()
    share = config.holdout if config.split == "holdout" else 0.0
    data.check_trainable(labelled, config.folds, share)
    parted = _parting(config, labelled, share, tell)
    rows = np.arange(len(labelled))
    train = held_out = rows
    if config.split == "holdout":
        train, held_out = splits.hold_out(labelled.y, parted, config.holdout, config.seed)
    return Split(labelled, train, held_out, config.folds, config.seed, parting=parted), n_repeats


def _parting(config: BenchmarkConfig, labelled: data.LabelledSet, share: float, tell: OnProgress) -> Parting:
    """What the rows are split by.

    Raises:
        ConfigError: The split is given, and the data mark no rows to hold out.
    """
    parted = splits.parting(config.split_by, labelled, tell)
    if config.split == "holdout" and parted.kind == GIVEN and not splits.has_hold_out(parted, share):
        raise ConfigError(
            f"{labelled.name} marks no rows for test or validation to hold out, but "
            f"{len(parted.fold_names) or 'no'} folds: use split: folds"
        )
    splits.check(labelled, parted, config.folds, share, config.seed)
    return parted


def reached(config: BenchmarkConfig, split: Split) -> Reached | None:
    """What the split comes to; None where rows are merely stratified, or the data mark what is held out."""
    if split.parting.is_default or split.is_marked:
        return None
    share = config.holdout if config.split == "holdout" else 0.0
    return balance.reached(config.split_by, split.data, split.parting, config.folds, share, config.seed)


def _marked_split(
    config: BenchmarkConfig, training: data.LabelledSet, marked: data.LabelledSet
) -> tuple[Split, int]:
    if config.split == "folds":
        raise ConfigError(f"{training.name} marks rows as test, so they are held out: use split: holdout")
    if config.split_by.kind in (RANDOM, HOMOLOGY):
        raise ConfigError(
            f"{training.name} marks rows as test, so they are held out, whatever they share with the others: "
            f"use split {GIVEN}, or data without such marks for split {config.split_by.kind}"
        )
    learned, n_repeats = training.distinct()
    data.check_trainable(learned, config.folds, 0)
    distinct, n_more = marked.distinct()
    class_of = dict(zip(learned.sequences, learned.y.tolist(), strict=True))
    for sequence, c in zip(distinct.sequences, distinct.y.tolist(), strict=True):
        if class_of.get(sequence, c) != c:
            raise LabelError(
                f"{training.name}: one sequence has the class '{learned.classes[class_of[sequence]]}' in "
                f"training and '{learned.classes[c]}' in a row marked as test: {sequence[:40]}"
            )
    fresh = distinct.taken([s not in class_of for s in distinct.sequences], marked.name)
    n_dropped = len(distinct) - len(fresh)
    n_repeats += n_more + n_dropped
    lacking = [name for name, n in fresh.class_counts.items() if not n]
    if lacking:
        raise LabelError(
            f"the rows of {training.name} marked as test hold no sequence of class "
            f"{', '.join(repr(name) for name in lacking)}; training rows do, and each class is to be scored"
            + (f" ({n_dropped} of them stand in training too and do not count)" if n_dropped else "")
        )
    both = data.LabelledSet(
        training.name,
        learned.sequences + fresh.sequences,
        np.concatenate([learned.y, fresh.y]),
        learned.classes,
        learned.citation,
        learned.organisms + fresh.organisms,
    )
    rows = np.arange(len(both))
    found = Split(both, rows[: len(learned)], rows[len(learned) :], config.folds, config.seed, is_marked=True)
    return found, n_repeats


def tests(config: BenchmarkConfig, training: data.LabelledSet, tell: OnProgress) -> tuple[TestSet, ...]:
    """The test sets as published, with what of them stands in training.

    Raises:
        SortilinError: One cannot be had, or has a class that training has not.
    """
    known = set(training.sequences)
    found = []
    for source in config.tests:
        labelled = data.load(
            config.task, [source], labels=config.labels, classes=training.classes, on_progress=tell
        )
        is_known = np.array([sequence in known for sequence in labelled.sequences], dtype=bool)
        found.append(TestSet(source, labelled, is_known))
    return tuple(found)


def blind(config: BenchmarkConfig, tell: OnProgress) -> list[SequenceRecord] | None:
    """The records to predict at the end; of the task's own set only with the task's own data."""
    task = registry.get("task", config.task)
    source = config.blind or (task.blind if config.data in ((), (task.dataset,)) else None)
    if source is None or source.lower() == "none" or not config.cross_validation:
        return None
    if data.is_dataset(source):
        from sortilin import datasets

        name, _, part = source.partition(":")
        return list(datasets.load(name, part or None, on_progress=tell))
    return list(read_sequences(source))
