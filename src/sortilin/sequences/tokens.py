"""Residues as numbers, and sequences of unlike length as one padded array.

Axis letters: N sequences, L positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESIDUES = "ACDEFGHIKLMNPQRSTVWYX"
PAD, UNKNOWN = 0, len(RESIDUES)
N_TOKENS = len(RESIDUES) + 1
"""Pad is 0, residues are 1 to 20 in alphabetical order, X is 21."""

_TOKEN_OF_BYTE = np.zeros(256, dtype=np.int64)
_TOKEN_OF_BYTE[np.frombuffer(RESIDUES.encode(), dtype=np.uint8)] = np.arange(1, N_TOKENS)


def encode(sequence: str) -> NDArray[np.int64]:
    """(L,) tokens of a cleaned sequence."""
    return _TOKEN_OF_BYTE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]


def pad(sequences: Sequence[str]) -> NDArray[np.int64]:
    """(N, L) tokens of cleaned sequences, padded on the right to the longest."""
    tokens = np.full((len(sequences), max(map(len, sequences))), PAD, dtype=np.int64)
    for row, sequence in zip(tokens, sequences, strict=True):
        row[: len(sequence)] = encode(sequence)
    return tokens
