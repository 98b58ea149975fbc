"""How sure the figures of held-out predictions are, and whether their probabilities mean what they say.

Both are of all held-out folds together. Intervals are those of `evaluation.bounded`.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sortilin import registry
from sortilin.evaluation import bounded, calibration, intervals, metrics
from sortilin.experiment import bands
from sortilin.experiment.against import Against, against
from sortilin.experiment.bands import Band, Interval
from sortilin.experiment.outcome import Outcome
from sortilin.interfaces import DoubleArray, IntArray

if TYPE_CHECKING:
    from sortilin.experiment.trust import Trust

METRICS = ("macro_f1", "accuracy", "roc_auc", "precision", "recall", "mcc")


@dataclass(frozen=True, slots=True)
class Reliability:
    """How well probabilities agree with what came true.

    Attributes:
        ece: Expected calibration error.
        ece_interval: Its bootstrap interval.
        brier: Brier score.
        log_loss: Logarithmic loss.
        bins: Of each filled bin of the predicted class's probability: sequences, their mean probability, and
            the share that is right.
        brier_interval: Bootstrap interval of the Brier score; None where none was computed.
        log_loss_interval: The same of the logarithmic loss.
    """

    ece: float
    ece_interval: Interval
    brier: float
    log_loss: float
    bins: tuple[tuple[int, float, float], ...]
    brier_interval: Interval | None = None
    log_loss_interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Intervals and calibration of the held-out predictions, and what becomes of them in bands.

    Attributes:
        intervals: Metric → interval.
        per_class: Class → metric → interval.
        before: The classifier's own scores as probabilities; None where they are none.
        after: The calibrated probabilities, each calibrated without its own fold.
        by_length: Bands of length, the shortest first.
        by_identity: "stratified" and "grouped", the folds → bands of identity to the nearest sequence in
            training, the farthest first; empty where no homologues were searched.
        against: The model against its shortcuts, on the same sequences and folds.
        trust: Methods of calibration, prediction sets, silence and distance; None where not measured.
    """

    intervals: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, Interval]]
    before: Reliability | None
    after: Reliability
    by_length: tuple[Band, ...] = ()
    by_identity: Mapping[str, tuple[Band, ...]] = field(default_factory=dict)
    against: Against = field(default_factory=Against)
    trust: Trust | None = None


def held_out(outcome: Outcome) -> HeldOut:
    """What is known of the held-out predictions of all the model's folds together."""
    folds, labelled = outcome.rows[0].cross_validation, outcome.data
    y, classes, seed = labelled.y, labelled.classes, outcome.config.seed
    after = reliability_of(folds.probabilities, y, classes, seed)
    found = bounded.of_set(y, folds.probabilities, classes, seed=seed, metrics=METRICS)
    found["ece"] = after.ece_interval
    per_class = bounded.of_classes(y, folds.probabilities, classes, seed=seed)
    if len(classes) == 2:
        negative, positive = (per_class[name]["recall"] for name in classes)
        found |= {"sensitivity": positive, "specificity": negative}
    are_logits = len(classes) == 2 or _gives_log_odds(outcome)
    raw = calibration.uncalibrated(folds.scores, len(classes)) if are_logits else None
    return HeldOut(
        intervals=found,
        per_class=per_class,
        before=None if raw is None else reliability_of(raw, y, classes, seed),
        after=after,
        by_length=bands.by_length(folds, _lengths(outcome), y, classes, seed=seed),
        by_identity=_by_identity(outcome),
        against=against(outcome, registry.get("task", outcome.config.task).metric),
    )


def _lengths(outcome: Outcome) -> IntArray:
    return np.array([len(sequence) for sequence in outcome.data.sequences], dtype=np.int64)


def _by_identity(outcome: Outcome) -> dict[str, tuple[Band, ...]]:
    if outcome.grouped is None:
        return {}
    relatives, labelled = outcome.grouped.groups.relatives, outcome.data
    measured = {
        "stratified": outcome.rows[0].cross_validation,
        "grouped": outcome.grouped.cross_validation,
    }
    return {
        name: bands.by_identity(folds, relatives, labelled.y, labelled.classes, seed=outcome.config.seed)
        for name, folds in measured.items()
    }


def reliability_of(table: DoubleArray, y: IntArray, classes: Sequence[str], seed: int) -> Reliability:
    """Of (N, C) probabilities and (N,) classes."""
    around = intervals.bootstrap(y, table, classes, seed=seed, metrics=("ece", "brier", "log_loss"))
    return Reliability(
        ece=metrics.expected_calibration_error(y, table),
        ece_interval=around["ece"],
        brier=metrics.brier_score(y, table),
        log_loss=metrics.log_loss(y, table),
        bins=tuple(metrics.reliability(y, table)),
        brier_interval=around["brier"],
        log_loss_interval=around["log_loss"],
    )


def _gives_log_odds(outcome: Outcome) -> bool:
    """Whether scores of more than two classes are logits; those of an SVM compare classes in pairs."""
    return bool(registry.get("classifier", outcome.config.classifier.name).gives_log_odds)
