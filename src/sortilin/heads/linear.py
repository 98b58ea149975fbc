"""One linear layer over the mean of the residues: what the vectors say by themselves.

Axis letters: D width, C classes.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from sortilin.heads._dense import OfTheMean


class VARIANT(OfTheMean):
    """Residue vectors → mean → one linear layer."""

    class Config(BaseModel):
        """Options.

        Attributes:
            dropout: On the mean.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        dropout: float = Field(default=0.0, ge=0, lt=1)

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        self.layers = nn.Sequential(nn.Dropout(self.config.dropout), nn.Linear(width, n_classes))
