"""The ways in which `embedding.py` computes the same vectors; each function gives what one pass does."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

PADDED, FAIR_ESM, BIOTRAINER, IN_ORDER, ANCHOR = "padded", "fair-esm", "biotrainer", "in order", "anchor"
OURS, OURS_BF16 = "float32", "bfloat16"
WAYS = (PADDED, FAIR_ESM, BIOTRAINER, IN_ORDER, ANCHOR, OURS, OURS_BF16)

PADDED_TO, BATCH, TOKENS_A_BATCH = 2_000, 16, 4_096
SEED = 42

Pass = Callable[[list[str]], list[np.ndarray]]
"""The mean over residues of each sequence, in the order given."""


def by_transformers(
    model_name: str, *, attention: str, batches: Callable[[list[str]], list[list[int]]]
) -> Pass:
    """Transformers' model over padded batches."""
    import torch

    from sortilin import language_models

    model = language_models.from_config(model_name, seed=SEED)
    model.module.set_attn_implementation(attention)

    def run(rows: list[str]) -> list[np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for batch in batches(rows):
            ids, mask, is_residue = model.vocabulary.batch([rows[i] for i in batch])
            n_pads = PADDED_TO - ids.shape[1] if attention == "eager" else 0
            ids = np.pad(ids, ((0, 0), (0, n_pads)), constant_values=model.vocabulary.pad)
            mask = np.pad(mask, ((0, 0), (0, n_pads)))
            with torch.inference_mode():
                hidden = model.hidden(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
            for i, states, chosen in zip(batch, hidden, is_residue, strict=True):
                found[i] = states[: len(chosen)][chosen].mean(axis=0, dtype=np.float64)
        return [found[i] for i in range(len(rows))]

    return run


def in_order(rows: list[str]) -> list[list[int]]:
    """Batches of 16 as they come."""
    return [list(range(start, min(start + BATCH, len(rows)))) for start in range(0, len(rows), BATCH)]


def one_by_one(rows: list[str]) -> list[list[int]]:
    """Sorted, one sequence a batch."""
    return [[i] for i in sorted(range(len(rows)), key=lambda i: len(rows[i]))]


def as_fair_esm(rows: list[str]) -> list[list[int]]:
    """`FastaBatchedDataset.get_batch_indices` of fair-esm: sorted, at most 4,096 tokens a padded batch."""
    batches: list[list[int]] = []
    current: list[int] = []
    longest = 0
    for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
        size = len(rows[i]) + 1
        if current and max(size, longest) * (len(current) + 1) > TOKENS_A_BATCH:
            batches.append(current)
            current, longest = [], 0
        longest = max(longest, size)
        current.append(i)
    return [*batches, current] if current else batches


def ours(described: dict[str, Any], precision: str) -> Pass:
    """This package, from a graph that is in the cache already, as in every run but the first."""
    from sortilin.embedding import Embedder, EmbeddingConfig
    from sortilin.language_models import Checkpoint

    def never() -> Any:
        raise SystemExit("the graph is not in the cache")

    checkpoint = Checkpoint(**described)
    config = EmbeddingConfig.model_validate({"backbone": checkpoint.name, "precision": precision})
    embedder = Embedder(config, checkpoint, never, threads=1)
    return lambda rows: list(embedder.embed(rows))


def by_biotrainer(folder: str) -> Pass:
    """Biotrainer's embedder of ESM-2 on the CPU, with the same weights; runs in its environment."""
    import torch

    embedders, transformers = import_module("biotrainer.embedders"), import_module("transformers")
    model = transformers.EsmModel.from_pretrained(folder, add_pooling_layer=False).eval()
    tokenizer = transformers.EsmTokenizer(str(Path(folder, "vocab.txt")))
    embedder = embedders.ESM2(
        folder, model=model, tokenizer=tokenizer, use_half_precision=False, device=torch.device("cpu")
    )
    service = embedders.EmbeddingService(embedder)

    def run(rows: list[str]) -> list[np.ndarray]:
        found = {
            int(record.seq_id.removeprefix("Seq")): vector.numpy()
            for record, vector in service.generate_embeddings(rows, reduce=True)
        }
        return [found[i] for i in range(len(rows))]

    return run


def made(asked: dict[str, Any]) -> Pass:
    """What one way does in a pass."""
    way, model = asked["way"], asked["model"]
    if way in (OURS, OURS_BF16):
        return ours(asked["checkpoint"], way)
    if way == BIOTRAINER:
        return by_biotrainer(asked["weights"])
    if way == PADDED:
        return by_transformers(model, attention="eager", batches=in_order)
    batches = {FAIR_ESM: as_fair_esm, IN_ORDER: in_order, ANCHOR: one_by_one}[way]
    return by_transformers(model, attention="sdpa", batches=batches)
