"""A part → its records, as reading the whole file would give them, but for their numbers.

Numbers of records in messages count from the beginning of the part. A record without an id is called by its
number and that of the part, which no other record is, and is named when parts are merged.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Any, BinaryIO, cast

from sortilin.errors import FormatError, InputError, NoRecordsError
from sortilin.scale.places import place_of
from sortilin.scale.plan import Part
from sortilin.sequences import ReadReport, SequenceRecord
from sortilin.sequences.entries import Entry, Origin
from sortilin.sequences.parsing import BYTE_ORDER_MARK, parsed
from sortilin.sequences.policy import N_FIRST, OnError, check_not_nucleotides
from sortilin.sequences.reading import records_of_entries
from sortilin.sequences.table import ID_COLUMNS, SEQUENCE_COLUMNS

_BLOCK = 1 << 16
_ROWS = 4_096
_NO_END = 1 << 62


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
    is_cut = part.kind != "whole"
    if is_cut and part.start == 0:
        _check_not_nucleotides(part)
    try:
        with place_of(part.address).open() as stream, _entries(part, stream) as entries:
            yield from records_of_entries(
                entries,
                on_error=on_error,
                report=report,
                name=part.name,
                id_of=lambda number: unnamed_id(part.number, number),
                is_whole=not is_cut,
            )
    except NoRecordsError:
        return
    except InputError:  # that all were left out is an error of a whole input, not of a part of one
        if report.n_kept or report.n_skipped < max(report.n_records, 1):
            raise


def unnamed_id(part: int, number: int) -> str:
    """What a record without an id is called in its part."""
    return f"seq{number} of part {part}"


def _check_not_nucleotides(part: Part) -> None:
    """The first records of a shard show whether it is DNA; those of another part may be short peptides.

    Raises:
        NucleotideError: It is DNA or RNA.
    """
    # What is wrong with a record is told by the part that it stands in.
    with suppress(FormatError), place_of(part.address).open() as stream:
        if part.kind == "parquet":
            first = list(islice(_rows(part, stream), N_FIRST))
            check_not_nucleotides(first, Origin(part.address))
        else:
            with parsed(stream, part.address) as (origin, entries):
                check_not_nucleotides(list(islice(entries, N_FIRST)), origin)


@contextmanager
def _entries(part: Part, stream: BinaryIO) -> Iterator[Iterator[Entry]]:
    if part.kind == "parquet":
        with closing(cast(Any, _rows(part, stream))) as rows:
            yield rows
        return
    if part.kind == "fasta":
        first = _first_line(stream)
        start, stop = (max(_record_start(stream, at), first) for at in (part.start, part.stop))
        if start >= stop:
            raise NoRecordsError(f"{part.name} holds no records")
        stream = cast(BinaryIO, io.BufferedReader(_Stretch(stream, start, stop), _BLOCK))
    with parsed(stream, part.name) as (_, entries):
        yield entries


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


def _first_line(stream: BinaryIO) -> int:
    """Where the first line begins that is neither blank nor a comment: these may be longer than a part."""
    stream.seek(0)
    position = 0
    buffered = io.BufferedReader(cast(Any, _Stretch(stream, 0, None)), _BLOCK)
    for line in buffered:
        text = line.removeprefix(BYTE_ORDER_MARK) if position == 0 else line
        if text.strip() and not text.lstrip().startswith(b"#"):
            break
        position += len(line)
    return position


class _Stretch(io.RawIOBase):
    """Bytes of a stream from one place to another, or to its end."""

    def __init__(self, stream: BinaryIO, start: int, stop: int | None) -> None:
        stream.seek(start)
        self._stream, self._left = stream, _NO_END if stop is None else stop - start

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
