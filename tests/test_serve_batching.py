"""Short requests of different visitors in one batch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

from sortilin.errors import InputError
from sortilin.results import Prediction
from sortilin.sequences import SequenceRecord
from sortilin.serve.batching import MAX_BATCH_RESIDUES, Batcher


class _Model:
    """Says how long each sequence is, and remembers what it was asked together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def predict_batches(self, records: Iterator[SequenceRecord]) -> Iterator[list[Prediction]]:
        given = list(records)
        self.batches.append([len(r.sequence) for r in given])
        assert len({r.id for r in given}) == len(given)
        time.sleep(0.02)
        if any("Z" in r.sequence for r in given):
            raise InputError("a Z")
        yield [Prediction(r.id, len(r.sequence), "yes", {"yes": 1.0}) for r in given]


def ask(model: _Model, *requests: list[SequenceRecord]) -> list[Any]:
    async def all_at_once() -> list[Any]:
        batcher = Batcher(model)  # type: ignore[arg-type]
        found = await asyncio.gather(*(batcher.predict(r) for r in requests), return_exceptions=True)
        batcher.close()
        return found

    return asyncio.run(all_at_once())


def request(*lengths: int, letter: str = "M") -> list[SequenceRecord]:
    return [SequenceRecord("same", letter * n) for n in lengths]


def test_requests_share_batches_and_each_gets_its_own_rows() -> None:
    model = _Model()
    found = ask(model, *(request(i, i + 1) for i in range(1, 41)))
    assert [[(p.id, p.length) for p in rows] for rows in found] == [
        [("same", i), ("same", i + 1)] for i in range(1, 41)
    ]
    assert len(model.batches) <= 3


def test_fault_of_one_request_is_its_own() -> None:
    good, bad, other = ask(_Model(), request(3), request(4, letter="Z"), request(5))
    assert [p.length for p in good] == [3]
    assert isinstance(bad, InputError)
    assert [p.length for p in other] == [5]


def test_large_request_does_not_hold_up_small_ones() -> None:
    model = _Model()
    ends: dict[str, float] = {}

    async def timed(batcher: Batcher, name: str, records: list[SequenceRecord]) -> None:
        await batcher.predict(records)
        ends[name] = time.monotonic()

    async def all_at_once() -> None:
        batcher = Batcher(model)  # type: ignore[arg-type]
        large = request(*[1_000] * 10 * (MAX_BATCH_RESIDUES // 1_000))
        await asyncio.gather(timed(batcher, "large", large), timed(batcher, "small", request(10)))
        batcher.close()

    asyncio.run(all_at_once())
    assert ends["small"] < ends["large"]
    assert max(sum(batch) for batch in model.batches) <= MAX_BATCH_RESIDUES + 1_000


def test_visitor_who_leaves_is_forgotten() -> None:
    model = _Model()

    async def leave() -> list[Prediction]:
        batcher = Batcher(model)  # type: ignore[arg-type]
        task = asyncio.create_task(batcher.predict(request(5)))
        await asyncio.sleep(0)
        task.cancel()
        found = await batcher.predict(request(6))
        assert batcher.n_waiting == 0
        batcher.close()
        return found

    assert [p.length for p in asyncio.run(leave())] == [6]
