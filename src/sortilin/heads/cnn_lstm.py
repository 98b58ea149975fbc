"""Convolutions of several widths, then an LSTM: the benchmark's LSTM-CNN and CNN-BiLSTM-Attention (Li).

The paper's text pools the convolutions' output over neighbouring positions before the LSTM ("max
pooling, to reduce spatial dimensionality") and does not say by how much; its code does not pool. Here it
is an option.

Axis letters: B batch, L residues, P pooled positions, D width, F filters, C classes.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from torch import Tensor, nn
from torch.nn import functional

from sortilin.errors import ConfigError
from sortilin.heads._pooling import Pooling, classifier
from sortilin.heads._recurrent import Recurrent


class VARIANT(nn.Module):
    """Residue vectors → convolutions side by side → LSTM → max or attention → two dense layers."""

    class Config(BaseModel):
        """Options.

        Attributes:
            kernels: Width of each convolution in residues; odd, so that a residue stays in the middle.
            filters: Filters of each convolution; None for the width of the residue vectors.
            window: The LSTM sees the maximum over so many neighbouring positions; 1 for each position.
            hidden: Hidden units of each direction, and of the dense layer.
            bidirectional: Whether a second layer reads from the C-terminus.
            pooling: "max" over positions, or "attention".
            dropout: On the pooled vector and between the dense layers; half of it on the input.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        kernels: tuple[PositiveInt, ...] = Field(default=(3, 5, 7), min_length=1)
        filters: PositiveInt | None = None
        window: int = Field(default=1, ge=1, le=100)
        hidden: PositiveInt = 256
        bidirectional: bool = False
        pooling: Literal["max", "attention"] = "max"
        dropout: float = Field(default=0.2, ge=0, lt=1)

        @field_validator("kernels")
        @classmethod
        def _are_odd(cls, value: tuple[int, ...]) -> tuple[int, ...]:
            if even := [k for k in value if k % 2 == 0]:
                raise ValueError(f"widths must be odd, found {even}")
            return value

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        c = self.config
        self.has_attention = c.pooling == "attention"
        self.input_dropout = nn.Dropout(c.dropout / 2)
        filters = c.filters or width
        self.convolutions = nn.ModuleList(nn.Conv1d(width, filters, k, padding=k // 2) for k in c.kernels)
        self.recurrent = Recurrent(filters * len(c.kernels), c.hidden, bidirectional=c.bidirectional)
        self.pooling = Pooling(c.pooling, self.recurrent.width)
        self.classifier = classifier(self.recurrent.width, c.hidden, n_classes, c.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits."""
        return self._run(x, mask)[0]

    def attention(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and weights (B, L), which sum to 1 over the residues.

        With a window above 1, the residues of a window share its weight evenly.

        Raises:
            ConfigError: The head pools by the maximum.
        """
        logits, weights = self._run(x, mask)
        if weights is None:
            raise ConfigError("this head has no attention; use pooling: attention")
        return logits, self._per_residue(weights, mask)

    def _run(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        # A convolution reaches over the end of a sequence; what it finds there must be 0, as in a
        # sequence alone.
        x = self.input_dropout(x) * mask[..., None]
        x = x.transpose(1, 2)  # (B, D, L)
        found = torch.cat([torch.relu(convolve(x)) for convolve in self.convolutions], dim=1)  # (B, F, L)
        found = found * mask[:, None]
        if self.config.window > 1:
            found, mask = self._windows(found, mask)
        h = self.recurrent(found.transpose(1, 2), mask)
        pooled, weights = self.pooling(h, mask)
        return self.classifier(pooled), weights

    def _windows(self, found: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, F, L), (B, L) → (B, F, P), (B, P). Pads are 0 and so is a ReLU's least: they win nowhere."""
        residues = self._pooled(mask[:, None].to(found.dtype))[:, 0]  # (B, P)
        return self._pooled(found), residues > 0

    def _pooled(self, x: Tensor) -> Tensor:
        """(B, F, L) → (B, F, P), P = L / window rounded up."""
        # The exporter keeps L open only with a constant padding and the two-dimensional operator.
        size = self.config.window
        return functional.max_pool2d(functional.pad(x, (0, size - 1))[:, :, None], (1, size))[:, :, 0]

    def _per_residue(self, weights: Tensor, mask: Tensor) -> Tensor:
        size = self.config.window
        place = torch.arange(mask.shape[1], device=mask.device)  # (L,)
        length = mask.sum(dim=1, keepdim=True)  # (B, 1)
        in_window = (length - place // size * size).clamp(min=1, max=size)  # (B, L) residues, no pads
        return weights[:, place // size] / in_window * mask
