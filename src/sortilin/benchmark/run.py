"""All of a benchmark, in order: split, models, comparison, cross-validation, final model, report."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sortilin
from sortilin import device, files, registry
from sortilin.benchmark import (
    baselines,
    explore,
    lacking,
    leakage,
    measure,
    models,
    published,
    sides,
    splits,
    tables,
)
from sortilin.benchmark.best import Best, examine
from sortilin.benchmark.config import BenchmarkConfig, resolve, to_yaml
from sortilin.benchmark.explained import explained
from sortilin.benchmark.folder import CONFIG, RESULTS, Folder, identity
from sortilin.benchmark.inside import inside
from sortilin.benchmark.measure import Bench, Split, TestSet
from sortilin.benchmark.models import Measured
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.experiment import validate
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import Preset
from sortilin.interfaces import OnProgress
from sortilin.report import benchmark as report
from sortilin.sequences import SequenceRecord

PRECOMPUTED = "precomputed"
"""The descriptor set that looks vectors up in files."""

FORMAT, FORMAT_VERSION = "sortilin-benchmark", 1

PACKAGES = ("numpy", "scikit-learn", "lightgbm", "torch", "accelerate", "onnxruntime", "pyhmmer")
"""What the results depend on, and the record names with its version."""


def run(
    config: BenchmarkConfig, out: Path, *, command: str = "", on_progress: OnProgress | None = None
) -> dict[str, Any]:
    """Run a benchmark, or the rest of it, and write its report.

    Args:
        config: What is compared, and how.
        out: The folder of the results; one with results on the same split goes on.
        command: What the report says it was made with.
        on_progress: Called as (stage, done, total).

    Returns:
        The content of `results.json`.

    Raises:
        SortilinError: Data, configuration or folder do not allow the run; before long work.
    """
    tell = on_progress or (lambda _stage, _done, _total: None)
    named = {spec.name: resolve(config, spec) for spec in config.models}
    _require(config)
    _refuse_baseline_names(config, named)
    absent = lacking.commands(named, baselines=models.flagged(config))
    presets = {name: preset for name, preset in named.items() if name not in absent}
    split, n_repeats = splits.split(config, tell)
    tests = splits.tests(config, split.whole, tell)
    blind = splits.blind(config, tell)
    _refuse_missing_vectors(presets, tests, blind)
    folder = Folder(out)
    folder.open(_shared(config, split))
    with files.locked(out):
        files.replace(out / CONFIG, to_yaml(config).encode())
        bench = Bench(split, folder, tell)
        measure.check_stored(folder, presets.values(), tests)
        measured = models.measured(config, bench, presets, tests)
        results = _results(config, presets, split, measured, n_repeats, command)
        results |= _of_kinds(config, bench, measured, presets)
        results["audit"] = leakage.audited(config, split, tests, measured.rows, tell)
        results["not_run"] = [
            lacking.record(named[name], fetch, models.counterpart(config, named[name]))
            for name, fetch in absent.items()
        ]
        results["exploration"] = explore.explore(
            split.data,
            None if blind is None else [r.sequence for r in blind],
            lambda *_: None,
            has_signals=not baselines.are_peptides(split.data.sequences),
        )
        results |= _of_tests(config, bench, tests, results)
        if config.cross_validation:
            _write(results, measured, folder, tell)  # hours may pass before the rest is there
            row = next(row for row in measured.rows if row["name"] == measured.best)
            results |= examine(Best(config, bench, presets[measured.best], row, blind, n_repeats))
        results |= inside(config, bench, presets, tests, measured)
        results |= explained(config, bench, presets, measured)
        _write(results, measured, folder, tell)
    return results


def _of_kinds(
    config: BenchmarkConfig, bench: Bench, measured: Measured, presets: Mapping[str, Preset]
) -> dict[str, Any]:
    """What the split came to and, where it is by homology, the same models on stratified rows."""
    reached = splits.reached(config, bench.split)
    found: dict[str, Any] = {
        "split_by": config.split_by.model_dump(mode="json"),
        "split_reached": reached and {"sentences": reached.sentences(), **reached.record()},
    }
    if sides.has_twin(config):
        twin, twin_bench = sides.twin_of(config, bench)
        twin_bench.folder.open(_shared(twin, twin_bench.split))
        stratified = sides.Side(twin, twin_bench, models.measured(twin, twin_bench, presets, ()))
        found["split_kinds"] = sides.compared(sides.Side(config, bench, measured), stratified, presets)
    return found


def _of_tests(
    config: BenchmarkConfig, bench: Bench, tests: Sequence[TestSet], results: Mapping[str, Any]
) -> dict[str, Any]:
    """What the results say of the test sets, and the paper's tables with ours beside them."""
    table = published.of(config.task, config.data)
    ours = tables.Ours(bench.split, tests, results["models"], results["not_run"])
    return {
        "tests": [
            {
                "name": test.name,
                "n": len(test.data),
                "class_counts": test.data.class_counts,
                "n_known": int(test.is_known.sum()),
                "sha256": test.data.fingerprint,
            }
            for test in tests
        ],
        "tables": tables.beside(table, ours) if table else [],
    }


def _write(results: dict[str, Any], measured: Measured, folder: Folder, tell: OnProgress) -> None:
    results["seconds"] = _seconds(results, measured.rows)
    folder.write(RESULTS, results)
    tell("report", 0, 1)
    report.write(results, folder.path)
    tell("report", 1, 1)


# --- before anything long


def _require(config: BenchmarkConfig) -> None:
    validate.require_training()
    needed = {"matplotlib": "matplotlib"} | ({"pyhmmer": "pyhmmer"} if config.baselines else {})
    if config.baselines and config.split == "folds":
        needed["pyopal"] = "pyopal"
    for package, module in needed.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("a benchmark", package, "train")


def _refuse_baseline_names(config: BenchmarkConfig, presets: Mapping[str, Preset]) -> None:
    taken = sorted(set(presets) & set(baselines.NAMES))
    if config.baselines and taken:
        raise ConfigError(f"'{taken[0]}' is the name of a baseline; give the model another one")


def _refuse_missing_vectors(
    presets: Mapping[str, Preset], tests: Sequence[TestSet], blind: Sequence[SequenceRecord] | None
) -> None:
    """See that tests and blind sequences have vectors where these were made before: they come after hours."""
    late = [sequence for test in tests for sequence in test.data.sequences]
    late += [record.sequence for record in blind or ()]
    for preset in presets.values():
        if late and preset.features is not None and preset.features.name == PRECOMPUTED:
            Inputs.of(preset.features)(late)


def _shared(config: BenchmarkConfig, split: Split) -> dict[str, Any]:
    """What is equal for all models in a folder."""
    return {
        "task": config.task,
        "sha256": split.data.fingerprint,
        "split": config.split,
        "folds": config.folds,
        "seed": config.seed,
        "held_out": split.held_out.tolist(),
        **_split_by(config, split),
    }


def _split_by(config: BenchmarkConfig, split: Split) -> dict[str, Any]:
    """How rows are split, and a digest of their clusters or marks; nothing where they are stratified."""
    if split.parting.is_default:
        return {}
    parted = split.parting
    rows = list(parted.marks) if parted.groups is None else parted.groups.tolist()
    return {"split_by": config.split_by.model_dump(mode="json"), "clusters": identity(rows)}


# --- the record


def _results(
    config: BenchmarkConfig,
    presets: Mapping[str, Preset],
    split: Split,
    measured: Measured,
    n_repeats: int,
    command: str,
) -> dict[str, Any]:
    task = registry.get("task", config.task)
    table = published.of(config.task, config.data)
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sortilin_version": sortilin.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "task": config.task,
        "title": task.title,
        "classes": list(split.data.classes),
        "metric": task.metric,
        "seed": config.seed,
        "split": config.split,
        "holdout": config.holdout,
        "folds": config.folds,
        "data": {
            "name": split.data.name,
            "n": len(split.data),
            "class_counts": split.data.class_counts,
            "n_repeats": n_repeats,
            "sha256": split.data.fingerprint,
            "citation": split.data.citation,
            "n_train": len(split.train),
            "n_holdout": len(split.held_out),
        },
        "machine": {**device.describe(), "versions": _versions()},
        "choices": published.choices(table, presets.values()) if table else [],
        "models": list(measured.rows),
        "best": measured.best,
        "pairs": measured.pairs,
        "published": table and {key: table[key] for key in ("source", "columns", "rows")},
        "cross_validation": None,
        "blind": None,
    }


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _seconds(results: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> float:
    """Time of all fits, whichever run they were made in."""
    folds = results["cross_validation"]
    again = folds["seconds"] if folds and results["split"] == "holdout" else 0.0
    return float(sum(row["seconds"] for row in rows) + again)
