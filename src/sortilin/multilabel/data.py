"""Labelled sequences of which each may have several classes. Axis letters: N sequences, C classes."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sortilin import registry
from sortilin.errors import LabelError
from sortilin.experiment import data
from sortilin.experiment.data import Row
from sortilin.interfaces import IntArray, OnProgress
from sortilin.results import SEVERAL
from sortilin.sequences import SequenceRecord
from sortilin.sequences import organism as organisms_of
from sortilin.sequences.organism import organism
from sortilin.tasks._labels import classes_of, resolve


@dataclass(frozen=True)
class MultiLabelledSet:
    """Sequences with one or more classes each.

    Attributes:
        name: Where it came from, as given.
        sequences: N cleaned sequences.
        y: (N, C), 1 where a sequence has a class; each row has one at least.
        classes: Class names.
        citation: What to cite for it.
        organisms: The organism that each sequence's header names, empty where it names none.
    """

    name: str
    sequences: tuple[str, ...]
    y: IntArray
    classes: tuple[str, ...]
    citation: str = ""
    organisms: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    @cached_property
    def class_counts(self) -> dict[str, int]:
        """Class → number of sequences that have it, alone or with others."""
        return dict(zip(self.classes, self.y.sum(axis=0).tolist(), strict=True))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The label of each sequence: its classes in their order, joined by "|"."""
        return tuple(SEVERAL.join(self.classes[c] for c in np.flatnonzero(row)) for row in self.y)

    @cached_property
    def label_counts(self) -> dict[str, int]:
        """Label → number of sequences, the most frequent first."""
        return dict(sorted(Counter(self.labels).items(), key=lambda item: (-item[1], item[0])))

    @cached_property
    def n_several(self) -> int:
        """How many sequences have more than one class."""
        return int((self.y.sum(axis=1) > 1).sum())

    @cached_property
    def organism_counts(self) -> dict[str, int]:
        """Organism → number of sequences, the most frequent first; those without one are not counted."""
        return organisms_of.counts(self.organisms)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over sequences and labels in order: equal data, equal fingerprint."""
        lines = (f"{s}\t{label}\n" for s, label in zip(self.sequences, self.labels, strict=True))
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def taken(self, keep: IntArray) -> MultiLabelledSet:
        """The rows of these numbers."""
        return replace(
            self,
            sequences=tuple(self.sequences[i] for i in keep),
            y=self.y[keep],
            organisms=tuple(self.organisms[i] for i in keep) if self.organisms else (),
        )

    def joined(self) -> tuple[MultiLabelledSet, int, int]:
        """The set with each sequence once, with the classes of all its rows.

        Returns:
            The set, how many rows that took out, and how many sequences have classes of several rows.
        """
        first: dict[str, int] = {}
        y, with_more = self.y.copy(), set()
        for row, sequence in enumerate(self.sequences):
            at = first.setdefault(sequence, row)
            if (self.y[row] != y[at]).any():
                y[at] |= self.y[row]
                with_more.add(at)
        keep = np.array(list(first.values()), dtype=np.int64)
        return replace(self, y=y).taken(keep), len(self) - len(keep), len(with_more)


def load(
    task_name: str,
    sources: Sequence[str],
    *,
    labels: str = "auto",
    classes: tuple[str, ...] | None = None,
    on_progress: OnProgress | None = None,
) -> MultiLabelledSet:
    """Labelled data of a task; see `experiment.data.load`.

    Raises:
        LabelError: A label is missing, names a class twice, has an empty part, or is no class of the task.
        ConfigError, DatasetError, InputError: As `experiment.data.load` raises them.
    """
    task = registry.get("task", task_name)
    sources, rows, citation = data.rows_of(task, sources, labels, on_progress)
    classes = classes or task.classes or classes_of(_one_class_each(row.record for row in rows))
    return _labelled(", ".join(sources), rows, classes, task.aliases, citation)


def load_parts(
    task_name: str,
    sources: Sequence[str],
    *,
    labels: str = "auto",
    on_progress: OnProgress | None = None,
) -> tuple[MultiLabelledSet, MultiLabelledSet | None]:
    """What of the data is for training, and what they themselves mark as test, if anything.

    Raises:
        LabelError: As `load` raises it, or every row is a test row.
        ConfigError, DatasetError, InputError: As `load` raises them.
    """
    task = registry.get("task", task_name)
    sources, rows, citation = data.rows_of(task, sources, labels, on_progress)
    classes = task.classes or classes_of(_one_class_each(row.record for row in rows))
    name = ", ".join(sources)
    rest, tests = data.without_tests(rows, name)
    training = _labelled(name, rest, classes, task.aliases, citation)
    if not tests:
        return training, None
    return training, _labelled(f"{name}, rows marked as test", tests, classes, task.aliases, citation)


def _one_class_each(records: Iterable[SequenceRecord]) -> Iterator[SequenceRecord]:
    """Each record as often as it has classes, with one of them."""
    for record in records:
        for name in _split(record):
            yield replace(record, label=name)


def _split(record: SequenceRecord) -> list[str]:
    """The classes of a record, as written."""
    if record.label is None:
        raise LabelError(f"record '{record.id}' has no label; training and evaluation need one for each")
    names = [name.strip() for name in record.label.split(SEVERAL)]
    if not all(names):
        raise LabelError(
            f"record '{record.id}': label '{record.label}' has an empty class; classes are joined by one "
            f"'{SEVERAL}', as in 'Nucleus{SEVERAL}Cytosol'"
        )
    return names


def _labelled(
    name: str, rows: Sequence[Row], classes: tuple[str, ...], aliases: Mapping[str, str], citation: str
) -> MultiLabelledSet:
    y = np.zeros((len(rows), len(classes)), dtype=np.int64)
    for place, row in enumerate(rows):
        for c in _class_indices(row.record, classes, aliases):
            y[place, c] = 1
    organisms = tuple(organism(row.record.description) for row in rows)
    return MultiLabelledSet(name, tuple(row.record.sequence for row in rows), y, classes, citation, organisms)


def _class_indices(record: SequenceRecord, classes: tuple[str, ...], aliases: Mapping[str, str]) -> list[int]:
    found: list[int] = []
    for written in _split(record):
        try:
            c = classes.index(resolve(classes, aliases, written))
        except LabelError as fault:
            raise LabelError(f"record '{record.id}', label '{record.label}': {fault}") from None
        if c in found:
            raise LabelError(
                f"record '{record.id}': label '{record.label}' names class '{classes[c]}' twice; "
                "once is enough"
            )
        found.append(c)
    return found


def check_trainable(labelled: MultiLabelledSet, n_folds: int) -> None:
    """Refuse data that cannot be measured, before long work starts.

    Raises:
        LabelError: A class has fewer sequences than folds, with or without it.
    """
    for name, n in labelled.class_counts.items():
        for count, which in ((n, "with"), (len(labelled) - n, "without")):
            if count < n_folds:
                raise LabelError(
                    f"class '{name}': {count} of the {len(labelled)} sequences of {labelled.name} are "
                    f"{which} it, fewer than the {n_folds} folds; add sequences, leave the class out, or use "
                    "fewer folds (at least 2)"
                )
