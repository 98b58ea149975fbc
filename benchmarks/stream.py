"""Throughput and peak memory of `sortilin predict` over generated sequences.

    python benchmarks/stream.py [--model NAME] [--length N] [COUNT ...]      default: 100000 1000000

One fresh process a count. Bar: the peak memory of the largest count is within 10 % of the smallest's;
exit code 1 if not. Sequences are random (residue frequencies of UniProt, lengths gamma-distributed),
so the predictions mean nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SORTILIN = Path(sys.executable).with_name("sortilin")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
PERCENT = (8.3, 1.4, 5.5, 6.7, 3.9, 7.1, 2.3, 5.9, 5.8, 9.7, 2.4, 4.1, 4.7, 3.9, 5.5, 6.6, 5.3, 6.9, 1.1, 2.9)
MEAN_LENGTH = {"localization": 530, "anticancer": 25}
ALLOWED_GROWTH = 1.10
_BLOCK = 20_000


def random_sequences(n: int, mean_length: int) -> Iterator[str]:
    """Random sequences of at least 5 residues; the same for the same arguments."""
    rng = np.random.default_rng(0)
    letters = np.frombuffer(LETTERS.encode(), dtype=np.uint8)
    frequency = np.array(PERCENT) / sum(PERCENT)
    for start in range(0, n, _BLOCK):
        lengths = np.maximum(rng.gamma(2.0, mean_length / 2.0, min(_BLOCK, n - start)).astype(int), 5)
        text = rng.choice(letters, size=int(lengths.sum()), p=frequency).tobytes().decode()
        place = 0
        for length in lengths.tolist():
            yield text[place : place + length]
            place += length


def write_fasta(path: Path, n: int, mean_length: int) -> None:
    """Random sequences with ids seq0, seq1, ..."""
    with path.open("w") as file:
        file.writelines(f">seq{i}\n{s}\n" for i, s in enumerate(random_sequences(n, mean_length)))


def measure(fasta: Path, model: str) -> tuple[float, float]:
    """Seconds and peak resident megabytes of one process that predicts the file."""
    command = [str(SORTILIN), "predict", str(fasta), "-m", model, "-q", "-o", str(fasta.with_suffix(".tsv"))]
    # A process of its own waits for it, so that the peak is this run's and no earlier one's.
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    started = time.perf_counter()
    run = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    elapsed = time.perf_counter() - started
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return elapsed, int(run.stdout) / unit


def main() -> None:
    """Generate, run, print a row a count, compare the peaks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("counts", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--model", default="localization")
    parser.add_argument(
        "--length", type=int, help="mean length; that of the model's training data by default"
    )
    options = parser.parse_args()
    mean_length = options.length or MEAN_LENGTH.get(options.model, 300)
    print(f"{options.model}, mean length {mean_length}")
    print(f"{'sequences':>10} {'seconds':>8} {'per s':>8} {'peak MB':>8}")
    peaks = []
    for count in options.counts:
        with tempfile.TemporaryDirectory() as folder:
            fasta = Path(folder, "generated.fasta")
            write_fasta(fasta, count, mean_length)
            elapsed, peak = measure(fasta, options.model)
        peaks.append(peak)
        print(f"{count:10,} {elapsed:8.1f} {count / elapsed:8,.0f} {peak:8.0f}", flush=True)
    growth = max(peaks) / min(peaks)
    print(f"largest peak / smallest peak: {growth:.3f} (bar {ALLOWED_GROWTH})")
    sys.exit(0 if growth <= ALLOWED_GROWTH else 1)


if __name__ == "__main__":
    main()
