"""What a visitor sends → records, within the limits that are stated on the page."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sortilin.errors import FormatError, InputError
from sortilin.sequences import ReadReport, SequenceRecord, read_sequences
from sortilin.sequences.record import Skipped
from sortilin.sequences.source import COMPRESSIONS, opened
from sortilin.serve.settings import Settings

INPUT = "the input"

_BARE = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789*-. "
"""What the first line of a sequence without a header may hold: digits too, for a message that names them."""


class TooLargeError(InputError):
    """More was sent than one job may hold."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a job is made of.

    Attributes:
        records: The sequences, cleaned.
        report: What reading changed and left out.
    """

    records: list[SequenceRecord]
    report: ReadReport

    @property
    def n_residues(self) -> int:
        """Residues of all sequences."""
        return sum(len(record.sequence) for record in self.records)


def read(content: BinaryIO, settings: Settings, *, skip_faulty: bool = False) -> Submission:
    """Read FASTA or a table, plain or compressed; a bare sequence, too.

    Args:
        content: The bytes.
        settings: Limits.
        skip_faulty: Leave records out that cannot be predicted, rather than refuse them all.

    Raises:
        TooLargeError: It holds more than a job may; the message names limit and setting.
        InputError: It cannot be read, or a record is faulty.
    """
    records: list[SequenceRecord] = []
    n_residues = 0

    def count(_skipped: Skipped) -> None:
        if report.n_skipped + len(records) > settings.max_sequences:
            raise TooLargeError(
                f"more than {settings.max_sequences:,} records, faulty ones counted; allowed: "
                f"{settings.max_sequences:,} a job"
            )

    report = ReadReport(on_skip=count)
    with opened(content, INPUT) as plain:
        source = _with_header(_buffered(_Bounded(_once(plain), settings)))
        for record in read_sequences(
            source, on_error="skip" if skip_faulty else "fail", report=report, name=INPUT
        ):
            n_residues += len(record.sequence)
            records.append(record)
            _check(settings, record, len(records), n_residues)
    return Submission(records, report)


def _check(settings: Settings, record: SequenceRecord, n: int, n_residues: int) -> None:
    length = len(record.sequence)
    if length > settings.max_length:
        raise TooLargeError(
            f"record {n} ({record.id[:60]}) has {length:,} residues; allowed: "
            f"{settings.max_length:,} a sequence"
        )
    if n > settings.max_sequences:
        raise TooLargeError(
            f"more than {settings.max_sequences:,} sequences; allowed: {settings.max_sequences:,} a job"
        )
    if n_residues > settings.max_residues:
        raise TooLargeError(
            f"more than {settings.max_residues:,} residues; allowed: {settings.max_residues:,} a job"
        )


def _once(plain: io.BufferedReader) -> io.BufferedReader:
    """Refuse what is still compressed: each layer multiplies what a small upload becomes."""
    head = plain.peek(8)[:8]
    if any(head.startswith(magic) for magic in COMPRESSIONS):
        raise FormatError("the input is compressed twice; allowed: once (.gz, .bz2, .xz, .zst)")
    return plain


def _with_header(stream: io.BufferedReader) -> BinaryIO:
    """A header before a bare sequence of letters, as people paste it; anything else as it is."""
    head = stream.peek(4096)[:4096].lstrip()
    first = head.split(b"\n", 1)[0].strip()
    is_bare = first[:1].isalpha() and first == first.upper() and all(chr(c) in _BARE for c in first)
    if not is_bare:
        return stream
    return _buffered(_Chained(b">sequence\n", stream))


def _buffered(raw: io.RawIOBase) -> io.BufferedReader:
    return io.BufferedReader(raw)


class _Chained(io.RawIOBase):
    """Some bytes, then a stream."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        self._parts: Iterator[bytes] = iter((head,))
        self._rest, self._left = rest, head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._left or self._rest.read1(len(buffer))
        n = min(len(chunk), len(buffer))
        buffer[:n], self._left = chunk[:n], chunk[n:]
        return n


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it is longer than allowed."""

    def __init__(self, stream: io.BufferedReader, settings: Settings) -> None:
        self._stream, self._limit = stream, int(settings.max_decompressed)
        self._n = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read1(len(buffer))
        self._n += len(chunk)
        if self._n > self._limit:
            raise TooLargeError(
                f"the input is larger than {self._limit / 2**20:,.0f} MB when it is decompressed; allowed: "
                f"{self._limit / 2**20:,.0f} MB"
            )
        buffer[: len(chunk)] = chunk
        return len(chunk)
