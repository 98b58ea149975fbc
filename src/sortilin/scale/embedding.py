"""Parts of vectors: what a worker writes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sortilin.embedding import Embedder, EmbeddingConfig
from sortilin.errors import escape_controls
from sortilin.scale.folder import Done
from sortilin.scale.jobs import all_or_numbers, sha256_of
from sortilin.scale.places import Place, absolute
from sortilin.scale.plan import Part
from sortilin.scale.reading import read_part
from sortilin.sequences import ReadReport, SequenceRecord
from sortilin.sequences.policy import OnError
from sortilin.vectors import Store, VectorRow
from sortilin.vectors._parquet import ParquetWriter
from sortilin.vectors.exchange import write_vectors


@dataclass(frozen=True, slots=True)
class EmbedJob:
    """What workers that embed are told.

    Attributes:
        config: How sequences become vectors.
        on_error: What becomes of a faulty record; one that gets no vector is listed either way.
        threads: Cores of each worker; None for all.
        offline: Never connect.
        store: Folder of a store that all workers see; None for none.
    """

    config: EmbeddingConfig
    on_error: OnError = "fail"
    threads: int | None = None
    offline: bool | None = None
    store: str | None = None

    kind = "embed"
    uses_gpu = True

    def start(self) -> EmbedWorker:
        """A worker; its model is loaded when it is first needed."""
        store = None if self.store is None else Store(Path(self.store))
        embedder = Embedder.of(self.config, store=store, offline=self.offline, threads=self.threads)
        return EmbedWorker(embedder, self.on_error)

    def absolute(self) -> EmbedJob:
        """The same job for a process that runs in another folder."""
        is_folder = Path(self.config.backbone).exists()
        backbone = absolute(self.config.backbone) if is_folder else self.config.backbone
        store = None if self.store is None else absolute(self.store)
        return replace(self, config=self.config.model_copy(update={"backbone": backbone}), store=store)


class EmbedWorker:
    """Embeds parts.

    Args:
        embedder: What computes.
        on_error: What becomes of a record that gets no vector.
    """

    def __init__(self, embedder: Embedder, on_error: OnError) -> None:
        self._embedder, self.on_error = embedder, on_error

    def about(self) -> dict[str, Any]:
        """What decides the results."""
        return {name: str(value) for name, value in self._embedder.kind.model_dump().items()}

    def notes(self) -> dict[str, Any]:
        """What is to be said of them."""
        return {"description": self._embedder.description()}

    def do(self, part: Part, place: Place) -> Done:
        """Write the vectors of a part, unless it has none, and say what was met."""
        run = _Run(self._embedder, part, self.on_error)
        with place.filled() as path:
            rows = run.rows()
            first = next(rows, None)
            if first is not None:
                make = partial(ParquetWriter, has_sequences=True)
                write_vectors(
                    path, _chained(first, rows), description=self._embedder.description(), make=make
                )
        sha256, n_bytes = sha256_of(place) if run.n_rows else ("", 0)
        return Done(
            part=part.number,
            shard=part.shard,
            n_records=run.report.n_records,
            n_rows=run.n_rows,
            n_residues=run.n_residues,
            skipped=sorted(run.skipped),
            failed=run.failed,
            is_tolerant=True,
            unnamed=all_or_numbers(run.unnamed, run.report.n_records),
            counts={"unnamed": {"told": run.report.n_unnamed}},
            sha256=sha256,
            n_bytes=n_bytes,
        )


def _chained(first: VectorRow, rows: Iterator[VectorRow]) -> Iterator[VectorRow]:
    yield first
    yield from rows


class _Run:
    """One part: its rows, and what was met."""

    def __init__(self, embedder: Embedder, part: Part, on_error: OnError) -> None:
        self._embedder, self._part, self._on_error = embedder, part, on_error
        self.report = ReadReport()
        self.report.on_skip = lambda one: self.skipped.append((one.record, one.id, one.reason))
        self.skipped: list[tuple[int, str, str]] = []
        self.unnamed: list[int] = []
        self.report.on_unnamed = self.unnamed.append
        self.failed: list[int] = []
        self.n_rows = self.n_residues = 0
        self._numbers: deque[int] = deque()

    def rows(self) -> Iterator[VectorRow]:
        def leave_out(record: SequenceRecord, reason: str) -> None:
            number = self._numbers.popleft()
            self.failed.append(number)
            self.skipped.append((number, escape_controls(record.id), escape_controls(reason)))

        for record, vector in self._embedder.embed_stream(self._records(), on_failure=leave_out):
            self._numbers.popleft()
            self.n_rows += 1
            self.n_residues += len(record.sequence)
            yield VectorRow(record.id, record.sequence, vector)

    def _records(self) -> Iterator[SequenceRecord]:
        for record in read_part(self._part, on_error=self._on_error, report=self.report):
            self._numbers.append(self.report.n_records)
            yield record
