"""Finds what was interrupted or forgotten, and deletes what has expired.

It looks at the store every few seconds. A job that runs without anybody holding its lease lost its worker:
it waits again, and is named to the queue again. So is a job that waits while the queue is empty, which does
no harm where it was only about to be begun.
"""

from __future__ import annotations

import threading

from sortilin.errors import OutputError
from sortilin.serve.logs import log
from sortilin.serve.queue import Queue, QueueError
from sortilin.serve.store import JobStore, NoSuchJobError, State, changed

Lost = tuple[str, int, State]
"""Name, residues and state of a job that waits."""

SECONDS_BETWEEN_LOOKS = 2.0
GRACE_S = 2.0
"""A job that was accepted only now is on its way to the queue."""

INTERRUPTED = "The process that ran this job ended unexpectedly. The job is begun again."


class Keeper:
    """Looks after the jobs of a store; several may, on several machines.

    Args:
        store: The jobs.
        queue: Where they wait.
    """

    def __init__(self, store: JobStore, queue: Queue) -> None:
        self.store, self.queue = store, queue
        self.queue_is_up = True
        self._named: dict[str, State] = {}
        self.n_waiting = 0
        self.n_running = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="sortilin-keeper", daemon=True)

    def start(self) -> None:
        """Look again and again, in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - the next look may find better times
                log.error("keeper failed", reason=type(error).__name__)

    def look(self) -> None:
        """Once over all jobs."""
        self.store.sweep()
        waiting = running = 0
        lost: list[Lost] = []
        for name in self.store.names():
            try:
                job = self.store.job(name)
                state = self.store.state(name)
                if state.status == "running" and self._recovered(name):
                    state = self.store.state(name)
                running += state.status == "running"
                if state.status != "waiting":
                    continue
                waiting += 1
                now = self.store.clock()
                if state.retry_at <= now and job.created + GRACE_S <= now:
                    lost.append((name, job.n_residues, state))
            except NoSuchJobError:
                self._expired(name)
        self.n_waiting, self.n_running = waiting, running
        self._name_again(lost)

    def _expired(self, name: str) -> None:
        try:
            self.store.delete(name)
            log.info("job expired", job=name[:6])
        except NoSuchJobError:
            return

    def _recovered(self, name: str) -> bool:
        """Whether a running job had lost its worker, and now waits."""
        lease = self.store.lease(name)
        if not lease.try_acquire():
            return False
        try:
            state = self.store.state(name)
            if state.status != "running":
                return True
            self.store.update(name, changed(state, status="waiting", n_done=0, message=INTERRUPTED))
            log.warning("job recovered", job=name[:6], attempts=state.attempts)
        except OutputError:
            return False
        finally:
            lease.release()
        return True

    def _name_again(self, lost: list[Lost]) -> None:
        """Tell the queue of what went back to wait, once; and of all that waits, if it holds nothing."""
        try:
            is_empty = self.queue.n_waiting() == 0
            for name, n_residues, state in lost:
                went_back = bool(state.attempts or state.retry_at or state.message)
                if is_empty or (went_back and self._named.get(name) != state):
                    self.queue.put(name, n_residues=n_residues)
                    self._named[name] = state
            waiting = {name for name, *_ in lost}
            self._named = {name: state for name, state in self._named.items() if name in waiting}
            self.queue_is_up = True
        except QueueError as error:
            if self.queue_is_up:
                log.error("queue cannot be reached", reason=str(error)[:200])
            self.queue_is_up = False
