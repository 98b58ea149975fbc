"""One model on the test sets: it learns from all training rows, and scores each set once.

Axis letters: N training sequences, M test sequences, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin.benchmark import baselines, compare, measure, representations
from sortilin.benchmark.measure import ON_TESTS, Bench, TestSet, identity_on
from sortilin.evaluation import bounded, metrics
from sortilin.evaluation.weighted import OF_TWO
from sortilin.experiment import validate
from sortilin.experiment.presets import Preset
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import DoubleArray, IntArray, named

FINAL = "final"
"""Name of the fit on all rows."""

WHOLE, NEW = "whole", "new"
"""The parts of a test set: all of it, and what does not stand in training."""


def of_model(
    bench: Bench, preset: Preset, tests: Sequence[TestSet], measured: CrossValidation | None
) -> dict[str, Any]:
    """Fit on all training rows and score each test set; from disk if it was done.

    Args:
        bench: Split and folder.
        preset: The model.
        tests: The test sets.
        measured: Its cross-validation on the same rows, which may serve to calibrate it.

    Returns:
        Test set → (M, C) probabilities, and the time. What a network sees of the test sets lies beside it,
        see `representations`.
    """
    wanted = identity_on(tests, measure.preset_identity(preset))
    found = bench.folder.load(preset.name, ON_TESTS, wanted)
    if found is not None and representations.is_there(bench.folder.of_model(preset.name), found):
        return found
    whole, watch = bench.split.whole, bench.watch(preset.name, FINAL)
    bench.tell(f"{preset.name}, on all sequences", 0, 1)
    problem = bench.split.whole_problem(measure.inputs_of(preset, whole.sequences))
    x_tests = [measure.inputs_of(preset, test.data.sequences) for test in tests]
    started = time.monotonic()
    with measure.named_faults(preset.name):
        classifier = validate.fitted(preset.classifier, problem, watch)
        calibrate = validate.calibration_of(preset.classifier, classifier, problem, measured, watch=watch)
    seconds = time.monotonic() - started
    tables = {t.name: calibrate(classifier.scores(x)) for t, x in zip(tests, x_tests, strict=True)}
    seen = [
        representations.of(classifier, x, named(bench.tell, preset.name))
        for x in x_tests
        if representations.has_any(classifier)
    ]
    representations.save(bench.folder.of_model(preset.name), [t.name for t in tests], seen)
    record = {
        "probabilities": {name: table.tolist() for name, table in tables.items()},
        "has_representation": bool(seen),
        "seconds": seconds,
    }
    saved = bench.folder.save(preset.name, ON_TESTS, wanted, record)
    bench.tell(f"{preset.name}, on all sequences", 1, 1)
    return saved


def of_baseline(bench: Bench, name: str, tests: Sequence[TestSet]) -> dict[str, Any]:
    """The same for a baseline."""
    if name in baselines.COMPONENTS:
        return of_model(bench, measure.baseline_preset(name), tests, None)
    wanted, whole = identity_on(tests, baselines.rule_identity(name)), bench.split.whole
    found = bench.folder.load(name, ON_TESTS, wanted)
    if found is not None:
        return found
    started = time.monotonic()
    x = np.array(whole.sequences, dtype=object)
    tables = {
        test.name: measure.bare_baseline(name, x, whole.y, np.array(test.data.sequences, object), bench)
        for test in tests
    }
    record = {
        "probabilities": {name: table.tolist() for name, table in tables.items()},
        "has_representation": False,
        "seconds": time.monotonic() - started,
    }
    return bench.folder.save(name, ON_TESTS, wanted, record)


def scored(
    record: Mapping[str, Any], tests: Sequence[TestSet], *, metric: str, seed: int, resamples: int
) -> dict[str, Any]:
    """Test set → part → evaluation with intervals; a part without sequences is None.

    The parts are the whole set, and the set without what stands in training; the latter is None where
    nothing or everything does.
    """
    found = {}
    for test in tests:
        table = np.array(record["probabilities"][test.name])
        is_new = ~test.is_known
        masks = {WHOLE: np.ones(len(is_new), dtype=bool)}
        if is_new.any() and not is_new.all():
            masks[NEW] = is_new
        found[test.name] = {
            part: _of_part(test.data.y[rows], table[rows], test.data.classes, (metric, seed, resamples))
            for part, rows in masks.items()
        } | ({} if NEW in masks else {NEW: None})
    return found


def _of_part(
    y: IntArray, table: DoubleArray, classes: Sequence[str], how: tuple[str, int, int]
) -> dict[str, Any]:
    metric, seed, resamples = how
    names = metrics_of(classes, metric)
    bounds = bounded.of_set(y, table, classes, seed=seed, n_resamples=resamples, metrics=names)
    return {
        "evaluation": compare.plain(metrics.evaluate(y, table, classes)),
        "intervals": compare.plain({name: list(pair) for name, pair in bounds.items()}),
    }


def metrics_of(classes: Sequence[str], metric: str) -> tuple[str, ...]:
    """The metrics of a test set that get an interval: with two classes those of the second paper."""
    if len(classes) == 2:
        return tuple(dict.fromkeys((metric, "accuracy", *OF_TWO, "mcc", "roc_auc")))
    return tuple(dict.fromkeys((metric, "macro_f1", "accuracy", "roc_auc", "mcc")))
