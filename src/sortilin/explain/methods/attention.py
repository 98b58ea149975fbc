"""Where the attention of a network's head looks.

Weights are what the network multiplies residues with, whatever the class; they say where it looked, and not
what it made of it (Jain & Wallace 2019, arXiv:1902.10186).

Axis letters: L residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from sortilin.explain.methods import _asking
from sortilin.explain.methods._asking import Answer, Question
from sortilin.interfaces import OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened


class VARIANT(_asking.Explains):
    """Attention weights of the head, which sum to 1; the same for every class."""

    class Config(BaseModel):
        """No options."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = "attention"
    title: ClassVar[str] = "Attention weights of the head; where it looked, whatever the class"
    signed: ClassVar[bool] = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def why_not(self, opened: Opened) -> str | None:
        """None if the model's graph gives attention, else the reason in words."""
        if opened.has_attention:
            return None
        return (
            "it has no attention; networks with the heads light_attention and cnn_attention have, and with "
            "pooling: attention those with lstm and cnn_lstm"
        )

    def _answers(
        self,
        opened: Opened,
        questions: Sequence[Question],
        on_progress: OnProgress | None,  # noqa: ARG002 - the questions are quick
    ) -> list[Answer]:
        sequences = list(dict.fromkeys(q.sequence for q in questions))
        weights = dict(zip(sequences, opened.predictor.attention(sequences), strict=True))
        return [Answer(weights[q.sequence].astype(np.float64)) for q in questions]
