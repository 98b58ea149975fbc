"""What a model has to beat: no sequence at all, its length, its composition, its nearest homologue.

Axis letters: N training sequences, M held-out ones, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sortilin.component import Component
from sortilin.interfaces import DoubleArray, Inputs, IntArray, OnProgress
from sortilin.sequences import homology

MAJORITY, HOMOLOGUE = "majority", "homologue"
COMPONENTS = {"length": "length alone, boosted trees", "composition": "composition alone, boosted trees"}
"""Baselines that are a descriptor set with a classifier, and their titles."""

BOOSTING = Component(name="boosting")

TITLES = {
    MAJORITY: "majority class",
    **COMPONENTS,
    HOMOLOGUE: f"nearest homologue (E < {homology.MAX_E_VALUE:g}), else majority",
}

NAMES = tuple(TITLES)

HOMOLOGUE_WEIGHT = 0.75


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Predicts the class frequencies of the training rows, whatever the sequence.

    Attributes:
        table: (C,) frequencies.
    """

    table: DoubleArray

    @classmethod
    def of(cls, y: IntArray, n_classes: int) -> Frequencies:
        """From (N,) class indices."""
        return cls(np.bincount(y, minlength=n_classes) / len(y))

    def __call__(self, n: int) -> DoubleArray:
        """(n, C) probabilities."""
        return np.tile(self.table, (n, 1))


def nearest_homologue(
    x: Inputs, y: IntArray, held_out: Inputs, n_classes: int, tell: OnProgress | None = None
) -> DoubleArray:
    """(M, C): the class of the nearest training sequence where there is a homologue, else frequencies.

    A homologue's class gets `HOMOLOGUE_WEIGHT` and the class frequencies share the rest: a fixed rule,
    not a calibrated one.
    """
    table = Frequencies.of(y, n_classes)(len(held_out))
    hits = homology.best_hits(list(held_out), list(x), on_progress=tell)
    certain = np.eye(n_classes)
    for row, hit in enumerate(hits):
        if hit is not None:
            table[row] = HOMOLOGUE_WEIGHT * certain[y[hit.target]] + (1 - HOMOLOGUE_WEIGHT) * table[row]
    return table
