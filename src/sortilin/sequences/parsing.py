"""Any source → entries: FASTA or a table, told apart by the first line."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager

from sortilin.errors import FormatError, NoRecordsError, escape_controls
from sortilin.sequences.entries import Entry, Origin, Parsed
from sortilin.sequences.fasta import fasta_entries
from sortilin.sequences.source import Source, fault_types, file_fault, opened, rejoined, source_name
from sortilin.sequences.table import table_entries, table_layout

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_LINE_BYTES = 1 << 20
_MAX_SHOWN = 40

FOREIGN = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; save the sheet as CSV",
    b"\xff\xfe": "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}
"""First bytes of files that are often given by mistake → what they are, and the remedy."""


@contextmanager
def parsed(source: Source, name: str | None) -> Iterator[Parsed]:
    """Opens a source and gives where it comes from and its entries.

    Raises:
        InputError: The file cannot be opened.
        FormatError: It is neither FASTA nor a table, or is empty; on drawing entries also: it is cut
            short, damaged, or not UTF-8 text.
    """
    shown, path = source_name(source)
    shown, path = (name, path or name) if name else (shown, path)
    shown = escape_controls(shown)
    with opened(source, shown) as stream:
        try:
            columns, entries = _parse(stream, shown)
        except fault_types() as error:
            raise file_fault(shown, error, 0) from error
        with closing(_guarded(entries, shown)) as guarded:
            yield Origin(shown, path, columns), guarded


def _guarded(entries: Iterator[Entry], name: str) -> Generator[Entry]:
    n_read = 0
    try:
        for n_read, entry in enumerate(entries, 1):  # noqa: B007 - the count is for the message
            yield entry
    except fault_types() as error:
        raise file_fault(name, error, n_read) from error


def _parse(stream: io.BufferedReader, name: str) -> tuple[tuple[str, ...] | None, Iterator[Entry]]:
    line, number = first_line(stream, name)
    whole = rejoined(line, stream)
    if is_fasta(line):
        return None, fasta_entries(whole, name, first_line=number)
    first = first_text(line)
    layout = table_layout(first, name)
    if layout is None:
        raise FormatError(_neither(line, first, number, name))
    return layout.columns, table_entries(whole, layout, first_line=number)


def is_fasta(line: bytes) -> bool:
    """Whether a file with this first line is FASTA."""
    return line.lstrip().startswith(b">")


def first_text(line: bytes) -> str:
    """A first line as text, without its end."""
    return (line.decode("utf-8", errors="replace").splitlines() or [""])[0]


def first_line(stream: io.BufferedReader, name: str) -> tuple[bytes, int]:
    """The first line that is neither blank nor a comment, and its number; stops a line at 1 MiB."""
    number = 0
    while line := stream.readline(_MAX_LINE_BYTES):
        number += 1
        line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
        if line.strip() and not line.lstrip().startswith(b"#"):
            return line, number
    raise NoRecordsError(f"{name} holds no records" if number else f"{name} is empty")


def _neither(line: bytes, first: str, number: int, name: str) -> str:
    for magic, what in FOREIGN.items():
        if line.startswith(magic):
            return f"{name} is {what}"
    shown = first if len(first) <= _MAX_SHOWN else first[: _MAX_SHOWN - 3] + "..."
    return (
        f"{name}, line {number} holds {shown!r}; expected '>' (FASTA) or a header line with a column "
        "named 'sequence' (CSV, TSV)"
    )
