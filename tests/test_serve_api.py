"""The REST API of the server: what it answers, and what it refuses."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import sortilin
from served import SHORT, Process, Served, fasta, served, settings_of
from sortilin.serve import security


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    settings = settings_of(
        tmp_path_factory.mktemp("server"),
        small_sequences=5,
        max_sequences=200,
        max_length=5_000,
        max_residues=100_000,
        max_upload=2 * 2**20,
        max_decompressed=4 * 2**20,
        max_active_jobs=1_000,
        requests_per_minute=10_000,
    )
    with served(settings) as found:
        yield found


def message(answer: requests.Response) -> str:
    return str(answer.json()["error"]["message"])


# --- what it answers


def test_small_job_is_answered_at_once_and_as_the_command_line_answers(server: Served) -> None:
    answer = server.submit(f">a\n{SHORT}\n>b\nMKKLLLLLLLLLALAAAPASAETRW\n")
    assert answer.status_code == 200
    rows = answer.json()["predictions"]
    direct = sortilin.load("localization").predict([SHORT, "MKKLLLLLLLLLALAAAPASAETRW"])
    assert [row["id"] for row in rows] == ["a", "b"]
    for row, expected in zip(rows, direct, strict=True):
        assert row["prediction"] == expected.label
        assert row["probabilities"] == pytest.approx(dict(expected.probabilities), abs=1e-6)


def test_long_job_waits_runs_and_is_read_in_pages(server: Served) -> None:
    answer = server.submit(fasta(20))
    assert answer.status_code == 202
    links = answer.json()["links"]
    assert requests.get(links["predictions"], timeout=60).status_code == 409
    server.work()
    assert requests.get(links["self"], timeout=60).json()["status"] == "done"
    found = requests.get(links["predictions"], params={"offset": 5, "limit": 10}, timeout=60).json()
    assert found["n"] == 20
    assert [row["id"] for row in found["predictions"]] == [f"s{i}" for i in range(5, 15)]


def test_rows_are_sorted_and_filtered(server: Served) -> None:
    links = server.submit(fasta(5)).json()["links"]

    def rows(**asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = requests.get(links["predictions"], params=asked, timeout=60).json()[
            "predictions"
        ]
        return found

    values = [row["probability"] for row in rows(sort="probability", descending=True)]
    assert values == sorted(values, reverse=True)
    by_class = [row["probabilities"]["nucleus"] for row in rows(sort="p_nucleus")]
    assert by_class == sorted(by_class)
    assert [row["id"] for row in rows(search="S3")] == ["s3"]
    label = rows()[0]["prediction"]
    assert {row["prediction"] for row in rows(prediction=label)} == {label}
    assert len(rows(sort="id; DROP TABLE rows")) == 5


def test_uploaded_file_may_be_compressed(server: Served) -> None:
    content = gzip.compress(f">z\n{SHORT}\n".encode())
    answer = requests.post(f"{server.api}/jobs/file", files={"file": ("x.fasta.gz", content)}, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["predictions"][0]["id"] == "z"


def test_bare_sequence_needs_no_header(server: Served) -> None:
    rows = server.submit(SHORT).json()["predictions"]
    assert [(row["id"], row["length"]) for row in rows] == [("sequence", len(SHORT))]


def test_faulty_records_are_refused_or_left_out(server: Served) -> None:
    text = f">good\n{SHORT}\n>bad\nMKT1\n"
    answer = server.submit(text)
    assert answer.status_code == 422
    assert "letter '1' is not a residue" in message(answer)
    found = server.submit(text, skip_faulty=True).json()
    assert [row["id"] for row in found["predictions"]] == ["good"]
    assert [row["id"] for row in found["skipped"]] == ["bad"]


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "fasta", "methods"])
def test_downloads(server: Served, kind: str) -> None:
    job = server.submit(f">=cmd|' /C calc'!A0\n{SHORT}\n", title="../../etc/passwd\r\nX: y").json()
    answer = requests.get(job["links"]["download"], params={"format": kind}, timeout=60)
    assert answer.status_code == 200
    name = re.fullmatch(r'attachment; filename="([A-Za-z0-9_.-]+)"', answer.headers["Content-Disposition"])
    assert name is not None
    assert not name[1].startswith(".")
    if kind == "tsv":  # no cell that a spreadsheet would compute
        assert not any(
            cell[:1] in "=+@" for line in answer.text.splitlines() for cell in line.split("\t") if cell
        )
    if kind == "jsonl":
        assert json.loads(answer.text)["id"] == "=cmd|'"
    if kind == "methods":
        assert job["model_checksum"] in answer.text
        assert sortilin.__version__ in answer.text


def test_parquet_holds_the_same_rows(server: Served) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    job = server.submit(fasta(3)).json()
    answer = requests.get(job["links"]["download"], params={"format": "parquet"}, timeout=60)
    rows = parquet.read_table(io.BytesIO(answer.content)).to_pylist()
    assert [row["id"] for row in rows] == ["s0", "s1", "s2"]


def test_fasta_of_one_class(server: Served) -> None:
    job = server.submit(fasta(5)).json()
    label = job["predictions"][0]["prediction"]
    asked = {"format": "fasta", "prediction": label}
    text = requests.get(job["links"]["download"], params=asked, timeout=60).text
    expected = [row["id"] for row in job["predictions"] if row["prediction"] == label]
    assert re.findall(r"^>(\S+)", text, re.MULTILINE) == expected
    wrong = requests.get(job["links"]["download"], params={"format": "fasta", "prediction": "x"}, timeout=60)
    assert wrong.status_code == 422
    assert "choose from: cytosol" in message(wrong)


def test_many_download_at_once(server: Served) -> None:
    job = server.submit(fasta(150)).json()
    server.work()
    found: list[int] = []

    def ask() -> None:
        asked = {"format": "fasta"}
        text = requests.get(job["links"]["download"], params=asked, timeout=60).text
        found.append(text.count(">"))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [150] * 12


def test_models_limits_and_health(server: Served) -> None:
    models = requests.get(f"{server.api}/models", timeout=60).json()
    assert [m["name"] for m in models] == ["localization", "anticancer"]
    assert models[0]["classes"] == ["cytosol", "secreted", "mitochondrion", "nucleus"]
    limits = requests.get(f"{server.api}/limits", timeout=60).json()
    assert limits["max_sequences"] == 200
    assert requests.get(f"{server.api}/health", timeout=60).json()["status"] == "ok"


def test_metrics_tell_routes_and_not_jobs(server: Served) -> None:
    job = server.submit(f">secret_id\n{SHORT}\n").json()["job"]
    requests.get(f"{server.api}/jobs/{job}", timeout=60)
    text = requests.get(f"{server.address}/metrics", timeout=60).text
    assert 'route="/api/v1/jobs/{name}"' in text
    assert "sortilin_jobs_total" in text
    assert job not in text
    assert "secret_id" not in text


def test_every_answer_has_the_headers_against_injection(server: Served) -> None:
    for path in ("/api/v1/health", "/api/v1/jobs/none", "/metrics"):
        headers = requests.get(f"{server.address}{path}", timeout=60).headers
        for name, value in security.HEADERS.items():
            assert headers[name] == value
        assert "set-cookie" not in headers
    assert "unsafe" not in security.POLICY


# --- jobs are private, and go


def test_head_says_what_get_says_without_the_body(server: Served) -> None:
    for path in ("/", "/api/v1/health", "/static/style.css"):
        found = requests.head(f"{server.address}{path}", timeout=60)
        assert (found.status_code, found.content) == (200, b"")
        assert (
            found.headers["content-type"]
            == requests.get(f"{server.address}{path}", timeout=60).headers["content-type"]
        )


def test_guessed_and_crooked_names_are_not_found(server: Served) -> None:
    name = server.submit(fasta(1)).json()["job"]
    assert len(name) == 22  # 128 bits in base 64
    for wrong in (
        "A" * 22,
        name[:-1] + ("A" if name[-1] != "A" else "B"),
        "..%2F..%2Fetc",
        "x" * 60,
        name.lower(),
    ):
        answer = requests.get(f"{server.api}/jobs/{wrong}", timeout=60)
        assert answer.status_code in (404, 422), wrong
    names = {server.service.store.new_name() for _ in range(1000)}
    assert len(names) == 1000


def test_deleted_job_is_gone_with_its_sequences(server: Served) -> None:
    name = server.submit(fasta(1)).json()["job"]
    folder = next(server.service.settings.jobs_dir.glob(f"*/{name}"))
    assert requests.delete(f"{server.api}/jobs/{name}", timeout=60).status_code == 204
    assert not folder.exists()
    assert requests.get(f"{server.api}/jobs/{name}", timeout=60).status_code == 404
    assert requests.delete(f"{server.api}/jobs/{name}", timeout=60).status_code == 404


def test_concurrent_deletes_and_looks_never_fail(server: Served) -> None:
    names = [server.submit(fasta(1)).json()["job"] for _ in range(6)]
    found: list[int] = []

    def disturb(name: str) -> None:
        address = f"{server.api}/jobs/{name}"
        asked = (requests.request(method, address, timeout=60) for method in ("GET", "DELETE", "GET"))
        found.extend(answer.status_code for answer in asked)

    threads = [threading.Thread(target=disturb, args=(name,)) for name in names for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) <= {200, 204, 404}
    assert found.count(204) == len(names)


def test_jobs_expire_with_their_sequences(tmp_path: Path) -> None:
    now = [1_000_000.0]
    with served(settings_of(tmp_path, keep_hours=1), clock=lambda: now[0]) as server:
        name = server.submit(fasta(1)).json()["job"]
        now[0] += 3_599
        assert requests.get(f"{server.api}/jobs/{name}", timeout=60).status_code == 200
        now[0] += 2
        assert requests.get(f"{server.api}/jobs/{name}", timeout=60).status_code == 404
        server.service.keeper.look()
        assert not list(server.service.settings.jobs_dir.glob("??/*"))


# --- limits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (fasta(201, 5), "more than 200 sequences; allowed: 200"),
        (f">long\n{'M' * 5_001}\n", "5,001 residues; allowed: 5,000"),
        ("".join(f">s{i}\n{'MKT' * 1_400}\n" for i in range(25)), "more than 100,000 residues"),
    ],
)
def test_more_than_a_job_may_hold(server: Served, text: str, words: str) -> None:
    answer = server.submit(text)
    assert answer.status_code == 413
    assert words in message(answer)


def test_million_tiny_records_are_refused_at_the_limit(server: Served) -> None:
    content = gzip.compress(b">a\nM\n" * 1_000_000)
    answer = requests.post(f"{server.api}/jobs/file", files={"file": ("x.gz", content)}, timeout=60)
    assert answer.status_code in (413, 422)  # too many, or the second of one name
    names = "".join(f">{i}\nM\n" for i in range(300_000))
    answer = requests.post(
        f"{server.api}/jobs/file", files={"file": ("x.gz", gzip.compress(names.encode()))}, timeout=60
    )
    assert answer.status_code == 413


def test_faulty_records_count_too(server: Served) -> None:
    answer = server.submit(">\n1\n" * 5_000, skip_faulty=True)
    assert answer.status_code == 413
    assert "more than 200 records, faulty ones counted" in message(answer)


def test_one_endless_record_is_refused(server: Served) -> None:
    content = gzip.compress(b">a\n" + b"M" * 10_000_000)
    answer = requests.post(f"{server.api}/jobs/file", files={"file": ("x.gz", content)}, timeout=60)
    assert answer.status_code == 413
    assert "decompressed" in message(answer)


def test_gzip_bombs_are_refused(server: Served) -> None:
    bomb = gzip.compress(b"\0" * 2**28)
    answer = requests.post(f"{server.api}/jobs/file", files={"file": ("x.gz", bomb)}, timeout=60)
    assert answer.status_code in (413, 422)
    twice = gzip.compress(gzip.compress(f">a\n{SHORT}\n".encode()))
    answer = requests.post(f"{server.api}/jobs/file", files={"file": ("x.gz", twice)}, timeout=60)
    assert answer.status_code == 422
    assert "compressed twice" in message(answer)


def test_large_upload_is_refused_before_it_has_arrived(server: Served) -> None:
    host, port = server.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 209715200\r\n\r\n"
        )
        answer = connection.recv(65_536)
    assert b" 413 " in answer.split(b"\r\n")[0]


def test_large_upload_of_no_said_length_is_cut_off(server: Served) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"fasta": "'
        for _ in range(200):
            yield b"M" * 2**20

    try:
        answer = requests.post(
            f"{server.api}/jobs", data=chunks(), headers={"Content-Type": "application/json"}, timeout=60
        )
    except requests.ConnectionError:
        return  # it ended the connection while more was sent, as it may
    assert answer.status_code == 413
    assert "allowed: 2 MB" in message(answer)


def test_slow_bodies_and_slow_heads_are_ended(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, body_timeout_s=1.5, header_timeout_s=1.5)) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as slow:
            slow.sendall(
                b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 90\r\n\r\n{"
            )
            assert b" 408 " in slow.recv(65_536).split(b"\r\n")[0]
        with socket.create_connection((host, int(port)), timeout=30) as slower:
            slower.sendall(b"GET / HT")
            assert slower.recv(65_536) == b""
        assert requests.get(f"{server.api}/health", timeout=60).status_code == 200


def test_too_many_submissions_are_told_when_to_come_back(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, requests_per_minute=3)) as server:
        codes = [server.submit(f">a\n{SHORT}\n").status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        answer = server.submit(f">a\n{SHORT}\n")
        assert "more than 3 submissions within a minute" in message(answer)
        assert 0 < int(answer.headers["Retry-After"]) <= 60


def test_too_many_waiting_jobs_of_one_client(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, small_sequences=1, max_active_jobs=2)) as server:
        codes = [server.submit(fasta(3)).status_code for _ in range(3)]
        assert codes == [202, 202, 429]
        server.work()
        assert server.submit(fasta(3)).status_code == 202


def test_submissions_at_once_do_not_slip_past_the_limit(tmp_path: Path) -> None:
    with served(settings_of(tmp_path, small_sequences=1, max_active_jobs=2)) as server:
        codes: list[int] = []
        threads = [
            threading.Thread(target=lambda: codes.append(server.submit(fasta(3)).status_code))
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(codes) == [202] * 2 + [429] * 10


# --- hostile and crooked


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"[]", "application/json"),
        (b'{"fasta": 3}', "application/json"),
        (b'{"fasta": ">a\\nMKT", "colour": "red"}', "application/json"),
        (b'{"fasta": ">a\\nMKT", "sequences": []}', "application/json"),
        (b'{"fasta": ">a\\n\\ud800"}', "application/json"),
        (b">a\nMKT", "text/plain"),
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"x", "multipart/form-data"),
    ],
)
def test_wrong_bodies_are_refused_with_a_reason(server: Served, body: bytes, kind: str) -> None:
    for path in ("/jobs", "/jobs/file"):
        answer = requests.post(f"{server.api}{path}", data=body, headers={"Content-Type": kind}, timeout=60)
        assert 400 <= answer.status_code < 500
        assert message(answer)


@pytest.mark.parametrize(
    "body",
    [
        {"sequences": [1] * 50_000},
        {"fasta": ">a\nMKT", **{f"k{i}": 1 for i in range(50_000)}},
        {"sequences": [{"id": "a", "sequence": "MKT", **{f"k{i}": 1 for i in range(50_000)}}]},
    ],
)
def test_answer_to_many_faults_is_short(server: Served, body: dict[str, Any]) -> None:
    answer = requests.post(f"{server.api}/jobs", json=body, timeout=60)
    assert answer.status_code == 422
    assert len(answer.content) < 1_000


def test_list_gives_a_row_for_each_of_its_sequences(server: Served) -> None:
    def ask(name: str, sequence: str) -> requests.Response:
        body = {"sequences": [{"id": name, "sequence": sequence}]}
        return requests.post(f"{server.api}/jobs", json=body, timeout=60)

    assert "an id holds no spaces, found 'my one'" in message(ask("my one", SHORT))
    assert "a sequence holds no '>'" in message(ask("a", f"{SHORT}\n>evil\n{SHORT}"))
    rows = ask("a|b", f"{SHORT}\n{SHORT}").json()["predictions"]
    assert [(row["id"], row["length"]) for row in rows] == [("a|b", 2 * len(SHORT))]


def test_unknown_model_names_the_choices(server: Served) -> None:
    answer = server.submit(f">a\n{SHORT}\n", model="../../etc")
    assert answer.status_code == 422
    assert "choose from: anticancer, localization" in message(answer)


def test_empty_input_says_so(server: Served) -> None:
    for text in ("", "   \n", ">only a header\n"):
        answer = server.submit(text)
        assert answer.status_code == 422
        assert message(answer)


def test_other_visitors_are_not_concerned_by_a_fault(server: Served) -> None:
    codes: dict[int, int] = {}

    def ask(i: int) -> None:
        codes[i] = server.submit(f">a\n{SHORT}\n" if i % 2 else ">a\nMKT!\n").status_code

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == {i: 200 if i % 2 else 422 for i in range(10)}


def test_logs_hold_no_ids_sequences_or_links(tmp_path: Path) -> None:
    server = Process(tmp_path, ("--workers", "0"), {"SORTILIN_SERVE_LOG_LEVEL": "debug"})
    try:
        server.start()
        body = {"fasta": f">secret_id\n{SHORT}\n"}
        name = requests.post(f"{server.api}/jobs", json=body, timeout=60).json()["job"]
        requests.get(f"{server.api}/jobs/{name}", timeout=60)
        requests.post(f"{server.api}/jobs", json={"fasta": ">secret_id\nMKT1KKK\n"}, timeout=60)
        server.stop()
    finally:
        server.end()
    lines = [line for line in server.log.read_text().splitlines() if not line.startswith("sortilin is at")]
    assert any(json.loads(line)["event"] == "job accepted" for line in lines)
    for private in ("secret_id", SHORT, name, "127.0.0.1"):
        assert not any(private in line for line in lines if '"ready"' not in line)
