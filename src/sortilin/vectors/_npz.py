"""npz: NumPy arrays in a zip file. Nothing in it is a pickle.

    vectors           (N, D), or (all residues, D)
    offsets           (N + 1,) residues before each sequence; vectors of residues only
    ids               (N,) text
    sequence_sha256   (N,) 64 ASCII letters each
    description       one text, JSON

Read as well: a file with one array a sequence, named by its id.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError
from sortilin.vectors._sources import Rows, Source, first_places
from sortilin.vectors._writers import VectorRow, Writer
from sortilin.vectors.kind import key_of

VECTORS, OFFSETS, IDS, KEYS, DESCRIPTION = "vectors", "offsets", "ids", "sequence_sha256", "description"
_LOCAL_HEADER_BYTES = 30
# What zipfile and NumPy raise for damaged files; a changed flag says "encrypted" (RuntimeError).
_FAULTS = (OSError, ValueError, KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error)


def open_npz(path: Path) -> Source:
    """The arrays of a file.

    Raises:
        FormatError: It is damaged, or holds objects in place of numbers.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            is_matrix = {VECTORS, IDS, KEYS} <= set(names)
            # Once, from end to end: what is mapped later does not pass through zipfile's own check.
            changed = archive.testzip() if is_matrix else None
        if changed is not None:
            raise ValueError(f"the CRC-32 of {changed} is not the one that was written")
        return _Matrix(path) if is_matrix else _Named(path, names)
    except _FAULTS as error:
        raise FormatError(f"{path} cannot be read as npz: {error}; is it damaged or cut short?") from None


class _Named(Source):
    """One array a sequence."""

    def __init__(self, path: Path, names: list[str]) -> None:
        super().__init__(path, names)
        self._arrays: Any = np.load(path, allow_pickle=False)

    def read(self, at: int) -> NDArray[Any]:
        try:
            return np.asarray(self._arrays[self.names[at]])
        except _FAULTS as error:
            raise FormatError(f"array '{self.names[at]}' cannot be read: {error}") from None

    def close(self) -> None:
        self._arrays.close()


class _Matrix(Source):
    """This package's layout; the matrix is mapped, not loaded."""

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._ids = [str(name) for name in arrays[IDS]]
            self._keys = [bytes(key).decode("ascii") for key in arrays[KEYS]]
            self._offsets: NDArray[Any] | None = arrays.get(OFFSETS)
            described = json.loads(str(arrays[DESCRIPTION])) if DESCRIPTION in arrays else {}
        self._matrix = _mapped(path, f"{VECTORS}.npy")
        super().__init__(path, self._ids)
        self.description = {str(name): str(value) for name, value in described.items()}
        n_rows = len(self._ids) if self._offsets is None else int(self._offsets[-1])
        if len(self._keys) != len(self._ids) or self._matrix.ndim != 2 or len(self._matrix) != n_rows:
            raise ValueError("its arrays are not of like length")

    def digests(self) -> Mapping[str, int]:
        return first_places(self._keys)

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        return ((at, (name,)) for at, name in enumerate(self._ids))

    def is_of_a_sequence(self, at: int) -> bool:
        return bool(self._keys[at])

    def read(self, at: int) -> NDArray[Any]:
        if self._offsets is None:
            return np.array(self._matrix[at])
        return np.array(self._matrix[int(self._offsets[at]) : int(self._offsets[at + 1])])


def _mapped(path: Path, member: str) -> NDArray[Any]:
    """An array of a zip file that is not compressed, page by page as it is read; another one is loaded."""
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(member)
    if entry.compress_type != zipfile.ZIP_STORED:
        with np.load(path, allow_pickle=False) as arrays:
            return np.asarray(arrays[member.removesuffix(".npy")])
    with path.open("rb") as stream:
        stream.seek(entry.header_offset)
        local = stream.read(_LOCAL_HEADER_BYTES)
        stream.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), 1)
        np.lib.format.read_magic(stream)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        if is_fortran or dtype.hasobject:
            raise ValueError(f"{member} is laid out in another way")
        if not shape or 0 in shape:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, "r", offset=stream.tell(), shape=shape)


class NpzWriter(Writer):
    """The matrix grows in a nameless file beside the target; ids are kept in memory until the end."""

    def __init__(self, path: Path, description: Mapping[str, str]) -> None:
        self._path, self._description = path, dict(description)
        path.touch()
        self._body = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 - closed by finish and abandon
        self._ids: list[str] = []
        self._keys: list[str] = []
        self._ends = [0]
        self._shape: tuple[int, ...] = ()
        self._dtype: np.dtype[Any] = np.dtype("<f4")

    def add(self, row: VectorRow) -> None:
        """Append to the matrix."""
        self._dtype = row.vector.dtype.newbyteorder("<")
        self._body.write(np.ascontiguousarray(row.vector, self._dtype).data)
        self._ids.append(row.id)
        self._keys.append(key_of(row.sequence))
        self._shape = row.vector.shape
        self._ends.append(self._ends[-1] + (len(row.vector) if row.vector.ndim > 1 else 1))

    def finish(self) -> None:
        """Put the matrix and what belongs to it into the zip file."""
        arrays: dict[str, NDArray[Any]] = {
            IDS: np.array(self._ids, dtype=np.str_),
            KEYS: np.array(self._keys, dtype=np.bytes_),
            DESCRIPTION: np.array(json.dumps(self._description)),
        }
        if len(self._shape) > 1:
            arrays[OFFSETS] = np.array(self._ends, np.int64)
        header = {
            "descr": self._dtype.str,
            "fortran_order": False,
            "shape": (self._ends[-1], self._shape[-1]),
        }
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_STORED) as archive:
            with archive.open(f"{VECTORS}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array_header_1_0(cast("Any", member), header)
                self._body.seek(0)
                shutil.copyfileobj(self._body, member, 1 << 20)
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(cast("Any", member), array, allow_pickle=False)
        self._body.close()

    def abandon(self) -> None:
        """Give the nameless file back."""
        self._body.close()


def open_npy(path: Path) -> Rows:
    """The matrix of a .npy file, mapped; its rows stand in the order of a table.

    Raises:
        FormatError: It is damaged, or no matrix of numbers.
    """
    try:
        matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as npy: {error}; is it damaged or cut short?") from None
    if matrix.ndim != 2:
        raise FormatError(f"{path} holds an array of shape {matrix.shape}; expected is a matrix (N, D)")
    return Rows(path, matrix)
