"""Entries → cleaned records, under one policy for faulty ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

from sortilin.errors import (
    DuplicateIdError,
    FormatError,
    InputError,
    LabelError,
    NoRecordsError,
    NucleotideError,
    ResidueError,
    UnknownNameError,
    escape_controls,
)
from sortilin.sequences.entries import Entry, Origin
from sortilin.sequences.labels import Chooser, Labeller
from sortilin.sequences.nucleotides import MIN_LETTERS_IN_FILE, MIN_LETTERS_IN_RECORD, nucleotide_kind
from sortilin.sequences.record import ReadReport, SequenceRecord, Skipped, counted
from sortilin.sequences.residues import clean
from sortilin.sequences.seen_ids import SeenIds

OnError = Literal["fail", "skip"]
ON_ERROR: tuple[OnError, ...] = ("fail", "skip")
"""What becomes of a faulty record: "fail" raises, "skip" leaves it out and reports it."""

N_FIRST = 100
"""DNA and label habits are told by this many first records."""

DUPLICATE_ID = "has the id of record {}; ids must differ"
"""What is wrong with a record whose id an earlier one has, by its number."""

_RECORD_FAULTS = (ResidueError, NucleotideError, DuplicateIdError, FormatError)
_MAX_ID_SHOWN = 60


def check_on_error(on_error: str) -> None:
    """Raises UnknownNameError unless it is one of `ON_ERROR`."""
    if on_error not in ON_ERROR:
        raise UnknownNameError("on_error", on_error, ON_ERROR)


@dataclass(slots=True)
class Policy:
    """What happens to the records of one source.

    Attributes:
        origin: The source, for messages.
        on_error: What becomes of a faulty record.
        report: Filled with what was changed and left out.
        id_of: Number of a record without an id → the id that it is given.
        is_whole: Whether the entries are a whole file, whose beginning shows whether it is DNA.
        n_read: Records read so far.
        first_skipped: The first record that was left out.
    """

    origin: Origin
    on_error: OnError
    report: ReadReport
    id_of: Callable[[int], str] = "seq{}".format
    is_whole: bool = True
    n_read: int = 0
    first_skipped: Skipped | None = None

    def records(self, entries: Iterator[Entry], seen: SeenIds, choose: Chooser) -> Iterator[SequenceRecord]:
        """The records that can be used, in order.

        Raises:
            InputError: A record is faulty and `on_error` is "fail"; none can be used; it is DNA.
        """
        first = list(islice(entries, N_FIRST))
        if self.is_whole:
            check_not_nucleotides(first, self.origin)
        label_of = choose(first, self.origin)
        n_kept = 0
        for entry in chain(first, entries):
            self.n_read += 1
            self.report.n_records += 1
            if not entry.id and self.report.on_unnamed is not None:
                self.report.on_unnamed(self.n_read)
            try:
                record = _record(entry, self.n_read, self.id_of(self.n_read), seen, label_of)
            except _RECORD_FAULTS as fault:
                self._leave_out(entry, fault)
                continue
            except LabelError as fault:
                raise self._placed(fault, entry) from None
            n_kept += 1
            self.report.n_unnamed += entry.id == ""
            self.report.keep(record)
            yield record
        if not n_kept:
            raise self._nothing_kept()

    def _leave_out(self, entry: Entry, fault: InputError) -> None:
        if self.on_error == "fail":
            raise self._placed(fault, entry) from None
        shown_id, reason = map(escape_controls, (entry.id or self.id_of(self.n_read), str(fault)))
        skipped = Skipped(self.n_read, shown_id, reason, self.origin.name)
        self.first_skipped = self.first_skipped or skipped
        self.report.skip(skipped)

    def _placed(self, fault: InputError, entry: Entry) -> InputError:
        message, number = str(fault), self.n_read
        joint = ", " if message.startswith(("position", "line")) else " "
        shown = _shortened(entry.id or self.id_of(number))
        return type(fault)(
            escape_controls(f'{self.origin.name}, record {number} ("{shown}"){joint}{message}')
        )

    def _nothing_kept(self) -> InputError:
        skipped = self.first_skipped
        if skipped is None:
            return NoRecordsError(f"{self.origin.name} holds no records")
        return InputError(
            f"{self.origin.name}: none of its {counted(self.n_read, 'record')} can be used; "
            f'record {skipped.record} ("{_shortened(skipped.id)}"): {skipped.reason}'
        )


def _record(entry: Entry, number: int, own_id: str, seen: SeenIds, label_of: Labeller) -> SequenceRecord:
    if entry.fault:
        raise FormatError(entry.fault)
    if len(entry.raw) >= MIN_LETTERS_IN_RECORD:
        kind = nucleotide_kind([entry.raw], min_letters=MIN_LETTERS_IN_RECORD)
        if kind is not None:
            raise NucleotideError(f"looks like {kind}; translate it first")
    sequence, flags = clean(entry.raw)
    record_id = entry.id or own_id
    earlier = seen.add(record_id, number)
    if earlier is not None:
        raise DuplicateIdError(DUPLICATE_ID.format(earlier))
    label, split = label_of(entry)
    if entry.flags:
        flags = _joined(entry.flags, flags)
    return SequenceRecord(record_id, sequence, entry.description, label, split, flags)


def _joined(brought: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    """A record that is read again keeps its flags; the X that it still holds are not counted twice."""
    known = {flag.rpartition(":")[0] for flag in brought}
    return (*brought, *(flag for flag in new if flag.rpartition(":")[0] not in known))


def _shortened(record_id: str) -> str:
    """A sequence that slipped into its header would make an id of thousands of letters."""
    return record_id if len(record_id) <= _MAX_ID_SHOWN else record_id[: _MAX_ID_SHOWN - 3] + "..."


def check_not_nucleotides(first: list[Entry], origin: Origin) -> None:
    """Raises NucleotideError if the first entries of a file are DNA or RNA."""
    kind = nucleotide_kind((entry.raw for entry in first), min_letters=MIN_LETTERS_IN_FILE)
    if kind is not None:
        which = "record" if len(first) == 1 else f"{len(first)} records"
        raise NucleotideError(
            f"{origin.name} looks like {kind}: all letters of its first {which} are nucleotides; "
            "sortilin reads proteins, so translate it first"
        )
