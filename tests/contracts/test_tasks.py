"""Every task by what a task must be."""

from __future__ import annotations

import pytest

from sortilin import datasets, registry
from sortilin.errors import LabelError
from sortilin.interfaces import Task
from sortilin.tasks import resolve
from sortilin.tasks.activity import Activity
from sortilin.tasks.anticancer import Anticancer
from sortilin.tasks.custom import Custom
from sortilin.tasks.localization import Localization

NAMES = registry.names("task")
# The type checker compares each with the protocol.
BUILTIN: list[Task] = [Activity(), Anticancer(), Custom(), Localization()]


@pytest.fixture(params=NAMES)
def task(request: pytest.FixtureRequest) -> Task:
    variant: Task = registry.get("task", request.param)
    return variant


def test_tasks_are_known_by_their_files() -> None:
    assert {type(task).name for task in BUILTIN} <= set(NAMES)
    assert {"anticancer", "custom", "localization"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_name_is_the_name_of_the_file(name: str) -> None:
    assert registry.get("task", name).name == name


def test_texts_are_given(task: Task) -> None:
    for text in (task.title, task.citation, task.metric, *task.limits, *task.not_for):
        assert text.strip() == text != ""
    assert "\n" not in task.title
    assert task.limits


def test_classes_are_none_or_two_or_more(task: Task) -> None:
    assert len(task.classes) != 1
    assert len(set(task.classes)) == len(task.classes)


def test_aliases_are_lower_case_and_mean_classes(task: Task) -> None:
    assert all(alias == alias.lower() for alias in task.aliases)
    assert set(task.aliases.values()) <= set(task.classes)
    assert not set(task.aliases) & set(task.classes)


def test_every_spelling_is_resolved(task: Task) -> None:
    for name in task.classes:
        assert resolve(task.classes, task.aliases, name) == name
        assert resolve(task.classes, task.aliases, name.upper()) == name
    for alias, name in task.aliases.items():
        assert resolve(task.classes, task.aliases, alias.title()) == name


def test_dataset_exists_and_holds_the_classes(task: Task) -> None:
    if task.dataset is None:
        assert task.classes == ()
    else:
        names = (task.dataset, *task.more_datasets)
        labels = {label for name in names for label in datasets.get(name).counts}
        assert {resolve(task.classes, task.aliases, label) for label in labels} == set(task.classes)


def test_questions_are_of_two_classes_and_of_a_dataset_that_holds_both(task: Task) -> None:
    assert len({question.name for question in task.questions}) == len(task.questions)
    for question in task.questions:
        assert question.title.endswith("?")
        found = {resolve(task.classes, task.aliases, c) for c in datasets.get(question.dataset).counts}
        assert found == {question.positive, question.negative} <= set(task.classes)


def test_class_gives_way_to_another_class(task: Task) -> None:
    for name, other in task.gives_way.items():
        assert {name, other} <= set(task.classes)
        assert name != other


def test_positive_class_comes_second() -> None:
    assert Anticancer.classes == ("not_anticancer", "anticancer")


def test_label_that_does_not_say_which_negative_is_refused() -> None:
    assert resolve(Activity.classes, Activity.aliases, "1") == "anticancer"
    with pytest.raises(
        LabelError, match="unknown label '0'; choose from: neither, antimicrobial, anticancer"
    ):
        resolve(Activity.classes, Activity.aliases, "0")
    assert resolve(Anticancer.classes, Anticancer.aliases, "antimicrobial") == "not_anticancer"


def test_metrics_are_those_of_the_papers() -> None:
    assert (Localization.metric, Anticancer.metric) == ("macro_f1", "mcc")
