"""Vectors from and for other programs: HDF5, npz, Parquet, CSV and the files of fair-esm."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from sortilin import __version__
from sortilin.errors import FormatError, InputError, OutputError, SortilinError
from sortilin.sequences.record import SequenceRecord
from sortilin.vectors._delimited import beside, looks_delimited, open_delimited
from sortilin.vectors._fair_esm import ENDING as TENSORS
from sortilin.vectors._fair_esm import FairEsmSource
from sortilin.vectors._hdf5 import Hdf5Source, Hdf5Writer
from sortilin.vectors._matching import MatchedVectors, match
from sortilin.vectors._npz import NpzWriter, open_npy, open_npz
from sortilin.vectors._parquet import ParquetSource, ParquetWriter
from sortilin.vectors._sources import Source
from sortilin.vectors._writers import FORMAT, FORMAT_VERSION, VectorRow, Writer
from sortilin.vectors.kind import TYPES

WRITERS: Mapping[str, Callable[[Path, Mapping[str, str]], Writer]] = {
    ".h5": Hdf5Writer,
    ".hdf5": Hdf5Writer,
    ".npz": NpzWriter,
    ".parquet": ParquetWriter,
}
"""Ending of a file → what writes it."""

READERS: Mapping[bytes, Callable[[Path], Source]] = {
    b"\x89HDF\r\n\x1a\n": Hdf5Source,
    b"PAR1": ParquetSource,
}
"""First bytes of a file → what reads it."""

ZIP, NPY = b"PK\x03\x04", b"\x93NUMPY"
READ = "HDF5, npz, npy, Parquet, CSV, TSV, or .pt files of esm-extract and folders of them"
_MAGIC_BYTES = 8


class VectorFile:
    """An open file of vectors; records are matched with it as often as is wanted."""

    def __init__(self, source: Source, *, per_residue: bool) -> None:
        self._source, self._per_residue = source, per_residue

    def __len__(self) -> int:
        return len(self._source.names)

    @property
    def description(self) -> Mapping[str, str]:
        """What the file says of how its vectors were made."""
        return self._source.description

    def match(self, records: Sequence[SequenceRecord | str]) -> MatchedVectors:
        """The vectors of records, or of sequences without ids, and what did not fit.

        A record's vector is found by its sequence where the file has sequences or digests of them, else by
        its id or header. An id that the file has for another sequence is no match, unless the residue
        policy changed the record's letters.

        Raises:
            FormatError: The rows stand in the order of a table, and are not as many as the records.
        """
        return match(self._source, records, per_residue=self._per_residue)

    def close(self) -> None:
        """Close the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_vectors(
    path: Path | str, *, table: Path | str | None = None, layer: int | None = None, per_residue: bool = False
) -> VectorFile:
    """Open a file of vectors; what it is, is told by its content.

    Args:
        path: The file, or a folder of .pt files.
        table: The table or FASTA file that rows without ids or sequences stand beside; without one the
            file of the same folder whose name begins that of the matrix.
        layer: The layer, for files that hold several; -1 is the last of them.
        per_residue: Whether vectors of residues, (L, D), are meant, rather than one a sequence.

    Raises:
        InputError: There is no such file or table, or it cannot be read.
        FormatError: It is of no known format, damaged, or its rows do not fit the table.
    """
    path, table = Path(path), None if table is None else Path(table)
    source = _open(path, layer, per_residue=per_residue)
    try:
        source = beside(source, table)
    except BaseException:
        source.close()
        raise
    return VectorFile(source, per_residue=per_residue)


def read_vectors(
    path: Path | str,
    records: Sequence[SequenceRecord | str],
    *,
    table: Path | str | None = None,
    layer: int | None = None,
    per_residue: bool = False,
) -> MatchedVectors:
    """The vectors that a file has for records; see `open_vectors` and `VectorFile.match`.

    Raises:
        InputError: There is no such file or table, or it cannot be read.
        FormatError: It is of no known format, damaged, or its rows do not fit the records or the table.
    """
    with open_vectors(path, table=table, layer=layer, per_residue=per_residue) as vectors:
        return vectors.match(records)


def _open(path: Path, layer: int | None, *, per_residue: bool) -> Source:
    if path.is_dir():
        return _open_folder(path, layer, per_residue=per_residue)
    first = _first_bytes(path)
    for magic, reader in READERS.items():
        if first.startswith(magic):
            return reader(path)
    if path.suffix == TENSORS:
        return FairEsmSource(path, layer=layer, per_residue=per_residue)
    if first.startswith(NPY):
        return open_npy(path)
    if first.startswith(ZIP) and _holds_arrays(path):
        return open_npz(path)
    if looks_delimited(path):
        return open_delimited(path)
    raise FormatError(f"{path} is no file of vectors that is known; read are {READ}")


def _open_folder(path: Path, layer: int | None, *, per_residue: bool) -> Source:
    if (path / "store.json").is_file():
        raise FormatError(f"{path} is a store, not a file of vectors; name it with --store")
    source = FairEsmSource(path, layer=layer, per_residue=per_residue)
    if not source.names:
        raise FormatError(f"{path} is a folder without .pt files; read are {READ}")
    return source


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAGIC_BYTES)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        raise FormatError(f"{path} is a damaged zip file; is it cut short?") from None


def write_vectors(
    path: Path | str,
    rows: Iterable[VectorRow],
    *,
    description: Mapping[str, str],
    make: Callable[[Path, Mapping[str, str]], Writer] | None = None,
) -> int:
    """Write vectors to a .h5, .npz or .parquet file, and say how many; the file appears whole or not at all.

    Rows are drawn and written one by one. In HDF5 files, which are keyed by sequence, several rows of one
    sequence become one vector with several ids; the other formats have a row each.

    Args:
        path: The file; its ending chooses the format.
        rows: At least one; all (D,) or all (L, D), of one width and type, finite.
        description: How the vectors were made (checkpoint, revision, layer, ...); this package's version
            and the format's are added.
        make: What writes the file; None for what its ending chooses.

    Raises:
        OutputError: It cannot be written, there are no rows, or a row is unlike the first; an older file is
            untouched.
    """
    path = Path(path)
    make = make or WRITERS.get(path.suffix.lower())
    if make is None:
        raise OutputError(
            f"{path}: vectors are written to {', '.join(WRITERS)} files; the ending tells which"
        )
    described = {**description, "format": FORMAT, "format_version": FORMAT_VERSION, "sortilin": __version__}
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        n_rows = _fill(make, partial, rows, described)
        with partial.open("rb+") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except SortilinError:
        raise
    except (OSError, RuntimeError) as error:  # h5py's own are RuntimeErrors
        raise OutputError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    return n_rows


def _fill(
    make: Callable[[Path, Mapping[str, str]], Writer],
    partial: Path,
    rows: Iterable[VectorRow],
    description: Mapping[str, str],
) -> int:
    drawn = iter(rows)
    first = next(drawn, None)
    if first is None:
        raise OutputError("there are no vectors to write")
    writer, n_rows = make(partial, description), 0
    try:
        for row in chain([first], drawn):
            _check(row, first)
            writer.add(row)
            n_rows += 1
        writer.finish()
    except BaseException:
        with suppress(OSError, RuntimeError):
            writer.abandon()
        raise
    return n_rows


def _check(row: VectorRow, first: VectorRow) -> None:
    shape, expected = row.vector.shape, first.vector.shape
    dtype = row.vector.dtype
    if dtype not in TYPES or row.vector.ndim not in {1, 2} or 0 in shape:
        raise OutputError(
            f"the vector of '{row.id}' is {dtype} {shape}; expected {' or '.join(TYPES)}, (D,) or (L, D)"
        )
    if dtype != first.vector.dtype:
        raise OutputError(f"the vector of '{row.id}' is {dtype}, that of '{first.id}' {first.vector.dtype}")
    if len(shape) != len(expected) or shape[-1] != expected[-1]:
        raise OutputError(f"the vector of '{row.id}' has shape {shape}, that of '{first.id}' {expected}")
    if len(shape) == 2 and len(row.vector) != len(row.sequence):
        raise OutputError(f"'{row.id}' has {len(row.sequence):,} residues and vectors of {len(row.vector):,}")
    if not np.isfinite(row.vector).all():
        raise OutputError(f"the vector of '{row.id}' holds values that are not finite")
