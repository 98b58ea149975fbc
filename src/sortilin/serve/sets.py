"""The classes that a result does not rule out: conformal sets where the model has tables for them."""

from __future__ import annotations

from collections.abc import Sequence

from sortilin.errors import ConfigError
from sortilin.results import Prediction
from sortilin.serve.service import Service
from sortilin.serve.store import Job
from sortilin.trust import Sets

COVERAGE = 0.9
"""Of the sets of classes that a result names."""

_ROUNDING = 1e-9
"""0.6 and 0.3 reach 0.9."""

_UNEVEN = 1e-3
"""Probabilities of exclusive classes are not farther from 1 together, as they are stored."""


class NoSets:
    """In place of sets where each class has a probability of its own, and none is the one true class."""

    coverage = None

    def __call__(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions as they are."""
        return list(predictions)


AnySets = Sets | NoSets | None


def sets_of(service: Service, job: Job) -> AnySets:
    """What makes sets that hold the true class as often as said; None where the model cannot."""
    if job.model not in service.models.names:
        return None
    model = service.models.get(job.model)
    if model.model.checksum != job.checksum:
        return None
    if model.decider is not None:
        return NoSets()
    try:
        return model.sets(COVERAGE, per_class=True, never_empty=True)
    except ConfigError:
        return None


def names(p: Prediction, sets: AnySets) -> list[str]:
    """The classes that a prediction does not rule out."""
    if sets is None and abs(sum(p.probabilities.values()) - 1) > _UNEVEN:
        return []  # of a model of several classes a sequence that is served no more
    return prediction_set(p) if sets is None else list(sets([p])[0].set or ())


def prediction_set(p: Prediction, share: float = 0.9) -> list[str]:
    """The fewest classes, most probable first, whose probabilities together reach a share."""
    chosen, total = [], 0.0
    for name, value in sorted(p.probabilities.items(), key=lambda item: -item[1]):
        chosen.append(name)
        total += value
        if total >= share - _ROUNDING:
            break
    return chosen
