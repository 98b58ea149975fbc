"""Convolutions, then self-attention: the head of ACP-ESM2.

Gao et al. 2025, doi:10.1109/TCBBIO.2025.3547952: dropout on the residue vectors, three convolutions
(D → 512 → 128 → 32) with batch normalization behind each, average pooling, scaled dot-product
self-attention, and dense layers 32 → 16 → 1.

The paper's public code takes the mean over all positions, pads among them, before the attention, which
then sees one position and is a linear map; no layer has an activation, so that the whole head is a linear
function of the residue vectors. `published_form` is that, but for the pads, which are no residues here.
The default has a ReLU behind each convolution and the first dense layer, pools over a few neighbours, and
attends over positions.

Axis letters: B batch, L residues, P pooled positions, D width, F filters of the last convolution, C classes.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, field_validator
from torch import Tensor, nn

from sortilin.errors import ConfigError
from sortilin.heads._convolution import Convolution
from sortilin.heads._pooling import masked_mean
from sortilin.heads._self_attention import SelfAttention, to_residues, window_means


class VARIANT(nn.Module):
    """Residue vectors → convolutions → local means → self-attention → mean → two dense layers."""

    class Config(BaseModel):
        """Options, with the published values where the paper has one.

        Attributes:
            channels: Filters of each convolution, in order.
            kernel: Width of all of them in residues; odd, so that a residue stays in the middle.
            dropout: On the residue vectors.
            window: Attention sees the mean over so many neighbouring residues; 1 for each residue.
            hidden: Units of the first dense layer.
            convolutions: False puts one linear layer to the last of `channels` in their place.
            self_attention: False takes the mean over positions without it.
            published_form: As the public code has it: no activation, and one mean over all residues in
                front of the attention; `window` is then without effect.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        channels: tuple[PositiveInt, ...] = Field(default=(512, 128, 32), min_length=1)
        kernel: PositiveInt = 5
        dropout: float = Field(default=0.2, ge=0, lt=1)
        window: int = Field(default=2, ge=1, le=100)
        hidden: PositiveInt = 16
        convolutions: bool = True
        self_attention: bool = True
        published_form: bool = False

        @field_validator("kernel")
        @classmethod
        def _is_odd(cls, value: int) -> int:
            if value % 2 == 0:
                raise ValueError(f"the width must be odd, found {value}")
            return value

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        c = self.config
        self.has_attention = c.self_attention
        self.input_dropout = nn.Dropout(c.dropout)
        *_, last = c.channels
        self.projection = None if c.convolutions else nn.Linear(width, last)
        self.convolutions = nn.ModuleList(self._convolutions(width) if c.convolutions else ())
        self.self_attention = SelfAttention(last) if c.self_attention else None
        # Of two classes one logit is enough, as in the paper: the other one is 0.
        self.classifier = nn.Sequential(
            nn.Linear(last, c.hidden),
            nn.Identity() if c.published_form else nn.ReLU(),
            nn.Linear(c.hidden, 1 if n_classes == 2 else n_classes),
        )

    def _convolutions(self, width: int) -> list[Convolution]:
        c = self.config
        widths = (width, *c.channels)
        return [
            Convolution(before, after, c.kernel, activation=not c.published_form)
            for before, after in pairwise(widths)
        ]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits; of two classes the first is 0."""
        return self._run(x, mask)[0]

    def attention(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and weights (B, L), which sum to 1 over the residues.

        How much the positions look at each, on average; the residues of a pooled position share its weight
        evenly. In `published_form` there is one position, and each weight is 1 / L whatever the sequence.

        Raises:
            ConfigError: The head has no self-attention.
        """
        logits, weights = self._run(x, mask)
        if weights is None:
            raise ConfigError("this head has no attention; use self_attention: true")
        if self.config.published_form:
            return logits, weights * mask / mask.sum(dim=1, keepdim=True)
        return logits, to_residues(weights, mask, self.config.window)

    def _run(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (B, C) and, with attention, weights (B, P)."""
        h, mask = self._pooled(self._features(x, mask), mask)
        if self.self_attention is None:
            pooled, weights = masked_mean(h, mask), None
        else:
            pooled, weights = self.self_attention(h, mask)
        logits = self.classifier(pooled)
        if logits.shape[1] == 1:
            logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
        return logits, weights

    def _features(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, L, F), 0 at pads."""
        is_pad = ~mask[..., None]
        x = self.input_dropout(x).masked_fill(is_pad, 0.0)
        if self.projection is not None:
            projected: Tensor = self.projection(x)
            return projected.masked_fill(is_pad, 0.0)
        x = x.transpose(1, 2)  # (B, D, L)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        return x.transpose(1, 2)

    def _pooled(self, h: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, F), (B, L) → (B, P, F), (B, P)."""
        if self.config.published_form:
            return masked_mean(h, mask)[:, None], mask.any(dim=1, keepdim=True)
        return window_means(h, mask, self.config.window)
