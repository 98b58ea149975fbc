"""Probabilities for labelled sequences, from a model or from a table of predictions that was written before.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import InputError
from sortilin.experiment import questions
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import DoubleArray, Question
from sortilin.labelling import TRAINED_ON
from sortilin.predictor import Predictor, load
from sortilin.results import Answering

TABLES = (".tsv",)
"""Endings of tables of predictions, as `sortilin predict -o` writes them."""

_COLUMN = "p_"


class Source:
    """A model, or a table of predictions.

    Args:
        name: Name of a bundled model, a model folder, or a table.
        vectors: Files of vectors for a model that needs them.
        table: The file that names their sequences.

    Raises:
        SortilinError: It cannot be read.
    """

    def __init__(self, name: str, *, vectors: Sequence[str] = (), table: str | None = None) -> None:
        self.name = name
        is_table = name.endswith(TABLES) and not Path(name).is_dir()
        self._model: Predictor | None = None
        self._rows: list[Mapping[str, Any]] = []
        if is_table:
            self._rows = _read(name)
            self.classes = tuple(
                key.removeprefix(_COLUMN) for key in self._rows[0] if key.startswith(_COLUMN)
            )
            self.task = "custom"
        else:
            self._model = load(name, threads=None, vectors=vectors, table=table)
            self.classes, self.task = self._model.classes, self._model.task

    @property
    def several(self) -> Predictor | None:
        """The model, where it gives several classes to a sequence; else None."""
        return self._model if self._model is not None and self._model.decider is not None else None

    def answering(self, question: Question) -> Answering:
        """How a question of two classes is answered."""
        plain = Answering(question.positive, question.negative)
        return plain if self._model is None else self._model.questions.get(question.name, plain)

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions of two classes that the task has."""
        return () if self._model is None else questions.of_task(self.task)

    def scored(self, labelled: LabelledSet) -> Scored:
        """What it says of labelled sequences.

        Raises:
            InputError: A table is of other sequences, of other classes than the set, or holds what is no
                probability; or the model gives several classes to a sequence.
        """
        if self.several is not None:
            raise InputError(
                f"{self.name} gives several classes to a sequence; compared are models that give one: "
                "evaluate it by itself"
            )
        if self._model is not None:
            table = self._model.predict_proba(labelled.sequences)
            known = self._model.was_trained_on(labelled.sequences)
        else:
            table, known = self._of_rows(labelled)
        return Scored(self.name, self._in_order(table, labelled.classes), known)

    def _in_order(self, table: DoubleArray, classes: Sequence[str]) -> DoubleArray:
        """(N, C) with the columns of the set."""
        if set(classes) != set(self.classes):
            raise InputError(
                f"{self.name} has the classes {', '.join(self.classes)}; the data are scored with "
                f"{', '.join(classes)}: only models of the same classes can be compared"
            )
        return table[:, [self.classes.index(name) for name in classes]]

    def _of_rows(self, labelled: LabelledSet) -> tuple[DoubleArray, NDArray[np.bool_]]:
        lengths = [str(row["length"]) for row in self._rows]
        if lengths != [str(len(sequence)) for sequence in labelled.sequences]:
            raise InputError(
                f"{self.name} holds {len(lengths)} predictions that are not those of the {len(labelled)} "
                f"sequences of {labelled.name}, in their order: predict the same files and try again"
            )
        table = np.array([self._probabilities(row) for row in self._rows])
        is_known = [TRAINED_ON in str(row.get("flags") or "").split(";") for row in self._rows]
        return table, np.array(is_known, dtype=bool)

    def _probabilities(self, row: Mapping[str, Any]) -> list[float]:
        found = [row[_COLUMN + name] for name in self.classes]
        try:
            values = [float(text) for text in found]
        except (TypeError, ValueError):
            values = [math.nan]
        if not all(0 <= value <= 1 for value in values):
            raise InputError(
                f"{self.name}: the row of '{row.get('id')}' has the probabilities "
                f"{', '.join(map(repr, found))}; allowed: numbers from 0 to 1 in each column p_CLASS"
            )
        return values


@dataclass(frozen=True, slots=True)
class Scored:
    """What one source says.

    Attributes:
        name: Of the source.
        table: (N, C) probabilities.
        is_known: (N,) whether the model was trained on each sequence.
    """

    name: str
    table: DoubleArray
    is_known: NDArray[np.bool_]


def _read(path: str) -> list[Mapping[str, Any]]:
    try:
        with Path(path).open(encoding="utf-8", newline="") as stream:
            rows: list[Mapping[str, Any]] = list(
                csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            )
    except OSError as fault:
        raise InputError(f"{path}: {fault.strerror or 'cannot be read'}") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise InputError(f"{path} is no table of predictions: {fault}") from None
    columns = list(rows[0]) if rows else []
    if "length" not in columns or sum(name.startswith(_COLUMN) for name in columns) < 2:
        raise InputError(
            f"{path} is no table of predictions: it needs rows, and columns length and p_CLASS of two "
            "classes or more, as `sortilin predict -o predictions.tsv` writes them"
        )
    return rows
