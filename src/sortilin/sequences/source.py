"""Bytes of a file, of standard input or of an open stream, decompressed by content, not by name."""

from __future__ import annotations

import csv
import difflib
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

from sortilin.errors import FormatError, InputError, escape_controls
from sortilin.sequences.record import counted

STANDARD_INPUT = "-"

COMPRESSIONS = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zst"}
"""First bytes of a compressed file → its format, as xopen calls it."""

_MAGIC_BYTES = max(map(len, COMPRESSIONS))
_BUFFER_BYTES = 1 << 17

Source = str | os.PathLike[str] | BinaryIO


def source_name(source: Source) -> tuple[str, str | None]:
    """What messages call a source, and the path that a label can be taken from (None: it has none)."""
    if isinstance(source, str | os.PathLike) and source != STANDARD_INPUT:
        return os.fspath(source), os.fspath(source)
    path = STANDARD_INPUT if source == STANDARD_INPUT else getattr(source, "name", "")
    if path in {STANDARD_INPUT, "<stdin>"}:
        return "standard input", None
    return (path, path) if isinstance(path, str) and path else ("input", None)


@contextmanager
def opened(source: Source, name: str) -> Iterator[io.BufferedReader]:
    """Opens a source; a path is closed again, a stream that was given stays open.

    Args:
        source: A path, "-" for standard input, or a binary stream.
        name: What messages call it.

    Raises:
        InputError: The file is missing, is a folder, or must not be read.
    """
    with ExitStack() as closing:
        if isinstance(source, str | os.PathLike):
            stream = _standard_input() if source == STANDARD_INPUT else open_file(Path(source), name)
            if source != STANDARD_INPUT:
                closing.enter_context(stream)
        else:
            stream = source
        yield closing.enter_context(_decompressed(stream, name, closing))


def rejoined(head: bytes, rest: io.BufferedIOBase | BinaryIO) -> io.BufferedReader:
    """A stream of bytes that were read ahead, then of the stream they were taken from."""
    return io.BufferedReader(_Rejoined(head, rest), _BUFFER_BYTES)


class _Rejoined(io.RawIOBase):
    """`peek` cannot stand in for it: on a slow pipe it may see one byte of a header."""

    def __init__(self, head: bytes, rest: io.BufferedIOBase | BinaryIO) -> None:
        self._head = head
        self._read = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk: bytes = self._head or self._read(len(buffer))
        n_bytes = min(len(chunk), len(buffer))
        buffer[:n_bytes] = chunk[:n_bytes]
        self._head = chunk[n_bytes:]
        return n_bytes


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer


def open_file(path: Path, name: str) -> BinaryIO:
    """A file of this machine, in binary.

    Raises:
        InputError: It is missing, is a folder, or must not be read.
    """
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(_missing(path, name)) from None
    except OSError as error:
        if path.is_dir():
            raise InputError(f"{name} is a folder; give the file in it that is meant") from None
        raise InputError(f"{name} cannot be read: {error.strerror or error}") from error


def _missing(path: Path, name: str) -> str:
    if not path.parent.is_dir():
        return f"{name}: there is no folder '{escape_controls(str(path.parent))}'"
    names = sorted(entry.name for entry in path.parent.iterdir())
    near = difflib.get_close_matches(path.name, names, n=3)
    hint = f"; did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return f"{name}: there is no such file{hint}"


def _decompressed(stream: BinaryIO, name: str, closing: ExitStack) -> io.BufferedReader:
    head = _first_bytes(stream, name)
    whole = rejoined(head, stream)
    kind = next((kind for magic, kind in COMPRESSIONS.items() if head.startswith(magic)), None)
    if kind is None:
        return whole
    from xopen import xopen

    # threads=0: in this process, so that a damaged file is an exception here and nothing is left behind
    return rejoined(b"", closing.enter_context(xopen(whole, "rb", threads=0, format=kind)))


def _first_bytes(stream: BinaryIO, name: str) -> bytes:
    head = b""
    while len(head) < _MAGIC_BYTES:
        chunk = stream.read(_MAGIC_BYTES - len(head))
        if isinstance(chunk, str):
            raise InputError(f"{name} is open as text; open it in binary mode ('rb')")
        if not chunk:
            break
        head += chunk
    return head


def fault_types() -> tuple[type[Exception], ...]:
    """The exceptions that decoding, decompressing and parsing raise for a faulty file."""
    import lzma
    import zlib

    import xopen
    from dnaio.exceptions import FileFormatError

    damaged = (OSError, zlib.error, lzma.LZMAError, xopen.zstd.ZstdError)  # type: ignore[attr-defined]
    return (EOFError, UnicodeDecodeError, csv.Error, FileFormatError, *damaged)


def file_fault(name: str, error: Exception, n_records: int) -> FormatError:
    """What a person is told of such an exception.

    Args:
        name: What messages call the source.
        error: One of `fault_types`.
        n_records: Records read before. The fault lies up to a buffer's length behind them.
    """
    after = f" after at least {counted(n_records, 'record')}" if n_records else ""
    if isinstance(error, EOFError):
        return FormatError(f"{name}: compressed file ends early{after} (truncated download?)")
    if isinstance(error, UnicodeDecodeError):
        byte = error.object[error.start]
        return FormatError(f"{name}: byte 0x{byte:02x}{after} is not UTF-8 text; save it as UTF-8")
    found = escape_controls(str(error))
    if isinstance(error, csv.Error):
        return FormatError(f"{name} is no sound table{after}: {found} (is a quote left open?)")
    return FormatError(f"{name}: reading failed{after}: {found}; the file may be damaged")
