"""The process that runs queued jobs: `sortilin serve` starts it, `sortilin worker` is it alone.

It ends on SIGTERM or SIGINT, and when the server that started it is gone. The job at hand then goes back.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

from sortilin.errors import SortilinError
from sortilin.serve import settings as serve_settings
from sortilin.serve.logs import configure, log
from sortilin.serve.models import Models
from sortilin.serve.queue import Queue
from sortilin.serve.settings import Settings
from sortilin.serve.store import JobStore
from sortilin.serve.work import Runner

PARENT = f"{serve_settings.PREFIX}PARENT"
"""Environment variable with the process without which this one ends."""

NICENESS = 10
"""Long jobs give way to visitors who wait."""

_SECONDS_BETWEEN_LOOKS = 0.5
_MAX_QUEUE_DELAY_S = 1.0


def run(settings: Settings, *, parent: int | None = None) -> None:
    """Run jobs until this process is told to end."""
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    with suppress(OSError):
        os.nice(NICENESS)
    store = JobStore(settings.jobs_dir)
    queue = Queue(settings, Runner(store, Models(settings, threads=1), stop))
    consumer = queue.consumer(workers=1, periodic=False, max_delay=_MAX_QUEUE_DELAY_S)
    consumer.start()
    for signum in (signal.SIGTERM, signal.SIGINT):  # it has set its own, which do not put the job back
        signal.signal(signum, lambda *_: stop.set())
    log.info("worker started", pid=os.getpid())
    while not stop.wait(_SECONDS_BETWEEN_LOOKS):
        if parent is not None and os.getppid() != parent:
            log.warning("the server is gone", pid=os.getpid())
            stop.set()
        else:
            consumer.check_worker_health()
    consumer.stop(graceful=True)
    log.info("worker ended", pid=os.getpid())


def main() -> None:
    """Entry point of the processes that `sortilin serve` starts."""
    parent = os.environ.pop(PARENT, None)
    try:
        settings = serve_settings.load()
        configure(settings.log_level)
        run(settings, parent=None if parent is None else int(parent))
    except SortilinError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
