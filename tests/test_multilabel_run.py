"""From labelled files with several classes a sequence to a model folder, predictions, scores and pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import sortilin
import tiny
from sortilin import artifact, multilabel
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, InputError, LabelError, ModelFolderError
from sortilin.experiment import ExperimentConfig, run
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.scored import Source
from sortilin.multilabel.outcome import Outcome
from sortilin.results import Prediction, Quality, count_classes

PLANTED = tiny.PLANTED
CLASSES = tuple(PLANTED)
QUICK = {"name": "boosting", "options": {"rounds": 15, "smallest_leaf": 5}}


def labelled(seed: int, n: int, *, share: float = 0.4) -> list[tuple[str, str]]:
    """(label, sequence); each half of a sequence with two classes holds one signal."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(n):
        names = (
            sorted(rng.choice(CLASSES, 2, replace=False)) if rng.random() < share else [CLASSES[number % 3]]
        )
        length = int(rng.integers(40, 70)) // len(names)
        parts = [tiny.random_sequence(rng, length, tiny.RESIDUES + 8 * PLANTED[name]) for name in names]
        found.append(("|".join(names), "".join(parts)))
    return found


def config(data: Path | Sequence[str], **changes: Any) -> ExperimentConfig:
    given = {
        "task": "custom",
        "data": [str(data)] if isinstance(data, Path) else list(data),
        "features": {"name": "composition"},
        "classifier": QUICK,
        "seed": 7,
        "folds": 3,
        "baselines": False,
        "holdout": 0,
        "multi_label": True,
    }
    return ExperimentConfig.model_validate({**given, **changes})


TRAINING, NEW = labelled(1, 150), labelled(2, 40)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[artifact.ModelFolder, Outcome]:
    place = tmp_path_factory.mktemp("several")
    data = tiny.write_table(place / "train.csv", TRAINING)
    new = tiny.write_table(place / "new.csv", NEW + TRAINING[:5])
    asked = config(data, tests=[str(new)], baselines=True, holdout=0.2)
    folder, outcome = run(asked, place / "model")
    assert isinstance(outcome, Outcome)
    return folder, outcome


def invoke(*words: str | Path) -> str:
    found = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.stdout


# --- the folder


def test_model_predicts_several_classes(finished: tuple[artifact.ModelFolder, Outcome]) -> None:
    model = sortilin.load(finished[0].path)
    found = model.predict([sequence for _, sequence in NEW])
    assert sum(p.label == label for p, (label, _) in zip(found, NEW, strict=True)) >= 0.85 * len(NEW)
    assert any("|" in p.label for p in found)
    for p in found:
        assert p.labels == tuple(name for name in model.classes if name in p.labels)
        assert p.probability == max(p.probabilities[name] for name in p.labels)
    assert any(abs(sum(p.probabilities.values()) - 1) > 0.5 for p in found)


def test_label_holds_the_classes_over_their_thresholds(
    finished: tuple[artifact.ModelFolder, Outcome],
) -> None:
    folder, outcome = finished
    thresholds = folder.array("multi_label.thresholds")
    assert thresholds == pytest.approx(outcome.decider.thresholds)
    said = folder.description["calibration"]["thresholds"]
    assert list(said.values()) == pytest.approx(thresholds.tolist(), abs=1e-4)
    model = sortilin.load(folder.path)
    for p in model.predict([sequence for _, sequence in NEW]):
        values = np.array(list(p.probabilities.values()))
        over = [name for name, is_over in zip(model.classes, values >= thresholds, strict=True) if is_over]
        assert list(p.labels) == (over or [max(p.probabilities, key=p.probabilities.__getitem__)])


def test_thresholds_of_a_fold_are_those_of_the_others(finished: tuple[artifact.ModelFolder, Outcome]) -> None:
    from sortilin.evaluation import per_class

    measured, y = finished[1].rows[0].measured, finished[1].data.y
    for fold, decider in enumerate(measured.deciders):
        here = measured.fold == fold
        alone = per_class.fit(measured.scores[~here], y[~here], CLASSES)
        assert np.array_equal(alone.thresholds, decider.thresholds)
        assert np.array_equal(decider(measured.scores[here]), measured.probabilities[here])
        turned = np.where(here[:, None], 1 - y, y)  # what the scored fold says changes nothing
        again = per_class.fit(measured.scores[~here], turned[~here], CLASSES)
        assert np.array_equal(again.thresholds, decider.thresholds)


def test_folder_says_what_it_is(finished: tuple[artifact.ModelFolder, Outcome]) -> None:
    folder, outcome = finished
    described = folder.description
    assert described["multi_label"] is True
    assert described["classifier"]["name"] == "one_vs_rest"
    assert described["classifier"]["config"]["classifier"] == QUICK
    assert described["training_data"]["classes"] == count_classes(outcome.data.label_counts, CLASSES)
    assert sum(described["training_data"]["labels"].values()) == 150
    measured = json.loads((folder.path / "metrics.json").read_text())
    assert [row["model"] for row in measured["rows"]] == [
        "boosting on composition, one a class",
        "boosting on length alone",
    ]
    first = measured["rows"][0]
    mean = np.mean([fold["metrics"]["macro_f1"] for fold in first["folds"]])
    assert described["metrics"]["macro_f1"] == pytest.approx(mean, abs=1e-4)
    spread = np.std([fold["metrics"]["macro_f1"] for fold in first["folds"]], ddof=1)
    quality = Quality.of(described, "macro_f1")
    assert (quality.value, quality.spread) == pytest.approx((mean, spread), abs=1e-4)
    assert (quality.n, quality.folds) == (150, 3)
    assert mean > 0.85
    assert [test["part"] for test in measured["tests"]] == ["whole", "without 5 training sequences"]
    assert [test["n"] for test in measured["tests"]] == [45, 40]


def test_card_tells_of_labels_thresholds_and_figures(finished: tuple[artifact.ModelFolder, Outcome]) -> None:
    card = finished[0].card
    for part in (
        "A sequence may have several classes.",
        "| acidic\\|basic | ",
        "## How it decides",
        "| model | micro-F1 | macro-F1 | Jaccard | exact match | Hamming loss | macro MCC | ROC-AUC |",
        "One such hold-out of 20% (seed 7, n = ",
        "new.csv, without 5 training sequences | 40 |",
    ):
        assert part in card
    assert "nan" not in card


def test_same_configuration_gives_the_same_model(
    finished: tuple[artifact.ModelFolder, Outcome], tmp_path: Path
) -> None:
    from sortilin.experiment import read_config

    again, _ = run(read_config(finished[0].path / "config.yaml"), tmp_path / "again")
    for name in ("model.onnx", "arrays.safetensors", "config.yaml"):
        assert again.description["files"][name] == finished[0].description["files"][name], name


def test_folder_without_its_thresholds_is_refused(
    finished: tuple[artifact.ModelFolder, Outcome], tmp_path: Path
) -> None:
    folder = finished[0]
    names = ("multi_label.slopes", "multi_label.offsets", "training_hashes")
    arrays = {name: folder.array(name) for name in names}
    about = {k: v for k, v in folder.description.items() if k not in ("format", "format_version", "files")}
    artifact.write(tmp_path / "bad", about, graph=folder.graph, arrays=arrays, card="")
    with pytest.raises(ModelFolderError, match=r"multi_label\.thresholds"):
        sortilin.load(tmp_path / "bad")
    short = {**arrays, "multi_label.thresholds": np.zeros(2)}
    artifact.write(tmp_path / "short", about, graph=folder.graph, arrays=short, card="")
    with pytest.raises(ModelFolderError, match="its thresholds do not fit 3 classes"):
        sortilin.load(tmp_path / "short")


# --- the command line


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder made by the command, with the options of a person."""
    place = tmp_path_factory.mktemp("by-hand")
    tiny.write_table(place / "train.csv", TRAINING)
    tiny.write_table(place / "new.csv", NEW)
    (place / "quick.yaml").write_text(
        "task: custom\nfeatures: {name: composition}\nseed: 7\nholdout: 0\nbaselines: false\n"
        "classifier: {name: boosting, options: {rounds: 15, smallest_leaf: 5}}\n"
    )
    words = ("--multi-label", "--folds", "3", "--quiet")
    data = place / "train.csv"
    said = invoke("train", place / "quick.yaml", "--data", data, *words, "-o", place / "model")
    assert "boosting on composition, one a class" in said
    return place


def test_tables_and_pages_show_joined_classes(by_hand: Path) -> None:
    source = by_hand / "new.csv"
    for name in ("out.tsv", "out.jsonl", "out.parquet", "out.html"):
        invoke("predict", source, "--model", by_hand / "model", "-o", by_hand / name, "--quiet")
    rows = [line.split("\t") for line in (by_hand / "out.tsv").read_text().splitlines()]
    labels = [row[rows[0].index("prediction")] for row in rows[1:]]
    assert "acidic|basic" in labels
    lines = [json.loads(line) for line in (by_hand / "out.jsonl").read_text().splitlines()]
    assert [line["prediction"] for line in lines] == labels
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(by_hand / "out.parquet")["prediction"].to_pylist() == labels
    page = (by_hand / "out.html").read_text()
    assert 'data-class="acidic|basic"' in page
    assert "<strong>acidic|basic</strong>" in page
    meta = json.loads((by_hand / "out.tsv.meta.json").read_text())
    assert meta["n_predicted"] == len(NEW)
    assert meta["details"]["counts"] == {
        name: sum(name in label.split("|") for label in labels) for name in CLASSES
    }


def test_terminal_table_has_room_for_joined_classes(by_hand: Path) -> None:
    from io import StringIO

    from rich.console import Console

    from sortilin.report._terminal import TerminalTable
    from sortilin.results import RunSummary

    model = sortilin.load(by_hand / "model")
    found = model.predict([sequence for _, sequence in NEW])
    stream = StringIO()
    table = TerminalTable(model.classes, "", Console(file=stream, width=120))
    table.write(found)
    table.finish(RunSummary("", "", "", "", "", "", len(found), 0, {}))
    assert "acidic|basic  " in stream.getvalue()
    counts = count_classes({p.label: 0 for p in found}, CLASSES)
    for p in found:
        for name in p.labels:
            counts[name] += 1
    assert f"40 sequences: acidic {counts['acidic']}, basic {counts['basic']}" in stream.getvalue()


def test_evaluate_scores_the_labels(by_hand: Path) -> None:
    said = invoke("evaluate", by_hand / "model", "--data", by_hand / "new.csv")
    assert "| whole | 40 | " in said
    assert "| class | precision | recall | F1 | MCC | ROC-AUC | n | predicted |" in said
    found = json.loads(invoke("evaluate", by_hand / "model", "--data", by_hand / "new.csv", "--json"))
    model = sortilin.load(by_hand / "model")
    labels = [p.label for p in model.predict([sequence for _, sequence in NEW])]
    exact = np.mean([label == known for label, (known, _) in zip(labels, NEW, strict=True)])
    assert found["whole"]["metrics"]["exact_match"] == pytest.approx(exact, abs=1e-4)
    with pytest.raises(ConfigError, match="--against is not for models of several classes"):
        invoke(
            *("evaluate", by_hand / "model", "--data", by_hand / "new.csv", "--against", by_hand / "model")
        )
    several = Source(str(by_hand / "model"))
    labelled = LabelledSet("x", ("MKV",), np.array([0]), several.classes)
    with pytest.raises(InputError, match="gives several classes to a sequence; compared are"):
        several.scored(labelled)


def test_file_of_several_classes_without_the_option_is_refused(by_hand: Path, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="sortilin train --multi-label"):
        invoke("train", "--task", "custom", "--data", by_hand / "train.csv", "-o", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_split_takes_classes_in_any_order_for_one_combination(tmp_path: Path) -> None:
    rows = [(label, sequence) for label, sequence in TRAINING if label in {"acidic", "acidic|basic"}]
    turned = [("|".join(label.split("|")[:: (-1) ** n]), s) for n, (label, s) in enumerate(rows)]
    assert "basic|acidic" in dict(turned)
    invoke("split", tiny.write_table(tmp_path / "x.csv", turned), "-o", tmp_path / "split", "--quiet")
    said = json.loads((tmp_path / "split" / "summary.json").read_text())
    assert set(said["balance"]["parts"]["train"]) == {"acidic", "acidic|basic"}
    written = (tmp_path / "split" / "sequences.csv").read_text()
    assert "basic|acidic" in written  # labels stay as they were


# --- one class a sequence


def test_one_label_file_gives_the_ranking_of_the_plain_model(tmp_path: Path) -> None:
    train = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 40))
    wrapped = {"name": "one_vs_rest", "options": {"classifier": QUICK}}
    several, _ = run(config(train), tmp_path / "several")
    plain, _ = run(config(train, classifier=wrapped, multi_label=False), tmp_path / "plain")
    sequences = [sequence for _, sequence in tiny.labelled(2, 20)]
    one, other = sortilin.load(several.path), sortilin.load(plain.path)
    scores = other.scores(sequences)
    assert np.array_equal(one.scores(sequences), scores)
    table = one.predict_proba(sequences)
    for c in range(len(CLASSES)):
        order = np.argsort(scores[:, c], kind="stable")
        assert (np.diff(scores[order, c]) >= 0).all()
        assert (np.diff(table[order, c]) >= 0).all()  # of one class, sequences stand in the same order
    top = other.predict_proba(sequences).argmax(axis=1)
    assert (table.argmax(axis=1) == top).mean() >= 0.95
    labels = [label for label, _ in tiny.labelled(2, 20)]
    right = [label in p.labels for label, p in zip(labels, one.predict(sequences), strict=True)]
    assert np.mean(right) > 0.9


# --- what cannot be done


def test_two_classes_are_enough(tmp_path: Path) -> None:
    rows = [
        (label.replace("|greasy", "").replace("greasy", "basic"), sequence)
        for label, sequence in labelled(3, 90)
    ]
    rows = [(label if label != "basic|basic" else "basic", sequence) for label, sequence in rows]
    folder, _ = run(config(tiny.write_table(tmp_path / "two.csv", rows)), tmp_path / "two")
    model = sortilin.load(folder.path)
    assert model.classes == ("acidic", "basic")
    labels = {p.label for p in model.predict([sequence for _, sequence in rows])}
    assert labels == {"acidic", "basic", "acidic|basic"}


def test_calibration_of_one_class_a_sequence_is_refused(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", TRAINING)
    with pytest.raises(ConfigError, match="calibration 'isotonic' is not for several classes a sequence"):
        run(config(data, calibration="isotonic"), tmp_path / "x")


def test_class_that_a_fold_would_lack_is_named_before_any_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sortilin import registry

    monkeypatch.setattr(registry.get("classifier", "boosting"), "fit", None)
    rows = [("basic", s) for _, s in TRAINING[:30]] + [("basic|rare", s) for _, s in TRAINING[30:32]]
    data = tiny.write_table(tmp_path / "rare.csv", rows)
    with pytest.raises(LabelError) as caught:
        run(config(data), tmp_path / "x")
    assert str(caught.value).startswith("class 'basic': 0 of the 32 sequences of ")


def test_one_protein_in_two_files_has_both_classes(tmp_path: Path) -> None:
    def write(name: str, sequences: Sequence[str]) -> str:
        return f"{name}={tiny.write_fasta(tmp_path / f'{name}.fasta', sequences)}"

    rows = labelled(5, 120)
    of = {
        name: [sequence for label, sequence in rows if name in label.split("|")]
        for name in ("acidic", "basic")
    }
    sources = [write(name, sequences) for name, sequences in of.items()]
    _, outcome = multilabel.run(config(sources), tmp_path / "model")
    assert outcome.data.label_counts.keys() == {"acidic", "basic", "acidic|basic"}
    both = set(of["acidic"]) & set(of["basic"])
    assert outcome.data.label_counts["acidic|basic"] == outcome.n_joined == len(both)


def test_rows_of_one_sequence_are_scored_once_with_all_their_classes(by_hand: Path, tmp_path: Path) -> None:
    apart = [(name, sequence) for label, sequence in NEW for name in label.split("|")]
    split = tiny.write_table(tmp_path / "apart.csv", apart)
    scored = []
    for source in (by_hand / "new.csv", split):
        found = json.loads(invoke("evaluate", by_hand / "model", "--data", source, "--json"))["whole"]
        scored.append({key: found[key] for key in ("n", "metrics", "per_class")})
    assert scored[0]["n"] == len(NEW) < len(apart)
    assert scored[0] == scored[1]
    _, outcome = multilabel.run(config(by_hand / "train.csv", tests=[str(split)]), tmp_path / "model")
    assert [test.evaluation.n for test in outcome.tests] == [len(NEW)]


def test_score_of_a_class_that_the_data_lack_is_called_undefined(by_hand: Path, tmp_path: Path) -> None:
    one = tiny.write_table(tmp_path / "one.csv", [("basic", sequence) for _, sequence in NEW[:3]])
    said = invoke("evaluate", by_hand / "model", "--data", one)
    assert "nan" not in said
    assert "undefined" in said


# --- a record


def test_prediction_of_one_class_whose_name_holds_a_bar_stays_one() -> None:
    found = Prediction("p", 9, "a|b", {"a|b": 0.7, "c": 0.3})
    assert (found.labels, found.top, found.probability) == (("a|b",), "a|b", 0.7)
    assert count_classes({"a|b": 2, "c": 1}, ("a|b", "c")) == {"a|b": 2, "c": 1}


# --- the web server


def test_result_of_a_job_counts_filters_and_shows_joined_classes(tmp_path: Path) -> None:
    from sortilin.serve.table import Query, Table, Writer

    rows = [
        Prediction("p1", 9, "acidic|basic", {"acidic": 0.9, "basic": 0.8, "greasy": 0.1}),
        Prediction("p2", 9, "basic", {"acidic": 0.1, "basic": 0.7, "greasy": 0.1}),
    ]
    writer = Writer(tmp_path / "rows.db", CLASSES)
    writer.write(rows)
    writer.finish()
    table = Table(tmp_path / "rows.db", CLASSES)
    assert table.overview()["counts"] == {"acidic": 1, "basic": 2, "greasy": 0}
    assert sum(table.overview()["probabilities"]["basic"]) == 2
    assert (
        table.overview()["probabilities"]["basic"][14] == table.overview()["probabilities"]["basic"][16] == 1
    )
    assert [p.id for _, p in table.find(Query(prediction="acidic")).rows] == ["p1"]
    assert [p.id for _, p in table.find(Query(prediction="basic")).rows] == ["p1", "p2"]
    assert table.row(1) == rows[0]


def test_server_shows_joined_classes_on_every_page(by_hand: Path, tmp_path: Path) -> None:
    for package in ("requests", "uvicorn", "fastapi"):
        pytest.importorskip(package)
    import requests

    from served import served, settings_of

    text = "".join(f">p{n}\n{sequence}\n" for n, (_, sequence) in enumerate(NEW))
    with served(settings_of(tmp_path, models=(str(by_hand / "model"),))) as server:
        found = server.submit(text)
        assert found.status_code == 200, found.text
        job = found.json()
        predictions = job["predictions"]
        labels = {row["id"]: row["prediction"] for row in predictions}
        both = next(row for row in predictions if row["prediction"] == "acidic|basic")
        page = requests.get(f"{server.address}/jobs/{job['job']}", timeout=60)
        assert page.status_code == 200, page.text
        assert "acidic|basic" in page.text
        one = requests.get(f"{server.address}/jobs/{job['job']}/sequences/{both['position']}", timeout=60)
        assert one.status_code == 200, one.text
        assert "acidic|basic" in one.text
        fasta = requests.get(
            f"{server.address}/jobs/{job['job']}/download/fasta?prediction=acidic", timeout=60
        ).text
        assert fasta.count(">") == sum("acidic" in label.split("|") for label in labels.values())


def test_classes_of_their_own_are_no_set_that_reaches_a_share() -> None:
    pytest.importorskip("fastapi")
    from sortilin.serve.sets import names

    several = Prediction("p", 9, "acidic", {"acidic": 0.8, "basic": 0.3, "greasy": 0.1})
    assert names(several, None) == []  # the model that said so is served no more
    assert names(Prediction("p", 9, "acidic", {"acidic": 0.8, "basic": 0.2}), None) == ["acidic", "basic"]


# --- networks


@pytest.mark.slow
def test_network_on_residues_learns_several_classes(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = {
        "backbone": {"name": "onehot", "options": {"embedding": 8}},
        "head": {"name": "lstm", "options": {"hidden": 8, "pooling": "attention"}},
        "training": {"epochs": 12, "learning_rate": 0.03, "batch_size": 16, "metric": "loss"},
    }
    data = tiny.write_table(tmp_path / "train.csv", labelled(1, 200))
    asked = config(data, features=None, classifier={"name": "neural", "options": options})
    folder, outcome = multilabel.run(asked, tmp_path / "model")
    assert folder.description["classifier"]["name"] == "neural"
    assert outcome.rows[0].measured.mean("macro_f1") > 0.8
    model = sortilin.load(folder.path)
    found = model.predict([sequence for _, sequence in NEW])
    assert np.mean([p.label == label for p, (label, _) in zip(found, NEW, strict=True)]) > 0.6


# --- what is of one class a sequence


def test_what_is_of_one_class_a_sequence_says_so(by_hand: Path, tmp_path: Path) -> None:
    model = sortilin.load(by_hand / "model")
    with pytest.raises(ConfigError, match="gives several classes to a sequence"):
        model.predict([NEW[0][1]], coverage=0.9)
    with pytest.raises(ConfigError, match="cannot be calibrated anew"):
        invoke("calibrate", by_hand / "model", "-o", tmp_path / "x")
    asked = yaml_of(by_hand, "tune: {trials: 1, space: {rounds: [5, 6]}}\n")
    with pytest.raises(ConfigError, match="a search is not for several classes a sequence"):
        invoke("tune", asked, "-o", tmp_path / "y")
    with pytest.raises(ConfigError, match="split 'random' is not for several classes a sequence"):
        run(config(by_hand / "train.csv", split="random"), tmp_path / "z")


def yaml_of(place: Path, more: str) -> Path:
    path = place / "more.yaml"
    path.write_text(
        (place / "quick.yaml").read_text() + f"data: {place / 'train.csv'}\nmulti_label: true\n{more}"
    )
    return path


def test_folds_of_homologues_cut_no_cluster(search_tool: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = []
    for label, sequence in labelled(8, 45):
        rows += [(label, sequence), (label, "".join(rng.permutation(list(sequence[:3]))) + sequence[3:])]
    data = tiny.write_table(tmp_path / "train.csv", rows)
    _, outcome = multilabel.run(config(data, split="homology", holdout=0.3), tmp_path / "model")
    groups, fold = outcome.parted.groups, outcome.rows[0].measured.fold
    assert groups is not None
    assert search_tool in outcome.parted.tool.lower()
    assert len(np.unique(groups)) <= 45
    assert all(len(set(fold[groups == group])) == 1 for group in np.unique(groups))
    assert "Sequences of each class in the folds:" in (tmp_path / "model" / "README.md").read_text()
