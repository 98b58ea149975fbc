"""Local average pooling, and self-attention over what it leaves; pads have no part in either.

Axis letters: B batch, L residues, P pooled positions, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sortilin.heads._pooling import SMALLEST


class SelfAttention(nn.Module):
    """Scaled dot-product self-attention of one head (Vaswani et al. 2017, arXiv:1706.03762), then the mean.

    Position p puts the weights softmax_q(Q_p · K_q / sqrt(D)) on the positions q. The mean over p of the
    weighted sums of V is the sum of V weighted by the mean over p of the weights: those are what is
    computed, and what says how much the sequence looks at each position.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, P, D), (B, P) → (B, D) and the (B, P) weights, which sum to 1 over the positions."""
        query = self.query(h) / math.sqrt(h.shape[2])  # before the product, which float16 may not hold
        energy = (query @ self.key(h).transpose(1, 2)).float()  # (B, P, P)
        each = energy.masked_fill(~mask[:, None], SMALLEST).softmax(dim=2)
        asking = mask / mask.sum(dim=1, keepdim=True)  # (B, P): a query's share in the mean
        weights = (asking[..., None] * each).sum(
            dim=1
        ) * mask  # a product of matrices may be in half precision
        value = self.value(h)
        return (weights[..., None].to(value.dtype) * value).sum(dim=1), weights


def window_means(h: Tensor, mask: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """(B, L, D) that is 0 at pads, (B, L) → (B, P, D), (B, P): means over neighbouring residues.

    P is L / size, rounded up. The last window of a sequence may hold fewer residues: its mean is theirs.
    """
    if size == 1:
        return h, mask
    share = _averaged(mask[..., None].float(), size)[..., 0]  # (B, P) residues of a window, over its size
    mean = _averaged(h, size) / share.clamp(min=1 / size)[..., None].to(h.dtype)
    return mean, share > 0


def _averaged(x: Tensor, size: int) -> Tensor:
    """(B, L, D) → (B, P, D), zeros counted behind the end."""
    # The exporter keeps L open only with a constant padding and the two-dimensional operator.
    x = functional.pad(x.transpose(1, 2), (0, size - 1))[:, :, None]  # (B, D, 1, L + size - 1)
    return functional.avg_pool2d(x, (1, size))[:, :, 0].transpose(1, 2)


def to_residues(weights: Tensor, mask: Tensor, size: int) -> Tensor:
    """(B, P) weights of windows → (B, L): the residues of a window share its weight evenly."""
    place = torch.arange(mask.shape[1], device=mask.device)  # (L,)
    length = mask.sum(dim=1, keepdim=True)  # (B, 1)
    in_window = (length - place // size * size).clamp(min=1, max=size)  # (B, L) residues, no pads
    return weights[:, place // size] / in_window * mask
