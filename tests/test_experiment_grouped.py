"""Folds grouped by homology: no group is split, and what they say stands beside the stratified folds."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin.cli.train import _resolved
from sortilin.errors import LabelError, MissingDependencyError, SortilinError
from sortilin.experiment import Component, grouped, run, validate
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import IntArray
from sortilin.sequences import clusters, mmseqs
from sortilin.sequences.clusters import Groups
from sortilin.sequences.relatives import Pair, Pairs, Relatives
from test_experiment import TRAINING, Spy, _rows, config, problem, refused, spec  # noqa: F401 - fixtures
from test_sequences_clusters import mutated


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups without a search: three neighbours of each class in one group, nine sequences of the file."""

    def groups(sequences: Any, **_: Any) -> Groups:
        row = {sequence: n for n, (_, sequence) in enumerate(TRAINING)}
        numbers = [row[s] for s in sequences]
        labels = np.array([n // 9 * 3 + n % 3 for n in numbers])
        return Groups(labels, "a search 1.0", family_members(numbers, labels))

    monkeypatch.setattr(clusters, "groups", groups)


def family_members(numbers: list[int], labels: IntArray) -> Relatives:
    """Each member of a group is like the others of it, the more the nearer their numbers are."""
    pairs = [
        Pair(a, b, 50, round(0.95 - 0.1 * (abs(numbers[a] - numbers[b]) // 3), 2), 1e-9)
        for a in range(len(numbers))
        for b in range(a + 1, len(numbers))
        if labels[a] == labels[b]
    ]
    return Relatives(np.arange(len(numbers)), Pairs.of(pairs).ranked())


def labelled_groups(labels: Any) -> Groups:
    """Groups without any pair."""
    return Groups(np.array(labels), "x", Relatives.none(len(labels)))


def unsplit(folds: IntArray, groups: IntArray) -> bool:
    """Whether each group stands in one fold."""
    return all(len(np.unique(folds[groups == group])) == 1 for group in np.unique(groups))


# --- folds


def test_folds_are_those_of_scikit_learn_with_the_same_seed() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    rng = np.random.default_rng(0)
    y, groups = rng.integers(3, size=90), rng.integers(30, size=90)
    expected = StratifiedGroupKFold(4, shuffle=True, random_state=3).split(y, y, groups)
    found = list(validate.grouped_folds(y, groups, 4, 3))
    for (train, held_out), (its_train, its_held_out) in zip(found, expected, strict=True):
        assert np.array_equal(train, its_train)
        assert np.array_equal(held_out, its_held_out)
    folds = np.empty(90, dtype=np.int64)
    for number, (_, held_out) in enumerate(found):
        folds[held_out] = number
    assert unsplit(folds, groups)
    other = list(validate.grouped_folds(y, groups, 4, 4))
    assert not np.array_equal(other[0][1], found[0][1])


def test_scores_of_a_fold_come_from_a_fit_without_its_groups(
    problem: validate.Problem,  # noqa: F811
    spec: Component,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups = np.arange(60) // 3
    folds = tuple(validate.grouped_folds(problem.y, groups, 4, 3))
    spy = Spy(monkeypatch, spec.name)
    grouping = grouped.Grouping(labelled_groups(groups), folds)
    measured = grouped.cross_validate(spec, problem, grouping).cross_validation
    assert unsplit(measured.fold, groups)
    assert len(spy.fits) == len(spy.scored_after_fit) == 4
    for fold, (number, scored) in enumerate(spy.scored_after_fit):
        assert scored == _rows(problem.x[measured.fold == fold])
        assert spy.fits[number] == _rows(problem.x[measured.fold != fold])
    assert np.allclose(measured.probabilities.sum(axis=1), 1)


# --- a run


@pytest.mark.usefixtures("planted")
def test_result_stands_in_folder_and_card(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    folder, outcome = run(config(data, homology=True, baselines=True), tmp_path / "model")
    assert outcome.grouped is not None
    groups, measured = outcome.grouped.groups, outcome.grouped.cross_validation
    assert (groups.n, groups.largest) == (30, 3)
    assert unsplit(measured.fold, groups.labels)
    assert not unsplit(outcome.rows[0].cross_validation.fold, groups.labels)
    record = json.loads((folder.path / "metrics.json").read_text())["grouped"]
    assert (record["tool"], record["n_groups"], record["largest_group"]) == ("a search 1.0", 30, 3)
    assert [fold["n"] for fold in record["folds"]] == [fold.n for fold in measured.folds]
    assert record["pooled"]["n"] == 90
    assert record["folds_chosen"] == [{}, {}, {}]
    cells = [f"{measured.mean(name):.3f} ± {measured.spread(name):.3f}" for name in ("macro_f1", "accuracy")]
    assert f"\n| grouped by homology | {' | '.join(cells)} |" in folder.card
    assert "a search 1.0 left 30 groups, the largest of 3 sequences; no group stands in two folds:" in (
        folder.card
    )
    assert "for new families, read the row of the grouped ones" in folder.card
    assert "expect less on new families" not in folder.card
    assert "homology: true" in (folder.path / "config.yaml").read_text()


@pytest.mark.usefixtures("planted")
def test_nothing_else_depends_on_it(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    plain, without = run(config(data, "svm"), tmp_path / "plain")
    folder, with_groups = run(config(data, "svm", homology=True), tmp_path / "grouped")
    assert without.grouped is None
    assert json.loads((plain.path / "metrics.json").read_text())["grouped"] is None
    assert "grouped by homology" not in plain.card
    assert "not by homology: expect less on new families" in plain.card
    for name in ("model.onnx", "arrays.safetensors"):
        assert folder.description["files"][name] == plain.description["files"][name]
    assert np.array_equal(
        with_groups.rows[0].cross_validation.scores, without.rows[0].cross_validation.scores
    )


def test_families_in_the_data_are_kept_together(search_tool: str, tmp_path: Path) -> None:
    rows = [(label, mutated(s, 0.1, seed)) for seed in range(3) for label, s in TRAINING[:24]]
    data = tiny.write_table(tmp_path / "x.csv", rows)
    stages: set[str] = set()
    _, outcome = run(
        config(data, "svm", homology=True), tmp_path / "out", on_progress=lambda stage, *_: stages.add(stage)
    )
    assert outcome.grouped is not None
    measured = outcome.grouped.cross_validation
    assert unsplit(measured.fold, np.arange(72) % 24)
    assert {"homology search", "measuring svm on composition, grouped"} <= stages


# --- errors before any fit


def test_class_in_too_few_groups_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = TRAINING[0][1]
    rows = TRAINING[:60] + [("rare", mutated(parent, 0.1, seed)) for seed in range(5)]
    data = tiny.write_table(tmp_path / "x.csv", rows)

    def groups(sequences: Any, **_: Any) -> Groups:
        number = {sequence: n for n, (_, sequence) in enumerate(rows)}
        return labelled_groups([min(number[s], 61) for s in sequences])

    monkeypatch.setattr(clusters, "groups", groups)
    message = refused(config(data, homology=True), tmp_path / "out", LabelError)
    assert message == (
        f"class 'rare': its 5 sequences in {data} stand in 2 groups of homologues, which cannot be dealt out "
        "so that each of 3 folds holds one; use fewer folds (at least 2), or leave out the folds grouped by "
        "homology"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 0, 0, 0, 0, 0, 0, 0], "class 'a': its 4 sequences in x stand in 1 groups of homologues"),
        ([0, 1, 2, 3, 4, 4, 4, 4], "class 'b': its 4 sequences in x stand in 1 groups of homologues"),
    ],
)
def test_groups_that_cannot_be_dealt_out_are_named(groups: list[int], message: str) -> None:
    labelled = LabelledSet("x", tuple("ACDEFGHI"), np.repeat([0, 1], 4), ("a", "b"))
    with pytest.raises(LabelError) as caught:
        grouped.folds(labelled, labelled_groups(groups), 2, 0)
    assert str(caught.value).startswith(message)


def test_fold_that_lacks_a_class_all_the_same_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    labelled = LabelledSet("x", tuple("ACDEFGHI"), np.repeat([0, 1], 4), ("a", "b"))
    uneven = [(np.array([0, 1, 2, 4]), np.array([3, 5, 6, 7])), (np.array([3, 5, 6, 7]), np.array([0, 1, 2]))]
    monkeypatch.setattr(validate, "grouped_folds", lambda *_: uneven)
    with pytest.raises(LabelError, match="class 'b': its 4 sequences in x stand in 4 groups of homologues"):
        grouped.folds(labelled, labelled_groups(range(8)), 2, 0)


def test_class_of_which_one_family_takes_nearly_all_is_refused() -> None:
    labelled = LabelledSet("x", tuple("ACDEFGHIKLMN"), np.repeat([0, 1], 6), ("a", "b"))
    groups = labelled_groups([0, 1, 2, 3, 4, 5, 6, 6, 6, 6, 6, 7])
    with pytest.raises(
        LabelError, match=r"class 'b': so many of its 6 .* leaves 1 to train on, fewer than the 2"
    ):
        grouped.folds(labelled, groups, 2, 0)


def test_missing_search_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    monkeypatch.setattr(mmseqs, "find", lambda: None)
    monkeypatch.setitem(sys.modules, "pyhmmer", None)
    message = refused(config(data, homology=True), tmp_path / "out", MissingDependencyError)
    assert message == "homology search needs pyhmmer: pip install 'sortilin[train]'"


def test_search_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    monkeypatch.setattr(mmseqs, "find", lambda: str(tmp_path / "no-such-program"))
    message = refused(config(data, homology=True), tmp_path / "out", SortilinError)
    assert message == f"{tmp_path / 'no-such-program'} cannot be run: No such file or directory"


# --- networks


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
def test_killed_run_of_a_network_goes_on(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", random.Random(0).sample(TRAINING, 90))
    asked = config(
        data,
        "neural",
        homology=True,
        folds=2,
        features=None,
        classifier={
            "name": "neural",
            "options": {
                "backbone": {"name": "onehot", "options": {"embedding": 4}},
                "head": {"name": "lstm", "options": {"hidden": 4}},
                "validation": 0.2,
                "training": {"epochs": 2, "batch_size": 16},
            },
        },
    )

    def kill(stage: str, _done: int, _total: int) -> None:
        if stage.startswith("neural lstm, grouped, fold 2"):
            raise InterruptedError(stage)

    with pytest.raises(InterruptedError):
        run(asked, tmp_path / "model", on_progress=kill)
    place = tmp_path / "model.training" / "neural-lstm,-grouped"
    assert list((place / "fold-1").rglob("checkpoint*"))
    told: list[str] = []
    folder, found = run(asked, tmp_path / "model", on_progress=lambda stage, *_: told.append(stage))
    assert found.grouped is not None
    x = np.array(found.data.sequences, dtype=object)
    task = validate.Problem(x, found.data.y, found.data.classes, 2, 7)
    folds = grouped.folds(found.data, found.grouped.groups, 2, 7)
    undisturbed = validate.cross_validate(asked.classifier, task, folds=folds)
    assert np.array_equal(found.grouped.cross_validation.probabilities, undisturbed.probabilities)
    assert "each fold is calibrated on rows that its network set aside" in folder.card
    assert "on rows set aside from training." in folder.card


# --- options


def test_it_is_asked_for_by_file_or_option(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(json.dumps(config("x.csv", homology=True).model_dump(mode="json")))
    plain: dict[str, Any] = {"task": "anticancer", "data": (), "tests": (), "homology": None}
    assert _resolved(None, plain).homology is False
    assert _resolved(None, {**plain, "homology": True}).homology is True
    assert _resolved(path, {"homology": None}).homology is True
    assert _resolved(path, {"homology": False}).homology is False
