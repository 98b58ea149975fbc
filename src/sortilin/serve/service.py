"""What the API and the pages share: accept a job, look at it, let it go."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sortilin.errors import InputError, OutputError, SortilinError
from sortilin.serve import metrics
from sortilin.serve.batching import Batcher
from sortilin.serve.clients import Clients
from sortilin.serve.keeper import Keeper
from sortilin.serve.logs import log
from sortilin.serve.models import Models
from sortilin.serve.queue import Queue, QueueError
from sortilin.serve.reading import Submission, read
from sortilin.serve.settings import Settings
from sortilin.serve.store import Clock, Job, JobStore, State, changed
from sortilin.serve.table import Table, Writer

_READERS = 2
"""Inputs that are read at a time: a large one takes a core for seconds."""

QUEUE_AWAY = "The queue cannot be reached at the moment. The job is kept and is begun when it is back."

_TITLE_SHOWN = 120
_SKIPPED_KEPT = 100


class RefusedError(SortilinError):
    """A submission is not accepted now; later it may be.

    Args:
        message: Why.
        retry_after_s: When to try again.
    """

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class NotDoneError(SortilinError):
    """A result is asked for that is not there yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a visitor asks for.

    Attributes:
        content: FASTA or a table, plain or compressed.
        model: Name of a model; empty for the first one.
        client: Who asks; see `Clients.name`.
        title: What they call it.
        source: Name of the uploaded file.
        skip_faulty: Leave out records that cannot be predicted.
    """

    content: BinaryIO
    model: str = ""
    client: str = ""
    title: str = ""
    source: str = ""
    skip_faulty: bool = False


class Service:
    """The server without HTTP.

    Args:
        settings: What was set.
        clock: The time, seconds since 1970.
    """

    def __init__(self, settings: Settings, clock: Clock = time.time) -> None:
        self.settings, self.clock = settings, clock
        self.models = Models(settings, threads=settings.threads)
        self.store = JobStore(settings.jobs_dir, clock)
        self.queue = Queue(settings)
        self.keeper = Keeper(self.store, self.queue)
        self.clients = Clients(settings.requests_per_minute)
        self._batchers: dict[str, Batcher] = {}
        self._reading = asyncio.Semaphore(_READERS)
        self._active: dict[str, set[str]] = {}
        self._creating: set[str] = set()

    def open(self) -> None:
        """Begin to answer, and to look after jobs."""
        self.prepare()
        self.keeper.start()

    def prepare(self) -> None:
        """Make the data folder, and load the models.

        Raises:
            OutputError: The data folder cannot be written.
            ModelFolderError: A model is damaged.
        """
        try:
            self.settings.jobs_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self.settings.jobs_dir} cannot be made: {error.strerror}") from None
        self.models.warm()

    def close(self) -> None:
        """Finish what is being answered."""
        self.keeper.close()
        for batcher in self._batchers.values():
            batcher.close()

    # --- jobs

    async def submit(self, request: Request) -> Job:
        """Accept a job; a small one is done when this returns.

        Raises:
            RefusedError: Too many at once, of this client or in all.
            InputError: It cannot be read, or is larger than allowed.
            OutputError: The server has no room.
            SortilinError: The model cannot read it.
        """
        self._check_rate(request.client)
        model = request.model or self.models.names[0]
        self.models.get(model)  # an unknown name before a long reading
        async with self._reading:
            found = await asyncio.to_thread(
                read, request.content, self.settings, skip_faulty=request.skip_faulty
            )
        is_small = (
            len(found.records) <= self.settings.small_sequences
            and found.n_residues <= self.settings.small_residues
        )
        job = self._job(request, model, found)
        if is_small:
            await self._answer(job, found)
        else:
            await self._queue(job, found)
        metrics.JOBS.labels(model, "small" if is_small else "queued").inc()
        metrics.SEQUENCES.labels(model).inc(job.n)
        log.info(
            "job accepted", job=job.name[:6], model=model, n=job.n, residues=job.n_residues, small=is_small
        )
        return job

    def _check_rate(self, client: str) -> None:
        wait_s = self.clients.wait_s(client)
        if wait_s > 0:
            metrics.REFUSED.labels("rate").inc()
            raise RefusedError(
                f"more than {self.settings.requests_per_minute} submissions within a minute; try again in "
                f"{wait_s:.0f} seconds",
                wait_s,
            )

    async def _queue(self, job: Job, found: Submission) -> None:
        """Keep a job, counted as its client's before anybody else's turn, and tell the queue."""
        self._check_waiting(job.client)
        self._active.setdefault(job.client, set()).add(job.name)
        self._creating.add(job.name)
        try:
            await asyncio.to_thread(self.store.create, job, found.records)
        finally:
            self._creating.discard(job.name)
        await asyncio.to_thread(self._name, job)

    def _check_waiting(self, client: str) -> None:
        active = {c: {name for name in names if self._is_active(name)} for c, names in self._active.items()}
        self._active = {c: names for c, names in active.items() if names}
        mine = self._active.get(client, set())
        if len(mine) >= self.settings.max_active_jobs:
            metrics.REFUSED.labels("client").inc()
            raise RefusedError(
                f"{len(mine)} of your jobs wait or run; allowed: {self.settings.max_active_jobs} at a time",
                60,
            )
        if self.keeper.n_waiting >= self.settings.max_waiting:
            metrics.REFUSED.labels("full").inc()
            raise RefusedError(f"{self.keeper.n_waiting} jobs wait; the server takes no more for now", 300)

    def _is_active(self, name: str) -> bool:
        if name in self._creating:
            return True
        try:
            return self.store.state(name).status in ("waiting", "running")
        except SortilinError:
            return False

    def _job(self, request: Request, model: str, found: Submission) -> Job:
        now = self.clock()
        loaded = self.models.get(model)
        skipped = found.report.skipped[:_SKIPPED_KEPT]
        return Job(
            name=self.store.new_name(),
            model=model,
            checksum=loaded.model.checksum,
            classes=loaded.classes,
            n=len(found.records),
            n_residues=found.n_residues,
            created=now,
            expires=now + self.settings.keep_hours * 3_600,
            client=request.client,
            title=request.title.strip()[:_TITLE_SHOWN],
            source=request.source[:_TITLE_SHOWN],
            changes=dict(found.report.changes),
            warnings=tuple(found.report.warnings),
            skipped=tuple({"record": s.record, "id": s.id, "reason": s.reason} for s in skipped),
        )

    async def _answer(self, job: Job, found: Submission) -> None:
        """Predict at once, in company of others who wait, and keep the result."""
        predictions = await self.batcher(job.model).predict(found.records)

        def fill(path: Path) -> None:
            writer = Writer(path, job.classes)
            try:
                writer.write(predictions)
                writer.finish()
            finally:
                writer.discard()

        # The result is there before the job is: nobody finds it waiting and runs it again.
        done = State("done", job.n, started=job.created, finished=self.clock(), attempts=1)
        await asyncio.to_thread(self.store.create, job, found.records, state=done, fill=fill)

    def _name(self, job: Job) -> None:
        """Tell the queue; where it is away, the keeper does later."""
        try:
            self.queue.put(job.name, n_residues=job.n_residues)
        except QueueError as error:
            self.keeper.queue_is_up = False
            log.error("queue cannot be reached", reason=str(error)[:200])
            self._say_queue_is_away(job.name)

    def _say_queue_is_away(self, name: str) -> None:
        """On the job's page, unless it runs after all: the queue may have taken its name and not said so."""
        with suppress(SortilinError):
            lease = self.store.lease(name)
            if not lease.try_acquire():
                return
            try:
                if self.store.state(name) == State():
                    self.store.update(name, changed(State(), message=QUEUE_AWAY))
            finally:
                lease.release()

    def batcher(self, model: str) -> Batcher:
        """What answers short requests of a model."""
        if model not in self._batchers:
            self._batchers[model] = Batcher(self.models.get(model))
        return self._batchers[model]

    def look(self, name: str) -> tuple[Job, State]:
        """A job and how far it is.

        Raises:
            NoSuchJobError: There is none.
        """
        job = self.store.job(name)
        return job, self.store.state(name)

    def table(self, name: str) -> Table:
        """The rows of a finished job.

        Raises:
            NoSuchJobError: There is none.
            NotDoneError: It is not finished.
        """
        job, state = self.look(name)
        if state.status != "done":
            raise NotDoneError(f"the job is {state.status}, {state.n_done:,} of {job.n:,} sequences are done")
        return Table(self.store.result_path(name), job.classes)

    def position(self, name: str) -> int | None:
        """How many jobs wait before it, as far as is known; None where it does not wait."""
        return self.keeper.n_waiting if self.store.state(name).status == "waiting" else None

    def sequence(self, name: str, position: int) -> str:
        """The sequence of a row, from 1.

        Raises:
            NoSuchJobError: There is no such job.
            InputError: It has no such row.
        """
        for number, record in enumerate(self.store.records(name), 1):
            if number == position:
                return record.sequence
        raise InputError(f"the job has no sequence {position}")

    def delete(self, name: str) -> None:
        """Let a job go, with its sequences.

        Raises:
            NoSuchJobError: There is none.
        """
        self.store.delete(name)
        log.info("job deleted", job=name[:6])


def text_of(sequences: Sequence[tuple[str, str]]) -> BinaryIO:
    """(id, sequence) pairs as FASTA."""
    return io.BytesIO("".join(f">{i}\n{s}\n" for i, s in sequences).encode())
