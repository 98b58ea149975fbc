"""A real PostgreSQL server for tests, with summer time, in a folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sortilin.tuning import database

PASSWORD = "s3cret-wörd"
USER, DATABASE = "searcher", "postgres"


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path

    def url(self, *, password: str = PASSWORD, driver: str = "", name: str = DATABASE) -> str:
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{USER}:{password}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str) -> int:
        """Run a statement; how many rows it gives."""
        from sqlalchemy import NullPool, create_engine, text

        url = database.engine_of(self.url())[0]
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = connection.execute(text(statement))
            return len(found.all()) if found.returns_rows else 0

    def cut_all(self, where: str = "true") -> int:
        """Cut all other connections, as a restart of the server does; how many there were."""
        others = f"usename = '{USER}' AND pid <> pg_backend_pid() AND {where}"
        return self.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")

    def close(self, name: str) -> None:
        """Let nobody into a database."""
        self.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        self.cut_all(f"datname = '{name}'")

    def open(self, name: str) -> None:
        """Let everybody in again."""
        self.sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _binaries() -> Path | None:
    """Where the server's programs are; Debian keeps them out of the path."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


def _account() -> str:
    """Who runs the server, which refuses root."""
    import pwd

    if os.geteuid() != 0:
        return getpass.getuser()
    if "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("no account 'postgres', and the server does not run as root")
    return "postgres"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run_as(account: str, folder: Path) -> dict[str, Any]:
    """How a program is started by another account, with nothing of this one's surroundings."""
    who = {} if account == getpass.getuser() else {"user": account, "group": account, "extra_groups": []}
    return {**who, "cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}}


def _started(binaries: Path, folder: Path, account: str) -> tuple[subprocess.Popen[bytes], Server]:
    server = Server(free_port(), folder)
    (folder / "password").write_text(PASSWORD + "\n")
    if account != getpass.getuser():
        shutil.chown(folder, account)
        shutil.chown(folder / "password", account)
    options = ("--auth=scram-sha-256", f"--username={USER}", "--encoding=UTF8", "--no-sync")
    subprocess.run(
        [str(binaries / "initdb"), *options, f"--pwfile={folder / 'password'}", "-D", str(folder / "db")],
        check=True,
        stdout=subprocess.DEVNULL,
        **_run_as(account, folder),
    )
    # fsync only guards against a loss of power.
    settings = {"fsync": "off", "timezone": "America/New_York", "unix_socket_directories": str(folder)}
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [binaries / "postgres", "-D", folder / "db", "-h", "127.0.0.1", "-p", str(server.port), *flags],
            stdout=subprocess.DEVNULL,
            stderr=log,
            **_run_as(account, folder),
        )
    return process, server


def _wait_until_ready(process: subprocess.Popen[bytes], binaries: Path, server: Server) -> None:
    ask = [str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", str(server.port), "-q"]
    for _ in range(300):
        if subprocess.run(ask, check=False).returncode == 0:
            return
        assert process.poll() is None, (server.folder / "log").read_text()
        time.sleep(0.1)
    pytest.fail("the server does not come up")


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as the context lasts; the test is skipped where there is none to start."""
    binaries = _binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server: apt-get install postgresql")
    pytest.importorskip("pg8000")
    account = _account()
    # Not under tmp_path: that one is closed to the server's account.
    folder = Path(tempfile.mkdtemp(prefix="sortilin-pg-"))
    process = None
    try:
        process, server = _started(binaries, folder, account)
        _wait_until_ready(process, binaries, server)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # stops at once
            process.wait()
        shutil.rmtree(folder)
