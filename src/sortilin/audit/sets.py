"""The sets that are compared: sequences with their labels, as read or as a model learns from them.

Axis letters: N sequences.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sortilin.interfaces import IntArray
from sortilin.sequences import SequenceRecord


class Labelled(Protocol):
    """Sequences with class indices, such as those of an experiment."""

    @property
    def name(self) -> str:
        """Where they came from."""
        ...

    @property
    def sequences(self) -> tuple[str, ...]:
        """N cleaned sequences."""
        ...

    @property
    def y(self) -> IntArray:
        """(N,) index of each label."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        ...


@dataclass(frozen=True, slots=True)
class AuditedSet:
    """One split: the training set or a test set.

    Attributes:
        name: What it is called in the report.
        sequences: N cleaned sequences.
        labels: N labels; None where none are known.
        ids: N ids; by place ("1", "2", ...) where none are given.
    """

    name: str
    sequences: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sequences)

    @classmethod
    def of(cls, labelled: Labelled) -> AuditedSet:
        """From sequences with class indices."""
        labels = tuple(labelled.classes[c] for c in labelled.y.tolist())
        return cls(labelled.name, tuple(labelled.sequences), labels)

    @classmethod
    def of_records(cls, name: str, records: Sequence[SequenceRecord]) -> AuditedSet:
        """From records as read; labels count only if each record has one."""
        labels = tuple(record.label for record in records if record.label is not None)
        return cls(
            name,
            tuple(record.sequence for record in records),
            labels if records and len(labels) == len(records) else None,
            tuple(record.id for record in records),
        )

    def id_of(self, row: int) -> str:
        """Id of a row."""
        return self.ids[row] if self.ids else str(row + 1)

    def label_of(self, row: int) -> str | None:
        """Label of a row; None where none are known."""
        return None if self.labels is None else self.labels[row]

    @property
    def class_counts(self) -> dict[str, int]:
        """Label → rows, by name; empty where none are known."""
        return dict(sorted(Counter(self.labels or ()).items()))
