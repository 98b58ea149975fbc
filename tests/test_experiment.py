"""Experiments on a tiny set: a folder that serves, figures that come again, and no look at test data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import printed
import sortilin
import tiny
from sortilin import artifact, registry
from sortilin.errors import (
    ConfigError,
    DatasetError,
    LabelError,
    OutputError,
    SortilinError,
    UnknownNameError,
)
from sortilin.evaluation import calibration
from sortilin.experiment import Component, ExperimentConfig, read_config, run, validate
from sortilin.experiment.run import Outcome
from sortilin.experiment.validate import Problem
from sortilin.interfaces import FloatArray

CLASSIFIERS: dict[str, dict[str, Any]] = {
    "svm": {"c": [1.0], "gamma": ["scale"]},
    "boosting": {"rounds": 15, "smallest_leaf": 5},
}
TRAINING = tiny.labelled(1, 30)
NEW = tiny.labelled(2, 4)


def config(data: Path | str, classifier: str = "boosting", /, **changes: Any) -> ExperimentConfig:
    given = {
        "task": "custom",
        "data": str(data),
        "features": {"name": "composition"},
        "classifier": {"name": classifier, "options": CLASSIFIERS.get(classifier, {})},
        "seed": 7,
        "folds": 3,
        "baselines": False,
        "holdout": 0,
    }
    return ExperimentConfig.model_validate({**given, **changes})


class Finished(NamedTuple):
    """An experiment that was run in full: hold-out, baselines, two test sets."""

    folder: artifact.ModelFolder
    outcome: Outcome
    measured: dict[str, Any]
    stages: set[str]


@pytest.fixture(scope="module", params=CLASSIFIERS)
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    place = tmp_path_factory.mktemp(request.param)
    data = tiny.write_table(place / "train.csv", TRAINING)
    mixed = tiny.write_table(place / "mixed.csv", NEW + TRAINING[:5])
    new = tiny.write_table(place / "new.csv", NEW)
    asked = config(data, request.param, tests=[str(mixed), str(new)], baselines=True, holdout=0.2)
    stages: set[str] = set()
    folder, outcome = run(asked, place / "runs" / "model", on_progress=lambda stage, *_: stages.add(stage))
    return Finished(folder, outcome, json.loads((folder.path / "metrics.json").read_text()), stages)


def refused(asked: ExperimentConfig, out: Path, error: type[SortilinError] = SortilinError) -> str:
    """What a run says that is refused; nothing was fitted, and nothing is left."""
    with pytest.MonkeyPatch.context() as patch:
        for name in registry.names("classifier"):
            patch.setattr(registry.get("classifier", name), "fit", None)
        with pytest.raises(error) as caught:
            run(asked, out)
    return str(caught.value)


# --- the folder


def test_folder_loads_and_predicts(finished: Finished) -> None:
    model = sortilin.load(finished.folder.path)
    assert model.classes == ("acidic", "basic", "greasy")
    found = model.predict([sequence for _, sequence in NEW])
    n_right = sum(p.label == label for p, (label, _) in zip(found, NEW, strict=True))
    assert n_right >= len(NEW) - 1
    assert all("trained_on" not in p.flags for p in found)
    assert model.predict([TRAINING[3][1]])[0].flags == ("trained_on",)


def test_predictions_are_those_of_the_scored_test(finished: Finished) -> None:
    model = sortilin.load(finished.folder.path)
    table = model.predict_proba([sequence for _, sequence in NEW])
    y = np.array([model.classes.index(label) for label, _ in NEW])
    log_loss = -np.log(table[np.arange(len(y)), y]).mean()
    evaluation = finished.outcome.tests[-1].evaluation
    assert evaluation.metrics["log_loss"] == pytest.approx(log_loss, abs=1e-4)


def test_description_says_what_was_run(finished: Finished) -> None:
    described = finished.folder.description
    lengths = [len(sequence) for _, sequence in TRAINING]
    assert described["training_data"]["n"] == 90
    assert described["training_data"]["classes"] == {"acidic": 30, "basic": 30, "greasy": 30}
    assert described["training_data"]["lengths"] == [min(lengths), max(lengths)]
    assert described["features"] == {"name": "composition", "config": {}, "n_features": 20}
    assert described["seed"] == 7
    first = finished.measured["rows"][0]
    folds = [fold["metrics"]["macro_f1"] for fold in first["folds"]]
    assert described["metrics"]["macro_f1"] == pytest.approx(np.mean(folds), abs=1e-4)


def test_same_configuration_gives_the_same_figures(finished: Finished, tmp_path: Path) -> None:
    again, _ = run(read_config(finished.folder.path / "config.yaml"), tmp_path / "again")
    found = json.loads((again.path / "metrics.json").read_text())
    for key in ("rows", "tests", "held_out", "grouped"):
        assert found[key] == finished.measured[key], key
    same = ("model.onnx", "arrays.safetensors", "config.yaml", "reliability.svg")
    for name in same:
        assert again.description["files"][name] == finished.folder.description["files"][name], name


def test_audit_stands_first_on_the_card_and_in_the_figures(finished: Finished) -> None:
    card = finished.folder.card
    first = next(line for line in card.splitlines() if line.startswith("## "))
    assert first == "## Leakage audit"
    mixed = Path(finished.outcome.config.tests[0])
    assert f"- Of {mixed}, 5 of 17 sequences stand in " in card
    assert "MCC" not in card.partition("## Leakage audit")[2].partition("\n## ")[0]  # three classes: macro-F1
    n = len(finished.outcome.data)
    assert f" of shortcuts in cross-validation (n = {n}, mean ± standard deviation over 3 folds): " in card
    audited = finished.measured["audit"]
    assert [one["copies"]["rows"] for one in audited["overlaps"]] == [5, 0, 12]
    assert audited["conflicts"] == 0
    assert not any(sequence in json.dumps(audited) for _, sequence in TRAINING)


def test_card_says_what_would_have_leaked(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", [*TRAINING, TRAINING[7]])
    test = tiny.write_table(tmp_path / "test.csv", [*NEW, *TRAINING[:2]])
    folder, outcome = run(config(data, tests=str(test), leave_out_copies={}), tmp_path / "model")
    assert outcome.audit is not None
    assert not outcome.audit.overlaps[0].is_copy.any()
    assert "- Left out of training: 1 repeat, 2 rows that test sets hold too, or nearly.\n" in folder.card


def test_audit_is_left_out_where_it_is_not_asked_for(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", TRAINING)
    folder, outcome = run(config(data, audit=False), tmp_path / "model")
    assert outcome.audit is None
    assert "Leakage audit" not in folder.card
    assert json.loads((folder.path / "metrics.json").read_text())["audit"] is None


def test_another_seed_gives_other_splits(finished: Finished, tmp_path: Path) -> None:
    asked = finished.outcome.config.model_copy(update={"seed": 8, "baselines": False, "tests": ()})
    _, other = run(asked, tmp_path / "other")
    before, after = (o.rows[0].cross_validation.fold for o in (finished.outcome, other))
    assert not np.array_equal(before, after)


def test_card_has_the_tables(finished: Finished) -> None:
    card, name = finished.folder.card, finished.outcome.config.classifier.name
    assert card.startswith(f"# custom: {name} on composition\n")
    for heading in ("Intended use", "Limits", "Training data", "Measured", "Calibration", "How it was made"):
        assert f"\n## {heading}\n" in card
    metrics = "macro-F1 | accuracy | ROC-AUC | precision | recall | MCC | ECE |"
    assert card.count(f"| model | {metrics}") == 2  # cross-validation and hold-out
    assert f"| test set | part | n | {metrics}" in card
    assert "| class | precision | recall | F1 | ROC-AUC | n |" in card
    assert "| true | acidic | basic | greasy |" in card
    assert "3-fold stratified cross-validation (seed 7), mean ± standard deviation over folds, n = 90" in card
    assert "One stratified hold-out of 20% (seed 7, n = 18; 95% intervals):" in card
    for place, row in enumerate(finished.outcome.rows):
        assert card.count(f"| {row.model} |") == (3 if place else 2)  # a shortcut is compared too
    assert printed.bare(card) == []
    value = finished.outcome.rows[0].cross_validation
    assert (
        f"| {name} on composition | {value.mean('macro_f1'):.3f} ± {value.spread('macro_f1'):.3f} |" in card
    )


def test_baselines_stand_beside_the_model(finished: Finished) -> None:
    model, length, *others = finished.outcome.rows
    is_baseline = finished.outcome.config.classifier.name == "boosting"
    assert length.model == "boosting on length alone"
    # Boosting on composition is that baseline itself, and stands there once.
    assert [row.model for row in others] == ([] if is_baseline else ["boosting on composition alone"])
    assert model.cross_validation.pooled.metrics["accuracy"] > 0.9
    assert length.cross_validation.pooled.metrics["accuracy"] < 0.6
    for row in finished.outcome.rows:
        assert row.holdout is not None
        assert row.holdout.n == 18
        assert row.cross_validation.pooled.n == sum(fold.n for fold in row.cross_validation.folds) == 90


def test_training_sequences_in_a_test_set_are_scored_apart(finished: Finished) -> None:
    n_new = len(NEW)
    found = [(Path(t.name).name, t.part, t.evaluation.n) for t in finished.outcome.tests]
    assert found == [
        ("mixed.csv", "whole", n_new + 5),
        ("mixed.csv", "without 5 training sequences", n_new),
        ("new.csv", "whole", n_new),
    ]
    assert finished.outcome.tests[1].evaluation == finished.outcome.tests[2].evaluation
    assert "| without 5 training sequences | 12 |" in finished.folder.card


def test_progress_tells_the_stages(finished: Finished) -> None:
    name = finished.outcome.config.classifier.name
    assert {"features", f"measuring {name} on composition", "fitting on all sequences"} <= finished.stages


def test_test_set_may_hold_a_part_of_the_classes(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", TRAINING)
    one = tiny.write_table(tmp_path / "one.csv", [("Basic", NEW[1][1])])
    _, outcome = run(config(data, "svm", tests=[str(one)]), tmp_path / "model")
    (test,) = outcome.tests
    assert test.evaluation.n == 1
    assert [values["support"] for values in test.evaluation.per_class.values()] == [0, 1, 0]


def test_rows_marked_as_test_are_scored_and_not_trained_on(tmp_path: Path) -> None:
    data = tmp_path / "split.csv"
    rows = [(label, sequence, "train") for label, sequence in TRAINING]
    rows += [(label, sequence, "test") for label, sequence in NEW]
    lines = [f"{label},{sequence},{split}" for label, sequence, split in rows]
    data.write_text("\n".join(["label,sequence,set", *lines]) + "\n")
    folder, outcome = run(config(data, "svm"), tmp_path / "model")
    assert len(outcome.data) == len(TRAINING)
    (test,) = outcome.tests
    assert (test.part, test.evaluation.n) == ("whole", len(NEW))
    assert not sortilin.load(folder.path).was_trained_on([sequence for _, sequence in NEW]).any()


def test_repeats_are_trained_on_once(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING + TRAINING[:4])
    once = tiny.write_table(tmp_path / "once.csv", TRAINING)
    (_, twice), (_, plain) = (run(config(path, "svm"), tmp_path / path.stem) for path in (data, once))
    assert (twice.n_repeats, plain.n_repeats) == (4, 0)
    assert twice.data.fingerprint == plain.data.fingerprint
    assert np.array_equal(twice.rows[0].cross_validation.scores, plain.rows[0].cross_validation.scores)


def test_labelled_task_uses_its_own_classes(tmp_path: Path) -> None:
    rows = [("ACP" if label == "basic" else "0", sequence) for label, sequence in TRAINING]
    data = tiny.write_table(tmp_path / "train.csv", rows)
    folder, outcome = run(config(data, "svm", task="anticancer"), tmp_path / "model")
    assert folder.description["classes"] == ["not_anticancer", "anticancer"]
    assert outcome.data.class_counts == {"not_anticancer": 60, "anticancer": 30}
    assert "| model | MCC | accuracy | SN | SP |" in folder.card


# --- nothing that is measured on chose anything


class Spy:
    """Records the rows that any classifier is fitted on, as bytes."""

    def __init__(self, patch: pytest.MonkeyPatch, classifier: str) -> None:
        variant = registry.get("classifier", classifier)
        self.fits: list[set[bytes]] = []
        self.scored_after_fit: list[tuple[int, set[bytes]]] = []
        real_fit, real_scores = variant.fit, variant.scores

        def fit(this: Any, x: FloatArray, y: Any, **options: Any) -> None:
            self.fits.append(_rows(x))
            this.number = len(self.fits) - 1
            real_fit(this, x, y, **options)

        def scores(this: Any, x: FloatArray) -> Any:
            self.scored_after_fit.append((this.number, _rows(x)))
            return real_scores(this, x)

        patch.setattr(variant, "fit", fit)
        patch.setattr(variant, "scores", scores)


def _rows(x: Any) -> set[bytes]:
    return {row.tobytes() for row in x}


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(0)
    y = rng.permutation(np.repeat([0, 1, 2], 20))
    x = (np.eye(3)[y] * 2 + rng.normal(size=(60, 3))).astype(np.float32)
    return Problem(x, y, ("a", "b", "c"), 4, 3)


@pytest.fixture(params=CLASSIFIERS)
def spec(request: pytest.FixtureRequest) -> Component:
    return Component(name=request.param, options=CLASSIFIERS[request.param])


@pytest.fixture
def network() -> Component:
    options = {
        "backbone": {"name": "onehot", "options": {"embedding": 4}},
        "head": {"name": "lstm", "options": {"hidden": 4}},
        "validation": 0.2,
        "training": {"epochs": 2, "batch_size": 8},
    }
    return Component(name="neural", options=options)


def test_scores_of_a_fold_come_from_a_fit_without_it(
    problem: Problem, spec: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, spec.name)
    measured = validate.cross_validate(spec, problem)
    assert len(spy.fits) == len(spy.scored_after_fit) == 4
    for fold, (number, scored) in enumerate(spy.scored_after_fit):
        assert scored == _rows(problem.x[measured.fold == fold])
        assert spy.fits[number] == _rows(problem.x[measured.fold != fold])
    assert set().union(*(scored for _, scored in spy.scored_after_fit)) == _rows(problem.x)


def test_folds_are_those_of_scikit_learn_with_the_same_seed(problem: Problem) -> None:
    from sklearn.model_selection import StratifiedKFold

    expected = StratifiedKFold(4, shuffle=True, random_state=3).split(problem.x, problem.y)
    for found, (train, held_out) in zip(validate.stratified_folds(problem), expected, strict=True):
        assert np.array_equal(found[0], train)
        assert np.array_equal(found[1], held_out)


def test_fold_is_calibrated_on_the_scores_of_the_others(
    problem: Problem, spec: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_on: list[set[bytes]] = []
    real = calibration.fit

    def fit(scores: Any, y: Any, **options: Any) -> Any:
        fitted_on.append(_rows(scores))
        return real(scores, y, **options)

    monkeypatch.setattr(calibration, "fit", fit)
    measured = validate.cross_validate(spec, problem)
    assert len(fitted_on) == 4
    for fold, used in enumerate(fitted_on):
        assert used == _rows(measured.scores[measured.fold != fold])


def test_fold_of_a_network_is_calibrated_on_rows_that_it_set_aside(
    network: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequences = np.array([sequence for _, sequence in TRAINING[:60]], dtype=object)
    task = Problem(sequences, np.arange(60) % 3, ("a", "b", "c"), 2, 3)
    fitted_on: list[tuple[int, set[bytes]]] = []
    real = calibration.fit

    def fit(scores: Any, y: Any, **options: Any) -> Any:
        fitted_on.append((len(y), _rows(scores)))
        return real(scores, y, **options)

    monkeypatch.setattr(calibration, "fit", fit)
    measured = validate.cross_validate(network, task)
    assert [n for n, _ in fitted_on] == [6, 6]  # 20% of the 30 that a fold learns from
    assert not any(used & _rows(measured.scores) for _, used in fitted_on)
    assert all(chosen["epochs"] == 2 for chosen in measured.chosen)


def test_hold_out_is_scored_once_by_a_fit_that_never_saw_it(
    problem: Problem, spec: Component, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Spy(monkeypatch, spec.name)
    evaluation, _ = validate.hold_out(spec, problem, 0.25)
    held_out = spy.scored_after_fit[-1][1]
    assert evaluation.n == len(held_out) == 15
    for rows in spy.fits:
        assert not rows & held_out
    for _, scored in spy.scored_after_fit[:-1]:
        assert not scored & held_out


def test_test_sets_influence_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tiny.write_table(tmp_path / "train.csv", TRAINING)
    test = tiny.write_table(tmp_path / "test.csv", NEW)
    asked = config(data, holdout=0.2, baselines=True)
    without, _ = run(asked, tmp_path / "without")

    spy = Spy(monkeypatch, "boosting")
    with_test, _ = run(asked.model_copy(update={"tests": (str(test),)}), tmp_path / "with")
    rows = _rows(registry.get("features", "composition")().transform([sequence for _, sequence in NEW]))
    assert len(rows) == len(NEW)
    assert not any(rows & fitted for fitted in spy.fits)
    for name in ("model.onnx", "arrays.safetensors"):
        assert with_test.description["files"][name] == without.description["files"][name]


# --- errors before long work


def test_unknown_names_offer_the_known_ones(tmp_path: Path) -> None:
    data, out = tiny.write_table(tmp_path / "x.csv", TRAINING), tmp_path / "out"
    for change, message in (
        ({"task": "costum"}, "unknown task 'costum'; did you mean 'custom'?"),
        ({"features": Component(name="peptides")}, "unknown features 'peptides'; did you mean 'peptide'?"),
        ({"classifier": Component(name="sv")}, "unknown classifier 'sv'; did you mean 'svm'?"),
    ):
        asked = config(data).model_copy(update=change)
        assert refused(asked, out, UnknownNameError).startswith(message)
    assert not out.exists()


@pytest.mark.parametrize(
    ("kind", "component", "message"),
    [
        (
            "classifier",
            {"name": "svm", "options": {"cost": 3}},
            "classifier 'svm': cost: Extra inputs are not permitted (found 3)",
        ),
        (
            "classifier",
            {"name": "boosting", "options": {"leaves": 1}},
            "classifier 'boosting': leaves: Input should be greater than or equal to 2 (found 1)",
        ),
        (
            "features",
            {"name": "paper71", "options": {"k": 2}},
            "features 'paper71': k: Extra inputs are not permitted (found 2)",
        ),
        (
            "classifier",
            {"name": "neural", "options": {"maximum": 1}},
            "classifier 'neural': maximum: Extra inputs are not permitted (found 1)",
        ),
        (
            "classifier",
            {"name": "neural", "options": {"training": {"epochs": 0}}},
            "classifier 'neural': training.epochs: Input should be greater than 0 (found 0)",
        ),
        (
            "classifier",
            {"name": "neural", "options": {"head": {"name": "lstm", "options": {"hiden": 3}}}},
            "head 'lstm': hiden: Extra inputs are not permitted (found 3)",
        ),
        (
            "classifier",
            {"name": "neural", "options": {"backbone": {"name": "esm9"}}},
            f"unknown backbone 'esm9'; choose from: {', '.join(registry.names('backbone'))}",
        ),
    ],
)
def test_option_that_is_not_allowed_is_named(
    kind: str, component: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    changes: dict[str, Any] = {kind: component}
    if component["name"] == "neural":
        changes["features"] = None
    assert refused(config(data, **changes), tmp_path / "out", ConfigError) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"features": None},
            f"classifier 'boosting' needs features; choose from: {', '.join(registry.names('features'))}",
        ),
        (
            {"classifier": {"name": "neural"}},
            "classifier 'neural' reads the sequence itself; leave out features (found 'composition')",
        ),
    ],
)
def test_features_stand_where_they_are_read_and_nowhere_else(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config("x.csv", **changes)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 1}, "folds: Input should be greater than or equal to 2 (found 1)"),
        ({"holdout": 0.6}, "holdout: Input should be less than or equal to 0.5 (found 0.6)"),
        ({"seed": -1}, "seed: Input should be greater than or equal to 0 (found -1)"),
        (
            {"labels": "headers"},
            "labels: choose from: auto, biotrainer, deeploc, pipe, column, ",
        ),
        ({"classifier": "svm"}, "classifier: Input should be a valid dictionary"),
        ({"epochs": 5}, "epochs: Extra inputs are not permitted (found 5)"),
    ],
)
def test_value_that_is_not_allowed_is_named_with_its_file(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(json.dumps({**config("x.csv").model_dump(mode="json"), **changes}))
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert str(caught.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "task: custom\n",
            "{path}: classifier: Field required; seed: Field required",
        ),
        ("- custom\n", "{path} holds no mapping of options; found list"),
        ("", "{path} holds no mapping of options; found NoneType"),
        ("1: 2\n", "; 1: Keys should be strings (found 1)"),
        ("task: [custom\n", "{path} is not YAML: while parsing a flow sequence"),
        ("task: \udcff", "{path} is not YAML: 'utf-8' codec can't decode"),
        ("task: !!python/object/apply:os.getcwd []", "{path} is not YAML: could not determine a constructor"),
    ],
)
def test_file_that_is_no_configuration_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError) as caught:
        read_config(path)
    assert message.format(path=path) in str(caught.value)


def test_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "no.yaml")
    assert str(caught.value) == f"{tmp_path / 'no.yaml'} cannot be read: No such file or directory"


def test_options_given_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(json.dumps(config("x.csv").model_dump(mode="json")))
    assert read_config(path) == config("x.csv")
    assert read_config(path, seed=0, holdout=None) == config("x.csv", seed=0)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (
            [*TRAINING, ("rare", "MKV"), ("rare", "MKL")],
            {},
            (
                "class 'rare' has 2 sequences in {data}, fewer than the 3 folds; "
                "add sequences, leave the class out, or use fewer folds (at least 2)"
            ),
        ),
        (
            [*TRAINING, ("rare", "MKV"), ("rare", "MKL"), ("rare", "MKI")],
            {"holdout": 0.3},
            (
                "class 'rare' has 3 sequences in {data}, of which a hold-out of 30% leaves 2, "
                "fewer than the 3 folds; add sequences, leave the class out, or use fewer folds (at least 2) "
                "or a hold-out of 0"
            ),
        ),
        (
            TRAINING[:30],
            {"holdout": 0.05},
            (
                "a hold-out of 5% of {data} holds 2 sequences, fewer than the 3 classes; "
                "use a larger one, or 0 for none"
            ),
        ),
        (
            [("basic", sequence) for _, sequence in TRAINING],
            {},
            "all 90 records are 'basic'; a task needs at least 2 classes",
        ),
        (
            [("ACP", sequence) for _, sequence in TRAINING],
            {"task": "anticancer"},
            "{data} holds one class only (anticancer); training needs at least two",
        ),
        (
            [*TRAINING, ("greasy", TRAINING[0][1])],
            {},
            (
                f"{{data}}: one sequence has two classes, 'acidic' and 'greasy': {TRAINING[0][1][:40]}…; "
                "keep one of them, or neither"
            ),
        ),
        ([*TRAINING, ("", "MKV")], {}, """{data}, record 91 ("p90") has no label in column 'label'"""),
        (
            [("basic", "MKV"), ("0", "MKL")],
            {"task": "anticancer"},
            "record 'p0': unknown label 'basic'; choose from: not_anticancer, anticancer",
        ),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(
    rows: list[tuple[str, str]], changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    data = tiny.write_table(tmp_path / "x.csv", rows)
    found = refused(config(data, **changes), tmp_path / "out", LabelError)
    assert found == message.format(data=data)
    assert not (tmp_path / "out").exists()


def test_class_as_large_as_the_folds_is_measured_without_a_warning(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING[:9])
    _, outcome = run(config(data, "svm"), tmp_path / "out")
    assert [fold.n for fold in outcome.rows[0].cross_validation.folds] == [3, 3, 3]


def test_search_that_has_too_few_rows_is_refused(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING[:15])
    search = Component(name="svm", options={"c": [1, 10], "gamma": ["scale"]})
    asked = config(data).model_copy(update={"classifier": search})
    with pytest.raises(ConfigError) as caught:
        run(asked, tmp_path / "out")
    assert str(caught.value) == (
        "the search needs 5 training sequences of each class, one a fold; found 3: lower search_folds, or "
        "give one value of c and of gamma"
    )


def test_test_set_of_other_classes_is_refused_before_any_fit(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    test = tiny.write_table(tmp_path / "test.csv", [("acidc", "MKV"), ("basic", "MKL")])
    found = refused(config(data, tests=[str(test)]), tmp_path / "out", LabelError)
    assert found == (
        "record 'p0': unknown label 'acidc'; did you mean 'acidic'? choose from: acidic, basic, greasy"
    )


def test_dataset_without_labels_is_refused(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    found = refused(config("psl-blind", task="localization"), shared_data / "out", LabelError)
    assert found == "record 'SEQ01' has no label; training and evaluation need one for each"


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ((), ConfigError, "task 'custom' has no data of its own: give labelled files with --data"),
        (("psl", "no.csv"), ConfigError, "datasets or files, not both; found psl, no.csv"),
        (
            ("psl:train",),
            DatasetError,
            "dataset 'psl' has no splits, so none is called 'train'; leave it out",
        ),
        (("no.csv",), SortilinError, "no.csv: there is no such file"),
    ],
)
def test_data_that_cannot_be_had_is_refused(
    data: tuple[str, ...],
    error: type[SortilinError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refused(config("x.csv").model_copy(update={"data": data}), tmp_path / "out", error) == message


# --- the place of the folder


@pytest.fixture
def asked(tmp_path: Path) -> ExperimentConfig:
    return config(tiny.write_table(tmp_path / "x.csv", TRAINING), "svm")


def test_folder_that_is_there_is_not_replaced_unasked(asked: ExperimentConfig, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    first, _ = run(asked, out)  # an empty folder is free
    message = f"{out} exists and is not empty: choose another name, or pass --overwrite"
    assert refused(asked, out, OutputError) == message
    assert artifact.read(out) == first
    again, _ = run(asked.model_copy(update={"seed": 8}), out, overwrite=True)
    assert artifact.read(out) == again
    assert again.description["seed"] == 8


def test_folder_of_other_things_is_never_replaced(asked: ExperimentConfig, tmp_path: Path) -> None:
    with pytest.raises(OutputError) as caught:
        run(asked, tmp_path, overwrite=True)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert "not overwritten" in message
    assert "choose another name" in message
    assert (tmp_path / "x.csv").exists()


def test_folder_of_a_model_and_other_things_is_never_replaced(
    asked: ExperimentConfig, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(asked, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError) as caught:
        run(asked, out, overwrite=True)
    refusal = "holds more than a model (notes.txt), so it is not overwritten: choose another name"
    assert str(caught.value) == f"{out} {refusal}"
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.csv", "{out} is a file; a model folder needs a name of its own"),
        ("x.csv/model", "{out} cannot be written: {parent}"),
    ],
)
def test_place_that_cannot_be_written_is_refused(
    name: str, message: str, asked: ExperimentConfig, tmp_path: Path
) -> None:
    out = tmp_path / name
    assert refused(asked, out, OutputError).startswith(message.format(out=out, parent=out.parent))
    assert (tmp_path / "x.csv").is_file()
