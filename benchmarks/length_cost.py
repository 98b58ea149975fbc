"""Processor time of a bundled model by length of the sequence, on real proteins: seconds = a + b · residues.

    python benchmarks/length_cost.py [--model localization] [--sequences 200] [--rounds 3] [--json]
    python benchmarks/length_cost.py --histogram benchmarks/scale_lengths.csv

Proteins of `psl` (see SORTILIN_DATA_DIR) are dealt to bands of length; each band is predicted alone, in one
thread, rounds in turn; what counts is the processor's time (user and system), the least of the rounds, since
a machine with other work to do only ever adds to it. The line is a least-squares fit to the relative error.
`benchmarks/scale_plan.py` takes its two numbers. No bar: the figures are those of a machine.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

EDGES = (11, 100, 200, 400, 700, 1_200, 2_500, 13_101)
"""Bands of length: from one edge to below the next."""
SEED = 0
N_BANDS = 60
"""Of the histogram, of equal width on a logarithmic scale."""


@dataclass(frozen=True)
class Band:
    """What one band took.

    Attributes:
        n: Sequences.
        residues: Mean length.
        ms: Processor time a sequence, milliseconds.
        residues_per_s: Residues a second of processor time.
    """

    n: int
    residues: float
    ms: float
    residues_per_s: float


def dealt(sequences: list[str], n: int) -> list[list[str]]:
    """Of each band at most n, drawn by chance."""
    rng = np.random.default_rng(SEED)
    bands = []
    for low, high in pairwise(EDGES):
        inside = [sequence for sequence in sequences if low <= len(sequence) < high]
        bands.append([inside[i] for i in rng.permutation(len(inside))[:n]])
    return [band for band in bands if band]


def measured(model: str, bands: list[list[str]], rounds: int) -> list[Band]:
    """Each band predicted alone; the model is loaded and warm."""
    import sortilin

    loaded = sortilin.load(model, threads=1)
    loaded.predict(bands[0][:8])
    least = np.full(len(bands), np.inf)
    for _ in range(rounds):
        for place, band in enumerate(bands):
            before = time.process_time()
            loaded.predict(band)
            least[place] = min(least[place], time.process_time() - before)
    found = []
    for band, seconds in zip(bands, least, strict=True):
        residues = sum(map(len, band))
        each = 1_000 * seconds / len(band)
        found.append(Band(len(band), residues / len(band), float(each), float(residues / seconds)))
    return found


def line(bands: list[Band]) -> tuple[float, float]:
    """(a, b) in milliseconds and milliseconds a residue."""
    residues, ms = np.array([[band.residues, band.ms] for band in bands]).T
    design = np.stack([np.ones_like(residues), residues], axis=1)
    a, b = np.linalg.lstsq(design / ms[:, None], np.ones_like(ms), rcond=None)[0]
    return float(a), float(b)


def histogram(lengths: list[int]) -> str:
    """Proteins a band of length, as CSV; a band that is empty is left out."""
    found = np.array(lengths)
    edges = np.unique(np.geomspace(found.min(), found.max() + 1, N_BANDS + 1).astype(int))
    rows = ["low,high,proteins,mean_residues"]
    for low, high in pairwise(edges.tolist()):
        inside = found[(found >= low) & (found < high)]
        if len(inside):
            rows.append(f"{low},{high - 1},{len(inside)},{inside.mean():.2f}")
    return "\n".join(rows) + "\n"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="localization")
    parser.add_argument("--sequences", type=int, default=200, help="of each band, at most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--histogram", type=Path, help="write the lengths of all proteins there, and stop")
    options = parser.parse_args()
    from sortilin.experiment import data

    sequences = data.load("localization", ["psl"]).sequences
    if options.histogram is not None:
        options.histogram.write_text(histogram([len(sequence) for sequence in sequences]))
        return
    bands = measured(options.model, dealt(list(sequences), options.sequences), options.rounds)
    a, b = line(bands)
    if options.json:
        print(json.dumps({"a_ms": a, "b_ms": b, "bands": [asdict(band) for band in bands]}, indent=1))
        return
    print("  n  residues  ms a sequence  fit  residues/s")
    for band in bands:
        fit = a + b * band.residues
        print(f"{band.n:4d} {band.residues:9.0f} {band.ms:14.2f} {fit:5.2f} {band.residues_per_s:10,.0f}")
    print(f"seconds = {a / 1_000:.6f} + {b / 1_000:.9f} · residues")


if __name__ == "__main__":
    main()
