"""A part → its records, as reading the whole file would give them, but for their numbers.

Numbers of records in messages and in the ids of unnamed ones count from the beginning of the part.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any, BinaryIO, cast

from sortilin.errors import FormatError
from sortilin.scale.places import place_of
from sortilin.scale.plan import Part
from sortilin.sequences import ReadReport, SequenceRecord, read_sequences
from sortilin.sequences.entries import Entry
from sortilin.sequences.policy import OnError
from sortilin.sequences.reading import records_of_entries
from sortilin.sequences.source import opened
from sortilin.sequences.table import ID_COLUMNS, SEQUENCE_COLUMNS

_BLOCK = 1 << 16
_ROWS = 4_096


def read_part(part: Part, *, on_error: OnError, report: ReadReport) -> Iterator[SequenceRecord]:
    """The records of a part, cleaned; none, where it has none or all were left out.

    Args:
        part: What is read.
        on_error: What becomes of a faulty record.
        report: Filled with what was changed and left out.

    Raises:
        InputError: The shard is missing, damaged, or not what it should be.
        ResidueError, DuplicateIdError, ...: A record is faulty and `on_error` is "fail".
    """
    with place_of(part.address).open() as stream:
        records = _records(part, stream, on_error, report)
        if records is not None:
            with closing(cast(Any, records)):
                yield from _but_none(records, report)


def _but_none(records: Iterator[SequenceRecord], report: ReadReport) -> Iterator[SequenceRecord]:
    """The records; that all were left out is an error of a whole input, not of a part of one."""
    from sortilin.errors import InputError

    try:
        yield from records
    except InputError:
        if report.n_kept or report.n_skipped < max(report.n_records, 1):
            raise


def _records(
    part: Part, stream: BinaryIO, on_error: OnError, report: ReadReport
) -> Iterator[SequenceRecord] | None:
    if part.kind == "parquet":
        return records_of_entries(_rows(part, stream), on_error=on_error, report=report, name=part.name)
    if part.kind == "fasta":
        start, stop = (_record_start(stream, at) for at in (part.start, part.stop))
        if start == stop:
            return None
        stream = cast(BinaryIO, io.BufferedReader(_Stretch(stream, start, stop), _BLOCK))
    elif _is_empty(stream, part.name):
        return None
    return read_sequences(stream, on_error=on_error, report=report, name=part.name)


def _is_empty(stream: BinaryIO, name: str) -> bool:
    """Whether nothing is in a compressed file; faults of it are told where it is read."""
    from sortilin.sequences.source import fault_types

    try:
        with opened(stream, name) as content:
            return not content.read(1)
    except fault_types():
        return False
    finally:
        stream.seek(0)


def _record_start(stream: BinaryIO, at: int) -> int:
    """Where the first record begins whose ">" stands at byte `at` or behind it; the end, if none does."""
    if at == 0:
        return 0
    stream.seek(at - 1)
    before, position = b"", at - 1
    while block := stream.read(_BLOCK):
        window = before + block
        found = min((n for n in (window.find(b"\n>"), window.find(b"\r>")) if n >= 0), default=-1)
        if found >= 0:
            return position - len(before) + found + 1
        before, position = block[-1:], position + len(block)
    return position


class _Stretch(io.RawIOBase):
    """Bytes of a stream from one place to another."""

    def __init__(self, stream: BinaryIO, start: int, stop: int) -> None:
        stream.seek(start)
        self._stream, self._left = stream, stop - start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        block = self._stream.read(min(len(buffer), self._left))
        buffer[: len(block)] = block
        self._left -= len(block)
        return len(block)


def _rows(part: Part, stream: BinaryIO) -> Iterator[Entry]:
    """The rows of a part's row groups."""
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.ParquetFile(stream)
        known = {name.lower(): name for name in table.schema_arrow.names}
        sequence, record_id = (
            next((known[name] for name in names if name in known), None)
            for names in (SEQUENCE_COLUMNS, ID_COLUMNS)
        )
        columns = [name for name in (record_id, sequence) if name is not None]
        groups = list(range(part.start, part.stop))
        for batch in table.iter_batches(batch_size=_ROWS, row_groups=groups, columns=columns):
            sequences = batch.column(sequence).to_pylist()
            ids = [None] * len(sequences) if record_id is None else batch.column(record_id).to_pylist()
            for name, letters in zip(ids, sequences, strict=True):
                yield _entry(None if record_id is None else name, letters)
    except (OSError, pyarrow.ArrowException) as error:
        raise FormatError(f"{part.name}: cannot be read as Parquet: {error}; is it damaged?") from None


def _entry(name: object, letters: object) -> Entry:
    record_id = None if name is None else str(name)
    if letters is None or isinstance(letters, str):
        return Entry(record_id, "", letters or "")
    return Entry(record_id, "", "", fault=f"its sequence is {letters!r}; expected text")
