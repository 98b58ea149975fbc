"""What fine-tuning a language model takes of a device's memory, by calculation.

What the layers keep for the way back was counted once, on ESM-2 with PyTorch's fused attention
(`benchmarks/finetuning_memory.py` counts it again); the rest follows from the number of parameters.

Axis letters: D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sortilin.language_models import Checkpoint

FLOAT32, BFLOAT16 = 4, 2
"""Bytes a number."""

ADAM_NUMBERS = 2
"""Numbers that Adam keeps of each parameter."""

KEPT_A_LAYER = {"float32": 64, "bfloat16": 40}
"""Bytes, in units of D, that a layer keeps of a token for the way back: what enters each product, norm and
activation. Attention keeps nothing that grows with the square of the length."""

KEPT_OF_ADAPTERS = 8
"""More of them with an adapter at each layer of the attention: what it was given, after dropout."""

KEPT_RECOMPUTED = 4
"""The same where layers are computed anew: what enters a layer, in float32."""

N_TARGETS = 4
"""Layers of an attention that get an adapter; each is D to D."""

HEAD_PARAMETERS = 3_700_000
"""Those of the head `cnn_attention` on a width of 1,280."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes of each part; a framework's own few hundred MB come on top.

    Attributes:
        weights: All parameters, and their copies in half precision.
        gradients: Of those that are trained.
        optimizer: Moments of Adam.
        activations: Kept for the way back.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def memory_estimate(
    checkpoint: Checkpoint,
    *,
    mode: Literal["frozen", "full", "lora"],
    batch_tokens: int,
    precision: Literal["float32", "bfloat16"] = "float32",
    gradient_checkpointing: bool = False,
    rank: int = 8,
) -> MemoryEstimate:
    """What one step of training takes.

    Args:
        checkpoint: The language model.
        mode: What of it is trained. A frozen one is not there in training: its vectors were computed before.
        batch_tokens: Sequences of a batch times tokens of its longest. Accumulated batches come one by
            one, so that only one counts.
        precision: What is computed in; parameters are float32 always.
        gradient_checkpointing: Whether layers are computed anew on the way back.
        rank: Of the adapters.
    """
    n_layers, width, n_all = checkpoint.n_layers, checkpoint.width, checkpoint.n_parameters
    n_adapters = 2 * rank * width * N_TARGETS * n_layers if mode == "lora" else 0
    n_there = 0 if mode == "frozen" else n_all + n_adapters
    n_trained = HEAD_PARAMETERS + {"frozen": 0, "full": n_all, "lora": n_adapters}[mode]
    copies = 0
    if precision == "bfloat16" and mode != "frozen":
        # Those of fixed weights live as long as a layer's way back needs them.
        copies = n_all // n_layers if mode == "lora" and gradient_checkpointing else n_all
    a_layer = (KEPT_A_LAYER[precision] + (KEPT_OF_ADAPTERS if mode == "lora" else 0)) * width
    kept = n_layers * a_layer
    if gradient_checkpointing:
        kept = n_layers * KEPT_RECOMPUTED * width + a_layer
    return MemoryEstimate(
        weights=FLOAT32 * (n_there + HEAD_PARAMETERS) + BFLOAT16 * copies,
        gradients=FLOAT32 * n_trained,
        optimizer=FLOAT32 * ADAM_NUMBERS * n_trained,
        activations=0 if mode == "frozen" else batch_tokens * kept,
    )
