"""A model of several members from its training to every output: how far they are apart, and who says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import sortilin
import tiny
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, ModelFolderError
from sortilin.evaluation import spread
from sortilin.predictor import Predictor

pytestmark = pytest.mark.slow  # a real training, of many networks

CLASSES = tuple(tiny.PLANTED)
COLUMNS = ("spread", "disagreement")
OPTIONS = {
    "head": {"name": "mlp", "options": {"hidden": [6]}},
    "training": {"epochs": 20, "batch_size": 16},
    "members": 2,
    "dropout_samples": 3,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("members")
    config = {
        "task": "custom",
        "data": str(tiny.write_table(place / "train.csv", tiny.labelled(1, 24))),
        "features": {"name": "composition"},
        "classifier": {"name": "head", "options": OPTIONS},
        "seed": 4,
        "folds": 2,
        "holdout": 0,
        "baselines": False,
        "audit": False,
    }
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    done = CliRunner().invoke(
        cli, ["train", str(place / "config.yaml"), "-o", str(place / "model"), "--quiet"]
    )
    assert done.exit_code == 0, done.output
    return place / "model"


@pytest.fixture(scope="module")
def model(folder: Path) -> Predictor:
    return sortilin.load(folder)


def sequences() -> list[str]:
    return [*tiny.random_sequences(6, 9, shortest=2, longest=70), "KRKRKRKRKRKRKRKRKRKR"]


def test_model_says_what_it_is_the_mean_of(folder: Path, model: Predictor) -> None:
    described = json.loads((folder / "model.json").read_text())
    assert described["members"] == {"networks": 2, "dropout_samples": 3}
    assert described["classifier"]["config"]["members"] == 2
    assert model.n_members == 6
    assert model.extra_columns == COLUMNS
    assert (
        "2 networks with seeds of their own, with 3 fixed dropout masks each: a probability is the mean of 6 "
        "opinions, and each prediction says how far these are apart (`spread`, `disagreement`)."
    ) in (folder / "README.md").read_text()


def test_card_does_not_take_the_calibration_of_rows_set_aside_for_one_of_the_table(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert (
        "This model is calibrated (`logistic`) on rows set aside from training, which is none of these"
        in card
    )
    assert "| logistic | " in card
    assert "| **logistic** |" not in card
    again = folder.with_name("again")
    done = CliRunner().invoke(cli, ["calibrate", str(folder), "-o", str(again), "--quiet"])
    assert done.exit_code == 0, done.output
    assert "| **logistic** |" in (again / "README.md").read_text()


def test_members_have_the_calibration_of_their_mean(model: Predictor) -> None:
    table = model.predict_members(sequences())
    assert table.shape == (10, 6, 3)
    assert table.sum(axis=2) == pytest.approx(np.ones((10, 6)))
    _, each = model._scores_of_members(sequences())
    assert each is not None
    for number in range(6):
        assert table[:, number] == pytest.approx(model.model.calibration()(each[:, number]))
    mean = np.log(np.exp(each).mean(axis=1))
    assert model.scores(sequences()) == pytest.approx(mean, abs=1e-5)
    assert model.predict_proba(sequences()) == pytest.approx(model.model.calibration()(mean), abs=1e-4)


def test_predictions_say_how_far_members_are_apart(model: Predictor) -> None:
    table = model.predict_members(sequences())
    for prediction, members in zip(model.predict(sequences()), table, strict=True):
        of_class = members[:, CLASSES.index(prediction.label)]
        assert prediction.spread == pytest.approx(np.std(of_class, ddof=1), abs=1e-6)
        assert prediction.disagreement == pytest.approx(spread.disagreement(members[None])[0], abs=1e-6)
    assert len({p.spread for p in model.predict(sequences())}) == 10


def test_order_company_and_threads_change_nothing(
    folder: Path, model: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model.predict_members(sequences())
    assert model.predict_members(sequences()[::-1])[::-1] == pytest.approx(expected, abs=1e-6)
    alone = np.concatenate([model.predict_members([sequence]) for sequence in sequences()])
    assert alone == pytest.approx(expected, abs=1e-6)
    monkeypatch.setattr(sortilin.predictor, "MAX_BATCH_SEQUENCES", 3)
    threads = sortilin.load(folder, threads=3)
    assert threads.predict_members(sequences()) == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def written(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("predicted")
    source = tiny.write_fasta(place / "new.fasta", sequences())
    for ending in ("tsv", "jsonl", "parquet", "html"):
        given = ["predict", str(source), "--model", str(folder), "-o", str(place / f"out.{ending}"), "-q"]
        done = CliRunner().invoke(cli, given)
        assert done.exit_code == 0, done.output
    return place


def test_tables_have_columns_of_it_before_the_flags(written: Path, model: Predictor) -> None:
    import pyarrow.parquet

    expected = model.predict(sequences())
    header, *lines = (written / "out.tsv").read_text().splitlines()
    assert header.split("\t")[-3:] == [*COLUMNS, "flags"]
    for line, p in zip(lines, expected, strict=True):
        assert line.split("\t")[-3:-1] == [f"{p.spread:.4f}", f"{p.disagreement:.4f}"]
    records = [json.loads(line) for line in (written / "out.jsonl").read_text().splitlines()]
    assert list(records[0])[-3:] == [*COLUMNS, "flags"]
    table = pyarrow.parquet.read_table(written / "out.parquet").to_pydict()
    assert list(table)[-3:] == [*COLUMNS, "flags"]
    for name in COLUMNS:
        values = [getattr(p, name) for p in expected]
        assert [record[name] for record in records] == pytest.approx(values, abs=1e-6)
        assert table[name] == pytest.approx(values, abs=1e-6)


def test_page_says_it_of_each_sequence(written: Path, model: Predictor) -> None:
    page = (written / "out.html").read_text()
    for p in model.predict(sequences()):
        assert f"spread {p.spread:.3f} · disagreement {p.disagreement:.3f}" in page


def test_terminal_table_has_columns_of_it(model: Predictor) -> None:
    import io

    from rich.console import Console

    from sortilin.report._terminal import TerminalTable

    stream = io.StringIO()
    table = TerminalTable(model.classes, "", Console(file=stream, width=140), model.extra_columns)
    found = model.predict(sequences()[:2])
    table.write(found)
    head, first, *_ = stream.getvalue().splitlines()
    assert head.split()[-2:] == list(COLUMNS)
    assert first.split()[-2:] == [f"{found[0].spread:.3f}", f"{found[0].disagreement:.3f}"]


def test_model_of_one_opinion_has_none_of_it(tmp_path: Path) -> None:
    model = sortilin.load("anticancer")
    assert model.n_members == 1
    assert model.extra_columns == ()
    (prediction,) = model.predict(["GLFDIVKKVVGALGSL"])
    assert prediction.spread is None
    assert prediction.disagreement is None
    with pytest.raises(ConfigError) as caught:
        model.predict_members(["MKV"])
    assert str(caught.value) == (
        "model 'anticancer' has one opinion; networks that are trained with members above 1, or with "
        "dropout_samples, have several"
    )
    source = tiny.write_fasta(tmp_path / "new.fasta", ["GLFDIVKKVVGALGSL"])
    done = CliRunner().invoke(cli, ["predict", str(source), "-m", "anticancer", "-o", "-", "-q"])
    assert not set(COLUMNS) & set(done.stdout.splitlines()[0].split("\t"))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"networks": 3, "dropout_samples": 3}, "model.onnx does not give the scores of 9 members"),
        (None, "model.onnx does not give the scores of 1 members"),
    ],
)
def test_other_number_of_members_than_the_graph_has_is_damage(
    folder: Path, tmp_path: Path, members: Any, message: str
) -> None:
    copy = shutil.copytree(folder, tmp_path / "mine")
    described = json.loads((copy / "model.json").read_text())
    described.pop("members")
    (copy / "model.json").write_text(json.dumps(described | ({"members": members} if members else {})))
    with pytest.raises(ModelFolderError) as caught:
        sortilin.load(copy).predict(["MKV"])
    assert str(caught.value) == f"the model folder {copy} is damaged: {message}"


# --- the figures themselves


def test_disagreement_is_the_mutual_information() -> None:
    sure, unsure = [1.0, 0.0], [0.5, 0.5]
    members = np.array([[sure, sure[::-1]], [unsure, unsure], [sure, sure], [[0.9, 0.1], [0.6, 0.4]]])
    found = spread.disagreement(members)
    assert found[:3] == pytest.approx([np.log(2), 0, 0])  # at odds; noise that all see; at one

    def entropy(p: float) -> float:
        return float(-p * np.log(p) - (1 - p) * np.log(1 - p))

    assert found[3] == pytest.approx(entropy(0.75) - (entropy(0.9) + entropy(0.6)) / 2)


def test_spread_is_that_of_the_predicted_class() -> None:
    members = np.array([[[0.9, 0.1, 0.0], [0.7, 0.2, 0.1], [0.5, 0.3, 0.2]]] * 2)
    assert spread.spread(members, np.array([0, 1])) == pytest.approx([0.2, 0.1])


# --- the server


def test_server_says_it_on_pages_in_answers_and_in_downloads(
    folder: Path, model: Predictor, tmp_path: Path
) -> None:
    pytest.importorskip("fastapi")
    import requests

    from served import served, settings_of
    from sortilin.client import Client

    settings = settings_of(tmp_path, models=(str(folder),), small_sequences=20)
    text = "".join(f">s{n}\n{sequence}\n" for n, sequence in enumerate(sequences()))
    expected = model.predict(sequences())
    with served(settings) as server:
        for n_small in (20, 0):  # answered at once, and by a worker
            server.service.settings = settings.model_copy(update={"small_sequences": n_small})
            job = server.submit(text).json()
            server.work()
            rows = list(Client(server.address).predictions(job["job"]))
            for row, p in zip(rows, expected, strict=True):
                assert (row.spread, row.disagreement) == pytest.approx((p.spread, p.disagreement), abs=1e-6)
            shown = f"spread {expected[0].spread:.3f} · disagreement {expected[0].disagreement:.3f}"
            page = f"{server.address}/jobs/{job['job']}"
            assert shown in requests.get(page, timeout=60).text
            assert shown in requests.get(f"{page}/sequences/1", timeout=60).text
            header, first, *_ = requests.get(f"{page}/download/tsv", timeout=60).text.splitlines()
            assert header.split("\t")[-3:] == [*COLUMNS, "flags"]
            values = [f"{getattr(expected[0], name):.4f}" for name in COLUMNS]
            assert first.split("\t")[-3:-1] == values


def test_result_of_an_older_server_is_read(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    import sqlite3

    from sortilin.results import Prediction
    from sortilin.serve.table import Table, Writer

    row = Prediction("a", 5, "x", {"x": 0.75, "y": 0.25}, ("trained_on",))
    writer = Writer(tmp_path / "r.db", ("x", "y"))
    writer.write([row])
    writer.finish()
    with sqlite3.connect(tmp_path / "r.db") as file:
        file.execute("ALTER TABLE rows DROP COLUMN opinions")
        file.execute("DELETE FROM meta WHERE key = 'extra'")
    table = Table(tmp_path / "r.db", ("x", "y"))
    assert list(table.all()) == [row]
    assert not table.overview().get("extra")
