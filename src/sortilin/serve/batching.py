"""Short requests of different visitors in one batch.

While a batch is computed, what arrives waits; then all of it is the next batch. A single visitor waits for
nobody, and fifty share the overhead of one. Who asks for more than others does not hold them up: a batch
takes a bounded number of residues, a share of each request in turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from sortilin.predictor import Predictor
from sortilin.results import Prediction
from sortilin.sequences import SequenceRecord

MAX_BATCH_RESIDUES = 100_000
"""Residues a batch: half a second's work, so that nobody waits long for the next."""


@dataclass(slots=True)
class _Request:
    records: Sequence[SequenceRecord]
    future: asyncio.Future[list[Prediction]]
    done: list[Prediction] = field(default_factory=list)
    n_taken: int = 0


class Batcher:
    """Predicts for many at once with one model.

    Args:
        model: What predicts; used by one thread at a time, and itself using several.
    """

    def __init__(self, model: Predictor) -> None:
        self.model = model
        self._waiting: deque[_Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sortilin-batch")
        self.n_batches = 0

    async def predict(self, records: Sequence[SequenceRecord]) -> list[Prediction]:
        """Predictions of a request, in order.

        Raises:
            SortilinError: The model cannot read them; others in the batch are not concerned.
        """
        future: asyncio.Future[list[Prediction]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Request(records, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    @property
    def n_waiting(self) -> int:
        """Requests that are not answered yet."""
        return len(self._waiting)

    async def _work(self) -> None:
        while self._waiting:
            batch = self._next()
            await self._answer(batch)
            self._waiting = deque(
                r for r in self._waiting if not r.future.done() and r.n_taken < len(r.records)
            )

    def _next(self) -> list[tuple[_Request, Sequence[SequenceRecord]]]:
        """A share of each waiting request, oldest first, until the batch is full."""
        share = MAX_BATCH_RESIDUES // max(len(self._waiting), 1)
        batch = []
        for request in self._waiting:
            start, n_residues = request.n_taken, 0
            while request.n_taken < len(request.records) and (n_residues < share or request.n_taken == start):
                n_residues += len(request.records[request.n_taken].sequence)
                request.n_taken += 1
            batch.append((request, request.records[start : request.n_taken]))
        return batch

    async def _answer(self, batch: list[tuple[_Request, Sequence[SequenceRecord]]]) -> None:
        loop = asyncio.get_running_loop()
        everything = [record for _, records in batch for record in records]
        try:
            found = await loop.run_in_executor(self._thread, self._predict, everything)
        except Exception as error:  # noqa: BLE001 - whoever it concerns gets it
            await self._one_by_one(batch, error)
            return
        self.n_batches += 1
        start = 0
        for request, records in batch:
            self._give(request, found[start : start + len(records)])
            start += len(records)

    async def _one_by_one(
        self, batch: list[tuple[_Request, Sequence[SequenceRecord]]], error: Exception
    ) -> None:
        loop = asyncio.get_running_loop()
        for request, records in batch:
            if len(batch) == 1:
                if not request.future.done():
                    request.future.set_exception(error)
                continue
            try:
                self._give(request, await loop.run_in_executor(self._thread, self._predict, list(records)))
            except Exception as own:  # noqa: BLE001 - likewise
                if not request.future.done():
                    request.future.set_exception(own)

    def _predict(self, records: list[SequenceRecord]) -> list[Prediction]:
        # Ids may be equal in the requests of different visitors: a place is what tells records apart here.
        numbered = [
            SequenceRecord(str(i), record.sequence, flags=record.flags) for i, record in enumerate(records)
        ]
        found = [p for part in self.model.predict_batches(iter(numbered)) for p in part]
        return [replace(p, id=record.id) for record, p in zip(records, found, strict=True)]

    def _give(self, request: _Request, part: list[Prediction]) -> None:
        request.done += part
        if len(request.done) == len(request.records) and not request.future.done():
            request.future.set_result(request.done)

    def close(self) -> None:
        """Wait for the batch that is computed."""
        self._thread.shutdown(wait=True, cancel_futures=True)
