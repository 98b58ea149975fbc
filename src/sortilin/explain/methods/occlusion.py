"""What the model says when a stretch of residues is hidden; for every model.

Stretches are replaced by X, the letter of unknown residues (Zeiler & Fergus 2014,
doi:10.1007/978-3-319-10590-1_53). Of short sequences they are overlapping windows. Where those would be more
than the budget, the sequence is cut into wide pieces first, and those that matter most are halved again and
again, so that a long protein costs as many predictions as a short one.

Axis letters: N sequences, K residues that the model looks at.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from sortilin.explain import occlusion
from sortilin.explain.methods import _asking
from sortilin.explain.methods._asking import Answer, Question
from sortilin.interfaces import DoubleArray, IntArray, OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened

Window = tuple[int, int]
"""First place, and the one behind the last, among the residues that the model looks at."""

SMALLEST_HALVED = 6
"""Residues of a piece that is halved; half of it is shorter than most signals."""

HALVED_AT_ONCE = 3
"""Pieces that are halved between two predictions of all."""


class VARIANT(_asking.Explains):
    """Change of the log-odds when stretches are hidden; any model."""

    class Config(BaseModel):
        """Options.

        Attributes:
            budget: Predictions a sequence at most, beside that of the whole sequence.
            window: Residues hidden at a time; all windows are then run, whatever the budget. None chooses an
                eighth of the sequence, at most 15.
            step: From one window to the next; None for a third of the window.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        budget: PositiveInt = Field(default=24, ge=4)
        window: PositiveInt | None = None
        step: PositiveInt | None = None

        @model_validator(mode="after")
        def _covers_all(self) -> VARIANT.Config:
            if self.step is not None and self.window is None:
                raise ValueError("step goes with window: give both, or leave step out")
            if self.window is not None and self.step is not None and self.step > self.window:
                raise ValueError(
                    f"a step of {self.step} would leave residues out; allowed: 1 to {self.window}"
                )
            return self

    name: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Change of the log-odds when a stretch is hidden; for every model"
    signed: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def why_not(self, opened: Opened) -> str | None:
        """None: it needs predictions alone. Of models of given vectors see `Opened.why_no_changes`."""
        return opened.why_no_changes()

    def _answers(
        self,
        opened: Opened,
        questions: Sequence[Question],
        on_progress: OnProgress | None,  # noqa: ARG002 - the questions are quick
    ) -> list[Answer]:
        """In rounds, each of which predicts what all questions want to know next."""
        plans = [self._plan(opened.places(len(q.sequence))) for q in questions]
        scores = _asking.odds_of(opened, questions)
        while wanted := [(row, window) for row, plan in enumerate(plans) for window in plan.wanted()]:
            changed = [
                Question(plans[row].hidden(questions[row].sequence, window), questions[row].label)
                for row, window in wanted
            ]
            for (row, window), after in zip(wanted, _asking.odds_of(opened, changed), strict=True):
                plans[row].found[window] = float(scores[row] - after)
        return [
            Answer(
                _asking.spread(plan.values(), plan.places, len(question.sequence)),
                score=float(score),
                details={"runs": 1 + len(plan.found), "narrowest": plan.narrowest, "widest": plan.widest},
            )
            for question, plan, score in zip(questions, plans, scores, strict=True)
        ]

    def _plan(self, places: IntArray) -> _Plan:
        length = len(places)
        if self.config.window is not None:
            width = min(self.config.window, length)
            return _Plan(places, sliding(length, width, self.config.step or max(1, width // 3)), budget=0)
        width = min(occlusion.LONGEST_WINDOW, max(1, length // occlusion.RESIDUES_A_WINDOW))
        windows = sliding(length, width, max(1, width // 3))
        if len(windows) <= self.config.budget:
            return _Plan(places, windows, budget=0)
        n_pieces = max(2, self.config.budget // 2)
        return _Plan(places, pieces(length, n_pieces), budget=self.config.budget - n_pieces)


class _Plan:
    """Which windows of a sequence are hidden, and what that changed.

    Args:
        places: (K,) of the residues that the model looks at.
        windows: To begin with.
        budget: Further windows that may be made by halving.

    Attributes:
        places: As given.
        found: Window → log-odds of the whole sequence less those without it.
    """

    def __init__(self, places: IntArray, windows: list[Window], *, budget: int) -> None:
        self.places, self._budget = places, budget
        self.found: dict[Window, float] = {}
        self._asked, self._halved = windows, set[Window]()

    def wanted(self) -> list[Window]:
        """Windows that are to be run next; none when all is known."""
        if self.found:
            self._asked = self._halves()
        return self._asked

    def _halves(self) -> list[Window]:
        able = [w for w in self.found if w not in self._halved and w[1] - w[0] >= SMALLEST_HALVED]
        chosen = sorted(able, key=lambda w: (-abs(self.found[w]), w))[
            : min(HALVED_AT_ONCE, self._budget // 2)
        ]
        self._budget -= 2 * len(chosen)
        self._halved.update(chosen)
        middles = {window: (window[0] + window[1]) // 2 for window in chosen}
        return [half for (a, b), m in middles.items() for half in ((a, m), (m, b))]

    def hidden(self, sequence: str, window: Window) -> str:
        """The sequence without what stands in a window."""
        return _asking.hidden(sequence, self.places[window[0] : window[1]])

    def values(self) -> DoubleArray:
        """(K,) change a residue, the mean over the windows that hide it."""
        total, times = np.zeros(len(self.places)), np.zeros(len(self.places))
        for (start, end), change in self.found.items():
            total[start:end] += change / (end - start)
            times[start:end] += 1
        return total / times

    @property
    def narrowest(self) -> int:
        """Residues of the shortest window."""
        return min(end - start for start, end in self.found)

    @property
    def widest(self) -> int:
        """Residues of the longest window."""
        return max(end - start for start, end in self.found)


def sliding(length: int, width: int, step: int) -> list[Window]:
    """Windows of one width over so many residues; the last ends with them."""
    last = length - width
    return [(start, start + width) for start in [*range(0, last, step), last]]


def pieces(length: int, count: int) -> list[Window]:
    """Pieces of nearly one width that stand side by side."""
    bounds = np.linspace(0, length, min(count, length) + 1).round().astype(int).tolist()
    return list(pairwise(bounds))
