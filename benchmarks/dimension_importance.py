"""Permutation importance of 1,280 dimensions x 10 shuffles of 7,458 rows: our way against the direct one.

The direct way asks the network again for each shuffle. Here the first layer is computed once, and a shuffle
adds an outer product to what it gives. Rows and weights are random: it is the time that is measured, and that
both ways come to the same loss. The direct way is timed on some dimensions and multiplied.

    python benchmarks/dimension_importance.py [--rows 7458] [--dimensions 1280] [--shuffles 10] [--direct 2]

One thread; times are the processor's. Bar: 10 minutes for all, and 3 times as fast as the direct way. Exit
code 1 if not.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
import torch

from sortilin import registry
from sortilin.classifiers._network import FeatureNetwork
from sortilin.evaluation.calibration import softmax
from sortilin.explain.dimensions import permutation
from sortilin.interfaces import FloatArray, IntArray

N_CLASSES, SEED = 4, 42
MOST_MINUTES, TIMES = 10.0, 3.0


def drawn(n: int, width: int) -> tuple[FloatArray, IntArray, FeatureNetwork]:
    """Random rows and classes, and the localization benchmark's MLP with random weights."""
    rng = np.random.default_rng(SEED)
    x = rng.normal(size=(n, width)).astype(np.float32)
    torch.manual_seed(SEED)
    head: Any = registry.get("head", "mlp")(width=width, n_classes=N_CLASSES)
    return x, rng.integers(0, N_CLASSES, n), FeatureNetwork(head, x.mean(axis=0), x.std(axis=0)).eval()


def direct(network: FeatureNetwork, x: FloatArray, y: IntArray, n: int) -> tuple[float, float]:
    """Seconds a shuffle, and the loss of the first one of dimension 0."""
    deep = network.double()
    rows, of_class = torch.from_numpy(x.astype(np.float64)), np.arange(len(y))
    losses = []
    started = time.process_time()
    with torch.inference_mode():
        for dimension in range(n):
            order = permutation.order_of_shuffle(SEED, dimension, 0, len(x))
            mixed = rows.clone()
            mixed[:, dimension] = rows[torch.from_numpy(order), dimension]
            table = softmax(deep(mixed).numpy())
            losses.append(float(-np.log(table[of_class, y]).mean()))
    return (time.process_time() - started) / n, losses[0]


def main() -> int:
    """Run both ways; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=7_458)
    parser.add_argument("--dimensions", type=int, default=1_280)
    parser.add_argument("--shuffles", type=int, default=10)
    parser.add_argument("--direct", type=int, default=2, help="shuffles that the direct way is timed on")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    x, y, network = drawn(asked.rows, asked.dimensions)
    started = time.process_time()
    found = permutation.of_network(network, x, y, softmax, shuffles=asked.shuffles, seed=SEED)
    minutes = (time.process_time() - started) / 60
    seconds, loss = direct(network, x, y, asked.direct)
    of_direct = seconds * asked.dimensions * asked.shuffles / 60
    gap = abs(loss - found.whole["log_loss"] - found.losses["log_loss"][0, 0])
    print(f"{asked.dimensions} dimensions x {asked.shuffles} shuffles of {asked.rows} rows, one thread")
    print(f"outer products   {minutes:8.1f} min")
    print(f"direct           {of_direct:8.1f} min  (from {asked.direct} shuffles)")
    print(f"ratio            {of_direct / minutes:8.1f}  (bar {TIMES}); minutes bar {MOST_MINUTES}")
    print(f"gap of the loss  {gap:8.1e}")
    return 0 if minutes <= MOST_MINUTES and of_direct >= TIMES * minutes and gap < 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
