"""A part: one file of vectors that is never changed once it has its name.

A safetensors file. Its metadata hold format, version, kind, counts and the SHA-256 of the whole file (with
zeros in place of the checksum itself). Its arrays stand in this order, so that they can be written as a
stream and mapped:

    offsets  I64 (n + 1,)   residues before each sequence; vectors of residues only
    keys     U8  (n, 32)    SHA-256 of each sequence
    vectors  F32 or F16 (n, D) or (all residues, D)
    crc      U32 (n,)       CRC-32 of each key and its vectors, checked whenever they are read
"""

from __future__ import annotations

import json
import mmap
import os
import shlex
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from sortilin.errors import StoreError
from sortilin.vectors.kind import HALF, KEY_BYTES, SINGLE, VectorArray, VectorKind

FORMAT = "sortilin-vectors"
FORMAT_VERSION = 1
PREFIX, ENDING = "part-", ".safetensors"
NO_CHECKSUM = "0" * 64

STORED_AS = {SINGLE: "F32", HALF: "F16"}

_MAX_HEADER_BYTES = 1_000_000
_DTYPES: dict[str, np.dtype[Any]] = {
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
}


class DamagedPartError(StoreError):
    """A part is cut short, changed or foreign."""

    def __init__(self, path: Path, fault: str) -> None:
        self.path, self.fault = path, fault
        store = shlex.quote(str(path.parent.parent))
        super().__init__(
            f"{path} is damaged: {fault}; `sortilin store prune --damaged --store {store}` removes it, "
            "and its vectors are computed again when they are asked for"
        )


@dataclass(frozen=True, slots=True)
class Part:
    """What the header of a part says; the vectors stay on disk.

    Attributes:
        path: The file.
        kind: What its vectors are.
        n: Sequences.
        n_rows: Vectors: n, or all their residues.
        checksum: SHA-256 of the file.
        starts: Array → its first byte in the file.
    """

    path: Path
    kind: VectorKind
    n: int
    n_rows: int
    checksum: str
    starts: dict[str, int]

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return self.starts["crc"] + 4 * self.n

    def map(self) -> mmap.mmap:
        """The file in memory, page by page as it is read.

        Raises:
            FileNotFoundError: It was removed.
            DamagedPartError: It is shorter or longer than it was.
        """
        with self.path.open("rb") as stream:
            n_bytes = os.fstat(stream.fileno()).st_size
            if n_bytes != self.n_bytes:
                raise DamagedPartError(self.path, f"it has {n_bytes:,} bytes in place of {self.n_bytes:,}")
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def keys(self) -> NDArray[np.uint8]:
        """(n, 32) keys, read into memory."""
        with self.path.open("rb") as stream:
            stream.seek(self.starts["keys"])
            content = stream.read(self.n * KEY_BYTES)
        if len(content) != self.n * KEY_BYTES:
            raise DamagedPartError(self.path, "it ends within its keys")
        return np.frombuffer(content, np.uint8).reshape(self.n, KEY_BYTES)

    def lengths(self) -> NDArray[np.int64]:
        """(n,) rows of the matrix a sequence: 1, or its residues.

        Raises:
            DamagedPartError: They do not add up.
        """
        if not self.kind.is_per_residue:
            return np.ones(self.n, np.int64)
        offsets = np.frombuffer(self.map(), _DTYPES["I64"], self.n + 1, self.starts["offsets"])
        lengths = np.diff(offsets)
        if offsets[0] != 0 or offsets[-1] != self.n_rows or (lengths < 1).any():
            raise DamagedPartError(self.path, "the lengths of its sequences do not add up")
        return lengths

    def vectors(self, content: mmap.mmap, row: int) -> VectorArray:
        """The vectors of one sequence, (D,) or (L, D), as a read-only view of the mapped file.

        Raises:
            DamagedPartError: They are not what was written.
        """
        first, end = self.span(content, row)
        dtype, width = _DTYPES[STORED_AS[self.kind.dtype]], self.kind.width
        values: VectorArray = np.frombuffer(
            content,
            dtype,
            count=(end - first) * width,
            offset=self.starts["vectors"] + dtype.itemsize * first * width,
        )
        self._check(content, row, values)
        return values.reshape(-1, width) if self.kind.is_per_residue else values

    def span(self, content: mmap.mmap, row: int) -> tuple[int, int]:
        """The rows of the matrix that belong to a sequence: first, and the one behind the last."""
        if not self.kind.is_per_residue:
            return row, row + 1
        first, end = np.frombuffer(content, _DTYPES["I64"], 2, self.starts["offsets"] + 8 * row).tolist()
        if not 0 <= first < end <= self.n_rows:
            raise DamagedPartError(self.path, f"sequence {row} would stand in rows {first} to {end}")
        return first, end

    def _check(self, content: mmap.mmap, row: int, values: VectorArray) -> None:
        at = self.starts["keys"] + KEY_BYTES * row
        expected = np.frombuffer(content, _DTYPES["U32"], 1, self.starts["crc"] + 4 * row)[0]
        if checksum_of(content[at : at + KEY_BYTES], values) != expected:
            raise DamagedPartError(
                self.path, f"the vectors of sequence {row} are not those that were written"
            )


def checksum_of(key: bytes, vectors: VectorArray) -> int:
    """CRC-32 of a key and its vectors."""
    return zlib.crc32(vectors.data, zlib.crc32(key))


def read_part(path: Path) -> Part:
    """Read the header of a part, and see that the file is as long as it says.

    Raises:
        FileNotFoundError: It was removed.
        DamagedPartError: It is cut short, damaged or foreign.
        StoreError: It cannot be read, or a newer version wrote it.
    """
    try:
        with path.open("rb") as stream:
            n_bytes = path.stat().st_size
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(_MAX_HEADER_BYTES, n_bytes - 8):
                raise DamagedPartError(path, f"it is no safetensors file, or cut short ({n_bytes:,} bytes)")
            raw = stream.read(length)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    part = _parse(path, raw)
    if part.n_bytes != n_bytes:
        raise DamagedPartError(path, f"it has {n_bytes:,} bytes in place of {part.n_bytes:,}")
    return part


def _parse(path: Path, raw: bytes) -> Part:
    try:
        header = json.loads(raw)
        metadata = header.pop("__metadata__")
        version = int(metadata["version"])
        if metadata["format"] != FORMAT:
            raise DamagedPartError(path, "it was not written by a store of vectors")
        if version > FORMAT_VERSION:
            raise StoreError(
                f"{path} has format version {version}; this sortilin reads up to {FORMAT_VERSION}: "
                "pip install --upgrade sortilin"
            )
        kind = VectorKind.model_validate_json(metadata["kind"])
        n, n_rows = int(metadata["sequences"]), int(metadata["rows"])
        part = Part(path, kind, n, n_rows, metadata["sha256"], _starts(kind, n, n_rows, 8 + len(raw)))
        is_as_written = header == layout(kind, n, n_rows)
    except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise DamagedPartError(path, f"its header cannot be read ({type(error).__name__})") from None
    if not is_as_written or n < 1:
        raise DamagedPartError(path, "its header contradicts itself")
    return part


def layout(kind: VectorKind, n: int, n_rows: int) -> dict[str, dict[str, Any]]:
    """The safetensors header of a part, without its metadata."""
    arrays: list[tuple[str, str, list[int]]] = [
        ("keys", "U8", [n, KEY_BYTES]),
        ("vectors", STORED_AS[kind.dtype], [n_rows, kind.width]),
        ("crc", "U32", [n]),
    ]
    if kind.is_per_residue:
        arrays.insert(0, ("offsets", "I64", [n + 1]))
    entries, at = {}, 0
    for name, dtype, shape in arrays:
        end = at + int(np.prod(shape, dtype=np.int64)) * _DTYPES[dtype].itemsize
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, end]}
        at = end
    return entries


def _starts(kind: VectorKind, n: int, n_rows: int, first: int) -> dict[str, int]:
    return {name: first + entry["data_offsets"][0] for name, entry in layout(kind, n, n_rows).items()}
