"""What an audit finds, as frozen records.

Axis letters: N rows of a test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.audit.options import AuditOptions
from sortilin.audit.sets import AuditedSet
from sortilin.audit.shortcuts import Shortcut
from sortilin.interfaces import DoubleArray, IntArray


@dataclass(frozen=True, slots=True)
class Lengths:
    """Residues a sequence, over one set or class: quartiles and mean."""

    shortest: int
    quarter: float
    median: float
    three_quarters: float
    longest: int
    mean: float

    @classmethod
    def of(cls, sequences: Sequence[str]) -> Lengths:
        """Of one or more sequences."""
        lengths = np.array([len(sequence) for sequence in sequences])
        shortest, quarter, median, three, longest = np.percentile(lengths, [0, 25, 50, 75, 100]).tolist()
        return cls(int(shortest), quarter, median, three, int(longest), round(float(lengths.mean()), 1))


@dataclass(frozen=True, slots=True)
class Within:
    """What is found in one set by itself.

    Attributes:
        name: The set.
        n: Rows.
        n_different: Different sequences.
        n_near: Different sequences with a near copy in the same set; None where none were looked for.
        class_counts: Label → rows; empty where none are known.
        lengths: Of all rows.
        lengths_by_class: Of each label.
    """

    name: str
    n: int
    n_different: int
    n_near: int | None
    class_counts: Mapping[str, int]
    lengths: Lengths
    lengths_by_class: Mapping[str, Lengths]

    @property
    def n_repeats(self) -> int:
        """Rows whose sequence an earlier row of the set has."""
        return self.n - self.n_different


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a test set shares with another set.

    Attributes:
        test: The test set.
        other: The training set, or an earlier test set.
        is_training: Whether `other` is the training set.
        sequences: The test set's N sequences.
        identity: (N,) largest identity with a sequence of the other set: 1 for a copy; NaN below what was
            looked for.
        nearest: (N,) row of the other set that has it; -1 where there is none.
        is_copy: (N,) whether the other set holds the sequence, letter for letter.
        is_near: (N,) whether it holds it or a near copy.
        is_homologous: (N,) whether it holds it, a near copy or a homologue; None where none were looked for.
        homologue: (N,) row of the other set that is the nearest homologue; -1 where there is none.
        e_value: (N,) its E-value; NaN where there is none.
        n_other_label: Rows with a near copy of another label, copies left out.
    """

    test: str
    other: str
    is_training: bool
    sequences: tuple[str, ...]
    identity: DoubleArray
    nearest: IntArray
    is_copy: NDArray[np.bool_]
    is_near: NDArray[np.bool_]
    is_homologous: NDArray[np.bool_] | None
    homologue: IntArray
    e_value: DoubleArray
    n_other_label: int

    def __len__(self) -> int:
        return len(self.sequences)

    def n_different(self, rows: NDArray[np.bool_] | None = None) -> int:
        """Different sequences among some rows, or all."""
        chosen = np.ones(len(self), dtype=bool) if rows is None else rows
        return len({self.sequences[row] for row in np.flatnonzero(chosen).tolist()})

    @property
    def largest(self) -> float:
        """Largest identity of any row; NaN where none was found."""
        found = self.identity[~np.isnan(self.identity)]
        return float(found.max()) if len(found) else float("nan")


@dataclass(frozen=True, slots=True)
class Conflict:
    """A sequence that stands with different labels.

    Attributes:
        sequence: The sequence.
        places: Set, row and label of each row that holds it.
    """

    sequence: str
    places: tuple[tuple[str, int, str], ...]

    @property
    def is_within(self) -> bool:
        """Whether one set contradicts itself."""
        labels: dict[str, str] = {}
        return any(labels.setdefault(name, label) != label for name, _, label in self.places)

    @property
    def is_across(self) -> bool:
        """Whether a row of one set contradicts a row of another."""
        return any(a[0] != b[0] and a[2] != b[2] for a in self.places for b in self.places)


@dataclass(frozen=True, slots=True)
class AlikePair:
    """A row of a test set and what it leaks from.

    Attributes:
        test: The test set.
        row: Its row, from 0.
        other: The training set or an earlier test set.
        other_row: Its row.
        kind: "copy", "near copy" or "homologue".
        identity: Over the shorter one; NaN for a homologue found by E-value.
        e_value: NaN where sequences were compared without one.
    """

    test: str
    row: int
    other: str
    other_row: int
    kind: str
    identity: float
    e_value: float


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that an audit found.

    Attributes:
        options: What was looked for.
        sets: The training set, then the test sets.
        within: What is found in each of them.
        overlaps: Each test set with training, then each pair of test sets.
        conflicts: Sequences with different labels.
        pairs: Who leaks from whom: all copies and near copies, and of homologues the nearest.
        shortcuts: Models of length alone and of composition alone; empty where none were measured.
        aligner: What compared sequences, with versions.
        searched_by: What searched homologues, with versions; None where nothing did.
        notes: What was not looked for, and why.
    """

    options: AuditOptions
    sets: tuple[AuditedSet, ...]
    within: tuple[Within, ...]
    overlaps: tuple[Overlap, ...]
    conflicts: tuple[Conflict, ...]
    pairs: tuple[AlikePair, ...]
    shortcuts: tuple[Shortcut, ...]
    aligner: str
    searched_by: str | None
    notes: tuple[str, ...]

    @property
    def with_training(self) -> tuple[Overlap, ...]:
        """What each test set shares with the training set."""
        return tuple(overlap for overlap in self.overlaps if overlap.is_training)

    def reaches(self, limit: float) -> dict[str, int]:
        """Test set → rows whose identity with a training sequence reaches the limit; no entry without.

        The limit must not be below what was looked for.
        """
        counts = {overlap.test: int((overlap.identity >= limit).sum()) for overlap in self.with_training}
        return {name: n for name, n in counts.items() if n}

    def is_clean(self, test: str) -> NDArray[np.bool_]:
        """(N,) rows of a test set that are neither in training nor near copies of what is.

        Raises:
            KeyError: There is no such test set.
        """
        return {overlap.test: ~overlap.is_near for overlap in self.with_training}[test]

    def summary(self) -> list[str]:
        """What was found, in plain sentences, the gravest first."""
        from sortilin.audit import sentences

        return sentences.of(self)

    def as_dict(self) -> dict[str, Any]:
        """The same as plain values, as JSON has them."""
        from sortilin.audit import plain

        return plain.of(self)
