"""Records that reading or a model leaves out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sortilin.errors import InputError, escape_controls
from sortilin.sequences.record import ReadReport, SequenceRecord, Skipped, counted


class LeftOut:
    """Records that reading or the model leaves out, each told once and in the order of the source.

    Reading is ahead of the model, and by more with more threads. What reading leaves out waits until the
    records before it are done, so that a list does not depend on the number of threads.

    Attributes:
        tell: Called with each of them.
        failed: Numbers of those that the model could not read.
    """

    def __init__(self, report: ReadReport, source: str) -> None:
        self._report, self._source = report, source
        self._number_of: dict[str, int] = {}  # id → number in the source, of records that are not done
        self._waiting: list[Skipped] = []
        report.on_skip = self._note
        self.tell: Callable[[Skipped], None] = lambda _: None
        self.failed: list[int] = []

    def read(self, records: Iterable[SequenceRecord]) -> Iterator[SequenceRecord]:
        """The records, as they are drawn from the source; their ids differ."""
        for record in records:
            self._number_of[record.id] = self._report.n_records
            yield record

    def add(self, record: SequenceRecord, reason: str) -> None:
        """Note a record that the model cannot read."""
        number, source = self._number_of.pop(record.id), escape_controls(self._source)
        self.failed.append(number)
        skipped = Skipped(number, escape_controls(record.id), escape_controls(reason), source)
        self._report.take_back(record, skipped)

    def done(self, ids: Iterable[str]) -> None:
        """Note records that are predicted, all before them being predicted or left out."""
        for record_id in ids:
            del self._number_of[record_id]
        self._tell_before(next(iter(self._number_of.values()), None))

    def end(self) -> None:
        """Note that nothing comes any more.

        Raises:
            InputError: The model could read none of the records.
        """
        self._tell_before(None)
        if not self._report.n_kept and self._report.skipped:
            first = self._report.skipped[0]
            raise InputError(
                f"{escape_controls(self._source)}: none of its "
                f"{counted(self._report.n_records, 'record')} can be predicted; record {first.record} "
                f'("{first.id}"): {first.reason}'
            )

    def _note(self, skipped: Skipped) -> None:
        self._waiting.append(skipped)
        if not self._number_of:  # nothing stands before it that is not done
            self._tell_before(None)

    def _tell_before(self, number: int | None) -> None:
        """Tell what stands before a record; all, without one."""
        waiting = sorted(self._waiting, key=lambda skipped: skipped.record)
        is_due = [number is None or skipped.record < number for skipped in waiting]
        self._waiting[:] = [skipped for skipped, due in zip(waiting, is_due, strict=True) if not due]
        for skipped, due in zip(waiting, is_due, strict=True):
            if due:
                self.tell(skipped)
