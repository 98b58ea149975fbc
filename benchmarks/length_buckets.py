"""Residues a second in training: this package's way against the localization benchmark's (Li).

The benchmark's code pads every sequence to 2,000 positions and leaves memory to PyTorch's defaults. Here
batches hold sequences of like length, and freed memory is kept for the next batch. Both ways train the
same BiLSTM (Table 6: embedding 128, hidden 256) on the same sequences, in processes of their own that take
turns. Residues count, pads do not. A third way, length buckets with default memory, tells what either does.

    python benchmarks/length_buckets.py [--batch-size 64] [--batches 6] [--rounds 2] [--threads N]

Sequences are psl's where the data are there, else random ones with lengths like psl's. Bar: 5 times as
fast. Exit code 1 if not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional

from sortilin import device, registry
from sortilin.classifiers._network import Network
from sortilin.errors import DatasetError
from sortilin.experiment.data import load
from sortilin.sequences import tokens
from sortilin.sequences.cropping import LengthPolicy
from sortilin.training.batching import length_buckets

PAPERS_WAY, OUR_WAY = "padded to 2,000", "length buckets, memory kept"
WAYS = {PAPERS_WAY: (False, False), "length buckets": (True, False), OUR_WAY: (True, True)}
"""Name → whether batches are of like length, whether freed memory is kept."""

BAR = 5.0
WARM = 2
PADDED_TO = 2_000
N_CLASSES = 4
SEED = 42


def sequences() -> list[str]:
    """Psl's, shortened to at most 2,000 residues; random ones if psl is not there."""
    policy = LengthPolicy(PADDED_TO)
    try:
        found = load("localization", []).sequences
    except DatasetError:
        rng = np.random.default_rng(SEED)
        lengths = np.exp(rng.normal(np.log(415), 0.7, size=2_000)).astype(int).clip(11, 13_100)
        found = tuple("".join(rng.choice(list(tokens.RESIDUES), size=n)) for n in lengths)
        print(
            "psl is not there (see SORTILIN_DATA_DIR); random sequences with lengths like psl's",
            file=sys.stderr,
        )
    return [policy.apply(sequence) for sequence in found]


def padded(rows: list[str], n_positions: int) -> torch.Tensor:
    """(B, n_positions) tokens."""
    batch = np.full((len(rows), n_positions), tokens.PAD, dtype=np.int64)
    found = tokens.pad(rows)
    batch[:, : found.shape[1]] = found
    return torch.from_numpy(batch)


def model() -> Network:
    """The BiLSTM of Table 6."""
    torch.manual_seed(SEED)
    backbone, head = registry.get("backbone", "onehot"), registry.get("head", "lstm")
    base = backbone(backbone.Config(embedding=128))
    config = head.Config(hidden=256, bidirectional=True)
    return Network(base, head(config, width=base.width, n_classes=N_CLASSES))


def step(network: Network, optimizer: torch.optim.Optimizer, batch: torch.Tensor) -> float:
    """Seconds of one training step."""
    started = time.perf_counter()
    loss = functional.cross_entropy(network(batch), torch.zeros(len(batch), dtype=torch.int64))
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return time.perf_counter() - started


def batches(rows: list[str], batch_size: int, *, by_length: bool) -> Iterator[tuple[list[str], int]]:
    """Batches with the number of positions that each is padded to."""
    rng = np.random.default_rng(SEED)
    lengths = np.array([len(row) for row in rows])
    if not by_length:
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), batch_size):
            yield [rows[i] for i in order[start : start + batch_size]], PADDED_TO
        return
    budget = batch_size * PADDED_TO
    for bucket in length_buckets(lengths, batch_size=batch_size, batch_positions=budget, generator=rng):
        yield [rows[i] for i in bucket], int(lengths[bucket].max())


def measure(way: str, batch_size: int, n_batches: int) -> tuple[int, float]:
    """Residues and seconds of some training steps; the first two, which allocate, do not count."""
    by_length, keeps_memory = WAYS[way]
    if keeps_memory:
        device.keep_memory()
    rows, network = sequences(), model()
    optimizer = torch.optim.Adam(network.parameters())
    residues, seconds = 0, 0.0
    for number, (batch, n_positions) in enumerate(batches(rows, batch_size, by_length=by_length)):
        if number == n_batches + WARM:
            break
        took = step(network, optimizer, padded(batch, n_positions))
        if number >= WARM:
            seconds += took
            residues += sum(map(len, batch))
    return residues, seconds


def main() -> None:
    """Print residues a second of each way, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--batches", type=int, default=6, help="batches of each way and round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.batch_size, arguments.batches)))
        return
    totals = {way: [0.0, 0.0] for way in WAYS}
    for _ in range(arguments.rounds):
        for way, total in totals.items():
            command = [sys.executable, *sys.argv, "--way", way]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            for place, value in enumerate(json.loads(found)):
                total[place] += value
    rates = {way: residues / seconds for way, (residues, seconds) in totals.items()}
    slow = rates[PAPERS_WAY]
    for way, rate in rates.items():
        print(f"{way:32} {rate:8,.0f} residues/s  {rate / slow:4.1f} times")
    print(f"batches of {arguments.batch_size}, {arguments.threads} thread(s); bar {BAR} times")
    sys.exit(0 if rates[OUR_WAY] >= BAR * slow else 1)


if __name__ == "__main__":
    main()
