"""What decides which motifs are found."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sortilin.errors import ConfigError

Method = Literal["auto", "streme", "builtin"]
MAX_WIDTH = 30
"""Widest motif, as STREME has it."""


class MotifConfig(BaseModel):
    """How motifs are searched.

    Attributes:
        method: "streme" runs STREME, "builtin" the method of this package, "auto" STREME where it is
            installed.
        min_width: Narrowest motif, in residues.
        max_width: Widest motif, in residues.
        n_motifs: Motifs wanted at most.
        p_threshold: A motif is significant if its E-value, the p-value on the held-out part times the number
            of motifs that were tried, is at most this.
        holdout: Share of either set that is kept back for the p-value.
        patience: The search ends after so many motifs in a row that are not significant.
        max_sequences: Larger sets are drawn down to so many, at random.
        shuffle_kmer: Without a control, positives are shuffled so that the counts of words of this length
            stay: 1 keeps the composition, 2 the pairs of neighbours too. A short peptide has few orders with
            the same pairs, so that 2 hardly shuffles it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = "auto"
    min_width: int = Field(default=3, ge=3, le=MAX_WIDTH)
    max_width: int = Field(default=15, ge=3, le=MAX_WIDTH)
    n_motifs: int = Field(default=5, ge=1, le=100)
    p_threshold: float = Field(default=0.05, gt=0, lt=1)
    holdout: float = Field(default=0.2, gt=0, le=0.5)
    patience: int = Field(default=3, ge=1)
    max_sequences: int = Field(default=5_000, ge=10)
    shuffle_kmer: Literal[1, 2] = 1

    @model_validator(mode="after")
    def _widths_in_order(self) -> Self:
        if self.min_width > self.max_width:
            raise ConfigError(
                f"the narrowest motif ({self.min_width}) is wider than the widest ({self.max_width})"
            )
        return self
