"""What is asked of the dimensions, and what comes back for a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

Baseline = Literal["mean", "zero"]
Output = Literal["logit", "log_odds"]


class DimensionSettings(BaseModel):
    """How the dimensions of a model's features are explained.

    Attributes:
        seed: Of the shuffles, of the planes, and of the rows that are drawn where there are too many.
        baseline: Where the path of integrated gradients begins: at the mean of the training features, as the
            network keeps it, or at 0.
        output: What is explained of each row: the logit of the class that the network predicts, as in Li,
            "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization"; or its log-odds,
            the logit less the logarithm of the sum of the other exponentials.
        top: Dimensions in the short table, and in the planes of the most important ones.
        shuffles: Of each dimension.
        max_rows: Rows for gradients and shuffles at most; of more, a stratified draw.
        max_projected: Rows in a plane at most.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: NonNegativeInt
    baseline: Baseline = "mean"
    output: Output = "logit"
    top: PositiveInt = 10
    shuffles: PositiveInt = 10
    max_rows: PositiveInt = 10_000
    max_projected: PositiveInt = 2_000


@dataclass(frozen=True, slots=True)
class Explained:
    """A section of a report, and what it rests on.

    Attributes:
        values: Plain values, as JSON has them.
        title: Heading.
        html: What stands below the heading; its pictures are within it.
        files: What was written, in order.
    """

    values: dict[str, Any]
    title: str
    html: str
    files: tuple[Path, ...]
