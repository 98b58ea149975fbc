"""Some of a file's records, in the file's own format: headers and cells stay as they are written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

from sortilin.errors import InputError, escape_controls
from sortilin.sequences.entries import Entry
from sortilin.sequences.fasta import fasta_entries
from sortilin.sequences.parsing import first_line, first_text, is_fasta
from sortilin.sequences.record import SequenceRecord, counted
from sortilin.sequences.source import (
    STANDARD_INPUT,
    Source,
    fault_types,
    file_fault,
    opened,
    rejoined,
    source_name,
)
from sortilin.sequences.table import table_layout, table_rows


def excerpt(source: Source, keep: Sequence[bool]) -> bytes:
    """The records of a file that are kept, uncompressed, in UTF-8.

    FASTA keeps headers, and each sequence as written but on one line; a table keeps its columns and its
    header line. Comments and blank lines are left out.

    Args:
        source: A path; standard input cannot be read again.
        keep: Whether each record is kept, in the order of the file.

    Raises:
        InputError: It is standard input, cannot be opened, or does not hold that many records (any more).
        FormatError: It is neither FASTA nor a table, or damaged.
    """
    if source == STANDARD_INPUT:
        raise InputError("standard input cannot be read twice; write it to a file first")
    name = escape_controls(source_name(source)[0])
    with opened(source, name) as stream:
        try:
            head, texts = _texts(stream, name)
            written = list(texts)
        except fault_types() as error:
            raise file_fault(name, error, 0) from error
    if len(written) != len(keep):
        raise InputError(
            f"{name} has changed since it was read: {counted(len(written), 'record')} now, {len(keep)} before"
        )
    return "".join([head, *compress(written, keep)]).encode()


def as_fasta(records: Iterable[SequenceRecord]) -> bytes:
    """Records as FASTA, with `TARGET=label` and `SET=split` in the header where they are known."""
    return "".join(_fasta(record) for record in records).encode()


def _fasta(record: SequenceRecord) -> str:
    target = f" TARGET={'_'.join(record.label.split())}" if record.label else ""
    split = f" SET={record.split}" if record.split else ""
    return f">{record.id}{target}{split}\n{record.sequence}\n"


def _texts(stream: io.BufferedReader, name: str) -> tuple[str, Iterator[str]]:
    """What stands above the records, and each record as text."""
    line, number = first_line(stream, name)
    whole = rejoined(line, stream)
    if is_fasta(line):
        return "", (_as_written(entry) for entry in fasta_entries(whole, name, first_line=number))
    first = first_text(line)
    layout = table_layout(first, name)
    if layout is None:
        raise InputError(f"{name} has changed since it was read: it is neither FASTA nor a table")
    rows = (_row(cells, layout.delimiter) for cells, _ in table_rows(whole, layout))
    return f"{first}\n" if layout.has_header else "", rows


def _as_written(entry: Entry) -> str:
    return f">{entry.header}\n{entry.raw}\n"


def _row(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerow(cells)
    return text.getvalue()
