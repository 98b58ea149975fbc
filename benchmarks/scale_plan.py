"""What hundreds of millions of proteins take: the plan on paper, beside a simulation of it.

    python benchmarks/scale_plan.py [--model localization | esm2_t33] [--sequences 250e6] [--workers 1000] ...
    python benchmarks/scale_plan.py --model esm2_t33 --workers 64 --peak-tflops 312 --utilization 0.35
    python benchmarks/scale_plan.py --help                     every assumption is an option

Lengths are drawn from scale_lengths.csv, the lengths of the 7,458 proteins of `psl` in bands, scaled to the
mean of --mean-residues. `localization` costs what `benchmarks/length_cost.py` measured on one core, times
--end-to-end for reading and writing. `esm2_t33` on a GPU is an estimate: the arithmetic of its layers over
the peak of the GPU and a utilization that is assumed. The simulation repeats the run with other failures,
slow workers and lengths; the interval holds 95 % of the repeats. Bar: the plan's time is within --bar of the
simulated mean. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scale_fleet import FIXED, SHARED, Doubles, Fleet, Outcome, planned, simulate

LENGTHS = Path(__file__).with_name("scale_lengths.csv")
HOUR_S, TERA = 3_600.0, 1e12
LOCALIZATION, ESM2_T33 = "localization", "esm2_t33"
WIDTH = 1_280
"""Of a vector of ESM2-T33."""
N_LAYERS = 33
PARAMETERS = 12 * N_LAYERS * WIDTH**2
"""Of the layers' matrices (attention 4, feed-forward 8 times the square of the width)."""
WORK, SPAN, HELD = "work, worker-hours", "hours from start to end", "worker-hours held"
AGAIN, LOST = "parts lost and done again", "work lost, worker-hours"
BYTES = {"float32": (4, 0), "float16": (2, 0), "int8 and a scale a vector": (1, 4)}
"""Of a number, and of a vector beside its numbers."""


@dataclass(frozen=True)
class Cost:
    """Seconds of a sequence on one worker of the usual speed.

    Attributes:
        a: Of each sequence.
        b: Of each residue.
        c: Of each pair of residues.
        most: Residues beyond which a sequence is cut.
    """

    a: float
    b: float
    c: float = 0.0
    most: float = np.inf

    def of(self, residues: Doubles) -> Doubles:
        """Seconds, of the same shape."""
        seen = np.minimum(residues, self.most)
        return self.a + self.b * seen + self.c * seen**2


def of_layers(peak_tflops: float, utilization: float, most: float) -> Cost:
    """Two operations a parameter and residue, and in each layer 4 · width for a pair of residues."""
    rate = peak_tflops * TERA * utilization
    return Cost(0.0, 2 * PARAMETERS / rate, 4 * N_LAYERS * WIDTH / rate, most)


@dataclass(frozen=True)
class Lengths:
    """Lengths of proteins, in bands.

    Attributes:
        residues: (B,) mean length of a band.
        shares: (B,) proteins in it.
    """

    residues: Doubles
    shares: Doubles

    @classmethod
    def read(cls, path: Path = LENGTHS, mean: float | None = None) -> Lengths:
        """Those of a file, scaled to a mean if one is given."""
        with path.open() as stream:
            rows = [(float(row["mean_residues"]), int(row["proteins"])) for row in csv.DictReader(stream)]
        residues, proteins = np.array(rows, dtype=np.float64).T
        found = cls(residues, proteins / proteins.sum())
        return found if mean is None else cls(residues * mean / found.mean, found.shares)

    @property
    def mean(self) -> float:
        """Residues of a protein."""
        return float(self.residues @ self.shares)


@dataclass(frozen=True)
class Parts:
    """What is dealt out.

    Attributes:
        costs: (P,) seconds at the usual speed.
        sequences: (P,) of each part.
        residues: (P,) of each part.
    """

    costs: Doubles
    sequences: Doubles
    residues: Doubles


def sizes_of(lengths: Lengths, n: int, part_residues: float) -> NDArray[np.int64]:
    """(P,) sequences of each part."""
    each = max(1, round(part_residues / lengths.mean))
    sizes = np.full(-(-n // each), each, dtype=np.int64)
    sizes[-1] = n - each * (len(sizes) - 1)
    return sizes


def cut(lengths: Lengths, cost: Cost, n: int, part_residues: float, rng: np.random.Generator) -> Parts:
    """That many sequences in parts of about so many residues, with lengths drawn anew."""
    drawn = rng.multinomial(sizes_of(lengths, n, part_residues), lengths.shares)  # (P, B)
    return Parts(drawn @ cost.of(lengths.residues), drawn.sum(axis=1), drawn @ lengths.residues)


@dataclass(frozen=True)
class Compared:
    """A figure on paper and in the simulation.

    Attributes:
        plan: On paper.
        mean: Of the repeats.
        low: 2.5 % of the repeats are below.
        high: 97.5 % are.
    """

    plan: float
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, plan: float, repeats: list[float]) -> Compared:
        """From all repeats."""
        low, high = np.percentile(repeats, [2.5, 97.5])
        return cls(plan, float(np.mean(repeats)), float(low), float(high))


def compared(
    fleet: Fleet, lengths: Lengths, cost: Cost, n: int, part_residues: float, *, repeats: int, seed: int
) -> dict[str, Compared]:
    """Plan and simulation, by figure; times in hours."""
    each_s = float(lengths.shares @ cost.of(lengths.residues))
    costs: Doubles = sizes_of(lengths, n, part_residues).astype(np.float64) * each_s
    on_paper = figures(fleet, float(costs.sum()), planned(fleet, costs))
    runs = []
    for rng in np.random.default_rng(seed).spawn(repeats):
        parts = cut(lengths, cost, n, part_residues, rng)
        run = simulate(fleet, parts.costs, rng)
        if not (run.times_done == 1).all() or parts.sequences.sum() != n:
            raise RuntimeError("the simulation left a part out, or did one twice")
        runs.append(figures(fleet, float(parts.costs.sum()), run))
    return {name: Compared.of(value, [run[name] for run in runs]) for name, value in on_paper.items()}


def figures(fleet: Fleet, work_s: float, outcome: Outcome) -> dict[str, float]:
    """What is compared, times in hours."""
    return {
        WORK: work_s / HOUR_S,
        SPAN: outcome.makespan_s / HOUR_S,
        HELD: fleet.workers * outcome.makespan_s / HOUR_S,
        AGAIN: outcome.failures,
        LOST: outcome.lost_s / HOUR_S,
    }


def stored(n: int, residues: float) -> dict[str, tuple[float, float]]:
    """Terabytes of a vector a sequence, and of one a residue, by the type of their numbers."""
    return {
        name: (n * (WIDTH * number + beside) / TERA, residues * (WIDTH * number + beside) / TERA)
        for name, (number, beside) in BYTES.items()
    }


def parsed() -> argparse.Namespace:
    """The assumptions."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--model", choices=(LOCALIZATION, ESM2_T33), default=LOCALIZATION, help="what each worker runs")
    add("--sequences", type=float, default=250e6, help="how many")
    add("--mean-residues", type=float, default=283.0, help="mean length; 0 for that of the file")
    add("--lengths", type=Path, default=LENGTHS, help="distribution of lengths")
    add("--part-residues", type=float, default=10e6, help="of a part, about")
    add("--workers", type=int, default=1_000, help="cores, or GPUs")
    add("--deal", choices=(SHARED, FIXED), default=SHARED, help="who takes which part")
    add("--startup", type=float, default=60.0, help="seconds until a worker can begin")
    add("--overhead", type=float, default=5.0, help="seconds of each part beside its sequences")
    add("--spread", type=float, default=0.1, help="standard deviation of log speed")
    add("--slow-share", type=float, default=0.02, help="share of workers that are slow")
    add("--slow-factor", type=float, default=3.0, help="how many times slower")
    add("--failures-per-day", type=float, default=0.5, help="of one worker")
    add("--down", type=float, default=300.0, help="seconds until a worker that failed is replaced")
    add("--sequence-ms", type=float, default=1.38, help="localization: milliseconds of each sequence")
    add("--residue-us", type=float, default=5.36, help="localization: microseconds of each residue")
    add("--end-to-end", type=float, default=1.03, help="localization: times that for reading and writing")
    add("--peak-tflops", type=float, default=312.0, help="esm2_t33: bfloat16, dense, of one GPU")
    add("--utilization", type=float, default=0.35, help="esm2_t33: share of the peak")
    add("--most-residues", type=float, default=2_000.0, help="esm2_t33: longer ones are cut")
    add("--price", type=float, default=0.0, help="of one worker for one hour, in your currency")
    add("--repeats", type=int, default=20, help="of the simulation")
    add("--seed", type=int, default=0, help="of the simulation")
    add("--bar", type=float, default=0.1, help="largest difference of the time, as a share")
    add("--json", action="store_true", help="all figures and assumptions as JSON")
    return parser.parse_args()


def fleet_of(options: argparse.Namespace) -> Fleet:
    """The workers that are asked for."""
    return Fleet(
        workers=options.workers,
        startup_s=options.startup,
        overhead_s=options.overhead,
        spread=options.spread,
        slow_share=options.slow_share,
        slow_factor=options.slow_factor,
        failures_per_day=options.failures_per_day,
        down_s=options.down,
        deal=options.deal,
    )


def cost_of(options: argparse.Namespace) -> Cost:
    """What a sequence costs there."""
    if options.model == ESM2_T33:
        return of_layers(options.peak_tflops, options.utilization, options.most_residues)
    factor = options.end_to_end
    return Cost(factor * options.sequence_ms / 1e3, factor * options.residue_us / 1e6)


def show(options: argparse.Namespace, n: int, lengths: Lengths, found: dict[str, Compared]) -> None:
    """The figures as a table."""
    residues = n * lengths.mean
    n_parts = len(sizes_of(lengths, n, options.part_residues))
    print(f"{n:,} sequences, {residues:.4g} residues, mean {lengths.mean:.0f}; {n_parts:,} parts")
    print(f"{options.workers} workers, {options.deal} parts, {options.repeats} repeats")
    print(f"{'':28}{'plan':>12}{'simulated':>12}   95 % of the repeats")
    for name, figure in found.items():
        interval = f"{figure.low:,.2f} to {figure.high:,.2f}"
        print(f"{name:28}{figure.plan:12,.2f}{figure.mean:12,.2f}   {interval}")
    if options.price:
        held = found[HELD]
        print(f"cost: plan {held.plan * options.price:,.0f}, simulated {held.mean * options.price:,.0f}")
    if options.model == ESM2_T33:
        for name, (pooled, of_residues) in stored(n, residues).items():
            print(f"vectors in {name}: {pooled:.2f} TB pooled, {of_residues:,.0f} TB of residues")


def main() -> None:
    """Plan, simulate, compare."""
    options = parsed()
    n = int(options.sequences)
    lengths = Lengths.read(options.lengths, options.mean_residues or None)
    found = compared(
        fleet_of(options),
        lengths,
        cost_of(options),
        n,
        options.part_residues,
        repeats=options.repeats,
        seed=options.seed,
    )
    if options.json:
        assumed: dict[str, Any] = {key: value for key, value in vars(options).items() if key != "json"}
        assumed["lengths"] = str(options.lengths)
        by_name = {name: asdict(figure) for name, figure in found.items()}
        print(json.dumps({"assumed": assumed, "found": by_name}, indent=1))
    else:
        show(options, n, lengths, found)
    span = found[SPAN]
    sys.exit(abs(span.plan - span.mean) > options.bar * span.mean)


if __name__ == "__main__":
    main()
