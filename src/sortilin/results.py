"""Frozen records of what a model said. NumPy and the standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

HIGH_CONFIDENCE = 0.75
MEDIUM_CONFIDENCE = 0.50


def confidence_level(probability: float) -> str:
    """Name the bin of a probability: "High" from 0.75, "Medium" from 0.50, "Low" below.

    The bins of Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular
    Localization", applied here to calibrated probabilities.
    """
    if probability >= HIGH_CONFIDENCE:
        return "High"
    return "Medium" if probability >= MEDIUM_CONFIDENCE else "Low"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one sequence.

    Attributes:
        id: The record's id, as read.
        length: Residues after cleaning.
        label: The most probable class.
        probabilities: Calibrated probability of each class, in the model's class order; they sum to 1.
        flags: What a reader should know: replaced letters ("U>C:1"), a length outside the training range.
        answers: Question of two classes → probability of yes, for one who knows that it is one of the two;
            empty where the model's task has no such question.
    """

    id: str
    length: int
    label: str
    probabilities: Mapping[str, float]
    flags: tuple[str, ...] = ()
    answers: Mapping[str, float] = field(default_factory=dict)

    @property
    def probability(self) -> float:
        """Probability of the predicted class, 0 to 1."""
        return self.probabilities[self.label]

    @property
    def confidence(self) -> str:
        """Bin of the predicted class's probability: "High", "Medium" or "Low"."""
        return confidence_level(self.probability)


@dataclass(frozen=True, slots=True)
class Answering:
    """How a question of two classes is answered from the probabilities of more.

    P(yes) = 1 / (1 + exp(-slope · (ln P(positive) - ln P(negative)) - offset)); P(positive) / (P(positive) +
    P(negative)) as it stands. Probabilities may be numbers or arrays.

    Attributes:
        positive: The class that is a yes.
        negative: The class that is a no.
        slope: How far the log-odds of the two are trusted, above 0.
        offset: What is added for the frequencies of the two where the question is asked.
    """

    positive: str
    negative: str
    slope: float = 1.0
    offset: float = 0.0

    def log_odds(self, yes: Any, no: Any) -> Any:
        """Of the two classes' probabilities, as they are."""
        tiny = np.finfo(np.float64).tiny
        return np.log(np.maximum(yes, tiny)) - np.log(np.maximum(no, tiny))

    def of(self, yes: Any, no: Any) -> Any:
        """Probability of yes, by the probabilities of the two classes."""
        # tanh does not overflow.
        return 0.5 + 0.5 * np.tanh(0.5 * (self.slope * self.log_odds(yes, no) + self.offset))

    def __call__(self, probabilities: Mapping[str, float]) -> float:
        """Probability of yes, for a sequence that is one of the two."""
        return float(self.of(probabilities[self.positive], probabilities[self.negative]))


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How predictions compare with known labels.

    Attributes:
        n: Number of sequences scored.
        classes: Class names, in the order of every per-class value and of the confusion matrix.
        metrics: Name → value over all classes, each 0 to 1 (MCC -1 to 1; NaN where undefined).
        per_class: Class → metric name → value; "support" is a count.
        confusion: Row = true class, column = predicted class, counts.
    """

    n: int
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Where a table of predictions came from; what `OUT.meta.json` holds.

    Attributes:
        version: sortilin's version.
        model: Name or path of the model, as given.
        model_checksum: SHA-256 over the model folder's files.
        task: Name of the task the model was trained for.
        date: When the run ended, ISO 8601, UTC.
        source: What was read, as given.
        n_predicted: Records predicted.
        n_skipped: Records left out.
        changes: What the residue policy changed: key as in the flags ("U>C") → letters changed.
        details: Anything else worth keeping (command, seconds, settings).
    """

    version: str
    model: str
    model_checksum: str
    task: str
    date: str
    source: str
    n_predicted: int
    n_skipped: int
    changes: Mapping[str, int]
    details: Mapping[str, Any] = field(default_factory=dict)
