"""Vectors from files as features: which row is whose, what is refused, and models that need them again."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner

import sortilin
import tiny
from sortilin import registry, tuning
from sortilin.artifact import ModelFolder
from sortilin.benchmark import run as run_benchmark
from sortilin.benchmark.config import validated as benchmark_config
from sortilin.cli.main import cli
from sortilin.component import Component
from sortilin.errors import ConfigError, FormatError, InputError, SortilinError
from sortilin.experiment import ExperimentConfig, data, run, validate
from sortilin.interfaces import FloatArray
from sortilin.vectors import VectorRow, write_vectors

WIDTH = 6
LABELLED = tiny.labelled(1, 20)
SEQUENCES = [sequence for _, sequence in LABELLED]
ESM2 = {"checkpoint": "esm2_t6", "revision": "c731", "layer": "-1", "pooling": "mean"}
ORIGIN = {"hub_id": "facebook/esm2", "licence": "MIT", "citation": "Lin et al. 2023"}
QUICK = {"training": {"epochs": 15, "learning_rate": 0.01, "batch_size": 16}}
HEAD = {"name": "head", "options": QUICK}


def vector_of(sequence: str) -> FloatArray:
    """Shares of a few residues, which tell the classes of `tiny.labelled` apart."""
    return np.array([sequence.count(letter) / len(sequence) for letter in "DEKRIL"], dtype=np.float32)


def write(
    path: Path, sequences: Sequence[str] = SEQUENCES, description: Mapping[str, str] | None = None
) -> Path:
    rows = [VectorRow(f"p{number}", s, vector_of(s)) for number, s in enumerate(sequences)]
    write_vectors(path, rows, description=description or {})
    return path


def made(*paths: Path, **options: Any) -> Any:
    variant = registry.get("features", "precomputed")
    return variant(variant.Config(vectors=tuple(map(str, paths)), **options))


# --- whose row is whose


@pytest.mark.parametrize("ending", [".h5", ".npz", ".parquet"])
def test_rows_are_found_by_the_sequence_in_any_order(tmp_path: Path, ending: str) -> None:
    if ending == ".h5":
        pytest.importorskip("h5py")
    descriptor = made(write(tmp_path / f"v{ending}"))
    asked = [SEQUENCES[row] for row in (7, 3, 3, 50, 0)]
    found = descriptor.transform(asked)
    assert found.dtype == np.float32
    assert np.array_equal(found, [vector_of(s) for s in asked])
    assert descriptor.feature_names == ("v1", "v2", "v3", "v4", "v5", "v6")


def test_one_path_may_stand_without_brackets(tmp_path: Path) -> None:
    path = write(tmp_path / "v.npz")
    variant = registry.get("features", "precomputed")
    assert variant.Config(vectors=str(path)) == variant.Config(vectors=[str(path)])


def test_first_of_several_files_counts(tmp_path: Path) -> None:
    first, both = write(tmp_path / "a.npz", SEQUENCES[:5]), tmp_path / "b.npz"
    rows = [VectorRow(f"q{n}", s, -vector_of(s)) for n, s in enumerate(SEQUENCES[:10])]
    write_vectors(both, rows, description={})
    found = made(first, both).transform(SEQUENCES[:10])
    assert np.array_equal(found[:5], [vector_of(s) for s in SEQUENCES[:5]])
    assert np.array_equal(found[5:], [-vector_of(s) for s in SEQUENCES[5:10]])


def write_rows(path: Path, sequences: Sequence[str], *, ids: bool = False) -> Path:
    """A CSV matrix, without a word about whose its rows are, or with ids alone."""
    names = ["id"] * ids + [str(number) for number in range(WIDTH)]
    lines = [",".join(names)]
    for number, sequence in enumerate(sequences):
        lines.append(",".join([f"p{number}"] * ids + [f"{value:.8g}" for value in vector_of(sequence)]))
    path.write_text("\n".join(lines) + "\n")
    return path


def test_rows_beside_a_table_are_found_by_its_sequences(tmp_path: Path) -> None:
    table = tiny.write_table(tmp_path / "mine.csv", LABELLED)
    for descriptor in (
        made(write_rows(tmp_path / "mine_vectors.csv", SEQUENCES)),  # its table is told by its name
        made(write_rows(tmp_path / "other.csv", SEQUENCES), table=str(table)),
    ):
        found = descriptor.transform(SEQUENCES[::-1])
        assert found == pytest.approx(np.array([vector_of(s) for s in SEQUENCES[::-1]]))


def test_rows_without_ids_are_refused_even_if_there_are_as_many_sequences(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "alone.csv", SEQUENCES)
    with pytest.raises(FormatError) as caught:
        made(path).transform(SEQUENCES)
    assert str(caught.value) == (
        f"{path} has 60 rows without ids or sequences: name the file that they stand beside, with "
        "--table FILE (in a configuration: features.options.table)"
    )


def test_ids_are_looked_up_in_the_table_and_nowhere_else(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "ids.csv", SEQUENCES, ids=True)
    fasta = tiny.write_fasta(tmp_path / "mine.fasta", SEQUENCES)
    found = made(path, table=str(fasta)).transform(SEQUENCES[::-1])
    assert found == pytest.approx(np.array([vector_of(s) for s in SEQUENCES[::-1]]))
    with pytest.raises(InputError, match=r"60 of 60 sequences have no vector .* with --table FILE"):
        made(path).transform(SEQUENCES)


def test_ids_that_are_numbers_are_no_places(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_text("id,0,1\n0,1,2\n1,3,4\nsequence,5,6\n")
    with pytest.raises(InputError, match=r"2 of 2 sequences have no vector"):
        made(path).transform(["MKV", "MKL"])


# --- what is refused


def test_no_file_is_said_with_the_remedy() -> None:
    with pytest.raises(ConfigError) as caught:
        made().transform(["MKV"])
    assert str(caught.value) == (
        "features 'precomputed' look vectors up in files, and none is given: name them with --vectors FILE, "
        "as `sortilin embed` writes them; in a configuration, with features.options.vectors"
    )


def test_sequences_without_a_vector_are_counted_and_the_first_ones_named(tmp_path: Path) -> None:
    path = write(tmp_path / "v.npz", SEQUENCES[:20])
    new = ["MKV", "W" * 30, "MKL", "MKI"]
    with pytest.raises(InputError) as caught:
        made(path).transform([*SEQUENCES[:2], *new])
    assert str(caught.value) == (
        f"4 of 6 sequences have no vector in {path} (MKV; {'W' * 20}... (30 residues); MKL; ...): make them "
        "with `sortilin embed`, and name all files of vectors; if they go by ids there, name the file of "
        "their sequences too, with --table FILE (in a configuration: features.options.table)"
    )


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (np.full(WIDTH, np.nan), "it holds values that are not finite"),
        (np.zeros((3, WIDTH)), "it has shape (3, 6), as vectors of residues have"),
    ],
)
def test_why_a_vector_cannot_be_used_is_said(tmp_path: Path, vector: FloatArray, reason: str) -> None:
    path = tmp_path / "v.npz"
    np.savez(path, p0=vector, p1=np.ones(WIDTH))
    fasta = tiny.write_fasta(tmp_path / "mine.fasta", ["MKV", "MKL"])
    with pytest.raises(InputError) as caught:
        made(path, table=str(fasta)).transform(["MKL", "MKV"])
    assert f"1 of 2 sequences have no vector in {path} (MKV: {reason}" in str(caught.value)
    assert "--table" not in str(caught.value)


def test_vectors_of_two_widths_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "b.npz"
    write_vectors(path, [VectorRow("x", "MKV", np.zeros(3, np.float32))], description={})
    with pytest.raises(FormatError, match=r"a vector of 3 numbers, expected 6"):
        made(write(tmp_path / "a.npz"), path).transform([SEQUENCES[0], "MKV"])


def test_vectors_of_two_kinds_are_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "a.npz", SEQUENCES[:5], ESM2)
    other = write(tmp_path / "b.npz", SEQUENCES[5:], {**ESM2, "pooling": "cls"})
    with pytest.raises(ConfigError) as caught:
        made(one, other).transform(SEQUENCES)
    assert str(caught.value).startswith(f"{other} holds vectors with pooling cls, expected mean: ")
    assert made(one).transform(SEQUENCES[:5]).shape == (5, WIDTH)


def test_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.npz: there is no such file"):
        made(tmp_path / "none.npz").transform(["MKV"])


# --- a model of them


class Trained(NamedTuple):
    folder: ModelFolder
    vectors: Path
    table: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    place = tmp_path_factory.mktemp("precomputed")
    table = tiny.write_table(place / "train.csv", LABELLED)
    vectors = write(place / "train.npz", SEQUENCES, ESM2 | ORIGIN)
    folder, _ = run(config(table, vectors), place / "model")
    return Trained(folder, vectors, table)


def config(table: Path, vectors: Path, **options: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate(
        {
            "task": "custom",
            "data": str(table),
            "features": {"name": "precomputed", "options": {"vectors": str(vectors)}},
            "classifier": HEAD,
            "seed": 3,
            "folds": 2,
            "holdout": 0,
            "baselines": False,
            **options,
        }
    )


def test_model_remembers_the_kind_of_its_vectors_and_not_where_they_lie(trained: Trained) -> None:
    features = trained.folder.description["features"]
    assert features["config"] == {
        "vectors": [],
        "table": None,
        "layer": None,
        "width": WIDTH,
        "made_by": ESM2,
    }
    assert (features["n_features"], features["files"]) == (WIDTH, ["train.npz"])
    assert features["origin"] == ORIGIN
    assert "Licence of the language model: MIT. Cite: Lin et al. 2023" in trained.folder.card
    assert str(trained.vectors.parent) not in json.dumps(features)
    assert "checkpoint esm2_t6, revision c731, layer -1, pooling mean" in trained.folder.card
    assert "sortilin predict FILE --model FOLDER --vectors VECTORS" in trained.folder.card


def test_model_predicts_from_the_vectors_of_new_sequences(trained: Trained, tmp_path: Path) -> None:
    new = tiny.labelled(2, 10)
    sequences = [sequence for _, sequence in new]
    vectors = write(tmp_path / "new.npz", sequences, ESM2)
    model = sortilin.load(trained.folder.path, vectors=[vectors], threads=2)
    predictions = model.predict(sequences)
    assert fmean(p.label == label for p, (label, _) in zip(predictions, new, strict=True)) > 0.9
    assert model.predict_proba(sequences[::-1])[::-1] == pytest.approx(model.predict_proba(sequences))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (
            {},
            ConfigError,
            "look vectors of width 6 (checkpoint esm2_t6, revision c731, layer -1, pooling mean) up in files",
        ),
        ({"table": "x.csv"}, ConfigError, "a table of sequences is for files of vectors; give these too"),
        ({"vectors": {**ESM2, "layer": "5"}}, ConfigError, "holds vectors with layer 5, expected -1"),
    ],
)
def test_model_without_fitting_vectors_says_what_it_takes(
    trained: Trained, tmp_path: Path, given: dict[str, Any], error: type[SortilinError], message: str
) -> None:
    if "vectors" in given:
        given = {"vectors": [write(tmp_path / "new.npz", description=given["vectors"])]}
    with pytest.raises(error) as caught:
        sortilin.load(trained.folder.path, **given).predict(SEQUENCES[:2])
    assert message in str(caught.value)


def test_model_that_makes_its_features_itself_refuses_vectors(trained: Trained) -> None:
    with pytest.raises(ConfigError, match="needs no vectors: its features are made of the sequences"):
        sortilin.load("anticancer", vectors=[trained.vectors]).predict(["MKVLA"])


def test_vectors_of_test_sets_are_missed_before_any_fit(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = tiny.write_table(tmp_path / "test.csv", tiny.labelled(2, 3))
    monkeypatch.setattr(validate, "fitted", None)
    with pytest.raises(InputError, match=r"9 of 9 sequences have no vector in "):
        run(config(trained.table, trained.vectors, tests=str(test)), tmp_path / "model")


# --- the commands


def invoke(*words: str) -> Any:
    return CliRunner().invoke(cli, [*words])


@pytest.mark.slow
def test_commands_take_files_of_vectors(tmp_path: Path) -> None:
    train = tiny.write_table(tmp_path / "train.csv", LABELLED)
    vectors = write(tmp_path / "train.npz", SEQUENCES, ESM2)
    out = str(tmp_path / "model")
    words = ["--folds", "2", "--holdout", "0", "--seed", "3", "-q"]
    done = invoke(
        "train", "--task", "custom", "--data", str(train), "--vectors", str(vectors), "-o", out, *words
    )
    assert done.exit_code == 0, done.output
    assert "head mlp on precomputed" in done.output

    new = tiny.labelled(2, 5)
    table = tiny.write_table(tmp_path / "new.csv", new)
    rows = write_rows(tmp_path / "rows.csv", [sequence for _, sequence in new])
    bare = invoke("predict", str(table), "--model", out)
    assert bare.exit_code != 0
    assert "name them with --vectors FILE" in str(bare.exception)
    beside = ["--vectors", str(rows), "--table", str(table)]
    predicted = invoke("predict", str(table), "--model", out, *beside, "-o", str(tmp_path / "out.tsv"))
    assert predicted.exit_code == 0, predicted.output
    meta = json.loads((tmp_path / "out.tsv.meta.json").read_text())
    read = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (rows, table)}
    assert meta["details"]["vectors"] == read
    with (tmp_path / "out.tsv").open() as stream:
        labels = [row["prediction"] for row in csv.DictReader(stream, delimiter="\t")]
    assert fmean(found == label for found, (label, _) in zip(labels, new, strict=True)) > 0.9
    scored = invoke("evaluate", out, "--data", str(table), *beside, "--json")
    assert scored.exit_code == 0, scored.output
    assert json.loads(scored.stdout)["whole"]["n"] == len(new)


@pytest.mark.slow
def test_search_over_options_takes_them(trained: Trained, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    space = {"training.learning_rate": [1e-5, 0.01]}
    searched = {"space": space, "sampler": "grid", "folds": 2, "metric": "accuracy"}
    experiment = config(trained.table, trained.vectors).model_dump()
    found = tuning.run(tuning.resolved({**experiment, "tune": searched}, "test"), tmp_path / "out")
    assert len(found.trials) == 2
    assert found.best.options == {"training.learning_rate": 0.01}


@pytest.mark.parametrize("name", ["head", "linear"])
def test_default_space_fits_every_head(name: str) -> None:
    for head in registry.names("head") if name == "head" else ("",):
        options = {"head": {"name": head}} if head else {}
        spec = Component(name=name, options=options)
        space = tuning.space.default_space(spec)
        assert space
        tuning.space.check(spec, space)


@pytest.mark.slow
def test_benchmark_takes_them_and_notices_other_vectors(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sortilin.report.benchmark.write", lambda *_: [])
    vectors = write(tmp_path / "v.npz")
    features = {"name": "precomputed", "options": {"vectors": str(vectors)}}
    values = {
        "task": "custom",
        "data": str(trained.table),
        "models": [{"name": "mine", "features": features, "classifier": HEAD}],
        "folds": 2,
        "seed": 3,
        "baselines": False,
        "cross_validation": False,
    }
    results = run_benchmark(benchmark_config(values, "test"), tmp_path / "out")
    assert results["models"][0]["evaluation"]["metrics"]["accuracy"] > 0.8
    assert results["not_run"] == []
    rows = [VectorRow(str(n), s, -vector_of(s)) for n, s in enumerate(SEQUENCES)]
    write_vectors(vectors, rows, description={})
    with pytest.raises(ConfigError, match="mine"):
        run_benchmark(benchmark_config(values, "test"), tmp_path / "out")


def test_vectors_of_blind_sequences_are_missed_before_any_fit(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {"name": "precomputed", "options": {"vectors": str(trained.vectors)}}
    values = {
        "task": "custom",
        "data": str(trained.table),
        "models": [{"name": "mine", "features": features, "classifier": HEAD}],
        "blind": str(tiny.write_fasta(tmp_path / "blind.fasta", ["MKV", "MKL"])),
        "seed": 3,
    }
    monkeypatch.setattr(validate, "fitted", None)
    with pytest.raises(InputError, match=r"2 of 2 sequences have no vector in "):
        run_benchmark(benchmark_config(values, "test"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- real vectors


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("bitter", 0.92), ("qs", 0.90)])
def test_head_on_real_vectors_of_esm2(shared_data: Path, name: str, least: float) -> None:
    """UniDL4BioPep's vectors of ESM2-T6 (Du et al. 2023); defaults, mean of five seeds on its test files."""
    folder = shared_data / "esm2_t6_vectors"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: vectors of ESM2-T6 that others computed")
    parts = [data.load("custom", [str(folder / f"{name}_{part}.csv")]) for part in ("train", "test")]
    files = [folder / f"{name}_{part}_esm2_t6_8M_UR50D.csv" for part in ("train", "test")]
    descriptor = made(*files)
    train, _ = parts[0].distinct()
    x, x_test = (descriptor.transform(part.sequences) for part in (train, parts[1]))
    assert x.shape[1] == 320
    accuracies = []
    for seed in range(5):
        problem = validate.Problem(x, train.y, train.classes, 5, seed)
        classifier, calibrate = validate.calibrated(Component(name="head"), problem)
        accuracies.append((calibrate(classifier.scores(x_test)).argmax(axis=1) == parts[1].y).mean())
    assert fmean(accuracies) >= least
