"""What decides which vector a sequence gets, and what computes it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sortilin.embedding import policies
from sortilin.errors import ConfigError

Pooling = Literal["mean", "max", "cls", "none"]
Precision = Literal["float32", "bfloat16"]
EngineName = Literal["auto", "torch", "openvino", "onnxruntime"]
StoreDtype = Literal["float32", "float16"]
PER_RESIDUE = "none"


class EmbeddingConfig(BaseModel):
    """How sequences become vectors.

    Attributes:
        backbone: A language model: short name, hub id or local folder.
        pooling: "mean" or "max" over residues; "cls", the model's own summary token; "none" for (L, D)
            vectors of residues.
        layer: Hidden state that is taken: -1 is the last, 0 the embedding, k what leaves layer k.
        length_policy: "whole", "head-tail[:FIRST,LAST]" or "windows[:SIZE,OVERLAP]"; read back with its
            numbers.
        precision: What is computed in.
        engine: What computes; "auto" chooses by what hardware and packages there are.
        store_dtype: What vectors are given and stored in. "float16" takes half the room; a number keeps three
            digits, and one beyond 65,504 has no place in it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    backbone: str = Field(min_length=1)
    pooling: Pooling = "mean"
    layer: int = Field(default=-1, ge=-1)
    length_policy: str = policies.WHOLE
    precision: Precision = "float32"
    engine: EngineName = "auto"
    store_dtype: StoreDtype = "float32"

    @field_validator("length_policy")
    @classmethod
    def _with_numbers(cls, text: str) -> str:
        return policies.parse(text).name

    @model_validator(mode="after")
    def _has_all_residues(self) -> Self:
        if self.pooling == PER_RESIDUE and not policies.parse(self.length_policy).keeps_all:
            raise ConfigError(
                f"pooling '{PER_RESIDUE}' gives a vector for each residue, and length policy "
                f"'{self.length_policy}' leaves residues out; allowed: {policies.WHOLE}, {policies.WINDOWS}"
            )
        return self
