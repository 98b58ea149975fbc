"""Pieces of sequences, and which of them run together.

Axis letters: B batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

GROUPED_TOKENS = 1_024
"""Sequences of one length share a batch up to so many tokens: enough for the cost of a call not to count,
few enough for the processor's cache."""

PADDED_TOKENS = 16_384
"""Tokens of a batch on a GPU, pads included."""


@dataclass(frozen=True, slots=True)
class Task:
    """A sequence that gets a vector.

    Attributes:
        key: Its key in the store.
        sequence: The whole sequence.
    """

    key: str
    sequence: str


@dataclass(frozen=True, slots=True)
class Piece:
    """What the model is given in one row.

    Attributes:
        task: The sequence that it is of.
        number: Its place among that sequence's pieces.
        residues: Its residues.
        is_only: Whether there is no other piece.
    """

    task: Task
    number: int
    residues: str
    is_only: bool


def batches(pieces: Iterable[Piece], *, pads: bool) -> list[list[Piece]]:
    """Cut pieces into batches, the longest first, each piece once.

    The longest first, so that what does not fit into memory shows at once, and memory is taken once.

    Args:
        pieces: In any order.
        pads: Whether unlike lengths may share a batch.
    """
    most_tokens = PADDED_TOKENS if pads else GROUPED_TOKENS
    found: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: -len(piece.residues)):
        current = found[-1] if found else []
        longest = len(current[0].residues) if current else 0
        is_alike = pads or longest == len(piece.residues)
        if current and is_alike and (len(current) + 1) * longest <= most_tokens:
            current.append(piece)
        else:
            found.append([piece])
    return found
