"""From hidden states of residues to one vector of the sequence; pads have no part in it.

Axis letters: B batch, L residues, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALLEST = -1e9
"""Stands where a pad was, so that it is never the largest and has no weight."""


def masked_max(h: Tensor, mask: Tensor) -> Tensor:
    """(B, L, D), (B, L) → (B, D): the largest value over the residues."""
    smallest = max(SMALLEST, torch.finfo(h.dtype).min)  # float16 ends at -65504
    return h.masked_fill(~mask[..., None], smallest).amax(dim=1)


class Attention(nn.Module):
    """Weights a_t = softmax_t(w · tanh(W h_t)) and their weighted sum (Li, eq. of the attention LSTM)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width, bias=False)
        self.outer = nn.Linear(width, 1, bias=False)

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, D), (B, L) → (B, D) and the (B, L) weights, which sum to 1 over the residues."""
        energy = self.outer(torch.tanh(self.inner(h)))[..., 0].float()  # (B, L)
        weights = energy.masked_fill(~mask, SMALLEST).softmax(dim=1) * mask
        return (weights[..., None].to(h.dtype) * h).sum(dim=1), weights


class Pooling(nn.Module):
    """The largest value of each hidden unit, or the attention-weighted mean."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.attention = Attention(width) if kind == "attention" else None

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, L, D), (B, L) → (B, D), and (B, L) weights where there are any."""
        if self.attention is None:
            return masked_max(h, mask), None
        pooled: tuple[Tensor, Tensor] = self.attention(h, mask)
        return pooled


def classifier(width: int, hidden: int, n_classes: int, dropout: float) -> nn.Sequential:
    """Two dense layers with tanh between them, as the benchmark's code has them: (B, D) → (B, C)."""
    return nn.Sequential(
        nn.Dropout(dropout),
        nn.Linear(width, hidden),
        nn.Tanh(),
        nn.Dropout(dropout),
        nn.Linear(hidden, n_classes),
    )


def masked_mean(h: Tensor, mask: Tensor) -> Tensor:
    """(B, L, D), (B, L) → (B, D): the mean over the residues; of a single vector, that vector."""
    n_residues = mask.sum(dim=1, keepdim=True).to(h.dtype)  # (B, 1)
    return h.masked_fill(~mask[..., None], 0.0).sum(dim=1) / n_residues
