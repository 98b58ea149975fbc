"""Dense layers over the mean of the residues: the classifiers on embeddings of the localization benchmark.

Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization", has two forms. The
shallow one is D → 512 → C with ReLU and dropout 0.3. The deep one is D → 512 → 256 → C with batch
normalization behind each ReLU and dropout 0.3 and 0.2. The shallow one is the default.

Axis letters: D width, C classes.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import nn

from sortilin.heads._dense import BatchNorm, OfTheMean


class VARIANT(OfTheMean):
    """Residue vectors → mean → dense layers with ReLU and dropout."""

    class Config(BaseModel):
        """Options.

        Attributes:
            hidden: Units of each hidden layer.
            dropout: Behind each of them; one number, or one a layer.
            batch_norm: Whether each is normalized over the batch, behind its ReLU.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        hidden: tuple[PositiveInt, ...] = Field(default=(512,), min_length=1)
        dropout: float | tuple[float, ...] = 0.3
        batch_norm: bool = False

        @model_validator(mode="after")
        def _has_a_dropout_a_layer(self) -> VARIANT.Config:
            if len(self.dropouts) != len(self.hidden):
                raise ValueError(
                    f"dropout holds {len(self.dropouts)} numbers for {len(self.hidden)} hidden layers; "
                    "give one a layer, or one for all"
                )
            if wrong := [p for p in self.dropouts if not 0 <= p < 1]:
                raise ValueError(f"dropout is a share from 0 to below 1; found {wrong[0]:g}")
            return self

        @property
        def dropouts(self) -> tuple[float, ...]:
            """One a hidden layer."""
            each = self.dropout
            return each if isinstance(each, tuple) else (each,) * len(self.hidden)

    def __init__(self, config: Config | None = None, *, width: int, n_classes: int) -> None:
        super().__init__()
        self.config = config or self.Config()
        layers: list[nn.Module] = []
        for hidden, dropout in zip(self.config.hidden, self.config.dropouts, strict=True):
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            layers += [BatchNorm(hidden)] if self.config.batch_norm else []
            layers.append(nn.Dropout(dropout))
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, n_classes))
