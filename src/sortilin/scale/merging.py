"""Finished parts → one file, with the rows, the numbers of records and the lists of a run in one process."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sortilin import registry
from sortilin.embedding import policies
from sortilin.errors import InputError
from sortilin.interfaces import OnProgress
from sortilin.labelling import SHORTENED
from sortilin.report import FlagLog, SkippedLog, open_output, write_meta
from sortilin.results import Prediction, RunSummary
from sortilin.scale.finished import FinishedRun
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.numbering import Numbering
from sortilin.scale.places import LocalPlace, Place
from sortilin.scale.predicting import predictions_of
from sortilin.sequences import ReadReport
from sortilin.sequences.seen_ids import SeenIds
from sortilin.summary import summary_of
from sortilin.trust import FAR
from sortilin.vectors import VectorRow
from sortilin.vectors._parquet import rows_of
from sortilin.vectors.exchange import write_vectors


def merge_predictions(
    run: FinishedRun, path: Path, format_name: str, *, on_progress: OnProgress
) -> RunSummary:
    """Write the predictions of a run to one file, with what stands beside it.

    Args:
        run: All its parts are done.
        path: The file.
        format_name: One of the formats of predictions.
        on_progress: Called with parts written, and how many there are.

    Raises:
        DuplicateIdError: Two records share an id, and the run is to fail at faulty records.
        InputError: No record has a prediction, or a part is not as it was written.
        OutputError: The file cannot be written; an older one is untouched.
    """
    notes = run.description.notes
    classes, columns = notes["classes"], tuple(run.description.about["columns"])
    source = run.description.source
    with SkippedLog(path) as log, SeenIds() as seen:
        rows = _Predictions(run, Numbering(run, log, seen))
        with open_output(path) as stream:
            more = {"extra": columns} if columns else {}
            writer = registry.get("format", format_name)(
                stream, classes=classes, title=f"{notes['task']}: {source}", **more
            )
            for at, batch in enumerate(rows.by_part(), 1):
                for kept in batch:
                    writer.write(kept)
                on_progress("parts", at, len(run.parts))
            summary = rows.summary()
            writer.finish(summary)
        write_meta(path, summary, stream.sha256)
    return summary


class _Predictions:
    """The predictions of a run, and counts of what is kept."""

    def __init__(self, run: FinishedRun, numbering: Numbering) -> None:
        self._run, self._numbering = run, numbering
        self._counts: Counter[str] = Counter()
        self._n_shortened = self._n_far = 0

    def by_part(self) -> Iterator[Iterator[list[Prediction]]]:
        """For each part, its batches."""
        for done, folder in self._run.parts:
            yield self._part(done, folder)

    def _part(self, done: Done, folder: RunFolder) -> Iterator[list[Prediction]]:
        notes = self._run.description.notes
        if not done.n_rows:
            yield from self._kept(done, iter(()))
            return
        yield from self._kept(done, predictions_of(folder.checked_file(done), notes["classes"], notes))

    def _kept(self, done: Done, batches: Iterator[list[Prediction]]) -> Iterator[list[Prediction]]:
        waiting: list[Prediction] = []

        def ids() -> Iterator[str]:
            for batch in batches:
                for one in batch:
                    waiting.append(one)
                    yield one.id

        kept: list[Prediction] = []
        for new_id, is_kept in self._numbering.rows(done, ids()):
            one = waiting.pop()
            if is_kept:
                self._count(one)
                kept.append(one if one.id == new_id else replace(one, id=new_id))
            if len(kept) == 4_096:
                yield kept
                kept = []
        yield kept

    def _count(self, one: Prediction) -> None:
        self._counts[one.label] += 1
        if one.flags:
            self._numbering.report.count_changes(one.flags)
            self._n_shortened += any(SHORTENED in flag for flag in one.flags)
            self._n_far += FAR in one.flags

    def summary(self) -> RunSummary:
        """Where the table came from."""
        notes, report, description = (
            self._run.description.notes,
            self._numbering.report,
            self._run.description,
        )
        report.n_kept = sum(self._counts.values())
        _check_any(report, description.source, "predicted")
        found = summary_of(
            notes,
            description.source,
            report,
            self._counts,
            on_error=self._run.on_error,
            n_shortened=self._n_shortened,
        )
        n_far = self._n_far if notes["tells_far"] else None
        return replace(found, details={**found.details, "n_far": n_far, **notes["added"]})


def _check_any(report: ReadReport, source: str, what: str) -> None:
    if not report.n_kept:
        first = (
            f'; record {report.skipped[0].record} ("{report.skipped[0].id}"): {report.skipped[0].reason}'
            if report.skipped
            else ""
        )
        raise InputError(f"{source}: none of its {report.n_records:,} records can be {what}{first}")


def merge_vectors(run: FinishedRun, path: Path, *, on_progress: OnProgress) -> int:
    """Write the vectors of a run to one file, and say how many; the lists of a run stand beside it.

    Where the model could read no sequence, there are the lists and no file.

    Args:
        run: All its parts are done.
        path: The file; its ending chooses the format.
        on_progress: Called with parts written, and how many there are.

    Raises:
        DuplicateIdError: Two records share an id, and the run is to fail at faulty records.
        InputError: There is no record that could have one, or a part is not as it was written.
        OutputError: The file cannot be written; an older one is untouched.
    """
    policy = policies.parse(run.description.about["length_policy"])
    with SkippedLog(path) as log, FlagLog(path) as flags, SeenIds() as seen:
        numbering = Numbering(run, log, seen)
        if not any(done.n_rows for done, _ in run.parts):  # the list is all there is to write
            for done, _ in run.parts:
                deque(numbering.rows(done, iter(())), maxlen=0)
            if not run.n_failed:
                _check_any(numbering.report, run.description.source, "embedded")
            return 0

        def rows() -> Iterator[VectorRow]:
            for row in _vectors(run, numbering, on_progress):
                if flag := policy.flag(len(row.sequence)):
                    flags.add(row.id, len(row.sequence), flag)
                yield row

        return write_vectors(path, rows(), description=run.description.notes["description"])


def _vectors(run: FinishedRun, numbering: Numbering, on_progress: OnProgress) -> Iterator[VectorRow]:
    for at, (done, folder) in enumerate(run.parts, 1):
        waiting: list[VectorRow] = []
        with _here(folder.checked_file(done) if done.n_rows else None) as local:

            def ids(local: Path | None = local, waiting: list[VectorRow] = waiting) -> Iterator[str]:
                for row in rows_of(local) if local is not None else ():
                    waiting.append(row)
                    yield row.id

            for new_id, is_kept in numbering.rows(done, ids()):
                row = waiting.pop()
                if is_kept:
                    yield VectorRow(new_id, row.sequence, row.vector)
        on_progress("parts", at, len(run.parts))


@contextmanager
def _here(place: Place | None) -> Iterator[Path | None]:
    """A file as one of this machine."""
    if place is None or isinstance(place, LocalPlace):
        yield None if place is None else place.path
        return
    with ExitStack() as closing:
        folder = Path(closing.enter_context(TemporaryDirectory(prefix="sortilin-merge-")))
        local = folder / place.name
        local.write_bytes(place.read() or b"")
        yield local
