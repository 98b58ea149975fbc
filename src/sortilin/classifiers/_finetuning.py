"""Torch modules of a head upon a language model, and their examples.

Axis letters: B batch, T tokens, L residues, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortilin.embedding.residues import padded
from sortilin.errors import ConfigError
from sortilin.interfaces import Head, IntArray
from sortilin.language_models import LoadedModel, Vocabulary

LAST = -1
"""The hidden state that a language model ends with."""

Look = Callable[[Sequence[str]], list[NDArray[np.float32]]]
"""Sequences → (L, D) vectors of each one's residues."""

_PROBE = ("MKV", "MKVLAT")
"""Of unlike lengths, so that pads are among what is computed."""


class ResidueNetwork(nn.Module):
    """Residue vectors (B, L, D), which are fixed, and mask (B, L) → logits (B, C)."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits."""
        logits: Tensor = self.head(x, mask)
        return logits


class TunedNetwork(nn.Module):
    """Tokens → language model → residue vectors → head → logits; both are trained, at their own rates.

    Args:
        model: The language model, with or without adapters; what of it is trained requires gradients.
        head: Over vectors of its width.
        layer: The hidden state that the head is given.
        scale: Learning rate of the language model, as a multiple of the head's.

    Attributes:
        leaves_out: Whether parameters that are trained may get no gradient: adapters above `layer`.
    """

    def __init__(self, model: LoadedModel, head: Head, *, layer: int, scale: float) -> None:
        super().__init__()
        self.leaves_out = layer not in (LAST, model.checkpoint.n_layers)
        # What Accelerate shards by: classes of the layers, as transformers names them.
        self._no_split_modules = _layer_names(model.module)
        self.model, self.layer, self.scale = model, layer, scale
        self.encoder: nn.Module = model.module  # the same module, where torch finds its parameters
        self.head = head

    def forward(self, ids: Tensor, attention: Tensor, is_residue: Tensor) -> Tensor:
        """(B, T) tokens, what is attended to, and what is a residue → (B, C) logits."""
        # Without pads nothing has to be masked, and attention is computed faster.
        mask = None if bool(attention.all()) else attention
        x, is_there = to_front(self.model.hidden(ids, mask, layer=self.layer), is_residue)
        logits: Tensor = self.head(x, is_there)
        return logits

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The language model by itself; see `training.weights.groups`."""
        return [{"params": list(self.encoder.parameters()), "scale": self.scale}]


def _layer_names(module: Any) -> list[str]:
    """Classes of a language model's layers that are there, by their names; adapters stand around it."""
    there = {type(part).__name__ for part in module.modules()}
    named = getattr(module, "_no_split_modules", None) or ()
    return sorted(there.intersection(named))


def to_front(hidden: Tensor, is_residue: Tensor) -> tuple[Tensor, Tensor]:
    """Residues without the tokens around them.

    Args:
        hidden: (B, T, D).
        is_residue: (B, T); those of a sequence stand together.

    Returns:
        (B, L, D), from the first residue on and 0 at pads; and (B, L), True at residues.
    """
    lengths = is_residue.sum(dim=1)
    longest = int(lengths.max())
    first = is_residue.int().argmax(dim=1)  # (B,)
    place = torch.arange(longest, device=hidden.device)
    mask = place < lengths[:, None]  # (B, L)
    start = int(first[0])
    if bool((first == start).all()):  # pads on the right: no copy
        x = hidden[:, start : start + longest]
    else:
        rows = (first[:, None] + place).clamp(max=hidden.shape[1] - 1)  # (B, L)
        x = hidden.gather(1, rows[..., None].expand(-1, -1, hidden.shape[2]))
    return x if bool(mask.all()) else x.masked_fill(~mask[..., None], 0.0), mask


def train_all(network: TunedNetwork, vocabulary: Vocabulary) -> None:
    """Let all of a language model be trained that the head's input depends on.

    Layers above the one that is read, and parts for other uses (the contact head of ESM-2), would get no
    gradient; they stay fixed, so that they count as no parameters and stand in no checkpoint.
    """
    network.encoder.requires_grad_(requires_grad=True)
    ids, attention, is_residue = map(torch.from_numpy, vocabulary.batch(_PROBE))
    hidden = network.model.hidden(ids, attention, layer=network.layer)
    total: Any = to_front(hidden, is_residue)[0].sum()
    total.backward()
    for parameter in network.encoder.parameters():
        parameter.requires_grad_(parameter.grad is not None)
        parameter.grad = None


def save_memory(model: LoadedModel) -> None:
    """Compute hidden states anew on the way back, in place of keeping those of all layers.

    Raises:
        ConfigError: The module cannot.
    """
    if not getattr(model.module, "supports_gradient_checkpointing", False):
        raise ConfigError(
            f"{model.checkpoint.name} cannot recompute its layers; leave out gradient_checkpointing"
        )
    # The name of transformers below 5.23 is one that later ones warn of.
    names = ("activation_checkpointing_enable", "gradient_checkpointing_enable")
    enable = next(found for name in names if (found := getattr(model.module, name, None)) is not None)
    model.module.config.use_cache = False  # of decoders; otherwise it is said that there is none
    enable({"use_reentrant": False})


class VectorExamples:
    """N sequences as padded batches of their residue vectors; see `training.Examples`."""

    def __init__(self, sequences: Sequence[str], targets: IntArray, look: Look) -> None:
        self.sequences, self.targets, self._look = sequences, targets, look
        self.lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))

    def batch(self, rows: IntArray) -> tuple[Tensor, Tensor]:
        """Two arguments: (B, L, D) and (B, L)."""
        x, mask = padded(self._look([self.sequences[row] for row in rows]))
        return torch.from_numpy(x), torch.from_numpy(mask)


class TokenExamples:
    """N sequences as padded batches of a language model's tokens; see `training.Examples`."""

    def __init__(self, sequences: Sequence[str], targets: IntArray, vocabulary: Vocabulary) -> None:
        self.sequences, self.targets, self._vocabulary = sequences, targets, vocabulary
        lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
        self.lengths = lengths + vocabulary.n_special

    def batch(self, rows: IntArray) -> tuple[Tensor, Tensor, Tensor]:
        """Three arguments, (B, T) each: tokens, attention and residues."""
        ids, attention, is_residue = self._vocabulary.batch([self.sequences[row] for row in rows])
        return torch.from_numpy(ids), torch.from_numpy(attention), torch.from_numpy(is_residue)
