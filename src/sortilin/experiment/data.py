"""Labelled sequences as arrays. Axis letters: N sequences, C classes."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sortilin import datasets, registry
from sortilin.errors import ConfigError, LabelError
from sortilin.interfaces import IntArray, OnProgress
from sortilin.results import SEVERAL
from sortilin.sequences import SequenceRecord, read_labelled
from sortilin.sequences import organism as organisms_of
from sortilin.sequences.organism import organism
from sortilin.tasks._labels import classes_of, resolve

TEST_SPLIT, TRAIN_SPLIT = "test", "train"
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
        organisms: The organism that each sequence's header names, empty where it names none; no entry at
            all where that is not known of the source.
        stands_in: The datasets that each sequence stands in; no entry at all where it comes from files.
        marks: The split that the source gives each sequence ("train", "val", "fold-1", ...), empty where it
            gives none; no entry at all where it gives none to any.
    """

    name: str
    sequences: tuple[str, ...]
    y: IntArray
    classes: tuple[str, ...]
    citation: str = ""
    organisms: tuple[str, ...] = ()
    stands_in: tuple[frozenset[str], ...] = ()
    marks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Class → number of sequences."""
        counts = np.bincount(self.y, minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    @cached_property
    def organism_counts(self) -> dict[str, int]:
        """Organism → number of sequences, the most frequent first; those without one are not counted."""
        return organisms_of.counts(self.organisms)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sequences and labels in order: equal data, equal fingerprint."""
        lines = (f"{s}\t{self.classes[c]}\n" for s, c in zip(self.sequences, self.y, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def taken(self, keep: Any, name: str) -> LabelledSet:
        """The part that an index array or mask selects, under another name."""
        rows = np.arange(len(self))[keep]
        return LabelledSet(
            name,
            tuple(self.sequences[i] for i in rows),
            self.y[rows],
            self.classes,
            self.citation,
            tuple(self.organisms[i] for i in rows) if self.organisms else (),
            tuple(self.stands_in[i] for i in rows) if self.stands_in else (),
            tuple(self.marks[i] for i in rows) if self.marks else (),
        )

    def distinct(self) -> tuple[LabelledSet, int]:
        """The set with each sequence once, and how many rows that took out.

        A repeat in another fold would be scored by a model that has seen it. What two datasets contradict
        each other on is taken out as well.

        Raises:
            LabelError: A sequence stands with two classes in one dataset, or in files.
        """
        merged, _, _ = self.merged({})
        return merged, len(self) - len(merged)

    def merged(self, gives_way: Mapping[str, str]) -> tuple[LabelledSet, int, int]:
        """The set with each sequence once, how many repeats that took out, and how many contradictions.

        A sequence that two datasets hold stands in both. If they give it different classes, of which one
        gives way to the other, it gets the latter; if none does, the datasets contradict each other, and
        the sequence is left out.

        Args:
            gives_way: Class → the class that it gives way to.

        Raises:
            LabelError: A sequence stands with two classes in one dataset, or in files.
        """
        rows_of: dict[str, list[int]] = {}
        for row, sequence in enumerate(self.sequences):
            rows_of.setdefault(sequence, []).append(row)
        if len(rows_of) == len(self):
            return self, 0, 0
        y, stands_in = self.y.copy(), list(self.stands_in)
        keep, n_repeats, n_contradictions = [], 0, 0
        for sequence, rows in rows_of.items():
            c = self._class_of(sequence, rows, gives_way) if len(rows) > 1 else int(y[rows[0]])
            if c is None:
                n_contradictions += 1
                continue
            keep.append(rows[0])
            n_repeats += len(rows) - 1
            y[rows[0]] = c
            if stands_in:
                stands_in[rows[0]] = frozenset().union(*(self.stands_in[row] for row in rows))
        whole = replace(self, y=y, stands_in=tuple(stands_in))
        return whole.taken(keep, self.name), n_repeats, n_contradictions

    def _class_of(self, sequence: str, rows: Sequence[int], gives_way: Mapping[str, str]) -> int | None:
        """The class of a sequence with several rows; None if datasets contradict each other."""
        by_dataset: dict[frozenset[str], int] = {}
        for row in rows:
            where = self.stands_in[row] if self.stands_in else frozenset[str]()
            c = int(self.y[row])
            if by_dataset.setdefault(where, c) != c:
                raise LabelError(
                    f"{self.name}: one sequence has two classes, '{self.classes[by_dataset[where]]}' and "
                    f"'{self.classes[c]}': {sequence[:40]}{'…' * (len(sequence) > 40)}; "
                    "keep one of them, or neither"
                )
        found = {self.classes[c] for c in by_dataset.values()}
        left = {name for name in found if gives_way.get(name) not in found}
        return self.classes.index(left.pop()) if len(left) == 1 else None


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
        sources: Datasets, or files; the task's own datasets where none is given.
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
    sources, records, citation = rows_of(task, sources, labels, on_progress)
    _check_one_class(records, classes or task.classes, is_model=classes is not None)
    classes = classes or task.classes or classes_of(row.record for row in records)
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
    sources, records, citation = rows_of(task, sources, labels, on_progress)
    _check_one_class(records, task.classes)
    classes = task.classes or classes_of(row.record for row in records)
    name = ", ".join(sources)
    rest, tests = without_tests(records, name)
    training = _labelled(name, rest, classes, task.aliases, citation)
    if not tests:
        return training, None
    if not training.marks:  # beside rows for testing, those without a mark are for training
        training = replace(training, marks=(TRAIN_SPLIT,) * len(training))
    return training, _labelled(f"{name}, rows marked as test", tests, classes, task.aliases, citation)


def without_tests(rows: Sequence[Row], name: str) -> tuple[list[Row], list[Row]]:
    """Rows for training, and those that are marked as test.

    Raises:
        LabelError: None is left for training.
    """
    tests = [row for row in rows if _is_test(row)]
    rest = [row for row in rows if not _is_test(row)]
    if not rest:
        raise LabelError(f"{name}: all {len(tests)} records are marked as test; none is left for training")
    return rest, tests


def _check_one_class(rows: Sequence[Row], classes: Sequence[str], *, is_model: bool = False) -> None:
    """Refuse labels that name several classes; `classes` are those known beforehand, if any."""
    for row in rows:
        label = row.record.label or ""
        if SEVERAL not in label or label in classes:
            continue
        remedy = (
            "the model gives one class to each sequence: train one of several with --multi-label"
            if is_model
            else "for several classes a sequence give `sortilin train --multi-label` (multi_label: true in a "
            "configuration), or write one class"
        )
        raise LabelError(f"record '{row.record.id}' has the label '{label}', which names several; {remedy}")


def _is_test(row: Row) -> bool:
    return (row.record.split or "").startswith(TEST_SPLIT)


def _labelled(
    name: str, records: Sequence[Row], classes: tuple[str, ...], aliases: Any, citation: str
) -> LabelledSet:
    y = np.array([_class_index(classes, aliases, row.record) for row in records], dtype=np.int64)
    organisms = tuple(organism(row.record.description) for row in records)
    stands_in = tuple(frozenset({row.dataset}) for row in records if row.dataset)
    sequences = tuple(row.record.sequence for row in records)
    marks = tuple(row.record.split or "" for row in records)
    return LabelledSet(
        name, sequences, y, classes, citation, organisms, stands_in, marks if any(marks) else ()
    )


def _given_or_default(task: Any, sources: Sequence[str]) -> tuple[str, ...]:
    own = (task.dataset, *getattr(task, "more_datasets", ()))
    chosen = tuple(sources) or tuple(_default_source(name) for name in own if name is not None)
    if not chosen:
        raise ConfigError(f"task '{task.name}' has no data of its own: give labelled files with --data")
    return chosen


def _default_source(dataset: str) -> str:
    """A task's own dataset; of one with published splits only what is for training."""
    return f"{dataset}:train" if "train" in datasets.get(dataset).splits else dataset


def is_dataset(source: str) -> bool:
    """Whether a source names a registered dataset rather than a file; an existing file wins."""
    return not Path(source).exists() and source.partition(":")[0] in datasets.names()


class Row(NamedTuple):
    """A record, where it comes from as given, and the dataset that it stands in; None for a file."""

    record: SequenceRecord
    source: str
    dataset: str | None


def rows_of(
    task: Any, sources: Sequence[str], labels: str, on_progress: OnProgress | None
) -> tuple[tuple[str, ...], list[Row], str]:
    """The sources, or a task's own datasets where none is given; their records; and what to cite.

    Raises:
        ConfigError, LabelError, DatasetError, InputError: As `load` raises them.
    """
    chosen = _given_or_default(task, sources)
    return chosen, *_records(chosen, labels, on_progress)


def _records(sources: Sequence[str], labels: str, on_progress: OnProgress | None) -> tuple[list[Row], str]:
    if not any(is_dataset(source) for source in sources):
        where = ", ".join(sources)
        return [Row(record, where, None) for record in read_labelled(list(sources), labels=labels)], ""
    if not all(is_dataset(source) for source in sources):
        raise ConfigError(f"datasets or files, not both; found {', '.join(sources)}")
    rows, citations = [], []
    for source in sources:
        name, _, split = source.partition(":")
        records = datasets.load(name, split or None, on_progress=on_progress)
        rows += [Row(record, source, name) for record in records]
        citations.append(datasets.get(name).citation)
    return rows, "; ".join(dict.fromkeys(citations))


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
