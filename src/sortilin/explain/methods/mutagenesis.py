"""What each of the 19 other residues at a place would change; for every model.

Axis letters: L residues, K places that are changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from sortilin.explain.methods import _asking
from sortilin.explain.methods._asking import Answer, Question
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences.tokens import RESIDUES

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened

ALPHABET = RESIDUES.removesuffix("X")
"""Columns of `substitutions`."""

COSTLY = 10_000
"""Predictions of one sequence beyond which progress says how many there are."""


class VARIANT(_asking.Explains):
    """In-silico mutagenesis: every substitution at every place; any model."""

    class Config(BaseModel):
        """Options.

        Attributes:
            positions: Places that are changed, from 1; None for all. Those beyond the end of a sequence are
                passed over.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        positions: tuple[Annotated[NonNegativeInt, Field(ge=1)], ...] | None = Field(
            default=None, min_length=1
        )

    name: ClassVar[str] = "mutagenesis"
    title: ClassVar[str] = (
        "Mean loss of the log-odds by the 19 substitutions, and each of them; for every model"
    )
    signed: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def why_not(self, opened: Opened) -> str | None:
        """None: it needs predictions alone. Of models of given vectors see `Opened.why_no_changes`."""
        return opened.why_no_changes()

    def _answers(
        self, opened: Opened, questions: Sequence[Question], on_progress: OnProgress | None
    ) -> list[Answer]:
        return [self._answer(opened, question, on_progress) for question in questions]

    def _answer(self, opened: Opened, question: Question, on_progress: OnProgress | None) -> Answer:
        sequence = question.sequence
        places = self._places(opened.places(len(sequence)))
        changed = [
            (place, column, Question(sequence[:place] + letter + sequence[place + 1 :], question.label))
            for place in places.tolist()
            for column, letter in enumerate(ALPHABET)
            if letter != sequence[place]
        ]
        if on_progress is not None and len(changed) > COSTLY:
            on_progress(f"mutagenesis of {len(sequence):,} residues: {len(changed):,} predictions", 0, 1)
        odds = _asking.odds_of(opened, [question, *(q for _, _, q in changed)])
        table = np.full((len(sequence), len(ALPHABET)), np.nan)
        table[places] = 0.0
        for (place, column, _), after in zip(changed, odds[1:], strict=True):
            table[place, column] = after - odds[0]
        n_others = np.array([len(ALPHABET) - (letter in ALPHABET) for letter in sequence])
        return Answer(
            -table.sum(axis=1) / n_others,
            score=float(odds[0]),
            details={"runs": len(odds), "positions": len(places)},
            substitutions=table,
        )

    def _places(self, looked_at: IntArray) -> IntArray:
        if self.config.positions is None:
            return looked_at
        return np.asarray(looked_at[np.isin(looked_at + 1, self.config.positions)])
