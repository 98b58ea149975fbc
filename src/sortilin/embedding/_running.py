"""Batches through an engine: split where memory is short, on all cores, in order.

Axis letters: L residues, D width.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from sortilin.embedding._batches import Piece, Task, batches
from sortilin.embedding.engines import Engine
from sortilin.embedding.failures import is_out_of_memory
from sortilin.embedding.policies import LengthPolicy
from sortilin.embedding.pooling import FloatArray, PieceState, pool, state_of
from sortilin.pool import map_in_order

Outcome = FloatArray | None
"""The vector of a sequence; None if it does not fit into memory."""

Kept = FloatArray | PieceState | None
"""Of a piece: the vector of its sequence, if it is the only one; what pooling needs of it; or None."""


class Runner:
    """Computes vectors with one engine.

    Attributes:
        n_splits: Batches that were split so far.
    """

    def __init__(self, engine: Engine, policy: LengthPolicy, pooling: str) -> None:
        self.engine, self.policy, self.pooling = engine, policy, pooling
        self.n_splits = 0
        self._lock = threading.Lock()

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Each task with its vector, as soon as all of its pieces are done, the longest pieces first."""
        n_pieces: dict[str, int] = {}
        pieces: list[Piece] = []
        for task in tasks:
            texts = self.policy.pieces(task.sequence)
            n_pieces[task.key] = len(texts)
            pieces += [
                Piece(task, number, text, is_only=len(texts) == 1) for number, text in enumerate(texts)
            ]
        waiting: dict[str, dict[int, Kept]] = {}
        work = batches(pieces, pads=self.engine.pads)
        for done in map_in_order(self._run, work, threads=self.engine.n_workers):
            for piece, kept in done:
                parts = waiting.setdefault(piece.task.key, {})
                parts[piece.number] = kept
                if len(parts) == n_pieces[piece.task.key]:
                    yield piece.task, self._vector(piece.task, waiting.pop(piece.task.key))

    def _vector(self, task: Task, parts: dict[int, Kept]) -> Outcome:
        states = []
        for number in range(len(parts)):
            kept = parts[number]
            if not isinstance(kept, PieceState):  # the vector itself, or memory did not suffice
                return kept
            states.append(kept)
        return pool(states, self.policy, self.pooling, len(task.sequence))

    def _run(self, batch: list[Piece]) -> list[tuple[Piece, Kept]]:
        """What is kept of each piece; a batch that memory does not suffice for is split in two."""
        kept = self._kept(batch)
        if kept is not None:
            return list(zip(batch, kept, strict=True))
        self.engine.recover()
        if len(batch) == 1:
            return [(batch[0], None)]
        with self._lock:
            self.n_splits += 1
        middle = len(batch) // 2
        return [*self._run(batch[:middle]), *self._run(batch[middle:])]

    def _kept(self, batch: list[Piece]) -> list[Kept] | None:
        """What is kept of each piece; None if memory does not suffice for the batch."""
        ids, attention, _ = self.engine.vocabulary.batch([piece.residues for piece in batch])
        try:
            hidden = self.engine.hidden(ids, attention)
            rows = zip(batch, hidden, attention, strict=True)
            return [self._kept_of(piece, states[is_token]) for piece, states, is_token in rows]
        except Exception as error:
            if is_out_of_memory(error):
                return None
            raise

    def _kept_of(self, piece: Piece, hidden: FloatArray) -> Kept:
        state = state_of(hidden, self.engine.vocabulary, self.pooling)
        if not piece.is_only:
            return state
        return pool([state], self.policy, self.pooling, len(piece.task.sequence))
