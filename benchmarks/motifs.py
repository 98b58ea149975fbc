"""Motif discovery by the method of this package: planted motifs found, false ones, and its time.

    python benchmarks/motifs.py [RUNS]

Random sequences of 20 to 40 residues hold a degenerate motif in a share of the positives; controls, twice as
many, hold none. A motif counts as found if it is significant and correlates with the planted matrix by 0.9 or
more. Searches without a planted motif tell how often something is found where nothing is. With the papers'
data, a search on the anticancer training set is timed too. RUNS is the number of runs of each kind, 10 by
default; searches for nothing are ten times as many.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

import numpy as np

from sortilin import datasets
from sortilin.errors import DatasetError
from sortilin.interfaces import DoubleArray
from sortilin.motifs import MotifConfig, discover
from sortilin.sequences.residues import RESIDUES

MOTIFS: dict[str, tuple[str, ...]] = {
    "[KR]W[ILV]D[FY]G": ("KR", "W", "ILV", "D", "FY", "G"),
    "[ST]P[KR]xH[ILMV][DE]N": ("ST", "P", "KR", RESIDUES, "H", "ILMV", "DE", "N"),
}
SIZES, SHARES = (100, 200), (1.0, 0.5, 0.25, 0.125)
LIKE = 0.9
MIN_FOUND, MAX_FALSE, MAX_SECONDS = 0.9, 0.05, 60.0
"""Bars: found in half of 200 positives; searches that find something in nothing; seconds of the last one."""

CONFIG = MotifConfig(method="builtin")


def background(rng: np.random.Generator, n: int) -> list[str]:
    """Random sequences, each residue as likely as any other."""
    return ["".join(rng.choice(list(RESIDUES), size=rng.integers(20, 41))) for _ in range(n)]


def planted(
    rng: np.random.Generator, sequences: Sequence[str], columns: Sequence[str], share: float
) -> list[str]:
    """The sequences, the first ones with a site."""
    found = list(sequences)
    for row in range(round(share * len(sequences))):
        site = "".join(rng.choice(list(column)) for column in columns)
        start = int(rng.integers(0, len(found[row]) - len(site) + 1))
        found[row] = found[row][:start] + site + found[row][start + len(site) :]
    return found


def likeness(found: DoubleArray, columns: Sequence[str]) -> float:
    """Highest correlation over at least three shared columns, at any shift."""
    truth = np.array([[(residue in column) / len(column) for residue in RESIDUES] for column in columns])
    best = -1.0
    for shift in range(3 - len(truth), len(found) - 2):
        start, end = max(0, shift), min(len(found), shift + len(truth))
        if end - start >= 3:
            parts = found[start:end].ravel(), truth[start - shift : end - shift].ravel()
            best = max(best, float(np.corrcoef(*parts)[0, 1]))
    return best


def share_found(columns: Sequence[str], n: int, share: float, runs: int) -> float:
    """Share of the runs that find the planted motif."""
    config = CONFIG.model_copy(update={"n_motifs": 1, "patience": 1})
    n_found = 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, n])
        positives = planted(rng, background(rng, n), columns, share)
        motifs = discover(positives, background(rng, 2 * n), config, seed=seed)
        n_found += any(likeness(motif.matrix, columns) >= LIKE for motif in motifs)
    return n_found / runs


def share_false(n: int, runs: int) -> float:
    """Share of the searches that find something where nothing is."""
    n_false = 0
    for seed in range(runs):
        rng = np.random.default_rng([seed, n, 1])
        n_false += bool(discover(background(rng, n), background(rng, 2 * n), CONFIG, seed=seed))
    return n_false / runs


def seconds_of_training_set() -> float | None:
    """Processor time of a search on the anticancer training set; None without the data."""
    try:
        records = datasets.load("acp", "train")
    except DatasetError:
        return None
    positives = [record.sequence for record in records if record.label == "anticancer"]
    controls = [record.sequence for record in records if record.label != "anticancer"]
    start = time.process_time()
    motifs = discover(positives, controls, CONFIG, seed=42)
    seconds = time.process_time() - start
    print(f"{len(positives)} positives, {len(controls)} controls: {len(motifs)} motifs, {seconds:.1f} s")
    return seconds


def main() -> None:
    """Print the figures; fail if a bar is missed."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"share of {runs} runs that find the planted motif")
    missed = []
    for n in SIZES:
        for name, columns in MOTIFS.items():
            found = {share: share_found(columns, n, share, runs) for share in SHARES}
            cells = "  ".join(f"{share:.1%}: {value:.2f}" for share, value in found.items())
            print(f"{n} positives, {name:24} {cells}", flush=True)
            if n == max(SIZES) and found[0.5] < MIN_FOUND:
                missed.append(f"{name} in half of {n} positives: {found[0.5]:.2f}, at least {MIN_FOUND}")
    n_false = share_false(SIZES[0], 10 * runs)
    print(f"searches that find something where nothing is: {n_false:.3f} of {10 * runs}", flush=True)
    if n_false > MAX_FALSE:
        missed.append(f"false findings {n_false:.3f}, at most {MAX_FALSE}")
    seconds = seconds_of_training_set()
    if seconds is not None and seconds > MAX_SECONDS:
        missed.append(f"{seconds:.0f} s, at most {MAX_SECONDS:.0f}")
    if missed:
        sys.exit("bar missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
