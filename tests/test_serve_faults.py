"""What becomes of jobs when processes are killed, the disk is full, or the queue goes away."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from served import Process, fasta, until

pytestmark = pytest.mark.slow

LONG = fasta(4_000, 200)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    try:
        process.start()
        yield process
    finally:
        process.end()


def submit(server: Process, text: str = LONG) -> str:
    answer = requests.post(f"{server.api}/jobs", json={"fasta": text}, timeout=60)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"])


def state(server: Process, name: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{server.api}/jobs/{name}", timeout=60).json()
    return found


def wait(server: Process, name: str) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        found = state(server, name)
        return found if found["status"] in ("done", "failed") else None

    found: dict[str, Any] = until(ended, "the job does not end", 240)
    return found


def result(server: Process, name: str) -> str:
    asked = {"format": "jsonl"}
    return requests.get(f"{server.api}/jobs/{name}/download", params=asked, timeout=60).text


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the job comes to when nothing happens to it."""
    process = Process(tmp_path_factory.mktemp("undisturbed"))
    try:
        process.start()
        name = submit(process)
        assert wait(process, name)["status"] == "done"
        return result(process, name)
    finally:
        process.end()


def running(server: Process, name: str) -> bool:
    return bool(state(server, name)["status"] == "running" and state(server, name)["n_done"] > 0)


def test_killed_worker_loses_no_job_and_the_result_is_the_same(server: Process, expected: str) -> None:
    name = submit(server)
    until(lambda: running(server, name), "the job does not begin")
    workers = server.workers()
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    said = until(
        lambda: state(server, name)["message"] or state(server, name)["status"] == "done",
        "nothing is said of it",
    )
    assert said is True or "begun again" in said
    assert wait(server, name)["status"] == "done"
    assert result(server, name) == expected


def test_killed_server_keeps_what_it_accepted(server: Process, expected: str) -> None:
    names = [submit(server), submit(server)]
    until(lambda: running(server, names[0]), "the job does not begin")
    server.stop(signal.SIGKILL)
    server.start()
    for name in names:
        assert wait(server, name)["status"] == "done"
        assert result(server, name) == expected


def test_graceful_stop_puts_the_job_back(server: Process, expected: str) -> None:
    name = submit(server)
    until(lambda: running(server, name), "the job does not begin")
    server.stop(signal.SIGTERM)
    assert server.process is not None
    assert server.process.returncode == 0
    server.start()
    assert wait(server, name)["status"] == "done"
    assert result(server, name) == expected


def test_workers_end_with_their_server(server: Process) -> None:
    workers = until(server.workers, "there is no worker")
    server.stop(signal.SIGKILL)
    until(
        lambda: not any(Path(f"/proc/{pid}/stat").exists() and _lives(pid) for pid in workers), "they live on"
    )


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


# --- a full disk


def test_full_disk_refuses_and_keeps_what_was_accepted(small_disk: Path, expected: str) -> None:
    server = Process(small_disk, ("--workers", "1"))
    try:
        server.start()
        name = submit(server)
        until(lambda: running(server, name), "the job does not begin")
        ballast = small_disk / "ballast"
        _fill(ballast)
        answer = requests.post(f"{server.api}/jobs", json={"fasta": LONG}, timeout=60)
        assert answer.status_code == 507
        assert "No space left" in answer.json()["error"]["message"]
        assert not list((small_disk / "data" / "jobs").glob(".new-*"))
        assert state(server, name)["status"] != "failed"
        ballast.unlink()
        assert wait(server, name)["status"] == "done"
        assert result(server, name) == expected
    finally:
        server.end()


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as stream:
        while True:
            try:
                stream.write(b"\0" * 4096)
            except OSError:
                return


# --- Redis


class Redis:
    """A real one, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--dir", str(self.folder), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "Redis does not answer")

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    found = Redis(tmp_path)
    found.start()
    try:
        yield found
    finally:
        found.stop()


def test_jobs_run_by_way_of_redis(tmp_path: Path, redis: Redis, expected: str) -> None:
    server = Process(tmp_path, ("--redis", redis.url))
    try:
        server.start()
        name = submit(server)
        assert wait(server, name)["status"] == "done"
        assert result(server, name) == expected
        assert not (tmp_path / "data" / "queue.db").exists()
    finally:
        server.end()


def test_redis_that_goes_and_comes_back_loses_no_job(tmp_path: Path, redis: Redis, expected: str) -> None:
    server = Process(tmp_path, ("--redis", redis.url))
    try:
        server.start()
        first = submit(server)
        redis.stop()
        second = submit(server)  # accepted: it is on disk
        assert "queue" in state(server, second)["message"]
        until(
            lambda: requests.get(f"{server.api}/health", timeout=60).json()["status"] == "degraded",
            "the server does not see that the queue is away",
        )
        small = requests.post(f"{server.api}/jobs", json={"fasta": fasta(2)}, timeout=60)
        assert small.status_code == 200  # short jobs need no queue
        redis.start()  # empty: what it held is gone
        for name in (first, second):
            assert wait(server, name)["status"] == "done"
            assert result(server, name) == expected
    finally:
        server.end()
