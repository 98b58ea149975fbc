"""What a store keeps apart, and the key of a sequence in it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

KEY_BYTES = 32
PER_RESIDUE = "none"
"""The pooling of vectors of residues, (L, D) a sequence; every other pooling gives (D,)."""

SINGLE: Literal["float32"] = "float32"
HALF: Literal["float16"] = "float16"
TYPES = (SINGLE, HALF)
"""What vectors may be stored in."""

VectorArray = NDArray[np.floating[Any]]
"""Vectors as they are stored."""

_MAX_READABLE = 80
_DIGEST_DIGITS = 12
_ODD = re.compile(r"[^A-Za-z0-9._+-]+")


class VectorKind(BaseModel):
    """All that decides which vector a sequence gets: vectors of two kinds are never mixed.

    Attributes:
        checkpoint: Short name of the language model, or its hub id.
        revision: The pinned commit of its files.
        layer: The hidden state that is taken; -1 is the last.
        pooling: "mean", "cls", "max", or "none" for (L, D) vectors of residues.
        length_policy: What is done with long sequences, with its numbers.
        precision: What the model computes in.
        width: D, numbers a vector.
        dtype: What vectors are stored in, "float32" or "float16"; each is rounded once, when it is stored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    checkpoint: str = Field(min_length=1)
    revision: str
    layer: int
    pooling: str = Field(min_length=1)
    length_policy: str = Field(min_length=1)
    precision: str = Field(min_length=1)
    width: int = Field(ge=1)
    dtype: Literal["float32", "float16"] = SINGLE

    @property
    def stored(self) -> np.dtype[Any]:
        """What vectors are stored in, as NumPy has it."""
        return np.dtype(self.dtype)

    @property
    def is_per_residue(self) -> bool:
        """Whether a sequence has one vector a residue."""
        return self.pooling == PER_RESIDUE

    @property
    def folder_name(self) -> str:
        """Readable, and different for different kinds: "esm2_t6-layer-1-mean-whole-float32-1f0c93ab77d2"."""
        words = [self.checkpoint, f"layer{self.layer}", self.pooling, self.length_policy, self.precision]
        words += [self.dtype] * (self.dtype != SINGLE)
        readable = _ODD.sub("_", "-".join(words)).lstrip(".")[:_MAX_READABLE]
        told_apart = self.model_dump_json(exclude_defaults=True)
        digest = hashlib.sha256(told_apart.encode()).hexdigest()
        return f"{readable}-{digest[:_DIGEST_DIGITS]}"


def key_of(sequence: str) -> str:
    """SHA-256 of a cleaned sequence, as it is before any length policy: 64 hexadecimal digits."""
    return hashlib.sha256(sequence.upper().encode("ascii")).hexdigest()


def packed(keys: Sequence[str]) -> NDArray[np.uint8]:
    """Keys as bytes, (N, 32).

    Raises:
        ValueError: One is not 64 hexadecimal digits.
    """
    wrong = next((key for key in keys if len(key) != 2 * KEY_BYTES), None)
    if wrong is not None:
        raise ValueError(f"{wrong!r} is not a key: 64 hexadecimal digits, as `key_of` gives them")
    return np.frombuffer(bytearray.fromhex("".join(keys)), np.uint8).reshape(-1, KEY_BYTES)
