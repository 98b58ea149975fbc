"""An LSTM over the residues: the benchmark's vanilla LSTM, BiLSTM and attention LSTM (Li).

Axis letters: B batch, L residues, D width, C classes.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from sortilin.errors import ConfigError
from sortilin.heads._pooling import Pooling, classifier
from sortilin.heads._recurrent import Recurrent


class VARIANT(nn.Module):
    """Residue vectors → LSTM → max or attention over residues → two dense layers."""

    class Config(BaseModel):
        """Options.

        Attributes:
            hidden: Hidden units of each direction, and of the dense layer.
            bidirectional: Whether a second layer reads from the C-terminus.
            pooling: "max" over residues, or "attention".
            dropout: On the pooled vector and between the dense layers; half of it on the input.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        hidden: PositiveInt = 256
        bidirectional: bool = False
        pooling: Literal["max", "attention"] = "max"
        dropout: float = Field(default=0.2, ge=0, lt=1)

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        c = self.config
        self.has_attention = c.pooling == "attention"
        self.input_dropout = nn.Dropout(c.dropout / 2)
        self.recurrent = Recurrent(width, c.hidden, bidirectional=c.bidirectional)
        self.pooling = Pooling(c.pooling, self.recurrent.width)
        self.classifier = classifier(self.recurrent.width, c.hidden, n_classes, c.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits."""
        return self._run(x, mask)[0]

    def attention(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and weights (B, L), which sum to 1 over the residues.

        Raises:
            ConfigError: The head pools by the maximum.
        """
        logits, weights = self._run(x, mask)
        if weights is None:
            raise ConfigError("this head has no attention; use pooling: attention")
        return logits, weights

    def _run(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        h = self.recurrent(self.input_dropout(x), mask)
        pooled, weights = self.pooling(h, mask)
        return self.classifier(pooled), weights
