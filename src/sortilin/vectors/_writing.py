"""Writing a part: under another name, synchronized, then renamed; nothing half-written has a part's name."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import OutputError
from sortilin.locks import FileLock
from sortilin.vectors._part import (
    ENDING,
    FORMAT,
    FORMAT_VERSION,
    NO_CHECKSUM,
    PREFIX,
    checksum_of,
    layout,
)
from sortilin.vectors.kind import VectorArray, VectorKind

PARTIAL = ".partial"


def write_part(
    folder: Path,
    kind: VectorKind,
    keys: NDArray[np.uint8],
    lengths: Sequence[int],
    vectors: Iterable[VectorArray],
    *,
    modified_ns: int | None = None,
) -> Path:
    """Write a part and give its name, which sorts behind the parts that are there.

    Args:
        folder: The shelf's folder.
        kind: What the vectors are.
        keys: (n, 32), distinct; n >= 1.
        lengths: Rows of the matrix a sequence: 1, or its residues.
        vectors: One array a sequence, in the order of the keys; drawn one by one.
        modified_ns: When its vectors were added, if they stood in other parts before.

    Raises:
        OutputError: It cannot be written; nothing of it is left.
    """
    try:
        with _new_file(folder) as (partial, stream):
            _write(stream, kind, keys, lengths, vectors)
            stream.flush()
            os.fsync(stream.fileno())
            if os.name != "posix":
                stream.close()  # an open file cannot be renamed there
            if modified_ns is not None:
                os.utime(partial, ns=(modified_ns, modified_ns))
            path = folder / partial.name.removeprefix(".").removesuffix(PARTIAL)
            partial.replace(path)
        _sync(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
    return path


def _write(
    stream: BinaryIO,
    kind: VectorKind,
    keys: NDArray[np.uint8],
    lengths: Sequence[int],
    vectors: Iterable[VectorArray],
) -> None:
    n_rows, dtype = sum(lengths), kind.stored.newbyteorder("<")
    digest = hashlib.sha256()

    def put(content: bytes | memoryview) -> None:
        digest.update(content)
        stream.write(content)

    put(header(kind, len(keys), n_rows, NO_CHECKSUM))
    if kind.is_per_residue:
        put(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype("<i8").tobytes())
    put(np.ascontiguousarray(keys).tobytes())
    crc = np.zeros(len(keys), "<u4")
    for row, vector in enumerate(vectors):
        values = np.ascontiguousarray(vector, dtype)
        crc[row] = checksum_of(keys[row].tobytes(), values)
        put(values.reshape(-1).view(np.uint8).data)
    put(crc.tobytes())
    stream.seek(0)
    stream.write(header(kind, len(keys), n_rows, digest.hexdigest()))


def header(kind: VectorKind, n: int, n_rows: int, checksum: str) -> bytes:
    """The first bytes of a part; the checksum does not change their number."""
    metadata = {
        "format": FORMAT,
        "version": str(FORMAT_VERSION),
        "kind": kind.model_dump_json(),
        "sequences": str(n),
        "rows": str(n_rows),
        "sha256": checksum,
    }
    text = json.dumps({"__metadata__": metadata, **layout(kind, n, n_rows)}).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


@contextmanager
def _new_file(folder: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A file that is locked as long as it is written, which tells it from what a killed writer left."""
    while True:
        name = f"{PREFIX}{time.time_ns():016x}-{uuid.uuid4().hex[:8]}{ENDING}"
        partial = folder / f".{name}{PARTIAL}"
        lock = FileLock(partial)
        try:
            with partial.open("xb") as stream:
                if _is_held(lock, stream):
                    yield partial, stream
                    return
        finally:
            lock.release()
            with suppress(OSError):
                partial.unlink(missing_ok=True)


def _is_held(lock: FileLock, stream: BinaryIO) -> bool:
    """Lock a file that was just made; false if it was taken for a leftover before that."""
    if os.name != "posix":
        return True  # an open file cannot be removed there, and a lock would stop its writer
    try:
        is_ours = lock.try_acquire()
    except OSError:
        return True  # a file system without locks: leftovers are told by their age
    try:
        return is_ours and lock.path.stat().st_ino == os.fstat(stream.fileno()).st_ino
    except FileNotFoundError:
        return False


@contextmanager
def left_over(partial: Path, *, oldest_s: float) -> Iterator[bool]:
    """Whether nobody is writing a partial file any more; as long as this is held, nobody begins to.

    Where the file system has no locks, a file that was written to within `oldest_s` seconds is in use.
    """
    lock = FileLock(partial)
    try:
        yield _is_left_over(lock, oldest_s)
    finally:
        lock.release()


def _is_left_over(lock: FileLock, oldest_s: float) -> bool:
    partial = lock.path
    try:
        listed = partial.stat()
    except FileNotFoundError:
        return False
    is_old = time.time() - listed.st_mtime > oldest_s
    if os.name != "posix":
        return is_old
    try:
        is_free = lock.try_acquire()
        if partial.stat().st_ino == listed.st_ino:
            return is_free
        partial.unlink()  # it was renamed meanwhile, and locking made an empty one of its name
    except FileNotFoundError:
        return False
    except OSError:
        return is_old
    return False


def _sync(folder: Path) -> None:
    """Make a new name last through a power cut, where folders can be synchronized."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
