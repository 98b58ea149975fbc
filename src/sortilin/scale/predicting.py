"""Parts of predictions: what a worker writes, and how it is read back.

A part has the columns of a Parquet table of predictions, its numbers in double precision, so that a table
made of parts has the same bytes as one that was written at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sortilin import bundled, predictor
from sortilin.adding import Adding
from sortilin.errors import FormatError, InputError
from sortilin.prediction_run import PredictionRun
from sortilin.predictor import Predictor
from sortilin.report import open_output
from sortilin.report._columns import EXTRA, FLAGS, probability_columns
from sortilin.report.parquet import ParquetFormat
from sortilin.results import Answering, Prediction
from sortilin.scale.folder import Done
from sortilin.scale.jobs import all_or_numbers, sha256_of
from sortilin.scale.places import Place, absolute, place_of
from sortilin.scale.plan import Part
from sortilin.scale.reading import read_part
from sortilin.sequences.policy import OnError
from sortilin.summary import notes_of

_ROWS = 4_096


@dataclass(frozen=True, slots=True)
class PredictJob:
    """What workers that predict are told.

    Attributes:
        model: Name of a bundled model, or the path of a folder that each of them sees.
        on_error: What becomes of a record that cannot be predicted.
        threads: Batches that a worker has in work at a time.
        coverage: Of prediction sets; None for none.
        set_options: How they are made.
        nearest: File of reference sequences that each worker sees; None for none.
        vectors: Files of vectors, for a model that reads them.
        table: Table of their sequences.
    """

    model: str
    on_error: OnError = "fail"
    threads: int | None = 1
    coverage: float | None = None
    set_options: Mapping[str, Any] = field(default_factory=dict)
    nearest: str | None = None
    vectors: tuple[str, ...] = ()
    table: str | None = None

    kind = "predict"
    uses_gpu = False

    def start(self) -> PredictWorker:
        """A worker, with its model loaded."""
        model = predictor.load(self.model, threads=self.threads, vectors=self.vectors, table=self.table)
        adding = Adding(model, self.coverage, self.nearest, dict(self.set_options))
        return PredictWorker(model, adding, self.on_error, nearest=self.nearest)

    def absolute(self) -> PredictJob:
        """The same job for a process that runs in another folder."""
        return replace(
            self,
            model=self.model if self.model in bundled.names() else absolute(self.model),
            nearest=None if self.nearest is None else absolute(self.nearest),
            vectors=tuple(map(absolute, self.vectors)),
            table=None if self.table is None else absolute(self.table),
        )


class PredictWorker:
    """Predicts parts.

    Args:
        model: What predicts.
        adding: What is added to each prediction.
        on_error: What becomes of a record that cannot be predicted.
        nearest: File of reference sequences that `adding` reads; None for none.
    """

    def __init__(
        self, model: Predictor, adding: Adding, on_error: OnError, *, nearest: str | None = None
    ) -> None:
        self._model, self._adding, self.on_error = model, adding, on_error
        self._nearest = nearest

    def about(self) -> dict[str, Any]:
        """What decides the results."""
        files = self._model.vector_files()
        about = {"model": self._model.model.checksum, "columns": list(self._adding.columns)}
        added = self._adding.described()
        if self._nearest is not None:
            added["nearest"] = sha256_of(place_of(self._nearest))[0]
        return about | added | ({"vectors": files} if files else {})

    def notes(self) -> dict[str, Any]:
        """What is to be said of them."""
        return notes_of(self._model) | {
            "questions": {name: asdict(how) for name, how in self._model.questions.items()},
            "tells_far": "far" in self._model.model.description,
            "added": self._adding.described(),
        }

    def do(self, part: Part, place: Place) -> Done:
        """Write the predictions of a part, unless it has none, and say what was met."""
        run = PredictionRun(self._model, part.name, self.on_error, self._adding)
        skipped: list[tuple[int, str, str]] = []
        unnamed: list[int] = []
        run.report.on_unnamed = unnamed.append
        run.left_out.tell = lambda one: skipped.append((one.record, one.id, one.reason))
        sha256, n_bytes = self._write(_but_none(run, part), place)
        report = run.report
        return Done(
            part=part.number,
            shard=part.shard,
            n_records=report.n_records,
            n_rows=sum(run.counts.values()),
            n_residues=run.n_residues,
            skipped=skipped,
            failed=run.left_out.failed,
            unnamed=all_or_numbers(unnamed, report.n_records),
            counts={
                "labels": dict(run.counts),
                "unnamed": {"told": report.n_unnamed},
            },
            sha256=sha256,
            n_bytes=n_bytes,
        )

    def _write(self, batches: Iterator[list[Prediction]], place: Place) -> tuple[str, int]:
        """SHA-256 and size of what was written; of nothing, if there is nothing to write."""
        first = next(batches, None)
        if first is None:
            return "", 0
        with place.filled() as path, open_output(path) as stream:
            table = ParquetFormat(
                stream,
                classes=self._model.classes,
                title=self._model.task,
                extra=self._adding.columns,
                precise=True,
            )
            table.write(first)
            for batch in batches:
                table.write(batch)
            table.close()
        return stream.sha256, stream.n_bytes


def _but_none(run: PredictionRun, part: Part) -> Iterator[list[Prediction]]:
    """The batches of a run; that the model can read none of its records is no error of a part."""
    records = read_part(part, on_error=run.on_error, report=run.report)  # type: ignore[arg-type]
    try:
        yield from run.batches(records)
    except InputError:
        report = run.report
        if run.on_error == "fail" or report.n_kept or report.n_skipped < max(report.n_records, 1):
            raise


def predictions_of(
    place: Place, classes: Sequence[str], notes: Mapping[str, Any]
) -> Iterator[list[Prediction]]:
    """The predictions of a part that was written, in order, some thousand at a time.

    Args:
        place: The file.
        classes: Class names, in order.
        notes: What is known of the model; its questions are answered from the probabilities.

    Raises:
        FormatError: It is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    questions = {name: Answering(**how) for name, how in notes["questions"].items()}
    with place.open() as stream:
        try:
            for batch in pyarrow.parquet.ParquetFile(stream).iter_batches(batch_size=_ROWS):
                yield _predictions(batch.to_pydict(), classes, questions)
        except (OSError, KeyError, pyarrow.ArrowException) as error:
            raise FormatError(f"{place.address} is no part of predictions: {error}") from None


def _predictions(
    columns: Mapping[str, list[Any]], classes: Sequence[str], questions: Mapping[str, Answering]
) -> list[Prediction]:
    tables = zip(*(columns[name] for name in probability_columns(classes)), strict=True)
    optional = {name: columns[name] for name in EXTRA if name in columns}
    found = []
    for row, values in enumerate(tables):
        probabilities = dict(zip(classes, values, strict=True))
        more = {name: _cell(column[row]) for name, column in optional.items()}
        found.append(
            Prediction(
                columns["id"][row],
                columns["length"][row],
                columns["prediction"][row],
                probabilities,
                tuple(columns[FLAGS][row]),
                {name: how(probabilities) for name, how in questions.items()},
                **more,
            )
        )
    return found


def _cell(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
