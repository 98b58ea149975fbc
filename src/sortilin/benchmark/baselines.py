"""What a model has to beat: no sequence at all, its length, its composition, its nearest relative.

Axis letters: N training sequences, M held-out ones, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sortilin.benchmark.folder import identity
from sortilin.component import Component
from sortilin.interfaces import DoubleArray, Inputs, IntArray, OnProgress
from sortilin.sequences import homology, peptides

MAJORITY, HOMOLOGUE, NEIGHBOUR = "majority", "homologue", "neighbour"
COMPONENTS = {"length": "length alone, boosted trees", "composition": "composition alone, boosted trees"}
"""Baselines that are a descriptor set with a classifier, and their titles."""

BOOSTING = Component(name="boosting")

TITLES = {
    MAJORITY: "majority class",
    **COMPONENTS,
    HOMOLOGUE: f"nearest homologue (E < {homology.MAX_E_VALUE:g}), else majority",
    NEIGHBOUR: "nearest peptide, by alignment",
}

NAMES = tuple(TITLES)
ON_HOLDOUT = (MAJORITY, *COMPONENTS, HOMOLOGUE)

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


def are_peptides(sequences: Sequence[str]) -> bool:
    """Whether half of the sequences or more are short enough to be compared as peptides."""
    return float(np.median([len(sequence) for sequence in sequences])) <= peptides.MAX_RESIDUES


def on_folds(sequences: Sequence[str]) -> tuple[str, ...]:
    """The baselines of a cross-validation: a search by E-value for proteins, by alignment for peptides.

    An E-value says little of a peptide: phmmer finds no relative of most.
    """
    return (MAJORITY, *COMPONENTS, NEIGHBOUR if are_peptides(sequences) else HOMOLOGUE)


def majority(
    x: Inputs,  # noqa: ARG001 - no sequence is looked at
    y: IntArray,
    held_out: Inputs,
    n_classes: int,
    tell: OnProgress | None = None,  # noqa: ARG001 - done at once
) -> DoubleArray:
    """(M, C): the class frequencies of the training rows."""
    return Frequencies.of(y, n_classes)(len(held_out))


def nearest_peptide(
    x: Inputs, y: IntArray, held_out: Inputs, n_classes: int, tell: OnProgress | None = None
) -> DoubleArray:
    """(M, C): the class of the training peptide that aligns best, however far it is.

    Its class gets the share of equal residues, of the shorter one, and the class frequencies the rest: a
    fixed rule, not a calibrated one. Aligned as in `sequences.peptides`; of equal scores the first counts.

    Raises:
        MissingDependencyError: PyOpal is not installed.
    """
    peptides.require()
    from pyopal import Aligner, Database

    known, certain = Database(list(x)), np.eye(n_classes)
    aligner = Aligner("BLOSUM62", gap_open=peptides.GAP_OPEN, gap_extend=peptides.GAP_EXTEND)
    table = Frequencies.of(y, n_classes)(len(held_out))
    for row, query in enumerate(held_out):
        hits = aligner.align(query, known, mode="score", algorithm="ov")
        best = max(hits, key=lambda hit: (hit.score, -hit.target_index)).target_index
        (hit,) = aligner.align(query, Database([x[best]]), mode="full", algorithm="ov")
        weight = hit.alignment.count("M") / min(len(query), len(x[best]))
        table[row] = weight * certain[y[best]] + (1 - weight) * table[row]
        if tell is not None:
            tell(NEIGHBOUR, row + 1, len(held_out))
    return table


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


RULES: Mapping[str, Callable[[Inputs, IntArray, Inputs, int, OnProgress | None], DoubleArray]] = {
    MAJORITY: majority,
    HOMOLOGUE: nearest_homologue,
    NEIGHBOUR: nearest_peptide,
}
"""Baselines that are a fixed rule: training sequences and classes, held-out ones → (M, C)."""


def rule_identity(name: str) -> str:
    """Equal rules, equal identity."""
    return identity(name, HOMOLOGUE_WEIGHT)
