"""The plan of a large run and its simulation: nothing is left out or done twice, and both agree."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from scale_fleet import FIXED, SHARED, Fleet, planned, simulate  # noqa: E402
from scale_plan import (  # noqa: E402
    AGAIN,
    LOST,
    PARAMETERS,
    SPAN,
    WORK,
    Cost,
    Lengths,
    compared,
    cut,
    of_layers,
    sizes_of,
    stored,
)
from vector_precision import BY_DIMENSION, BY_VECTOR, HALF, REFERENCE, cosine_distances, kept  # noqa: E402

HARD = Fleet(
    workers=9,
    startup_s=30.0,
    overhead_s=5.0,
    spread=0.3,
    slow_share=0.2,
    slow_factor=4.0,
    failures_per_day=60.0,
    down_s=200.0,
)


def rng_of(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- the simulation


@pytest.mark.parametrize("deal", [SHARED, FIXED])
@pytest.mark.parametrize("workers", [1, 7, 40, 500])
def test_every_part_is_done_once_whatever_fails(deal: str, workers: int) -> None:
    rng = rng_of(workers)
    costs = rng.gamma(2.0, 100.0, 200)
    run = simulate(replace(HARD, workers=workers, deal=deal), costs, rng)
    assert (run.times_done == 1).all()
    assert run.failures > 0
    assert run.lost_s > 0


@pytest.mark.parametrize("deal", [SHARED, FIXED])
@pytest.mark.parametrize(("n", "workers"), [(12, 4), (13, 4), (3, 4), (1, 1)])
def test_equal_workers_without_failures_are_arithmetic(deal: str, n: int, workers: int) -> None:
    fleet = Fleet(workers=workers, startup_s=30.0, overhead_s=2.0, deal=deal)
    run = simulate(fleet, np.full(n, 100.0), rng_of(0))
    assert run.makespan_s == pytest.approx(30 + 102 * -(-n // workers))
    assert (run.failures, run.lost_s) == (0, 0)


def test_one_worker_takes_the_sum_of_the_parts() -> None:
    costs = rng_of(1).gamma(2.0, 50.0, 30)
    run = simulate(Fleet(workers=1, overhead_s=1.0), costs, rng_of(0))
    assert run.makespan_s == pytest.approx(costs.sum() + 30)
    plan = planned(Fleet(workers=1, overhead_s=1.0), costs)
    # One worker is never in the middle of a part when another ends: half a part is the plan's own error.
    assert plan.makespan_s == pytest.approx(costs.sum() + 30, abs=costs.mean())


def test_same_seed_gives_the_same_run() -> None:
    costs = np.full(100, 60.0)
    first, second = (simulate(HARD, costs, rng_of(5)) for _ in range(2))
    assert first.makespan_s == second.makespan_s
    assert simulate(HARD, costs, rng_of(6)).makespan_s != first.makespan_s


def test_shared_parts_wait_less_for_slow_workers_than_fixed_ones() -> None:
    costs = np.full(2_000, 60.0)
    hours = {SHARED: 0.0, FIXED: 0.0}
    for deal in hours:
        fleet = Fleet(workers=20, slow_share=0.1, slow_factor=5.0, deal=deal)
        hours[deal] = sum(simulate(fleet, costs, rng).makespan_s for rng in rng_of(2).spawn(10))
    assert hours[SHARED] < 0.5 * hours[FIXED]


# --- the plan


@pytest.mark.parametrize("deal", [SHARED, FIXED])
def test_plan_of_equal_workers_without_failures_is_arithmetic(deal: str) -> None:
    plan = planned(Fleet(workers=50, overhead_s=2.0, startup_s=30.0, deal=deal), np.full(5_000, 100.0))
    assert plan.makespan_s == pytest.approx(30 + 102 * 100, rel=0.01)
    assert (plan.failures, plan.lost_s) == (0, 0)


@pytest.mark.parametrize("failures", [0.0, 5.0, 60.0])
@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_plan_is_the_mean_of_the_simulation(failures: float, spread: float) -> None:
    fleet = replace(HARD, workers=30, failures_per_day=failures, spread=spread)
    costs = np.full(1_500, 300.0)
    runs = [simulate(fleet, costs, rng) for rng in rng_of(3).spawn(30)]
    plan = planned(fleet, costs)
    # With 60 failures a day the last parts go from slow workers to others, which the plan leaves out.
    assert plan.makespan_s == pytest.approx(np.mean([run.makespan_s for run in runs]), rel=0.08)
    assert plan.failures == pytest.approx(np.mean([run.failures for run in runs]), rel=0.1)
    assert plan.lost_s == pytest.approx(np.mean([run.lost_s for run in runs]), rel=0.15)


def test_failures_of_a_known_rate_are_as_many_as_expected() -> None:
    # A day of work in parts of 864 s, so that a hundredth of a day fails with chance 1 - exp(-0.1).
    plan = planned(Fleet(workers=1, failures_per_day=10.0), np.full(100, 864.0))
    assert plan.failures == pytest.approx(100 * np.expm1(0.1))


# --- lengths, parts, costs


def test_lengths_are_those_of_the_source() -> None:
    found = Lengths.read()
    assert found.shares.sum() == pytest.approx(1)
    assert found.mean == pytest.approx(537.95, abs=0.05)
    scaled = Lengths.read(mean=283)
    assert scaled.mean == pytest.approx(283)
    assert scaled.residues / found.residues == pytest.approx(283 / found.mean)


@pytest.mark.parametrize("n", [1, 999, 100_000])
def test_parts_hold_all_sequences(n: int) -> None:
    lengths = Lengths.read()
    parts = cut(lengths, Cost(1.0, 0.0), n, 50_000, rng_of(0))
    assert parts.sequences.sum() == sizes_of(lengths, n, 50_000).sum() == n
    assert parts.costs.sum() == pytest.approx(n)  # a second each
    assert (parts.sequences > 0).all()


def test_cost_is_cut_where_sequences_are() -> None:
    cost = Cost(1.0, 0.5, 0.25, most=10.0)
    assert cost.of(np.array([0.0, 2.0, 10.0, 99.0])) == pytest.approx([1.0, 3.0, 31.0, 31.0])


def test_layers_have_the_published_number_of_parameters() -> None:
    assert abs(PARAMETERS - 650e6) < 0.005 * 650e6  # "650M", Lin et al. 2023
    one = of_layers(peak_tflops=1.0, utilization=1.0, most=np.inf)
    # One residue: two operations a parameter; its attention is to itself alone.
    assert float(one.of(np.array(1.0))) * 1e12 == pytest.approx(2 * PARAMETERS + 4 * 33 * 1_280)


def test_vectors_take_the_room_of_their_numbers() -> None:
    assert stored(1_000_000, 300e6)["float32"] == pytest.approx((0.00512, 1.536))
    assert stored(1_000_000, 300e6)["int8 and a scale a vector"][0] == pytest.approx(0.001284)


def test_comparison_holds_plan_and_interval() -> None:
    fleet = replace(HARD, workers=10)
    found = compared(fleet, Lengths.read(), Cost(0.01, 1e-5), 200_000, 200_000, repeats=8, seed=1)
    for figure in found.values():
        assert figure.low <= figure.mean <= figure.high
    assert found[WORK].plan == pytest.approx(found[WORK].mean, rel=0.01)
    assert found[SPAN].plan == pytest.approx(found[SPAN].mean, rel=0.15)
    assert found[AGAIN].mean > 0
    assert found[LOST].mean > 0


# --- numbers of vectors


def test_kept_vectors_come_back_within_half_a_step() -> None:
    vectors = rng_of(0).standard_normal((50, 32)).astype(np.float32)
    vectors[0] = 0
    assert (kept(vectors, REFERENCE, vectors) == vectors).all()
    assert kept(vectors, HALF, vectors) == pytest.approx(vectors, rel=1e-3, abs=1e-6)
    for way, axis in ((BY_VECTOR, 1), (BY_DIMENSION, 0)):
        step = np.abs(vectors).max(axis=axis, keepdims=True) / 127
        assert (np.abs(kept(vectors, way, vectors) - vectors) <= 0.5001 * step).all()


def test_scale_of_a_dimension_comes_from_what_is_known() -> None:
    known = np.array([[1.27, 0.0]], dtype=np.float32)
    back = kept(np.array([[0.014, 5.0], [9.0, 0.4]], dtype=np.float32), BY_DIMENSION, known)
    assert back.tolist() == [pytest.approx([0.01, 5.0]), pytest.approx([1.27, 0.0])]


def test_cosine_distance_ignores_length() -> None:
    a = np.array([[1.0, 0.0], [3.0, 4.0]], dtype=np.float32)
    assert cosine_distances(a, 2 * a) == pytest.approx([0, 0], abs=1e-12)
    assert cosine_distances(a[:1], np.array([[0.0, 7.0]], dtype=np.float32)) == pytest.approx([1])
