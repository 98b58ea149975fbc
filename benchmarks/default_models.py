"""The bundled models against a protein language model, side by side on the same cores.

A user without this package would take ESM2-T6, the smallest language model of the papers: every protein
padded or cut to 2,000 tokens, peptides padded to their longest, the mean over residues, an MLP. Here it has
its published dimensions and random weights, since only its time counts: what it gives is no result and is
never shown.

    python benchmarks/default_models.py [--cores 2] [--bar 300] [--rounds 2] [--proteins N] [--peptides N]

Processes of their own take turns, each on the same cores; the median over rounds counts. Sequences are
random, with gamma-distributed lengths (see stream.py). Loading and a first batch do not count; what they take
stands beside. Bars: `localization` predicts at least --bar proteins a second, and one sequence of 5 or of
35,000 residues takes no longer than it should. Exit code 1 if not. Needs `pip install '.[plm]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from stream import MEAN_LENGTH, random_sequences

MODELS = ("localization", "anticancer")
OURS, LANGUAGE_MODEL = "sortilin", "ESM2-T6"
PROTEINS_A_SECOND = 300.0
MOST_SECONDS = {5: 0.2, 35_000: 5.0}
"""Residues → what one sequence may take, the model loaded."""

HUMAN_PROTEOME = 20_600
PADDED_TO = 2_000
BATCH_SIZE = {"localization": 8, "anticancer": 64}
"""Sequences a batch of the language model."""

SLOW_BATCHES = {"localization": 2, "anticancer": 3}
"""Batches of the language model that are timed, after one that is not."""

N_CLASSES = 4
ESM2_LETTERS = "LAGVSERTIDPKQNFYMHWCX"
CLS, PAD, EOS, FIRST_LETTER, MASK, N_TOKENS = 0, 1, 2, 4, 32, 33
"""The vocabulary of ESM-2."""

ESM2_T6: dict[str, Any] = {
    "vocab_size": N_TOKENS,
    "mask_token_id": MASK,
    "pad_token_id": PAD,
    "num_hidden_layers": 6,
    "hidden_size": 320,
    "num_attention_heads": 20,
    "intermediate_size": 1_280,
    "max_position_embeddings": 1_026,
    "position_embedding_type": "rotary",
    "token_dropout": True,
    "emb_layer_norm_before": False,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "layer_norm_eps": 1e-5,
}
"""esm2_t6_8M_UR50D (Lin et al. 2023, doi:10.1126/science.ade2574)."""


@dataclass(frozen=True)
class Measured:
    """What one process found.

    Attributes:
        n: Sequences that were timed.
        seconds: All of them.
        ready_s: Loading, and a first sequence or batch.
        peak_mb: Resident memory at its largest.
        alone_s: Residues → seconds of one sequence alone.
    """

    n: int
    seconds: float
    ready_s: float
    peak_mb: float
    alone_s: dict[str, float]


def ours(model: str, folder: str, n: int, cores: int) -> Measured:
    """Predict n sequences, then single ones."""
    import sortilin

    sequences = list(random_sequences(n, MEAN_LENGTH[model]))
    started = time.perf_counter()
    loaded = sortilin.load(folder, threads=cores)
    loaded.predict(sequences[:1])
    ready = time.perf_counter()
    n_predicted = len(loaded.predict(sequences))
    seconds = time.perf_counter() - ready
    peak = peak_megabytes()  # before the long one
    alone = {}
    text = "".join(random_sequences(200, MEAN_LENGTH["localization"]))
    for length in MOST_SECONDS:
        before = time.perf_counter()
        loaded.predict([text[:length]])
        alone[str(length)] = time.perf_counter() - before
    return Measured(n_predicted, seconds, ready - started, peak, alone)


def language_model(model: str, cores: int) -> Measured:
    """Run sequences through ESM2-T6 with random weights, padded as the paper does."""
    import torch
    from transformers import EsmConfig, EsmModel

    torch.set_num_threads(cores)
    torch.manual_seed(0)
    batch_size = BATCH_SIZE[model]
    n = batch_size * SLOW_BATCHES[model]
    sequences = list(random_sequences(n + batch_size, MEAN_LENGTH[model]))
    n_tokens = PADDED_TO if model == "localization" else max(map(len, sequences)) + 2
    started = time.perf_counter()
    backbone = EsmModel(EsmConfig(**ESM2_T6), add_pooling_layer=False)
    backbone.train(False)
    width = ESM2_T6["hidden_size"]
    head = torch.nn.Sequential(
        torch.nn.Linear(width, 256), torch.nn.ReLU(), torch.nn.Linear(256, N_CLASSES)
    ).eval()
    ready = seconds = 0.0
    with torch.inference_mode():
        for number, (tokens, mask) in enumerate(padded(sequences, n_tokens, batch_size)):
            before = time.perf_counter()
            hidden = backbone(input_ids=tokens, attention_mask=mask).last_hidden_state  # (B, L, D)
            weights = mask[..., None].to(hidden.dtype)
            head((hidden * weights).sum(1) / weights.sum(1))
            now = time.perf_counter()
            if number == 0:
                ready = now - started
            else:
                seconds += now - before
    return Measured(n, seconds, ready, peak_megabytes(), {})


def padded(sequences: list[str], n_tokens: int, batch_size: int) -> Iterator[tuple[Any, Any]]:
    """Tokens and mask, (B, n_tokens) each, as ESM's tokenizer makes them; longer sequences are cut."""
    import torch

    number = {letter: FIRST_LETTER + i for i, letter in enumerate(ESM2_LETTERS)}
    for start in range(0, len(sequences), batch_size):
        batch = sequences[start : start + batch_size]
        tokens = torch.full((len(batch), n_tokens), PAD)
        for row, sequence in enumerate(batch):
            found = [CLS, *(number[letter] for letter in sequence[: n_tokens - 2]), EOS]
            tokens[row, : len(found)] = torch.tensor(found)
        yield tokens, (tokens != PAD).long()


def peak_megabytes() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def measure(way: str, model: str, options: argparse.Namespace) -> Measured:
    """One process of one way, which may use so many cores."""
    is_protein = model == "localization"
    n, folder = (options.proteins, options.localization) if is_protein else (options.peptides, model)
    asked = json.dumps({"way": way, "model": model, "folder": folder, "n": n, "cores": options.cores})
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.cores), "TRANSFORMERS_OFFLINE": "1"}
    command = [sys.executable, __file__, "--inside", asked]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return Measured(**json.loads(run.stdout.splitlines()[-1]))


def inside(asked: dict[str, Any]) -> Measured:
    """What `measure` asked of this process."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: asked["cores"]])
    if asked["way"] == OURS:
        return ours(asked["model"], asked["folder"], asked["n"], asked["cores"])
    return language_model(asked["model"], asked["cores"])


def report(rounds: dict[tuple[str, str], list[Measured]], options: argparse.Namespace) -> bool:
    """Print the tables; whether the bars are met."""
    rates = {key: median(m.n / m.seconds for m in found) for key, found in rounds.items()}
    print(f"{'model':13} {'way':9} {'timed':>7} {'per s':>9} {'ms each':>9} {'peak MB':>8} {'ready s':>8}")
    for (model, way), found in rounds.items():
        rate = rates[model, way]
        peak, ready = max(m.peak_mb for m in found), median(m.ready_s for m in found)
        timed = f"{len(found)} x {found[0].n}"
        print(
            f"{model:13} {way:9} {timed:>7} {rate:9,.1f} {1000 / rate:9.2f} {peak:8.0f} {ready:8.2f}",
            flush=True,
        )
    for model in MODELS:
        ratio = rates[model, OURS] / rates[model, LANGUAGE_MODEL]
        print(f"{model}: {ratio:,.0f} times as many sequences a second as {LANGUAGE_MODEL}")
    is_met = True
    for model in MODELS:
        for length, most in MOST_SECONDS.items():
            took = median(m.alone_s[str(length)] for m in rounds[model, OURS])
            is_met &= took <= most
            print(
                f"{model}: one sequence of {length:,} residues {1000 * took:,.1f} ms (bar {1000 * most:,.0f})"
            )
    rate = rates["localization", OURS]
    print(f"a human proteome ({HUMAN_PROTEOME:,} proteins) in {HUMAN_PROTEOME / rate:,.0f} s")
    print(f"localization: {rate:,.0f} proteins/s on {options.cores} core(s) (bar {options.bar:g})")
    return is_met and rate >= options.bar


def main() -> None:
    """Let the ways take turns, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--bar", type=float, default=PROTEINS_A_SECOND, help="proteins a second")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--proteins", type=int, default=3_000, help="for sortilin, each round")
    parser.add_argument("--peptides", type=int, default=20_000, help="for sortilin, each round")
    parser.add_argument(
        "--localization", default="localization", metavar="FOLDER", help="a model folder in its place"
    )
    parser.add_argument("--inside", type=json.loads, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(asdict(inside(options.inside))))
        return
    if hasattr(os, "sched_getaffinity") and len(os.sched_getaffinity(0)) < options.cores:
        parser.error(f"--cores {options.cores}: this process may use {len(os.sched_getaffinity(0))}")
    rounds: dict[tuple[str, str], list[Measured]] = {}
    for _ in range(options.rounds):
        for model in MODELS:
            for way in (OURS, LANGUAGE_MODEL):
                rounds.setdefault((model, way), []).append(measure(way, model, options))
    sys.exit(0 if report(rounds, options) else 1)


if __name__ == "__main__":
    main()
