"""Residues a CPU second of `sortilin.embedding`, beside the ways in which others embed the same proteins.

    python benchmarks/embedding.py [--models esm2_t6 esm2_t12] [--rounds 5] [--proteins 64] [--peptides 512]
        [--ways ...] [--biotrainer VENV]

The architectures are the published ones; the weights are random, so that vectors are compared with each other
and never shown. Every way is a process of its own, which stays, is warmed by one whole pass, and computes
again when its turn comes; all share one core, one thread each, and the order rotates. What counts is the
CPU time (user and system) for residues of the sequences: pads, special tokens and loading do not count.

    padded       the localization paper's way: padded or cut to 2,000, batches of 16, eager attention
    fair-esm     the batches of fair-esm's extract.py (sorted, 4,096 tokens a batch), transformers' model
    biotrainer   biotrainer's embedder, in the environment that --biotrainer names
    in order     transformers with SDPA, batches of 16 in the order of the file
    anchor       transformers with SDPA, sorted, one sequence a batch: no padding at all; the reference
    float32      this package, the engine that "auto" chooses
    bfloat16     the same in bfloat16

Of "padded" one batch is run, since it takes so long. Bars, each for the lower end of a bootstrap interval
over rounds: float32 at least 1.9 times the anchor and at least 60 times "padded", bfloat16 2.7 times the
anchor, on peptides float32 3 times "in order"; cosine distances to the reference at most 1e-9 and 1e-4; peak
memory no higher than the anchor's. Exit code 1 if one is missed. Needs `pip install '.[plm]'` and the data
(see SORTILIN_DATA_DIR).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedding_ways import (
    ANCHOR,
    BATCH,
    BIOTRAINER,
    IN_ORDER,
    OURS,
    OURS_BF16,
    PADDED,
    PADDED_TO,
    SEED,
    WAYS,
    made,
)

PROTEINS, PEPTIDES = "proteins", "peptides"
LARGE = 100_000_000
"""Parameters beyond which only the anchor and this package are run, unless --ways says more."""

RESAMPLES = 2_000
LOWER = 5.0
"""Percentile of the bootstrap that a bar must be met by."""

RATIO_BARS = {
    (PROTEINS, OURS, ANCHOR): 1.9,
    (PROTEINS, OURS_BF16, ANCHOR): 2.7,
    (PROTEINS, OURS, PADDED): 60.0,
    (PEPTIDES, OURS, IN_ORDER): 3.0,
}
COSINE_BARS = {OURS: 1e-9, OURS_BF16: 1e-4}


def sequences(name: str, n: int) -> list[str]:
    """N distinct proteins of psl, or peptides of acp, in random order."""
    from sortilin import datasets

    found = sorted({record.sequence for record in datasets.load("psl" if name == PROTEINS else "acp")})
    chosen = np.random.default_rng(SEED).permutation(len(found))[:n]
    return [found[i] for i in chosen]


def why_not(venv: str | None, model_name: str) -> str | None:
    """Why biotrainer is left out; None if it is not."""
    if venv is None:
        return "no environment is named with --biotrainer"
    if not model_name.startswith("esm2"):
        return f"its embedder is set up for ESM-2 here, not for {model_name}"
    command = [str(Path(venv, "bin", "python")), "-c", "import biotrainer.embedders"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{command[0]} does not run: {error.strerror}"
    return None if run.returncode == 0 else (run.stderr.strip().splitlines() or ["it does not import"])[-1]


def prepare(model_name: str, folder: str) -> None:
    """Export the graph, write the weights for biotrainer, and print what is known of the checkpoint."""
    from sortilin import language_models
    from sortilin.embedding import Embedder, EmbeddingConfig

    model = language_models.from_config(model_name, seed=SEED)
    Embedder.of(EmbeddingConfig(backbone=model_name), model=model, threads=1).embed(["MKV"])
    if model_name.startswith("esm2"):
        from transformers.utils import logging

        from sortilin.language_models.esm2 import TOKENS

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        model.module.save_pretrained(folder)
        Path(folder, "vocab.txt").write_text("\n".join(TOKENS))
    print(json.dumps(asdict(model.checkpoint)))


def inside(asked: dict[str, Any]) -> None:
    """One way, resident: a pass to warm up, then one at each line that comes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    rows = [row[: PADDED_TO - 2] for row in asked["rows"]] if asked["way"] == PADDED else asked["rows"]
    run = made(asked)
    np.save(asked["vectors"], np.stack(run(rows)))
    print(json.dumps({}), file=answers, flush=True)
    for _ in sys.stdin:
        before = cpu_seconds()
        run(rows)
        found = {"cpu_s": cpu_seconds() - before, "peak_mb": peak_megabytes()}
        print(json.dumps(found), file=answers, flush=True)


def cpu_seconds() -> float:
    """User and system time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


@dataclass(frozen=True)
class Setting:
    """What all ways of one table share.

    Attributes:
        model: Short name of the architecture.
        rows: Sequences.
        folder: For weights and vectors.
        checkpoint: What is known of the model.
        biotrainer: The environment that holds it; None leaves it out.
    """

    model: str
    rows: list[str]
    folder: Path
    checkpoint: dict[str, Any]
    biotrainer: str | None


class Variant:
    """A way, in a process of its own."""

    def __init__(self, way: str, setting: Setting) -> None:
        self.way = way
        self.rows = setting.rows[:BATCH] if way == PADDED else setting.rows
        most = PADDED_TO - 2 if way == PADDED else max(map(len, self.rows))
        self.n_residues = sum(min(len(row), most) for row in self.rows)
        self.is_whole = [len(row) <= most for row in self.rows]
        self.cpu_s: list[float] = []
        self.peak_mb = 0.0
        self._vectors = setting.folder / f"{way}.npy"
        python = sys.executable
        if way == BIOTRAINER and setting.biotrainer is not None:
            python = str(Path(setting.biotrainer, "bin", "python"))
        self._process = subprocess.Popen(
            [python, __file__, "--inside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        asked = {"way": way, "model": setting.model, "rows": self.rows, "vectors": str(self._vectors)}
        more = {"checkpoint": setting.checkpoint, "weights": str(setting.folder)}
        self._tell(json.dumps({**asked, **more}))
        self._hear()

    def turn(self) -> None:
        """One pass."""
        self._tell("go")
        found = self._hear()
        self.cpu_s.append(found["cpu_s"])
        self.peak_mb = found["peak_mb"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    @property
    def rates(self) -> np.ndarray:
        """Residues a CPU second of each turn."""
        return self.n_residues / np.array(self.cpu_s)

    def distance(self, reference: Variant) -> float:
        """Largest cosine distance to the reference, over sequences that were not cut."""
        n, chosen = len(self.rows), np.array(self.is_whole)
        a, b = (np.load(each._vectors)[:n][chosen].astype(np.float64) for each in (self, reference))
        norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        return float((1 - (a * b).sum(axis=1) / norms).max())

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self.way}: the process ended with code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def environment() -> dict[str, str]:
    """One thread, no network."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def measure(setting: Setting, ways: list[str], rounds: int) -> dict[str, Variant]:
    """All ways in turn; each begins a round as often as any other."""
    variants: list[Variant] = []
    try:
        for way in ways:
            variants.append(Variant(way, setting))  # noqa: PERF401 - those made so far are closed if one fails
        for number in range(rounds):
            start = number % len(variants)
            for variant in [*variants[start:], *variants[:start]]:
                variant.turn()
    finally:
        for variant in variants:
            variant.close()
    return {variant.way: variant for variant in variants}


def ratio(a: Variant, b: Variant) -> tuple[float, float]:
    """Median of the paired ratios of rates, and the lower end of its bootstrap interval."""
    paired = a.rates / b.rates
    rng = np.random.default_rng(SEED)
    drawn = np.median(rng.choice(paired, (RESAMPLES, len(paired))), axis=1)
    return float(np.median(paired)), float(np.percentile(drawn, LOWER))


def report(title: str, data: str, variants: dict[str, Variant]) -> bool:
    """Print one table and its bars; whether all are met."""
    reference = variants[ANCHOR]
    print(f"\n{title}")
    print(
        f"{'way':11} {'residues/CPU s':>14} {'x anchor':>9} {'(low)':>7} {'cosine dist.':>13} {'peak MB':>8}"
    )
    distances = {}
    for way, variant in variants.items():
        middle, low = ratio(variant, reference)
        distances[way] = variant.distance(reference)
        rate = float(np.median(variant.rates))
        print(
            f"{way:11} {rate:14,.0f} {middle:9.2f} {low:7.2f} {distances[way]:13.1e} {variant.peak_mb:8,.0f}"
        )
    is_met = True
    for way in variants.keys() & COSINE_BARS.keys():
        is_met &= said(f"{way}: cosine distance", distances[way], COSINE_BARS[way], is_most=True)
    for (of, way, other), bar in RATIO_BARS.items():
        if of == data and {way, other} <= set(variants):
            is_met &= said(f"{way} / {other}", ratio(variants[way], variants[other])[1], bar)
    if OURS in variants and data == PROTEINS:
        is_met &= said(f"{OURS}: peak MB", variants[OURS].peak_mb, reference.peak_mb, is_most=True)
    return is_met


def said(what: str, found: float, bar: float, *, is_most: bool = False) -> bool:
    """Print a figure with its bar; whether it is met."""
    is_met = found <= bar if is_most else found >= bar
    print(
        f"    {what}: {found:,.3g}, bar {'at most' if is_most else 'at least'} {bar:,.3g}"
        f"{'' if is_met else '  MISSED'}",
        flush=True,
    )
    return is_met


def chosen_ways(options: argparse.Namespace, n_parameters: int, model: str, data: str) -> list[str]:
    """What is run of a model: all, or only the anchor and this package if it is large."""
    if options.ways:
        return list(dict.fromkeys([*options.ways, ANCHOR]))
    if n_parameters > LARGE:
        return [ANCHOR, OURS, OURS_BF16]
    reason = why_not(options.biotrainer, model)
    if reason:
        print(f"biotrainer is left out: {reason}")
    left_out = {BIOTRAINER if reason else "", PADDED if data == PEPTIDES else ""}
    return [way for way in WAYS if way not in left_out]


def parsed() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["esm2_t6", "esm2_t12"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--proteins", type=int, default=64, help="0 leaves them out")
    parser.add_argument("--peptides", type=int, default=512, help="0 leaves them out")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="beside the anchor")
    parser.add_argument("--biotrainer", metavar="VENV", help="environment with biotrainer")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--prepare", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def tables(options: argparse.Namespace) -> Iterator[bool]:
    """Each model on each set of sequences."""
    for model in options.models:
        with tempfile.TemporaryDirectory() as name:
            os.environ["SORTILIN_CACHE"] = name
            command = [sys.executable, __file__, "--prepare", model, name]
            run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment())
            checkpoint = json.loads(run.stdout.splitlines()[-1])
            for data, n in ((PROTEINS, options.proteins), (PEPTIDES, options.peptides)):
                if n:
                    rows = sequences(data, n)
                    setting = Setting(model, rows, Path(name), checkpoint, options.biotrainer)
                    ways = chosen_ways(options, checkpoint["n_parameters"], model, data)
                    variants = measure(setting, ways, options.rounds)
                    title = f"{model}, {len(rows)} {data}, {sum(map(len, rows)):,} residues"
                    yield report(title, data, variants)


def main() -> None:
    """Let the ways take turns, print the tables."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    options = parsed()
    if options.inside:
        inside(json.loads(sys.stdin.readline()))
        return
    if options.prepare:
        prepare(*options.prepare)
        return
    sys.exit(0 if all(list(tables(options))) else 1)


if __name__ == "__main__":
    main()
