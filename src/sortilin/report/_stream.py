"""The binary stream of an output file: it hashes, counts and, by the file's name, compresses."""

from __future__ import annotations

import bz2
import errno
import hashlib
import io
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sortilin.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BUFFER_BYTES = 1 << 18

_GZIP_WRAPPER = 16 + zlib.MAX_WBITS  # zlib's way to say "gzip"; its header then holds no name and no time

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another place",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.EACCES: "no permission to write there; choose another place",
    errno.EPERM: "no permission to write there; choose another place",
    errno.EPIPE: "the program that reads it has ended",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


class Compressor(Protocol):
    """What the compressors of the standard library have in common."""

    def compress(self, data: ReadableBuffer, /) -> bytes:
        """Take bytes in; hand out those that are ready."""
        ...

    def flush(self) -> bytes:
        """Hand out the rest and end the file."""
        ...


def _zstd() -> Compressor:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd  # a dependency of xopen, hence always there
    return zstd.ZstdCompressor()


_COMPRESSORS: dict[str, Callable[[], Compressor]] = {
    ".gz": lambda: zlib.compressobj(wbits=_GZIP_WRAPPER),
    ".bz2": bz2.BZ2Compressor,
    ".xz": lzma.LZMACompressor,
    ".zst": _zstd,
}


def compression_of(path: Path) -> str | None:
    """The ending that says how a file of that name is compressed (".gz"), or None."""
    ending = path.suffix.lower()
    return ending if ending in _COMPRESSORS else None


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write into an `OutputError` about the path that the user gave."""
    try:
        yield
    except OSError as error:
        code = error.errno or 0
        reason = _REASONS.get(code, error.strerror or str(error))
        raise OutputError(f"{path}: cannot be written: {reason}") from error


class _Sink(io.RawIOBase):
    """Compresses, hashes, counts, writes; once abandoned it takes everything and keeps nothing."""

    def __init__(self, file: io.FileIO, path: Path) -> None:
        self._file, self._path = file, path
        ending = compression_of(path)
        self._compressor = _COMPRESSORS[ending]() if ending else None
        self._is_abandoned = False
        self.digest = hashlib.sha256()
        self.n_bytes = 0

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        n_taken = memoryview(data).nbytes
        if not self._is_abandoned:
            self._store(self._compressor.compress(data) if self._compressor else data)
        return n_taken

    def _store(self, data: ReadableBuffer) -> None:
        rest = memoryview(data).cast("B")
        self.digest.update(rest)
        self.n_bytes += rest.nbytes
        with writing(self._path):
            while rest:  # a pipe or a nearly full disk takes less than it is given
                rest = rest[self._file.write(rest) :]

    def complete(self, *, is_file: bool) -> None:
        if self._compressor:
            self._store(self._compressor.flush())
        with writing(self._path):
            if is_file:  # a pipe cannot be synced
                os.fsync(self._file.fileno())
            self._file.close()

    def abandon(self) -> None:
        self._is_abandoned = True
        self._file.close()  # unbuffered, so that nothing is left to fail


class OutputStream(io.BufferedWriter):
    """A file under construction, as `open_output` hands it out.

    Args:
        file: The open file, unbuffered.
        path: The name that the user gave: for messages, and for how to compress.
    """

    def __init__(self, file: io.FileIO, path: Path) -> None:
        self._sink = _Sink(file, path)
        super().__init__(self._sink, BUFFER_BYTES)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file as it lies on disk; final once the `with` block has ended."""
        return self._sink.digest.hexdigest()

    @property
    def n_bytes(self) -> int:
        """Bytes on disk; final once the `with` block has ended."""
        return self._sink.n_bytes

    def complete(self, *, is_file: bool) -> None:
        """Write what is still held back and close; a regular file is synced to disk."""
        self.flush()
        self._sink.complete(is_file=is_file)

    def abandon(self) -> None:
        """Close the file; whoever still holds the stream may write, to no effect.

        A Parquet writer that is swept away after an error wants to write its footer: that must not
        raise a second time.
        """
        self._sink.abandon()
