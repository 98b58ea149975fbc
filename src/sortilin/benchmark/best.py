"""The best model: its cross-validation, its fit on all data, its predictions of the blind set.

Axis letters: M blind sequences, C classes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import artifact
from sortilin.artifact import ModelFolder
from sortilin.benchmark import compare, measure, published, splits
from sortilin.benchmark.config import BenchmarkConfig
from sortilin.benchmark.folder import MODEL
from sortilin.benchmark.measure import Bench
from sortilin.errors import ModelFolderError
from sortilin.evaluation import bounded
from sortilin.evaluation.calibration import uncalibrated
from sortilin.experiment import ExperimentConfig
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import Preset
from sortilin.experiment.run import Outcome, Row, final_fit, write_model
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import DoubleArray
from sortilin.predictor import Predictor
from sortilin.results import Evaluation
from sortilin.sequences import SequenceRecord

HEAD = "head"
"""The classifier that is a network on features."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best model and what it is tried on.

    Attributes:
        config: The benchmark's.
        bench: Its split and folder.
        preset: The model.
        row: Its record on the split.
        blind: Records to predict; None for none.
        n_repeats: Sequences left out of the data because they stood there before.
    """

    config: BenchmarkConfig
    bench: Bench
    preset: Preset
    row: Mapping[str, Any]
    blind: Sequence[SequenceRecord] | None
    n_repeats: int


def examine(best: Best) -> dict[str, Any]:
    """Its cross-validation, and what it predicts when it has learned from all rows."""
    folds, seconds = measure.on_folds(best.bench, best.preset)
    predictor = _final(best, folds)
    rows = _predict(predictor, best.blind) if best.blind else None
    return {
        "cross_validation": {
            "model": best.preset.name,
            "folds": [compare.plain(fold) for fold in _bounded(best, folds)],
            **compare.folded(folds),
            "pooled": compare.plain(_evaluated(best, folds, np.ones(len(folds.fold), dtype=bool))),
            "seconds": seconds,
        },
        "blind": None if rows is None else _beside_published(best.config, best.preset.name, rows),
    }


def _bounded(best: Best, folds: CrossValidation) -> list[Evaluation]:
    """Each fold with intervals."""
    return [_evaluated(best, folds, folds.fold == number) for number in range(len(folds.folds))]


def _evaluated(best: Best, folds: CrossValidation, here: NDArray[np.bool_]) -> Evaluation:
    """The rows that an (N,) mask selects, with intervals."""
    whole, config = best.bench.split.whole, best.config
    return bounded.evaluate(
        whole.y[here],
        folds.probabilities[here],
        whole.classes,
        seed=config.seed,
        n_resamples=config.resamples,
    )


def _final(best: Best, folds: CrossValidation) -> Predictor:
    """The model folder of the best model, fitted on all rows; the one on disk if it is that."""
    folder, name = best.bench.folder, best.preset.name
    wanted = measure.preset_identity(best.preset)
    path = folder.path / MODEL
    stored = folder.peek(name, "final")
    model = _intact(path)
    if model is not None and (stored.get("identity"), stored.get("checksum")) == (wanted, model.checksum):
        return Predictor(model, name=MODEL)
    started = time.monotonic()
    inputs = Inputs.of(best.preset.features)
    problem = best.bench.split.whole_problem(inputs(best.bench.split.whole.sequences))
    best.bench.tell(f"{name}, on all sequences", 0, 1)
    classifier, calibrate = final_fit(best.preset.classifier, problem, folds, best.bench.watch(name, "final"))
    best.bench.tell(f"{name}, on all sequences", 1, 1)
    outcome = _outcome(best, folds, dict(classifier.chosen), time.monotonic() - started)
    model = write_model(path, outcome, inputs, classifier, calibrate)
    folder.save(name, "final", wanted, {"checksum": model.checksum, "seconds": outcome.seconds})
    return Predictor(model, name=MODEL)


def _intact(path: Path) -> ModelFolder | None:
    """The model folder there; None if there is none that can be read."""
    try:
        return artifact.read(path)
    except ModelFolderError:
        return None


def _outcome(best: Best, folds: CrossValidation, chosen: dict[str, Any], seconds: float) -> Outcome:
    """What the model's card and record say; the same as of `sortilin train`."""
    config, preset = best.config, best.preset
    resolved = ExperimentConfig(
        task=config.task,
        data=config.data,
        labels=config.labels,
        features=preset.features,
        classifier=preset.classifier,
        seed=config.seed,
        holdout=config.holdout,
        folds=config.folds,
        baselines=False,
        split=config.split_by,
    )
    held_out = None
    if config.split == "holdout" and not best.bench.split.is_marked:
        held_out = _as_evaluation(best.row["evaluation"])
    rows = (Row(preset.title, held_out, folds, best.row["chosen"]),)
    split = splits.reached(config, best.bench.split)
    return Outcome(resolved, best.bench.split.whole, best.n_repeats, rows, (), chosen, seconds, split=split)


def _as_evaluation(record: Mapping[str, Any]) -> Evaluation:
    def numbers(values: Mapping[str, Any]) -> dict[str, float]:
        return {key: float("nan") if value is None else value for key, value in values.items()}

    return Evaluation(
        n=record["n"],
        classes=tuple(record["classes"]),
        metrics=numbers(record["metrics"]),
        per_class={name: numbers(values) for name, values in record["per_class"].items()},
        confusion=tuple(tuple(row) for row in record["confusion"]),
    )


def _predict(predictor: Predictor, blind: Sequence[SequenceRecord]) -> list[dict[str, Any]]:
    raw = _raw(predictor, [r.sequence for r in blind])
    rows = []
    for number, prediction in enumerate(predictor.predict(blind)):
        row = {
            "id": prediction.id,
            "label": prediction.label,
            "probability": prediction.probability,
            "confidence": prediction.confidence,
            "raw_label": None,
            "raw_probability": None,
        }
        if raw is not None:
            row["raw_label"] = predictor.classes[int(raw[number].argmax())]
            row["raw_probability"] = float(raw[number].max())
        rows.append(row)
    return rows


def _raw(predictor: Predictor, sequences: list[str]) -> DoubleArray | None:
    """(M, C) softmax of a network's logits, without calibration; None for what has no softmax."""
    described = predictor.model.description
    if "tokens" not in described and described["classifier"]["name"] != HEAD:
        return None
    return uncalibrated(predictor.scores(sequences), len(predictor.classes))


def _beside_published(config: BenchmarkConfig, model: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The blind predictions beside the paper's, with the agreement counted."""
    table = published.of(config.task, config.data)
    was = table and table.get("blind")
    theirs = was["rows"] if was else {}
    merged = []
    for row in rows:
        other = theirs.get(row["id"], {})
        merged.append(
            {
                **row,
                "published_label": other.get("label"),
                "published_confidence": other.get("confidence"),
            }
        )
    same = [row["label"] == row["published_label"] for row in merged]
    both = [s and r["confidence"] == r["published_confidence"] for s, r in zip(same, merged, strict=True)]
    shared = [row for row in merged if row["published_label"]]
    agreement = None
    if was and shared:
        agreement = {
            "labels": sum(same),
            "labels_and_confidence": sum(both),
            "of": len(shared),
            "published_by": was["by"],
        }
    return {"model": model, "rows": merged, "agreement": agreement}
