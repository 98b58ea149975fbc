"""From a batch's probabilities to predictions: labels, flags, answers, and how far opinions are apart.

Axis letters: N sequences, K members, C classes, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sortilin import artifact, trust
from sortilin.artifact import ModelFolder
from sortilin.evaluation import spread
from sortilin.interfaces import DoubleArray, FloatArray
from sortilin.results import SEVERAL, Answering, Prediction
from sortilin.sequences import SequenceRecord
from sortilin.sequences.cropping import LengthPolicy
from sortilin.trust import PlainFeatures

SHORTER, LONGER, TRAINED_ON = "shorter_than_trained", "longer_than_trained", "trained_on"
"""Flags: outside the range of training lengths; this very sequence was in the training data."""

SHORTENED = "shortened_to"
"""Flag with the number of residues that the model looked at: its middle was left out."""

Describe = Callable[[Sequence[str]], FloatArray]
"""Cleaned sequences → (N, F) features that the model reads."""


def questions_of(model: ModelFolder) -> dict[str, Answering]:
    """Question of two classes → how it is answered; mostly empty.

    Raises:
        ModelFolderError: They cannot be read, or do not fit the classes.
    """
    try:
        found = {
            q["name"]: Answering(q["positive"], q["negative"], float(q["slope"]), float(q["offset"]))
            for q in model.description.get("questions", ())
        }
    except (KeyError, TypeError, ValueError):
        raise model.damaged("its questions cannot be read") from None
    for name, how in found.items():
        if not {how.positive, how.negative} <= {*model.description["classes"]} or not how.slope > 0:
            raise model.damaged(f"its question '{name}' does not fit its classes")
    return found


class Labelling:
    """What a model folder says of probabilities that it gave.

    Args:
        model: The folder.
        policy: Which residues the model looks at.
        describe: What makes the features that it reads, for a model that reads any.
    """

    def __init__(self, model: ModelFolder, policy: LengthPolicy, describe: Describe) -> None:
        self._classes: tuple[str, ...] = tuple(model.description["classes"])
        self._shortest, self._longest = model.description["training_data"]["lengths"]
        self._questions, self._decider, self._policy = questions_of(model), model.decider(), policy
        self._training_hashes = np.sort(model.array("training_hashes"))
        self._far = trust.far_of(model)
        self._describe = describe if "features" in model.description else PlainFeatures().transform

    def was_trained_on(self, sequences: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether each cleaned sequence stood, letter for letter, in the training data."""
        return np.isin(artifact.sequence_hashes(sequences), self._training_hashes, assume_unique=False)

    def __call__(
        self, batch: Sequence[SequenceRecord], table: DoubleArray, members: DoubleArray | None
    ) -> list[Prediction]:
        """N records, their (N, C) probabilities, and (N, K, C) those of members → N predictions."""
        sequences = [record.sequence for record in batch]
        found = [
            self._prediction(record, row, known)
            for record, row, known in zip(
                batch, table.tolist(), self.was_trained_on(sequences).tolist(), strict=True
            )
        ]
        found = self._flagged(sequences, found)
        return found if members is None else _with_spread(found, table, members)

    def _prediction(self, record: SequenceRecord, row: list[float], is_known: bool) -> Prediction:
        length, flags = len(record.sequence), record.flags
        if length < self._shortest:
            flags = (*flags, SHORTER)
        elif length > self._longest:
            flags = (*flags, LONGER)
        if self._policy.shortens(length):
            flags = (*flags, f"{SHORTENED}:{self._policy.max_residues}")
        if is_known:
            flags = (*flags, TRAINED_ON)
        probabilities = dict(zip(self._classes, row, strict=True))
        answers = {name: answering(probabilities) for name, answering in self._questions.items()}
        return Prediction(record.id, length, self._label(row), probabilities, flags, answers)

    def _label(self, row: list[float]) -> str:
        """The most probable class; or, of a model of several a sequence, those over their thresholds."""
        if self._decider is None:
            return self._classes[row.index(max(row))]
        called = self._decider.called(np.array([row]))[0]
        return SEVERAL.join(name for name, is_called in zip(self._classes, called, strict=True) if is_called)

    def _flagged(self, sequences: list[str], predictions: list[Prediction]) -> list[Prediction]:
        """The predictions, with a flag on those of sequences far from the training data."""
        if self._far is None:
            return predictions
        is_far = self._far.is_far(self._describe(sequences))
        return [
            replace(prediction, flags=(*prediction.flags, trust.FAR))
            if far and TRAINED_ON not in prediction.flags
            else prediction
            for prediction, far in zip(predictions, is_far.tolist(), strict=True)
        ]


def _with_spread(
    predictions: Sequence[Prediction], table: DoubleArray, members: DoubleArray
) -> list[Prediction]:
    """N predictions with how far their (N, K, C) members are apart."""
    apart, nats = spread.spread(members, table.argmax(axis=1)), spread.disagreement(members)
    return [
        replace(prediction, spread=one, disagreement=other)
        for prediction, one, other in zip(predictions, apart.tolist(), nats.tolist(), strict=True)
    ]
