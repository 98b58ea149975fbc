"""One seed, many generators: each by its name, none by the order of calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sortilin.seeding import child_seed, generator

USES = [(), ("folds",), ("holdout",), ("bootstrap",), ("folds", "1"), ("folds", "2"), ("1", "folds")]


def stream(seed: int, *use: str) -> list[int]:
    return [int(n) for n in generator(seed, *use).integers(2**32, size=8)]


@pytest.mark.parametrize("use", USES)
def test_same_seed_and_use_give_the_same_stream(use: tuple[str, ...]) -> None:
    assert stream(42, *use) == stream(42, *use)
    assert child_seed(42, *use) == child_seed(42, *use)


def test_streams_of_different_uses_and_seeds_differ() -> None:
    streams = {tuple(stream(seed, *use)) for seed in (0, 1, 42) for use in USES}
    assert len(streams) == 3 * len(USES)
    assert len({child_seed(seed, *use) for seed in (0, 1, 42) for use in USES}) == 3 * len(USES)


def test_stream_does_not_depend_on_what_was_drawn_before() -> None:
    expected = stream(7, "folds")
    generator(7, "bootstrap").normal(size=1000)
    assert stream(7, "folds") == expected


def test_streams_are_uncorrelated() -> None:
    draws = np.array([generator(3, *use).normal(size=4000) for use in USES])
    correlation = np.corrcoef(draws) - np.eye(len(USES))
    assert np.abs(correlation).max() < 0.08


def test_seeds_stay_what_they_are_in_any_version() -> None:
    # A model folder names its seed only; the fits that it stands for must not change.
    assert child_seed(42, "svm") == 3200904660
    assert child_seed(42, "boosting") == 3974166002


@given(seed=st.integers(0, 2**64))
def test_child_seed_fits_in_32_bits(seed: int) -> None:
    assert 0 <= child_seed(seed, "svm") < 2**32
