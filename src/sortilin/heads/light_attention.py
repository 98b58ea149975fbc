"""Light attention: two convolutions, of which one weighs the other's positions.

Stärk, Dallago, Heinzinger & Rost 2021, doi:10.1093/bioadv/vbab035. Values and attention come from a
convolution each. A softmax over the residues, in each channel by itself, makes weights of the attention. The
weighted mean of the values and their largest ones stand side by side and go through a small dense network.

Two things differ from the authors' code. There the largest values may be those of pads; here pads are no
residues. There the convolutions keep the width of the vectors, which stays the default here.

Axis letters: B batch, L residues, D width, F filters, C classes.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from torch import Tensor, nn

from sortilin.heads._dense import BatchNorm
from sortilin.heads._pooling import SMALLEST, masked_max


class VARIANT(nn.Module):
    """Residue vectors → convolution, weighed by another → weighted mean and maximum → dense layers."""

    class Config(BaseModel):
        """Options, with the published values.

        Attributes:
            kernel: Width of both convolutions in residues; odd, so that a residue stays in the middle.
            filters: Channels of each; None for the width of the residue vectors.
            hidden: Units of the dense layer.
            dropout: On the values and in the dense layer.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        kernel: PositiveInt = 9
        filters: PositiveInt | None = None
        hidden: PositiveInt = 32
        dropout: float = Field(default=0.25, ge=0, lt=1)

        @field_validator("kernel")
        @classmethod
        def _is_odd(cls, value: int) -> int:
            if value % 2 == 0:
                raise ValueError(f"the width must be odd, found {value}")
            return value

    has_attention = True

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        c = self.config
        filters = c.filters or width
        self.values = nn.Conv1d(width, filters, c.kernel, padding=c.kernel // 2)
        self.energy = nn.Conv1d(width, filters, c.kernel, padding=c.kernel // 2)
        self.dropout = nn.Dropout(c.dropout)
        self.classifier = nn.Sequential(
            nn.Linear(2 * filters, c.hidden),
            nn.Dropout(c.dropout),
            nn.ReLU(),
            BatchNorm(c.hidden),
            nn.Linear(c.hidden, n_classes),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits."""
        return self._run(x, mask)[0]

    def attention(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and weights (B, L), which sum to 1 over the residues: the mean over the channels."""
        logits, weights = self._run(x, mask)
        return logits, weights.mean(dim=2)

    def _run(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and weights (B, L, F)."""
        # A convolution reaches over the end of a sequence; what it finds there must be 0, as in a
        # sequence alone.
        x = x.masked_fill(~mask[..., None], 0.0).transpose(1, 2)  # (B, D, L)
        values = self.dropout(self.values(x)).transpose(1, 2)  # (B, L, F)
        energy = self.energy(x).transpose(1, 2).float()  # (B, L, F)
        is_residue = mask[..., None]
        weights = energy.masked_fill(~is_residue, SMALLEST).softmax(dim=1) * is_residue
        mean = (weights.to(values.dtype) * values).sum(dim=1)
        return self.classifier(torch.cat([mean, masked_max(values, mask)], dim=1)), weights
