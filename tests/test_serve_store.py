"""Jobs on disk, their rows, and who looks after them."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from served import settings_of
from sortilin.errors import ConfigError, OutputError
from sortilin.results import Prediction
from sortilin.sequences import SequenceRecord
from sortilin.serve.keeper import Keeper
from sortilin.serve.models import Models
from sortilin.serve.queue import Queue, QueueError
from sortilin.serve.store import Job, JobStore, NoSuchJobError, State, changed
from sortilin.serve.table import Query, Table, Writer
from sortilin.serve.work import MAX_ATTEMPTS, NO_ROOM, Runner

RECORDS = [SequenceRecord("a", "MKTAYIAKQR", flags=("U>C:1",)), SequenceRecord("b", "MKKLLPTAAAG")]
CLASSES = ("cytosol", "secreted", "mitochondrion", "nucleus")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(settings_of(tmp_path_factory.mktemp("models")), threads=1)


@pytest.fixture
def store(tmp_path: Path) -> JobStore:
    return JobStore(tmp_path / "jobs", clock=lambda: 1_000.0)


def accept(store: JobStore, models: Models, **more: Any) -> Job:
    values: dict[str, Any] = {
        "name": store.new_name(),
        "model": "localization",
        "checksum": models.get("localization").model.checksum,
        "classes": CLASSES,
        "n": 2,
        "n_residues": 21,
        "created": 900.0,
        "expires": 5_000.0,
    }
    return store.create(Job(**{**values, **more}), RECORDS)


def test_job_is_read_back_as_it_was_accepted(store: JobStore, models: Models) -> None:
    job = accept(
        store, models, title="ä", changes={"U>C": 1}, skipped=({"record": 1, "id": "x", "reason": "y"},)
    )
    assert store.job(job.name) == job
    assert store.state(job.name) == State()
    assert list(store.records(job.name)) == RECORDS
    assert store.names() == [job.name]


def test_job_that_cannot_be_kept_leaves_nothing(tmp_path: Path, models: Models) -> None:
    (tmp_path / "jobs").write_text("a file")
    store = JobStore(tmp_path / "jobs")
    with pytest.raises(OutputError, match="cannot be kept"):
        accept(store, models)
    assert [path.name for path in tmp_path.iterdir()] == ["jobs"]


def test_job_that_is_done_when_it_is_accepted(store: JobStore, models: Models) -> None:
    def fill(path: Path) -> None:
        assert store.names() == []  # nobody sees it before
        path.write_bytes(b"rows")

    values = {
        "checksum": models.get("localization").model.checksum,
        "classes": CLASSES,
        "n": 2,
        "n_residues": 21,
    }
    job = Job(store.new_name(), "localization", created=900.0, expires=5_000.0, **values)  # type: ignore[arg-type]
    store.create(job, RECORDS, state=State("done", 2), fill=fill)
    assert store.state(job.name) == State("done", 2)
    assert store.result_path(job.name).read_bytes() == b"rows"

    def fail(_path: Path) -> None:
        raise OutputError("no room")

    with pytest.raises(OutputError):
        store.create(job, RECORDS, fill=fail)
    assert [path.name for path in store.folder.iterdir()] == [job.name[:2].lower()]


def test_runner_writes_what_the_predictor_says(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    Runner(store, models, threading.Event())(job.name)
    state = store.state(job.name)
    assert (state.status, state.n_done, state.attempts) == ("done", 2, 1)
    rows = list(Table(store.result_path(job.name), CLASSES).all())
    assert rows == models.get("localization").predict(RECORDS)


def test_runner_leaves_a_job_that_another_holds(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    lease = store.lease(job.name)
    assert lease.try_acquire()
    Runner(store, models, threading.Event())(job.name)
    assert store.state(job.name) == State()
    lease.release()


def test_finished_job_is_not_run_again(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    runner = Runner(store, models, threading.Event())
    runner(job.name)
    before = (store.state(job.name), store.result_path(job.name).stat().st_mtime_ns)
    runner(job.name)
    assert (store.state(job.name), store.result_path(job.name).stat().st_mtime_ns) == before


def test_stopped_runner_puts_the_job_back(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    stop = threading.Event()
    stop.set()
    Runner(store, models, stop)(job.name)
    state = store.state(job.name)
    assert (state.status, state.attempts) == ("waiting", 0)
    assert "begun again" in state.message
    assert not store.result_path(job.name).exists()


def test_result_that_was_written_before_the_kill_is_taken(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    runner = Runner(store, models, threading.Event())
    runner(job.name)
    store.update(job.name, State("waiting", attempts=1))
    runner(job.name)
    assert store.state(job.name).status == "done"


def test_job_that_ends_its_worker_again_and_again_fails(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    store.update(job.name, State("waiting", attempts=MAX_ATTEMPTS))
    Runner(store, models, threading.Event())(job.name)
    state = store.state(job.name)
    assert state.status == "failed"
    assert f"begun {MAX_ATTEMPTS} times" in state.message


def test_model_of_another_version_is_not_taken(store: JobStore, models: Models) -> None:
    job = accept(store, models, checksum="0" * 64)
    Runner(store, models, threading.Event())(job.name)
    state = store.state(job.name)
    assert state.status == "failed"
    assert "replaced by another version" in state.message


def test_no_room_waits_for_room(store: JobStore, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    job = accept(store, models)

    def full(_self: Writer, _rows: Any) -> None:
        raise OutputError("no space")

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", full)
        Runner(store, models, threading.Event())(job.name)
    state = store.state(job.name)
    assert (state.status, state.message) == ("waiting", NO_ROOM)
    assert state.retry_at > 1_000
    assert [path.name for path in store.result_path(job.name).parent.glob(".result*")] == []
    Runner(store, models, threading.Event())(job.name)  # too early
    assert store.state(job.name).status == "waiting"
    store.clock = lambda: state.retry_at
    Runner(store, models, threading.Event())(job.name)
    assert store.state(job.name).status == "done"


def test_deleted_job_stops_its_runner(
    store: JobStore, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = accept(store, models)
    finish = Writer.finish

    def gone(self: Writer) -> None:
        finish(self)
        store.delete(job.name)

    monkeypatch.setattr(Writer, "finish", gone)
    Runner(store, models, threading.Event())(job.name)
    assert store.names() == []
    with pytest.raises(NoSuchJobError):
        store.state(job.name)


# --- the keeper


class _Names:
    """A queue that remembers what it is told."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.is_up = True

    def put(self, name: str, *, n_residues: int = 0) -> None:  # noqa: ARG002 - the queue's own
        self.n_waiting()
        self.names.append(name)

    def n_waiting(self) -> int:
        if not self.is_up:
            raise QueueError("away")
        return len(self.names)


def keeper_of(store: JobStore) -> tuple[Keeper, _Names]:
    queue = _Names()
    return Keeper(store, queue), queue  # type: ignore[arg-type]


def test_keeper_finds_a_job_that_lost_its_worker(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    keeper, queue = keeper_of(store)
    store.update(job.name, State("running", 1, attempts=1))
    keeper.look()
    state = store.state(job.name)
    assert (state.status, state.n_done, state.attempts) == ("waiting", 0, 1)
    assert "ended unexpectedly" in state.message
    assert queue.names == [job.name]


def test_keeper_leaves_a_job_whose_worker_lives(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    keeper, queue = keeper_of(store)
    lease = store.lease(job.name)
    assert lease.try_acquire()
    running = store.update(job.name, State("running", 1, attempts=1))
    keeper.look()
    assert store.state(job.name) == running
    assert queue.names == []
    assert keeper.n_running == 1
    lease.release()


def test_keeper_names_what_the_queue_forgot_and_only_then(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    keeper, queue = keeper_of(store)
    queue.names = ["another"]
    keeper.look()
    assert queue.names == ["another"]
    queue.names = []
    queue.is_up = False
    keeper.look()
    assert not keeper.queue_is_up
    queue.is_up = True
    keeper.look()
    assert keeper.queue_is_up
    assert queue.names == [job.name]


def test_keeper_names_what_went_back_once_though_others_wait(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    keeper, queue = keeper_of(store)
    queue.names = ["another"]
    store.update(job.name, State("waiting", attempts=1, message="begun again"))
    keeper.look()
    keeper.look()
    assert queue.names == ["another", job.name]
    store.update(job.name, State("waiting", attempts=2, message="begun again"))
    keeper.look()
    assert queue.names == ["another", job.name, job.name]


def test_keeper_deletes_what_has_expired(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    kept = accept(store, models, expires=9_000.0)
    store.clock = lambda: 5_001.0
    keeper, _ = keeper_of(store)
    keeper.look()
    assert store.names() == [kept.name]
    with pytest.raises(NoSuchJobError):
        store.job(job.name)


def test_queue_gives_small_jobs_first(tmp_path: Path) -> None:
    done: list[str] = []
    queue = Queue(settings_of(tmp_path), done.append)
    for name, n in (("large", 10**7), ("small", 100), ("middle", 10**5), ("small2", 200)):
        queue.put(name, n_residues=n)
    assert queue.n_waiting() == 4
    while (task := queue.huey.dequeue()) is not None:
        queue.huey.execute(task)
    assert done == ["small", "small2", "middle", "large"]


def test_queue_that_is_away_is_an_error_of_its_own(tmp_path: Path) -> None:
    queue = Queue(settings_of(tmp_path, redis_url="redis://127.0.0.1:1/0"))
    with pytest.raises(QueueError, match="cannot be reached"):
        queue.put("x")


def test_redis_that_hangs_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sortilin.serve.queue._TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        queue = Queue(settings_of(tmp_path, redis_url=f"redis://127.0.0.1:{port}/0"))
        with pytest.raises(QueueError, match="cannot be reached"):
            queue.put("x")


def test_address_of_redis_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="redis_url 'queue:6379'"):
        Queue(settings_of(tmp_path, redis_url="queue:6379"))


def test_port_0_stays_0() -> None:
    from sortilin.cli.serve import _settings

    assert _settings(None, {"port": 0, "models": ()}).port == 0


# --- rows


def prediction(i: int, label: str = "nucleus", p: float = 0.7) -> Prediction:
    rest = (1 - p) / 3
    return Prediction(
        f"id{i}", 10 + i, label, {c: p if c == label else rest for c in CLASSES}, ("trained_on",) * (i % 2)
    )


def test_unfinished_rows_are_not_seen(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "r.db", CLASSES)
    writer.write([prediction(1)])
    assert not (tmp_path / "r.db").exists()
    writer.discard()
    assert list(tmp_path.iterdir()) == []


def test_overview_counts_every_row_once(tmp_path: Path) -> None:
    rows = [prediction(i, CLASSES[i % 3], 0.4 + 0.006 * i) for i in range(100)]
    writer = Writer(tmp_path / "r.db", CLASSES)
    writer.write(rows)
    writer.finish()
    table = Table(tmp_path / "r.db", CLASSES)
    found = table.overview()
    assert found["n"] == sum(found["counts"].values()) == sum(found["lengths"]["counts"]) == 100
    assert found["counts"]["nucleus"] == 0
    assert {c: sum(found["probabilities"][c]) for c in CLASSES} == found["counts"]
    assert found["n_flagged"] == 50
    assert list(table.all()) == rows
    assert table.row(7) == rows[6]
    assert table.row(101) is None


@pytest.mark.parametrize("word", ["%", "_", "'", '"; DROP TABLE rows; --', "\\", "ID1"])
def test_search_takes_letters_as_they_are(tmp_path: Path, word: str) -> None:
    writer = Writer(tmp_path / "r.db", CLASSES)
    writer.write([prediction(i) for i in range(20)])
    writer.finish()
    found = Table(tmp_path / "r.db", CLASSES).find(Query(search=word))
    expected = [i + 1 for i in range(20) if word.lower() in f"id{i}"]
    assert [position for position, _ in found.rows] == expected


def test_state_is_replaced_as_a_whole(store: JobStore, models: Models) -> None:
    job = accept(store, models)
    ends = threading.Event()
    faults: list[Exception] = []

    def write() -> None:
        state = State("running")
        for i in range(200):
            store.update(job.name, changed(state, n_done=i))
        ends.set()

    def look() -> None:
        while not ends.is_set():
            try:
                assert store.state(job.name).status in ("waiting", "running")
            except Exception as error:  # noqa: BLE001 - any is a fault
                faults.append(error)

    threads = [threading.Thread(target=write), threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
