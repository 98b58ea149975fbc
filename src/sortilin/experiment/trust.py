"""How far a model's probabilities can be trusted: methods of calibration, sets, silence, and distance.

All of it is of the held-out folds together. Nothing here chooses anything but how distance is measured.

Axis letters: N sequences, S scores, C classes, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import registry, trust
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.evaluation import calibration, conformal, far, selective
from sortilin.evaluation.conformal import Covered
from sortilin.evaluation.far import Choice, Far
from sortilin.evaluation.selective import Selective
from sortilin.experiment.config import ExperimentConfig
from sortilin.experiment.held_out import Reliability, reliability_of
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.outcome import Outcome
from sortilin.experiment.split_config import HOMOLOGY
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.trust import HeldOutScores, PlainFeatures

ASIDE = "rows set aside from training"
"""What a fit is calibrated on that keeps rows from learning."""

COVERAGES = (0.8, 0.9, 0.95)
"""Of the sets in a card."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the held-out folds say of probabilities.

    Attributes:
        method: The calibration that the model has.
        methods: Method → how well it does on held-out folds, fitted on the others; those that can read the
            scores.
        sets: Sets of held-out sequences by the thresholds of the other folds; empty where a fold has too
            few of a class for any.
        selective: Accuracy over the share that is answered.
        far: What tells sequences far from the training data; None where that was not fitted.
        far_features: What places a sequence for it.
        choices: The ways to measure distance that were compared, the best first.
        is_aside: Whether the model is calibrated on rows set aside, by another map than any of `methods`.
        by_homology: Whether the folds themselves split no family.
    """

    method: str
    methods: Mapping[str, Reliability]
    sets: tuple[Covered, ...]
    selective: Selective
    far: Far | None = None
    far_features: str = ""
    choices: tuple[Choice, ...] = ()
    is_aside: bool = False
    by_homology: bool = False


def check_method(config: ExperimentConfig, n_classes: int) -> None:
    """Refuse a calibration that cannot read the scores of the classifier.

    Raises:
        ConfigError: It is so.
    """
    are_log_odds = bool(registry.get("classifier", config.classifier.name).gives_log_odds)
    n_scores = 1 if n_classes == 2 else n_classes if are_log_odds else n_classes * (n_classes - 1) // 2
    calibration.check_scores(config.calibration.method, n_scores, n_classes, are_log_odds=are_log_odds)


def measure(outcome: Outcome, described: Mapping[str, Any], inputs: Inputs) -> Trust:
    """What the model's folds say.

    Args:
        outcome: What the experiment found.
        described: The content of `model.json` so far.
        inputs: What the classifier takes.
    """
    folds, labelled, seed = outcome.rows[0].cross_validation, outcome.data, outcome.config.seed
    kept = HeldOutScores(folds.scores, labelled.y, folds.fold)
    are_log_odds = bool(registry.get("classifier", outcome.config.classifier.name).gives_log_odds)
    found, name, choices = _distance(outcome, described, inputs)
    return Trust(
        method=described["calibration"]["method"],
        methods=compare(kept, labelled.classes, seed=seed, are_log_odds=are_log_odds),
        sets=covered(folds.probabilities, labelled.y, folds.fold, labelled.classes),
        selective=selective.measure(
            labelled.y,
            folds.probabilities,
            fold=folds.fold if len(np.unique(folds.fold)) > 1 else None,
            seed=seed,
        ),
        far=found,
        far_features=name,
        choices=choices,
        is_aside=described["calibration"]["fitted_on"] == ASIDE,
        by_homology=outcome.config.split.kind == HOMOLOGY,
    )


def crossed(kept: HeldOutScores, n_classes: int, method: str) -> DoubleArray:
    """(N, C) probabilities of held-out scores, each fold calibrated on the others.

    Raises:
        ConfigError: The other folds of one lack a class, or the method cannot read the scores.
    """
    table = np.empty((len(kept.y), n_classes))
    for number in np.unique(kept.fold):
        here = kept.fold == number
        fitted = calibration.fit(kept.scores[~here], kept.y[~here], n_classes=n_classes, method=method)
        table[here] = fitted(kept.scores[here])
    return table


def compare(
    kept: HeldOutScores, classes: Sequence[str], *, seed: int, are_log_odds: bool
) -> dict[str, Reliability]:
    """Each method that can be fitted without the fold that it is scored on, and reads the scores."""
    found = {}
    for method in calibration.METHODS:
        try:
            calibration.check_scores(method, kept.scores.shape[1], len(classes), are_log_odds=are_log_odds)
            table = crossed(kept, len(classes), method)
        except ConfigError:  # it cannot read the scores, or the other folds of one lack a class
            continue
        found[method] = reliability_of(table, kept.y, classes, seed)
    return found


def covered(
    probabilities: DoubleArray, y: IntArray, fold: IntArray, classes: Sequence[str]
) -> tuple[Covered, ...]:
    """What sets of held-out sequences are worth; those of too few sequences are left out."""
    found = []
    for kind in conformal.KINDS:
        for per_class in (True, False):
            for coverage in COVERAGES:
                try:
                    inside = conformal.crossed(
                        probabilities, y, fold, coverage, classes, kind=kind, per_class=per_class
                    )
                except ConfigError:
                    continue
                found.append(
                    conformal.covered(inside, y, classes, coverage=coverage, kind=kind, per_class=per_class)
                )
    return tuple(found)


def _distance(
    outcome: Outcome, described: Mapping[str, Any], inputs: Inputs
) -> tuple[Far | None, str, tuple[Choice, ...]]:
    """Distances by the model's own features, or by composition and length; none where there is one fold."""
    if len(np.unique(outcome.rows[0].cross_validation.fold)) < 2:
        return None, "", ()
    x, name = _placed(outcome.data.sequences, described.get("features"), inputs)
    folds = outcome.rows[0].cross_validation.fold
    others = None if outcome.grouped is None else _splits(outcome.grouped.cross_validation.fold)
    found, choices = far.choose(x, outcome.data.y, _splits(folds), others)
    return found, name, choices


def _placed(
    sequences: Sequence[str], features: Mapping[str, Any] | None, inputs: Inputs
) -> tuple[NDArray[Any], str]:
    if inputs.descriptor is not None:
        return np.asarray(inputs(sequences)), str(inputs.name)
    if features is None:
        plain = PlainFeatures()
        return plain.transform(sequences), plain.name
    own = Inputs.of(Component(name=features["name"], options=features["config"]))
    return np.asarray(own(sequences)), features["name"]


def _splits(fold: IntArray) -> list[tuple[IntArray, IntArray]]:
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]


def arrays(found: Trust, outcome: Outcome) -> dict[str, NDArray[Any]]:
    """What the model folder keeps of it."""
    folds, y = outcome.rows[0].cross_validation, outcome.data.y
    known = HeldOutScores(folds.scores, y, folds.fold).arrays()
    known |= trust.conformal_arrays(folds.probabilities, y)
    if found.far is not None:
        known |= {f"far.{name}": array for name, array in found.far.arrays().items()}
    return known


def description(found: Trust, outcome: Outcome) -> dict[str, Any]:
    """What `model.json` says of it."""
    n, n_folds = len(outcome.data), outcome.config.folds
    said: dict[str, Any] = {
        "held_out": {"n": n, "folds": n_folds},
        "conformal": {"kinds": list(conformal.KINDS), "n": n, "of": f"{n_folds}-fold held-out probabilities"},
    }
    if found.far is not None:
        said["far"] = {**found.far.described(), "features": found.far_features}
    return said


def measurements(found: Trust) -> dict[str, Any]:
    """What `metrics.json` says of it, as plain values."""
    return {
        "method": found.method,
        "methods": {
            name: {key: value for key, value in asdict(values).items() if key != "bins"}
            for name, values in found.methods.items()
        },
        "sets": [asdict(one) for one in found.sets],
        "selective": asdict(found.selective),
        "far": {
            "features": found.far_features,
            "rate": far.RATE,
            "compared": [{**asdict(one), "kind": str(one.kind)} for one in found.choices],
        },
    }
