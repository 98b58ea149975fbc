"""The queue that tells workers of jobs: Huey on SQLite in the data folder, or on Redis.

It carries names of jobs and nothing else. That it forgets one, or names one twice, does no harm: what is to
be done stands in the store, and who does it holds the job's lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sortilin.errors import ConfigError, MissingDependencyError, SortilinError
from sortilin.serve.settings import Settings

NAME = "sortilin"

_CONNECT_TIMEOUT_S, _TIMEOUT_S = 3, 10
"""Of Redis: one that hangs is one that is away. Workers wait a second at a time for work."""


class QueueError(SortilinError):
    """The queue cannot be reached."""


class Queue:
    """Names of jobs, in the order in which they were accepted; small ones first.

    Args:
        settings: Where it is.
        run: What a worker does with a name; None in processes that only put jobs in.
    """

    def __init__(self, settings: Settings, run: Callable[[str], None] | None = None) -> None:
        self.huey = _huey(settings)

        def run_job(name: str) -> None:
            if run is not None:
                run(name)

        self._task = self.huey.task(name="run_job")(run_job)

    def put(self, name: str, *, n_residues: int = 0) -> None:
        """Say that there is a job.

        Raises:
            QueueError: The queue cannot be reached; the job itself is not lost.
        """
        try:
            self._task(name, priority=_priority(n_residues))
        except Exception as error:  # noqa: BLE001 - of SQLite, of Redis, of the network
            raise QueueError(f"the queue cannot be reached: {error}") from None

    def n_waiting(self) -> int:
        """How many names it holds.

        Raises:
            QueueError: The queue cannot be reached.
        """
        try:
            return int(self.huey.pending_count())
        except Exception as error:  # noqa: BLE001 - likewise
            raise QueueError(f"the queue cannot be reached: {error}") from None

    def consumer(self, **options: Any) -> Any:
        """What takes names out and runs them; see Huey's own `Consumer`."""
        from huey.consumer import Consumer

        return Consumer(self.huey, **options)


def _priority(n_residues: int) -> int:
    """Small jobs first: ten times the residues are one step later."""
    return -len(str(n_residues))


def _huey(settings: Settings) -> Any:
    if settings.redis_url is None:
        from huey import SqliteHuey

        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqliteHuey(NAME, filename=str(settings.queue_path), results=False, fsync=True)
    try:
        from redis import ConnectionPool
    except ImportError:
        raise MissingDependencyError("a queue on Redis", "redis", "serve") from None
    from huey import PriorityRedisHuey

    try:
        pool = ConnectionPool.from_url(
            settings.redis_url, socket_connect_timeout=_CONNECT_TIMEOUT_S, socket_timeout=_TIMEOUT_S
        )
    except ValueError as error:
        raise ConfigError(f"redis_url '{settings.redis_url}': {error}") from None
    return PriorityRedisHuey(NAME, connection_pool=pool, results=False, blocking=True)
