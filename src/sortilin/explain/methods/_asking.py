"""What the explainers share: what is asked, in chunks, and predictions of many changed sequences at once.

Axis letters: N sequences, L residues.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from sortilin.errors import ConfigError
from sortilin.explain.attribution import Attribution
from sortilin.explain.occlusion import log_odds
from sortilin.interfaces import DoubleArray, IntArray, OnProgress
from sortilin.sequences import SequenceRecord

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened

CHUNK_SEQUENCES, CHUNK_RESIDUES = 256, 50_000
"""How much is worked on at a time: enough that like lengths meet, little enough that memory stays bounded."""

HIDDEN = "X"
"""The letter of unknown residues, which stands for what is hidden."""


@dataclass(frozen=True, slots=True)
class Question:
    """A sequence and the class in question; equal ones are answered once.

    Attributes:
        sequence: Cleaned residues.
        label: The class.
    """

    sequence: str
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What an explainer found for a question; the fields are those of `Attribution`."""

    values: DoubleArray
    score: float | None = None
    baseline_score: float | None = None
    completeness: float | None = None
    details: Mapping[str, object] | None = None
    substitutions: DoubleArray | None = None


class Explains(ABC):
    """An explainer that answers distinct questions; see `interfaces.Explainer`.

    Attributes:
        name: Its registered name.
    """

    name: ClassVar[str]

    @abstractmethod
    def why_not(self, opened: Opened) -> str | None:
        """None if it can explain the model, else the reason in words."""

    @abstractmethod
    def _answers(
        self, opened: Opened, questions: Sequence[Question], on_progress: OnProgress | None
    ) -> Sequence[Answer]:
        """Distinct questions → an answer each."""

    def explain(
        self,
        opened: Opened,
        records: Sequence[SequenceRecord],
        labels: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> Iterator[Attribution]:
        """Attributions in the order asked, a chunk at a time.

        Args:
            opened: The model.
            records: N records.
            labels: N classes in question.
            on_progress: Called with the records that are done.

        Raises:
            ConfigError: The model cannot be explained so, has no such class, or there are not as many
                classes as records.
        """
        why_not = self.why_not(opened)
        if why_not is not None:
            raise ConfigError(f"model '{opened.name}' cannot be explained by {self.name}: {why_not}")
        if len(records) != len(labels):
            raise ConfigError(
                f"one class a sequence: found {len(labels)} classes for {len(records)} sequences"
            )
        for label in dict.fromkeys(labels):
            opened.class_index(label)
        n_done = 0
        for chunk in _chunks(zip(records, labels, strict=True)):
            questions = dict.fromkeys(Question(record.sequence, label) for record, label in chunk)
            answers = self._answers(opened, list(questions), on_progress)
            found = dict(zip(questions, answers, strict=True))
            for record, label in chunk:
                yield _attribution(self.name, record, label, found[Question(record.sequence, label)])
            n_done += len(chunk)
            if on_progress is not None:
                on_progress(f"explaining by {self.name}", n_done, len(records))


def _attribution(method: str, record: SequenceRecord, label: str, answer: Answer) -> Attribution:
    return Attribution(
        id=record.id,
        sequence=record.sequence,
        method=method,
        label=label,
        values=answer.values,
        score=answer.score,
        baseline_score=answer.baseline_score,
        completeness=answer.completeness,
        details=dict(answer.details or {}),
        substitutions=answer.substitutions,
    )


def _chunks(pairs: Iterable[tuple[SequenceRecord, str]]) -> Iterator[list[tuple[SequenceRecord, str]]]:
    chunk: list[tuple[SequenceRecord, str]] = []
    n_residues = 0
    for record, label in pairs:
        if chunk and (len(chunk) == CHUNK_SEQUENCES or n_residues + len(record.sequence) > CHUNK_RESIDUES):
            yield chunk
            chunk, n_residues = [], 0
        chunk.append((record, label))
        n_residues += len(record.sequence)
    if chunk:
        yield chunk


def odds_of(opened: Opened, questions: Sequence[Question]) -> DoubleArray:
    """(N,) log-odds of the class of each question; each distinct sequence is predicted once."""
    rows = {sequence: row for row, sequence in enumerate(dict.fromkeys(q.sequence for q in questions))}
    if not rows:
        return np.empty(0)
    # Not `predict_proba`: of a sequence that is hidden whole nothing but X is left, which reading refuses.
    table = opened.predictor.proba_of_cleaned(list(rows))
    at = [rows[q.sequence] for q in questions]
    return log_odds(table[at, [opened.class_index(q.label) for q in questions]])


def hidden(sequence: str, places: IntArray) -> str:
    """A sequence with X at some places."""
    letters = list(sequence)
    for place in places.tolist():
        letters[place] = HIDDEN
    return "".join(letters)


def spread(values: DoubleArray, places: IntArray, length: int) -> DoubleArray:
    """(L,) values at the places that the model looks at, NaN between."""
    whole = np.full(length, np.nan)
    whole[places] = values
    return whole
