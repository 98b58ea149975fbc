"""Peak memory of `sortilin.embedding` over streams of generated sequences, with a store.

    python benchmarks/embedding_memory.py [--length N] [COUNT ...]      default: 10000 100000

One fresh process a count. Bar: the peak memory of the largest count is within 15 % of the smallest's; exit
code 1 if not. What a store keeps of each vector is mapped from its files and indexed by 32 bytes a sequence,
so that the index is all that may grow. The model is one layer of ESM2-T6's architecture with random weights:
memory is measured, nothing else. Needs `pip install '.[plm]'`.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from stream import random_sequences

ALLOWED_GROWTH = 1.15


def embed(count: int, length: int, store: Path) -> None:
    """Embed a stream in this process and print its seconds and peak resident megabytes."""
    from sortilin import language_models
    from sortilin.embedding import Embedder, EmbeddingConfig
    from sortilin.sequences import records_from_strings
    from sortilin.vectors import Store

    model = language_models.from_config("esm2_t6", seed=1, n_layers=1)
    embedder = Embedder.of(EmbeddingConfig(backbone="esm2_t6"), model=model, store=Store(store))
    started = time.perf_counter()
    records = (record for text in random_sequences(count, length) for record in records_from_strings([text]))
    n_done = sum(1 for _ in embedder.embed_stream(records))
    seconds = time.perf_counter() - started
    if n_done != count:
        raise SystemExit(f"{n_done} vectors of {count} sequences")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def measured(count: int, length: int) -> tuple[float, float]:
    """Seconds and peak megabytes of a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--inside", folder, "--length", str(length), str(count)]
        run = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, peak = run.stdout.split()
    return float(seconds), float(peak)


def main() -> None:
    """Run, print a row a count, compare the peaks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--length", type=int, default=60, help="mean length")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is not None:
        embed(options.counts[0], options.length, options.inside)
        return
    print(f"{'sequences':>10} {'seconds':>8} {'peak MB':>8}")
    peaks = []
    for count in options.counts:
        seconds, peak = measured(count, options.length)
        peaks.append(peak)
        print(f"{count:10,} {seconds:8.1f} {peak:8.0f}", flush=True)
    growth = max(peaks) / min(peaks)
    print(f"largest peak / smallest peak: {growth:.3f} (bar {ALLOWED_GROWTH})")
    sys.exit(0 if growth <= ALLOWED_GROWTH else 1)


if __name__ == "__main__":
    main()
