"""What a model folder says of itself beside the card: `model.json` and `metrics.json`, as plain values."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import sortilin
from sortilin import registry
from sortilin.evaluation import intervals
from sortilin.evaluation.plain import plain
from sortilin.experiment import card_audit, questions, trust
from sortilin.experiment.bands import FEWEST
from sortilin.experiment.config import ExperimentConfig
from sortilin.experiment.grouped import Grouped
from sortilin.experiment.held_out import HeldOut, Reliability
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.outcome import Outcome
from sortilin.experiment.questions import Answer
from sortilin.experiment.split_config import HOMOLOGY
from sortilin.experiment.trust import ASIDE
from sortilin.experiment.validate import CrossValidation
from sortilin.interfaces import Classifier, Question

DECIMALS = 4


def description(outcome: Outcome, inputs: Inputs, classifier: Classifier) -> dict[str, Any]:
    """The content of `model.json`, without what `artifact.write` adds."""
    config, labelled = outcome.config, outcome.data
    lengths = [len(s) for s in labelled.sequences]
    first = outcome.rows[0].cross_validation
    return {
        "sortilin_version": sortilin.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "task": config.task,
        "classes": list(labelled.classes),
        **inputs.description(classifier),
        **_members(classifier),
        "classifier": {
            "name": config.classifier.name,
            "config": config.classifier.options,
            "chosen": dict(outcome.chosen),
        },
        "calibration": {
            "method": config.calibration.method,
            "fitted_on": f"{config.folds}-fold held-out scores" if classifier.set_aside() is None else ASIDE,
        },
        "training_data": {
            "name": labelled.name,
            "n": len(labelled),
            "classes": labelled.class_counts,
            "lengths": [min(lengths), max(lengths)],
            "sha256": labelled.fingerprint,
            "citation": labelled.citation,
        },
        **_questions(outcome),
        "seed": config.seed,
        "metrics": {
            "split": _split(config),
            "n": len(labelled),
            "folds": len(first.folds),
            "spread": {name: round(first.spread(name), DECIMALS) for name in first.pooled.metrics},
            **{name: round(first.mean(name), DECIMALS) for name in first.pooled.metrics},
        },
    }


def _members(classifier: Classifier) -> dict[str, Any]:
    """How many networks and dropout masks a prediction is the mean of; nothing where it is of one network."""
    found: dict[str, int] = getattr(classifier, "opinions", dict)()
    return {"members": found} if found else {}


def _split(config: ExperimentConfig) -> str:
    """What the figures of `model.json` were measured on, in words."""
    of = f"{config.folds}-fold cross-validation, seed {config.seed}"
    return f"{config.split.kind} {of}" if config.split.kind != HOMOLOGY else f"{of}, split by homology"


def _questions(outcome: Outcome) -> dict[str, Any]:
    """What a predictor answers questions of two classes with; nothing where the task has none."""
    found = [{"name": name, **asdict(how)} for name, how in outcome.answerings.items()]
    return {"questions": found} if found else {}


def measurements(outcome: Outcome, found: HeldOut) -> dict[str, Any]:
    """The content of `metrics.json`: folds, hold-out, tests, intervals, calibration, time and machine."""
    answers = (*questions.cross_validated(outcome), *outcome.answers)
    return {
        "seconds": round(outcome.seconds, 1),
        "machine": {"python": platform.python_version(), "system": platform.platform(terse=True)},
        "not_for": list(getattr(registry.get("task", outcome.config.task), "not_for", ())),
        "organisms": outcome.data.organism_counts,
        "rows": [
            {
                "model": row.model,
                "holdout": row.holdout and _plain(row.holdout.as_dict()),
                "holdout_chosen": dict(row.chosen),
                **_folds(row.cross_validation),
            }
            for row in outcome.rows
        ],
        "grouped": outcome.grouped and _grouped(outcome.grouped),
        "split": outcome.split and outcome.split.record(),
        "held_out": _plain(_held_out(found)),
        **({"trust": _plain(trust.measurements(found.trust))} if found.trust is not None else {}),
        "tests": [{"name": t.name, "part": t.part, **_plain(t.evaluation.as_dict())} for t in outcome.tests],
        "audit": card_audit.measurements(outcome),
        "left_out": {"repeats": outcome.n_repeats, **_left_out(outcome)},
        "questions": [
            {
                **asdict(question),
                "slope": outcome.answerings[question.name].slope,
                "offset": outcome.answerings[question.name].offset,
                **_answers(question, answers),
            }
            for question in questions.of_task(outcome.config.task)
        ],
    }


def _left_out(outcome: Outcome) -> dict[str, Any]:
    found = outcome.left_out
    return {"copies_of_tests": found.n_copies, "contradictions": found.n_contradictions}


def _answers(question: Question, answers: Sequence[Answer]) -> dict[str, Any]:
    """What was found for one question: cross-validations, then test sets."""
    mine = [answer for answer in answers if answer.question == question]
    return {
        "folds": [
            {
                "model": answer.name,
                "folds_of": answer.part,
                "folds": [_plain(fold.as_dict()) for fold in answer.folds],
                "pooled": _plain(answer.pooled.as_dict()),
                "intervals": _plain(answer.intervals),
            }
            for answer in mine
            if answer.folds
        ],
        "tests": [
            {"name": answer.name, "part": answer.part, **_plain(answer.pooled.as_dict())}
            for answer in mine
            if not answer.folds
        ],
    }


def _folds(measured: CrossValidation) -> dict[str, Any]:
    return {
        "folds": [_plain(fold.as_dict()) for fold in measured.folds],
        "folds_chosen": list(measured.chosen),
        "pooled": _plain(measured.pooled.as_dict()),
    }


def _grouped(found: Grouped) -> dict[str, Any]:
    return {
        "tool": found.groups.tool,
        "n_groups": found.groups.n,
        "largest_group": found.groups.largest,
        **_folds(found.cross_validation),
    }


def _held_out(found: HeldOut) -> dict[str, Any]:
    return {
        "level": intervals.LEVEL,
        "resamples": intervals.N_RESAMPLES,
        "intervals": found.intervals,
        "per_class": found.per_class,
        "calibration": {
            "before": found.before and _reliability(found.before),
            "after": _reliability(found.after),
        },
        "fewest": FEWEST,
        "against": asdict(found.against),
        "by_length": [asdict(band) for band in found.by_length],
        "by_identity": {name: [asdict(band) for band in its] for name, its in found.by_identity.items()}
        or None,
    }


def _reliability(values: Reliability) -> dict[str, Any]:
    bins = [{"n": n, "probability": probability, "right": right} for n, probability, right in values.bins]
    return {**asdict(values), "bins": bins}


def _plain(value: Any) -> Any:
    return plain(value, DECIMALS)
