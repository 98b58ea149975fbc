"""Run an experiment with several classes a sequence, and write its model folder."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin import artifact
from sortilin.artifact import ModelFolder
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.evaluation import calibration
from sortilin.evaluation.per_class import ARRAYS, PerClass
from sortilin.experiment import splits
from sortilin.experiment import validate as single
from sortilin.experiment.config import ExperimentConfig, to_yaml
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.run import (
    BASELINE_CLASSIFIER,
    BASELINES,
    CONFIG,
    MEASURED,
    TRAINING,
    as_single,
    check_free,
    drop_checkpoints,
)
from sortilin.experiment.run import model_name as name_of
from sortilin.experiment.split_config import HOMOLOGY, STRATIFIED
from sortilin.experiment.splits import Parting
from sortilin.experiment.validate import Problem
from sortilin.interfaces import Classifier, OnProgress, Watch
from sortilin.multilabel import card, data, folds, record, validate
from sortilin.multilabel.data import MultiLabelledSet
from sortilin.multilabel.outcome import Grouped, Outcome, Row, Scored
from sortilin.sequences import clusters, copies

if TYPE_CHECKING:
    from sortilin.sequences.clusters import Groups

__all__ = ["Outcome", "run"]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Training data with each sequence once, and test sets."""

    training: MultiLabelledSet
    n_repeats: int
    n_joined: int
    n_copies: int | None
    tests: tuple[MultiLabelledSet, ...]


def run(
    config: ExperimentConfig, out: Path, *, overwrite: bool = False, on_progress: OnProgress | None = None
) -> tuple[ModelFolder, Outcome]:
    """Run an experiment whose sequences may have several classes, and write its model folder.

    Args:
        config: What to run; one with `multi_label`.
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
    single.require_training()
    check_free(out, overwrite=overwrite)
    _check(config)
    inputs = Inputs.of(config.features)
    validate.spec_of(config.classifier, n_classes=validate.EXCLUSIVE + 1)
    found = _load(config, on_progress)
    spec = validate.spec_of(config.classifier, len(found.training.classes))
    labelled = found.training
    parted = _part(config, labelled, on_progress)
    is_second = config.homology and config.split.kind != HOMOLOGY  # else the folds are such already
    groups = clusters.groups(labelled.sequences, on_progress=on_progress) if is_second else None
    problem = Problem(
        inputs(labelled.sequences, tell),
        labelled.y,
        labelled.classes,
        config.folds,
        config.seed,
        parting=parted,
    )
    _check_splits(config, problem, groups)
    x_tests = [inputs(test.sequences) for test in found.tests]  # what lacks a vector is told before any fit
    watch = Watch(on_progress=tell, workspace=out.with_name(out.name + TRAINING))
    rows = list(_measure(config, spec, labelled, problem, watch))
    on_groups = _measure_grouped(config, spec, problem, groups, watch)
    tell("fitting on all sequences", 0, 1)
    inner = watch.inner("all sequences")
    classifier = single.fitted(spec, problem, inner)
    decider = validate.decider_of(spec, classifier, problem, rows[0].measured, watch=inner)
    tell("fitting on all sequences", 1, 1)
    tables = [decider(classifier.scores(x)) for x in x_tests]
    outcome = Outcome(
        config,
        labelled,
        found.n_repeats,
        found.n_joined,
        found.n_copies,
        tuple(rows),
        tuple(_tests(found, tables, decider, config.seed)),
        decider,
        dict(classifier.chosen),
        time.monotonic() - started,
        on_groups,
        parted,
    )
    model = _write(out, outcome, inputs, classifier, spec)
    drop_checkpoints(watch.workspace)
    return model, outcome


def _check(config: ExperimentConfig) -> None:
    """Refuse options that are of one class a sequence.

    Raises:
        ConfigError: There is one.
    """
    if config.calibration.method != calibration.METHOD:
        raise ConfigError(
            f"calibration '{config.calibration.method}' is not for several classes a sequence, which have a "
            "logistic regression each: leave it out"
        )
    if config.split.kind not in (STRATIFIED, HOMOLOGY):
        raise ConfigError(
            f"split '{config.split.kind}' is not for several classes a sequence; choose from: {STRATIFIED}, "
            f"{HOMOLOGY}"
        )


def _part(config: ExperimentConfig, labelled: MultiLabelledSet, on_progress: OnProgress | None) -> Parting:
    """What rows are split by at every level; clusters of homologues where they are asked for."""
    if config.split.kind != HOMOLOGY:
        return Parting()
    found = splits.clustered(config.split, labelled.sequences, on_progress)
    return Parting(HOMOLOGY, found.labels, tool=found.tool)


def _load(config: ExperimentConfig, on_progress: OnProgress | None) -> _Loaded:
    """Read, check and clean the data of an experiment."""
    labelled, own_test = data.load_parts(
        config.task, config.data, labels=config.labels, on_progress=on_progress
    )
    tests = [] if own_test is None else [own_test]
    tests += [
        data.load(config.task, [source], labels=config.labels, classes=labelled.classes)
        for source in config.tests
    ]
    tests = [test.joined()[0] for test in tests]
    n_copies = None
    if config.leave_out_copies is not None:
        labelled, n_copies = _without_copies(config, labelled, tests, on_progress)
    labelled, n_repeats, n_joined = labelled.joined()
    data.check_trainable(labelled, config.folds)
    return _Loaded(labelled, n_repeats, n_joined, n_copies, tuple(tests))


def _without_copies(
    config: ExperimentConfig,
    labelled: MultiLabelledSet,
    tests: Sequence[MultiLabelledSet],
    on_progress: OnProgress | None,
) -> tuple[MultiLabelledSet, int]:
    asked = config.leave_out_copies
    assert asked is not None
    if not tests:
        raise ConfigError("leave_out_copies: there is no test set whose copies could be left out; give tests")
    if asked.of:
        raise ConfigError("leave_out_copies.of is not for several classes a sequence: leave it out")
    found = copies.are_copies(
        labelled.sequences,
        [sequence for test in tests for sequence in test.sequences],
        min_identity=asked.identity,
        on_progress=on_progress,
    )
    return labelled.taken(np.flatnonzero(~np.asarray(found))), int(np.sum(found))


def _check_splits(config: ExperimentConfig, problem: Problem, groups: Groups | None) -> None:
    """All splits are made once before any fit, so that impossible ones are told of at once."""
    validate.splits(problem)
    if groups is not None:
        validate.splits(problem, groups.labels)
    if config.holdout:
        train, _ = folds.hold_out(problem.y, config.holdout, problem.seed, problem.classes, problem.groups)
        validate.splits(problem.rows(train))


def _measure(
    config: ExperimentConfig, spec: Component, labelled: MultiLabelledSet, problem: Problem, watch: Watch
) -> Iterator[Row]:
    """The model, then the baselines on the same splits."""
    tell = watch.on_progress or (lambda _stage, _done, _total: None)
    specs = [(model_name(config, spec), spec, problem)]
    baseline = validate.spec_of(BASELINE_CLASSIFIER, len(labelled.classes))
    own = (config.classifier.name, config.features and config.features.name)
    for name in BASELINES if config.baselines else ():
        if own == (BASELINE_CLASSIFIER.name, name):
            continue  # the model itself is this baseline
        x = Inputs.of(Component(name=name))(labelled.sequences)
        bare = replace(problem, x=x)
        specs.append((f"{BASELINE_CLASSIFIER.name} on {name} alone", baseline, bare))
    for model, its_spec, its_problem in specs:
        tell(f"measuring {model}", 0, 1)
        inner = watch.inner(model)
        held: Scored | None = None
        if config.holdout:
            held = validate.hold_out(its_spec, its_problem, config.holdout, inner.inner("hold-out"))
        yield Row(model, held, validate.cross_validate(its_spec, its_problem, inner))
        tell(f"measuring {model}", 1, 1)


def _measure_grouped(
    config: ExperimentConfig, spec: Component, problem: Problem, groups: Groups | None, watch: Watch
) -> Grouped | None:
    if groups is None:
        return None
    inner = watch.inner(f"{model_name(config, spec)}, grouped")
    return Grouped(groups, validate.cross_validate(spec, problem, inner, groups=groups.labels))


def model_name(config: ExperimentConfig, spec: Component) -> str:
    """What stands in tables: "boosting on targeting, one a class"."""
    name = name_of(config)
    is_wrapped = spec.name == validate.ONE_A_CLASS and config.classifier.name != validate.ONE_A_CLASS
    return f"{name}, one a class" if is_wrapped else name


def _tests(found: _Loaded, tables: Sequence[Any], decider: PerClass, seed: int) -> Iterator[Scored]:
    known = set(found.training.sequences)
    for test, table in zip(found.tests, tables, strict=True):
        is_known = np.array([s in known for s in test.sequences], dtype=bool)
        yield from validate.by_part(test, table, is_known, decider, seed=seed)


def _write(
    out: Path, outcome: Outcome, inputs: Inputs, classifier: Classifier, spec: Component
) -> ModelFolder:
    """Write the model folder.

    Raises:
        OutputError: It cannot be written.
    """
    described = record.description(outcome, inputs, classifier, spec)
    decider = outcome.decider
    arrays = {
        **dict(zip(ARRAYS, (decider.slopes, decider.offsets, decider.thresholds), strict=True)),
        "training_hashes": np.sort(artifact.sequence_hashes(outcome.data.sequences)),
        **{f"classifier.{name}": as_single(array) for name, array in classifier.arrays().items()},
    }
    return artifact.write(
        out,
        described,
        graph=classifier.to_onnx(),
        arrays=arrays,
        card=card.render(outcome, described),
        extra={
            CONFIG: to_yaml(outcome.config),
            MEASURED: json.dumps(record.measurements(outcome), indent=1) + "\n",
        },
        folders=getattr(classifier, "folders", dict)(),
    )
