"""Finished parts → one file, with the rows, the numbers of records and the lists of a run in one process."""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from sortilin import registry
from sortilin.embedding import policies
from sortilin.errors import ConfigError, DuplicateIdError, InputError, escape_controls
from sortilin.interfaces import OnProgress
from sortilin.report import FlagLog, SkippedLog, open_output, write_meta
from sortilin.results import Prediction, RunSummary
from sortilin.scale.description import RunDescription, named
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.places import LocalPlace, Place
from sortilin.scale.predicting import predictions_of
from sortilin.sequences import ReadReport
from sortilin.sequences.policy import DUPLICATE_ID
from sortilin.sequences.record import Skipped
from sortilin.sequences.seen_ids import SeenIds
from sortilin.summary import summary_of
from sortilin.vectors import VectorRow
from sortilin.vectors._parquet import rows_of
from sortilin.vectors.exchange import write_vectors

_DUPLICATE = re.compile(re.escape(DUPLICATE_ID).replace(re.escape("{}"), r"\d+"))


@dataclass(slots=True)
class FinishedRun:
    """A run all parts of which are done.

    Attributes:
        description: What it is.
        parts: What was noted of each part, in order, and the folder that has its results.
        addresses: The folders.
    """

    description: RunDescription
    parts: Sequence[tuple[Done, RunFolder]]
    addresses: Sequence[str]

    @property
    def on_error(self) -> str:
        """The policy for faulty records."""
        return self.description.on_error

    @property
    def n_failed(self) -> int:
        """Records that the model could not read; they are listed whatever the policy is."""
        return sum(done.n_failed for done, _ in self.parts)


def finished(addresses: Sequence[str], *, on_error: str | None = None) -> FinishedRun:
    """The run that one folder holds, or several folders together.

    Args:
        addresses: The folders.
        on_error: The policy for ids that several records have; None for the run's own.

    Raises:
        ConfigError: A folder holds no run, or another one; parts are missing.
    """
    folders = [RunFolder(address) for address in addresses]
    first: RunDescription | None = None
    found: dict[int, tuple[Done, RunFolder]] = {}
    for folder in folders:
        description = folder.description()
        if description is None:
            raise ConfigError(f"{folder.address} holds no run.json: it is no folder of a run in parts")
        first = first or description
        differences = first.differences(description)
        differences += [f"its shard {name} is another one" for name, _ in first.changed_shards(description)]
        if differences:
            raise ConfigError(
                f"{folder.address} holds another run than {folders[0].address}: {'; '.join(differences)}"
            )
        for number, done in folder.all_done(description.n_parts).items():
            found.setdefault(number, (done, folder))
    assert first is not None
    first = replace(first, on_error=on_error or first.on_error)
    missing = [number for number in range(first.n_parts) if number not in found]
    if missing:
        raise ConfigError(
            f"{', '.join(addresses)}: {len(missing):,} of {first.n_parts:,} parts are not done "
            f"({named(list(map(str, missing)))}); "
            f"run the same `sortilin {first.kind}` again: it does only these"
        )
    return FinishedRun(first, [found[number] for number in range(first.n_parts)], addresses)


@dataclass(slots=True)
class _Numbering:
    """Rows of parts as rows of a whole: ids of unnamed records, duplicate ids, numbers of those left out.

    Attributes:
        report: What was changed and left out in all.
        offset: Records in the parts before.
    """

    run: FinishedRun
    log: SkippedLog
    report: ReadReport = field(default_factory=ReadReport)
    offset: int = 0

    def part(self, done: Done, seen: SeenIds, ids: Iterator[str]) -> Iterator[tuple[str, bool]]:
        """The id of each row of a part in the whole, and whether the row is kept."""
        waiting = deque(done.skipped)
        unnamed = done.unnamed if isinstance(done.unnamed, bool) else set(done.unnamed)
        number = 0
        for own_id in ids:
            number += 1
            while waiting and waiting[0][0] == number:
                self._leave_out(waiting.popleft(), unnamed, done, seen)
                number += 1
            new_id = self._id(own_id, number, unnamed)
            earlier = seen.add(new_id, self.offset + number)
            if earlier is not None:
                self._leave_out_duplicate(number, escape_controls(new_id), earlier, done)
            yield new_id, earlier is None
        for one in waiting:
            self._leave_out(one, unnamed, done, seen)
        self._count(done)

    def _id(self, own_id: str, number: int, unnamed: set[int] | bool) -> str:
        """A record that was named by its place in the part is named by that in the whole."""
        is_unnamed = unnamed if isinstance(unnamed, bool) else number in unnamed
        return f"seq{self.offset + number}" if is_unnamed else own_id

    def _leave_out(
        self, one: tuple[int, str, str], unnamed: set[int] | bool, done: Done, seen: SeenIds
    ) -> None:
        number, own_id, reason = one
        own_id = self._id(own_id, number, unnamed)
        if _DUPLICATE.fullmatch(reason):
            earlier = seen.add(own_id, self.offset + number)
            self._leave_out_duplicate(number, own_id, earlier or self.offset + number, done)
        else:
            self._note(number, own_id, reason)

    def _leave_out_duplicate(self, number: int, own_id: str, earlier: int, done: Done) -> None:
        reason, source = DUPLICATE_ID.format(earlier), self.run.description.source
        if self.run.on_error == "fail":
            raise DuplicateIdError(
                f'{source}, record {self.offset + number} ("{own_id}", in {done.shard}) {reason}. With '
                "--on-error skip it is left out and listed"
            )
        self._note(number, own_id, reason)

    def _note(self, number: int, own_id: str, reason: str) -> None:
        self.log.add(self.offset + number, own_id, reason)
        self.report.skip(Skipped(self.offset + number, own_id, reason, self.run.description.source))

    def _count(self, done: Done) -> None:
        self.report.n_records += done.n_records
        self.report.n_unnamed += done.counts["unnamed"]["told"]
        self.report.changes.update(done.counts["changes"])
        self.report.records_changed.update(done.counts["records_changed"])
        self.offset += done.n_records


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
        rows = _Predictions(run, _Numbering(run, log), seen)
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

    def __init__(self, run: FinishedRun, numbering: _Numbering, seen: SeenIds) -> None:
        self._run, self._numbering, self._seen = run, numbering, seen
        self._counts: Counter[str] = Counter()
        self._flags: Counter[str] = Counter()

    def by_part(self) -> Iterator[Iterator[list[Prediction]]]:
        """For each part, its batches."""
        for done, folder in self._run.parts:
            yield self._part(done, folder)
            self._flags.update(done.counts["flags"])

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
        for new_id, is_kept in self._numbering.part(done, self._seen, ids()):
            one = waiting.pop()
            if is_kept:
                self._counts[one.label] += 1
                kept.append(one if one.id == new_id else replace(one, id=new_id))
            if len(kept) == 4_096:
                yield kept
                kept = []
        yield kept

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
            n_shortened=self._flags["shortened"],
        )
        n_far = self._flags["far"] if notes["tells_far"] else None
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

    Args:
        run: All its parts are done.
        path: The file; its ending chooses the format.
        on_progress: Called with parts written, and how many there are.

    Raises:
        DuplicateIdError: Two records share an id, and the run is to fail at faulty records.
        InputError: No record has a vector, or a part is not as it was written.
        OutputError: The file cannot be written; an older one is untouched.
    """
    policy = policies.parse(run.description.about["length_policy"])
    with SkippedLog(path) as log, FlagLog(path) as flags, SeenIds() as seen:
        numbering = _Numbering(run, log)
        if not any(done.n_rows for done, _ in run.parts):
            numbering.report.n_records = sum(done.n_records for done, _ in run.parts)
            _check_any(numbering.report, run.description.source, "embedded")

        def rows() -> Iterator[VectorRow]:
            for row in _vectors(run, numbering, seen, on_progress):
                if flag := policy.flag(len(row.sequence)):
                    flags.add(row.id, len(row.sequence), flag)
                yield row

        return write_vectors(path, rows(), description=run.description.notes["description"])


def _vectors(
    run: FinishedRun, numbering: _Numbering, seen: SeenIds, on_progress: OnProgress
) -> Iterator[VectorRow]:
    for at, (done, folder) in enumerate(run.parts, 1):
        waiting: list[VectorRow] = []
        with _here(folder.checked_file(done) if done.n_rows else None) as local:

            def ids(local: Path | None = local, waiting: list[VectorRow] = waiting) -> Iterator[str]:
                for row in rows_of(local) if local is not None else ():
                    waiting.append(row)
                    yield row.id

            for new_id, is_kept in numbering.part(done, seen, ids()):
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
