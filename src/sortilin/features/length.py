"""Length alone: the baseline that shows what a benchmark gives away for nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from sortilin.interfaces import FloatArray


class VARIANT:
    """One feature: the number of residues."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: tuple[str, ...] = ("length",)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, 1) float32."""
        return np.array([[len(s)] for s in sequences], dtype=np.float32).reshape(-1, 1)
