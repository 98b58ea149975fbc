"""The data of an experiment as it uses them: each sequence once, copies of test sequences left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sortilin import registry
from sortilin.errors import ConfigError
from sortilin.experiment import data
from sortilin.experiment.config import Copies, ExperimentConfig
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import OnProgress
from sortilin.sequences import copies


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows of the data that are not learned from.

    Attributes:
        n_copies: Rows that are copies or near copies of test sequences; None where none were looked for.
        n_contradictions: Sequences to which two datasets give classes that contradict each other.
    """

    n_copies: int | None = None
    n_contradictions: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """What an experiment learns from and is tested on.

    Attributes:
        training: Each sequence once.
        n_repeats: Rows of sequences that stood there more than once, and were left out.
        left_out: What else was.
        tests: Test sets, as published.
    """

    training: LabelledSet
    n_repeats: int
    left_out: LeftOut
    tests: tuple[LabelledSet, ...]


def load(config: ExperimentConfig, on_progress: OnProgress | None = None) -> Loaded:
    """Read, check and clean the data of an experiment.

    Raises:
        ConfigError: Copies are to be left out where there is no test set, or of a dataset that is not
            among the data.
        SortilinError: The data cannot be had, or cannot be measured.
    """
    labelled, own_test = data.load_parts(
        config.task, config.data, labels=config.labels, on_progress=on_progress
    )
    tests = [own_test] if own_test else []
    tests += [
        data.load(
            config.task, [source], labels=config.labels, classes=labelled.classes, on_progress=on_progress
        )
        for source in config.tests
    ]
    n_copies = None
    if config.leave_out_copies is not None:
        labelled, n_copies = without_copies(labelled, tests, config.leave_out_copies, on_progress)
    gives_way = getattr(registry.get("task", config.task), "gives_way", {})
    labelled, n_repeats, n_contradictions = labelled.merged(gives_way)
    data.check_trainable(labelled, config.folds, config.holdout)
    return Loaded(labelled, n_repeats, LeftOut(n_copies, n_contradictions), tuple(tests))


def without_copies(
    labelled: LabelledSet,
    tests: Sequence[LabelledSet],
    asked: Copies,
    on_progress: OnProgress | None = None,
) -> tuple[LabelledSet, int]:
    """The rows that are no copies or near copies of test sequences, and how many were.

    A sequence that stands in two datasets, of which one is not compared, loses one of its two rows.

    Raises:
        ConfigError: There is no test set, or a dataset is not among the data.
        MissingDependencyError: PyOpal is not installed.
    """
    if not tests:
        raise ConfigError("leave_out_copies: there is no test set whose copies could be left out; give tests")
    present = sorted(frozenset().union(*labelled.stands_in))
    for name in asked.of:
        if name not in present:
            raise ConfigError(
                f"leave_out_copies.of: '{name}' is none of the datasets trained on; choose from: "
                f"{', '.join(present) or 'none, since the data are files'}"
            )
    compared = np.ones(len(labelled), dtype=bool)
    if asked.of:
        compared = np.array([not names.isdisjoint(asked.of) for names in labelled.stands_in])
    rows = np.flatnonzero(compared)
    is_copy = copies.are_copies(
        [labelled.sequences[row] for row in rows],
        [sequence for test in tests for sequence in test.sequences],
        min_identity=asked.identity,
        on_progress=on_progress,
    )
    keep = np.ones(len(labelled), dtype=bool)
    keep[rows[is_copy]] = False
    return labelled.taken(keep, labelled.name), int(is_copy.sum())
