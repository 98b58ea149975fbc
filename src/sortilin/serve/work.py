"""One queued job, from its sequences to its result.

Whoever holds the lease runs it. What is written appears as a whole, so that a worker that is killed leaves a
job that can be begun again; the model's checksum is the one of the day it was accepted, so that it comes to
the same.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from sortilin.errors import OutputError, SortilinError
from sortilin.results import Prediction
from sortilin.serve.logs import log
from sortilin.serve.models import Models
from sortilin.serve.store import Job, JobStore, NoSuchJobError, State, changed
from sortilin.serve.table import Writer

MAX_ATTEMPTS = 5
"""A job that has ended so many workers is at fault itself."""

SECONDS_BETWEEN_REPORTS = 0.5
SECONDS_WITHOUT_ROOM = 30.0

NO_ROOM = "The server has no room for the result. The job is kept and is begun again when there is room."
RESTARTED = "The server is being restarted. The job is kept and is begun again."


class _StoppedError(Exception):
    """The worker is to end; the job goes back."""


class Runner:
    """Runs jobs of a store.

    Args:
        store: Where they are.
        models: What predicts.
        stop: Set when the process is to end: the job at hand goes back.
    """

    def __init__(self, store: JobStore, models: Models, stop: threading.Event) -> None:
        self.store, self.models, self.stop = store, models, stop

    def __call__(self, name: str) -> None:
        """Run a job, if it is there, waits, and nobody else runs it."""
        try:
            lease = self.store.lease(name)
            if not lease.try_acquire():
                return
        except (NoSuchJobError, OSError):
            return
        try:
            self._run(name)
        except NoSuchJobError:
            log.info("job deleted", job=_short(name))
        finally:
            lease.release()

    def _run(self, name: str) -> None:
        job, state = self.store.job(name), self.store.state(name)
        if state.status in ("done", "failed") or state.retry_at > self.store.clock():
            return
        if self.store.result_path(name).exists():  # killed between the result and the state
            self._end(name, changed(state, status="done", n_done=job.n, message=""))
            return
        if state.attempts >= MAX_ATTEMPTS:
            self._end(name, changed(state, status="failed", message=_poisoned(state)))
            return
        running = changed(
            state,
            status="running",
            n_done=0,
            started=self.store.clock(),
            attempts=state.attempts + 1,
            message="",
        )
        try:
            self.store.update(name, running)
            self._predict(name, job, running)
        except _StoppedError:
            self._back(name, changed(state, message=RESTARTED))
        except OutputError:
            log.warning("no room", job=_short(name))
            retry_at = self.store.clock() + SECONDS_WITHOUT_ROOM
            self._back(name, changed(state, message=NO_ROOM, retry_at=retry_at))
        except NoSuchJobError:
            raise
        except SortilinError as error:
            self._end(name, changed(running, status="failed", message=str(error)))

    def _predict(self, name: str, job: Job, running: State) -> None:
        model = self.models.get(job.model)
        if model.model.checksum != job.checksum:
            raise SortilinError(
                f"the model '{job.model}' was replaced by another version while the job waited: submit it "
                "again"
            )
        writer = Writer(self.store.result_path(name), job.classes)
        try:
            n_done, told = 0, time.monotonic()
            for batch in self._batches(name, job):
                writer.write(batch)
                n_done += len(batch)
                if time.monotonic() - told > SECONDS_BETWEEN_REPORTS:
                    self.store.update(name, changed(running, n_done=n_done))
                    told = time.monotonic()
            writer.finish()
        finally:
            writer.discard()
        self._end(name, changed(running, status="done", n_done=job.n))

    def _batches(self, name: str, job: Job) -> Iterator[list[Prediction]]:
        records = self.store.records(name)
        for batch in self.models.get(job.model).predict_batches(records):
            if self.stop.is_set():
                raise _StoppedError
            yield batch

    def _back(self, name: str, state: State) -> None:
        """To wait again. Where not even that can be written, the keeper finds it by its lease."""
        with suppress(OutputError):
            self.store.update(name, changed(state, status="waiting", n_done=0))

    def _end(self, name: str, state: State) -> None:
        state = changed(state, finished=self.store.clock())
        self.store.update(name, state)
        seconds = state.finished - state.started if state.finished and state.started else 0.0
        log.info(
            "job ended",
            job=_short(name),
            status=state.status,
            n=state.n_done,
            seconds=round(seconds, 2),
            attempts=state.attempts,
        )


def _poisoned(state: State) -> str:
    return (
        f"The job was begun {state.attempts} times and each time the process that ran it ended. It is not "
        "begun again; please tell whoever runs this server."
    )


def _short(name: str) -> str:
    """Enough of a job's name to follow it in logs, too little to open it."""
    return name[:6]
