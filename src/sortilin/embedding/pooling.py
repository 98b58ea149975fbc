"""From hidden states of tokens to one vector a sequence, or one a residue.

Axis letters: T tokens, L residues, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.embedding.config import PER_RESIDUE
from sortilin.embedding.policies import LengthPolicy
from sortilin.errors import ConfigError
from sortilin.language_models import Vocabulary

FloatArray = NDArray[np.float32]

MEAN, MAX, CLS = "mean", "max", "cls"


@dataclass(frozen=True, slots=True)
class PieceState:
    """What is kept of the hidden states of one piece.

    Attributes:
        residues: (L, D) of its residues.
        cls: (D,) of the model's summary token; None unless it is asked for.
    """

    residues: FloatArray
    cls: FloatArray | None = None


def cls_place(vocabulary: Vocabulary) -> int | None:
    """Index of the summary token among a sequence's tokens; None if the model has none.

    BERT, ALBERT and ESM have it in front. XLNet, which has nothing in front and pads on the left, ends with
    it. T5 was trained without one: `</s>` only ends a sequence.
    """
    if vocabulary.before:
        return 0
    return -1 if vocabulary.pads_left and vocabulary.after else None


def check_cls(vocabulary: Vocabulary, backbone: str) -> None:
    """Refuse pooling "cls" where there is no summary token.

    Raises:
        ConfigError: There is none.
    """
    if cls_place(vocabulary) is None:
        raise ConfigError(
            f"{backbone} has no summary token, so that there is no pooling '{CLS}'; allowed: {MEAN}, {MAX}, "
            f"{PER_RESIDUE}"
        )


def state_of(hidden: FloatArray, vocabulary: Vocabulary, pooling: str) -> PieceState:
    """What pooling needs of (T, D) hidden states without pads; a copy, unless it is used at once."""
    first = len(vocabulary.before)
    residues = hidden[first : len(hidden) - len(vocabulary.after)]
    place = cls_place(vocabulary) if pooling == CLS else None
    return PieceState(residues, None if place is None else hidden[place])


def pool(states: Sequence[PieceState], policy: LengthPolicy, pooling: str, length: int) -> FloatArray:
    """The vector of a sequence from the states of its pieces.

    "mean" and "max" go over residues, those of several windows joined before; "cls" is the average over
    pieces. Means are taken in double precision.

    Args:
        states: Of each piece, in order.
        policy: How the pieces were cut.
        pooling: "mean", "max", "cls" or "none".
        length: Residues of the whole sequence.

    Returns:
        (D,), or (L, D) with "none"; memory of its own.
    """
    if pooling == CLS:
        rows = np.stack([state.cls for state in states if state.cls is not None])
        return _mean(rows)
    residues = policy.join([state.residues for state in states], length)
    if pooling == PER_RESIDUE:
        return np.array(residues, dtype=np.float32, order="C")
    if pooling == MAX:
        return np.asarray(residues.max(axis=0), dtype=np.float32)
    return _mean(residues)


def _mean(rows: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):  # what is not finite is found out afterwards
        return np.asarray(rows.mean(axis=0, dtype=np.float64), dtype=np.float32)
