"""Rows of parts as rows of a whole: ids of unnamed records, duplicate ids, numbers of those left out."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from sortilin.errors import DuplicateIdError, escape_controls
from sortilin.report import SkippedLog
from sortilin.scale.finished import FinishedRun
from sortilin.scale.folder import Done
from sortilin.sequences import ReadReport
from sortilin.sequences.policy import DUPLICATE_ID
from sortilin.sequences.record import Skipped
from sortilin.sequences.seen_ids import SeenIds

_DUPLICATE = re.compile(re.escape(DUPLICATE_ID).replace(re.escape("{}"), r"\d+"))


@dataclass(slots=True)
class Numbering:
    """Numbers and names the records of a run, part by part and in order.

    Attributes:
        run: All its parts are done.
        log: Told of each record that is left out.
        seen: The ids so far.
        report: What was left out in all; what was changed is for the caller to count.
        offset: Records in the parts before.
    """

    run: FinishedRun
    log: SkippedLog
    seen: SeenIds
    report: ReadReport = field(default_factory=ReadReport)
    offset: int = 0

    def rows(self, done: Done, ids: Iterator[str]) -> Iterator[tuple[str, bool]]:
        """The id of each row of a part in the whole, and whether the row is kept."""
        part = _Part(done)
        waiting = deque(done.skipped)
        number = 0
        for own_id in ids:
            number += 1
            while waiting and waiting[0][0] == number:
                self._leave_out(part, *waiting.popleft())
                number += 1
            new_id = self._id(part, number, own_id)
            earlier = self.seen.add(new_id, self.offset + number)
            if earlier is not None:
                self._leave_out_duplicate(part, number, escape_controls(new_id), earlier)
            yield new_id, earlier is None
        for one in waiting:
            self._leave_out(part, *one)
        self.report.n_records += done.n_records
        self.report.n_unnamed += done.counts["unnamed"]["told"]
        self.offset += done.n_records

    def _id(self, part: _Part, number: int, own_id: str) -> str:
        """A record without an id is named by its place in the whole."""
        return f"seq{self.offset + number}" if part.is_unnamed(number) else own_id

    def _leave_out(self, part: _Part, number: int, own_id: str, reason: str) -> None:
        """One that was left out before: by the model, which takes its id, as a duplicate, or as faulty."""
        own_id = self._id(part, number, own_id)
        is_duplicate = _DUPLICATE.fullmatch(reason) is not None
        if is_duplicate or number in part.failed:
            earlier = self.seen.add(own_id, self.offset + number)
            if earlier is not None:
                self._leave_out_duplicate(part, number, own_id, earlier)
                return
        self._note(number, own_id, reason)

    def _leave_out_duplicate(self, part: _Part, number: int, own_id: str, earlier: int) -> None:
        reason, source = DUPLICATE_ID.format(earlier), self.run.description.source
        if self.run.on_error == "fail":
            raise DuplicateIdError(
                f'{source}, record {self.offset + number} ("{own_id}", in {part.done.shard}) {reason}. With '
                "--on-error skip it is left out and listed"
            )
        if part.is_unnamed(number) and part.done.counts["unnamed"]["told"]:
            self.report.n_unnamed -= 1
        self._note(number, own_id, reason)

    def _note(self, number: int, own_id: str, reason: str) -> None:
        self.log.add(self.offset + number, own_id, reason)
        self.report.skip(Skipped(self.offset + number, own_id, reason, self.run.description.source))


class _Part:
    """What was noted of a part, to be looked up by number."""

    def __init__(self, done: Done) -> None:
        self.done, self.failed = done, frozenset(done.failed)
        self._all_unnamed = done.unnamed is True
        self._unnamed = frozenset(() if isinstance(done.unnamed, bool) else done.unnamed)

    def is_unnamed(self, number: int) -> bool:
        return self._all_unnamed or number in self._unnamed
