"""Frozen records of what a model said. NumPy and the standard library only."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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


SEVERAL = "|"
"""Between the classes of a label that names several."""


def classes_of(label: str, classes: Container[str]) -> tuple[str, ...]:
    """The classes that a label names: itself, where it is one of the classes, or its parts."""
    return (label,) if label in classes else tuple(label.split(SEVERAL))


def count_classes(labels: Mapping[str, int], classes: Sequence[str]) -> dict[str, int]:
    """Label → sequences, as class → sequences that have it, alone or with others."""
    found = dict.fromkeys(classes, 0)
    for label, n in labels.items():
        for name in classes_of(label, found):
            found[name] += n
    return found


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one sequence.

    Attributes:
        id: The record's id, as read.
        length: Residues after cleaning.
        label: The most probable class; of a model of several classes a sequence those over their
            thresholds, joined by "|", or the most probable one if there are none.
        probabilities: Calibrated probability of each class, in the model's class order; they sum to 1,
            unless a sequence may have several.
        flags: What a reader should know: replaced letters ("U>C:1"), a length outside the training range.
        answers: Question of two classes → probability of yes, for one who knows that it is one of the two;
            empty where the model's task has no such question.
        spread: Standard deviation, over the model's members, of the predicted class's calibrated
            probability; None where the model has one opinion.
        disagreement: Mutual information of class and member, in nats; None likewise.
        set: Classes of which the true one is one as often as was asked, the most probable first; may be
            empty; None where no coverage was asked for.
        nearest: Id of the nearest reference sequence, however far it is; None where not asked for.
        nearest_identity: Equal residues of their alignment over the length of the shorter one, 0 to 1; None
            likewise.
    """

    id: str
    length: int
    label: str
    probabilities: Mapping[str, float]
    flags: tuple[str, ...] = ()
    answers: Mapping[str, float] = field(default_factory=dict)
    spread: float | None = None
    disagreement: float | None = None
    set: tuple[str, ...] | None = None
    nearest: str | None = None
    nearest_identity: float | None = None

    @property
    def probability(self) -> float:
        """Probability of the predicted class, 0 to 1; of several that of the most probable one."""
        return self.probabilities[self.top]

    @property
    def labels(self) -> tuple[str, ...]:
        """The predicted classes, one or several, in the model's class order."""
        return classes_of(self.label, self.probabilities)

    @property
    def top(self) -> str:
        """The most probable one of the predicted classes."""
        if self.label in self.probabilities:
            return self.label
        return max(self.labels, key=self.probabilities.__getitem__)

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
        intervals: Metric → ends of its 95 % interval, NaN where undefined; empty where none was computed.
        class_intervals: Class → metric → the same.
    """

    n: int
    classes: tuple[str, ...]
    metrics: Mapping[str, float]
    per_class: Mapping[str, Mapping[str, float]]
    confusion: tuple[tuple[int, ...], ...]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    class_intervals: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values; intervals only where it has some."""
        found = asdict(self)
        return {key: value for key, value in found.items() if value or not key.endswith("intervals")}


@dataclass(frozen=True, slots=True)
class Quality:
    """How good a model is, in one metric.

    Attributes:
        value: Mean over the folds of its cross-validation.
        spread: Sample standard deviation over them; None where the folder does not say.
        n: Sequences.
        folds: Number of folds; None where the folder does not say.
    """

    value: float
    spread: float | None
    n: int
    folds: int | None

    @classmethod
    def of(cls, description: Mapping[str, Any], metric: str) -> Quality:
        """From the content of `model.json`; folders of older versions name no spread."""
        found = description["metrics"]
        spread = found.get("spread") or {}
        n = found.get("n", description["training_data"]["n"])
        return cls(float(found[metric]), spread.get(metric), int(n), found.get("folds"))

    def __str__(self) -> str:
        spread = "" if self.spread is None else f" ± {self.spread:.3f}"
        folds = "" if self.folds is None else f" over {self.folds} folds"
        return f"{self.value:.3f}{spread}{folds}, n = {self.n:,}"


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
