"""A fleet of workers that do the parts of a large run: on paper, and simulated event by event.

A part is what a worker takes, finishes and writes at once; a worker that fails loses the part that it has
begun, and nothing else. "shared": whoever is free takes the next part, as with `--engine ray`. "fixed": each
worker has its own parts from the beginning, as the jobs of an array with `--shard I/N`.

Axis letters: P parts, W workers, K quantiles of speed. All times in seconds.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

DAY_S = 86_400.0
SHARED, FIXED = "shared", "fixed"
_QUANTILES, _GRID = 2_000, 4_000
_FREE, _DONE, _FAILED = range(3)


@dataclass(frozen=True)
class Fleet:
    """What is assumed of the workers.

    Attributes:
        workers: How many.
        startup_s: Until a worker can begin: the machine, the program, the model.
        overhead_s: Of each part: open, write, rename.
        spread: Standard deviation of the logarithm of speed, for a worker's whole life.
        slow_share: Share of workers that are slower by `slow_factor`, the stragglers.
        slow_factor: How many times slower.
        failures_per_day: Of one worker that works without a pause: crashes, lost nodes, pre-emptions.
        down_s: Until a worker that failed is replaced; it starts up again after that.
        deal: "shared" or "fixed".
    """

    workers: int
    startup_s: float = 0.0
    overhead_s: float = 0.0
    spread: float = 0.0
    slow_share: float = 0.0
    slow_factor: float = 2.0
    failures_per_day: float = 0.0
    down_s: float = 0.0
    deal: str = SHARED

    @property
    def failures_per_s(self) -> float:
        """The same by the second."""
        return self.failures_per_day / DAY_S

    def speeds(self, rng: np.random.Generator) -> Doubles:
        """(W,) speeds; the usual one is 1."""
        speeds = np.exp(self.spread * rng.standard_normal(self.workers))
        return np.where(rng.random(self.workers) < self.slow_share, speeds / self.slow_factor, speeds)

    def quantiles(self) -> tuple[Doubles, Doubles]:
        """(K,) speeds and the (K,) shares of workers that have them."""
        middles = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        usual = np.exp(self.spread * np.array([NormalDist().inv_cdf(float(q)) for q in middles]))
        shares = np.full(_QUANTILES, 1 / _QUANTILES)
        both = np.concatenate([shares * (1 - self.slow_share), shares * self.slow_share])
        return np.concatenate([usual, usual / self.slow_factor]), both


@dataclass(frozen=True)
class Outcome:
    """How a run went, or is expected to go.

    Attributes:
        makespan_s: From the start of the workers to the end of the last part.
        failures: Parts that were begun and lost.
        lost_s: Work on them.
    """

    makespan_s: float
    failures: float
    lost_s: float


@dataclass(frozen=True)
class Simulated(Outcome):
    """A simulated run.

    Attributes:
        times_done: (P,) how often each part was finished; once, or the simulation is wrong.
    """

    times_done: NDArray[np.int64]


def simulate(fleet: Fleet, costs: Doubles, rng: np.random.Generator) -> Simulated:
    """One run.

    Args:
        fleet: The workers.
        costs: (P,) seconds of each part at speed 1.
        rng: Speeds and failures.
    """
    return _Run(fleet, costs, rng).ended()


class _Run:
    """The state of a simulated run; events are (time, order, worker, what, part)."""

    def __init__(self, fleet: Fleet, costs: Doubles, rng: np.random.Generator) -> None:
        self._fleet, self._costs, self._rng = fleet, costs, rng
        self._speeds = fleet.speeds(rng)
        n_queues = 1 if fleet.deal == SHARED else fleet.workers
        self._queues = [deque(range(first, len(costs), n_queues)) for first in range(n_queues)]
        self._idle: list[int] = []
        self._order = count()
        self._events: list[tuple[float, int, int, int, int]] = []
        self._times_done = np.zeros(len(costs), dtype=np.int64)
        self._end = self._lost_s = 0.0
        self._failures = 0

    def ended(self) -> Simulated:
        """Run to the end."""
        for worker in range(self._fleet.workers):
            self._later(self._fleet.startup_s, worker, _FREE)
        while self._events:
            now, _, worker, what, part = heapq.heappop(self._events)
            if what == _FAILED:
                self._return(now, worker, part)
                continue
            if what == _DONE:
                self._times_done[part] += 1
                self._end = now
            self._take(now, worker)
        return Simulated(self._end, self._failures, self._lost_s, self._times_done)

    def _later(self, when: float, worker: int, what: int, part: int = -1) -> None:
        heapq.heappush(self._events, (when, next(self._order), worker, what, part))

    def _take(self, now: float, worker: int) -> None:
        queue = self._queues[worker % len(self._queues)]
        if not queue:
            self._idle.append(worker)
            return
        part = queue.popleft()
        takes = self._fleet.overhead_s + float(self._costs[part] / self._speeds[worker])
        rate = self._fleet.failures_per_s
        fails = float(self._rng.exponential(1 / rate)) if rate else np.inf
        if fails < takes:
            self._lost_s += fails
            self._later(now + fails, worker, _FAILED, part)
        else:
            self._later(now + takes, worker, _DONE, part)

    def _return(self, now: float, worker: int, part: int) -> None:
        """A part that was lost waits again; a worker that has nothing to do takes it at once."""
        self._failures += 1
        self._queues[worker % len(self._queues)].append(part)
        self._later(now + self._fleet.down_s + self._fleet.startup_s, worker, _FREE)
        if self._fleet.deal == SHARED and self._idle:
            self._later(now, self._idle.pop(), _FREE)


def planned(fleet: Fleet, costs: Doubles) -> Outcome:
    """The expectation on paper: renewal theory, with the mean part in place of each.

    A part of d seconds that begins again after each failure takes (1/λ + r)(exp(λd) - 1), with λ failures a
    second and r seconds to replace the worker. A worker finishes one part in that time, and the fleet as many
    as its workers together; what is under way when no part is left adds the longest of the remainders.
    """
    speeds, shares = fleet.quantiles()
    takes = fleet.overhead_s + costs.mean() / speeds  # (K,)
    rate, n = fleet.failures_per_s, len(costs)
    again = np.expm1(rate * takes)  # (K,) failures a part
    down = fleet.down_s + fleet.startup_s
    each = again * (1 / rate + down) if rate else takes
    per_s = shares / each  # (K,) parts a second of such a worker, by their shares
    lost = again / rate - takes if rate else np.zeros_like(takes)
    of_parts = per_s / per_s.sum() if fleet.deal == SHARED else shares
    makespan = fleet.startup_s + _until_the_last(fleet, n, each, shares, float(per_s.sum()))
    return Outcome(makespan, n * float(again @ of_parts), n * float(lost @ of_parts))


def _until_the_last(fleet: Fleet, n: int, each: Doubles, shares: Doubles, parts_per_s: float) -> float:
    """From the first part's start to the last one's end."""
    at_once = min(n, fleet.workers)
    if fleet.deal == FIXED:
        fewer, more = divmod(n, fleet.workers)
        parts = np.concatenate([each * fewer, each * (fewer + 1)])
        have = np.array([fleet.workers - more, more]) / fleet.workers
        return _longest(parts, np.outer(have, shares).ravel(), fleet.workers, begun=False)
    if n <= fleet.workers:
        return _longest(each, shares, at_once, begun=False)
    until_none_waits = (n - fleet.workers / 2) / (fleet.workers * parts_per_s)
    return until_none_waits + _longest(each, shares, at_once, begun=True)


def _longest(each: Doubles, shares: Doubles, n: int, *, begun: bool) -> float:
    """The expected longest of n: of whole times, or of what is left of them at any moment."""
    x = np.linspace(0.0, float(each.max()), _GRID)
    if begun:
        below = np.array([shares @ np.minimum(1.0, at / each) for at in x])
    else:
        order = np.argsort(each)
        total = np.concatenate([[0.0], np.cumsum(shares[order])])
        below = total[np.searchsorted(each[order], x, side="right")]
    return float(np.trapezoid(1 - np.clip(below, 0, 1) ** n, x))
