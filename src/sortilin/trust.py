"""What a model folder keeps to say how far its probabilities can be trusted.

    held_out.scores, .classes, .fold     scores of training sequences by fits that did not see them
    conformal.lac, .aps, .counts         nonconformities, for prediction sets of any coverage
    far.centre, .axes, .anchors, .known  where the training data lie, and how far held-out sequences did

Folders before format 5 have none of them, and a folder may lack some.

Axis letters: N sequences, S scores, C classes, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.artifact import ModelFolder
from sortilin.errors import ConfigError
from sortilin.evaluation import conformal, far
from sortilin.evaluation.conformal import Conformal
from sortilin.evaluation.far import Far
from sortilin.interfaces import DoubleArray, FloatArray, IntArray
from sortilin.results import Prediction

FAR = "far_from_training"
"""Flag of a sequence whose features lie farther from the training data than nearly all held-out ones."""

PLAIN_FEATURES = ("composition", "length")
"""Descriptor sets that place a sequence where the model itself reads residues, not features."""

_FEW = np.iinfo(np.uint8).max


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Scores of training sequences, each by a fit that did not see it.

    Attributes:
        scores: (N, S).
        y: (N,) class indices.
        fold: (N,) the fold in which each was held out, from 0.
    """

    scores: DoubleArray
    y: IntArray
    fold: IntArray

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As a folder keeps them."""
        return {
            "held_out.scores": self.scores.astype(np.float32),
            "held_out.classes": _small(self.y),
            "held_out.fold": _small(self.fold),
        }


def _small(values: IntArray) -> NDArray[Any]:
    return values.astype(np.uint8 if values.max(initial=0) <= _FEW else np.uint16)


def held_out(model: ModelFolder) -> HeldOutScores:
    """Those that a folder keeps.

    Raises:
        ConfigError: It was written before they were kept.
    """
    if "held_out" not in model.description:
        raise ConfigError(
            f"{model.path} keeps no held-out scores; train it again with this version, or calibrate it on "
            "your own labelled sequences: sortilin calibrate MODEL --labelled FILE -o NEW"
        )
    scores, y, fold = (model.array(f"held_out.{name}") for name in ("scores", "classes", "fold"))
    return HeldOutScores(scores.astype(np.float64), y.astype(np.int64), fold.astype(np.int64))


def conformal_arrays(probabilities: DoubleArray, y: IntArray) -> dict[str, NDArray[Any]]:
    """Tables for prediction sets, from (N, C) probabilities of sequences that nothing learned from.

    Raises:
        ConfigError: A class is missing among the (N,) labels.
    """
    tables = {kind: conformal.fit(probabilities, y, kind) for kind in conformal.KINDS}
    arrays: dict[str, NDArray[Any]] = {f"conformal.{kind}": found.values for kind, found in tables.items()}
    return arrays | {"conformal.counts": tables[conformal.KINDS[0]].counts}


def conformal_of(model: ModelFolder, kind: str = conformal.KINDS[0]) -> Conformal:
    """The tables of a folder.

    Raises:
        ConfigError: It has none.
        UnknownNameError: There is no such nonconformity.
    """
    conformal.check_kind(kind)
    if model.description.get("multi_label"):
        raise ConfigError(
            f"{model.path} gives several classes to a sequence, each with a probability of its own; sets "
            "that hold the one true class are not for it"
        )
    if "conformal" not in model.description:
        raise ConfigError(
            f"{model.path} has no tables for prediction sets; sortilin calibrate MODEL --labelled FILE -o "
            "NEW makes them, and so does training it again"
        )
    counts = model.array("conformal.counts").astype(np.int64)
    return Conformal(kind, model.array(f"conformal.{kind}").astype(np.float64), counts)


class PlainFeatures:
    """Composition and length, to place a sequence by."""

    name = " and ".join(PLAIN_FEATURES)

    def __init__(self) -> None:
        self._parts = [registry.get("features", name)() for name in PLAIN_FEATURES]

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """(N, F) of cleaned sequences."""
        return np.hstack([part.transform(sequences) for part in self._parts])


def far_of(model: ModelFolder) -> Far | None:
    """How a folder tells what is far from its training data; None where it does not."""
    described: Mapping[str, Any] | None = model.description.get("far")
    if described is None:
        return None
    arrays = {name: model.array(f"far.{name}") for name in ("centre", "axes", "anchors", "known")}
    return far.restored(described, arrays)


@dataclass(frozen=True, slots=True)
class Sets:
    """Adds to predictions the set of classes that holds the true one as often as asked.

    Attributes:
        coverage: How often, above 0 and below 1.
        per_class: Whether of every class by itself.
        kind: The nonconformity.
        never_empty: Whether the predicted class stands in a set that would be empty.
        n: Held-out sequences that the thresholds are of.
        thresholds: (C,) largest nonconformity of each class in a set.
    """

    coverage: float
    per_class: bool
    kind: str
    never_empty: bool
    n: int
    thresholds: DoubleArray

    def __call__(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The same predictions with sets, the most probable class first."""
        if not predictions:
            return []
        table = np.array([tuple(one.probabilities.values()) for one in predictions])
        inside = conformal.sets(table, self.thresholds, self.kind, never_empty=self.never_empty)
        order = np.argsort(-table, axis=1, kind="stable")
        return [
            replace(one, set=tuple(names[c] for c in places if is_in[c]))
            for one, places, is_in in zip(predictions, order.tolist(), inside.tolist(), strict=True)
            for names in (tuple(one.probabilities),)
        ]

    def described(self) -> dict[str, Any]:
        """What the record of a run says of it."""
        return {
            "coverage": self.coverage,
            "per_class": self.per_class,
            "score": self.kind,
            "never_empty": self.never_empty,
            "held_out": self.n,
        }


def sets_of(
    model: ModelFolder,
    coverage: float,
    *,
    per_class: bool = False,
    kind: str = conformal.KINDS[0],
    never_empty: bool = False,
) -> Sets:
    """Sets of one coverage for a model's predictions.

    Raises:
        ConfigError: The coverage is not between 0 and 1, or the model has no tables, or too few held-out
            sequences for it.
        UnknownNameError: There is no such nonconformity.
    """
    conformal.check_coverage(coverage)
    tables = conformal_of(model, kind)
    thresholds = tables.thresholds(coverage, model.description["classes"], per_class=per_class)
    return Sets(coverage, per_class, kind, never_empty, len(tables.values), thresholds)
