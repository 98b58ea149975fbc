"""Vectors of a language model as features: computed once, kept in the store, and in a model of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from click.testing import CliRunner

import sortilin
import tiny
from sortilin import language_models, predictor, registry
from sortilin.benchmark import run as run_benchmark
from sortilin.benchmark.config import ModelSpec
from sortilin.benchmark.config import validated as benchmark_config
from sortilin.cli.main import cli
from sortilin.component import Component
from sortilin.embedding import Embedder, EmbeddingConfig
from sortilin.errors import BackboneError, ConfigError, SortilinError, UnknownNameError
from sortilin.experiment import ExperimentConfig, presets, run
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.run import model_name
from sortilin.vectors import Store

pytestmark = pytest.mark.slow  # each test trains several models, or runs a language model

if TYPE_CHECKING:
    from hub import Hub

SEQUENCES = tiny.random_sequences(1, 6, shortest=3, longest=40)
QUICK = {"training": {"epochs": 3, "batch_size": 16}}
HEADS = ("linear", "mlp")
READING_RESIDUES = ("light_attention", "cnn_attention", "lstm", "cnn_lstm")


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store and a cache of this test's own."""
    monkeypatch.setenv("SORTILIN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "store"


def made(**options: Any) -> Any:
    variant = registry.get("features", "embedding")
    return variant(variant.Config(**{"engine": "torch", **options}))


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_rows_are_those_of_the_embedder(hub: Hub, pooling: str) -> None:
    checkpoint = hub.publish("esm2_t6")
    descriptor = made(pooling=pooling)
    found = descriptor.transform(SEQUENCES)
    assert found.shape == (len(SEQUENCES), checkpoint.width)
    assert found.dtype == np.float32
    assert descriptor.feature_names[:2] == ("e1", "e2")
    assert len(descriptor.feature_names) == checkpoint.width
    config = EmbeddingConfig(backbone="esm2_t6", pooling=pooling, engine="torch")
    assert found == pytest.approx(np.stack(Embedder.of(config).embed(SEQUENCES)), abs=1e-6)


def test_what_the_store_knows_is_not_computed_again(
    hub: Hub, own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.publish("esm2_t6")
    found = made().transform(SEQUENCES)
    assert [kind.checkpoint for kind in Store(own_folders).kinds()] == ["esm2_t6"]
    monkeypatch.setattr(language_models, "load", None)
    assert np.array_equal(made().transform(SEQUENCES[::-1]), found[::-1])


def test_model_that_is_not_here_is_named_with_the_command(hub: Hub) -> None:
    hub.publish("esm2_t12")
    descriptor = made(backbone="esm2_t12")
    assert descriptor.absent() == "sortilin backbones fetch esm2_t12"
    language_models.fetch("esm2_t12")
    assert descriptor.absent() is None


def test_model_that_cannot_be_fetched_is_an_error(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(BackboneError, match="sortilin backbones fetch esm2_t6"):
        made().transform(SEQUENCES)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backbone": "esm2_t7"}, UnknownNameError, "unknown backbone 'esm2_t7'; did you mean 'esm2_t"),
        ({"pooling": "none"}, ConfigError, "pooling: Input should be 'mean', 'cls' or 'max' (found 'none')"),
        ({"length_policy": "half"}, SortilinError, "half"),
        ({"layer": -2}, ConfigError, "layer: Input should be greater than or equal to -1 (found -2)"),
    ],
)
def test_option_that_is_not_allowed_is_named(
    options: dict[str, Any], error: type[SortilinError], message: str
) -> None:
    with pytest.raises(error) as caught:
        Component(name="embedding", options=options).build("features")
    assert message in str(caught.value)


# --- a model of them


def config(table: Path, **options: Any) -> ExperimentConfig:
    preset = presets.get("esm2_t6+linear", "custom")
    assert preset.features is not None
    features = {**preset.features.options, "engine": "torch"}
    return ExperimentConfig.model_validate(
        {
            "task": "custom",
            "data": str(table),
            "features": {"name": "embedding", "options": features},
            "classifier": {"name": "head", "options": {**preset.classifier.options, **QUICK}},
            "seed": 3,
            "folds": 2,
            "holdout": 0,
            "baselines": False,
            **options,
        }
    )


def test_model_predicts_through_its_backbone_and_says_whose_it_is(hub: Hub, tmp_path: Path) -> None:
    checkpoint = hub.publish("esm2_t6")
    table = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 10))
    folder, outcome = run(config(table), tmp_path / "model")
    features = folder.description["features"]
    expected = {
        "backbone": "esm2_t6",
        "revision": checkpoint.revision,
        "layer": -1,
        "pooling": "mean",
        "length_policy": "head-tail:1900,100",
        "precision": "float32",
    }
    assert expected.items() <= features["config"].items()
    known = features["language_model"]
    assert (known["name"], known["licence"], known["citation"]) == ("esm2_t6", "MIT", checkpoint.citation)
    assert model_name(outcome.config) == "head linear on esm2_t6"
    for said in (checkpoint.revision, "Licence of its weights: MIT", checkpoint.citation):
        assert said in folder.card

    model = sortilin.load(folder.path, threads=2)
    table_of = model.predict_proba(SEQUENCES)
    assert table_of.sum(axis=1) == pytest.approx(1)
    assert model.predict_proba(SEQUENCES[::-1])[::-1] == pytest.approx(table_of, abs=1e-5)

    described = json.loads((folder.path / "model.json").read_text())
    described["features"]["config"]["revision"] = "0" * 40
    (folder.path / "model.json").write_text(json.dumps(described))
    with pytest.raises(BackboneError) as caught:
        sortilin.load(folder.path).predict(SEQUENCES)
    assert str(caught.value).startswith(
        f"backbone 'esm2_t6': the vectors must be of revision {'0' * 40}, as in training, and the files "
        f"here are of {checkpoint.revision}: "
    )


def limited_model(hub: Hub, tmp_path: Path) -> tuple[str, int]:
    """The folder of a model on a language model of few positions, and how many residues that takes."""
    most = hub.publish("protbert").most_residues
    assert most is not None
    values = config(tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 10)))
    assert values.features is not None
    options = {**values.features.options, "backbone": "protbert", "length_policy": "whole"}
    features = values.features.model_copy(update={"options": options})
    folder, _ = run(values.model_copy(update={"features": features}), tmp_path / "model")
    return str(folder.path), most


def test_sequence_beyond_the_positions_is_named_by_its_id(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, most = limited_model(hub, tmp_path)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 2)
    fasta = tiny.write_fasta(tmp_path / "new.fasta", ["MKV", "MKL", "MKI", "A" * (most + 1)])
    words = ["predict", str(fasta), "--model", model, "-o", str(tmp_path / "out.tsv")]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 1
    assert not (tmp_path / "out.tsv").exists()
    assert (
        f"the model cannot read 1 sequence: p3: has {most + 1} residues, and protbert takes at most {most}; "
        "train with the length policy head-tail or windows, or leave it out"
    ) == str(done.exception)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_what_the_model_cannot_read_is_left_out_if_asked(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: str
) -> None:
    model, most = limited_model(hub, tmp_path)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 2)
    long = "A" * (most + 1)
    sequences = {"a": "MKV", "long1": f"{long}U", "bad": "MK7", "b": "MKUL", "long2": long, "long3": long}
    fasta, out = tmp_path / "new.fasta", tmp_path / "out.tsv"
    fasta.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in sequences.items()))
    words = ["predict", str(fasta), "--model", model, "--on-error", "skip", "--threads", threads]
    done = CliRunner().invoke(cli, [*words, "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert "warning: left out: 4 records of 6\n  record 2 (long1): has " in done.stderr
    assert [line.split("\t")[0] for line in out.read_text().splitlines()] == ["id", "a", "b"]

    listed = (tmp_path / "out.tsv.skipped.tsv").read_text().splitlines()[1:]
    named = [line.split("\t")[:2] for line in listed]
    assert named == [["2", "long1"], ["3", "bad"], ["5", "long2"], ["6", "long3"]]
    assert f"has {most + 1} residues, and protbert takes at most {most}; train with" in listed[2]
    meta = json.loads((tmp_path / "out.tsv.meta.json").read_text())
    assert (meta["n_predicted"], meta["n_skipped"]) == (2, 4)
    assert meta["changes"] == {"U>C": 1}  # of those predicted
    assert [skipped["id"] for skipped in meta["details"]["skipped"]] == ["long1", "bad", "long2", "long3"]

    alone = sortilin.load(model).predict(["MKV", "MKCL"])
    rows = [line.split("\t") for line in out.read_text().splitlines()[1:]]
    assert [row[2] for row in rows] == [prediction.label for prediction in alone]


def test_model_that_can_read_nothing_is_an_error(hub: Hub, tmp_path: Path) -> None:
    model, most = limited_model(hub, tmp_path)
    fasta, out = tiny.write_fasta(tmp_path / "new.fasta", ["A" * (most + 1)] * 2), tmp_path / "out.tsv"
    done = CliRunner().invoke(cli, ["predict", str(fasta), "-m", model, "--on-error", "skip", "-o", str(out)])
    assert done.exit_code == 1
    assert str(done.exception).startswith(
        f'{fasta}: none of its 2 records can be predicted; record 1 ("p0"): has {most + 1} residues'
    )
    assert [path.name for path in tmp_path.glob("out.tsv*")] == []


def test_features_are_told_residue_by_residue_and_all_at_once(hub: Hub) -> None:
    hub.publish("esm2_t6")
    sequences = tiny.random_sequences(3, 1_100, shortest=3, longest=9)  # more than a batch of features
    told: list[tuple[str, int, int]] = []
    inputs = Inputs("embedding", made())
    found = inputs(sequences, lambda *what: told.append(what))
    assert found.shape[0] == len(sequences)
    n_residues = sum(map(len, set(sequences)))
    computing = [step for step in told if step[0] == "embedding, residues"]
    assert [done for _, done, _ in computing] == sorted({done for _, done, _ in computing})
    assert len(computing) == len(set(sequences))
    assert {total for _, _, total in computing} == {n_residues}
    assert computing[-1][1] == n_residues
    assert told[-1] == ("features", 1_100, 1_100)

    told.clear()
    np.testing.assert_array_equal(inputs(sequences, lambda *what: told.append(what)), found)
    assert told == [("features", 1_100, 1_100)]  # all from the store


def test_model_of_a_folder_does_not_tell_where_it_stood(hub: Hub, tmp_path: Path) -> None:
    from hub import files_of

    folder = tmp_path / "mine"
    folder.mkdir()
    for name, content in files_of("esm2").items():
        (folder / name).write_bytes(content)
    recorded = made(backbone=str(folder)).recorded()
    assert (recorded["language_model"]["name"], recorded["language_model"]["hub_id"]) == ("mine", "mine")
    assert str(tmp_path) not in str(recorded["language_model"])
    assert recorded["config"]["backbone"] == str(folder)  # to load it


# --- models by name


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("backbone", language_models.names())
def test_every_backbone_goes_with_every_head_by_name(backbone: str, head: str) -> None:
    found = presets.get(f"{backbone}+{head}", "localization")
    assert found.title == f"{backbone} + {head}"
    assert found.features is not None
    assert found.features.name == "embedding"
    assert found.features.options["backbone"] == backbone
    assert found.classifier.options["head"]["name"] == head
    found.classifier.build("classifier")


@pytest.mark.parametrize("head", READING_RESIDUES)
@pytest.mark.parametrize("backbone", language_models.names())
def test_head_that_reads_residues_gets_their_vectors(backbone: str, head: str) -> None:
    found = presets.get(f"{backbone}+{head}", "anticancer")
    assert found.name == f"{backbone}+{head}"
    assert found.title == f"{backbone} + {head}"
    assert found.features is None
    classifier = found.classifier.build("classifier")
    assert found.classifier.name == "fine_tuned"
    assert (classifier.config.backbone, classifier.config.mode) == (backbone, "frozen")
    assert classifier.config.head == Component(name=head)


@pytest.mark.parametrize(
    ("name", "pooling", "hidden", "published"),
    [
        ("esm2_t6+mlp", "mean", [512, 256], "ESM2-T6+MLP"),
        ("esm2_t33+mlp", "mean", [512, 256], "ESM2-T33+MLP"),
        ("protbert+mlp", "cls", None, "ProtBERT+MLP"),
        ("protalbert+mlp", "cls", None, "ProtAlbert+MLP"),
        ("protxlnet+mlp", "mean", None, "ProtXLNet+MLP"),
        ("prott5+mlp", "mean", None, None),
    ],
)
def test_forms_are_those_of_the_paper(
    name: str, pooling: str, hidden: list[int] | None, published: str | None
) -> None:
    found = presets.get(name, "localization")
    assert found.features is not None
    assert found.features.options["pooling"] == pooling
    assert found.classifier.options["head"]["options"].get("hidden") == hidden
    assert found.published == published
    training = found.classifier.build("classifier").config.training
    assert (training.optimizer, training.learning_rate) == ("adam", 0.002)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("esm2_t6+mpl", "unknown head 'mpl'; did you mean 'mlp'?"),
        ("esm2_t7+mlp", "unknown backbone 'esm2_t7'; did you mean 'esm2_t"),
        ("esm2_t7+cnn_attention", "unknown backbone 'esm2_t7'; did you mean 'esm2_t"),
        ("esm2_t6", "unknown model 'esm2_t6'; choose from: BACKBONE+HEAD, attention-lstm"),
    ],
)
def test_name_that_is_unknown_is_told(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        presets.get(name, "localization")
    assert str(caught.value).startswith(message)


def test_training_by_name_takes_backbone_and_head_of_residues(hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    table = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 8))
    values = presets.get("esm2_t6+cnn_attention", "custom").classifier
    options = presets.merged(values.options, {"training": {"epochs": 1}})
    asked = {"task": "custom", "data": str(table), "seed": 1, "folds": 2, "holdout": 0, "baselines": False}
    classifier = {"name": values.name, "options": options}
    folder, _ = run(ExperimentConfig.model_validate({**asked, "classifier": classifier}), tmp_path / "m")
    weights = sortilin.load(str(folder.path)).attention(["MKVLAA", "MK"])
    assert [len(row) for row in weights] == [6, 2]
    assert [float(row.sum()) for row in weights] == pytest.approx([1, 1], abs=1e-5)


def test_training_by_name_takes_backbone_and_head(hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    table = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 8))
    words = ["--task", "custom", "--data", str(table), "--model", "esm2_t6+linear", "--folds", "2"]
    words += ["--holdout", "0", "-o", str(tmp_path / "model"), "-q"]
    done = CliRunner().invoke(cli, ["train", *words])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("# custom: head linear on esm2_t6\n")


# --- benchmark


def benchmark_values(table: Path, models: list[Any]) -> Any:
    values = {
        "task": "custom",
        "data": str(table),
        "models": models,
        "folds": 2,
        "seed": 3,
        "baselines": False,
        "cross_validation": False,
    }
    return benchmark_config(values, "test")


def test_model_whose_weights_are_not_here_is_listed_and_not_run(hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    hub.publish("esm2_t12")
    language_models.fetch("esm2_t6")
    table = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 10))
    ours = ModelSpec(name="esm2_t6+linear", options=QUICK)
    models = [ours.model_dump(), "esm2_t12+mlp"]
    results = run_benchmark(benchmark_values(table, models), tmp_path / "out")
    assert [row["name"] for row in results["models"]] == ["esm2_t6+linear"]
    assert results["not_run"] == [
        {
            "name": "esm2_t12+mlp",
            "title": "esm2_t12 + mlp",
            "published": None,
            "reason": "weights of facebook/esm2_t12_35M_UR50D not available",
            "command": "sortilin backbones fetch esm2_t12",
        }
    ]
    assert json.loads((tmp_path / "out" / "results.json").read_text())["not_run"] == results["not_run"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<code>sortilin backbones fetch esm2_t12</code>" in page
    assert not (tmp_path / "out" / "models" / "esm2_t12+mlp").exists()
    assert not [path for path in hub.requests if "esm2_t12" in path]

    from sortilin.cli.benchmark import _table

    last = _table(results).splitlines()[-1]
    assert last.split("  ", 1)[0] == "esm2_t12 + mlp"
    said = "not run: weights of facebook/esm2_t12_35M_UR50D not available; first: "
    assert last.endswith(f"  {said}sortilin backbones fetch esm2_t12")


def test_benchmark_of_nothing_that_is_here_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    table = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 10))
    with pytest.raises(ConfigError) as caught:
        run_benchmark(benchmark_values(table, ["esm2_t6+mlp"]), tmp_path / "out")
    assert str(caught.value) == (
        "none of the models can be run (esm2_t6+mlp): first sortilin backbones fetch esm2_t6"
    )
    assert not (tmp_path / "out").exists()
