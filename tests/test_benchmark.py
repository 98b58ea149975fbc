"""The benchmark: one split for all, results that survive a kill, errors before long work."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import printed
from sortilin import benchmark, files
from sortilin.benchmark import best, compare, published
from sortilin.benchmark.config import BenchmarkConfig, read_config, resolve, to_yaml, validated
from sortilin.errors import ConfigError, LabelError, OutputError, SortilinError, UnknownNameError
from sortilin.experiment import presets, validate
from sortilin.predictor import load

RUN = sys.modules["sortilin.benchmark.run"]

HEADER = "id,sequence,label,set"
CLASSES = {"alpha": "WWCW", "beta": "KKRK", "gamma": "DDED"}
SVM = {"name": "svm", "options": {"c": [1.0], "gamma": ["scale"]}}
TREES = {"name": "boosting", "options": {"rounds": 20}}
NETWORK: dict[str, Any] = {
    "name": "lstm",
    "options": {
        "backbone": {"options": {"embedding": 8}},
        "head": {"options": {"hidden": 8}},
        "training": {"epochs": 2, "learning_rate": 0.01, "checkpoint_minutes": 1e-9},
    },
}


def sequences(n: int, seed: int = 0) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        label = list(CLASSES)[i % 3]
        residues = rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=rng.integers(20, 60))
        place = rng.integers(0, len(residues) - 4)
        residues[place : place + 4] = list(CLASSES[label])
        rows.append(("".join(residues), label))
    return rows


def write_table(path: Path, rows: Sequence[tuple[str, ...]], header: str = "id,sequence,label") -> Path:
    lines = [header, *(",".join([f"s{i}", *row]) for i, row in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_table(tmp_path_factory.mktemp("data") / "my.csv", sequences(90))


def config(table: Path, **over: Any) -> BenchmarkConfig:
    values = {"task": "custom", "data": [str(table)], "models": [SVM, TREES], "seed": 3, "folds": 3}
    return validated({**values, "resamples": 50, **over}, "test")


@pytest.fixture(scope="module")
def finished(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A whole run with its report."""
    out = tmp_path_factory.mktemp("runs") / "mine"
    return out, benchmark.run(config(table), out, command="sortilin benchmark custom")


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN.report, "write", lambda _results, _out: [])


# --- a whole run


def test_folder_holds_results_table_report_and_model(finished: tuple[Path, dict[str, Any]]) -> None:
    out, results = finished
    assert json.loads((out / "results.json").read_text()) == results
    assert "</html>" in (out / "report.html").read_text()
    with (out / "table.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert {row["name"] for row in rows} == {
        "svm",
        "boosting",
        "majority",
        "length",
        "composition",
        "homologue",
    }
    assert load(out / "model").predict(["MKKRKAAAAAWAAAAKKRKAA"])[0].label in CLASSES
    assert read_config(out / "benchmark.yaml") == config(Path(results["data"]["name"]))


def test_all_models_are_scored_on_the_split_of_the_seed(finished: tuple[Path, dict[str, Any]]) -> None:
    from sklearn.model_selection import train_test_split

    out, results = finished
    y = np.arange(90) % 3
    _, expected = train_test_split(np.arange(90), test_size=0.2, stratify=y, random_state=3)
    assert json.loads((out / "split.json").read_text())["held_out"] == expected.tolist()
    assert {row["evaluation"]["n"] for row in results["models"]} == {18}


def test_figures_follow_from_the_stored_probabilities(finished: tuple[Path, dict[str, Any]]) -> None:
    out, results = finished
    held_out = json.loads((out / "split.json").read_text())["held_out"]
    y = np.arange(90)[held_out] % 3
    for row in results["models"]:
        stored = json.loads((out / "models" / row["name"] / "result.json").read_text())
        predicted = np.array(stored["probabilities"]).argmax(axis=1)
        assert row["evaluation"]["metrics"]["accuracy"] == pytest.approx((predicted == y).mean())
        low, high = row["intervals"]["accuracy"]
        assert low <= row["evaluation"]["metrics"]["accuracy"] <= high


def test_majority_baseline_predicts_the_training_frequencies(finished: tuple[Path, dict[str, Any]]) -> None:
    out, _ = finished
    stored = json.loads((out / "models" / "majority" / "result.json").read_text())
    assert np.array(stored["probabilities"]) == pytest.approx(np.full((18, 3), 1 / 3))


def test_best_is_a_model_with_the_largest_metric_and_is_cross_validated(
    finished: tuple[Path, dict[str, Any]],
) -> None:
    _, results = finished
    models = [row for row in results["models"] if not row["is_baseline"]]
    top = max(row["evaluation"]["metrics"]["macro_f1"] for row in models)
    chosen = next(row for row in models if row["name"] == results["best"])
    assert chosen["evaluation"]["metrics"]["macro_f1"] == top
    assert chosen["against_best"] is None
    assert results["cross_validation"]["model"] == results["best"]
    assert len(results["cross_validation"]["folds"]) == 3
    assert sum(fold["n"] for fold in results["cross_validation"]["folds"]) == 90


def test_custom_data_have_no_published_rows(finished: tuple[Path, dict[str, Any]]) -> None:
    _, results = finished
    assert results["published"] is None
    assert results["choices"] == []
    assert {row["published"] for row in results["models"]} == {None}


# --- resuming


@pytest.mark.usefixtures("no_report")
def test_second_run_fits_nothing_and_a_model_can_be_added(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs"
    first = benchmark.run(config(table, models=[SVM], cross_validation=False), out)
    fitted: list[str] = []
    inner = validate.fitted

    def spy(spec: Any, *rest: Any, **more: Any) -> Any:
        fitted.append(spec.name)
        return inner(spec, *rest, **more)

    monkeypatch.setattr(validate, "fitted", spy)
    again = benchmark.run(config(table, models=[SVM], cross_validation=False), out)
    assert fitted == []
    assert again["models"] == first["models"]
    both = benchmark.run(config(table, models=[SVM, TREES], cross_validation=False), out)
    assert set(fitted) == {"boosting"}
    kept = [row for row in both["models"] if row["name"] == "svm"]
    assert kept[0]["evaluation"] == next(r for r in first["models"] if r["name"] == "svm")["evaluation"]


@pytest.mark.usefixtures("no_report")
@pytest.mark.parametrize(
    ("over", "what"),
    [({"seed": 4}, "seed: 3 there, 4 here"), ({"folds": 4}, "folds: 3 there, 4 here")],
)
def test_folder_of_another_configuration_is_refused(
    finished: tuple[Path, dict[str, Any]], over: dict[str, Any], what: str
) -> None:
    out, results = finished
    with pytest.raises(ConfigError, match=f"holds results of another configuration .*{what}"):
        benchmark.run(config(Path(results["data"]["name"]), **over), out)


@pytest.mark.usefixtures("no_report")
def test_model_with_other_options_is_refused(finished: tuple[Path, dict[str, Any]]) -> None:
    out, results = finished
    other = {"name": "svm", "options": {"c": [2.0], "gamma": ["scale"]}}
    with pytest.raises(ConfigError, match=r"svm/result.json was made with other options.*another name"):
        benchmark.run(config(Path(results["data"]["name"]), models=[other]), out)


KILLED = """
import os, signal, sys
from collections.abc import Sequence
from pathlib import Path
from sortilin import benchmark, files
from sortilin.benchmark.config import validated
import json

values, out, n = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
sys.modules["sortilin.benchmark.run"].report.write = lambda results, out: []
replace, written = files.replace_with, 0

def counting(path, write):
    global written
    replace(path, write)
    written += 1
    if written == n:
        os.kill(os.getpid(), signal.SIGKILL)

files.replace_with = counting
benchmark.run(validated(values, "test"), out)
"""


def timeless(results: dict[str, Any]) -> Any:
    """Results without what a clock says."""
    if isinstance(results, dict):
        timed = ("seconds", "created", "positions_per_second", "command")
        return {key: timeless(value) for key, value in results.items() if key not in timed}
    return [timeless(value) for value in results] if isinstance(results, list) else results


@pytest.mark.slow
def test_killed_run_ends_with_the_metrics_of_an_undisturbed_one(table: Path, tmp_path: Path) -> None:
    models = [SVM, {**NETWORK, "name": "tiny", "preset": "lstm"}]
    values = config(table, models=models, baselines=False).model_dump(mode="json")
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))

    def start(out: Path, n_written: int) -> int:
        command = [sys.executable, str(script), json.dumps(values), str(out), str(n_written)]
        return subprocess.run(command, check=False, capture_output=True).returncode

    assert start(tmp_path / "whole", 0) == 0
    # At the split, in the midst of a network's training, between folds, and after the final fit.
    for n_written in (2, 5, 3, 9, 4):
        assert start(tmp_path / "killed", n_written) == -signal.SIGKILL
    assert start(tmp_path / "killed", 0) == 0
    whole, resumed = (
        json.loads((tmp_path / name / "results.json").read_text()) for name in ("whole", "killed")
    )
    assert timeless(resumed) == timeless(whole)
    leftovers = [path for path in (tmp_path / "killed").rglob(".*") if path.name != files.LOCK]
    assert [path.name for path in leftovers if "partial" not in path.name] == []


def test_folder_in_use_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigError, match="another run is working in")
    with files.locked(tmp_path), refused, files.locked(tmp_path):
        pass


# --- splits


@pytest.mark.usefixtures("no_report")
def test_folds_score_every_sequence(table: Path, tmp_path: Path) -> None:
    results = benchmark.run(config(table, split="folds", models=[SVM], cross_validation=False), tmp_path)
    assert results["models"][0]["evaluation"]["n"] == 90


@pytest.mark.usefixtures("no_report")
def test_rows_marked_as_test_are_held_out_and_never_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(s, c, "test" if i >= 60 else "train") for i, (s, c) in enumerate(sequences(90))]
    path = write_table(tmp_path / "marked.csv", rows, HEADER)
    learned: set[int] = set()
    inner = validate.fitted

    def spy(spec: Any, problem: Any, *rest: Any) -> Any:
        learned.add(len(problem.y))
        assert set(map(tuple, problem.x)).isdisjoint(held_out)
        return inner(spec, problem, *rest)

    features = presets.get("svm", "custom").features
    assert features is not None
    table = features.build("features").transform([s for s, _, _ in rows[60:]])
    held_out = set(map(tuple, table))
    monkeypatch.setattr(validate, "fitted", spy)
    results = benchmark.run(config(path, models=[SVM], baselines=False), tmp_path / "out")
    assert results["data"]["n_train"] == 60
    assert results["models"][0]["evaluation"]["n"] == 30
    assert max(learned) == 60


@pytest.mark.usefixtures("no_report")
def test_class_that_the_test_rows_lack_is_named(tmp_path: Path) -> None:
    rows = [(s, c, "test" if i >= 60 and c != "beta" else "train") for i, (s, c) in enumerate(sequences(90))]
    path = write_table(tmp_path / "marked.csv", rows, HEADER)
    with pytest.raises(LabelError, match=r"marked as test hold no sequence of class 'beta'"):
        benchmark.run(config(path), tmp_path / "out")


# --- bad input, before long work


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ("bilsmt", UnknownNameError, "unknown model 'bilsmt'; did you mean 'bilstm'?"),
        ("svm,svm", ConfigError, "'svm' stands there twice"),
        ([SVM, {**SVM, "name": "SVM", "preset": "svm"}], ConfigError, "'SVM' stands there twice"),
        ([{"name": "a b"}], ConfigError, "letters, digits"),
        ([{"name": "svm", "options": {"cc": 1}}], ConfigError, "cc: Extra inputs are not permitted"),
        (
            [{"name": "x", "classifier": {"name": "neural"}, "features": {"name": "length"}}],
            ConfigError,
            "reads the sequence itself; leave out features",
        ),
        ([{"name": "x", "classifier": {"name": "svm"}}], ConfigError, "'svm' needs features"),
        ("majority", UnknownNameError, "unknown model 'majority'"),
    ],
)
def test_models_that_cannot_be_are_refused(
    table: Path, tmp_path: Path, models: Any, error: type[SortilinError], message: str
) -> None:
    with pytest.raises(error) as caught:
        benchmark.run(config(table, models=models), tmp_path / "out")
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["alpha"] * 30, "all 30 records are 'alpha'"),
        (["alpha"] * 28 + ["beta"] * 2, "fewer than the 3 folds"),
    ],
)
def test_labels_that_cannot_be_split_are_refused(tmp_path: Path, labels: list[str], message: str) -> None:
    rows = [(s, label) for (s, _), label in zip(sequences(30), labels, strict=True)]
    path = write_table(tmp_path / "few.csv", rows)
    with pytest.raises(LabelError, match=message):
        benchmark.run(config(path), tmp_path / "out")


def test_full_disk_is_told_before_long_work(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(OutputError, match=r"1 MB are free; at least 50 MB are needed"):
        benchmark.run(config(table), tmp_path / "out")


def test_file_in_place_of_a_folder_is_refused(table: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OutputError, match="is a file; results need a folder"):
        benchmark.run(config(table), tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


# --- configuration and published values


def test_configuration_is_read_again_unchanged(table: Path, tmp_path: Path) -> None:
    first = config(table, models=[SVM, NETWORK], networks={"max_residues": 500})
    (tmp_path / "b.yaml").write_text(to_yaml(first))
    assert read_config(tmp_path / "b.yaml") == first


def test_options_win_over_networks_over_presets(table: Path) -> None:
    over = {"max_residues": 500, "training": {"epochs": 7, "batch_size": 16}}
    spec = {"name": "lstm", "options": {"training": {"epochs": 3}}}
    found = config(table, models=[spec, "svm"], networks=over)
    network = resolve(found, found.models[0]).classifier.build("classifier").config
    assert (network.max_residues, network.training.epochs, network.training.batch_size) == (500, 3, 16)
    assert network.training.learning_rate == pytest.approx(4.24e-4)
    assert "max_residues" not in resolve(found, found.models[1]).classifier.options


def test_preset_with_other_features_is_not_the_published_model(table: Path) -> None:
    spec = {"name": "svm", "features": {"name": "composition"}}
    found = config(table, models=[spec, {"name": "other", "preset": "svm"}])
    assert [resolve(found, model).published for model in found.models] == [None, "SVM"]


TABLE_6 = {
    "lstm": (256, 128, 4.24e-4, None, False, "max"),
    "bilstm": (256, 128, 2.97e-4, None, True, "max"),
    "attention-lstm": (512, 64, 3.18e-4, None, True, "attention"),
    "lstm-cnn": (512, 128, 4.20e-4, [3, 5, 7], False, "max"),
    "cnn-bilstm-attention": (256, 128, 1.85e-4, [3, 5, 9], True, "attention"),
}
"""Li, Table 6: hidden, embedding, learning rate, kernels, bidirectional, attention."""


@pytest.mark.parametrize("name", TABLE_6)
def test_presets_carry_table_6(name: str) -> None:
    options = presets.get(name, "localization").classifier.options
    head = options["head"]["options"]
    found = (
        head["hidden"],
        options["backbone"]["options"]["embedding"],
        options["training"]["learning_rate"],
        head.get("kernels"),
        head.get("bidirectional", False),
        head.get("pooling", "max"),
    )
    assert found == TABLE_6[name]


def test_published_rows_are_those_of_the_paper_and_only_for_its_data() -> None:
    table = published.of("localization", ())
    assert table is not None
    assert table["rows"]["BiLSTM"] == [0.738, 0.716, 0.870, 0.746, 0.734]
    assert len(table["blind"]["rows"]) == 20
    assert published.of("localization", ("mine.csv",)) is None
    assert published.of("custom", ()) is None
    for name in presets.NAMES:
        row = presets.get(name, "localization").published
        assert row is None or row in table["rows"]


def test_agreement_with_the_published_blind_predictions_is_counted() -> None:
    rows = [
        {"id": "SEQ01", "label": "cytosol", "confidence": "High"},
        {"id": "SEQ02", "label": "nucleus", "confidence": "High"},
        {"id": "SEQ03", "label": "nucleus", "confidence": "High"},
    ]
    found = best._beside_published(
        validated({"task": "localization", "models": "svm", "seed": 1}, "test"), "svm", rows
    )
    assert found["agreement"] == {
        "labels": 2,
        "labels_and_confidence": 1,
        "of": 3,
        "published_by": "ESM2-T33 + MLP (Table 3)",
    }
    assert [row["published_label"] for row in found["rows"]] == ["cytosol", "nucleus", "mitochondrion"]


# --- command line


def invoke(*args: str) -> Any:
    from click.testing import CliRunner

    from sortilin.cli.main import cli

    return CliRunner().invoke(cli, ["benchmark", *args])


def test_command_prints_the_comparison_and_keeps_the_command(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    options = ["--models", "boosting", "--folds", "3", "--no-baselines", "--no-cross-validation"]
    result = invoke("custom", "--data", str(table), *options, "-o", str(out))
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("n = ")
    assert lines[1].split() == ["macro_f1", "accuracy", "roc_auc", "mcc"]
    assert lines[2].startswith("boosted trees, targeting")
    assert len(lines) == 3
    assert printed.bare(result.stdout) == []
    assert f"report: {out / 'report.html'}" in result.stderr
    assert (out / "report.html").exists()


def test_options_win_over_the_file(table: Path, tmp_path: Path) -> None:
    from sortilin.cli.benchmark import _resolved

    written = config(table, models=[SVM, NETWORK], networks={"training": {"epochs": 9, "batch_size": 8}})
    path = tmp_path / "b.yaml"
    path.write_text(to_yaml(written))
    found = _resolved(str(path), {"epochs": 2, "max_residues": 50, "seed": 8, "models": "lstm", "data": ()})
    lstm = resolve(found, found.models[0]).classifier.build("classifier").config
    assert (lstm.training.epochs, lstm.training.batch_size, lstm.max_residues) == (2, 8, 50)
    assert lstm.head.options == {"hidden": 8}  # of the file's model of that name
    assert (found.seed, [spec.name for spec in found.models], found.data) == (8, ["lstm"], written.data)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("localisation", "unknown task 'localisation'; did you mean 'localization'?"),
        ("missing.yaml", "missing.yaml cannot be read: No such file or directory"),
    ],
)
def test_neither_task_nor_file_is_an_error(what: str, message: str, tmp_path: Path) -> None:
    result = invoke(what, "-o", str(tmp_path / "out"))
    assert isinstance(result.exception, SortilinError)
    assert message in str(result.exception)


def test_zero_on_the_command_line_is_a_value(table: Path) -> None:
    from sortilin.cli.benchmark import _resolved

    assert _resolved("custom", {"seed": 0, "data": (str(table),), "models": "svm"}).seed == 0
    with pytest.raises(ConfigError, match="holdout"):
        _resolved("custom", {"holdout": 0.0, "data": (str(table),), "models": "svm"})


@pytest.mark.parametrize("option", ["--epochs", "--max-residues"])
def test_option_for_networks_without_a_network_is_refused(option: str, table: Path, tmp_path: Path) -> None:
    result = invoke("custom", "--data", str(table), option, "4", "-o", str(tmp_path / "out"))
    assert "are for networks; none is among the models: svm, boosting" in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_blind_sequences_without_the_model_that_predicts_them_are_refused(table: Path) -> None:
    with pytest.raises(ConfigError, match="blind: the model that is trained on all data predicts it"):
        config(table, blind="b.fasta", cross_validation=False)
    assert not config(table, blind="none", cross_validation=False).cross_validation


@pytest.mark.parametrize(
    ("models", "some", "other"),
    [
        ("svm", {"SVM grid", "motifs", "nuclear proteins"}, {"loss", "attention"}),
        ("boosting", {"nuclear proteins"}, {"SVM grid", "motifs", "loss"}),
        ("lstm", {"loss", "padding"}, {"SVM grid", "attention", "max pooling before the LSTM"}),
        ("attention-lstm", {"loss", "attention"}, {"SVM grid", "max pooling before the LSTM"}),
        ("lstm-cnn", {"loss", "max pooling before the LSTM"}, {"attention"}),
    ],
)
def test_choices_are_those_that_the_models_touch(models: str, some: set[str], other: set[str]) -> None:
    its = validated({"task": "localization", "models": models, "seed": 1}, "here")
    published_table = published.of("localization", ())
    assert published_table is not None
    found = published.choices(published_table, [resolve(its, spec) for spec in its.models])
    points = {choice["point"] for choice in found}
    assert some <= points
    assert not other & points
    assert {key for choice in found for key in choice} == {"point", "paper", "ours"}


@pytest.mark.usefixtures("no_report")
def test_model_folder_is_always_that_of_the_best(table: Path, tmp_path: Path) -> None:
    weak = {"name": "weak", "features": {"name": "length"}, "classifier": {"name": "boosting"}}
    out = tmp_path / "runs"

    def best_and_features(models: list[Any]) -> tuple[str, str]:
        results = benchmark.run(config(table, models=models, baselines=False), out)
        description = json.loads((out / "model" / "model.json").read_text())
        return results["best"], description["features"]["name"]

    assert best_and_features([weak]) == ("weak", "length")
    assert best_and_features([weak, SVM]) == ("svm", "targeting")
    assert best_and_features([weak]) == ("weak", "length")


@pytest.mark.usefixtures("no_report")
def test_results_of_other_options_are_refused_before_anything_is_fitted(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"baselines": False, "cross_validation": False}
    benchmark.run(config(table, models=[SVM], **more), tmp_path)
    monkeypatch.setattr(validate, "fitted", lambda *_: pytest.fail("something was fitted"))
    changed = {"name": "svm", "options": {"c": [2.0], "gamma": ["scale"]}}
    with pytest.raises(ConfigError, match="made with other options"):
        benchmark.run(config(table, models=[TREES, changed], **more), tmp_path)


def test_best_of_a_zero_and_a_negative_is_the_zero() -> None:
    rows = [
        {"name": name, "is_baseline": False, "evaluation": {"metrics": {"mcc": value}}}
        for name, value in (("low", -0.2), ("none", None), ("zero", 0.0))
    ]
    assert compare.best_of(rows, "mcc") == "zero"


@pytest.mark.usefixtures("no_report")
def test_test_rows_that_stand_in_training_do_not_count(tmp_path: Path) -> None:
    train = [(s, c, "train") for s, c in sequences(60)]
    path = write_table(tmp_path / "same.csv", [*train, *((s, c, "test") for s, c, _ in train)], HEADER)
    with pytest.raises(LabelError, match=r"hold no sequence of class .*60 of them stand in training too"):
        benchmark.run(config(path), tmp_path / "out")
    other = [(s, {"alpha": "beta"}.get(c, c), "test") for s, c, _ in train[:3]]
    path = write_table(tmp_path / "other.csv", [*train, *other], HEADER)
    with pytest.raises(LabelError, match=r"class 'alpha' in training and 'beta' in a row marked as test"):
        benchmark.run(config(path), tmp_path / "out")
