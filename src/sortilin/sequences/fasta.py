"""FASTA → entries, by dnaio's parser."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import cast

from sortilin.errors import FormatError
from sortilin.sequences.entries import Entry

_BLANKS = " \t"
_MAX_SHOWN = 40
_BUFFER_BYTES = 1 << 17

# What is not visible ASCII before the "#" may be a blank that dnaio strips, such as a no-break space.
_COMMENT = re.compile(rb"[\r\n][^!-~\r\n]*(#[^\r\n]*)")
_OPEN_LINE = re.compile(rb"[\r\n][^!-~\r\n]*\Z")


def fasta_entries(stream: io.BufferedReader, name: str, *, first_line: int) -> Iterator[Entry]:
    """The records of a FASTA stream in UTF-8, whatever the locale.

    Wrapped lines are joined, blank lines are left out.

    Args:
        stream: The file from its first header on.
        name: What messages call it.
        first_line: Number of that header's line in the file, from 1.

    Raises:
        FormatError: On drawing records: a line starts with "#".
    """
    from dnaio.readers import FastaReader

    # dnaio's own record class allows ASCII headers only.
    checked = io.BufferedReader(_WithoutComments(stream, name, first_line), _BUFFER_BYTES)
    reader = FastaReader(checked, sequence_class=_entry)
    reader._file.reconfigure(encoding="utf-8")
    return cast(Iterator[Entry], iter(reader))


class _WithoutComments(io.RawIOBase):
    """Bytes for dnaio, which would take a line that starts with "#" out of a sequence unseen.

    The bytes are searched as they come, in pieces: a look at each line would slow reading by a third.
    """

    def __init__(self, stream: io.BufferedReader, name: str, first_line: int) -> None:
        self._stream, self._name, self._line = stream, name, first_line
        self._line_end = b""  # of the piece before, if nothing visible follows it there

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        n_bytes = self._stream.readinto1(buffer)
        piece = self._line_end + buffer[:n_bytes]
        if b"#" in piece and (found := _COMMENT.search(piece)):
            line = self._line + piece.count(b"\n", len(self._line_end), found.end())
            raise FormatError(_comment(self._name, line, found[1]))
        self._line += piece.count(b"\n", len(self._line_end))
        if n_bytes:
            last = max(piece.rfind(b"\n"), piece.rfind(b"\r"), 0)
            self._line_end = b"\n" if _OPEN_LINE.match(piece, last) else b""
        return n_bytes


def _comment(name: str, line: int, found: bytes) -> str:
    shown = found.decode("utf-8", errors="replace").rstrip()
    shown = shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 3] + "..."
    return (
        f"{name}, line {line} holds {shown!r}: a line that starts with '#' inside a record; "
        "comments may stand before the first '>' only"
    )


def _entry(header: str, sequence: str, _qualities: None) -> Entry:
    header = header.lstrip(_BLANKS)
    record_id = header.split(" ", 1)[0].split("\t", 1)[0]
    return Entry(record_id, header[len(record_id) :].lstrip(_BLANKS), sequence)
