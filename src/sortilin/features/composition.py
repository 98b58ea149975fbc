"""Frequencies of the twenty residues: the baseline that any other descriptor set must beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from sortilin.features._encoding import ALPHABET, EncodedBatch
from sortilin.interfaces import FloatArray


class VARIANT:
    """Twenty features: the share of each residue among the known ones."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: tuple[str, ...] = tuple(f"fraction_{letter}" for letter in ALPHABET)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, 20) float32."""
        return EncodedBatch.of(sequences).composition.astype(np.float32)
