"""Questions of two classes: who asks them, what the answer is, and where the figures stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tiny
from sortilin import registry
from sortilin.cli.evaluate import evaluate
from sortilin.evaluation import metrics
from sortilin.experiment import ExperimentConfig, questions, run
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import DoubleArray, Question

CLASSES = ("neither", "antimicrobial", "anticancer")
FIRST, SECOND = questions.of_task("activity")
PLANTED = dict(zip(CLASSES, tiny.PLANTED, strict=True))


def labelled(y: list[int], *stands_in: str) -> LabelledSet:
    sequences = tuple("MKV" + "A" * n for n in range(len(y)))
    return LabelledSet(
        "toy", sequences, np.array(y), CLASSES, stands_in=tuple(frozenset(s.split()) for s in stands_in)
    )


def rows(n_a_class: int, seed: int) -> list[tuple[str, str]]:
    name_of = {planted: name for name, planted in PLANTED.items()}
    return [(name_of[label], sequence) for label, sequence in tiny.labelled(seed, n_a_class)]


def test_questions_are_those_of_the_task() -> None:
    assert (FIRST.positive, FIRST.negative, FIRST.dataset) == ("anticancer", "neither", "acp")
    assert (SECOND.positive, SECOND.negative, SECOND.dataset) == ("anticancer", "antimicrobial", "acp-hard")
    assert questions.of_task("localization") == ()


def test_rows_of_the_dataset_ask_its_question() -> None:
    found = labelled([0, 1, 2, 2, 2], "acp", "acp-hard", "acp", "acp-hard", "acp acp-hard")
    assert questions.asked(FIRST, found).tolist() == [True, False, True, False, True]
    assert questions.asked(SECOND, found).tolist() == [False, True, False, True, True]


def test_rows_of_files_ask_by_their_class() -> None:
    assert questions.asked(FIRST, labelled([0, 1, 2])).tolist() == [True, False, True]
    assert questions.asked(SECOND, labelled([0, 1, 2])).tolist() == [False, True, True]


def test_question_of_which_a_class_is_missing_is_not_asked() -> None:
    assert not questions.asked(SECOND, labelled([0, 2, 2])).any()
    assert not questions.asked(FIRST, labelled([0, 2], "acp-hard", "acp-hard")).any()


def test_answer_leaves_the_other_classes_out() -> None:
    table = np.array([[0.1, 0.6, 0.3], [0.0, 1.0, 0.0], [0.5, 0.25, 0.25]])
    of_two, found = questions.answered(FIRST, labelled([2, 0, 2]), table)
    assert of_two.classes == ("neither", "anticancer")
    assert of_two.y.tolist() == [1, 0, 1]
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5], [2 / 3, 1 / 3]]))


def test_test_set_is_scored_by_question_whole_and_without_what_is_known() -> None:
    test = labelled([0, 0, 2, 2], *["acp"] * 4)
    table = np.array([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1], [0.0, 0.6, 0.4]])
    found = questions.of_test((FIRST, SECOND), test, table, np.array([False, True, False, False]))
    assert [(a.question.name, a.part, a.pooled.n) for a in found] == [
        ("anticancer-or-neither", "whole", 4),
        ("anticancer-or-neither", "without 1 training sequences", 3),
    ]
    assert found[0].pooled.confusion == ((1, 1), (1, 1))
    assert found[0].pooled.metrics["sensitivity"] == 0.5


class Finished:
    """A model of three classes on files, and what it wrote."""

    def __init__(self, place: Path) -> None:
        self.data = tiny.write_table(place / "train.csv", rows(24, 1))
        self.test = tiny.write_table(place / "test.csv", rows(5, 2))
        config: dict[str, Any] = {
            "task": "activity",
            "data": str(self.data),
            "tests": str(self.test),
            "features": {"name": "composition"},
            "classifier": {"name": "boosting", "options": {"rounds": 10, "smallest_leaf": 5}},
            "seed": 7,
            "folds": 3,
            "holdout": 0,
        }
        self.folder, self.outcome = run(ExperimentConfig.model_validate(config), place / "model")
        self.measured = json.loads((self.folder.path / "metrics.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return Finished(tmp_path_factory.mktemp("questions"))


def by_hand(finished: Finished, question: Question, rows: Any) -> tuple[Any, DoubleArray]:
    """Labels and probabilities of the held-out rows, without the code under test."""
    two = [CLASSES.index(question.negative), CLASSES.index(question.positive)]
    table = finished.outcome.rows[0].cross_validation.probabilities[rows][:, two]
    y = (finished.outcome.data.y[rows] == two[1]).astype(np.int64)
    return y, table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("question", [FIRST, SECOND], ids=lambda question: question.name)
def test_folds_are_scored_by_question(finished: Finished, question: Question) -> None:
    (found,) = (q for q in finished.measured["questions"] if q["name"] == question.name)
    assert [(row["model"], row["folds_of"]) for row in found["folds"]] == [
        ("boosting on composition", "stratified folds"),
        ("boosting on length alone", "stratified folds"),
    ]
    mine = np.isin(finished.outcome.data.y, [CLASSES.index(question.negative), 2])
    y, table = by_hand(finished, question, mine)
    expected = metrics.evaluate(y, table, (question.negative, question.positive))
    pooled = found["folds"][0]["pooled"]
    assert pooled["n"] == 48
    assert pooled["metrics"]["mcc"] == pytest.approx(expected.metrics["mcc"], abs=1e-4)
    assert pooled["metrics"]["ece"] == pytest.approx(expected.metrics["ece"], abs=1e-4)
    low, high = found["folds"][0]["intervals"]["mcc"]
    assert low <= pooled["metrics"]["mcc"] <= high
    fold = finished.outcome.rows[0].cross_validation.fold
    y, table = by_hand(finished, question, mine & (fold == 1))
    expected = metrics.evaluate(y, table, (question.negative, question.positive))
    assert found["folds"][0]["folds"][1]["metrics"]["mcc"] == pytest.approx(expected.metrics["mcc"], abs=1e-4)
    assert [(row["part"], row["n"]) for row in found["tests"]] == [("whole", 10)]


def test_card_has_a_table_a_question(finished: Finished) -> None:
    card = finished.folder.card
    assert "\n## By question\n" in card
    assert "\n### Anticancer or neither?\n" in card
    assert "\n### Anticancer or only antimicrobial?\n" in card
    assert "Rows of `acp-hard`; a yes is `anticancer`, a no is `antimicrobial`." in card


def evaluated(*args: str | Path) -> str:
    result = CliRunner().invoke(evaluate, [*map(str, args)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_evaluate_says_which_question_the_data_ask(finished: Finished, tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "two.csv", [row for row in rows(5, 2) if row[0] != "neither"])
    shown = evaluated(finished.folder.path, "--data", data)
    assert "Question 'anticancer-or-antimicrobial': anticancer or only antimicrobial?" in shown
    assert "anticancer-or-neither" not in shown
    assert "\nAll classes:\n" in shown
    as_json = json.loads(evaluated(finished.folder.path, "--data", data, "--json"))
    (asked,) = as_json["questions"]
    assert (asked["positive"], asked["part"], asked["n"]) == ("anticancer", "whole", 10)
    assert as_json["whole"]["classes"] == list(CLASSES)


def test_task_without_questions_has_no_such_section(tmp_path: Path) -> None:
    assert all(not questions.of_task(name) for name in registry.names("task") if name != "activity")
    table = tiny.write_table(tmp_path / "x.csv", tiny.labelled(1, 20))
    config: dict[str, Any] = {
        "task": "custom",
        "data": str(table),
        "features": {"name": "composition"},
        "classifier": {"name": "boosting", "options": {"rounds": 5}},
        "seed": 1,
        "folds": 3,
        "holdout": 0,
        "baselines": False,
    }
    folder, _ = run(ExperimentConfig.model_validate(config), tmp_path / "model")
    assert "## By question" not in folder.card
    assert json.loads((folder.path / "metrics.json").read_text())["questions"] == []
