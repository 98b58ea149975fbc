"""CSV and TSV → entries, streamed by the csv module."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sortilin.errors import FormatError
from sortilin.sequences.entries import Entry

DELIMITERS = ",\t;"

SEQUENCE_COLUMNS = (
    "sequence",
    "seq",
    "protein_sequence",
    "peptide_sequence",
    "aa_sequence",
    "protein",
    "peptide",
)
ID_COLUMNS = ("id", "identifier", "accession", "entry", "name", "protein_id", "sequence_id", "seq_id")
LABEL_COLUMNS = ("label", "target", "class", "localization", "localisation", "location")
SPLIT_COLUMNS = ("set", "split")
"""Names of the columns that are read; of several, the one that stands first here."""

BARE_COLUMNS = (LABEL_COLUMNS[0], SEQUENCE_COLUMNS[0])
"""Columns of a table without a header line, as peptide data are often published: "1,FLPIIAKLLSGLL"."""

_BARE = re.compile(rf"[+-]?\d{{1,3}}([{DELIMITERS}])[ACDEFGHIKLMNPQRSTVWYX]{{2,}}\s*")
"""A number as label and residues, upper case, and nothing else: what no header line looks like."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a table is laid out.

    Attributes:
        delimiter: What stands between two cells.
        columns: Column names, lower case, with "_" for spaces and hyphens.
        has_header: Whether the first line names them.
    """

    delimiter: str
    columns: tuple[str, ...]
    has_header: bool = True

    def place(self, names: Sequence[str]) -> int | None:
        """Place of the first of these columns that the table has."""
        return next((self.columns.index(name) for name in names if name in self.columns), None)


def table_layout(header: str, name: str) -> Layout | None:
    """The layout that a first line describes; None if no column of it is a sequence.

    Raises:
        FormatError: Two columns share the name of one that is read.
    """
    for delimiter in DELIMITERS:
        columns = _columns(header, delimiter)
        if any(column in SEQUENCE_COLUMNS for column in columns):
            _check_distinct(columns, name)
            return Layout(delimiter, columns)
    bare = _BARE.fullmatch(header)
    return Layout(bare[1], BARE_COLUMNS, has_header=False) if bare else None


def _columns(header: str, delimiter: str) -> tuple[str, ...]:
    try:
        cells = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return ()
    return tuple(cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in cells)


def _check_distinct(columns: Sequence[str], name: str) -> None:
    for column in (*SEQUENCE_COLUMNS, *ID_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS):
        if columns.count(column) > 1:
            raise FormatError(
                f"{name} has {columns.count(column)} columns named '{column}'; rename all but one"
            )


def table_entries(stream: io.BufferedReader, layout: Layout, *, first_line: int) -> Iterator[Entry]:
    """The rows of a table in UTF-8, without its header line; blank rows are left out.

    Args:
        stream: The table, its first line in front.
        layout: What `table_layout` found in that line.
        first_line: Number of that line in the file, from 1.
    """
    places = [layout.place(n) for n in (ID_COLUMNS, SEQUENCE_COLUMNS, LABEL_COLUMNS, SPLIT_COLUMNS)]
    for row, n_lines in table_rows(stream, layout):
        record_id, sequence, label, split = (_cell(row, place) for place in places)
        fault = _fault(row, layout, n_lines + first_line - 1)
        yield Entry(record_id, "", sequence or "", label, split, fault)


def table_rows(stream: io.BufferedReader, layout: Layout) -> Iterator[tuple[list[str], int]]:
    """The cells of each row as written, and how many lines were read by then; no header, no blank rows."""
    with io.TextIOWrapper(stream, encoding="utf-8", newline="") as text:
        rows = csv.reader(text, delimiter=layout.delimiter, strict=True)
        if layout.has_header:
            next(rows)
        for row in rows:
            if any(map(str.strip, row)):
                yield row, rows.line_num


def _cell(row: Sequence[str], place: int | None) -> str | None:
    if place is None:
        return None
    return row[place].strip() if place < len(row) else ""


def _fault(row: Sequence[str], layout: Layout, line: int) -> str:
    n_columns = len(layout.columns)
    if any(row[n_columns:]):
        where = "header" if layout.has_header else "first"
        return f"line {line} has {len(row)} cells, the {where} line {n_columns}"
    return ""
