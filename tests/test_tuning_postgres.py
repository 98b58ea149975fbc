"""Searches that share a real PostgreSQL server, which is started for the tests and has summer time."""

from __future__ import annotations

import csv
import errno
import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from optuna import Study

import postgres
import tiny
from postgres import DATABASE, PASSWORD, USER, Server, free_port
from sortilin import tuning
from sortilin.cli.tune import tune as command
from sortilin.errors import ConfigError, MissingDependencyError, OutputError
from sortilin.experiment import validate
from sortilin.tuning import Tuned, database, storage
from sortilin.tuning.storage import close

RATES = {"learning_rate": {"low": 0.01, "high": 0.5, "log": True}, "leaves": [4, 8]}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres.running() as server:
        yield server


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    rows = [
        (label, tiny.random_sequence(rng, int(rng.integers(20, 50)), tiny.RESIDUES + planted))
        for _ in range(30)
        for label, planted in tiny.PLANTED.items()
    ]
    return tiny.write_table(tmp_path_factory.mktemp("data") / "tiny.csv", rows)


def values(table: Path, /, **tune: Any) -> dict[str, Any]:
    return {
        "task": "custom",
        "data": str(table),
        "features": {"name": "composition"},
        "classifier": {"name": "boosting", "options": {"rounds": 4, "smallest_leaf": 4}},
        "seed": 7,
        "folds": 3,
        "baselines": False,
        "tune": {"space": RATES, "sampler": "random", "folds": 2, **tune},
    }


def search(out: Path, given: dict[str, Any], storage: str | None = None, study: str | None = None) -> Tuned:
    return tuning.run(tuning.resolved(given, "test"), out, storage=storage, study=study)


def rows_of(out: Path) -> list[dict[str, str]]:
    """`trials.tsv` without the seconds."""
    with (out / "trials.tsv").open() as stream:
        return [
            {k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream, delimiter="\t")
        ]


SCRIPT = """
import json, sys, time
from pathlib import Path
from sortilin import tuning
from sortilin.tuning import beats
beats.BEAT_S, beats.SILENCE_S = 0.2, {silence_s}
from sortilin.experiment import validate
fit_fold = validate.fit_fold
def hanging(*args, **options):
    print("fitting", flush=True)
    {hang}
    return fit_fold(*args, **options)
validate.fit_fold = hanging
given, out, storage, study = json.loads(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
tuning.run(tuning.resolved(given, "test"), out, storage=storage, study=study)
"""
FOR_EVER = "time.sleep(3600)"
ON_REQUEST = "sys.stdin.readline()"


def started(
    given: dict[str, Any], out: Path, storage: str, study: str, hang: str = "pass", silence_s: float = 4.0
) -> Any:
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            SCRIPT.format(hang=hang, silence_s=silence_s),
            json.dumps(given),
            str(out),
            storage,
            study,
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def fitting(worker: Any) -> None:
    """Return when a worker is in the middle of a trial."""
    assert worker.stdout.readline() == "fitting\n", worker.stderr.read()


def study_names(place: str) -> set[str]:
    kept = database.opened(place)
    try:
        return {study.study_name for study in kept.get_all_studies()}
    finally:
        close(kept)


# --- sharing


@pytest.mark.slow
def test_two_workers_in_two_folders_make_the_trials_of_one(
    tmp_path: Path, table: Path, server: Server
) -> None:
    given = values(table, trials=8)
    workers = [started(given, tmp_path / name, server.url(), "shared") for name in "ab"]
    for worker in workers:
        _, said = worker.communicate()
        assert worker.returncode == 0, said
    alone = search(tmp_path / "alone", given)
    again = search(tmp_path / "a", given, server.url())
    assert again.elsewhere == ()
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "alone")
    assert again.best.number == alone.best.number
    best = (tmp_path / "a" / "best.yaml").read_text()
    assert best == (tmp_path / "alone" / "best.yaml").read_text()


@pytest.mark.slow
def test_trial_of_a_killed_worker_is_made_by_another(tmp_path: Path, table: Path, server: Server) -> None:
    given = values(table, trials=5)
    killed = started(given, tmp_path / "dead", server.url(), "killed", FOR_EVER)
    fitting(killed)
    other = started(given, tmp_path / "other", server.url(), "killed")
    fitting(other)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    _, said = other.communicate(timeout=120)
    assert other.returncode == 0, said
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "other") == rows_of(tmp_path / "alone")
    # The folder of the dead goes on too, and finds nothing left to do.
    assert len(search(tmp_path / "dead", given, server.url()).trials) == 5
    assert rows_of(tmp_path / "dead") == rows_of(tmp_path / "alone")


@pytest.mark.slow
def test_worker_that_was_only_paused_does_not_count_twice(
    tmp_path: Path, table: Path, server: Server
) -> None:
    given = values(table, trials=3)
    paused = started(given, tmp_path / "paused", server.url(), "paused", ON_REQUEST)
    fitting(paused)
    paused.send_signal(signal.SIGSTOP)
    other = started(given, tmp_path / "other", server.url(), "paused")
    _, said = other.communicate(timeout=120)
    assert other.returncode == 0, said
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "other") == rows_of(tmp_path / "alone")
    paused.send_signal(signal.SIGCONT)
    _, said = paused.communicate("\n" * 10, timeout=120)
    assert paused.returncode == 0, said
    assert rows_of(tmp_path / "paused") == rows_of(tmp_path / "alone")


@pytest.mark.slow
def test_trial_of_a_living_worker_is_left_alone(tmp_path: Path, table: Path, server: Server) -> None:
    given = values(table, trials=3)
    slow = started(given, tmp_path / "slow", server.url(), "living", ON_REQUEST)
    fitting(slow)
    quick = started(given, tmp_path / "quick", server.url(), "living", silence_s=100.0)
    _, said = quick.communicate(timeout=120)
    assert quick.returncode == 0, said
    assert [row["number"] for row in rows_of(tmp_path / "quick")] == ["1", "2"]
    _, said = slow.communicate("\n" * 10, timeout=120)
    assert slow.returncode == 0, said
    assert [row["number"] for row in rows_of(tmp_path / "slow")] == ["0", "1", "2"]


@pytest.mark.parametrize("driver", ["psycopg", "pg8000", "psycopg2"])
def test_every_driver_keeps_the_same_trials(tmp_path: Path, table: Path, server: Server, driver: str) -> None:
    pytest.importorskip(driver)
    given = values(table, trials=2)
    search(tmp_path / driver, given, server.url(driver=driver))
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / driver) == rows_of(tmp_path / "alone")


def test_url_without_a_driver_takes_one_that_is_installed(server: Server) -> None:
    for place in (server.url(), server.url().replace("postgresql", "postgres", 1)):
        url, _ = database.engine_of(place)
        assert url.get_driver_name() in database.DRIVERS
        assert study_names(place) == study_names(server.url(driver="pg8000"))


def test_password_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    place = f"postgresql+pg8000://{USER}@127.0.0.1:{server.port}/{DATABASE}"
    assert study_names(place) == study_names(server.url())


def test_connections_that_were_cut_in_a_trial_are_opened_again(
    tmp_path: Path, table: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_cut = []
    fit_fold = validate.fit_fold

    def cutting(*args: Any, **options: Any) -> Any:
        n_cut.append(server.cut_all())
        return fit_fold(*args, **options)

    given = values(table, trials=2)
    with monkeypatch.context() as patched:
        patched.setattr(validate, "fit_fold", cutting)
        search(tmp_path / "cut", given, server.url())
    assert n_cut[0] >= 1
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "alone")


@pytest.fixture
def away(server: Server) -> Iterator[str]:
    """A database of its own, which a test may close."""
    name = f"away_{time.monotonic_ns()}"
    server.sql(f"CREATE DATABASE {name}")
    yield name
    server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def test_database_that_is_away_for_a_while_is_waited_for(
    tmp_path: Path, table: Path, server: Server, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Study.tell
    n_tries: list[None] = []

    def tell(*args: Any, **options: Any) -> Any:
        n_tries.append(None)
        if len(n_tries) == 1:
            server.close(away)
        return finish(*args, **options)

    def opening(_seconds: float) -> None:
        server.open(away)

    monkeypatch.setattr(storage, "RETRY_S", 0.0)
    monkeypatch.setattr(Study, "tell", tell)
    monkeypatch.setattr("sortilin.tuning.study.time.sleep", opening)
    given = values(table, trials=2)
    search(tmp_path / "out", given, server.url(name=away))
    monkeypatch.undo()
    assert len(n_tries) == 3
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "alone")


def test_database_that_stays_away_ends_the_search_which_goes_on_later(
    tmp_path: Path, table: Path, server: Server, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_fold = validate.fit_fold

    def closing(*args: Any, **options: Any) -> Any:
        server.close(away)
        return fit_fold(*args, **options)

    given = values(table, trials=2)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "PATIENCE_S", 0.0)
        patched.setattr(validate, "fit_fold", closing)
        with pytest.raises(OutputError, match=r"the trials cannot be kept: .*start again to go on") as caught:
            search(tmp_path / "out", given, server.url(name=away))
    assert PASSWORD not in str(caught.value)
    server.open(away)
    search(tmp_path / "out", given, server.url(name=away))
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "alone")


def test_worker_waits_while_another_makes_the_tables(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    n_waits: list[None] = []
    with ExitStack() as other:
        other.enter_context(database.alone(server.url()))

        def waiting(_seconds: float) -> None:
            n_waits.append(None)
            if len(n_waits) == 3:
                other.close()

        monkeypatch.setattr("sortilin.tuning.database.time.sleep", waiting)
        with database.alone(server.url()):
            assert len(n_waits) == 3


def test_unix_socket_is_reached(server: Server) -> None:
    place = f"postgresql+pg8000://{USER}:{PASSWORD}@:{server.port}/{DATABASE}?host={server.folder}"
    assert study_names(place) == study_names(server.url())


# --- what is refused


def test_wrong_password_is_refused_and_never_shown(tmp_path: Path, table: Path, server: Server) -> None:
    place = server.url(password="not-the-right-one")
    with pytest.raises(ConfigError, match=r"cannot be opened: .*password authentication failed") as caught:
        search(tmp_path / "out", values(table), place)
    assert "not-the-right-one" not in str(caught.value)
    assert f"{USER}:***@127.0.0.1" in str(caught.value)
    assert caught.value.__cause__ is None


def test_password_among_the_options_of_a_url_is_never_shown(tmp_path: Path, table: Path) -> None:
    pytest.importorskip("pg8000")
    place = f"postgresql+pg8000://me@127.0.0.1:{free_port()}/trials?password=not-for-all"
    with pytest.raises(ConfigError, match=r"trials\?password=\.\.\. cannot be opened") as caught:
        search(tmp_path / "out", values(table), place)
    assert "not-for-all" not in str(caught.value)


def test_fault_of_the_network_shows_no_password(
    tmp_path: Path, table: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(**_options: Any) -> Any:
        raise OSError(errno.EHOSTUNREACH, "No route to host")

    monkeypatch.setattr("optuna.create_study", unreachable)
    with pytest.raises(OutputError, match=r"postgres: cannot be written: No route to host") as caught:
        search(tmp_path / "out", values(table), server.url())
    assert PASSWORD not in str(caught.value)


def test_journal_may_have_a_name_like_a_database(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = search(tmp_path / "out", values(table, trials=1), "postgres-trials.log")
    assert len(found.trials) == 1
    assert Path("postgres-trials.log").exists()


def test_database_that_is_not_there_is_refused(tmp_path: Path, table: Path, server: Server) -> None:
    with pytest.raises(ConfigError, match=r'cannot be opened: .*database "nowhere" does not exist') as caught:
        search(tmp_path / "out", values(table), server.url(name="nowhere"))
    assert PASSWORD not in str(caught.value)


def test_server_that_does_not_answer_is_refused(tmp_path: Path, table: Path) -> None:
    pytest.importorskip("pg8000")
    place = f"postgresql://me:{PASSWORD}@127.0.0.1:{free_port()}/trials"
    text = r"storage postgresql://me:\*\*\*@.* cannot be opened: .*Connection refused"
    with pytest.raises(ConfigError, match=text) as caught:
        search(tmp_path / "out", values(table), place)
    assert PASSWORD not in str(caught.value)


def test_study_of_another_search_is_refused(tmp_path: Path, table: Path, server: Server) -> None:
    search(tmp_path / "a", values(table, trials=1), server.url(), "taken")
    text = r"study 'taken' in the storage belongs to another search; tune\.metric"
    with pytest.raises(ConfigError, match=text):
        search(tmp_path / "b", values(table, trials=1, metric="mcc"), server.url(), "taken")
    with pytest.raises(ConfigError, match="belongs to study 'taken'; found --study 'free'"):
        search(tmp_path / "a", values(table, trials=1), server.url(), "free")


def test_absent_driver_names_the_extra(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "DRIVERS", ("psycopg_that_is_absent",))
    with pytest.raises(
        MissingDependencyError, match=r"PostgreSQL needs pg8000: pip install 'sortilin\[train"
    ):
        search(tmp_path / "out", values(table), "postgresql://me@host/trials")


def test_driver_that_is_named_and_absent_is_refused(tmp_path: Path, table: Path) -> None:
    absent = [name for name in database.DRIVERS if importlib.util.find_spec(name) is None]
    if not absent:
        pytest.skip("every driver is installed")
    with pytest.raises(ConfigError, match=f"needs a driver that is not installed.*'{absent[0]}'"):
        search(tmp_path / "out", values(table), f"postgresql+{absent[0]}://me@host/trials")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("postgresql+pg8000://me@h/t?sslmode=maybe", "sslmode 'maybe' is not allowed; choose from: disable"),
        ("postgresql+pg8000://me@h/t?wrong=1", r"me@h/t\?wrong=1 cannot be opened: .*'wrong'"),
        ("postgresql://me:secret@h:port/t", "'postgresql://…' cannot be opened: it is no URL"),
    ],
)
def test_url_that_cannot_be_used_is_refused(tmp_path: Path, table: Path, place: str, text: str) -> None:
    pytest.importorskip("pg8000")
    with pytest.raises(ConfigError, match=text) as caught:
        search(tmp_path / "out", values(table), place)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("query", "given"), [("?sslmode=disable", False), ("?sslmode=prefer", None)])
def test_sslmode_that_needs_no_certificate_reaches_pg8000(query: str, given: bool | None) -> None:
    pytest.importorskip("pg8000")
    _, arguments = database.engine_of(f"postgresql+pg8000://me@h/t{query}")
    assert arguments["ssl_context"] is given  # False: never encrypted; None: where the server can


@pytest.mark.parametrize(
    ("mode", "is_verified", "names_host"),
    [("require", False, False), ("verify-ca", True, False), ("verify-full", True, True)],
)
def test_sslmode_reaches_pg8000(mode: str, is_verified: bool, names_host: bool) -> None:
    pytest.importorskip("pg8000")
    url, arguments = database.engine_of(f"postgresql+pg8000://me@h/t?sslmode={mode}")
    assert "sslmode" not in url.query
    context = arguments["ssl_context"]
    assert (context.verify_mode.name == "CERT_REQUIRED", context.check_hostname) == (is_verified, names_host)


def test_command_takes_storage_and_study(tmp_path: Path, table: Path, server: Server) -> None:
    args = ["--task", "custom", "--data", str(table), "--model", "svm", "--trials", "1", "-q"]
    shared = ["--storage", server.url(), "--study", "by-command"]
    found = CliRunner().invoke(command, [*args, *shared, "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert found.stderr == ""
    assert found.stdout.startswith("best of 1 trials: ")
    assert json.loads((tmp_path / "out" / "tuning.json").read_text())["study"] == "by-command"
    assert "by-command" in study_names(server.url())
