"""What explaining costs, and where explanations of localization stand.

    python benchmarks/explain.py                      seconds of explaining against predicting
    python benchmarks/explain.py --where              attributions near the N terminus
    python benchmarks/explain.py --where --network X  the same of a network that is there already
    python benchmarks/explain.py --composition        residues of `psl`, for `differentiable.COMPOSITION`

The first: 100 generated proteins of 500 residues, bundled model, the default methods, in one run; each is
repeated, and pictures and checks are timed by themselves. Bar: explaining takes at most 30 times as long
as predicting; exit code 1 if not. Sequences are random, so what is explained means nothing.

The second: `psl`, stratified 80/20 split of seed 42. A network of convolutions and a bidirectional LSTM
learns from the 80 % (about ten minutes of one core) and its integrated gradients are read on the 20 %; so are
occlusions of the bundled model, which has learned from all. For each protein the density of positive
attribution among the first residues is divided by that of the whole protein: 1 is what a protein without a
preference has. Nothing is chosen by what is read. Needs the papers' data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from sortilin import registry
from sortilin.explain import checks
from sortilin.explain.lines import line_of
from sortilin.explain.opened import Opened, open_model
from sortilin.explain.settings import Settings, explainers
from sortilin.interfaces import DoubleArray
from sortilin.seeding import child_seed
from sortilin.sequences import SequenceRecord

SEED, BAR, N_DRAWS = 42, 30.0, 2_000
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
PERCENT = (8.3, 1.4, 5.5, 6.7, 3.9, 7.1, 2.3, 5.9, 5.8, 9.7, 2.4, 4.1, 4.7, 3.9, 5.5, 6.6, 5.3, 6.9, 1.1, 2.9)
"""Shares that residues are drawn by: about those of proteins. Nothing that is timed rests on them."""

FIRST = {"secreted": 30, "mitochondrion": 60}
"""Class → residues that its signal lies within."""

CLASSES, MOST = ("secreted", "mitochondrion", "cytosol"), 100
"""Classes that are compared, and proteins of each at most: the first of the split, whose order is random."""

NETWORK = """task: localization
data: [{data}]
classifier:
  name: neural
  options:
    backbone: {{name: onehot, options: {{embedding: 32}}}}
    head:
      name: cnn_lstm
      options: {{kernels: [3, 5, 9], filters: 32, hidden: 64, bidirectional: true, window: 4, pooling: max}}
    max_residues: 600
    training: {{learning_rate: 0.001, epochs: 10, precision: float32}}
seed: 42
folds: 2
holdout: 0
baselines: false
audit: false
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--where", action="store_true")
    parser.add_argument("--composition", action="store_true")
    parser.add_argument("--network", help="a model folder, trained on the 80 %")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--proteins", type=int, default=100)
    parser.add_argument("--model", default="localization")
    options = parser.parse_args()
    if options.where:
        where(options.network)
        return
    if options.composition:
        composition()
        return
    ratio = cost(options.model, options.proteins, options.repeats)
    sys.exit(0 if ratio <= BAR else 1)


# What it costs


def cost(model: str, n: int, repeats: int) -> float:
    """Print seconds and ratios; return the median ratio."""
    rng = np.random.default_rng(SEED)
    frequency = np.array(PERCENT) / sum(PERCENT)
    records = [
        SequenceRecord(f"p{i}", "".join(rng.choice(list(LETTERS), 500, p=frequency))) for i in range(n)
    ]
    opened = open_model(model)
    made = explainers(Settings(), opened)
    predictions = opened.predictor.predict(records)  # what is loaded once is loaded
    labels = [p.label for p in predictions]

    def explain() -> list[list[object]]:
        return [list(one.explain(opened, records, labels)) for one in made.values()]

    pairs = [(_seconds(lambda: opened.predictor.predict(records)), _seconds(explain)) for _ in range(repeats)]
    ratios = [b.cpu / a.cpu for a, b in pairs]
    by_clock = [b.wall / a.wall for a, b in pairs]
    print(f"{model}: {n} proteins of 500 residues, methods {', '.join(made)}, {repeats} repeats, one thread")
    for name, seconds in (("predicting", [a for a, _ in pairs]), ("explaining", [b for _, b in pairs])):
        cpu, wall = median(s.cpu for s in seconds), median(s.wall for s in seconds)
        print(f"{name}   {cpu:7.2f} s of a core, {wall:.2f} s by the clock (medians)")
    for name, found in (("of a core", ratios), ("by the clock", by_clock)):
        print(
            f"ratio {name}: {median(found):.1f} ({min(found):.1f} to {max(found):.1f}); bar {BAR:.0f}",
            flush=True,
        )
    _others(opened, made, records[:20], predictions[:20])
    return median(ratios)


def _others(opened: Opened, made: dict, records: list, predictions: list) -> None:  # type: ignore[type-arg]
    """Pictures and checks, on twenty sequences."""
    from sortilin.explain import shown
    from sortilin.report.explain import pictures

    labels = [p.label for p in predictions]
    found = [list(one.explain(opened, records, labels)) for one in made.values()]
    each = list(zip(*found, strict=True))
    lines = [
        line_of(r, p, a, label=p.label, known=(), given=None)
        for r, p, a in zip(records, predictions, each, strict=True)
    ]
    drawn = _seconds(
        lambda: [pictures(shown.of(line, a, made), "x") for line, a in zip(lines, each, strict=True)]
    )
    checked = _seconds(lambda: checks.measured(opened, made, lines, Settings(), None))
    print(f"pictures     {drawn.cpu / len(lines):7.2f} s of a core each, PNG and SVG, of {len(lines)}")
    print(f"checks       {checked.cpu / len(lines):7.2f} s of a core a sequence, of {len(lines)}")


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of one thread: of a core, which other programs hardly change, and by the clock."""

    cpu: float
    wall: float


def _seconds(work: Callable[[], object]) -> Seconds:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


# Where they stand


def where(network: str | None) -> None:
    """Print a table a model."""
    learn, held = split()
    n_all = len(learn) + len(held)
    with tempfile.TemporaryDirectory() as folder:
        path = network or trained(learn, Path(folder))
        print(f"psl, stratified 80/20 split of seed {SEED}: {len(held):,} held out of {n_all:,}\n")
        for name, model, method in (
            ("network, trained on the 80 %", str(path), "integrated_gradients"),
            ("bundled model, trained on all", "localization", "occlusion"),
        ):
            table(name, open_model(model, threads=None), method, held)


def composition() -> None:
    """Print the share of each of the 20 residues among all of `psl`."""
    sequences = [r.sequence for part in split() for r in part]
    found = {letter: sum(s.count(letter) for s in sequences) for letter in LETTERS}
    total = sum(found.values())
    print(f"psl: {len(sequences):,} proteins, {total:,} residues of {len(LETTERS)} letters; per cent:")
    print(", ".join(f"{letter} {n / total:.2%}".removesuffix("%") for letter, n in found.items()))


def split() -> tuple[list[SequenceRecord], list[SequenceRecord]]:
    """The rows to learn from, and those held out."""
    from sortilin.component import Component
    from sortilin.experiment import loaded
    from sortilin.experiment.config import ExperimentConfig
    from sortilin.experiment.validate import Problem, hold_out_rows

    length = Component(name="length")
    asked = ExperimentConfig(
        task="localization", data=("psl",), features=length, classifier=Component(name="linear"), seed=SEED
    )
    labelled = loaded.load(asked).training
    x = np.zeros((len(labelled), 1), dtype=np.float32)
    parts = hold_out_rows(Problem(x, labelled.y, labelled.classes, 5, SEED), 0.2)
    learn, held = (
        [
            SequenceRecord(f"psl{r}", labelled.sequences[r], label=labelled.classes[labelled.y[r]])
            for r in part
        ]
        for part in parts
    )
    return learn, held


def trained(learn: Sequence[SequenceRecord], folder: Path) -> Path:
    """A model folder of the network."""
    from sortilin.experiment import read_config, run

    rows = "".join(f"{r.id},{r.label},{r.sequence}\n" for r in learn)
    (folder / "learn.csv").write_text(f"id,label,sequence\n{rows}")
    (folder / "network.yaml").write_text(NETWORK.format(data=folder / "learn.csv"))
    run(read_config(folder / "network.yaml"), folder / "network")
    return folder / "network"


def table(name: str, opened: Opened, method: str, held: Sequence[SequenceRecord]) -> None:
    """Density of positive attribution near the N terminus over that of the protein, by true class."""
    one = registry.get("explainer", method)()
    predicted = opened.predictor.predict(held)
    right = [(r, p) for r, p in zip(held, predicted, strict=True) if p.label == r.label]
    accuracy = len(right) / len(held)
    # A signal of 60 residues is no start of a protein that is hardly longer.
    long_ones = [r for r, _ in right if len(r.sequence) >= 2 * max(FIRST.values())]
    records = [r for label in CLASSES for r in [one for one in long_ones if one.label == label][:MOST]]
    started = time.perf_counter()
    found = list(one.explain(opened, records, [str(r.label) for r in records]))
    minutes = (time.perf_counter() - started) / 60
    print(
        f"{name}: {method}; accuracy on the 20 % {accuracy:.3f} (n = {len(held):,}). Explained are the right"
    )
    shortest = 2 * max(FIRST.values())
    print(f"ones of at least {shortest} residues, at most {MOST} a class ({minutes:.1f} minutes)\n")
    print(
        "| first residues | class | density ratio (95 % interval) | more than cytosol (95 % interval) | n |"
    )
    print("| --- | --- | --- | --- | --- |")
    for label, n_first in FIRST.items():
        ratios = {
            kind: np.array([density(a.values, n_first) for a in found if a.label == kind])
            for kind in (label, "cytosol")
        }
        draws = {kind: _means(values, label, kind) for kind, values in ratios.items()}
        difference = draws[label] - draws["cytosol"]
        for kind, values in ratios.items():
            more = ""
            if kind == label:
                gap = values.mean() - ratios["cytosol"].mean()
                more = f"{gap:+.2f} ({_ends(difference, '+')})"
            mean = f"{values.mean():.2f} ({_ends(draws[kind])})"
            print(f"| {n_first} | {kind} | {mean} | {more} | {len(values)} |")
    print(flush=True)


def density(values: DoubleArray, n_first: int) -> float:
    """Mean positive attribution of the first residues over that of all; 0 where none is positive."""
    positive = np.maximum(np.nan_to_num(values), 0.0)
    return float(positive[:n_first].mean() / positive.mean()) if positive.any() else 0.0


def _means(values: DoubleArray, *names: str) -> DoubleArray:
    """Bootstrap means over sequences."""
    rng = np.random.default_rng(child_seed(SEED, *names))
    return np.concatenate(list(_drawn(values, rng)))


def _drawn(values: DoubleArray, rng: np.random.Generator) -> Iterator[DoubleArray]:
    for _ in range(N_DRAWS // 100):
        yield values[rng.integers(0, len(values), (100, len(values)))].mean(axis=1)


def _ends(draws: DoubleArray, sign: str = "") -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{low:{sign}.2f} to {high:{sign}.2f}"


if __name__ == "__main__":
    main()
