"""`sortilin serve`: the application in this process, workers in others, until it is told to end."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sortilin.errors import ConfigError
from sortilin.serve.app import create
from sortilin.serve.logs import configure, log
from sortilin.serve.settings import Settings, as_environment
from sortilin.serve.worker import PARENT

WORKER = (sys.executable, "-m", "sortilin.serve.worker")

_GRACE_S = 20.0
"""What requests and workers have to end, before they are ended."""

_LOOK_S = 0.5
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.5, 30.0


class Workers:
    """Worker processes that are started again when they end.

    Args:
        settings: How many, and what they are told.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sortilin-workers", daemon=True)

    def start(self) -> None:
        """Start them, and watch."""
        self._processes = [self._new() for _ in range(self.settings.workers)]
        self._thread.start()

    def _new(self) -> subprocess.Popen[bytes]:
        environment = os.environ | as_environment(self.settings) | {PARENT: str(os.getpid())}
        return subprocess.Popen(WORKER, env=environment)  # noqa: S603 - our own command

    def _watch(self) -> None:
        delay = _FIRST_DELAY_S
        while not self._stop.wait(_LOOK_S):
            for i, process in enumerate(self._processes):
                if process.poll() is None:
                    continue
                log.warning("worker ended unexpectedly", code=process.returncode)
                if self._stop.wait(delay):
                    return
                delay = min(2 * delay, _LONGEST_DELAY_S)
                self._processes[i] = self._new()
            if all(process.poll() is None for process in self._processes):
                delay = max(_FIRST_DELAY_S, delay * 0.99)

    def close(self) -> None:
        """End them: a job at hand goes back to the queue."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for process in self._processes:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()


class Impatient(H11Protocol):
    """HTTP that waits only so long for a request's head: slow ones would hold connections for ever."""

    header_timeout_s: ClassVar[float] = 20.0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """A visitor has come."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Part of a request."""
        before = self.scope
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._start()
        super().data_received(data)
        if self.scope is not before:
            self._cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """The visitor has gone."""
        self._cancel()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(self.header_timeout_s, self._end)

    def _end(self) -> None:
        self._timer = None
        if self.transport is not None and not self.transport.is_closing():
            self.transport.close()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def protocol_with(header_timeout_s: float) -> type[Impatient]:
    """The protocol that waits so long."""
    return type("Impatient", (Impatient,), {"header_timeout_s": header_timeout_s})


def serve(settings: Settings, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: What was set.
        on_ready: Called with the address when requests are taken.
    """
    configure(settings.log_level)
    app = create(settings)
    app.state.service.prepare()  # what cannot work is said before anything is started
    listening = _listening(settings)
    workers = Workers(settings)
    config = uvicorn.Config(
        app,
        http=protocol_with(settings.header_timeout_s),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=int(_GRACE_S),
        root_path=settings.root_path,
    )
    server = _Server(config, on_ready)
    workers.start()
    try:
        # It ends in order, then raises the signal that ended it: that is no failure.
        with listening, suppress(SystemExit, KeyboardInterrupt):
            server.run(sockets=[listening])
    finally:
        workers.close()


def _listening(settings: Settings) -> socket.socket:
    """A socket at the address that was set.

    Raises:
        ConfigError: The address is not this machine's, or taken.
    """
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2_048)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise ConfigError(f"{where} cannot be listened on: {error.strerror or error}") from None


class _Server(uvicorn.Server):
    """Uvicorn that says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None] | None) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        if self.should_exit or not self.servers:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        log.info("ready", address=f"http://{host}:{port}")
        if self._on_ready is not None:
            self._on_ready(f"http://{'[' + host + ']' if ':' in host else host}:{port}")
