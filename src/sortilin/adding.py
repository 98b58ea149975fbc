"""What a run adds to predictions on request: sets of classes, and the nearest reference sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sortilin.errors import ConfigError
from sortilin.predictor import Predictor
from sortilin.results import Prediction
from sortilin.sequences import ReadReport, SequenceRecord, read_sequences
from sortilin.trust import Sets

if TYPE_CHECKING:
    from sortilin.sequences.nearest import References


class Adding:
    """Adds columns to the predictions of one run.

    Args:
        model: What predicts.
        coverage: Of the sets; None for none.
        nearest: File of reference sequences; None for none.
        options: Those of the sets: per_class, kind, never_empty.

    Attributes:
        columns: Optional columns that the predictions have.
        n_left_out: Reference records that cannot be read.

    Raises:
        ConfigError: An option is not allowed, or the model has no tables for sets.
        InputError: The references cannot be read.
    """

    def __init__(
        self, model: Predictor, coverage: float | None, nearest: str | None, options: dict[str, Any]
    ) -> None:
        given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is True]
        if options.get("kind") is not None:
            given.append("--score")
        if coverage is None and given:
            how = f"{' and '.join(given)} say{'s' * (len(given) == 1)} how sets are made"
            raise ConfigError(f"{how}: give --coverage as well")
        options = {name: value for name, value in options.items() if value is not None}
        self._sets: Sets | None = None if coverage is None else model.sets(coverage, **options)
        self._references: References | None = None
        self.n_left_out = 0
        if nearest is not None:
            self._references, self.n_left_out = _references(nearest)
        self._nearest = nearest
        self._sequences: dict[str, str] = {}
        sets = () if self._sets is None else ("set",)
        others = () if nearest is None else ("nearest", "nearest_identity")
        self.columns: tuple[str, ...] = (*model.extra_columns, *sets, *others)

    def read(self, records: Iterator[SequenceRecord]) -> Iterator[SequenceRecord]:
        """The records; their sequences are held until they are predicted, where they are searched."""
        for record in records:
            if self._references is not None:
                self._sequences[record.id] = record.sequence
            yield record

    def __call__(self, predictions: Sequence[Prediction]) -> list[Prediction]:
        """The predictions with what was asked for."""
        found = list(predictions) if self._sets is None else self._sets(predictions)
        if self._references is None:
            return found
        near = [self._references.nearest(self._sequences.pop(one.id)) for one in found]
        return [
            replace(one, nearest=other.id, nearest_identity=other.identity)
            for one, other in zip(found, near, strict=True)
        ]

    def described(self) -> dict[str, Any]:
        """What the record of the run says of it."""
        sets = {} if self._sets is None else {"sets": self._sets.described()}
        return sets | ({} if self._nearest is None else {"nearest": self._nearest})


def _references(path: str) -> tuple[References, int]:
    """The sequences of a file, and how many of its records were left out."""
    from sortilin.sequences.nearest import References

    report = ReadReport()
    records = list(read_sequences(path, on_error="skip", report=report))
    found = References([record.id for record in records], [record.sequence for record in records])
    return found, report.n_skipped


def words_of_far(n: int, n_all: int) -> str:
    """How many sequences are unlike the training data."""
    return (
        f"unlike the data that the model was trained on: {n:,} of {n_all:,} sequences; held-out ones are in "
        "5 of 100 (flag far_from_training)"
    )
