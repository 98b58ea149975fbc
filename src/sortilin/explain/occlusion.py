"""Which residues a prediction rests on: what the model says when a stretch of them is hidden.

Each window is replaced by X, the letter of unknown residues, and the log-odds of the class are compared with
those of the whole sequence (Zeiler & Fergus 2014, doi:10.1007/978-3-319-10590-1_53). It needs no gradients,
so that it holds for every model.

Axis letters: L residues, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sortilin.errors import ConfigError
from sortilin.interfaces import DoubleArray

MAX_RUNS = 160
"""Windows a sequence at most: of a long one they are further apart, and wider."""

LONGEST_WINDOW, RESIDUES_A_WINDOW = 15, 8
"""A window is an eighth of a sequence, at least one residue and at most 15: a signal is about as long."""

_SMALLEST = 1e-9


class Predicts(Protocol):
    """What is explained: `predictor.Predictor`, or anything like it."""

    classes: tuple[str, ...]

    def predict_proba(self, sequences: Sequence[str]) -> DoubleArray:
        """N sequences → (N, C) probabilities."""
        ...


@dataclass(frozen=True, slots=True)
class Profile:
    """How much each residue speaks for a class.

    Attributes:
        label: The class.
        values: (L,) mean change of its log-odds (natural logarithm) over the windows that hide the residue;
            above 0 where hiding it makes the class less likely.
        log_odds: Those of the whole sequence.
        window: Residues hidden at a time.
        step: From one window to the next.
    """

    label: str
    values: DoubleArray
    log_odds: float
    window: int
    step: int


def profile(model: Predicts, sequence: str, label: str, *, window: int | None = None) -> Profile:
    """Hide windows of a sequence, one after the other.

    Args:
        model: What predicts.
        sequence: Cleaned residues.
        label: The class in question.
        window: Residues hidden at a time; an eighth of the sequence, at most 15, by default. Of sequences
            that would need more than 160 windows these are wider.

    Raises:
        ConfigError: The model has no such class, or the window is empty or longer than the sequence.
    """
    if label not in model.classes:
        raise ConfigError(f"the model has no class '{label}'; choose from: {', '.join(model.classes)}")
    length = len(sequence)
    width = window or min(LONGEST_WINDOW, max(1, length // RESIDUES_A_WINDOW))
    if not 1 <= width <= length:
        raise ConfigError(f"a window of {width} residues; allowed: 1 to the sequence's {length}")
    step = max(1, width // 3, -(-length // MAX_RUNS))
    width = max(width, step)
    starts = [*range(0, max(length - width, 0), step), max(length - width, 0)]
    hidden = [sequence[:s] + "X" * min(width, length) + sequence[s + width :] for s in starts]
    table = model.predict_proba([sequence, *hidden])
    odds = log_odds(table[:, model.classes.index(label)])
    total, n = np.zeros(length), np.zeros(length)
    for start, after in zip(starts, odds[1:], strict=True):
        total[start : start + width] += odds[0] - after
        n[start : start + width] += 1
    return Profile(label, total / n, float(odds[0]), width, step)


def log_odds(p: DoubleArray) -> DoubleArray:
    """Of probabilities, natural logarithms; those within 1e-9 of 0 and 1 count as that."""
    bounded = np.clip(p, _SMALLEST, 1 - _SMALLEST)
    return np.asarray(np.log(bounded) - np.log1p(-bounded))
