"""How rows are split: four kinds, at every level, and what is told where that cannot be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin.component import Component
from sortilin.errors import ConfigError, LabelError, SortilinError
from sortilin.experiment import kept, run, splits, validate
from sortilin.experiment.balance import balance
from sortilin.experiment.config import to_yaml, validated
from sortilin.experiment.data import LabelledSet, load_parts
from sortilin.experiment.split_config import SplitConfig
from sortilin.experiment.splits import Parting
from sortilin.experiment.validate import Problem
from sortilin.interfaces import IntArray, Watch
from sortilin.sequences import clusters, dealing, mmseqs
from sortilin.sequences.clusters import Groups
from sortilin.sequences.relatives import Relatives
from sortilin.tuning import config as tuning_config
from sortilin.tuning import run as tuned_in
from test_experiment import TRAINING, config

LINEAR = {"name": "linear", "options": {"c": [1.0]}}


def group_of(sequences: Any) -> IntArray:
    """Three neighbours of each class in one cluster, nine sequences of the file."""
    row = {sequence: n for n, (_, sequence) in enumerate(TRAINING)}
    numbers = [row[s] for s in sequences]
    return np.array([n // 9 * 3 + n % 3 for n in numbers])


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Clusters without a search; what was asked of it."""
    asked: list[dict[str, Any]] = []

    def groups(sequences: Any, **how: Any) -> Groups:
        asked.append(how)
        return Groups(group_of(sequences), "a search 1.0", Relatives.none(len(sequences)))

    monkeypatch.setattr(clusters, "groups", groups)
    return asked


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tiny.write_table(tmp_path / "x.csv", TRAINING)


def marked(path: Path, marks: list[str]) -> Path:
    rows = zip(TRAINING, marks, strict=True)
    lines = [f"p{n},{label},{sequence},{mark}" for n, ((label, sequence), mark) in enumerate(rows)]
    path.write_text("\n".join(["id,label,sequence,split", *lines]) + "\n")
    return path


def rows_of(labelled_path: Path) -> LabelledSet:
    return load_parts("custom", [str(labelled_path)])[0]


def problem(groups: IntArray | None = None, kind: str = "stratified", n_folds: int = 3) -> Problem:
    y = np.array([list(tiny.PLANTED).index(label) for label, _ in TRAINING])
    x = np.random.default_rng(0).normal(size=(len(y), 4)) + y[:, None]
    return Problem(x, y, tuple(tiny.PLANTED), n_folds, 7, parting=Parting(kind, groups))


# --- kinds


def test_stratified_rows_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import StratifiedKFold, train_test_split

    task = problem()
    expected = StratifiedKFold(3, shuffle=True, random_state=7).split(task.x, task.y)
    for found, wanted in zip(validate.folds_of(task), expected, strict=True):
        assert [rows.tolist() for rows in found] == [rows.tolist() for rows in wanted]
    wanted_out = train_test_split(np.arange(len(task.y)), test_size=0.2, stratify=task.y, random_state=7)
    assert [rows.tolist() for rows in validate.hold_out_rows(task, 0.2)] == [r.tolist() for r in wanted_out]


def test_random_rows_are_those_of_scikit_learn() -> None:
    from sklearn.model_selection import KFold, train_test_split

    task = problem(kind="random")
    expected = KFold(3, shuffle=True, random_state=7).split(task.x)
    for found, wanted in zip(validate.folds_of(task), expected, strict=True):
        assert [rows.tolist() for rows in found] == [rows.tolist() for rows in wanted]
    wanted_out = train_test_split(np.arange(len(task.y)), test_size=0.2, random_state=7)
    assert [rows.tolist() for rows in validate.hold_out_rows(task, 0.2)] == [r.tolist() for r in wanted_out]


def test_clusters_stay_whole_in_folds_hold_out_and_what_lies_inside() -> None:
    groups = group_of([sequence for _, sequence in TRAINING])
    task = problem(groups, "homology")
    train, held_out = validate.hold_out_rows(task, 0.2)
    assert not set(groups[train]) & set(groups[held_out])
    inner = task.rows(train)
    assert inner.groups is not None
    assert np.array_equal(inner.groups, groups[train])
    for rows, others in validate.folds_of(inner):
        assert not set(inner.groups[rows]) & set(inner.groups[others])


def test_given_folds_and_validation_rows_are_as_marked(tmp_path: Path) -> None:
    n = len(TRAINING)
    folded = rows_of(marked(tmp_path / "f.csv", [f"fold-{i // 9 % 3 + 1}" for i in range(n)]))
    parted = splits.parting(SplitConfig(kind="given"), folded)
    found = splits.folds(folded.y, parted, 3, 0)
    assert [held_out.tolist() for _, held_out in found] == [
        [i for i in range(n) if i // 9 % 3 == fold] for fold in range(3)
    ]
    assert not splits.has_hold_out(parted, 0.2)
    val = rows_of(marked(tmp_path / "v.csv", ["val" if i % 10 < 3 else "train" for i in range(n)]))
    parted = splits.parting(SplitConfig(kind="given"), val)
    assert splits.has_hold_out(parted, 0.0)
    assert splits.hold_out(val.y, parted, 0.2, 0)[1].tolist() == [i for i in range(n) if i % 10 < 3]


def test_marks_in_fasta_headers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.fasta"
    path.write_text(
        "".join(
            f">p{n} TARGET={label} SET=train VALIDATION={n % 5 == 0}\n{sequence}\n"
            for n, (label, sequence) in enumerate(TRAINING)
        )
    )
    parted = splits.parting(SplitConfig(kind="given"), rows_of(path))
    y = np.zeros(len(TRAINING), dtype=np.int64)
    assert splits.hold_out(y, parted, 0.2, 0)[1].tolist() == list(range(0, len(TRAINING), 5))


# --- every level


class Spied:
    """Notes the rows that each fit of a classifier was given, and their clusters."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        module = sys.modules[f"sortilin.classifiers.{name}"]
        self.watches: list[tuple[int, Watch]] = []
        original = module.VARIANT.fit

        def fit(its: Any, x: Any, y: Any, **how: Any) -> None:
            self.watches.append((len(y), how.get("watch", Watch())))
            original(its, x, y, **how)

        monkeypatch.setattr(module.VARIANT, "fit", fit)


@pytest.mark.usefixtures("planted")
def test_each_fit_is_told_its_clusters(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Component(name="linear").build("classifier")
    spied = Spied(monkeypatch, "linear")
    run(config(table, classifier=LINEAR, split="homology", holdout=0.2), tmp_path / "out")
    assert len(spied.watches) == 1 + 3 + 3 + 1  # hold-out, its calibration, folds, all rows
    for n_rows, watch in spied.watches:
        assert watch.groups is not None
        assert len(watch.groups) == n_rows


def test_search_inside_a_fit_cuts_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.model_selection import GridSearchCV

    seen: list[Any] = []
    original = GridSearchCV.fit

    def noted(self: Any, x: Any, y: Any) -> Any:
        seen.append(list(self.cv))
        return original(self, x, y)

    monkeypatch.setattr(GridSearchCV, "fit", noted)
    groups = group_of([sequence for _, sequence in TRAINING])
    task = problem(groups, "homology")
    validate.fitted(Component(name="linear", options={"c": [0.1, 1.0], "search_folds": 3}), task)
    assert len(seen) == 1
    for folds in seen:
        for train, held_out in folds:
            assert not set(groups[train]) & set(groups[held_out])


def test_log_odds_of_calibrated_are_fitted_on_whole_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = group_of([sequence for _, sequence in TRAINING])
    made: list[tuple[IntArray, IntArray]] = []
    original = dealing.folds

    def noted(y: IntArray, its: IntArray, n_folds: int, seed: int) -> Any:
        found = original(y, its, n_folds, seed)
        made.extend((its[train], its[held_out]) for train, held_out in found)
        return found

    monkeypatch.setattr(dealing, "folds", noted)
    validate.fitted(Component(name="calibrated", options={"folds": 3}), problem(groups, "homology"))
    assert len(made) == 3
    assert all(not set(train) & set(held_out) for train, held_out in made)


def test_search_with_a_class_in_too_few_clusters_is_refused() -> None:
    groups = group_of([sequence for _, sequence in TRAINING])
    groups[problem().y == 2] = 1000
    spec = Component(name="linear", options={"c": [0.1, 1.0], "search_folds": 3})
    with pytest.raises(
        ConfigError, match=r"each class in 3 groups of homologues.*class number 2.*stands in 1"
    ):
        validate.fitted(spec, problem(groups, "homology"))


@pytest.mark.usefixtures("planted")
def test_tuning_cuts_no_cluster_and_says_what_it_reached(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("optuna")
    seen: list[tuple[Problem, IntArray, IntArray]] = []
    original = validate.fit_fold

    def noted(spec: Any, task: Problem, train: IntArray, held_out: IntArray, watch: Any) -> Any:
        seen.append((task, train, held_out))
        return original(spec, task, train, held_out, watch)

    monkeypatch.setattr(validate, "fit_fold", noted)
    values = config(table, classifier=LINEAR, split="homology", holdout=0.2).model_dump(mode="json")
    tune = {"folds": 3, "sampler": "grid", "space": {"c": [[0.1], [1.0]]}}
    tuning = tuning_config.resolved({**values, "tune": tune}, "test")
    tuned = tuned_in(tuning, tmp_path / "tune")
    assert len(seen) == 6
    for task, train, held_out in seen:
        assert task.groups is not None
        assert not set(task.groups[train]) & set(task.groups[held_out])
    assert tuned.split is not None
    assert json.loads((tmp_path / "tune" / "split.json").read_text()) == tuned.split.record()
    held_out_of_all = set(group_of([s for _, s in TRAINING])) - set(seen[0][0].groups)  # type: ignore[arg-type]
    assert held_out_of_all  # the experiment's own hold-out is whole clusters, and is not looked at


def test_tuning_on_given_folds_says_whose_number_is_wrong(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    path = marked(tmp_path / "x.csv", [f"fold-{row % 4 + 1}" for row in range(len(TRAINING))])
    values = config(path, split="given", folds=4).model_dump(mode="json")
    values |= {"classifier": LINEAR, "tune": {"folds": 3, "space": {"c": [[1.0], [2.0]]}}}
    with pytest.raises(ConfigError, match=r"^tune\.folds = 3: .* marks 4 folds"):
        tuned_in(tuning_config.resolved(values, "x"), tmp_path / "out")


def test_search_does_not_go_on_with_other_marks(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    for shift in (0, 0, 1):
        names = [f"fold-{(row + shift) // 3 % 3 + 1}" for row in range(len(TRAINING))]
        values = config(marked(tmp_path / "x.csv", names), split="given").model_dump(mode="json")
        values |= {"classifier": LINEAR, "tune": {"folds": 3, "space": {"c": [[1.0], [2.0]]}}}
        tuning = tuning_config.resolved(values, "x")
        if not shift:
            tuned_in(tuning, tmp_path / "out")
    with pytest.raises(ConfigError, match="belongs to another search; rows: other clusters or marks"):
        tuned_in(tuning, tmp_path / "out")


def test_tuning_on_one_split_tells_of_no_folds(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    path = marked(tmp_path / "x.csv", ["val" if row % 5 == 0 else "train" for row in range(len(TRAINING))])
    values = config(path, split="given").model_dump(mode="json")
    values |= {"classifier": LINEAR, "tune": {"folds": 1, "space": {"c": [[1.0], [2.0]]}}}
    found = tuned_in(tuning_config.resolved(values, "x"), tmp_path / "out").split
    assert found is not None
    assert found.holdout is not None
    assert found.folds is None


# --- a run


@pytest.mark.usefixtures("planted")
def test_run_records_and_prints_the_balance(table: Path, tmp_path: Path) -> None:
    folder, outcome = run(config(table, classifier=LINEAR, split="homology", holdout=0.2), tmp_path / "out")
    groups = group_of(outcome.data.sequences)
    fold = outcome.rows[0].cross_validation.fold
    assert all(len(np.unique(fold[groups == group])) == 1 for group in np.unique(groups))
    record = json.loads((folder.path / "metrics.json").read_text())["split"]
    assert (record["tool"], record["n_clusters"], record["largest_cluster"]) == ("a search 1.0", 30, 3)
    counts = np.array([list(part.values()) for part in record["folds"]["parts"].values()])
    expected = [np.bincount(outcome.data.y[fold == number], minlength=3) for number in range(3)]
    assert np.array_equal(counts, expected)
    assert set(record["holdout"]["parts"]) == {"training", "held out"}
    assert "## How the rows were split" in folder.card
    first = counts[0].tolist()
    assert f"| fold 1 | {' | '.join(map(str, first))} | {sum(first)} |" in folder.card
    assert "3-fold cross-validation split by homology (seed 7)" in folder.card
    assert "Largest deviation: " in folder.card
    assert folder.description["metrics"]["split"] == "3-fold cross-validation, seed 7, split by homology"
    assert "kind: homology" in (folder.path / "config.yaml").read_text()


def test_merely_stratified_run_says_nothing_new(table: Path, tmp_path: Path) -> None:
    folder, outcome = run(config(table, classifier=LINEAR), tmp_path / "out")
    assert outcome.split is None
    assert "How the rows were split" not in folder.card
    assert "3-fold stratified cross-validation (seed 7)" in folder.card
    assert json.loads((folder.path / "metrics.json").read_text())["split"] is None


def test_given_validation_rows_are_the_hold_out_of_a_run(tmp_path: Path) -> None:
    path = marked(tmp_path / "x.csv", ["val" if i % 10 < 3 else "train" for i in range(len(TRAINING))])
    _, outcome = run(config(path, classifier=LINEAR, split="given", holdout=0), tmp_path / "out")
    assert outcome.rows[0].holdout is not None
    assert outcome.rows[0].holdout.n == 27


def test_parameters_reach_the_search(planted: list[dict[str, Any]], table: Path) -> None:
    asked = SplitConfig(kind="homology", identity=0.5, coverage=0.7, sensitivity=4, tool="builtin")
    splits.parting(asked, rows_of(table))
    assert planted[0]["min_identity"] == 0.5
    assert planted[0]["min_identity_short"] == 0.6  # below, chance pairs peptides
    assert planted[0]["search"] == clusters.Search("builtin", 0.7, 4.0)
    splits.parting(SplitConfig(kind="homology", identity=0.9), rows_of(table))
    assert planted[1]["min_identity_short"] == 0.9


def test_clusters_change_what_a_kept_fold_is_known_by_and_their_absence_does_not() -> None:
    spec, x, y = Component(name="linear"), np.zeros((4, 2)), np.array([0, 1, 0, 1])
    plain = kept.identity(spec, x, y, n_classes=2, seed=1)
    assert kept.identity(spec, x, y, n_classes=2, seed=1, groups=None) == plain
    assert kept.identity(spec, x, y, n_classes=2, seed=1, groups=np.arange(4)) != plain


# --- configuration


def test_kind_alone_stands_for_its_mapping_and_is_written_so() -> None:
    plain = config("x.csv")
    assert plain.split == SplitConfig()
    assert "split: stratified" in to_yaml(plain)
    short, long = (config("x.csv", split=split) for split in ("homology", {"kind": "homology"}))
    assert short == long
    assert validated(short.model_dump(mode="json"), "test") == short
    assert validated(short.model_dump(), "test") == short


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("family", "split.kind"),
        ({"kind": "homology", "identity": 0}, "split.identity"),
        ({"kind": "homology", "identity": 1.1}, "split.identity"),
        ({"kind": "homology", "coverage": 0}, "split.coverage"),
        ({"kind": "homology", "coverage": 1.5}, "split.coverage"),
        ({"kind": "homology", "sensitivity": 9}, "split.sensitivity"),
        ({"kind": "homology", "tool": "blast"}, "split.tool"),
        ({"kind": "random", "identity": 0.3}, "identity: for kind homology only; found random"),
    ],
)
def test_split_that_is_none_is_refused(split: Any, message: str) -> None:
    values = {**config("x.csv").model_dump(), "split": split}
    with pytest.raises(ConfigError) as caught:
        validated(values, "test")
    assert message in str(caught.value)


# --- rows that cannot be split


def labelled_set(y: list[int], marks: tuple[str, ...] = ()) -> LabelledSet:
    sequences = tuple("ACDEFGHIKLMNPQRSTVWY"[i % 20] * (1 + i // 20) for i in range(len(y)))
    return LabelledSet("x", sequences, np.array(y), ("a", "b"), marks=marks)


def test_class_in_too_few_clusters_is_named_with_a_remedy() -> None:
    rows = labelled_set([0] * 8 + [1] * 8)
    parted = Parting("homology", np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8, 8, 8, 8, 9, 9]))
    with pytest.raises(LabelError) as caught:
        splits.check(rows, parted, 3, 0.0, 0)
    assert str(caught.value) == (
        "class 'b': its 8 sequences in x stand in 2 clusters of homologues, which cannot be dealt out for "
        "each of 3 folds to hold one; use fewer folds (at least 2), a hold-out of 0, clusters of a higher "
        "identity (--identity), or leave the class out"
    )


def test_hold_out_that_leaves_too_few_clusters_to_calibrate_on_is_refused() -> None:
    rows = labelled_set([0] * 12 + [1] * 12)
    parted = Parting("homology", np.array([*range(12), *(12 + i // 4 for i in range(12))]))
    splits.check(rows, parted, 3, 0.0, 0)
    with pytest.raises(
        LabelError, match=r"3 to be left beside a hold-out, one a fold of the calibration \(2"
    ):
        splits.check(rows, parted, 3, 0.2, 0)


def test_random_folds_that_lack_a_class_are_refused() -> None:
    rows = labelled_set([0] * 30 + [1] * 3)
    refused = []
    for seed in range(20):
        try:
            splits.check(rows, Parting("random"), 3, 0.0, seed)
        except LabelError as fault:
            refused.append(str(fault))
    assert refused
    assert all("unevenly split (random)" in message for message in refused)


def test_random_folds_of_a_calibration_that_cannot_learn_a_class_are_refused() -> None:
    y = np.array([0] * 40 + [1] * 4)
    parted, told = Parting("random"), "folds of the calibration, beside a hold-out, to learn from one"
    for seed in range(40):
        try:
            splits.check(labelled_set(y.tolist()), parted, 2, 0.2, seed)
        except LabelError as fault:
            refused = str(fault)
            if told in refused:
                break
            continue
        train, _ = splits.hold_out(y, parted, 0.2, seed)
        inner = splits.folds(y[train], parted.rows(train), 2, seed)
        assert all(len(np.unique(y[train][learned])) == 2 for learned, _ in inner)
    else:
        pytest.fail("no seed left a fold of the calibration without a class")


def test_rows_beside_marked_test_rows_are_for_training(tmp_path: Path) -> None:
    path = marked(tmp_path / "x.csv", ["test" if row % 5 == 0 else "" for row in range(len(TRAINING))])
    training, tests = load_parts("custom", [str(path)])
    assert tests is not None
    assert set(splits.parting(SplitConfig(kind="given"), training).marks) == {"train"}


def test_given_without_marks_is_refused(table: Path) -> None:
    with pytest.raises(LabelError, match=r"split given: .*x.csv marks no rows; mark them in the header"):
        splits.parting(SplitConfig(kind="given"), rows_of(table))


def test_folds_of_only_some_rows_are_refused() -> None:
    rows = labelled_set([0, 1, 0, 1], ("fold-1", "fold-2", "train", "fold-1"))
    with pytest.raises(LabelError, match=r"marks 3 of 4 rows with folds and others not .*row 3, 'train'"):
        splits.parting(SplitConfig(kind="given"), rows)


def test_other_number_of_given_folds_is_refused() -> None:
    rows = labelled_set([0, 1] * 6, ("fold-1", "fold-1", "fold-2", "fold-2") * 3)
    with pytest.raises(
        ConfigError, match=r"x marks 2 folds \(fold-1, fold-2\), and folds is 5: use folds: 2"
    ):
        splits.check(rows, splits.parting(SplitConfig(kind="given"), rows), 5, 0.0, 0)


def test_missing_mmseqs_is_told_with_what_to_do(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmseqs, "find", lambda: None)
    asked = SplitConfig(kind="homology", tool="mmseqs")
    with pytest.raises(ConfigError) as caught:
        splits.parting(asked, rows_of(table))
    assert str(caught.value).startswith("MMseqs2 is not installed: there is no program 'mmseqs' on the PATH")
    assert mmseqs.INSTALL in str(caught.value)
    assert str(caught.value).endswith("or search with phmmer: --tool builtin")


def test_mmseqs_that_fails_is_told_with_what_to_do(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "mmseqs"
    broken.write_text("#!/bin/sh\necho no memory left\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(mmseqs, "find", lambda: str(broken))
    with pytest.raises(SortilinError) as caught:
        splits.parting(SplitConfig(kind="homology"), rows_of(table))
    assert "failed with exit code 1; its last lines: no memory left" in str(caught.value)
    assert str(caught.value).endswith("or search with phmmer: --tool builtin")


# --- balance


def test_largest_deviation_is_that_of_the_most_uneven_class() -> None:
    y = np.array([0] * 10 + [1] * 10)
    parts = [np.array([0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 15, 16]), np.array([5, 6, 7, 8, 9, 17, 18, 19])]
    found = balance(y, ("a", "b"), parts, ("fold 1", "fold 2"), (0.5, 0.5))
    assert found.counts == ((5, 7), (5, 3))
    assert found.largest == ("fold 1", "b", 7, 5.0)
    assert found.sentence() == (
        "Largest deviation: fold 1 holds 7 of class b, 5.0 would be even (20.0 % of the class)."
    )
    assert found.lines() == ["part    a  b  all", "fold 1  5  7  12", "fold 2  5  3  8"]
