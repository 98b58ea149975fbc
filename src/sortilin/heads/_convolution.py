"""A convolution along the residues with batch normalization, in which pads have no part.

Axis letters: B batch, L residues, D width, F filters, R residues of all sequences of a batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidueBatchNorm(nn.BatchNorm1d):
    """Batch normalization (Ioffe & Szegedy 2015) whose statistics are those of the residues alone.

    Taken over all positions, as `nn.BatchNorm1d` takes them, mean and variance would depend on how far a
    batch is padded. A single residue has no spread: it is normalized as in evaluation.
    """

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, F, L), (B, L) → (B, F, L); pads hold no numbers worth anything."""
        assert mask is not None  # None stands for nn.BatchNorm1d's own signature alone
        if not self.training or int(mask.sum()) == 1:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        residues = super().forward(x.transpose(1, 2)[mask])  # (R, F)
        normalized = torch.zeros(*mask.shape, x.shape[1], dtype=residues.dtype, device=x.device)
        normalized[mask] = residues
        return normalized.transpose(1, 2)


class Convolution(nn.Module):
    """One-dimensional convolution, batch normalization and, if asked for, ReLU; as long as its input.

    Args:
        width: D.
        filters: F.
        kernel: Width in residues; odd.
        activation: Whether there is a ReLU behind the normalization.
    """

    def __init__(self, width: int, filters: int, kernel: int, *, activation: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(width, filters, kernel, padding=kernel // 2)
        self.normalization = ResidueBatchNorm(filters)
        self.activation = nn.ReLU() if activation else nn.Identity()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, D, L) that is 0 at pads, (B, L) → (B, F, L) that is 0 at pads.

        What stands behind the end must be 0: that is what the convolution meets in a sequence alone.
        """
        found: Tensor = self.activation(self.normalization(self.convolution(x), mask))
        return found.masked_fill(~mask[:, None], 0.0)
