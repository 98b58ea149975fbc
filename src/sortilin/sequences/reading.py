"""Sources → cleaned records, one at a time, under one policy for faulty records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sortilin.errors import InputError, escape_controls
from sortilin.sequences.entries import Entry, Origin
from sortilin.sequences.labels import Chooser, as_given, chooser
from sortilin.sequences.parsing import parsed
from sortilin.sequences.policy import OnError, Policy, check_on_error
from sortilin.sequences.record import ReadReport, SequenceRecord
from sortilin.sequences.seen_ids import MAX_IDS_IN_MEMORY, SeenIds
from sortilin.sequences.source import Source


def read_sequences(
    source: Source,
    *,
    on_error: OnError = "fail",
    labels: str = "none",
    report: ReadReport | None = None,
    name: str | None = None,
    max_ids_in_memory: int = MAX_IDS_IN_MEMORY,
) -> Iterator[SequenceRecord]:
    """The records of a FASTA file or table, cleaned, one at a time and in order.

    The file is opened when the first record is drawn, and closed after the last or when the iterator
    is closed. Compression (gzip, bzip2, xz, Zstandard) and format are told by content. Memory does
    not grow with the number of records.

    Args:
        source: A path, "-" for standard input, or a binary stream (which stays open).
        on_error: What becomes of a record with a faulty sequence, no residues, DNA, an id that an
            earlier record has, or too many cells: "fail" raises, "skip" leaves it out.
        labels: Where labels stand, one of `LABEL_HABITS`.
        report: Filled with what was changed and left out.
        name: What messages call the source; its path by default.
        max_ids_in_memory: Ids held in memory to find duplicates; more of them are held on disk.

    Yields:
        Records; with labels "none", label and split are None.

    Raises:
        InputError: The file cannot be opened, or all of its records were left out.
        FormatError: It is neither FASTA nor a table, is empty, cut short, damaged or not UTF-8.
        NucleotideError: It holds DNA or RNA.
        LabelError: A record has no label where one is asked for.
        ResidueError, DuplicateIdError: A record is faulty and `on_error` is "fail".
        UnknownNameError: `on_error` or `labels` is not one of the choices.
    """
    yield from read_with(
        source,
        choose=chooser(labels),
        on_error=on_error,
        report=ReadReport() if report is None else report,
        name=name,
        max_ids_in_memory=max_ids_in_memory,
    )


def read_with(
    source: Source,
    *,
    choose: Chooser,
    on_error: OnError,
    report: ReadReport,
    name: str | None = None,
    max_ids_in_memory: int = MAX_IDS_IN_MEMORY,
) -> Iterator[SequenceRecord]:
    """`read_sequences`, with any way to choose labels."""
    check_on_error(on_error)
    with parsed(source, name) as (origin, entries), SeenIds(max_ids_in_memory) as seen:
        yield from Policy(origin, on_error, report).records(entries, seen, choose)


def records_from_strings(
    sequences: Iterable[str | SequenceRecord],
    *,
    on_error: OnError = "fail",
    report: ReadReport | None = None,
    name: str = "input",
) -> Iterator[SequenceRecord]:
    """Sequences in memory as records, under the same policy as a file.

    Args:
        sequences: Strings, which get the ids "seq1", "seq2", ... by their place, or records, which
            keep all they have; their sequences are cleaned (again).
        on_error: What becomes of a faulty record: "fail" raises, "skip" leaves it out.
        report: Filled with what was changed and left out.
        name: What messages call them.

    Raises:
        InputError: There is no sequence, or all were left out.
        NucleotideError: They are DNA or RNA.
        ResidueError, DuplicateIdError, FormatError: One is faulty and `on_error` is "fail".
        UnknownNameError: `on_error` is not one of the choices.
    """
    if isinstance(sequences, str):
        raise InputError("sequences must be a list of strings, got one string; write [sequence]")
    report = ReadReport() if report is None else report
    yield from records_of_entries(map(_entry_of, sequences), on_error=on_error, report=report, name=name)


def records_of_entries(
    entries: Iterator[Entry],
    *,
    on_error: OnError,
    report: ReadReport,
    name: str,
    id_of: Callable[[int], str] = "seq{}".format,
    is_whole: bool = True,
) -> Iterator[SequenceRecord]:
    """Entries from anywhere as records, under the same policy as those of a file.

    Args:
        entries: Records as written.
        on_error: What becomes of a faulty record.
        report: Filled with what was changed and left out.
        name: What messages call their source.
        id_of: Number of a record without an id → the id that it is given.
        is_whole: Whether they are a whole file, whose beginning shows whether it is DNA.

    Raises:
        InputError: There is no entry, or all were left out.
        NucleotideError: They are DNA or RNA.
        ResidueError, DuplicateIdError, FormatError: One is faulty and `on_error` is "fail".
        UnknownNameError: `on_error` is not one of the choices.
    """
    check_on_error(on_error)
    policy = Policy(Origin(escape_controls(name)), on_error, report, id_of, is_whole)
    with SeenIds() as seen:
        yield from policy.records(entries, seen, lambda _first, _origin: as_given)


def _entry_of(sequence: str | SequenceRecord) -> Entry:
    if isinstance(sequence, SequenceRecord):
        record = sequence
        return Entry(
            record.id, record.description, record.sequence, record.label, record.split, flags=record.flags
        )
    if isinstance(sequence, str):
        return Entry(None, "", sequence)
    return Entry(None, "", "", fault=f"is {sequence!r}; expected a string or a record")
