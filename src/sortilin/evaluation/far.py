"""How far a sequence lies from the training data, by its features; NumPy only.

Features are standardised, rotated to their principal components and cut to as many as are asked for, one for
ten rows at most. The distance is Mahalanobis's to the nearest class mean with one covariance for all classes
(Lee et al. 2018, NeurIPS), or the mean Euclidean distance to the nearest training sequences (Sun et al. 2022,
ICML). What counts as far is settled by distances of held-out sequences, so that a stated share of sequences
like those of training is flagged.

Axis letters: N sequences, F features, K components, C classes, Q held-out sequences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError
from sortilin.interfaces import DoubleArray, IntArray

RATE = 0.05
"""Share of held-out sequences that is flagged."""

MOST_KEPT = 1_000
"""Quantiles of the held-out distances that a model keeps."""

FlatArray = NDArray[np.float32]

_MOST_CELLS = 2_000_000
"""Numbers in memory at a time."""

_ROWS_A_COMPONENT = 10
"""With fewer, components fit the training rows, and new rows of the same kind lie otherwise."""

_LEAST_SPREAD = 1e-6
_RIDGE = 1e-6


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to measure.

    Attributes:
        name: "mahalanobis" or "neighbours".
        components: K, at most.
        nearest: Of how many nearest training sequences the distance is the mean; unused by mahalanobis.
    """

    name: str
    components: int
    nearest: int = 1

    def __str__(self) -> str:
        of = "" if self.name == "mahalanobis" else f", {self.nearest} nearest"
        return f"{self.name}, {self.components} components{of}"


DEFAULT = Kind("mahalanobis", 32)
CANDIDATES = (DEFAULT, Kind("mahalanobis", 8), Kind("mahalanobis", 128), Kind("neighbours", 32, 10))
"""What is chosen from where it is known which sequences are of other families; the default first."""

WORTH = 0.02
"""So much better in ROC-AUC neighbours have to be: they keep all training rows, and take long to ask."""


@dataclass(frozen=True, slots=True)
class Distance:
    """What was fitted: (N, F) features → (N,) distances.

    Attributes:
        kind: How it is measured.
        centre: (F,) of the features.
        axes: (F, K) from centred features to components; for mahalanobis, to ones of unit covariance.
        anchors: (C, K) class means, or (M, K) the training sequences.
    """

    kind: Kind
    centre: FlatArray
    axes: FlatArray
    anchors: FlatArray

    def __call__(self, x: NDArray[Any]) -> DoubleArray:
        """(N, F) → (N,)."""
        at_once = max(_MOST_CELLS // self.anchors.size, 1)
        parts = [self._of(x[start : start + at_once]) for start in range(0, len(x), at_once)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _of(self, x: NDArray[Any]) -> DoubleArray:
        # einsum, not BLAS: a row's result must not depend on how many stand beside it.
        placed = np.einsum("nf,fk->nk", x.astype(np.float64) - self.centre, self.axes.astype(np.float64))
        squared = ((placed[:, None, :] - self.anchors.astype(np.float64)[None]) ** 2).sum(axis=2)
        if self.kind.name == "mahalanobis":
            return np.asarray(np.sqrt(squared.min(axis=1)))
        n = min(self.kind.nearest, squared.shape[1])
        return np.asarray(np.sqrt(np.partition(squared, n - 1, axis=1)[:, :n]).mean(axis=1))


def fit(x: NDArray[Any], y: IntArray, kind: Kind = DEFAULT) -> Distance:
    """Learn where (N, F) training features with (N,) classes lie."""
    x = np.asarray(x, dtype=np.float64)
    centre, spread = x.mean(axis=0), x.std(axis=0)
    scale = np.where(spread > _LEAST_SPREAD, 1 / np.maximum(spread, _LEAST_SPREAD), 0.0)
    standard = (x - centre) * scale
    variance, rotation = np.linalg.eigh(standard.T @ standard / len(x))
    n = max(min(kind.components, len(x) // _ROWS_A_COMPONENT, int((variance > _RIDGE).sum())), 1)
    axes = scale[:, None] * rotation[:, ::-1][:, :n]
    placed = (x - centre) @ axes
    if kind.name == "neighbours":
        return _flat(kind, centre, axes, placed)
    means = np.stack([placed[y == c].mean(axis=0) for c in np.unique(y)])
    within = placed - means[np.unique(y, return_inverse=True)[1]]
    covariance = within.T @ within / len(x) + _RIDGE * np.eye(n)
    values, vectors = np.linalg.eigh(covariance)
    whiten = vectors / np.sqrt(np.maximum(values, _RIDGE))
    return _flat(kind, centre, axes @ whiten, means @ whiten)


def _flat(kind: Kind, centre: DoubleArray, axes: DoubleArray, anchors: DoubleArray) -> Distance:
    return Distance(kind, *(a.astype(np.float32) for a in (centre, axes, anchors)))


@dataclass(frozen=True, slots=True)
class Far:
    """A distance, and what of held-out sequences it was.

    Attributes:
        distance: Fitted on all training sequences.
        known: (Q,) ascending distances of held-out sequences, each to those its fold learned from.
    """

    distance: Distance
    known: FlatArray

    def threshold(self, rate: float = RATE) -> float:
        """The distance above which that share of held-out sequences lies.

        Raises:
            ConfigError: The rate is not between 0 and 1.
        """
        if not 0 < rate < 1:
            raise ConfigError(f"rate is {rate}; allowed: above 0 and below 1, as {RATE}")
        return float(np.quantile(self.known, 1 - rate, method="higher"))

    def is_far(self, x: NDArray[Any], rate: float = RATE) -> NDArray[np.bool_]:
        """(N,) whether each of (N, F) lies above the threshold."""
        return self.distance(x) > self.threshold(rate)

    def arrays(self) -> dict[str, FlatArray]:
        """What a model keeps of it."""
        found = self.distance
        return {"centre": found.centre, "axes": found.axes, "anchors": found.anchors, "known": self.known}

    def described(self) -> dict[str, Any]:
        """What `model.json` says of it."""
        kind = self.distance.kind
        return {"kind": kind.name, "components": kind.components, "nearest": kind.nearest, "rate": RATE}


def restored(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Far:
    """What `described` and `arrays` were of."""
    kind = Kind(described["kind"], int(described["components"]), int(described["nearest"]))
    return Far(Distance(kind, arrays["centre"], arrays["axes"], arrays["anchors"]), arrays["known"])


Splits = Sequence[tuple[IntArray, IntArray]]


def held_out(x: NDArray[Any], y: IntArray, splits: Splits, kind: Kind) -> DoubleArray:
    """(Q,) distances of the rows held out, fold after fold, each to what its fold learned from."""
    return np.concatenate([fit(x[train], y[train], kind)(x[out]) for train, out in splits])


@dataclass(frozen=True, slots=True)
class Choice:
    """How well a way to measure tells other families.

    Attributes:
        kind: The way.
        separation: Chance that a sequence held out with its family lies farther than one held out without
            it (ROC-AUC); None where families are not known.
        n_flagged: Of those held out with their family, flagged at `RATE`; None likewise.
        n: Those held out with their family.
    """

    kind: Kind
    separation: float | None
    n_flagged: int | None
    n: int


def choose(
    x: NDArray[Any], y: IntArray, splits: Splits, others: Splits | None
) -> tuple[Far, tuple[Choice, ...]]:
    """Fit on all rows the way that best tells other families, held-out rows deciding what is far.

    Args:
        x: (N, F) features.
        y: (N,) classes.
        splits: Folds that do not look at families: training and held-out row numbers.
        others: Folds that split no family; None where they are not known, and the default is taken.

    Returns:
        What is kept, and how well each way did, the one taken first.
    """
    if others is None:
        known = held_out(x, y, splits, DEFAULT)
        return Far(fit(x, y, DEFAULT), _quantiles(known)), (Choice(DEFAULT, None, None, len(x)),)
    found = []
    for kind in CANDIDATES:
        near, far = held_out(x, y, splits, kind), held_out(x, y, others, kind)
        at = np.quantile(near, 1 - RATE, method="higher")
        found.append((Choice(kind, _auc(far, near), int((far > at).sum()), len(far)), near))
    found.sort(key=lambda one: -(one[0].separation or 0.0) + WORTH * (one[0].kind.name == "neighbours"))
    best, known = found[0]
    return Far(fit(x, y, best.kind), _quantiles(known)), tuple(choice for choice, _ in found)


def _auc(larger: DoubleArray, smaller: DoubleArray) -> float:
    """Chance that one of the first is larger than one of the second."""
    ascending = np.sort(smaller)
    below = np.searchsorted(ascending, larger, "left") + np.searchsorted(ascending, larger, "right")
    return float(below.mean() / (2 * len(smaller)))


def _quantiles(values: DoubleArray) -> FlatArray:
    """(Q,) ascending: all, or evenly spaced quantiles of many."""
    if len(values) <= MOST_KEPT:
        return np.sort(values).astype(np.float32)
    return np.quantile(values, np.linspace(0, 1, MOST_KEPT), method="higher").astype(np.float32)
