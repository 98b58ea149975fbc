"""Intervals and calibration of held-out predictions: in the card, in `metrics.json` and as a picture."""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import tiny
from sortilin.evaluation import bounded, calibration, metrics
from sortilin.experiment import card, reliability, run, silence, trust
from sortilin.experiment.held_out import HeldOut, Reliability, held_out
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.outcome import Outcome
from test_experiment import TRAINING, config

VALUES = Reliability(0.05, (0.01, 0.08), 0.3, 0.4, ((3, 0.55, 2 / 3), (40, 0.96, 0.9), (5, 1.0, 1.0)))


class Ran:
    """An experiment that was run, and its record."""

    def __init__(self, place: Path, classifier: str, rows: list[tuple[str, str]]) -> None:
        data = tiny.write_table(place / "x.csv", rows)
        folder, self.outcome = run(config(data, classifier), place / "model")
        self.path, self.card = folder.path, folder.card
        self.record: dict[str, Any] = json.loads((folder.path / "metrics.json").read_text())["held_out"]
        self.files = set(folder.description["files"])


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("three"), "boosting", noisy(TRAINING))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    rows = [row for row in noisy(TRAINING) if row[0] != "greasy"]
    return Ran(tmp_path_factory.mktemp("two"), "boosting", rows)


def noisy(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Every eighth with the label of its neighbour, so that the model errs."""
    return [(rows[n - n % 8 // 7][0], sequence) for n, (_, sequence) in enumerate(rows)]


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: [round(end, 4) for end in interval] for name, interval in values.items()}


# --- figures


def test_intervals_are_those_of_the_pooled_held_out_predictions(three: Ran) -> None:
    folds, labelled = three.outcome.rows[0].cross_validation, three.outcome.data
    table, classes = folds.probabilities, labelled.classes
    names = ("macro_f1", "accuracy", "roc_auc", "precision", "recall", "mcc", "ece")
    expected = bounded.of_set(labelled.y, table, classes, seed=7, metrics=names)
    assert three.record["intervals"] == rounded(expected)
    of_classes = bounded.of_classes(labelled.y, table, classes, seed=7)
    assert three.record["per_class"] == {name: rounded(dict(values)) for name, values in of_classes.items()}
    assert (three.record["level"], three.record["resamples"]) == (0.95, 1000)
    for name, (low, high) in expected.items():
        assert low < folds.pooled.metrics[name] < high


def test_two_classes_have_sensitivity_and_specificity(two: Ran) -> None:
    of_classes, found = two.record["per_class"], two.record["intervals"]
    assert found["sensitivity"] == of_classes["basic"]["recall"]
    assert found["specificity"] == of_classes["acidic"]["recall"]


def test_calibration_is_compared_with_the_bare_scores(three: Ran, two: Ran) -> None:
    for ran in (three, two):
        folds, labelled = ran.outcome.rows[0].cross_validation, ran.outcome.data
        raw = calibration.uncalibrated(folds.scores, len(labelled.classes))
        assert raw is not None
        for name, table in (("before", raw), ("after", folds.probabilities)):
            found, y = ran.record["calibration"][name], labelled.y
            assert found["ece"] == round(metrics.expected_calibration_error(y, table), 4)
            assert found["brier"] == round(metrics.brier_score(y, table), 4)
            assert found["log_loss"] == round(metrics.log_loss(y, table), 4)
            for name_of in ("ece", "brier", "log_loss"):
                low, high = found[f"{name_of}_interval"]
                assert low < found[name_of] < high
            bins = metrics.reliability(y, table)
            assert [b["n"] for b in found["bins"]] == [n for n, _, _ in bins]
            assert sum(b["n"] for b in found["bins"]) == len(y)
            assert found["bins"][0] == {
                "n": bins[0][0],
                "probability": round(bins[0][1], 4),
                "right": round(bins[0][2], 4),
            }


def test_calibration_helps_where_scores_are_too_sure(three: Ran) -> None:
    """Trees learn the wrong labels by heart."""
    before, after = three.record["calibration"]["before"], three.record["calibration"]["after"]
    assert after["log_loss"] < before["log_loss"]
    assert after["ece"] < before["ece"]


def test_one_score_is_the_log_odds_of_class_1() -> None:
    one = calibration.uncalibrated(np.array([[0.0], [np.log(3.0)]]), 2)
    assert one is not None
    assert one.tolist() == [pytest.approx([0.5, 0.5]), pytest.approx([0.25, 0.75])]
    many = calibration.uncalibrated(np.log([[1.0, 2.0, 5.0]]), 3)
    assert many is not None
    assert many[0].tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert calibration.uncalibrated(np.zeros((2, 6)), 4) is None


def test_scores_of_pairs_are_no_probabilities(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "svm", TRAINING)
    assert ran.outcome.rows[0].cross_validation.scores.shape[1] == 3  # as many pairs as classes
    assert ran.record["calibration"]["before"] is None
    assert "The scores of `svm` compare classes in pairs" in ran.card
    assert "\n| before | " not in ran.card
    assert "\n| after | " in ran.card


def test_svm_of_two_classes_has_one_score(tmp_path: Path) -> None:
    ran = Ran(tmp_path, "svm", [row for row in TRAINING if row[0] != "greasy"])
    assert ran.record["calibration"]["before"]["ece"] > 0
    assert "\n| before | " in ran.card


# --- card


def test_card_shows_values_with_their_intervals(three: Ran) -> None:
    pooled = three.outcome.rows[0].cross_validation.pooled
    low, high = three.record["intervals"]["macro_f1"]
    value = pooled.metrics["macro_f1"]
    assert f"| metric | value (95% interval) |\n| --- | --- |\n| macro-F1 | {value:.3f} (" in three.card
    found = re.search(r"^\| macro-F1 \| \S+ \((\S+) to (\S+)\) \|$", three.card, re.MULTILINE)
    assert found is not None
    assert [float(found[1]), float(found[2])] == pytest.approx([low, high], abs=6e-4)
    row = next(line for line in three.card.splitlines() if re.match(r"\| acidic \| 0\.\d{3} \(", line))
    cells = row.strip("| ").split(" | ")
    assert all(re.fullmatch(r"[01]\.\d{3} \([01]\.\d{3} to [01]\.\d{3}\)", cell) for cell in cells[1:5])
    assert "\n## Calibration\n" in three.card
    assert "| calibration | ECE | Brier score | log loss |" in three.card
    assert re.search(r"\| after \|( 0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) \|){3}\n", three.card)


def test_table_of_classes_without_intervals_is_as_it_was(three: Ran) -> None:
    text = card.per_class_table(three.outcome.rows[0].cross_validation.pooled)
    assert text.startswith("| class | precision | recall | F1 | ROC-AUC | n |\n| --- |")
    assert "(" not in text


# --- picture


def test_picture_is_whole_and_linked(three: Ran) -> None:
    pytest.importorskip("matplotlib")
    assert "reliability.svg" in three.files
    assert three.card.count("](reliability.svg)") == 1
    root = ElementTree.fromstring((three.path / "reliability.svg").read_text())
    assert root.tag.endswith("svg")


def test_same_figures_give_the_same_picture() -> None:
    pytest.importorskip("matplotlib")
    found = HeldOut({}, {}, VALUES, VALUES)
    first = reliability.draw(found)
    assert first is not None
    assert reliability.draw(found) == first
    assert "date" not in first.lower()
    alone = reliability.draw(HeldOut({}, {}, None, VALUES))
    assert alone is not None
    assert len(alone) < len(first)


def test_folder_without_matplotlib_has_the_table_alone(three: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    described = {"calibration": {"method": "logistic", "fitted_on": "3-fold held-out scores"}}
    inputs = Inputs.of(three.outcome.config.features)
    found = replace(held_out(three.outcome), trust=trust.measure(three.outcome, described, inputs))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert reliability.draw(found) is None
    assert found.trust is not None
    assert silence.draw(found.trust.selective) is None
    text = card.render(three.outcome, found, described)
    assert "| before | " in text
    assert "svg" not in text
    assert card.render(three.outcome, found, described, picture="reliability.svg") == _without_time(
        three.card, three.outcome
    )


def _without_time(text: str, outcome: Outcome) -> str:
    assert f"in {outcome.seconds:.0f} s" in text
    return text
