"""Questions of two classes: who asks them, what the answer is, and where the figures stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.linear_model import LogisticRegression

import tiny
from sortilin import registry
from sortilin.cli.evaluate import evaluate
from sortilin.evaluation import metrics
from sortilin.experiment import ExperimentConfig, questions, run
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import DoubleArray, Question
from sortilin.results import Answering

CLASSES = ("neither", "antimicrobial", "anticancer")
FIRST, SECOND = questions.of_task("activity")
PLAIN = Answering(SECOND.positive, SECOND.negative)
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
    of_two, found = questions.answered(
        FIRST, labelled([2, 0, 2]), table, Answering(FIRST.positive, FIRST.negative)
    )
    assert of_two.classes == ("neither", "anticancer")
    assert of_two.y.tolist() == [1, 0, 1]
    assert found == pytest.approx(np.array([[0.25, 0.75], [0.5, 0.5], [2 / 3, 1 / 3]]))


def held_out(n: int, *, shift: float) -> tuple[LabelledSet, DoubleArray]:
    """Rows of acp-hard whose probabilities are off by a factor in the odds; and as many that do not ask."""
    generator = np.random.default_rng(4)
    odds = np.exp(generator.normal(0, 2, n))
    y = (generator.random(n) < odds / (1 + odds)).astype(int) + 1
    told = odds * np.exp(shift)
    table = np.column_stack([np.full(n, 0.5), 0.5 / (1 + told), 0.5 * told / (1 + told)])
    elsewhere = np.tile([[0.5, 0.1, 0.4]], (n, 1))
    both = labelled([*y.tolist(), *[2] * n], *["acp-hard"] * n, *["acp"] * n)
    return both, np.concatenate([table, elsewhere])


def test_answers_are_calibrated_on_the_rows_that_ask() -> None:
    both, table = held_out(4_000, shift=1.5)
    how = questions.answering(SECOND, both, table)
    assert how.slope == pytest.approx(1.0, abs=0.1)
    assert how.offset == pytest.approx(-1.5, abs=0.2)
    rows = questions.asked(SECOND, both)
    of_two, plain = questions.answered(SECOND, both.taken(rows, "asked"), table[rows], PLAIN)
    _, answers = questions.answered(SECOND, both.taken(rows, "asked"), table[rows], how)
    off, right = (metrics.evaluate(of_two.y, t, of_two.classes).metrics["ece"] for t in (plain, answers))
    assert off > 0.1
    assert right < 0.03


def test_question_that_nobody_asks_is_answered_plainly() -> None:
    assert questions.answering(SECOND, labelled([0, 2], "acp", "acp"), np.full((2, 3), 1 / 3)) == PLAIN
    assert questions.answerings("localization", labelled([0, 1, 2]), np.full((3, 3), 1 / 3)) == {}


def test_scores_that_say_the_opposite_do_not_turn_answers_around() -> None:
    both, table = held_out(500, shift=0.0)
    assert questions.answering(SECOND, both, table[:, [0, 2, 1]]) == PLAIN


def test_answer_of_a_number_and_of_arrays_is_the_same() -> None:
    table = np.array([[0.1, 0.6, 0.3], [0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    how = Answering(FIRST.positive, FIRST.negative, 0.7, -0.4)
    one_by_one = [how(dict(zip(CLASSES, row, strict=True))) for row in table]
    assert how.of(table[:, 2], table[:, 0]).tolist() == one_by_one
    assert one_by_one[1] == pytest.approx(1 / (1 + np.exp(0.7 * np.log(2) + 0.4)))
    assert one_by_one[2] == 0.0
    assert how(dict.fromkeys(CLASSES, 0.0)) == pytest.approx(1 / (1 + np.exp(0.4)))


def test_test_set_is_scored_by_question_whole_and_without_what_is_known() -> None:
    test = labelled([0, 0, 2, 2], *["acp"] * 4)
    table = np.array([[0.8, 0.1, 0.1], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1], [0.0, 0.6, 0.4]])
    hows = {q.name: Answering(q.positive, q.negative) for q in (FIRST, SECOND)}
    is_known = np.array([False, True, False, False])
    found = questions.of_test((FIRST, SECOND), test, table, is_known, hows)
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


def by_hand(finished: Finished, question: Question) -> tuple[Any, DoubleArray, Any]:
    """Labels, probabilities and folds of the held-out rows, without the code under test."""
    two = [CLASSES.index(question.negative), CLASSES.index(question.positive)]
    rows = np.isin(finished.outcome.data.y, two)
    measured = finished.outcome.rows[0].cross_validation
    no, yes = measured.probabilities[rows][:, two].T
    y, fold = (finished.outcome.data.y[rows] == two[1]).astype(np.int64), measured.fold[rows]
    scores = np.log(yes / no)
    answers = np.empty(len(y))
    for number in range(3):
        others, here = fold != number, fold == number
        centre, spread = scores[others].mean(), scores[others].std()
        platt = LogisticRegression(C=10).fit((scores[others, None] - centre) / spread, y[others])
        answers[here] = platt.predict_proba((scores[here, None] - centre) / spread)[:, 1]
    return y, np.column_stack([1 - answers, answers]), fold


@pytest.mark.parametrize("question", [FIRST, SECOND], ids=lambda question: question.name)
def test_folds_are_scored_by_question(finished: Finished, question: Question) -> None:
    (found,) = (q for q in finished.measured["questions"] if q["name"] == question.name)
    assert [(row["model"], row["folds_of"]) for row in found["folds"]] == [
        ("boosting on composition", "stratified folds"),
        ("boosting on length alone", "stratified folds"),
    ]
    y, table, fold = by_hand(finished, question)
    expected = metrics.evaluate(y, table, (question.negative, question.positive))
    pooled = found["folds"][0]["pooled"]
    assert pooled["n"] == 48
    assert pooled["metrics"]["mcc"] == pytest.approx(expected.metrics["mcc"], abs=1e-4)
    assert pooled["metrics"]["ece"] == pytest.approx(expected.metrics["ece"], abs=1e-4)
    low, high = found["folds"][0]["intervals"]["mcc"]
    assert low <= pooled["metrics"]["mcc"] <= high
    here = fold == 1
    expected = metrics.evaluate(y[here], table[here], (question.negative, question.positive))
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
