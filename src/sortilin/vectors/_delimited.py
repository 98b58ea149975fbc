"""CSV and TSV: one column a number, beside ids, beside sequences, or beside nothing.

Without ids and sequences the rows are those of a table in another file, in its order: the table that is
named, or the one beside the file whose name begins its own (`x_train.csv` of `x_train_esm2_t6.csv`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, InputError, escape_controls
from sortilin.sequences.parsing import parsed
from sortilin.sequences.source import fault_types, file_fault, opened
from sortilin.sequences.table import DELIMITERS, ID_COLUMNS, LABEL_COLUMNS, SEQUENCE_COLUMNS, SPLIT_COLUMNS
from sortilin.vectors._columns import numbered, sequence_keys
from sortilin.vectors._sources import Rows

_TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".fasta", ".fa", ".faa")
_JOINTS = "_-."


@dataclass(frozen=True, slots=True)
class _Layout:
    delimiter: str
    has_header: bool
    ids: int | None
    sequences: int | None
    vector: tuple[int, ...]


def open_delimited(path: Path, *, table: Path | None) -> Rows:
    """The rows of a file.

    Args:
        path: A CSV or TSV file, compressed or not.
        table: The table that its rows stand beside, if they have neither ids nor sequences.

    Raises:
        FormatError: A cell is no number, rows are of unlike length, or it has no columns of numbers.
        InputError: A file cannot be opened.
    """
    shown = escape_controls(str(path))
    with opened(path, shown) as stream:
        try:
            layout, ids, sequences, matrix = _read(stream, path)
        except fault_types() as error:
            raise file_fault(shown, error, 0) from error
    keys = None if layout.sequences is None else sequence_keys(sequences)
    rows = Rows(path, matrix, ids=None if layout.ids is None else ids, digests=keys)
    return beside(rows, table) if rows.in_order else rows


def beside(rows: Rows, table: Path | None) -> Rows:
    """Rows without names, named by the sequences and ids of the table that they stand beside.

    Raises:
        FormatError: The table has another number of rows.
    """
    table = table or _table_beside(rows.path)
    if table is None:
        return rows
    with parsed(table, None) as (_, entries):
        ids, sequences = [], []
        for entry in entries:
            ids.append(entry.id or "")
            sequences.append(entry.raw)
    if len(ids) != len(rows.matrix):
        raise FormatError(
            f"{rows.path} has {len(rows.matrix):,} rows, and {table} {len(ids):,} sequences; "
            "they must be the same ones in the same order"
        )
    return Rows(rows.path, rows.matrix, ids=ids if any(ids) else None, digests=sequence_keys(sequences))


def _table_beside(path: Path) -> Path | None:
    """The table whose name begins that of the file; of several the one with the longest name."""
    stem = path.name.split(".")[0]
    near = [
        other
        for other in path.parent.iterdir()
        if other != path
        and other.suffix.lower() in _TABLE_ENDINGS
        and stem.startswith(other.stem)
        and stem[len(other.stem) : len(other.stem) + 1] in tuple(_JOINTS)
    ]
    return max(near, key=lambda other: len(other.stem), default=None)


def _read(stream: io.BufferedReader, path: Path) -> tuple[_Layout, list[str], list[str], NDArray[np.float32]]:
    with io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        first = text.readline()
        second = text.readline()
        layout = _layout(first, second, path)
        ids, sequences, rows = [], [], []
        lines = _rows([first, second] if not layout.has_header else [second], text, layout.delimiter)
        for number, cells in enumerate(lines, 2 if layout.has_header else 1):
            rows.append(_numbers(cells, layout, path, number))
            ids.append(cells[layout.ids].strip() if layout.ids is not None else "")
            sequences.append(cells[layout.sequences].strip() if layout.sequences is not None else "")
    if not rows:
        raise FormatError(f"{path} holds no vectors below its header line")
    return layout, ids, sequences, np.stack(rows)


def _rows(first: Sequence[str], text: io.TextIOWrapper, delimiter: str) -> Iterator[list[str]]:
    def lines() -> Iterator[str]:
        yield from first
        yield from text

    return (row for row in csv.reader(lines(), delimiter=delimiter, strict=True) if any(map(str.strip, row)))


def _numbers(cells: list[str], layout: _Layout, path: Path, number: int) -> NDArray[np.float32]:
    try:
        # An empty cell is a missing number, which is told when it is asked for.
        values = [float(cells[at].strip() or "nan") for at in layout.vector]
    except IndexError:
        raise FormatError(
            f"{path}, row {number} has {len(cells)} cells; expected {max(layout.vector) + 1} or more"
        ) from None
    except ValueError as error:
        raise FormatError(f"{path}, row {number}: {escape_controls(str(error))}") from None
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(np.float32)


def _layout(first: str, second: str, path: Path) -> _Layout:
    delimiter = max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    if _are_numbers(header) and not _count_through(header):
        return _Layout(
            delimiter, has_header=False, ids=None, sequences=None, vector=tuple(range(len(header)))
        )
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in header]
    ids, sequences = _place(names, ID_COLUMNS), _place(names, SEQUENCE_COLUMNS)
    vector = [header.index(column) for column in numbered(header, path)]
    if not vector:
        vector = _all_numbers(header, names, next(csv.reader([second], delimiter=delimiter), []))
    if not vector:
        what = "a table of sequences" if sequences is not None else "no table of vectors"
        raise FormatError(f"{path} is {what}: it has no columns of numbers ('0', '1', ...)")
    return _Layout(delimiter, has_header=True, ids=ids, sequences=sequences, vector=tuple(vector))


def _place(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _all_numbers(header: Sequence[str], names: Sequence[str], cells: Sequence[str]) -> list[int]:
    """Every column that is not told to be something else, if all of them hold numbers."""
    others = {*ID_COLUMNS, *SEQUENCE_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS, "length", "", "unnamed:_0"}
    vector = [at for at in range(len(header)) if names[at] not in others]
    if len(vector) < 2 or len(cells) != len(header) or not _are_numbers([cells[at] for at in vector]):
        return []
    return vector


def _are_numbers(cells: Sequence[str]) -> bool:
    try:
        return bool([float(cell) for cell in cells])
    except ValueError:
        return False


def _count_through(cells: Sequence[str]) -> bool:
    """Whether numbers are column names: 0, 1, 2, ... or 1, 2, 3, ..."""
    words = [cell.strip() for cell in cells]
    return any(words == [str(at + start) for at in range(len(words))] for start in (0, 1))


def looks_delimited(path: Path) -> bool:
    """Whether a file is text with commas, tabs or semicolons, and no FASTA."""
    damaged: tuple[type[Exception], ...] = (InputError, *fault_types())
    try:
        with opened(path, escape_controls(str(path))) as stream:
            head = stream.read(4096).removeprefix(b"\xef\xbb\xbf")
        text = head.decode("utf-8", errors="strict" if len(head) < 4096 else "ignore")
    except damaged:
        return False
    line = text.split("\n", 1)[0]
    return not line.startswith(">") and any(delimiter in line for delimiter in DELIMITERS)
