"""Run an experiment: measure, fit, calibrate, score the test sets once, write the model folder."""

from __future__ import annotations

import json
import platform
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import sortilin
from sortilin import artifact, files
from sortilin.artifact import ModelFolder
from sortilin.errors import ModelFolderError, OutputError
from sortilin.evaluation import calibration
from sortilin.evaluation.calibration import METHOD, Calibration
from sortilin.experiment import card, data, validate
from sortilin.experiment.config import Component, ExperimentConfig, to_yaml
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.validate import CrossValidation, Problem
from sortilin.interfaces import NOBODY, Classifier, OnProgress, Watch
from sortilin.results import Evaluation

BASELINES = ("length", "composition")
"""Descriptor sets that stand beside every model, with boosted trees on each."""

BASELINE_CLASSIFIER = Component(name="boosting")
TRAINING = ".training"
"""Ends the name of the folder beside a model's, where a network keeps checkpoints and curves."""

CONFIG, MEASURED = "config.yaml", "metrics.json"

_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One model measured on the splits of an experiment.

    Attributes:
        model: What stands in the table ("svm on paper71").
        holdout: Evaluation of the hold-out; None if there is none.
        cross_validation: The folds.
        chosen: What the hold-out's fit chose by itself.
    """

    model: str
    holdout: Evaluation | None
    cross_validation: CrossValidation
    chosen: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TestResult:
    """A test set scored with the final model.

    Attributes:
        name: Source, as given.
        part: "whole", or what is left of it without training sequences.
        evaluation: The scores.
    """

    name: str
    part: str
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything an experiment found.

    Attributes:
        config: What was run.
        data: What it was trained on.
        n_repeats: Sequences that stood in the data more than once, and were left out.
        rows: The model first, then the baselines.
        tests: Test sets, each whole and without training sequences.
        chosen: What the final fit chose by itself.
        seconds: Wall time of the whole run.
    """

    config: ExperimentConfig
    data: LabelledSet
    n_repeats: int
    rows: tuple[Row, ...]
    tests: tuple[TestResult, ...]
    chosen: Mapping[str, Any]
    seconds: float


def run(
    config: ExperimentConfig, out: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None
) -> tuple[ModelFolder, Outcome]:
    """Run an experiment and write its model folder.

    Args:
        config: What to run.
        out: The folder to write; its parents are made.
        overwrite: Replace a folder that is there, once the new one is whole.
        on_progress: Called as (stage, done, total).

    Returns:
        The folder as read back, and what was found.

    Raises:
        OutputError: The folder exists and is not empty, or its place cannot be written to.
        SortilinError: Data, configuration or labels do not allow the run; before any fit.
    """
    started = time.monotonic()
    out = out.absolute()
    tell = on_progress or (lambda _stage, _done, _total: None)
    validate.require_training()
    _check_free(out, overwrite=overwrite)
    inputs = Inputs.of(config.features)
    config.classifier.build("classifier")
    labelled, own_test = data.load_parts(
        config.task, config.data, labels=config.labels, on_progress=on_progress
    )
    labelled, n_repeats = labelled.distinct()
    data.check_trainable(labelled, config.folds, config.holdout)
    tests = [own_test] if own_test else []
    tests += [_load_test(config, labelled, source, on_progress) for source in config.tests]

    problem = Problem(
        inputs(labelled.sequences, tell),
        labelled.y,
        labelled.classes,
        config.folds,
        config.seed,
    )
    watch = Watch(on_progress=tell, workspace=out.with_name(out.name + TRAINING))
    rows = _measure(config, labelled, problem, watch)
    tell("fitting on all sequences", 0, 1)
    classifier, calibrate = final_fit(
        config.classifier, problem, rows[0].cross_validation, watch.inner("all sequences")
    )
    tell("fitting on all sequences", 1, 1)
    scored = [r for test in tests for r in _score_test(test, labelled, inputs, classifier, calibrate)]
    outcome = Outcome(
        config,
        labelled,
        n_repeats,
        tuple(rows),
        tuple(scored),
        dict(classifier.chosen),
        time.monotonic() - started,
    )
    return write_model(out, outcome, inputs, classifier, calibrate), outcome


def _check_free(out: Path, *, overwrite: bool) -> None:
    if out.is_file():
        raise OutputError(f"{out} is a file; a model folder needs a name of its own")
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise OutputError(f"{out} exists and is not empty: choose another name, or pass --overwrite")
        _check_ours(out)
    above = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        # Whoever may do anything is told so by os.access, also where the file system refuses.
        with tempfile.TemporaryDirectory(dir=above, prefix=".sortilin-"):
            pass
    except (NotADirectoryError, PermissionError):
        raise OutputError(f"{out} cannot be written: {above} is a file, or there is no permission") from None
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {above}: {error.strerror}") from None
    files.check_room(above)


def _check_ours(out: Path) -> None:
    """Refuse to replace a folder that is no model's, or holds something else beside the model."""
    try:
        files = artifact.read(out).description["files"]
    except ModelFolderError:
        raise OutputError(
            f"{out} is no model folder, so it is not overwritten: choose another name"
        ) from None
    others = sorted({path.name for path in out.iterdir()} - {artifact.DESCRIPTION, *files})
    if others:
        raise OutputError(
            f"{out} holds more than a model ({', '.join(others[:3])}), so it is not overwritten: "
            "choose another name"
        )


def _load_test(
    config: ExperimentConfig, labelled: LabelledSet, source: str, on_progress: OnProgress | None
) -> LabelledSet:
    return data.load(
        config.task, [source], labels=config.labels, classes=labelled.classes, on_progress=on_progress
    )


def _measure(config: ExperimentConfig, labelled: LabelledSet, problem: Problem, watch: Watch) -> list[Row]:
    tell = watch.on_progress or (lambda _stage, _done, _total: None)
    specs = [(model_name(config), config.classifier, problem)]
    if config.baselines:
        own = (config.classifier.name, config.features and config.features.name)
        for name in BASELINES:
            if own == (BASELINE_CLASSIFIER.name, name):
                continue  # the model itself is this baseline
            x = Inputs.of(Component(name=name))(labelled.sequences)
            bare = Problem(x, problem.y, problem.classes, problem.n_folds, problem.seed)
            specs.append((f"{BASELINE_CLASSIFIER.name} on {name} alone", BASELINE_CLASSIFIER, bare))
    rows = []
    for model, spec, its_problem in specs:
        tell(f"measuring {model}", 0, 1)
        inner = watch.inner(model)
        held_out: Evaluation | None = None
        chosen: Mapping[str, Any] = {}
        if config.holdout:
            share = config.holdout
            held_out, chosen = validate.hold_out(spec, its_problem, share, inner.inner("hold-out"))
        rows.append(Row(model, held_out, validate.cross_validate(spec, its_problem, inner), chosen))
        tell(f"measuring {model}", 1, 1)
    return rows


def model_name(config: ExperimentConfig) -> str:
    """What stands in tables: "svm on paper71", or the head of a network."""
    if config.features is not None:
        return f"{config.classifier.name} on {config.features.name}"
    head = config.classifier.options.get("head", {})
    return (
        f"{config.classifier.name} {head.get('name', 'lstm')}"
        if isinstance(head, dict)
        else config.classifier.name
    )


def final_fit(
    spec: Component, problem: Problem, measured: CrossValidation, watch: Watch = NOBODY
) -> tuple[Classifier, Calibration]:
    """The classifier on all rows; calibrated on the measured folds if these fits chose nothing."""
    if any(measured.chosen):
        return validate.calibrated(spec, problem, watch)
    classifier = validate.fitted(spec, problem, watch)
    return classifier, calibration.fit(measured.scores, problem.y, n_classes=len(problem.classes))


def _score_test(
    test: LabelledSet,
    trained_on: LabelledSet,
    inputs: Inputs,
    classifier: Classifier,
    calibrate: Calibration,
) -> list[TestResult]:
    table = calibrate(classifier.scores(inputs(test.sequences)))
    known = set(trained_on.sequences)
    parts = validate.parts(test, table, np.array([s in known for s in test.sequences]))
    return [TestResult(test.name, part, evaluation) for part, evaluation in parts.items()]


def write_model(
    out: Path, outcome: Outcome, inputs: Inputs, classifier: Classifier, calibrate: Calibration
) -> ModelFolder:
    """Write the model folder of a fitted, measured and calibrated classifier.

    Raises:
        OutputError: It cannot be written.
    """
    measured = measurements(outcome)
    arrays = {
        "calibration.weights": calibrate.weights,
        "calibration.bias": calibrate.bias,
        "training_hashes": np.sort(artifact.sequence_hashes(outcome.data.sequences)),
        **{f"classifier.{name}": _single(array) for name, array in classifier.arrays().items()},
    }
    return artifact.write(
        out,
        _description(outcome, inputs, classifier),
        graph=classifier.to_onnx(),
        arrays=arrays,
        card=card.render(outcome),
        extra={CONFIG: to_yaml(outcome.config), MEASURED: json.dumps(measured, indent=1) + "\n"},
    )


def _single(array: Any) -> Any:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _description(outcome: Outcome, inputs: Inputs, classifier: Classifier) -> dict[str, Any]:
    config, labelled = outcome.config, outcome.data
    lengths = [len(s) for s in labelled.sequences]
    first = outcome.rows[0].cross_validation
    return {
        "sortilin_version": sortilin.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": config.task,
        "classes": list(labelled.classes),
        **inputs.description(classifier),
        "classifier": {
            "name": config.classifier.name,
            "config": config.classifier.options,
            "chosen": dict(outcome.chosen),
        },
        "calibration": {
            "method": METHOD,
            "fitted_on": f"{config.folds}-fold held-out scores"
            if classifier.set_aside() is None
            else "rows set aside from training",
        },
        "training_data": {
            "name": labelled.name,
            "n": len(labelled),
            "classes": labelled.class_counts,
            "lengths": [min(lengths), max(lengths)],
            "sha256": labelled.fingerprint,
            "citation": labelled.citation,
        },
        "seed": config.seed,
        "metrics": {
            "split": f"stratified {config.folds}-fold cross-validation, seed {config.seed}",
            **{name: round(first.mean(name), _DECIMALS) for name in first.pooled.metrics},
        },
    }


def measurements(outcome: Outcome) -> dict[str, Any]:
    """All figures of an experiment as plain values: hold-out, folds, tests, time and machine."""
    return {
        "seconds": round(outcome.seconds, 1),
        "machine": {"python": platform.python_version(), "system": platform.platform(terse=True)},
        "rows": [
            {
                "model": row.model,
                "holdout": row.holdout and _plain(row.holdout),
                "holdout_chosen": dict(row.chosen),
                "folds": [_plain(fold) for fold in row.cross_validation.folds],
                "folds_chosen": list(row.cross_validation.chosen),
                "pooled": _plain(row.cross_validation.pooled),
            }
            for row in outcome.rows
        ],
        "tests": [{"name": t.name, "part": t.part, **_plain(t.evaluation)} for t in outcome.tests],
    }


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    def rounded(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rounded(item) for key, item in value.items()}
        if isinstance(value, float):
            return None if np.isnan(value) else round(value, _DECIMALS)
        return value

    plain: dict[str, Any] = rounded(asdict(evaluation))
    return plain
