"""Agreement of attention with sites: its value, its null, and what must not change it."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray

from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import DoubleArray
from sortilin.motifs import agreement

Sets = tuple[list[DoubleArray], list[NDArray[np.bool_]]]


def made(seed: int, n: int, excess: float = 0.0) -> Sets:
    """Weights in runs, and a site of five residues each, to which the excess is added."""
    rng = np.random.default_rng(seed)
    weights, sites = [], []
    for length in rng.integers(12, 40, n):
        rough = rng.gamma(0.5, size=length + 2)
        smooth = rough[2:] + rough[1:-1] + rough[:-2] + 1e-3
        where = np.zeros(length, dtype=np.bool_)
        start = rng.integers(0, length - 4)
        where[start : start + 5] = True
        weights.append(smooth / smooth.sum() + excess * where)
        sites.append(where)
    return weights, sites


def test_statistic_is_mass_in_sites_beyond_their_share() -> None:
    weights = [np.array([0.4, 0.4, 0.1, 0.1]), np.array([1.0, 2.0, 1.0])]
    sites = [np.array([True, True, False, False]), np.array([False, True, False])]
    found = agreement(weights, sites, seed=1, n_permutations=50)
    assert found.mass == pytest.approx((0.8 + 0.5) / 2)
    assert found.expected == pytest.approx((0.5 + 1 / 3) / 2)
    assert found.statistic == pytest.approx(found.mass - found.expected)
    assert found.n_sequences == 2


def test_null_is_that_of_sites_moved_round() -> None:
    weights, sites = made(1, 1)
    found = agreement(weights, sites, seed=1, n_permutations=40_000)
    moved = [
        (weights[0] * np.roll(sites[0], n)).sum() - sites[0].mean() for n in range(len(sites[0]))
    ]  # all shifts, which the permutations draw from
    assert found.null_mean == pytest.approx(0, abs=0.01)
    assert found.null_sd == pytest.approx(np.std(moved), rel=0.03)
    assert found.p_value == pytest.approx(np.mean(np.array(moved) >= moved[0] - 1e-9), abs=0.02)


def test_planted_agreement_is_found() -> None:
    assert agreement(*made(2, 40), seed=1).p_value > 0.01
    found = agreement(*made(2, 40, excess=0.02), seed=1)
    assert found.p_value < 0.01
    assert found.statistic > 0.05


def test_p_values_without_agreement_are_uniform() -> None:
    p_values = np.array(
        [agreement(*made(seed, 12), seed=seed, n_permutations=200).p_value for seed in range(200)]
    )
    assert 0.42 < p_values.mean() < 0.58
    assert np.mean(p_values <= 0.05) < 0.11
    assert 0.17 < np.mean(p_values <= 0.25) < 0.34


def test_unseen_residues_count_neither_way() -> None:
    weights, sites = made(3, 20, excess=0.01)
    gap = [np.full(7, np.nan), np.zeros(7, dtype=np.bool_), np.ones(7, dtype=np.bool_)]
    with_gaps = [np.concatenate([one[:9], gap[0], one[9:]]) for one in weights]
    for filling in gap[1:]:  # whether a site stands in the gap or not
        masks = [np.concatenate([one[:9], filling, one[9:]]) for one in sites]
        assert agreement(with_gaps, masks, seed=1) == agreement(weights, sites, seed=1)


def test_scale_of_weights_and_uninformative_sequences_change_nothing() -> None:
    weights, sites = made(4, 20)
    first = agreement(weights, sites, seed=1)
    scaled = agreement([4 * one for one in weights], sites, seed=1)
    assert scaled.p_value == first.p_value
    assert astuple(scaled) == pytest.approx(astuple(first))
    nothing = [(np.ones(4), np.zeros(4)), (np.ones(4), np.ones(4)), (np.full(4, np.nan), np.eye(4)[0])]
    more = agreement(
        [*weights, *(one for one, _ in nothing)],
        [*sites, *(where.astype(np.bool_) for _, where in nothing)],
        seed=1,
    )
    assert more == first


def test_seed_decides_the_permutations() -> None:
    sets = made(5, 20)
    assert agreement(*sets, seed=1) == agreement(*sets, seed=1)
    assert agreement(*sets, seed=1).null_sd != agreement(*sets, seed=2).null_sd


@pytest.mark.parametrize(
    ("weights", "sites", "said"),
    [
        ([np.ones(3)], [], "1 arrays of weights, and sites of 0 sequences"),
        ([np.ones(3)], [np.ones(4, dtype=np.bool_)], r"sequence 1: weights of shape \(3,\)"),
        ([np.array([1.0, -0.1])], [np.array([True, False])], "must be finite and not negative"),
        ([np.array([1.0, np.inf])], [np.array([True, False])], "must be finite and not negative"),
        ([np.ones(3)], [np.zeros(3, dtype=np.bool_)], "no sequence can be compared"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    weights: list[DoubleArray], sites: list[NDArray[np.bool_]], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        agreement(weights, sites, seed=1)


def test_no_permutations_are_refused() -> None:
    with pytest.raises(ConfigError, match="n_permutations must be at least 1; got 0"):
        agreement([np.ones(2)], [np.array([True, False])], seed=1, n_permutations=0)
