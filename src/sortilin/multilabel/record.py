"""What a model folder of several classes a sequence says of itself beside the card, as plain values."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sortilin
from sortilin import registry
from sortilin.component import Component
from sortilin.evaluation import multilabel
from sortilin.evaluation.per_class import METHOD
from sortilin.evaluation.plain import plain
from sortilin.experiment.inputs import Inputs
from sortilin.interfaces import Classifier
from sortilin.multilabel.outcome import Measured, Outcome, Scored

DECIMALS = 4

_KINDS = {"stratified": "iteratively stratified", "homology": "homology-aware"}


def description(outcome: Outcome, inputs: Inputs, classifier: Classifier, spec: Component) -> dict[str, Any]:
    """The content of `model.json`, without what `artifact.write` adds."""
    config, labelled = outcome.config, outcome.data
    lengths, first = [len(s) for s in labelled.sequences], outcome.rows[0].measured
    return {
        "sortilin_version": sortilin.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": config.task,
        "multi_label": True,
        "classes": list(labelled.classes),
        **inputs.description(classifier),
        "classifier": {"name": spec.name, "config": spec.options, "chosen": dict(outcome.chosen)},
        "calibration": {
            "method": METHOD,
            "fitted_on": f"{config.folds}-fold held-out scores",
            "thresholds": {
                name: round(float(threshold), DECIMALS)
                for name, threshold in zip(labelled.classes, outcome.decider.thresholds, strict=True)
            },
        },
        "training_data": {
            "name": labelled.name,
            "n": len(labelled),
            "classes": labelled.class_counts,
            "labels": labelled.label_counts,
            "lengths": [min(lengths), max(lengths)],
            "sha256": labelled.fingerprint,
            "citation": labelled.citation,
        },
        "seed": config.seed,
        "metrics": {
            "split": f"{_KINDS[config.split.kind]} {config.folds}-fold cross-validation, seed {config.seed}",
            "n": len(labelled),
            "folds": len(first.folds),
            "spread": {name: plain(first.spread(name), DECIMALS) for name in multilabel.METRICS},
            **{name: plain(first.mean(name), DECIMALS) for name in multilabel.METRICS},
        },
    }


def measurements(outcome: Outcome) -> dict[str, Any]:
    """The content of `metrics.json`: folds, hold-out, tests, intervals, time and machine."""
    return {
        "seconds": round(outcome.seconds, 1),
        "machine": {"python": platform.python_version(), "system": platform.platform(terse=True)},
        "not_for": list(getattr(registry.get("task", outcome.config.task), "not_for", ())),
        "organisms": outcome.data.organism_counts,
        "level": multilabel.LEVEL,
        "resamples": multilabel.N_RESAMPLES,
        "rows": [
            {
                "model": row.model,
                "holdout": row.holdout and set_record(row.holdout),
                **_measured(row.measured),
            }
            for row in outcome.rows
        ],
        "grouped": None
        if outcome.grouped is None
        else {
            "tool": outcome.grouped.groups.tool,
            "n_groups": outcome.grouped.groups.n,
            "largest_group": outcome.grouped.groups.largest,
            **_measured(outcome.grouped.measured),
        },
        "tests": [set_record(test) for test in outcome.tests],
        "left_out": {
            "repeats": outcome.n_repeats,
            "joined": outcome.n_joined,
            "copies_of_tests": outcome.n_copies,
        },
    }


def set_record(found: Scored) -> dict[str, Any]:
    """A scored set as plain values."""
    return {
        "name": found.name,
        "part": found.part,
        **_plain(asdict(found.evaluation)),
        "intervals": _plain(asdict(found.intervals)),
    }


def _measured(found: Measured) -> dict[str, Any]:
    return {
        "folds": [_plain(asdict(fold)) for fold in found.folds],
        "thresholds": [_plain(decider.thresholds.tolist()) for decider in found.deciders],
        "folds_chosen": [dict(chosen) for chosen in found.chosen],
        "pooled": _plain(asdict(found.pooled)),
        "intervals": _plain(asdict(found.intervals)),
    }


def _plain(value: Any) -> Any:
    return plain(value, DECIMALS)
