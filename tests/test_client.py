"""The client, against a real server."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import sortilin
from served import SHORT, Served, fasta, served, settings_of
from sortilin.client import Client, ServerError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(settings_of(tmp_path_factory.mktemp("server"), small_sequences=2)) as found:
        yield found


def test_prediction_is_that_of_the_model(server: Served) -> None:
    (found,) = Client(server.address).predict({"p1": SHORT})
    (expected,) = sortilin.load("localization").predict([SHORT])
    assert (found.id, found.label, found.flags) == ("p1", expected.label, expected.flags)
    assert dict(found.probabilities) == pytest.approx(dict(expected.probabilities), abs=1e-9)
    assert found.confidence == expected.confidence


def test_questions_of_two_classes_are_answered(server: Served) -> None:
    (found,) = Client(server.address).predict({"p1": "GLFDIVKKVVGALGSL"}, model="anticancer")
    (expected,) = sortilin.load("anticancer").predict(["GLFDIVKKVVGALGSL"])
    assert dict(found.answers) == pytest.approx(dict(expected.answers))


def test_long_job_is_waited_for_with_progress(server: Served, tmp_path: Path) -> None:
    client = Client(server.address)
    path = tmp_path / "x.fasta"
    path.write_text(fasta(1_500, 20))
    job = client.submit_file(path, title="mine")
    assert (job.status, job.n) == ("waiting", 1_500)
    worker = threading.Timer(0.3, server.work)
    worker.start()
    told: list[tuple[str, int, int]] = []
    done = client.wait(job.name, timeout_s=120, on_progress=lambda *said: told.append(said))
    worker.join()
    assert done.status == "done"
    assert told[0][0] in ("waiting", "running")
    assert told[-1] == ("done", 1_500, 1_500)
    assert [p.id for p in client.predictions(job.name)] == [f"s{i}" for i in range(1_500)]
    table = client.download(job.name, tmp_path / "out.tsv")
    assert len(table.read_text().splitlines()) == 1_501
    client.delete(job.name)
    with pytest.raises(ServerError, match=r"answers 404: there is no job") as caught:
        client.status(job.name)
    assert caught.value.status == 404


def test_waiting_ends_and_the_job_goes_on(server: Served) -> None:
    client = Client(server.address)
    job = client.submit(fasta(5))
    with pytest.raises(ServerError, match=r"is waiting after 0.1 seconds; it goes on: http"):
        client.wait(job.name, timeout_s=0.1)
    assert client.status(job.name).status == "waiting"


def test_faults_say_what_the_server_says(server: Served) -> None:
    client = Client(server.address)
    with pytest.raises(ServerError, match=r"answers 422: .*letter '1' is not a residue"):
        client.predict("MKT1AAAA")
    with pytest.raises(ServerError, match=r"127\.0\.0\.1:9 cannot be reached"):
        Client("http://127.0.0.1:9").health()
    assert client.health()["status"] == "ok"
    assert client.limits()["small_sequences"] == 2
    assert [m["name"] for m in client.models()] == ["localization", "anticancer"]
