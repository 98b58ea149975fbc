"""All models and baselines of a benchmark, measured alike: one record each.

Axis letters: M scored sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sortilin import registry
from sortilin.benchmark import baselines, compare, measure, pairs, published, tested
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.measure import Bench, TestSet
from sortilin.experiment.presets import Preset
from sortilin.experiment.validate import CrossValidation


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark has found of its models.

    Attributes:
        rows: One record a model, baselines first: name, title, evaluation, intervals, ...
        best: Name of the best model.
        pairs: Every pair of them compared; None where there is one model only.
    """

    rows: Sequence[dict[str, Any]]
    best: str
    pairs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    """One model: what was stored of it, its folds if it was cross-validated, its test sets."""

    record: Mapping[str, Any]
    folds: CrossValidation | None
    tests: Mapping[str, Any] | None


def flagged(config: BenchmarkConfig) -> frozenset[str]:
    """Names of the models that the configuration calls baselines."""
    return frozenset(spec.name for spec in config.models if spec.baseline)


def measured(
    config: BenchmarkConfig, bench: Bench, presets: Mapping[str, Preset], tests: Sequence[TestSet]
) -> Measured:
    """Every model on the split, on its folds and on the test sets, and the paired tests against the best."""
    metric, rows = registry.get("task", config.task).metric, []
    for name in _rules(config, bench):
        result = _of_baseline(config, bench, name, tests)
        rows.append(_row(config, bench, (name, baselines.TITLES[name], None), result, tests))
    for preset in presets.values():
        result = _of_model(config, bench, preset, tests)
        rows.append(_row(config, bench, (preset.name, preset.title, preset), result, tests))
    best = compare.best_of(rows, metric)
    of_best = next(row for row in rows if row["name"] == best)
    for row in rows:
        row["against_best"] = compare.against(
            of_best,
            row,
            bench.split.y,
            bench.split.data.classes,
            metric=metric,
            seed=config.seed,
            resamples=config.resamples,
        )
    compare.correct([row["against_best"] for row in rows if row["against_best"]])
    compared = pairs.compared(
        rows,
        bench.split.y,
        bench.split.data.classes,
        metric=metric,
        n_folds=bench.split.n_folds if config.split == "folds" else None,
        seed=config.seed,
        resamples=config.resamples,
    )
    for row in rows:
        del row["probabilities"]
    return Measured(rows, best, compared)


def _rules(config: BenchmarkConfig, bench: Bench) -> tuple[str, ...]:
    if not config.baselines:
        return ()
    is_folded = config.split == "folds"
    return baselines.on_folds(bench.split.whole.sequences) if is_folded else baselines.ON_HOLDOUT


def _of_baseline(config: BenchmarkConfig, bench: Bench, name: str, tests: Sequence[TestSet]) -> _Result:
    on_tests = tested.of_baseline(bench, name, tests) if tests else None
    if config.split == "holdout":
        return _Result(measure.baseline_on_holdout(bench, name), None, on_tests)
    folds, seconds = measure.baseline_on_folds(bench, name)
    return _Result(_of_folds(folds, seconds, {}), folds, on_tests)


def _of_model(config: BenchmarkConfig, bench: Bench, preset: Preset, tests: Sequence[TestSet]) -> _Result:
    if config.split == "holdout":
        record, folds = measure.on_holdout(bench, preset), None
    else:
        folds, seconds = measure.on_folds(bench, preset)
        classifier: Any = preset.classifier.build("classifier")
        record = _of_folds(folds, seconds, classifier.config.model_dump(mode="json"))
    return _Result(record, folds, tested.of_model(bench, preset, tests, folds) if tests else None)


def _of_folds(folds: CrossValidation, seconds: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a cross-validation that a hold-out's record says."""
    return {
        "probabilities": folds.probabilities.tolist(),
        "seconds": seconds,
        "n_parameters": None,
        "chosen": {},
        "options": dict(options),
        "curves": None,
    }


def counterpart(config: BenchmarkConfig, preset: Preset | None) -> str | None:
    """The row of the paper that a model stands for; None for other data, or where there is none."""
    table = published.of(config.task, config.data)
    if table is None or preset is None:
        return None
    return preset.published if preset.published in table["rows"] else None


def _row(
    config: BenchmarkConfig,
    bench: Bench,
    what: tuple[str, str, Preset | None],
    result: _Result,
    tests: Sequence[TestSet],
) -> dict[str, Any]:
    name, title, preset = what
    how = {
        "metric": registry.get("task", config.task).metric,
        "seed": config.seed,
        "resamples": config.resamples,
    }
    record, classes = result.record, bench.split.data.classes
    curves = record["curves"]
    found = {
        "name": name,
        "title": title,
        "is_baseline": preset is None or name in flagged(config),
        "published": counterpart(config, preset),
        **compare.evaluated(record, bench.split.y, classes, **how),
        "seconds": record["seconds"] + (result.tests["seconds"] if result.tests else 0.0),
        "n_parameters": record["n_parameters"],
        "options": {"features": preset and preset.features and preset.features.name, **record["options"]},
        "chosen": record["chosen"],
        "curves": curves and {k: v for k, v in curves.items() if k not in ("valid_mcc", "valid_roc_auc")},
        "probabilities": record["probabilities"],
    }
    if result.folds is not None:
        found["folds"] = compare.folded(result.folds)
    if result.tests is not None:
        found["tests"] = tested.scored(result.tests, tests, **how)
    return found
