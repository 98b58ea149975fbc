"""Peptides a CPU second of fine-tuning a language model, beside the padded way of the paper's public code.

    python benchmarks/finetuning.py [--model esm2_t6] [--rounds 5] [--peptides 512] [--ways ...]

Time only: the weights are random. All ways make the same training steps on the same peptides of acp, with
the published architecture of the language model under the head `cnn_attention`, 32 peptides a step, Adam
with an L2 term; all of the language model is trained. Each way is a process of its own, which stays, is
warmed by one whole epoch, and trains an epoch more when its turn comes; all share one core, one thread
each, and the order rotates. What counts is the CPU time (user and system) for residues that take part.

    padded       the paper's code: peptides in random order, padded and cut to 50 tokens (two of them
                 special), transformers' model with eager attention, float32
    padded sdpa  the same with PyTorch's fused attention
    float32      this package: `training.loop` on batches of like length, of at most 1,600 tokens, nothing cut
    bfloat16     the same under autocast

Validation, checkpoints and loading do not count on either side: an epoch of this package is the loop's own,
with 4 peptides set aside. Bars, each for the lower end of a bootstrap interval over the paired ratios of
rounds: float32 at least 1.4 times, bfloat16 at least 1.8 times "padded". Exit code 1 if one is missed. Needs
`pip install '.[train,plm]'` and the data (see SORTILIN_DATA_DIR).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from embedding import PEPTIDES, cpu_seconds, environment, peak_megabytes, said, sequences

PADDED, PADDED_SDPA, OURS, OURS_BF16 = "padded", "padded sdpa", "float32", "bfloat16"
WAYS = (PADDED, PADDED_SDPA, OURS, OURS_BF16)
BARS = {OURS: 1.4, OURS_BF16: 1.8}
BATCH, PADDED_TO, N_SPECIAL = 32, 50, 2
MOST_TOKENS = 1_600
"""Of a batch of this package: the few peptides of up to 255 residues then do not pad 28 shorter ones."""

LEARNING_RATE, L2 = 2e-5, 1e-4
N_ASIDE = 4
SEED, RESAMPLES, LOWER = 7, 2_000, 5.0


def network(model: Any) -> Any:
    """A language model of random weights under the head, all of it trained."""
    import torch

    from sortilin import registry
    from sortilin.classifiers import _finetuning

    head = registry.get("head", "cnn_attention")
    torch.manual_seed(SEED)
    found = _finetuning.TunedNetwork(
        model, head(width=model.checkpoint.width, n_classes=2), layer=-1, scale=1.0
    )
    _finetuning.train_all(found, model.vocabulary)
    return found


def padded(model: Any, rows: list[str], targets: Any, attention: str) -> Callable[[], None]:
    """An epoch as the paper's code makes it."""
    import torch

    model.module.set_attn_implementation(attention)
    made = network(model)
    optimizer = torch.optim.Adam(made.parameters(), lr=LEARNING_RATE, weight_decay=L2)
    rng = np.random.default_rng(SEED)
    most = PADDED_TO - N_SPECIAL

    def epoch() -> None:
        made.train()
        order = rng.permutation(len(rows))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            # One row of full length pads all others to it; it is taken off again.
            batch = model.vocabulary.batch([*(rows[i][:most] for i in chosen), "A" * most])
            ids, mask, is_residue = (torch.from_numpy(array[:-1]) for array in batch)
            x = model.module(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            logits = made.head(x[:, 1 : 1 + most], is_residue[:, 1 : 1 + most])
            loss: Any = torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets[chosen]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def ours(model: Any, rows: list[str], targets: Any, precision: str) -> Callable[[], None]:
    """An epoch of the training loop."""
    from sortilin import language_models
    from sortilin.classifiers._finetuning import TokenExamples
    from sortilin.training import loop
    from sortilin.training.config import TrainingConfig

    language_models.ready_to_train(model, max(map(len, rows)) + N_SPECIAL)
    made = network(model)
    job = loop.Job(
        examples=TokenExamples(rows, targets, model.vocabulary),
        validation=TokenExamples(rows[:N_ASIDE], targets[:N_ASIDE], model.vocabulary),
        config=TrainingConfig(
            epochs=1,
            optimizer="adam",
            learning_rate=LEARNING_RATE,
            weight_decay=L2,
            batch_size=BATCH,
            batch_positions=MOST_TOKENS,
            clip_norm=None,
            precision=precision,
            metric="loss",
        ),
        n_classes=2,
        score=lambda _logits, _y: {},
        seed=SEED,
    )

    def epoch() -> None:
        loop.train(made, job)

    return epoch


def inside(asked: dict[str, Any]) -> None:
    """One way, resident: an epoch to warm up, then one at each line that comes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from sortilin import language_models

    model = language_models.from_config(asked["model"], seed=SEED)
    rows, way = asked["rows"], asked["way"]
    targets = np.arange(len(rows)) % 2
    if way in (PADDED, PADDED_SDPA):
        epoch = padded(model, rows, targets, "eager" if way == PADDED else "sdpa")
    else:
        epoch = ours(model, rows, targets, way)
    epoch()
    print("{}", file=answers, flush=True)
    for _ in sys.stdin:
        before = cpu_seconds()
        epoch()
        found = {"cpu_s": cpu_seconds() - before, "peak_mb": peak_megabytes()}
        print(json.dumps(found), file=answers, flush=True)


class Way:
    """A way, in a process of its own."""

    def __init__(self, name: str, model: str, rows: list[str]) -> None:
        most = PADDED_TO - N_SPECIAL if name in (PADDED, PADDED_SDPA) else max(map(len, rows))
        self.n_residues = sum(min(len(row), most) for row in rows)
        self.cpu_s: list[float] = []
        self.peak_mb = 0.0
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--inside"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._ask(json.dumps({"way": name, "model": model, "rows": rows}))

    def turn(self) -> None:
        """One epoch."""
        found = self._ask("go")
        self.cpu_s.append(found["cpu_s"])
        self.peak_mb = found["peak_mb"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    @property
    def rates(self) -> np.ndarray:
        """Residues a CPU second of each turn."""
        return self.n_residues / np.array(self.cpu_s)

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            sys.exit(f"a way ended with code {self._process.wait()}")
        found: dict[str, Any] = json.loads(answer)
        return found


def measure(names: list[str], model: str, rows: list[str], rounds: int) -> dict[str, Way]:
    """All ways in turn; each begins a round as often as any other."""
    ways: dict[str, Way] = {}
    try:
        for name in names:
            ways[name] = Way(name, model, rows)
        for number in range(rounds):
            start = number % len(names)
            for name in [*names[start:], *names[:start]]:
                ways[name].turn()
    finally:
        for way in ways.values():
            way.close()
    return ways


def ratio(a: Way, b: Way) -> tuple[float, float]:
    """Median of the paired ratios of rates, and the lower end of its bootstrap interval."""
    paired = a.rates / b.rates
    rng = np.random.default_rng(SEED)
    drawn = np.median(rng.choice(paired, (RESAMPLES, len(paired))), axis=1)
    return float(np.median(paired)), float(np.percentile(drawn, LOWER))


def report(ways: dict[str, Way], n_rows: int) -> bool:
    """Print the table and its bars; whether all are met."""
    titles = ("peptides/CPU s", "residues/CPU s", "x padded", "(low)", "peak MB")
    print("{:12} {:>15} {:>15} {:>9} {:>7} {:>8}".format("way", *titles))
    for name, way in ways.items():
        middle, low = ratio(way, ways[PADDED])
        rate = float(np.median(way.rates))
        peptides = n_rows / float(np.median(way.cpu_s))
        print(f"{name:12} {peptides:15,.1f} {rate:15,.0f} {middle:9.2f} {low:7.2f} {way.peak_mb:8,.0f}")
    met = [
        said(f"{name} / {PADDED}", ratio(ways[name], ways[PADDED])[1], bar)
        for name, bar in BARS.items()
        if name in ways
    ]
    return all(met)


def main() -> None:
    """Let the ways take turns, print the table."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="esm2_t6")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peptides", type=int, default=512)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="beside the padded way")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(json.loads(sys.stdin.readline()))
        return
    rows = sequences(PEPTIDES, options.peptides)
    names = list(dict.fromkeys([PADDED, *options.ways]))
    n_residues = sum(map(len, rows))
    print(f"{options.model}, {len(rows)} peptides, {n_residues:,} residues, {options.rounds} rounds")
    sys.exit(0 if report(measure(names, options.model, rows, options.rounds), len(rows)) else 1)


if __name__ == "__main__":
    main()
