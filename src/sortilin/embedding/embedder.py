"""Model, engine and store joined: sequences in, one vector each out.

Axis letters: L residues, D width.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

from sortilin import language_models
from sortilin.embedding import engines, policies, pooling
from sortilin.embedding._batches import Task
from sortilin.embedding._checkpoints import check_pooling, pinned, recorded_layer
from sortilin.embedding._filling import MemoryShelf, Shelf, fill
from sortilin.embedding._running import Runner
from sortilin.embedding.config import EmbeddingConfig
from sortilin.embedding.failures import NotEmbeddedError, too_long
from sortilin.embedding.report import EmbeddingReport
from sortilin.errors import ConfigError
from sortilin.interfaces import OnProgress
from sortilin.language_models import Checkpoint, LoadedModel
from sortilin.sequences import SequenceRecord
from sortilin.vectors import Store, VectorKind, key_of
from sortilin.vectors.kind import VectorArray

CHUNK_SEQUENCES = 4_096
CHUNK_RESIDUES = 2_000_000
"""How much of a stream is read before it is computed, in order of length: much, so that many sequences of
one length meet; little, so that memory does not grow with the stream."""

OnFailure = Callable[[SequenceRecord, str], None]
"""Called with a record that gets no vector, and why."""


class Embedder:
    """Vectors of sequences from one language model, pooled in one way.

    A sequence gets the same vector alone and in any company, to rounding. The model is loaded when a vector
    has to be computed.

    Attributes:
        config: What was asked for.
        checkpoint: The language model.
        kind: What a store keeps the vectors as.
        engine_name: What computes.
        report: What was done so far.
    """

    def __init__(
        self,
        config: EmbeddingConfig,
        checkpoint: Checkpoint,
        load: Callable[[], LoadedModel],
        *,
        store: Store | None = None,
        threads: int | None = None,
    ) -> None:
        self.config, self.checkpoint = config, checkpoint
        self.engine_name = engines.choose(config.engine, config.precision)
        self.report = EmbeddingReport()
        self._policy = policies.parse(config.length_policy)
        self._load, self._store, self._threads = load, store, threads
        self.kind = VectorKind(
            checkpoint=checkpoint.name,
            revision=checkpoint.revision,
            layer=config.layer,
            pooling=config.pooling,
            length_policy=config.length_policy,
            precision=config.precision,
            width=checkpoint.width,
            dtype=config.store_dtype,
        )

    @classmethod
    def of(
        cls,
        config: EmbeddingConfig,
        *,
        store: Store | None = None,
        offline: bool | None = None,
        model: LoadedModel | None = None,
        threads: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> Self:
        """An embedder; the model is looked up, and fetched where that is needed to know its revision.

        Args:
            config: How sequences become vectors.
            store: Where vectors are kept; None keeps nothing.
            offline: Never connect; None for what `HF_HUB_OFFLINE` says.
            model: A model that is loaded already, in float32; its name need not be `config.backbone`.
            threads: Cores of a processor; None for all that this process may use.
            on_progress: Called while the model is fetched.

        Raises:
            UnknownNameError: There is no such backbone.
            BackboneError: It is not on this machine and cannot be fetched.
            ConfigError: It has no such layer or pooling, or the engine no such precision.
            MissingDependencyError: The engine is not installed.
        """

        def load() -> LoadedModel:
            found = language_models.load(config.backbone, offline=offline, on_progress=on_progress)
            if found.checkpoint.revision != checkpoint.revision:
                raise ConfigError(f"{config.backbone} was changed while it was used: start again")
            return found

        if threads is not None and threads < 1:
            raise ConfigError(f"threads must be at least 1, or None for all cores; got {threads}")
        checkpoint = (
            pinned(config.backbone, offline=offline, on_progress=on_progress)
            if model is None
            else model.checkpoint
        )
        config = config.model_copy(update={"layer": recorded_layer(config.layer, checkpoint)})
        check_pooling(config.pooling, checkpoint, model)
        return cls(
            config,
            checkpoint,
            load if model is None else lambda: model,
            store=store,
            threads=threads,
        )

    @property
    def width(self) -> int:
        """D, numbers a vector."""
        return self.checkpoint.width

    def description(self) -> dict[str, str]:
        """How its vectors are made, as files of vectors say it."""
        about = self.checkpoint
        more = {"hub_id": about.origin, "licence": about.licence, "citation": about.citation}
        return {key: str(value) for key, value in self.kind.model_dump().items()} | more

    def load(self) -> LoadedModel:
        """The language model in torch, loaded anew: for gradients, which no engine gives.

        Raises:
            BackboneError: It is not on this machine and cannot be fetched.
        """
        return self._load()

    def flag(self, sequence: str) -> str:
        """What the length policy does to a sequence ("shortened_to:2000", "windows:3"); "" for nothing."""
        return self._policy.flag(len(sequence))

    def embed(self, sequences: Sequence[str], *, on_progress: OnProgress | None = None) -> list[VectorArray]:
        """The vector of each cleaned sequence, in input order; each distinct one is computed once.

        Args:
            sequences: Letters of the 20 residues and X, length >= 1.
            on_progress: Called with residues done and in all.

        Returns:
            (D,) each, or (L, D) with pooling "none", of the type that the configuration says; those from a
            store are read-only.

        Raises:
            NotEmbeddedError: Some are too long for the model or for memory; all others were computed first.
        """
        own = self._own_shelf()
        shelf: Shelf = MemoryShelf() if own is None else own  # an empty shelf is false
        keys = [key_of(sequence) for sequence in sequences]
        failed = self._fill(shelf, list(zip(keys, sequences, strict=True)), on_progress)
        if failed:
            by_place = {at: failed[key] for at, key in enumerate(keys) if key in failed}
            by_name = {f"sequence {at + 1}": reason for at, reason in by_place.items()}
            raise NotEmbeddedError(by_name, len(keys), by_place=by_place)
        return shelf.get(keys)

    def embed_stream(
        self,
        records: Iterable[SequenceRecord],
        *,
        on_failure: OnFailure | None = None,
        on_progress: OnProgress | None = None,
    ) -> Iterator[tuple[SequenceRecord, VectorArray]]:
        """Records with their vectors, in input order, any number of them in bounded memory.

        Without a store, vectors stand in a temporary one until the stream ends.

        Args:
            records: Cleaned records; drawn some thousand at a time.
            on_failure: Called with each record that gets no vector; without it they are raised at the end.
            on_progress: Called with residues done; the total is 0, since nobody knows it.

        Raises:
            NotEmbeddedError: Some are too long for the model or for memory; raised behind all others.
        """
        failed: dict[str, str] = {}
        n_before, n_records = 0, 0
        note: OnFailure = on_failure or (lambda record, reason: failed.update({record.id: reason}))
        with self._any_shelf() as shelf:
            for chunk in _chunks(records):
                n_records += len(chunk)
                yield from self._embed_chunk(shelf, chunk, note, on_progress, n_before)
                n_before += sum(len(record.sequence) for record in chunk)
        if failed:
            raise NotEmbeddedError(failed, n_records)

    def _embed_chunk(
        self,
        shelf: Shelf,
        chunk: list[SequenceRecord],
        on_failure: OnFailure,
        on_progress: OnProgress | None,
        n_before: int,
    ) -> Iterator[tuple[SequenceRecord, VectorArray]]:
        keys = [key_of(record.sequence) for record in chunk]
        asked = [(key, record.sequence) for key, record in zip(keys, chunk, strict=True)]
        failed = self._fill(shelf, asked, on_progress, n_before=n_before)
        vectors = iter(shelf.get([key for key in keys if key not in failed]))
        for key, record in zip(keys, chunk, strict=True):
            if key in failed:
                on_failure(record, failed[key])
            else:
                yield record, next(vectors)
        del vectors
        shelf.release()

    def _fill(
        self,
        shelf: Shelf,
        asked: Sequence[tuple[str, str]],
        on_progress: OnProgress | None,
        *,
        n_before: int | None = None,
    ) -> dict[str, str]:
        """Compute what the shelf does not hold of keys with sequences; key → why there is no vector."""
        by_key = dict(asked)
        keys = list(by_key)
        is_known = shelf.known(keys)
        new = [Task(key, by_key[key]) for key, known in zip(keys, is_known, strict=True) if not known]
        failed = self._too_long(new)
        todo = [task for task in new if task.key not in failed]
        self.report.n_sequences += len(asked)
        self.report.n_known += len(asked) - len(new)
        self.report.n_failed += len(failed)
        if todo:
            is_stream = n_before is not None
            failed |= fill(
                shelf,
                todo,
                self._runner,
                self.report,
                on_progress,
                dtype=self.kind.stored,
                n_before=n_before or 0,
                n_total=0 if is_stream else sum(len(task.sequence) for task in todo),
            )
        flags = (self.flag(sequence) for key, sequence in asked if key not in failed)
        self.report.flags.update(flag for flag in flags if flag)
        return failed

    def _too_long(self, tasks: Sequence[Task]) -> dict[str, str]:
        most = self.checkpoint.most_residues
        if most is None:
            return {}
        return {
            task.key: too_long(len(task.sequence), most, self.checkpoint.name)
            for task in tasks
            if max(map(len, self._policy.pieces(task.sequence))) > most
        }

    @cached_property
    def _runner(self) -> Runner:
        engine = engines.make(
            self.engine_name, self.config, self.checkpoint, self._load, threads=self._threads
        )
        if self.config.pooling == pooling.CLS:
            pooling.check_cls(engine.vocabulary, self.checkpoint.name)
        self.report.engine = engine.name
        return Runner(engine, self._policy, self.config.pooling)

    def _own_shelf(self) -> Shelf | None:
        return None if self._store is None else self._store.shelf(self.kind)

    @contextmanager
    def _any_shelf(self) -> Iterator[Shelf]:
        own = self._own_shelf()
        if own is not None:
            yield own
            return
        with tempfile.TemporaryDirectory(prefix="sortilin-vectors-", ignore_cleanup_errors=True) as folder:
            yield Store(Path(folder) / "store").shelf(self.kind)


def _chunks(records: Iterable[SequenceRecord]) -> Iterator[list[SequenceRecord]]:
    """Cut a stream; a single long record is a chunk of its own."""
    chunk: list[SequenceRecord] = []
    n_residues = 0
    for record in records:
        chunk.append(record)
        n_residues += len(record.sequence)
        if len(chunk) == CHUNK_SEQUENCES or n_residues >= CHUNK_RESIDUES:
            yield chunk
            chunk, n_residues = [], 0
    if chunk:
        yield chunk
