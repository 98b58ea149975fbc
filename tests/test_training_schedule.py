"""The learning rate at the points of a run where it is known."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from sortilin.training.config import TrainingConfig
from sortilin.training.schedule import factor

SCHEDULES = ("constant", "linear", "cosine")


def factors(*done: float, **options: Any) -> list[float]:
    config = TrainingConfig(**options)
    return [factor(config, share) for share in done]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warm_up_rises_on_a_line_to_the_peak(schedule: str) -> None:
    found = factors(0, 0.05, 0.1, 0.15, 0.2, schedule=schedule, warmup=0.2)
    assert found == pytest.approx([0, 0.25, 0.5, 0.75, 1])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_warm_up_the_run_starts_at_the_peak(schedule: str) -> None:
    assert factors(0, schedule=schedule, warmup=0) == [1.0]


def test_constant_stays() -> None:
    assert factors(0.1, 0.5, 0.999, 1, schedule="constant", warmup=0.1) == [1.0] * 4


def test_linear_falls_on_a_line_to_zero() -> None:
    assert factors(0.2, 0.4, 0.6, 1, schedule="linear", warmup=0.2) == pytest.approx([1, 0.75, 0.5, 0])


def test_cosine_falls_on_half_a_wave_to_zero() -> None:
    found = factors(0.2, 0.4, 0.6, 0.8, 1, schedule="cosine", warmup=0.2)
    quarter = (1 + math.cos(math.pi / 4)) / 2
    assert found == pytest.approx([1, quarter, 0.5, 1 - quarter, 0])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_factor_stays_between_zero_and_the_peak(schedule: str) -> None:
    found = factors(*(n / 200 for n in range(211)), schedule=schedule, warmup=0.05)
    assert all(0 <= value <= 1 for value in found)
    assert max(found) == pytest.approx(1)
    after = found[10:]
    assert all(earlier >= later for earlier, later in itertools.pairwise(after))
