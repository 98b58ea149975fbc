"""A network by how its training meets unequal classes, or by the width of its convolutions; same folds.

    python benchmarks/imbalance.py [CONFIG.yaml]               four ways to meet unequal classes
    python benchmarks/imbalance.py --kernels [CONFIG.yaml]     convolutions of width 3, 5 and 7
    python benchmarks/imbalance.py --small                     a network of a tenth of the arithmetic
    python benchmarks/imbalance.py --only oversampling         one of the rows

CONFIG.yaml is that of a network, by default configs/anticancer-network.yaml; its data, seed and folds are
those of `sortilin train`. Weights and draws are of the rows that a fold learns from alone; a tenth of its
training part is set aside, stops the training, and calibrates. What is scored is the fold: with the class
that the network itself holds more probable (as trained), and with that of the calibrated probabilities,
which know how frequent the classes are. Means and standard deviations over the folds. Needs the papers'
data and some minutes a row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from sortilin.component import Component
from sortilin.evaluation import metrics
from sortilin.evaluation.calibration import uncalibrated
from sortilin.experiment import loaded, read_config, validate
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import merged
from sortilin.experiment.validate import Problem

CONFIG = Path(__file__).parents[1] / "configs" / "anticancer-network.yaml"

WAYS: Mapping[str, Mapping[str, Any]] = {
    "cross-entropy": {},
    "focal loss, gamma 2": {"training": {"loss": "focal"}},
    "class weights": {"training": {"class_weights": "balanced"}},
    "oversampling": {"training": {"resampling": "oversample"}},
}
KERNELS: Mapping[str, Mapping[str, Any]] = {
    f"kernel {size}": {"head": {"options": {"kernel": size}}} for size in (3, 5, 7)
}
SMALL: Mapping[str, Any] = {
    "backbone": {"options": {"embedding": 32}},
    "head": {"options": {"channels": [128, 64, 32]}},
}
METRICS = ("mcc", "accuracy", "sensitivity", "specificity", "roc_auc")


def row(name: str, spec: Component, problem: Problem) -> str:
    """One line a kind of probabilities."""
    started = time.monotonic()
    measured = validate.cross_validate(spec, problem)
    as_trained = uncalibrated(measured.scores, len(problem.classes))
    assert as_trained is not None
    folds = [
        metrics.evaluate(problem.y[held], as_trained[held], list(problem.classes))
        for held in (measured.fold == number for number in sorted(set(measured.fold.tolist())))
    ]
    minutes = (time.monotonic() - started) / 60
    lines = []
    for kind, parts in (("as trained", folds), ("calibrated", list(measured.folds))):
        values = [[part.metrics[metric] for part in parts] for metric in METRICS]
        cells = [f"{fmean(v):.3f} ± {stdev(v):.3f}" for v in values]
        lines.append(f"| {name} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"  <!-- {minutes:.0f} minutes -->"


def main() -> None:
    """Print a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("config", nargs="?", type=Path, default=CONFIG)
    parser.add_argument("--kernels", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--only", choices=[*WAYS, *KERNELS])
    asked = parser.parse_args()
    config = read_config(asked.config)
    training = loaded.load(config).training
    x = Inputs.of(config.features)(training.sequences)
    problem = Problem(x, training.y, training.classes, config.folds, config.seed)
    print(f"{training.name}, {len(training):,} sequences, {config.folds} folds, seed {config.seed}\n")
    print(f"| network | probabilities | {' | '.join(METRICS)} |")
    print("| --- | --- |" + " --- |" * len(METRICS), flush=True)
    network = merged(config.classifier.options, SMALL if asked.small else {})
    rows = {**WAYS, **KERNELS} if asked.only else KERNELS if asked.kernels else WAYS
    for name, options in rows.items():
        if asked.only in (None, name):
            spec = Component(name=config.classifier.name, options=merged(network, options))
            print(row(name, spec, problem), flush=True)


if __name__ == "__main__":
    main()
