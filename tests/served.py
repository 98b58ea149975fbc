"""Servers for tests: one in a thread, and one as people start it, in processes of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

SHORT = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
SECONDS_TO_START = 60


def settings_of(folder: Path, **options: Any) -> Any:
    """Settings with a data folder of their own."""
    from sortilin.serve.settings import load

    return load(**{"data_dir": folder / "data", "port": 0, "workers": 0, "threads": 1, **options})


@dataclass
class Served:
    """A server in a thread of this process.

    Attributes:
        address: Where it is.
        app: The application.
    """

    address: str
    app: Any

    @property
    def service(self) -> Any:
        return self.app.state.service

    @property
    def api(self) -> str:
        return f"{self.address}/api/v1"

    def submit(self, fasta: str, **more: Any) -> requests.Response:
        return requests.post(f"{self.api}/jobs", json={"fasta": fasta, **more}, timeout=60)

    def work(self) -> None:
        """Run all jobs that wait, as a worker would."""
        from sortilin.serve.work import Runner

        runner = Runner(self.service.store, self.service.models, threading.Event())
        for name in self.service.store.names():
            runner(name)


@contextmanager
def served(settings: Any, clock: Callable[[], float] = time.time) -> Iterator[Served]:
    """Serve while the block runs."""
    import uvicorn

    from sortilin.serve.app import create
    from sortilin.serve.run import protocol_with

    app = create(settings, clock=clock)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        http=protocol_with(settings.header_timeout_s),
        root_path=settings.root_path,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    ends = time.monotonic() + SECONDS_TO_START
    while not server.started and thread.is_alive() and time.monotonic() < ends:
        time.sleep(0.01)
    assert server.started, "the server did not start"
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield Served(f"http://127.0.0.1:{port}", app)
    finally:
        server.should_exit = True
        thread.join(30)


@dataclass
class Process:
    """`sortilin serve` in a process of its own, with its workers."""

    folder: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    address: str = ""

    @property
    def api(self) -> str:
        return f"{self.address}/api/v1"

    @property
    def log(self) -> Path:
        return self.folder / "serve.log"

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "sortilin",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(self.folder / "data"),
        ]
        self.address = ""
        with self.log.open("ab") as log:
            before = log.tell()
            self.process = subprocess.Popen(
                [*command, *self.options],
                stdout=log,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | self.environment,
                start_new_session=True,
            )
        self.address = until(lambda: self._found(before), "the server does not say that it is ready")

    def _found(self, before: int) -> str:
        text = self.log.read_bytes()[before:].decode()
        assert self.process is not None
        assert self.process.poll() is None, text
        found = re.search(r"sortilin is at (http://[\d.]+:\d+)", text)
        return found[1] if found else ""

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        assert self.process is not None
        task = Path(f"/proc/{self.process.pid}/task")
        return [int(pid) for path in task.glob("*/children") for pid in path.read_text().split()]

    def stop(self, signum: int = signal.SIGTERM) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signum)
        self.process.wait(60)

    def end(self) -> None:
        """All of it, whatever state it is in."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)


def until(look: Callable[[], Any], what: str, seconds: float = SECONDS_TO_START) -> Any:
    """What `look` gives, once it gives something."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError(what)


def fasta(n: int, length: int = 60) -> str:
    """n different sequences."""
    import numpy as np

    letters = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
    rows = np.random.default_rng(7).choice(letters, (n, length))
    return "".join(f">s{i}\n{''.join(row)}\n" for i, row in enumerate(rows))
