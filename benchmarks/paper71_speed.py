"""The 71 features of paper 1 against Biopython's ProtParam, on the same generated proteins in one run.

    python benchmarks/paper71_speed.py [N]

ProtParam computes four of the 71 (isoelectric point, weight, aromaticity, GRAVY); we compute all. Bar:
no slower. Exit code 1 if not.
"""

from __future__ import annotations

import sys
import time
from statistics import median

import numpy as np
from Bio.SeqUtils.ProtParam import ProteinAnalysis

from sortilin import registry

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
N_ROUNDS = 5


def biopython(sequences: list[str]) -> None:
    """The four of the 71 that ProtParam has."""
    for sequence in sequences:
        analysis = ProteinAnalysis(sequence)
        analysis.isoelectric_point()
        analysis.molecular_weight()
        analysis.aromaticity()
        analysis.gravy()


def main() -> None:
    """Time both in turn, print the median ratio."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    rng = np.random.default_rng(0)
    lengths = np.maximum(rng.gamma(2.0, 265.0, n).astype(int), 5)
    sequences = ["".join(rng.choice(list(LETTERS), size=length)) for length in lengths]
    descriptor = registry.get("features", "paper71")()
    descriptor.transform(sequences[:10])
    ours, theirs = [], []
    for _ in range(N_ROUNDS):
        started = time.perf_counter()
        descriptor.transform(sequences)
        middle = time.perf_counter()
        biopython(sequences)
        ours.append(middle - started)
        theirs.append(time.perf_counter() - middle)
    ratio = median(b / a for a, b in zip(ours, theirs, strict=True))
    print(f"sortilin, 71 features:  {n / median(ours):10,.0f} proteins a second")
    print(f"ProtParam, 4 features:  {n / median(theirs):10,.0f} proteins a second")
    print(f"ratio: {ratio:.1f} (bar 1.0)")
    sys.exit(0 if ratio >= 1.0 else 1)


if __name__ == "__main__":
    main()
