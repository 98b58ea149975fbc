"""CSV and TSV: one column a number, beside ids, beside sequences, or beside nothing.

Without ids and sequences the rows are those of a table in another file, in its order: the table that is
named, or the one beside the file whose name begins its own (`x_train.csv` of `x_train_esm2_t6.csv`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, InputError, escape_controls
from sortilin.sequences.parsing import parsed
from sortilin.sequences.source import fault_types, file_fault, opened
from sortilin.sequences.table import DELIMITERS, ID_COLUMNS, LABEL_COLUMNS, SEQUENCE_COLUMNS, SPLIT_COLUMNS
from sortilin.vectors._columns import numbered, sequence_keys
from sortilin.vectors._sources import Beside, Rows, Source

_TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".fasta", ".fa", ".faa")
_JOINTS = "_-."


@dataclass(frozen=True, slots=True)
class _Layout:
    delimiter: str
    has_header: bool
    n_cells: int
    ids: int | None
    sequences: int | None
    vector: tuple[int, ...]


def open_delimited(path: Path) -> Rows:
    """The rows of a CSV or TSV file, compressed or not.

    Raises:
        FormatError: A cell is no number, rows are of unlike length, or it has no columns of numbers.
        InputError: It cannot be opened.
    """
    shown = escape_controls(str(path))
    with opened(path, shown) as stream:
        try:
            layout, ids, sequences, matrix = _read(stream, path)
        except fault_types() as error:
            raise file_fault(shown, error, 0) from error
    keys = None if layout.sequences is None else sequence_keys(sequences)
    return Rows(path, matrix, ids=None if layout.ids is None else ids, digests=keys)


def beside(source: Source, table: Path | None) -> Source:
    """Vectors in the order of a table, named by its sequences and ids; others are left as they are.

    Args:
        source: The vectors.
        table: The table; without one the file of the same folder whose name begins theirs, if there is one.

    Raises:
        InputError: There is no such table.
        FormatError: The table has another number of rows.
    """
    if not source.in_order:
        if table is not None and not table.exists():
            raise InputError(f"{table}: there is no such file")
        return source
    table = table or _table_beside(source.path)
    if table is None:
        return source
    with parsed(table, None) as (_, entries):
        ids, sequences = [], []
        for entry in entries:
            ids.append(entry.id or "")
            sequences.append(entry.raw)
    if len(ids) != len(source.names):
        raise FormatError(
            f"{source.path} has {len(source.names):,} rows, and {table} {len(ids):,} sequences; "
            "they must be the same ones in the same order"
        )
    return Beside(source, ids=ids if any(ids) else None, digests=sequence_keys(sequences))


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
        head = [second] if layout.has_header else [first, second]
        for number, cells in _rows(head, text, layout.delimiter, 2 if layout.has_header else 1):
            rows.append(_numbers(cells, layout, path, number))
            ids.append(cells[layout.ids].strip() if layout.ids is not None else "")
            sequences.append(cells[layout.sequences].strip() if layout.sequences is not None else "")
    if not rows:
        raise FormatError(f"{path} holds no vectors below its header line")
    return layout, ids, sequences, np.stack(rows)


def _rows(
    head: Sequence[str], text: io.TextIOWrapper, delimiter: str, first: int
) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of the line that it begins in."""
    reader = csv.reader(chain(head, text), delimiter=delimiter, strict=True)
    number = first
    for row in reader:
        if any(map(str.strip, row)):
            yield number, row
        number = first + reader.line_num


def _numbers(cells: list[str], layout: _Layout, path: Path, number: int) -> NDArray[np.float32]:
    if len(cells) != layout.n_cells:
        raise FormatError(f"{path}, line {number} has {len(cells)} cells; expected {layout.n_cells}")
    try:
        # An empty cell is a missing number, which is told when it is asked for.
        values = [float(cells[at].strip() or "nan") for at in layout.vector]
    except ValueError as error:
        raise FormatError(f"{path}, line {number}: {escape_controls(str(error))}") from None
    with np.errstate(over="ignore"):
        return np.array(values, np.float64).astype(np.float32)


def _layout(first: str, second: str, path: Path) -> _Layout:
    delimiter = max(DELIMITERS, key=first.count)
    header = next(csv.reader([first], delimiter=delimiter), [])
    if _are_numbers(header) and not _count_through(header):
        vector = list(range(len(header)))
        return _Layout(delimiter, False, len(header), ids=None, sequences=None, vector=tuple(vector))
    names = [cell.strip().lower().replace(" ", "_").replace("-", "_") for cell in header]
    ids, sequences = _place(names, ID_COLUMNS), _place(names, SEQUENCE_COLUMNS)
    vector = [header.index(column) for column in numbered(header, path)]
    if not vector:
        vector = _all_numbers(header, names, next(csv.reader([second], delimiter=delimiter), []))
    if not vector:
        what = "a table of sequences" if sequences is not None else "no table of vectors"
        raise FormatError(f"{path} is {what}: it has no columns of numbers ('0', '1', ...)")
    return _Layout(delimiter, True, len(header), ids=ids, sequences=sequences, vector=tuple(vector))


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
