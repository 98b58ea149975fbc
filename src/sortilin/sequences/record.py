"""What reading gives: records, and a report of what was changed and left out."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

MAX_SKIPPED_IN_MEMORY = 1_000

CHANGES = {
    "U>C": "U (selenocysteine) read as C",
    "O>K": "O (pyrrolysine) read as K",
    "unknown": "B, J, X, Z (unknown) read as X",
    "gaps": "gaps removed",
    "stop": "final * removed",
}
"""Change, as in the flags of a record → what a warning calls it."""


@dataclass(frozen=True, slots=True)
class SequenceRecord:
    """One protein or peptide, cleaned.

    Attributes:
        id: The header up to the first whitespace, the table's id column, or "seq1", "seq2", ...
        sequence: Letters of the 20 residues and X, upper case, length >= 1.
        description: The rest of the header.
        label: The label as read; None if labels were not asked for.
        split: "train", "val", "test", a fold ("fold-1", ...), or None where the source says nothing.
        flags: What the residue policy changed, with the number of letters: "U>C:1", "unknown:3".
    """

    id: str
    sequence: str
    description: str = ""
    label: str | None = None
    split: str | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that was left out.

    Attributes:
        record: Its number in the source, from 1.
        id: Its id, control characters percent-escaped.
        reason: What is wrong with it.
        source: Name of the file it stands in.
    """

    record: int
    id: str
    reason: str
    source: str = ""


@dataclass(slots=True)
class ReadReport:
    """What reading changed and left out; filled while records are drawn, over one or more sources.

    Attributes:
        on_skip: Called with every record left out, also those that `skipped` no longer holds.
        on_unnamed: Called with the number of every record that was named by its place.
        n_records: Records seen.
        n_kept: Records given out.
        n_skipped: Records left out.
        n_unnamed: Records without an id, which were given one.
        n_renamed: Records whose id stands in an earlier file too, and got the file's name in front.
        changes: Change as in the flags ("U>C", "unknown") → letters changed, in the records kept.
        records_changed: Change → records that it affected.
        skipped: The first 1,000 records left out.
    """

    on_skip: Callable[[Skipped], None] | None = None
    on_unnamed: Callable[[int], None] | None = None
    n_records: int = 0
    n_kept: int = 0
    n_skipped: int = 0
    n_unnamed: int = 0
    n_renamed: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    records_changed: Counter[str] = field(default_factory=Counter)
    skipped: list[Skipped] = field(default_factory=list)

    def keep(self, record: SequenceRecord) -> None:
        """Count a record that is given out, with its changes."""
        self.n_kept += 1
        self.count_changes(record.flags)

    def count_changes(self, flags: Iterable[str]) -> None:
        """Count what the flags of a record say was changed."""
        for change, letters in _changes(flags):
            self.changes[change] += letters
            self.records_changed[change] += 1

    def skip(self, skipped: Skipped) -> None:
        """Count and list a record that is left out."""
        self.n_skipped += 1
        if len(self.skipped) < MAX_SKIPPED_IN_MEMORY:
            self.skipped.append(skipped)
        if self.on_skip is not None:
            self.on_skip(skipped)

    def take_back(self, record: SequenceRecord, skipped: Skipped) -> None:
        """Count a record as left out that was given out before and turned out to be of no use.

        Reading may be ahead: of the one source that this report is of, the list stays in order.
        """
        self.n_kept -= 1
        for change, letters in _changes(record.flags):
            self.changes[change] -= letters
            self.records_changed[change] -= 1
        self.changes, self.records_changed = +self.changes, +self.records_changed  # without zeros
        self.n_skipped += 1
        insort(self.skipped, skipped, key=lambda each: each.record)
        del self.skipped[MAX_SKIPPED_IN_MEMORY:]
        if self.on_skip is not None:
            self.on_skip(skipped)

    @property
    def warnings(self) -> list[str]:
        """One line for each kind of change, with its count; empty if all was read as written."""
        lines = [
            f"{text}: {self.changes[change]} in {counted(self.records_changed[change], 'record')}"
            for change, text in CHANGES.items()
            if self.changes[change]
        ]
        if self.n_unnamed:
            lines.append(f"no id, named seq<N> by place: {counted(self.n_unnamed, 'record')}")
        if self.n_renamed:
            lines.append(f"id in an earlier file too, named file:id: {counted(self.n_renamed, 'record')}")
        if self.n_skipped:
            lines.append(f"left out: {counted(self.n_skipped, 'record')} of {self.n_records}")
        return lines


def _changes(flags: Iterable[str]) -> Iterator[tuple[str, int]]:
    """What the residue policy changed, with the number of letters."""
    for flag in flags:
        change, _, letters = flag.rpartition(":")
        if change in CHANGES:
            yield change, int(letters)


def counted(n: int, noun: str) -> str:
    """A number with its noun: "1 record", "2 records"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
