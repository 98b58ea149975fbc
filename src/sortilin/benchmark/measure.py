"""One model, fitted and scored on the rows that all models share.

Axis letters: N sequences, M held-out ones, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.benchmark import baselines
from sortilin.benchmark.compare import plain
from sortilin.benchmark.folder import Folder, identity
from sortilin.component import Component
from sortilin.errors import TrainingError
from sortilin.evaluation import metrics
from sortilin.evaluation.calibration import Calibration
from sortilin.experiment import validate
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import Preset
from sortilin.experiment.splits import DEFAULT, Parting
from sortilin.experiment.validate import CrossValidation, Fold, Problem
from sortilin.interfaces import Classifier, DoubleArray, IntArray, OnProgress, Watch, named

ON_TESTS = "tests"
"""Name of the stored result of a model on the test sets."""


@dataclass(frozen=True, slots=True)
class Split:
    """The rows that all models share.

    Attributes:
        data: N sequences, the held-out ones among them.
        train: Row numbers that are learned from.
        held_out: Row numbers that are scored.
        n_folds: Folds of a cross-validation.
        seed: Seed of splits and fits.
        is_marked: Whether the data mark the held-out rows as test themselves. Then nothing ever learns
            from them.
        parting: What all N rows are split by, at every level.
    """

    data: LabelledSet
    train: IntArray
    held_out: IntArray
    n_folds: int
    seed: int
    is_marked: bool = False
    parting: Parting = DEFAULT

    @property
    def y(self) -> IntArray:
        """Classes of the held-out rows."""
        return self.data.y[self.held_out]

    @property
    def whole(self) -> LabelledSet:
        """What is cross-validated and what the final model learns from."""
        return self.data.taken(self.train, self.data.name) if self.is_marked else self.data

    def problem(self, x: Any) -> Problem:
        """Inputs of all rows with what a fit needs."""
        return Problem(x, self.data.y, self.data.classes, self.n_folds, self.seed, parting=self.parting)

    def whole_problem(self, x: Any) -> Problem:
        """The same for inputs of `whole`."""
        parted = self.parting.rows(self.train) if self.is_marked else self.parting
        return Problem(x, self.whole.y, self.data.classes, self.n_folds, self.seed, parting=parted)


@dataclass(frozen=True, slots=True)
class TestSet:
    """A test set, from which nothing ever learns and which chooses nothing.

    Attributes:
        name: Source, as given.
        data: Its sequences, as published: repeats stay.
        is_known: (M,) whether each of them stands in the training data too.
    """

    name: str
    data: LabelledSet
    is_known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bench:
    """Where models are measured: a split, a folder, and somebody who looks on."""

    split: Split
    folder: Folder
    tell: OnProgress

    def watch(self, name: str, what: str = "") -> Watch:
        """Progress and workspace of one fit."""
        watch = Watch(named(self.tell, name), self.folder.of_model(name) / "training")
        return watch.inner(what) if what else watch


def inputs_of(preset: Preset, sequences: Sequence[str]) -> Any:
    """What the model takes of sequences."""
    return Inputs.of(preset.features)(sequences)


def preset_identity(preset: Preset) -> str:
    """Equal components and options, equal identity."""
    features = preset.features and _features_identity(preset.features)
    classifier: Any = preset.classifier.build("classifier")
    return identity(features, preset.classifier.name, classifier.config.model_dump(mode="json"))


def _features_identity(features: Component) -> dict[str, Any]:
    """Name and options, and what a descriptor set says of the files that it reads."""
    files: dict[str, str] = getattr(features.build("features"), "fingerprints", dict)()
    return features.model_dump(mode="json") | ({"files": files} if files else {})


def on_holdout(bench: Bench, preset: Preset) -> dict[str, Any]:
    """Fit on the training rows, score the held-out ones; from disk if it was done."""
    wanted = preset_identity(preset)
    found = bench.folder.load(preset.name, "result", wanted)
    if found is not None:
        return found
    split, started = bench.split, time.monotonic()
    bench.tell(preset.name, 0, 1)
    problem = split.problem(inputs_of(preset, split.data.sequences))
    watch = bench.watch(preset.name)
    with named_faults(preset.name):
        classifier, calibrate = validate.calibrated(preset.classifier, problem.rows(split.train), watch)
    table = calibrate(classifier.scores(problem.x[split.held_out]))
    took = getattr(classifier, "seconds", 0.0) or time.monotonic() - started
    result = {"probabilities": table.tolist(), **_of_fit(classifier), "seconds": took}
    saved = bench.folder.save(preset.name, "result", wanted, result)
    bench.tell(preset.name, 1, 1)
    return saved


@contextmanager
def named_faults(what: str) -> Iterator[None]:
    """Say whose training diverged."""
    try:
        yield
    except TrainingError as error:
        raise TrainingError(f"{what}: {error}") from None


def check_stored(folder: Folder, presets: Iterable[Preset], tests: Sequence[TestSet] = ()) -> None:
    """Refuse results of other options or test sets before anything is fitted.

    Raises:
        ConfigError: A model's stored result was made with other options.
    """
    for preset in presets:
        wanted = preset_identity(preset)
        for path in sorted(folder.of_model(preset.name).glob("*.json")):
            if path.stem == "result" or path.stem.startswith("fold-"):
                folder.load(preset.name, path.stem, wanted)
            elif path.stem == ON_TESTS and tests:
                folder.load(preset.name, path.stem, identity_on(tests, wanted))


def identity_on(tests: Sequence[TestSet], of_model: str) -> str:
    """Equal models and test sets, equal identity."""
    return identity(of_model, {test.name: test.data.fingerprint for test in tests})


def _of_fit(classifier: Classifier) -> dict[str, Any]:
    """What a table says of a fitted model, as plain values."""
    history: Sequence[Mapping[str, float]] = getattr(classifier, "history", ())
    curves = {key: [record[key] for record in history] for key in history[0]} if history else None
    if curves is not None:
        curves["best_epoch"] = classifier.chosen["best_epoch"]
    config: Any = classifier.chosen_config()
    found: dict[str, Any] = plain(
        {
            "n_parameters": getattr(classifier, "n_parameters", None),
            "chosen": dict(classifier.chosen),
            "options": config.model_dump(mode="json"),
            "curves": curves,
        }
    )
    return found


def baseline_on_holdout(bench: Bench, name: str) -> dict[str, Any]:
    """The same for a baseline."""
    if name in baselines.COMPONENTS:
        return on_holdout(bench, baseline_preset(name))
    wanted = baselines.rule_identity(name)
    found = bench.folder.load(name, "result", wanted)
    if found is not None:
        return found
    split, started = bench.split, time.monotonic()
    bench.tell(name, 0, 1)
    x = np.array(split.data.sequences, dtype=object)
    table = bare_baseline(name, x[split.train], split.data.y[split.train], x[split.held_out], bench)
    result = {
        "probabilities": table.tolist(),
        "n_parameters": None,
        "chosen": {},
        "options": {},
        "curves": None,
        "seconds": time.monotonic() - started,
    }
    saved = bench.folder.save(name, "result", wanted, result)
    bench.tell(name, 1, 1)
    return saved


def baseline_preset(name: str) -> Preset:
    """A baseline that is a descriptor set with boosted trees."""
    return Preset(name, baselines.TITLES[name], Component(name=name), baselines.BOOSTING)


def bare_baseline(name: str, x: Any, y: IntArray, held_out: Any, bench: Bench) -> DoubleArray:
    """(M, C) of a baseline that is a fixed rule, from training sequences and classes and held-out ones."""
    return baselines.RULES[name](x, y, held_out, len(bench.split.data.classes), named(bench.tell, name))


def baseline_on_folds(bench: Bench, name: str) -> tuple[CrossValidation, float]:
    """Cross-validation of a baseline; see `on_folds`."""
    if name in baselines.COMPONENTS:
        return on_folds(bench, baseline_preset(name))
    wanted, whole = baselines.rule_identity(name), bench.split.whole
    problem = bench.split.whole_problem(np.array(whole.sequences, dtype=object))
    fold, table = np.empty(len(whole), dtype=np.int64), np.empty((len(whole), len(whole.classes)))
    seconds = 0.0
    for number, (train, held_out) in enumerate(validate.folds_of(problem)):
        what = f"fold-{number + 1}"
        found = bench.folder.load(name, what, wanted)
        if found is None:
            started = time.monotonic()
            rows = bare_baseline(name, problem.x[train], problem.y[train], problem.x[held_out], bench)
            record = {"probabilities": rows.tolist(), "seconds": time.monotonic() - started}
            found = bench.folder.save(name, what, wanted, record)
        fold[held_out], table[held_out] = number, np.array(found["probabilities"])
        seconds += found["seconds"]
    return _uncalibrated(table, fold, problem), seconds


def _uncalibrated(table: DoubleArray, fold: IntArray, problem: Problem) -> CrossValidation:
    """Probabilities that follow a fixed rule, as a cross-validation."""
    places = [fold == number for number in range(problem.n_folds)]
    folds = [metrics.evaluate(problem.y[here], table[here], problem.classes) for here in places]
    pooled = metrics.evaluate(problem.y, table, problem.classes)
    return CrossValidation(table, table, fold, tuple(folds), pooled, ({},) * problem.n_folds)


def on_folds(bench: Bench, preset: Preset) -> tuple[CrossValidation, float]:
    """Cross-validation of a model, fold by fold from disk where it was done.

    Returns:
        The folds together, and the seconds that they took.
    """
    wanted = preset_identity(preset)
    split = bench.split
    problem = split.whole_problem(inputs_of(preset, split.whole.sequences))
    parts, seconds = [], 0.0
    for number, (train, held_out) in enumerate(validate.folds_of(problem), start=1):
        what = f"fold-{number}"
        found = bench.folder.load(preset.name, what, wanted)
        if found is None:
            bench.tell(f"{preset.name}, {what}", 0, 1)
            started = time.monotonic()
            with named_faults(f"{preset.name}, {what}"):
                fold = validate.fit_fold(
                    preset.classifier, problem, train, held_out, bench.watch(preset.name, what)
                )
            record = {**_plain_fold(fold), "seconds": time.monotonic() - started}
            found = bench.folder.save(preset.name, what, wanted, record)
            bench.tell(f"{preset.name}, {what}", 1, 1)
        parts.append(_fold_of(found))
        seconds += found["seconds"]
    return validate.assemble(parts, problem), seconds


def _plain_fold(fold: Fold) -> dict[str, Any]:
    own = fold.calibration
    return {
        "held_out": fold.held_out.tolist(),
        "scores": fold.scores.tolist(),
        "calibration": own and {"weights": own.weights.tolist(), "bias": own.bias.tolist()},
        "chosen": fold.chosen,
    }


def _fold_of(record: Mapping[str, Any]) -> Fold:
    own = record["calibration"]
    return Fold(
        np.array(record["held_out"], dtype=np.int64),
        np.array(record["scores"]),
        own and Calibration(np.array(own["weights"]), np.array(own["bias"])),
        record["chosen"],
    )
