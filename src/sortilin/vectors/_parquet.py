"""Parquet: a row a sequence, with `id`, `sequence_sha256`, `length` and `vector`.

`vector` is a list of float32 or float16 of fixed length, or a list of such lists for vectors of residues. The
description stands in the file's metadata. Read as well: tables of others with a column of lists, or with
one column a number, beside an id or a sequence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, MissingDependencyError
from sortilin.sequences.table import ID_COLUMNS, SEQUENCE_COLUMNS
from sortilin.vectors._columns import numbered, sequence_keys
from sortilin.vectors._sources import Source, first_places
from sortilin.vectors._writers import DESCRIPTION, VectorRow, Writer
from sortilin.vectors.kind import key_of

ID, KEY, LENGTH, VECTOR, SEQUENCE = "id", "sequence_sha256", "length", "vector", "sequence"
_GROUP_BYTES = 32 << 20
_GROUP_ROWS = 16_384


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("Parquet files of vectors", "pyarrow", "parquet") from error
    return pyarrow


class ParquetSource(Source):
    """The rows of a file; vectors are read a row group at a time."""

    def __init__(self, path: Path) -> None:
        arrow = _pyarrow()
        try:
            self._file = arrow.parquet.ParquetFile(path)
            self._schema = self._file.schema_arrow
            self._columns = self._vector_columns(path)
            ids, keys = self._texts(ID_COLUMNS), self._texts((KEY,))
            sequences = self._texts(SEQUENCE_COLUMNS)
        except (OSError, arrow.ArrowException) as error:
            raise FormatError(f"{path} cannot be read as Parquet: {error}; is it cut short?") from None
        self._fault = arrow.ArrowException
        self._ids, self._keys = ids, keys or (sequence_keys(sequences) if sequences else None)
        n_rows = self._file.metadata.num_rows
        names = ids or self._keys or [f"row {row + 1}" for row in range(n_rows)]
        super().__init__(path, names, in_order=ids is None and self._keys is None)
        raw = (self._schema.metadata or {}).get(DESCRIPTION.encode(), b"{}")
        self.description = {str(name): str(value) for name, value in json.loads(raw).items()}
        sizes = [self._file.metadata.row_group(g).num_rows for g in range(self._file.num_row_groups)]
        self._ends = np.cumsum(sizes, dtype=np.int64)
        self._group: tuple[int, Any] = (-1, None)

    def digests(self) -> Mapping[str, int]:
        """The sequences' keys."""
        return first_places(self._keys or ())

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        """The ids."""
        return ((at, (name,)) for at, name in enumerate(self._ids or ()))

    def is_of_a_sequence(self, at: int) -> bool:
        """Whether the row has a sequence, or its key."""
        return bool(self._keys and self._keys[at])

    def read(self, at: int) -> NDArray[Any]:
        """The vector column's cell, or the numbered columns' row."""
        group = int(np.searchsorted(self._ends, at, side="right"))
        if self._group[0] != group:
            try:
                self._group = group, self._file.read_row_group(group, columns=self._columns)
            except (OSError, self._fault) as error:
                raise FormatError(f"row group {group} cannot be read: {error}") from None
        table = self._group[1]
        row = at - (int(self._ends[group - 1]) if group else 0)
        if len(self._columns) > 1:
            return np.array([np.nan if (v := column[row].as_py()) is None else v for column in table.columns])
        return _cell(table.column(0)[row])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _texts(self, names: Iterable[str]) -> list[str] | None:
        """The first of these columns that there is, as text."""
        known = {name.lower(): name for name in self._schema.names}
        name = next((known[name] for name in names if name in known), None)
        if name is None:
            return None
        column = self._file.read(columns=[name]).column(0)
        return ["" if value is None else str(value) for value in column.to_pylist()]

    def _vector_columns(self, path: Path) -> list[str]:
        types = _pyarrow().types
        is_list = (types.is_list, types.is_large_list, types.is_fixed_size_list)
        lists = [field.name for field in self._schema if any(check(field.type) for check in is_list)]
        if VECTOR in lists:
            return [VECTOR]
        if len(lists) == 1:
            return lists
        if lists:
            raise FormatError(f"{path} has several columns of lists ({', '.join(lists)}); none is '{VECTOR}'")
        columns = numbered([field.name for field in self._schema], path)
        if not columns:
            raise FormatError(f"{path} has neither a column of lists nor numbered columns of numbers")
        return columns


def rows_of(path: Path) -> Iterator[VectorRow]:
    """The rows of a file that has sequences, in order, a row group in memory at a time.

    Raises:
        FormatError: It is damaged, or has no sequences.
    """
    arrow = _pyarrow()
    try:
        with arrow.parquet.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group, columns=[ID, SEQUENCE, VECTOR])
                ids, sequences = (table.column(name).to_pylist() for name in (ID, SEQUENCE))
                for name, sequence, cell in zip(ids, sequences, table.column(VECTOR), strict=True):
                    yield VectorRow(name, sequence, _cell(cell))
    except (OSError, KeyError, arrow.ArrowException) as error:
        raise FormatError(f"{path} cannot be read: {error}; is it damaged?") from None


def _cell(cell: Any) -> NDArray[Any]:
    """A list, or a list of lists, without a Python object a number."""
    if not cell.is_valid:
        raise FormatError("the cell is empty")
    values, n_rows = cell.values, None
    if hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        n_rows, values = len(values), values.flatten()
    array = np.asarray(values.to_numpy(zero_copy_only=False))
    return array if n_rows is None else array.reshape(n_rows, -1)


class ParquetWriter(Writer):
    """Rows leave in groups of at most 32 MB.

    Args:
        path: The file.
        description: How the vectors were made.
        has_sequences: Whether the sequences stand beside them, so that any format can be written from it.
    """

    def __init__(self, path: Path, description: Mapping[str, str], *, has_sequences: bool = False) -> None:
        self._arrow, self._path, self._description = _pyarrow(), path, dict(description)
        self._has_sequences = has_sequences
        self._writer: Any = None
        self._pending: list[VectorRow] = []
        self._pending_bytes = 0

    def add(self, row: VectorRow) -> None:
        """Keep a row until its group is full."""
        self._pending.append(row)
        self._pending_bytes += row.vector.nbytes
        if self._pending_bytes >= _GROUP_BYTES or len(self._pending) >= _GROUP_ROWS:
            self._flush()

    def finish(self) -> None:
        """Write the last group and the footer."""
        if self._pending:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        """Close the file as far as it got."""
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        arrow, rows = self._arrow, self._pending
        width = rows[0].vector.shape[-1]
        flat = arrow.array(np.concatenate([row.vector.reshape(-1) for row in rows]))
        vectors = arrow.FixedSizeListArray.from_arrays(flat, width)
        if rows[0].vector.ndim > 1:
            ends = np.cumsum([0, *(len(row.vector) for row in rows)], dtype=np.int32)
            vectors = arrow.ListArray.from_arrays(arrow.array(ends), vectors)
        columns = {
            ID: arrow.array([row.id for row in rows], arrow.string()),
            KEY: arrow.array([key_of(row.sequence) for row in rows], arrow.string()),
            LENGTH: arrow.array([len(row.sequence) for row in rows], arrow.int32()),
            VECTOR: vectors,
        }
        if self._has_sequences:
            columns[SEQUENCE] = arrow.array([row.sequence for row in rows], arrow.string())
        schema = arrow.schema([(name, column.type) for name, column in columns.items()])
        schema = schema.with_metadata({DESCRIPTION: json.dumps(self._description)})
        if self._writer is None:
            # Floats hardly compress, and a dictionary of them would only cost time.
            self._writer = arrow.parquet.ParquetWriter(
                self._path, schema, compression="zstd", use_dictionary=False
            )
        self._writer.write_table(arrow.Table.from_arrays(list(columns.values()), schema=schema))
        self._pending, self._pending_bytes = [], 0
