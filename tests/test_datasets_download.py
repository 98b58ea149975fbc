"""Downloads from a server on this machine: whole, wrong, cut, refused, gone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sortilin import datasets
from sortilin.datasets import catalog
from sortilin.errors import DatasetError

FILE = "toy/one.fasta"
CONTENT = b">a\n" + b"MKVLAT" * 30_000 + b"\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
BY_HAND = "set SORTILIN_DATA_DIR to a folder that holds toy/one.fasta (and what else is in toy/)"


class Server:
    """Answers in turn with (status, body, announced length); the last answer is given again."""

    def __init__(self) -> None:
        self.answers = [(200, CONTENT, len(CONTENT))]
        self.requests: list[str] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.url = f"http://127.0.0.1:{self.http.server_port}/mirror"

    def handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                n_before = len(server.requests) - 1
                status, body, length = server.answers[min(n_before, len(server.answers) - 1)]
                self.send_response(status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
                """Not to stderr."""

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("SORTILIN_DATASETS_URL", server.url + "/")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def cache_of(folder: Path, app: str, *, appauthor: bool) -> str:
    return str(folder)


def no_wait(seconds: float) -> None:
    """Between tries."""


@pytest.fixture(autouse=True)
def target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the one file of the dataset "toy" belongs."""
    file = datasets.RemoteFile(FILE, "https://example.invalid/one.fasta", SHA256, 1)
    dataset = datasets.Dataset("toy", "Toy", "", "", "", "", "fasta", (file,))
    monkeypatch.setitem(catalog.CATALOG, "toy", dataset)
    monkeypatch.delenv("SORTILIN_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", partial(cache_of, tmp_path))
    monkeypatch.setattr("time.sleep", no_wait)
    return tmp_path / "datasets" / FILE


def fault(name: str = "toy") -> str:
    with pytest.raises(DatasetError) as caught:
        datasets.fetch(name)
    return str(caught.value)


def left_behind(target: Path) -> list[Path]:
    return [path for path in target.parents[1].rglob("*") if path.is_file()]


def test_file_arrives_whole_and_in_silence(
    server: Server, target: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assert datasets.fetch("toy") == target.parent
    assert target.read_bytes() == CONTENT
    assert left_behind(target) == [target]
    assert server.requests == [f"/mirror/{FILE}"]
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def test_second_fetch_asks_nobody(server: Server, target: Path) -> None:
    datasets.fetch("toy")
    datasets.fetch("toy")
    assert datasets.path("toy") == target.parent
    assert len(server.requests) == 1


def test_progress_counts_bytes_up_to_the_total(server: Server) -> None:
    seen: list[tuple[str, int, int]] = []
    datasets.fetch("toy", lambda stage, done, total: seen.append((stage, done, total)))
    assert {(stage, total) for stage, _, total in seen} == {(FILE, len(CONTENT))}
    done = [done for _, done, _ in seen]
    assert done == sorted(done)
    assert done[-1] == len(CONTENT)
    assert len(done) > 2


def test_damaged_file_in_the_cache_is_fetched_again(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(b"half a")
    datasets.fetch("toy")
    assert target.read_bytes() == CONTENT


def test_wrong_checksum_keeps_nothing_and_is_not_tried_again(server: Server, target: Path) -> None:
    page = b"<html>please log in</html>"
    server.answers = [(200, page, len(page))]
    assert fault() == (
        f"{server.url}/{FILE} is not the file expected: its SHA-256 is {hashlib.sha256(page).hexdigest()}, "
        f"expected {SHA256}; it was not kept; a proxy or a login page may have answered instead, so try "
        f"again later, or {BY_HAND}"
    )
    assert left_behind(target) == []
    assert len(server.requests) == 1


def test_cut_connection_keeps_nothing(server: Server, target: Path) -> None:
    server.answers = [(200, CONTENT[:100_000], len(CONTENT))]
    assert fault() == (
        f"cannot fetch {server.url}/{FILE} to {target}: the connection broke before the file was whole; "
        f"check the connection and try again, or {BY_HAND}"
    )
    assert left_behind(target) == []
    assert len(server.requests) == 3


def test_cut_connection_is_tried_again(server: Server, target: Path) -> None:
    server.answers = [(200, CONTENT[:100_000], len(CONTENT)), (200, CONTENT, len(CONTENT))]
    datasets.fetch("toy")
    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_missing_file_is_not_tried_again(server: Server, target: Path) -> None:
    server.answers = [(404, b"", 0)]
    assert fault() == f"cannot fetch {server.url}/{FILE}: the server answers 404; {BY_HAND}"
    assert left_behind(target) == []
    assert len(server.requests) == 1


def test_failing_server_is_tried_again(server: Server, target: Path) -> None:
    server.answers = [(503, b"", 0), (200, CONTENT, len(CONTENT))]
    datasets.fetch("toy")
    assert target.read_bytes() == CONTENT


def test_offline_names_address_target_and_the_way_out(server: Server, target: Path) -> None:
    server.http.server_close()
    assert fault() == (
        f"cannot fetch {server.url}/{FILE} to {target}: the server cannot be reached; check the "
        f"connection and try again, or {BY_HAND}"
    )


def test_cache_that_cannot_be_written_is_named(server: Server, target: Path, tmp_path: Path) -> None:
    (tmp_path / "datasets").write_bytes(b"a file where a folder should be")
    assert fault().startswith(f"{target} cannot be written: ")


def test_address_without_a_mirror_is_the_pinned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from sortilin.datasets.download import address

    monkeypatch.delenv("SORTILIN_DATASETS_URL", raising=False)
    assert address(datasets.get("toy").files[0]) == "https://example.invalid/one.fasta"
