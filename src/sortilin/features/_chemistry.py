"""Whole-sequence chemistry from residue counts, for a batch at once. Axis letters: N sequences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sortilin.features._encoding import ALPHABET, EncodedBatch, row_sums
from sortilin.features._scales import (
    C_TERMINUS_PK,
    MOLECULAR_WEIGHT,
    N_TERMINUS_PK,
    NEGATIVE_PK,
    POSITIVE_PK,
    WATER_WEIGHT,
)

PI_RANGE = (4.05, 12.0)
"""The bounds that ExPASy-style bisection works in; more extreme sequences get the bound."""

_N_BISECTIONS = 24


def charge_at(batch: EncodedBatch, ph: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) net charge at (N,) pH values, termini included (Henderson-Hasselbalch)."""
    last = batch.starts + batch.lengths - 1
    charge = _positive(ph, N_TERMINUS_PK[batch.codes[batch.starts]])
    charge -= _negative(ph, C_TERMINUS_PK[batch.codes[last]])
    for letter, pk in POSITIVE_PK.items():
        charge += batch.counts[:, ALPHABET.index(letter)] * _positive(ph, pk)
    for letter, pk in NEGATIVE_PK.items():
        charge -= batch.counts[:, ALPHABET.index(letter)] * _negative(ph, pk)
    return charge


def _positive(ph: NDArray[np.float64], pk: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + 10.0 ** (ph - pk)))


def _negative(ph: NDArray[np.float64], pk: float | NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + 10.0 ** (pk - ph)))


def isoelectric_point(batch: EncodedBatch) -> NDArray[np.float64]:
    """(N,) pH of zero net charge, within `PI_RANGE`, by bisection (Bjellqvist constants)."""
    low = np.full(batch.n, PI_RANGE[0])
    high = np.full(batch.n, PI_RANGE[1])
    for _ in range(_N_BISECTIONS):
        middle = (low + high) / 2
        is_positive = charge_at(batch, middle) > 0
        low, high = np.where(is_positive, middle, low), np.where(is_positive, high, middle)
    return np.asarray((low + high) / 2)


def molecular_weight(batch: EncodedBatch) -> NDArray[np.float64]:
    """(N,) average mass in dalton; X weighs nothing."""
    n_known = row_sums(batch.counts[:, :20])
    return row_sums(batch.counts * MOLECULAR_WEIGHT) - WATER_WEIGHT * np.maximum(n_known - 1, 0)


def mean_scale(batch: EncodedBatch, scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) mean of a residue scale over the known residues."""
    return row_sums(batch.composition * scale[:20])


def aliphatic_index(batch: EncodedBatch) -> NDArray[np.float64]:
    """(N,) relative volume of aliphatic side chains as paper 1 writes it: A + 2 V + 2.9 (I + L), 0 to 2.9.

    Ikai 1980 (doi:10.1093/oxfordjournals.jbchem.a133168) gives the volumes.
    """
    weights = np.zeros(20)
    for letter, weight in {"A": 1.0, "V": 2.0, "I": 2.9, "L": 2.9}.items():
        weights[ALPHABET.index(letter)] = weight
    return row_sums(batch.composition * weights)


def aromaticity(batch: EncodedBatch) -> NDArray[np.float64]:
    """(N,) share of F, W and Y (Lobry & Gautier 1994, doi:10.1093/nar/22.15.3174)."""
    return row_sums(batch.composition[:, [ALPHABET.index(letter) for letter in "FWY"]])


def entropy(batch: EncodedBatch) -> NDArray[np.float64]:
    """(N,) Shannon entropy of the composition in bits, 0 to 4.32; low in repeats."""
    frequency = batch.composition
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(frequency > 0, frequency * np.log2(frequency), 0.0)
    return -row_sums(terms)
