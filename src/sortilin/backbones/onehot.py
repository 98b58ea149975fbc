"""Each kind of residue a vector: learned from the training data, or fixed.

The learned embedding of the localization benchmark's networks (Li, Table 6), and the one-hot code that
it generalizes. X and pads: X has a vector like any residue (none in the fixed code), a pad is all 0.

Axis letters: B batch, L residues, D width.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from sortilin.sequences.tokens import N_TOKENS, PAD

N_RESIDUES = 20


class VARIANT(nn.Module):
    """Residue tokens → vectors that do not depend on the neighbours."""

    class Config(BaseModel):
        """Options.

        Attributes:
            embedding: Learned numbers a residue; None for the fixed one-hot code of 20.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        embedding: PositiveInt | None = 128

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or self.Config()
        learned = self.config.embedding
        self.width = learned or N_RESIDUES
        self.vectors = nn.Embedding(N_TOKENS, self.width, padding_idx=PAD)
        if learned is None:
            fixed = torch.zeros(N_TOKENS, N_RESIDUES)
            fixed[1 : N_RESIDUES + 1] = torch.eye(N_RESIDUES)
            self.vectors.weight = nn.Parameter(fixed, requires_grad=False)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L) tokens, (B, L) mask → (B, L, D)."""
        vectors: Tensor = self.vectors(tokens)
        return vectors * mask[..., None]
