"""Run an experiment: measure, fit, calibrate, score the test sets once, write the model folder."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import artifact, audit, files
from sortilin.artifact import ModelFolder
from sortilin.component import Component
from sortilin.errors import ModelFolderError, OutputError
from sortilin.evaluation.calibration import Calibration
from sortilin.experiment import (
    balance,
    card,
    grouped,
    kept,
    loaded,
    questions,
    record,
    reliability,
    silence,
    splits,
    trust,
    validate,
)
from sortilin.experiment.balance import Reached
from sortilin.experiment.config import ExperimentConfig, to_yaml
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.grouped import Grouped, Grouping
from sortilin.experiment.held_out import held_out
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.loaded import Loaded
from sortilin.experiment.outcome import Outcome, Row, TestResult
from sortilin.experiment.questions import Answer
from sortilin.experiment.split_config import HOMOLOGY
from sortilin.experiment.splits import Parting
from sortilin.experiment.validate import CrossValidation, Problem
from sortilin.interfaces import NOBODY, Classifier, DoubleArray, OnProgress, Watch
from sortilin.results import Answering, Evaluation
from sortilin.training.config import CHECKPOINT

BASELINES = ("length", "composition")
"""Descriptor sets that stand beside every model, with boosted trees on each."""

BASELINE_CLASSIFIER = Component(name="boosting")
TRAINING = ".training"
"""Ends the name of the folder beside a model's, where a network keeps checkpoints and curves."""

CONFIG, MEASURED = "config.yaml", "metrics.json"

__all__ = ["Outcome", "Row", "TestResult", "final_fit", "model_name", "run", "write_model"]


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
        The folder as read back, and what was found: with `multi_label` a `multilabel.outcome.Outcome`.

    Raises:
        OutputError: The folder exists and is not empty, or its place cannot be written to.
        SortilinError: Data, configuration or labels do not allow the run; before any fit.
    """
    if config.multi_label:
        return _of_several(config, out, overwrite, on_progress)
    started = time.monotonic()
    out = out.absolute()
    tell = on_progress or (lambda _stage, _done, _total: None)
    validate.require_training()
    check_free(out, overwrite=overwrite)
    inputs = Inputs.of(config.features)
    config.classifier.build("classifier")
    found = loaded.load(config, on_progress)
    labelled = found.training
    trust.check_method(config, len(labelled.classes))
    audited = audit.of_labelled(labelled, found.tests, on_progress=on_progress) if config.audit else None
    parted, split = _part(config, labelled, tell)
    grouping = _group(config, labelled, tell)
    x = inputs(labelled.sequences, tell)
    problem = Problem(
        x, labelled.y, labelled.classes, config.folds, config.seed, config.calibration.method, parted
    )
    watch = Watch(on_progress=tell, workspace=out.with_name(out.name + TRAINING))
    x_tests = [inputs(test.sequences) for test in found.tests]  # what lacks a vector is told before any fit
    rows = _measure(config, labelled, problem, watch)
    on_groups = _measure_grouped(config, problem, grouping, watch)
    tell("fitting on all sequences", 0, 1)
    classifier, calibrate = final_fit(
        config.classifier, problem, rows[0].cross_validation, watch.inner("all sequences")
    )
    tell("fitting on all sequences", 1, 1)
    held_out_table = rows[0].cross_validation.probabilities
    answerings = questions.answerings(config.task, labelled, held_out_table)
    tables = [calibrate(classifier.scores(x_test)) for x_test in x_tests]
    outcome = Outcome(
        config,
        labelled,
        found.n_repeats,
        tuple(rows),
        tuple(_score_tests(found, tables)),
        dict(classifier.chosen),
        time.monotonic() - started,
        on_groups,
        found.left_out,
        tuple(_answers(config.task, found, tables, answerings)),
        answerings,
        audited,
        split,
    )
    model = write_model(out, outcome, inputs, classifier, calibrate)
    drop_checkpoints(watch.workspace)
    return model, outcome


def _of_several(
    config: ExperimentConfig, out: Path, overwrite: bool, on_progress: OnProgress | None
) -> tuple[ModelFolder, Any]:
    """The same for sequences that may have several classes, which need other folds, figures and words."""
    from sortilin import multilabel

    return multilabel.run(config, out, overwrite=overwrite, on_progress=on_progress)


def _part(
    config: ExperimentConfig, labelled: LabelledSet, tell: OnProgress
) -> tuple[Parting, Reached | None]:
    """What the rows are split by, and what that comes to where they are not merely stratified."""
    parted = splits.parting(config.split, labelled, tell)
    if parted.is_default:
        return parted, None
    splits.check(labelled, parted, config.folds, config.holdout, config.seed)
    return parted, balance.reached(config.split, labelled, parted, config.folds, config.holdout, config.seed)


def _group(config: ExperimentConfig, labelled: LabelledSet, tell: OnProgress) -> Grouping | None:
    """Groups of homologues and their folds, where they are asked for; before any fit."""
    if not config.homology or config.split.kind == HOMOLOGY:  # then the folds are such already
        return None
    return grouped.group(labelled, config.folds, config.seed, on_progress=tell)


def drop_checkpoints(workspace: Path | None) -> None:
    """They have served: the curves stay, and the same name is free for another training."""
    for path in workspace.rglob("*") if workspace is not None else ():
        if path.name not in (CHECKPOINT, kept.FOLD):
            continue
        with contextlib.suppress(OSError):  # the model is written; what is left is waste
            path.unlink()


def check_free(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that cannot be written to, or that something else than a model stands at.

    Raises:
        OutputError: It is like that.
    """
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
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir()}
    others = sorted(found - {artifact.DESCRIPTION, *files})
    if others:
        raise OutputError(
            f"{out} holds more than a model ({', '.join(others[:3])}), so it is not overwritten: "
            "choose another name"
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
            bare = replace(problem, x=x)
            specs.append((f"{BASELINE_CLASSIFIER.name} on {name} alone", BASELINE_CLASSIFIER, bare))
    rows = []
    for model, spec, its_problem in specs:
        tell(f"measuring {model}", 0, 1)
        inner = watch.inner(model)
        held_out: Evaluation | None = None
        chosen: Mapping[str, Any] = {}
        if splits.has_hold_out(problem.parting, config.holdout):
            share = config.holdout
            held_out, chosen = validate.hold_out(spec, its_problem, share, inner.inner("hold-out"))
        rows.append(Row(model, held_out, validate.cross_validate(spec, its_problem, inner), chosen))
        tell(f"measuring {model}", 1, 1)
    return rows


def _measure_grouped(
    config: ExperimentConfig, problem: Problem, grouping: Grouping | None, watch: Watch
) -> Grouped | None:
    if grouping is None:
        return None
    tell = watch.on_progress or (lambda _stage, _done, _total: None)
    name = f"{model_name(config)}, grouped"
    tell(f"measuring {name}", 0, 1)
    found = grouped.cross_validate(config.classifier, problem, grouping, watch.inner(name))
    tell(f"measuring {name}", 1, 1)
    return found


def model_name(config: ExperimentConfig) -> str:
    """What stands in tables: "svm on paper71", "head mlp on esm2_t6", or a network with its head."""
    name, own = config.classifier.name, config.classifier.build("classifier").config
    head, backbone = getattr(own, "head", None), getattr(own, "backbone", None)
    if head is not None:
        name = f"{name} {head.name}"
    if isinstance(backbone, str):  # a language model
        return f"{name} on {backbone}, {own.mode}"
    if config.features is None:
        return name
    _, options = config.features.resolved("features")
    return f"{name} on {getattr(options, 'backbone', config.features.name)}"


def final_fit(
    spec: Component, problem: Problem, measured: CrossValidation, watch: Watch = NOBODY
) -> tuple[Classifier, Calibration]:
    """The classifier on all rows; calibrated on the measured folds where no search chose its options."""
    classifier = validate.fitted(spec, problem, watch)
    return classifier, validate.calibration_of(spec, classifier, problem, measured, watch=watch)


def _score_tests(found: Loaded, tables: Sequence[DoubleArray]) -> Iterator[TestResult]:
    for test, table in zip(found.tests, tables, strict=True):
        parts = validate.parts(test, table, _are_known(test, found.training))
        yield from (TestResult(test.name, part, evaluation) for part, evaluation in parts.items())


def _answers(
    task: str, found: Loaded, tables: Sequence[DoubleArray], hows: Mapping[str, Answering]
) -> Iterator[Answer]:
    mine = questions.of_task(task)
    for test, table in zip(found.tests, tables, strict=True):
        yield from questions.of_test(mine, test, table, _are_known(test, found.training), hows)


def _are_known(test: LabelledSet, training: LabelledSet) -> NDArray[np.bool_]:
    """(N,) whether each sequence of a test set was learned from."""
    known = set(training.sequences)
    return np.array([s in known for s in test.sequences], dtype=bool)


def write_model(
    out: Path, outcome: Outcome, inputs: Inputs, classifier: Classifier, calibrate: Calibration
) -> ModelFolder:
    """Write the model folder of a fitted, measured and calibrated classifier.

    Raises:
        OutputError: It cannot be written.
    """
    described = record.description(outcome, inputs, classifier)
    trusted = trust.measure(outcome, described, inputs)
    described |= trust.description(trusted, outcome)
    found = replace(held_out(outcome), trust=trusted)
    picture, curve = reliability.draw(found), silence.draw(trusted.selective)
    extra = {
        CONFIG: to_yaml(outcome.config),
        MEASURED: json.dumps(record.measurements(outcome, found), indent=1) + "\n",
    }
    if picture is not None:
        extra[reliability.PICTURE] = picture
    if curve is not None:
        extra[silence.PICTURE] = curve
    arrays = {
        **artifact.calibration_arrays(calibrate),
        **trust.arrays(trusted, outcome),
        "training_hashes": np.sort(artifact.sequence_hashes(outcome.data.sequences)),
        **{f"classifier.{name}": as_single(array) for name, array in classifier.arrays().items()},
    }
    return artifact.write(
        out,
        described,
        graph=classifier.to_onnx(),
        arrays=arrays,
        card=card.render(outcome, found, described, picture=picture and reliability.PICTURE),
        extra=extra,
        folders=getattr(classifier, "folders", dict)(),
    )


def as_single(array: Any) -> Any:
    """An array as a model folder keeps it: doubles as float32."""
    return array.astype(np.float32) if array.dtype == np.float64 else array
