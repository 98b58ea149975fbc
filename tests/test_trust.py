"""Trust end to end: what a training keeps, what `predict` and `calibrate` make of it and what they refuse."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import tiny
from sortilin import artifact, bundled, predictor, trust
from sortilin.artifact import ModelFolder
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, LabelError, SortilinError
from sortilin.evaluation import calibration, conformal
from sortilin.experiment import recalibrate, run
from sortilin.experiment import trust as measuring
from sortilin.experiment.data import load as load_labelled
from sortilin.experiment.outcome import Outcome
from test_experiment import TRAINING, config
from test_experiment_held_out import noisy

pytest.importorskip("lightgbm")


@dataclasses.dataclass(frozen=True)
class Ran:
    data: Path
    model: ModelFolder
    outcome: Outcome

    @property
    def path(self) -> str:
        return str(self.model.path)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Trees on data of which every eighth row has a wrong label."""
    place = tmp_path_factory.mktemp("trust")
    data = tiny.write_table(place / "x.csv", noisy(TRAINING))
    model, outcome = run(config(data, "boosting"), place / "model")
    return Ran(data, model, outcome)


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def fresh(place: Path, n: int = 60, *, seed: int = 3) -> Path:
    """Labelled sequences that nobody was trained on."""
    rng = np.random.default_rng(seed)
    letters = {"acidic": "DE", "basic": "KR", "greasy": "ILV"}
    rows = []
    for number in range(n):
        name = list(letters)[number % 3]
        drawn = rng.choice(list(letters[name] * 4 + "ACDEFGHIKLMNPQRSTVWY"), size=40)
        rows.append((name if number % 7 else "greasy", "".join(drawn)))
    return tiny.write_table(place / "fresh.csv", rows)


# --- what is kept


def test_folder_keeps_held_out_scores_by_which_all_can_be_made_again(ran: Ran) -> None:
    folds, y = ran.outcome.rows[0].cross_validation, ran.outcome.data.y
    kept = trust.held_out(ran.model)
    assert kept.scores == pytest.approx(folds.scores, rel=1e-6)
    assert (kept.y == y).all()
    assert (kept.fold == folds.fold).all()
    stored = {name: ran.model.array(name).dtype.str for name in ran.model.array_names()}
    assert stored["held_out.scores"] == "<f4"
    assert (stored["held_out.classes"], stored["held_out.fold"]) == ("|u1", "|u1")
    again = measuring.crossed(kept, 3, calibration.METHOD)
    assert again == pytest.approx(folds.probabilities, abs=1e-5)
    tables = trust.conformal_of(ran.model)
    assert tables.values == pytest.approx(conformal.fit(folds.probabilities, y).values)
    assert ran.model.description["format_version"] == artifact.FORMAT_VERSION == 5


def test_card_and_record_hold_the_same_figures(ran: Ran) -> None:
    record = json.loads((ran.model.path / "metrics.json").read_text())["trust"]
    card = ran.model.card
    for heading in ("Methods of calibration", "Prediction sets", "Answering only when sure"):
        assert f"\n## {heading}\n" in card
    assert set(record["methods"]) == set(calibration.METHODS)
    logistic = record["methods"]["logistic"]
    whole = json.loads((ran.model.path / "metrics.json").read_text())["held_out"]["calibration"]["after"]
    assert logistic["log_loss"] == whole["log_loss"]  # each fold calibrated on the others
    assert f"| **logistic** | {logistic['ece']:.3f} (" in card
    found = record["sets"][0]
    share = found["n_covered"] / found["n"]
    assert re.search(rf"^\| 80% \| LAC \| per class \| {share:.3f} \(", card, re.MULTILINE)
    assert record["selective"]["n"] == 90
    assert "selective.svg" in ran.model.description["files"]
    assert "(selective.svg)" in card


def test_sets_of_the_card_are_of_other_folds(ran: Ran) -> None:
    folds, labelled = ran.outcome.rows[0].cross_validation, ran.outcome.data
    found = measuring.covered(folds.probabilities, labelled.y, folds.fold, labelled.classes)
    one = next(s for s in found if s.coverage == 0.9 and s.kind == "lac" and not s.per_class)
    hits = 0
    for number in range(3):
        here = folds.fold == number
        known = np.sort(1 - folds.probabilities[~here][np.arange((~here).sum()), labelled.y[~here]])
        threshold = known[int(np.ceil((len(known) + 1) * 0.9)) - 1]
        hits += int(
            (1 - folds.probabilities[here][np.arange(here.sum()), labelled.y[here]] <= threshold).sum()
        )
    assert one.n_covered == hits


@pytest.mark.parametrize("method", calibration.METHODS)
def test_every_method_predicts_as_it_was_fitted(ran: Ran, method: str, tmp_path: Path) -> None:
    """Through the folder and NumPy: the probabilities of the scores by the fitted map."""
    folder, _ = recalibrate.recalibrate(
        ran.model, tmp_path / method, recalibrate.own(ran.model), method=method
    )
    loaded = predictor.load(tmp_path / method)
    texts = list(ran.outcome.data.sequences[:9])
    kept = trust.held_out(ran.model)
    fitted = calibration.fit(kept.scores, kept.y, n_classes=3, method=method)
    assert folder.description["calibration"]["method"] == method
    assert loaded.predict_proba(texts) == pytest.approx(fitted(loaded.scores(texts)), abs=1e-12)
    assert loaded.predict(texts, coverage=0.8)[0].set is not None


def test_method_of_the_configuration_is_the_models(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", noisy(TRAINING))
    asked = config(data, "boosting").model_copy(update={"baselines": False, "holdout": 0})
    asked = type(asked).model_validate({**asked.model_dump(), "calibration": "platt"})
    model, outcome = run(asked, tmp_path / "model")
    folds, y = outcome.rows[0].cross_validation, outcome.data.y
    expected = calibration.fit(folds.scores, y, n_classes=3, method="platt")
    assert model.calibration().method == "platt"
    assert model.calibration().weights == pytest.approx(expected.weights)
    others = folds.fold != 0
    first = calibration.fit(folds.scores[others], y[others], n_classes=3, method="platt")
    assert folds.probabilities[~others] == pytest.approx(first(folds.scores[~others]))
    assert "method: platt" in (model.path / "config.yaml").read_text()


# --- predict


def test_coverage_adds_a_set_to_every_format(ran: Ran, tmp_path: Path) -> None:
    asked = ("predict", ran.data, "--model", ran.path, "--coverage", "0.9", "--per-class")
    assert command(*asked, "-o", tmp_path / "o.tsv").exit_code == 0
    header, *lines = (tmp_path / "o.tsv").read_text().splitlines()
    place = header.split("\t").index("set")
    of_table = [line.split("\t")[place] for line in lines]
    assert command(*asked, "-o", tmp_path / "o.jsonl").exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert ["|".join(row["set"]) for row in rows] == of_table
    found = predictor.load(ran.path).predict(list(ran.outcome.data.sequences), coverage=0.9, per_class=True)
    assert [one.set for one in found] == [tuple(row["set"]) for row in rows]
    meta = json.loads((tmp_path / "o.tsv.meta.json").read_text())["details"]
    assert meta["sets"] == {
        "coverage": 0.9,
        "per_class": True,
        "score": "lac",
        "never_empty": False,
        "held_out": 90,
    }
    assert command(*asked, "-o", tmp_path / "o.html").exit_code == 0
    assert "set " in (tmp_path / "o.html").read_text()
    parquet = pytest.importorskip("pyarrow.parquet")
    assert command(*asked, "-o", tmp_path / "o.parquet").exit_code == 0
    assert parquet.read_table(tmp_path / "o.parquet")["set"].to_pylist() == [row["set"] for row in rows]


def test_sets_follow_the_thresholds(ran: Ran) -> None:
    loaded = predictor.load(ran.path)
    texts = list(ran.outcome.data.sequences)
    tables = trust.conformal_of(ran.model)
    thresholds = tables.thresholds(0.95, loaded.classes)
    table = loaded.predict_proba(texts)
    for one, row in zip(loaded.predict(texts, coverage=0.95), table, strict=True):
        inside = {
            name for name, p, most in zip(loaded.classes, row, thresholds, strict=True) if 1 - p <= most
        }
        assert set(one.set or ()) == inside
        assert list(one.set or ()) == sorted(one.set or (), key=lambda name: -one.probabilities[name])
    full = loaded.sets(0.5, never_empty=True)(loaded.predict(texts))
    assert all(one.set for one in full)


def test_empty_set_is_said_on_the_page(ran: Ran, tmp_path: Path) -> None:
    done = command("predict", ran.data, "--model", ran.path, "--coverage", "0.1", "-o", tmp_path / "o.html")
    assert done.exit_code == 0, done.output
    found = predictor.load(ran.path).predict(list(ran.outcome.data.sequences), coverage=0.1)
    n_empty = sum(one.set == () for one in found)
    assert n_empty > 0
    assert (tmp_path / "o.html").read_text().count("set empty<") == n_empty


def test_without_coverage_nothing_is_added(ran: Ran, tmp_path: Path) -> None:
    assert command("predict", ran.data, "--model", ran.path, "-o", tmp_path / "o.tsv").exit_code == 0
    assert "\tset\t" not in (tmp_path / "o.tsv").read_text().splitlines()[0]
    assert predictor.load(ran.path).predict(["MKTAYIAKQR"])[0].set is None


def test_strange_sequences_are_flagged(ran: Ran, tmp_path: Path) -> None:
    like = ran.outcome.data.sequences[0]  # turned by one: of the same composition, and not trained on
    strange = tiny.write_table(tmp_path / "s.csv", [("acidic", "W" * 45), ("acidic", like[1:] + like[:1])])
    done = command("predict", strange, "--model", ran.path, "-o", tmp_path / "o.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert ["far_from_training" in row["flags"] for row in rows] == [True, False]
    assert "1 of 2 sequences" in done.stderr
    assert json.loads((tmp_path / "o.jsonl.meta.json").read_text())["details"]["n_far"] == 1


def test_flag_does_not_depend_on_the_batch(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    texts = ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), size=40)) for _ in range(60)]
    whole = predictor.load(ran.path).predict(texts)
    monkeypatch.setattr(predictor, "MAX_BATCH_SEQUENCES", 7)
    assert predictor.load(ran.path, threads=3).predict(texts) == whole
    assert sum(trust.FAR in one.flags for one in whole) > 0


def test_nearest_is_named_with_its_identity(ran: Ran, tmp_path: Path) -> None:
    pytest.importorskip("pyopal")
    known = ran.outcome.data.sequences[4]
    changed = known[:10] + "W" + known[11:]
    queries = tiny.write_table(tmp_path / "q.csv", [("acidic", known), ("acidic", changed)])
    done = command("predict", queries, "--model", ran.path, "--nearest", ran.data, "-o", tmp_path / "o.jsonl")
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    ids = [line.split(",")[0] for line in ran.data.read_text().splitlines()[1:]]
    assert [row["nearest"] for row in rows] == [ids[4], ids[4]]
    assert rows[0]["nearest_identity"] == 1.0
    assert rows[1]["nearest_identity"] == pytest.approx(1 - 1 / len(known), abs=1e-6)
    some = tiny.write_fasta(tmp_path / "r.fasta", [known, "", "MK1"])
    done = command("predict", queries, "--model", ran.path, "--nearest", some, "-o", tmp_path / "o.tsv")
    assert "left out of the references of --nearest, since they cannot be read: 2" in done.stderr


# --- calibrate


def test_calibrate_without_a_method_gives_the_same_model(ran: Ran, tmp_path: Path) -> None:
    done = command("calibrate", ran.path, "-o", tmp_path / "same")
    assert done.exit_code == 0, done.output
    texts = list(ran.outcome.data.sequences[:20])
    before, after = predictor.load(ran.path), predictor.load(tmp_path / "same")
    assert after.predict_proba(texts) == pytest.approx(before.predict_proba(texts), abs=1e-5)
    assert [p.flags for p in after.predict(texts)] == [p.flags for p in before.predict(texts)]
    again = artifact.read(tmp_path / "same")
    assert again.card.count("## Methods of calibration") == 1
    assert "## Calibrated again" in again.card
    assert again.description["calibration"]["again"]["of"] == ran.model.checksum


def test_calibrate_on_own_sequences_leaves_training_ones_out(ran: Ran, tmp_path: Path) -> None:
    file = fresh(tmp_path)
    known = ran.data.read_text().splitlines()[1:8]
    with file.open("a") as stream:
        stream.writelines(f"t{n},{','.join(line.split(',')[1:])}\n" for n, line in enumerate(known))
    done = command(
        "calibrate", ran.path, "--labelled", file, "--method", "temperature", "-o", tmp_path / "new"
    )
    assert done.exit_code == 0, done.output
    assert "on 60 sequences of" in done.output
    assert "7 training sequences were left out" in done.output
    folder = artifact.read(tmp_path / "new")
    assert folder.description["conformal"]["n"] == 60
    assert trust.conformal_of(folder).counts.sum() == 60
    scores = predictor.load(ran.path).scores(load_labelled("custom", [str(fresh(tmp_path))]).sequences)
    y = load_labelled("custom", [str(fresh(tmp_path))]).y
    expected = calibration.fit(scores, y, n_classes=3, method="temperature")
    assert folder.calibration().weights == pytest.approx(expected.weights)
    # Its own held-out scores are still there.
    assert command("calibrate", tmp_path / "new", "-o", tmp_path / "back").exit_code == 0


def test_calibrate_refuses(ran: Ran, tmp_path: Path) -> None:
    two = tiny.write_table(tmp_path / "two.csv", [("acidic", "DEDEDEDEDA"), ("basic", "KRKRKRKRKA")] * 1)
    loaded = predictor.load(ran.path)
    labelled = load_labelled("custom", [str(two)], classes=loaded.classes)
    with pytest.raises(
        LabelError, match=r"needs 2 sequences of each class at least; .*has 0 of class greasy"
    ):
        recalibrate.of_labelled(loaded, labelled)
    with pytest.raises(SortilinError, match="unknown calibration method 'isotonik'"):
        recalibrate.recalibrate(ran.model, tmp_path / "n", recalibrate.own(ran.model), method="isotonik")
    done = command("calibrate", ran.path, "-o", ran.path)
    assert isinstance(done.exception, SortilinError)
    assert "pass --overwrite" in str(done.exception)
    assert not (tmp_path / "n").exists()


# --- refusals


@pytest.mark.parametrize("value", ["0", "1", "90", "-0.5"])
def test_coverage_outside_0_and_1(ran: Ran, value: str) -> None:
    done = command("predict", ran.data, "--model", ran.path, "--coverage", value)
    assert isinstance(done.exception, ConfigError)
    assert "allowed: above 0 and below 1, as 0.9" in str(done.exception)


def test_too_much_coverage_for_the_rows(ran: Ran) -> None:
    with pytest.raises(ConfigError, match=r"needs 999 held-out sequences at least; there are 90"):
        predictor.load(ran.path).sets(0.999)


def test_options_of_sets_without_coverage(ran: Ran) -> None:
    done = command("predict", ran.data, "--model", ran.path, "--per-class", "--score", "lac")
    assert str(done.exception) == "--per-class and --score say how sets are made: give --coverage as well"
    done = command("predict", ran.data, "--model", ran.path, "--never-empty")
    assert str(done.exception) == "--never-empty says how sets are made: give --coverage as well"


def test_older_folders_are_read_and_say_what_they_lack(ran: Ran, tmp_path: Path) -> None:
    old = _older(ran.model, tmp_path / "old")
    loaded = predictor.load(old)
    texts = list(ran.outcome.data.sequences[:5])
    assert loaded.predict_proba(texts) == pytest.approx(predictor.load(ran.path).predict_proba(texts))
    assert not any(trust.FAR in one.flags for one in loaded.predict(["W" * 45]))
    with pytest.raises(ConfigError, match=r"no tables for prediction sets; sortilin calibrate"):
        loaded.sets(0.9)
    with pytest.raises(ConfigError, match=r"keeps no held-out scores.*--labelled"):
        recalibrate.own(loaded.model)


def _older(model: ModelFolder, path: Path) -> Path:
    """The folder as format 4 had it."""
    skipped = ("held_out", "conformal", "far", "files", "format", "format_version")
    about: dict[str, Any] = {key: value for key, value in model.description.items() if key not in skipped}
    arrays = {name: model.array(name) for name in model.array_names() if name.split(".")[0] not in skipped}
    artifact.write(path, about, graph=model.graph, arrays=arrays, card=model.card)
    file = path / artifact.DESCRIPTION
    file.write_text(file.read_text().replace('"format_version": 5', '"format_version": 4'))
    return path


def test_method_of_a_newer_version_is_refused(ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.model.path, tmp_path / "m")
    file = tmp_path / "m" / artifact.DESCRIPTION
    file.write_text(file.read_text().replace('"method": "logistic"', '"method": "spline"'))
    with pytest.raises(SortilinError, match="calibrated by 'spline'; this version knows: logistic"):
        predictor.load(tmp_path / "m")


def test_method_that_cannot_read_the_scores_is_refused_before_a_fit(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    asked = type(config(data, "svm")).model_validate(
        {**config(data, "svm").model_dump(), "calibration": "beta"}
    )
    with pytest.raises(ConfigError, match=r"'beta' needs a score for each class.*choose 'logistic'"):
        run(asked, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_unknown_method_is_refused(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    done = command(
        "train", "--task", "custom", "--data", data, "--calibration", "isotonik", "-o", tmp_path / "m"
    )
    assert "choose from: logistic, temperature, platt" in str(done.exception)


# --- the bundled model


@pytest.mark.parametrize("name", bundled.names())
def test_bundled_model_covers_what_is_asked(name: str) -> None:
    """From its held-out scores, quantiles of other folds: within 2 points, and 4 points of every class."""
    model = artifact.read(bundled.locate(name))
    if "held_out" not in model.description:
        pytest.skip(f"{name} was written before format 5")
    kept, classes = trust.held_out(model), model.description["classes"]
    table = measuring.crossed(kept, len(classes), model.description["calibration"]["method"])
    for one in measuring.covered(table, kept.y, kept.fold, classes):
        assert one.n_covered / one.n == pytest.approx(one.coverage, abs=0.02)
        if one.per_class and one.kind == "lac":  # sums of probabilities are 1 for many rows, and tie
            shares = [hits / n for n, hits in one.by_class.values()]
            assert shares == pytest.approx([one.coverage] * len(classes), abs=0.04)
