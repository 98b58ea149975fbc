"""The models that come with the package: small, whole, described, and as good as their cards say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sortilin
from sortilin import artifact, registry
from sortilin.bundled import PRETRAINED, names
from sortilin.evaluation import metrics
from sortilin.experiment import data, loaded, questions, read_config
from sortilin.experiment.card import TITLES, headline
from sortilin.results import Evaluation

LARGEST_PACKAGE_MB = 16
FILES = {"README.md", "arrays.safetensors", "config.yaml", "metrics.json", "model.json", "model.onnx"}
SECTIONS = ("Intended use", "Limits", "Training data", "Measured", "How it was made")
PICTURE = "reliability.svg"
PICTURES = {PICTURE, "selective.svg"}
"""Absent where a model was made without matplotlib."""
CONFIGS = Path(__file__).parents[1] / "configs"

TASKS = {"anticancer": "activity", "localization": "localization"}

every_model = pytest.mark.parametrize("name", names())


def measured(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((PRETRAINED / name / "metrics.json").read_text())
    return figures


def scored(name: str, source: str) -> Evaluation:
    model = sortilin.load(name)
    labelled = data.load(model.task, [source], classes=model.classes)
    return metrics.evaluate(labelled.y, model.predict_proba(labelled.sequences), model.classes)


def test_models_fit_in_the_package() -> None:
    n_bytes = sum(file.stat().st_size for file in PRETRAINED.rglob("*") if file.is_file())
    assert n_bytes < LARGEST_PACKAGE_MB * 1e6


@every_model
def test_folder_is_whole_and_holds_nothing_else(name: str) -> None:
    folder = artifact.read(PRETRAINED / name)
    assert {entry.name for entry in folder.path.iterdir()} - PICTURES == FILES
    assert {*folder.description["files"], "model.json"} - PICTURES == FILES


@every_model
def test_card_has_its_sections_and_figures(name: str) -> None:
    model = artifact.read(PRETRAINED / name)
    for section in SECTIONS:
        assert f"\n## {section}\n" in model.card
    task = registry.get("task", model.description["task"])
    for limit in task.limits:
        assert f"- {limit}\n" in model.card
    assert "homology" in model.card
    assert model.description["training_data"]["sha256"] in model.card
    names = headline(model.description["classes"])
    assert f"| model | {' | '.join(TITLES[metric] for metric in names)} |" in model.card
    line = next(text for text in model.card.splitlines() if text.startswith("| ") and " ± " in text)
    means = [float(cell.split(" ± ")[0]) for cell in line.split("|")[2:-1]]
    described = [model.description["metrics"][metric] for metric in names]
    assert means == pytest.approx(described, abs=0.00056)  # three decimals of what there has four


@every_model
def test_description_agrees_with_the_task_and_the_features(name: str) -> None:
    described = artifact.read(PRETRAINED / name).description
    task, features = registry.get("task", described["task"]), described["features"]
    assert described["task"] == TASKS[name]
    assert tuple(described["classes"]) == task.classes
    assert task.metric in described["metrics"]
    variant = registry.get("features", features["name"])
    assert len(variant(variant.Config(**features["config"])).feature_names) == features["n_features"]


@every_model
def test_configuration_beside_the_model_is_the_published_one(name: str) -> None:
    assert read_config(PRETRAINED / name / "config.yaml") == read_config(CONFIGS / f"{name}.yaml")


@every_model
def test_model_is_better_than_its_baselines(name: str) -> None:
    metric = registry.get("task", TASKS[name]).metric
    model, *baselines = (row["pooled"]["metrics"][metric] for row in measured(name)["rows"])
    assert len(baselines) == 2
    assert model > max(baselines) + 0.04


@pytest.fixture
def with_data(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))


@pytest.mark.parametrize("source", ["acp:test1", "acp:test2"])
def test_figures_of_the_test_sets_come_again(source: str, with_data: None) -> None:
    expected = next(test for test in measured("anticancer")["tests"] if test["name"] == source)
    found = scored("anticancer", source)
    assert found.n == expected["n"]
    for metric, value in expected["metrics"].items():
        assert found.metrics[metric] == pytest.approx(value, abs=1e-3), metric
    assert [list(row) for row in found.confusion] == expected["confusion"]


def test_peptides_trained_on_are_known_again(with_data: None) -> None:
    model = sortilin.load("anticancer")
    config = read_config(PRETRAINED / "anticancer" / "config.yaml")
    found = loaded.load(config)
    training, (test1, _) = found.training, found.tests
    assert model.was_trained_on(training.sequences).all()
    assert not model.was_trained_on(test1.sequences).any()
    published = data.load("activity", ["acp:train"])
    assert model.was_trained_on(published.sequences).sum() >= len(published) - 1
    described = model.model.description["training_data"]
    assert described["sha256"] == training.fingerprint
    assert described["n"] == len(training)
    assert measured("anticancer")["left_out"] == {
        "repeats": found.n_repeats,
        "copies_of_tests": found.left_out.n_copies,
        "contradictions": 1,
    }


def test_questions_reach_what_is_claimed_of_them() -> None:
    first, second = measured("anticancer")["questions"]
    by_name = {(test["name"], test["part"]): test["metrics"] for test in first["tests"]}
    assert by_name["acp:test1", "whole"]["mcc"] >= 0.82
    assert first["folds"][0]["pooled"]["metrics"]["ece"] <= 0.03
    assert [(row["name"], row["dataset"]) for row in (first, second)] == [
        ("anticancer-or-neither", "acp"),
        ("anticancer-or-antimicrobial", "acp-hard"),
    ]
    for question, margin in ((first, 0.04), (second, 0.01)):
        model, grouped, *baselines = (row["pooled"]["metrics"]["mcc"] for row in question["folds"])
        assert grouped < model
        assert model > max(baselines) + margin
        assert question["folds"][0]["pooled"]["metrics"]["ece"] <= 0.03


def test_figures_by_question_come_again(with_data: None) -> None:
    model = sortilin.load("anticancer")
    expected = measured("anticancer")["questions"][0]["tests"]
    found = []
    for source in ("acp:test1", "acp:test2"):
        test = data.load("activity", [source])
        is_known = model.was_trained_on(test.sequences)
        table = model.predict_proba(test.sequences)
        found += questions.of_test(questions.of_task("activity"), test, table, is_known, model.questions)
    assert [(a.name, a.part) for a in found] == [(row["name"], row["part"]) for row in expected]
    for answer, row in zip(found, expected, strict=True):
        assert answer.pooled.metrics["mcc"] == pytest.approx(row["metrics"]["mcc"], abs=1e-3)


def test_proteins_trained_on_are_predicted_better_than_held_out_ones(with_data: None) -> None:
    model, training = sortilin.load("localization"), data.load("localization", [])
    assert model.model.description["training_data"]["sha256"] == training.fingerprint
    sample = training.taken(np.arange(0, len(training), 12), "every twelfth")
    assert model.was_trained_on(sample.sequences).all()
    found = metrics.evaluate(sample.y, model.predict_proba(sample.sequences), model.classes)
    assert found.metrics["accuracy"] > model.model.description["metrics"]["accuracy"] + 0.05
