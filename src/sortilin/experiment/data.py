"""Labelled sequences as arrays. Axis letters: N sequences, C classes."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sortilin import datasets, registry
from sortilin.errors import ConfigError, LabelError
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import SequenceRecord, read_labelled
from sortilin.tasks._labels import classes_of, resolve

TEST_SPLIT = "test"
"""Rows of a split whose name begins so are scored, never trained on."""


@dataclass(frozen=True)
class LabelledSet:
    """Sequences with class indices.

    Attributes:
        name: Where it came from, as given.
        sequences: N cleaned sequences.
        y: (N,) index of each label in `classes`.
        classes: Class names.
        citation: What to cite for it.
    """

    name: str
    sequences: tuple[str, ...]
    y: IntArray
    classes: tuple[str, ...]
    citation: str = ""

    def __len__(self) -> int:
        return len(self.sequences)

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Class → number of sequences."""
        counts = np.bincount(self.y, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sequences and labels in order: equal data, equal fingerprint."""
        lines = (f"{s}\t{self.classes[c]}\n" for s, c in zip(self.sequences, self.y, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def taken(self, keep: Any, name: str) -> LabelledSet:
        """The part that an index array or mask selects, under another name."""
        rows = np.arange(len(self))[keep]
        return LabelledSet(
            name, tuple(self.sequences[i] for i in rows), self.y[rows], self.classes, self.citation
        )

    def distinct(self) -> tuple[LabelledSet, int]:
        """The set with each sequence once, and how many repeats were taken out.

        A repeat in another fold would be scored by a model that has seen it.

        Raises:
            LabelError: A sequence stands there with two classes.
        """
        first: dict[str, int] = {}
        for row, sequence in enumerate(self.sequences):
            earlier = first.setdefault(sequence, row)
            if self.y[earlier] != self.y[row]:
                raise LabelError(
                    f"{self.name}: one sequence has two classes, '{self.classes[self.y[earlier]]}' and "
                    f"'{self.classes[self.y[row]]}': {sequence[:40]}{'…' * (len(sequence) > 40)}; "
                    "keep one of them, or neither"
                )
        n_repeats = len(self) - len(first)
        return (self.taken(list(first.values()), self.name), n_repeats) if n_repeats else (self, 0)


def load(
    task_name: str,
    sources: Sequence[str],
    *,
    labels: str = "auto",
    classes: tuple[str, ...] | None = None,
    on_progress: OnProgress | None = None,
) -> LabelledSet:
    """Labelled data of a task from a dataset (`name`, `name:split`) or from files.

    Args:
        task_name: Registered task.
        sources: One dataset, or files; the task's own dataset where none is given.
        labels: How labels are read from files.
        classes: The classes of a trained model, of which a test set may hold only some; by default
            those of the task or, where it has none, of the data.
        on_progress: Called while a dataset is downloaded.

    Raises:
        ConfigError: The task needs data and none is given.
        LabelError: A label is missing or no class of the task.
        DatasetError: The dataset cannot be had.
        InputError: A file cannot be read.
    """
    task = registry.get("task", task_name)
    sources = _given_or_default(task_name, task.dataset, sources)
    records, citation = _records(sources, labels, on_progress)
    classes = classes or task.classes or classes_of(records)
    return _labelled(", ".join(sources), records, classes, task.aliases, citation)


def load_parts(
    task_name: str,
    sources: Sequence[str],
    *,
    labels: str = "auto",
    on_progress: OnProgress | None = None,
) -> tuple[LabelledSet, LabelledSet | None]:
    """What of the data is for training, and what they themselves mark as test, if anything.

    Test rows are those of a split whose name begins with "test" (`SET=test`, DeepLoc's `test`, a
    column `set`, a dataset's own splits); all others, validation rows too, are for training.

    Raises:
        ConfigError, LabelError, DatasetError, InputError: As `load` raises them; LabelError also where
            every row is a test row.
    """
    task = registry.get("task", task_name)
    sources = _given_or_default(task_name, task.dataset, sources)
    records, citation = _records(sources, labels, on_progress)
    classes = task.classes or classes_of(records)
    name = ", ".join(sources)
    tests = [r for r in records if (r.split or "").startswith(TEST_SPLIT)]
    rest = [r for r in records if not (r.split or "").startswith(TEST_SPLIT)]
    if not rest:
        raise LabelError(f"{name}: all {len(tests)} records are marked as test; none is left for training")
    training = _labelled(name, rest, classes, task.aliases, citation)
    if not tests:
        return training, None
    return training, _labelled(f"{name}, rows marked as test", tests, classes, task.aliases, citation)


def _labelled(
    name: str, records: Sequence[SequenceRecord], classes: tuple[str, ...], aliases: Any, citation: str
) -> LabelledSet:
    y = np.array([_class_index(classes, aliases, record) for record in records], dtype=np.int64)
    return LabelledSet(name, tuple(r.sequence for r in records), y, classes, citation)


def _given_or_default(task_name: str, dataset: str | None, sources: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(sources) or _default_source(dataset)
    if not chosen:
        raise ConfigError(f"task '{task_name}' has no data of its own: give labelled files with --data")
    return chosen


def _default_source(dataset: str | None) -> tuple[str, ...]:
    """The task's own dataset; of one with published splits only what is for training."""
    if dataset is None:
        return ()
    return (f"{dataset}:train",) if "train" in datasets.get(dataset).splits else (dataset,)


def is_dataset(source: str) -> bool:
    """Whether a source names a registered dataset rather than a file; an existing file wins."""
    return not Path(source).exists() and source.partition(":")[0] in datasets.names()


def _records(
    sources: Sequence[str], labels: str, on_progress: OnProgress | None
) -> tuple[list[SequenceRecord], str]:
    if not is_dataset(sources[0]):
        return read_labelled(list(sources), labels=labels), ""
    if len(sources) > 1:
        raise ConfigError(f"one dataset or files, not both; found {', '.join(sources)}")
    name, _, split = sources[0].partition(":")
    return datasets.load(name, split or None, on_progress=on_progress), datasets.get(name).citation


def _class_index(classes: tuple[str, ...], aliases: Any, record: SequenceRecord) -> int:
    if record.label is None:
        raise LabelError(f"record '{record.id}' has no label; training and evaluation need one for each")
    try:
        return classes.index(resolve(classes, aliases, record.label))
    except LabelError as fault:
        raise LabelError(f"record '{record.id}': {fault}") from None


def check_trainable(data: LabelledSet, n_folds: int, holdout: float) -> None:
    """Refuse data that cannot be measured, before long work starts.

    Raises:
        LabelError: Fewer than two classes, a class with fewer members than folds, or a hold-out that
            leaves too few for training or holds fewer sequences than there are classes.
    """
    counts = Counter(data.class_counts)
    if len(+counts) < 2:
        present = ", ".join(name for name, n in counts.items() if n) or "none"
        raise LabelError(f"{data.name} holds one class only ({present}); training needs at least two")
    n_held_out = math.ceil(len(data) * holdout)
    for name, n in counts.items():
        n_left = n * (len(data) - n_held_out) // len(data)
        if n_left < n_folds:
            found = "" if n < n_folds else f", of which a hold-out of {holdout:.0%} leaves {n_left}"
            raise LabelError(
                f"class '{name}' has {n} sequences in {data.name}{found}, fewer than the {n_folds} folds; "
                "add sequences, leave the class out, or use fewer folds (at least 2)"
                + (" or a hold-out of 0" if found else "")
            )
    if 0 < n_held_out < len(counts):
        raise LabelError(
            f"a hold-out of {holdout:.0%} of {data.name} holds {n_held_out} sequences, fewer than the "
            f"{len(counts)} classes; use a larger one, or 0 for none"
        )
