"""Do attention weights stand where a motif's sites are? A number with a permutation null.

The statistic is the mean over sequences of the attention mass within sites minus the share of the positions
that sites take: 0 if attention pays sites no heed, at most 1. For the null, the sites of each sequence are
moved round it by a random number of positions, those that leave at the end coming back in front. So the
number and the lengths of the sites stay, as does the attention itself with its runs of high and low weights;
lost is only their relation. A common liking for one end of the sequences is part of that relation: attention
to the first residues and a motif of the first residues agree, whatever the attention is paid to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin import seeding
from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import DoubleArray

Weights = NDArray[np.float32] | NDArray[np.float64]
_ROUNDING = 1e-9
"""Sums that differ by less are one: the same residues, added in another order."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well attention and sites agree.

    Attributes:
        statistic: Mean over sequences of `mass - expected`.
        null_mean: Mean of the statistic over the permutations; near 0.
        null_sd: Its standard deviation.
        p_value: Share of the permutations, and of what was observed, with as high a statistic.
        n_sequences: Sequences that say anything: with a site, with a position outside, and with weights.
        mass: Mean share of the attention that falls on sites.
        expected: Mean share of the positions that sites take.
    """

    statistic: float
    null_mean: float
    null_sd: float
    p_value: float
    n_sequences: int
    mass: float
    expected: float


def agreement(
    weights: Sequence[Weights],
    sites: Sequence[NDArray[np.bool_]],
    *,
    seed: int,
    n_permutations: int = 1_000,
) -> Agreement:
    """Compare attention weights with the sites of a motif.

    Args:
        weights: One (L,) array a sequence, not negative; NaN at residues that the model did not look at,
            which count neither as attention nor as positions. Each sequence's weights are brought to sum 1.
        sites: One (L,) array a sequence: which residues stand in a site.
        seed: Seed of the permutations.
        n_permutations: How many; the smallest p-value is 1 over one more.

    Raises:
        InputError: The two do not match, weights are negative, or no sequence says anything.
        ConfigError: There are no permutations.
    """
    if n_permutations < 1:
        raise ConfigError(f"n_permutations must be at least 1; got {n_permutations}")
    told = _telling(weights, sites)
    shifted = [_mass_by_shift(one, where) for one, where in told]
    expected = np.array([where.mean() for _, where in told])
    mass = np.array([masses[0] for masses in shifted])
    draws = seeding.generator(seed, "agreement")
    null = np.zeros(n_permutations)
    for masses in shifted:
        null += masses[draws.integers(len(masses), size=n_permutations)]
    null = null / len(told) - expected.mean()
    statistic = float(mass.mean() - expected.mean())
    n_as_high = int((null >= statistic - _ROUNDING).sum())
    return Agreement(
        statistic=statistic,
        null_mean=float(null.mean()),
        null_sd=float(null.std()),
        p_value=(1 + n_as_high) / (1 + n_permutations),
        n_sequences=len(told),
        mass=float(mass.mean()),
        expected=float(expected.mean()),
    )


def _telling(
    weights: Sequence[Weights], sites: Sequence[NDArray[np.bool_]]
) -> list[tuple[DoubleArray, NDArray[np.bool_]]]:
    """Weights and sites of the sequences that say anything."""
    if len(weights) != len(sites):
        raise InputError(f"{len(weights)} arrays of weights, and sites of {len(sites)} sequences")
    pairs = enumerate(zip(weights, sites, strict=True))
    told = [found for row, (one, where) in pairs if (found := _seen(row, one, where)) is not None]
    if not told:
        raise InputError(
            "no sequence can be compared: none has a site, a residue outside the site, and weights"
        )
    return told


def _seen(
    row: int, weights: Weights, sites: NDArray[np.bool_]
) -> tuple[DoubleArray, NDArray[np.bool_]] | None:
    """Weights that sum to 1 and sites, of the residues looked at; None if they can tell nothing."""
    if weights.shape != sites.shape or weights.ndim != 1:
        raise InputError(
            f"sequence {row + 1}: weights of shape {weights.shape} and sites of shape {sites.shape}; "
            "both must be (L,)"
        )
    is_seen = ~np.isnan(weights)
    kept, where = weights[is_seen].astype(np.float64), sites[is_seen].astype(np.bool_)
    if (kept < 0).any() or np.isinf(kept).any():
        raise InputError(f"sequence {row + 1}: weights must be finite and not negative")
    total = kept.sum()
    return (kept / total, where) if total > 0 and where.any() and not where.all() else None


def _mass_by_shift(weights: DoubleArray, sites: NDArray[np.bool_]) -> DoubleArray:
    """(L,) attention mass within the sites moved round by 0, 1, ... L - 1 positions."""
    n = len(weights)
    spectrum = np.fft.rfft(weights) * np.conj(np.fft.rfft(sites.astype(np.float64)))
    return np.fft.irfft(spectrum, n)
