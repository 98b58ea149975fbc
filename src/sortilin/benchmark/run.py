"""All of a benchmark, in order: split, models, comparison, cross-validation, final model, report."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

import sortilin
from sortilin import device, files, registry
from sortilin.benchmark import baselines, compare, explore, measure, published
from sortilin.benchmark.best import Best, examine
from sortilin.benchmark.config import BenchmarkConfig, resolve, to_yaml
from sortilin.benchmark.folder import CONFIG, RESULTS, Folder
from sortilin.benchmark.measure import Bench, Split
from sortilin.errors import ConfigError, LabelError, MissingDependencyError
from sortilin.experiment import data, validate
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import Preset
from sortilin.interfaces import OnProgress
from sortilin.report import benchmark as report
from sortilin.sequences import SequenceRecord, read_sequences

PRECOMPUTED = "precomputed"
"""The descriptor set that looks vectors up in files."""

FORMAT, FORMAT_VERSION = "sortilin-benchmark", 1

PACKAGES = ("numpy", "scikit-learn", "lightgbm", "torch", "accelerate", "onnxruntime", "pyhmmer")
"""What the results depend on, and the record names with its version."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark has found of its models.

    Attributes:
        rows: One record a model, baselines first: name, title, evaluation, intervals, ...
        best: Name of the best model.
    """

    rows: Sequence[dict[str, Any]]
    best: str


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
    absent = _absent(named)
    presets = {name: preset for name, preset in named.items() if name not in absent}
    split, n_repeats = _split(config, tell)
    blind = _blind(config, tell)
    _refuse_missing_vectors(presets, blind)
    folder = Folder(out)
    folder.open(_shared(config, split))
    with files.locked(out):
        files.replace(out / CONFIG, to_yaml(config).encode())
        bench = Bench(split, folder, tell)
        measure.check_stored(folder, presets.values())
        measured = _measure(config, bench, presets)
        results = _results(config, presets, split, measured, n_repeats, command)
        results["not_run"] = [_not_run(config, named[name], fetch) for name, fetch in absent.items()]
        results["exploration"] = explore.explore(
            split.data, None if blind is None else [r.sequence for r in blind], lambda *_: None
        )
        if config.cross_validation:
            _write(results, measured, folder, tell)  # hours may pass before the rest is there
            row = next(row for row in measured.rows if row["name"] == measured.best)
            results |= examine(Best(config, bench, presets[measured.best], row, blind, n_repeats))
        _write(results, measured, folder, tell)
    return results


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
    for package, module in needed.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("a benchmark", package, "train")


def _refuse_baseline_names(config: BenchmarkConfig, presets: Mapping[str, Preset]) -> None:
    taken = sorted(set(presets) & set(baselines.NAMES))
    if config.baselines and taken:
        raise ConfigError(f"'{taken[0]}' is the name of a baseline; give the model another one")


def _absent(presets: Mapping[str, Preset]) -> dict[str, str]:
    """Models that lack something, with the command that brings it: listed, and not run.

    Raises:
        ConfigError: All of them do.
    """
    found = {name: Inputs.of(preset.features).absent() for name, preset in presets.items()}
    absent = {name: command for name, command in found.items() if command is not None}
    if len(absent) == len(presets):
        commands = ", ".join(dict.fromkeys(absent.values()))
        raise ConfigError(f"none of the models can be run ({', '.join(absent)}): first {commands}")
    return absent


def _not_run(config: BenchmarkConfig, preset: Preset, command: str) -> dict[str, Any]:
    """The record of a model that was not run: no figure of it is known here."""
    counterpart = published.of(config.task, config.data) and preset.published
    return {"name": preset.name, "title": preset.title, "published": counterpart, "command": command}


def _refuse_missing_vectors(presets: Mapping[str, Preset], blind: Sequence[SequenceRecord] | None) -> None:
    """See that blind sequences have vectors where these were made before: the end comes after hours."""
    for preset in presets.values():
        if blind and preset.features is not None and preset.features.name == PRECOMPUTED:
            Inputs.of(preset.features)([record.sequence for record in blind])


def _split(config: BenchmarkConfig, tell: OnProgress) -> tuple[Split, int]:
    """Data and rows; those that the data mark as test are the held-out ones."""
    training, marked = data.load_parts(config.task, config.data, labels=config.labels, on_progress=tell)
    if marked is None:
        labelled, n_repeats = training.distinct()
        share = config.holdout if config.split == "holdout" else 0.0
        data.check_trainable(labelled, config.folds, share)
        rows = np.arange(len(labelled))
        train = held_out = rows
        if config.split == "holdout":
            bare = validate.Problem(rows, labelled.y, labelled.classes, config.folds, config.seed)
            train, held_out = validate.hold_out_rows(bare, config.holdout)
        return Split(labelled, train, held_out, config.folds, config.seed), n_repeats
    return _marked_split(config, training, marked)


def _marked_split(
    config: BenchmarkConfig, training: data.LabelledSet, marked: data.LabelledSet
) -> tuple[Split, int]:
    if config.split == "folds":
        raise ConfigError(f"{training.name} marks rows as test, so they are held out: use split: holdout")
    learned, n_repeats = training.distinct()
    data.check_trainable(learned, config.folds, 0)
    distinct, n_more = marked.distinct()
    class_of = dict(zip(learned.sequences, learned.y.tolist(), strict=True))
    for sequence, c in zip(distinct.sequences, distinct.y.tolist(), strict=True):
        if class_of.get(sequence, c) != c:
            raise LabelError(
                f"{training.name}: one sequence has the class '{learned.classes[class_of[sequence]]}' in "
                f"training and '{learned.classes[c]}' in a row marked as test: {sequence[:40]}"
            )
    fresh = distinct.taken([s not in class_of for s in distinct.sequences], marked.name)
    n_dropped = len(distinct) - len(fresh)
    n_repeats += n_more + n_dropped
    lacking = [name for name, n in fresh.class_counts.items() if not n]
    if lacking:
        raise LabelError(
            f"the rows of {training.name} marked as test hold no sequence of class "
            f"{', '.join(repr(name) for name in lacking)}; training rows do, and each class is to be scored"
            + (f" ({n_dropped} of them stand in training too and do not count)" if n_dropped else "")
        )
    both = data.LabelledSet(
        training.name,
        learned.sequences + fresh.sequences,
        np.concatenate([learned.y, fresh.y]),
        learned.classes,
        learned.citation,
        learned.organisms + fresh.organisms,
    )
    rows = np.arange(len(both))
    split = Split(both, rows[: len(learned)], rows[len(learned) :], config.folds, config.seed, is_marked=True)
    return split, n_repeats


def _blind(config: BenchmarkConfig, tell: OnProgress) -> list[SequenceRecord] | None:
    """The records to predict at the end; of the task's own set only with the task's own data."""
    task = registry.get("task", config.task)
    source = config.blind or (task.blind if config.data in ((), (task.dataset,)) else None)
    if source is None or source.lower() == "none" or not config.cross_validation:
        return None
    if data.is_dataset(source):
        from sortilin import datasets

        name, _, part = source.partition(":")
        return list(datasets.load(name, part or None, on_progress=tell))
    return list(read_sequences(source))


def _shared(config: BenchmarkConfig, split: Split) -> dict[str, Any]:
    """What is equal for all models in a folder."""
    return {
        "task": config.task,
        "sha256": split.data.fingerprint,
        "split": config.split,
        "folds": config.folds,
        "seed": config.seed,
        "held_out": split.held_out.tolist(),
    }


# --- the models


def _measure(config: BenchmarkConfig, bench: Bench, presets: Mapping[str, Preset]) -> Measured:
    rows = []
    if config.baselines and config.split == "holdout":
        for name in baselines.NAMES:
            result = measure.baseline_on_holdout(bench, name)
            rows.append(_row(config, bench, name, baselines.TITLES[name], None, result))
    for preset in presets.values():
        result = _result(config, bench, preset)
        rows.append(_row(config, bench, preset.name, preset.title, preset, result))
    best = compare.best_of(rows, registry.get("task", config.task).metric)
    of_best = next(row for row in rows if row["name"] == best)
    for row in rows:
        row["against_best"] = compare.against(
            of_best,
            row,
            bench.split.y,
            bench.split.data.classes,
            metric=registry.get("task", config.task).metric,
            seed=config.seed,
            resamples=config.resamples,
        )
    for row in rows:
        del row["probabilities"]
    return Measured(rows, best)


def _result(config: BenchmarkConfig, bench: Bench, preset: Preset) -> dict[str, Any]:
    if config.split == "holdout":
        return measure.on_holdout(bench, preset)
    folds, seconds = measure.on_folds(bench, preset)
    classifier: Any = preset.classifier.build("classifier")
    return {
        "probabilities": folds.probabilities.tolist(),
        "seconds": seconds,
        "n_parameters": None,
        "chosen": {},
        "options": classifier.config.model_dump(mode="json"),
        "curves": None,
    }


def _row(
    config: BenchmarkConfig,
    bench: Bench,
    name: str,
    title: str,
    preset: Preset | None,
    result: Mapping[str, Any],
) -> dict[str, Any]:
    classes = bench.split.data.classes
    evaluated = compare.evaluated(
        result,
        bench.split.y,
        classes,
        metric=registry.get("task", config.task).metric,
        seed=config.seed,
        resamples=config.resamples,
    )
    curves = result["curves"]
    return {
        "name": name,
        "title": title,
        "is_baseline": preset is None,
        "published": published.of(config.task, config.data) and preset and preset.published,
        **evaluated,
        "seconds": result["seconds"],
        "n_parameters": result["n_parameters"],
        "options": {"features": preset and preset.features and preset.features.name, **result["options"]},
        "chosen": result["chosen"],
        "curves": curves and {k: v for k, v in curves.items() if k not in ("valid_mcc", "valid_roc_auc")},
        "probabilities": result["probabilities"],
    }


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
