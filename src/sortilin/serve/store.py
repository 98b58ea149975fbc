"""Jobs on disk: what was accepted, how far it is, and what came of it.

    DATA/jobs/ab/abcdef.../
        job.json        what was asked for; written once, before anything is promised
        input.fasta.gz  the cleaned sequences
        state.json      waiting, running, done, failed; replaced as a whole
        result.db       the rows, there only when all of them are
        lease           held by whoever runs the job, for as long as its process lives

A job is accepted when `job.json` is in its place. The queue only says that there is work: what it forgets is
found again here. A job's name is 128 random bits, which is all that protects it.
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sortilin import files
from sortilin.errors import OutputError, SortilinError
from sortilin.locks import FileLock
from sortilin.sequences import SequenceRecord

Status = Literal["waiting", "running", "done", "failed"]
Clock = Callable[[], float]

NAME_BYTES = 16
_NAME = re.compile(r"[A-Za-z0-9_-]{22}")
JOB, STATE, INPUT, RESULT, LEASE = "job.json", "state.json", "input.fasta.gz", "result.db", "lease"


class NoSuchJobError(SortilinError):
    """There is no job of that name: it never was, has expired, or was deleted."""


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked for.

    Attributes:
        name: Its private name, the last part of its link.
        model: Name of the model.
        checksum: The model's checksum when the job was accepted.
        classes: Classes of the model, in order.
        n: Sequences.
        n_residues: Residues.
        created: When it was accepted, seconds since 1970.
        expires: When it is deleted.
        client: Who asked, as a hash that lasts as long as the server's process.
        title: What the visitor calls it.
        source: Name of the uploaded file; empty for pasted text.
        changes: What reading changed: key as in flags → letters.
        warnings: What reading says of the input.
        skipped: Records left out: number, id, reason.
    """

    name: str
    model: str
    checksum: str
    classes: tuple[str, ...]
    n: int
    n_residues: int
    created: float
    expires: float
    client: str = ""
    title: str = ""
    source: str = ""
    changes: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    skipped: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is.

    Attributes:
        status: waiting, running, done or failed.
        n_done: Sequences predicted.
        message: What a visitor should know of it.
        started: When it was last begun.
        finished: When it ended.
        attempts: How often it was begun.
        retry_at: Not to be begun again before.
    """

    status: Status = "waiting"
    n_done: int = 0
    message: str = ""
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    retry_at: float = 0.0


class JobStore:
    """The jobs of one data folder; several processes may use it at once.

    Args:
        folder: Where jobs are kept.
        clock: The time, seconds since 1970.
    """

    def __init__(self, folder: Path, clock: Clock = time.time) -> None:
        self.folder, self.clock = folder, clock

    def create(
        self,
        job: Job,
        records: Sequence[SequenceRecord],
        *,
        state: State | None = None,
        fill: Callable[[Path], None] | None = None,
    ) -> Job:
        """Accept a job: when this returns, it is on disk.

        Args:
            job: What was asked for.
            records: Its sequences.
            state: How far it is; waiting by default.
            fill: Writes the result at a path, of a job that is done when it is accepted.

        Raises:
            OutputError: There is no room, or the folder cannot be written; nothing of it is left.
        """
        path = self._path(job.name)
        partial = self.folder / f".new-{uuid.uuid4().hex}"
        try:
            partial.mkdir(parents=True)
            with gzip.open(partial / INPUT, "wt", compresslevel=1, encoding="utf-8") as stream:
                for record in records:
                    stream.write(json.dumps([record.id, record.sequence, record.flags]) + "\n")
            if fill is not None:
                fill(partial / RESULT)
            files.replace(partial / STATE, _bytes(state or State()))
            files.replace(partial / JOB, _bytes(job))
            path.parent.mkdir(exist_ok=True)
            partial.rename(path)
        except OSError as error:
            raise OutputError(f"the job cannot be kept: {error.strerror or error}") from None
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return job

    def new_name(self) -> str:
        """128 random bits, as they stand in a link."""
        return secrets.token_urlsafe(NAME_BYTES)

    def job(self, name: str) -> Job:
        """What was asked for.

        Raises:
            NoSuchJobError: There is no such job, or its time is over.
        """
        found = _read(self._path(name) / JOB)
        if found is None or found["expires"] <= self.clock():
            raise NoSuchJobError(
                f"there is no job '{name[:40]}': it was never here, has expired, or was deleted"
            )
        found["classes"] = tuple(found["classes"])
        found["warnings"], found["skipped"] = tuple(found["warnings"]), tuple(found["skipped"])
        return Job(**found)

    def state(self, name: str) -> State:
        """How far it is.

        Raises:
            NoSuchJobError: There is no such job.
        """
        found = _read(self._path(name) / STATE)
        if found is None:
            self.job(name)  # says so
            return State()
        return State(**found)

    def update(self, name: str, state: State) -> State:
        """Replace the state; only whoever holds the lease does.

        Raises:
            NoSuchJobError: The job was deleted.
            OutputError: It cannot be written.
        """
        folder = self._path(name)
        if not (folder / JOB).exists():
            raise NoSuchJobError(f"job '{name[:40]}' was deleted")
        files.replace(folder / STATE, _bytes(state))
        return state

    def records(self, name: str) -> Iterator[SequenceRecord]:
        """The sequences, one at a time.

        Raises:
            NoSuchJobError: There is no such job.
        """
        try:
            with gzip.open(self._path(name) / INPUT, "rt", encoding="utf-8") as stream:
                for line in stream:
                    record_id, sequence, flags = json.loads(line)
                    yield SequenceRecord(record_id, sequence, flags=tuple(flags))
        except FileNotFoundError:
            raise NoSuchJobError(f"job '{name[:40]}' was deleted") from None

    def result_path(self, name: str) -> Path:
        """Where the rows are, or will be."""
        return self._path(name) / RESULT

    def lease(self, name: str) -> FileLock:
        """The lock of whoever runs the job; the system lets go of it when that process ends.

        Raises:
            NoSuchJobError: There is no such job.
        """
        folder = self._path(name)
        if not folder.is_dir():
            raise NoSuchJobError(f"job '{name[:40]}' was deleted")
        return FileLock(folder / LEASE)

    def names(self) -> list[str]:
        """All jobs, whatever their state."""
        return [path.name for path in self.folder.glob("??/*") if _NAME.fullmatch(path.name)]

    def delete(self, name: str) -> None:
        """Remove a job with its sequences; a second call does nothing.

        Raises:
            NoSuchJobError: There is no such job.
        """
        path, gone = self._path(name), self.folder / f".gone-{uuid.uuid4().hex}"
        try:
            path.rename(gone)  # at once for everybody; the files may take longer
        except FileNotFoundError:
            raise NoSuchJobError(f"there is no job '{name[:40]}'") from None
        shutil.rmtree(gone, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what a killed process left: jobs that were never accepted, and deleted ones."""
        for path in [*self.folder.glob(".new-*"), *self.folder.glob(".gone-*")]:
            if time.time() - path.stat().st_mtime > 3_600:
                shutil.rmtree(path, ignore_errors=True)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise NoSuchJobError(f"'{name[:40]}' is no job's name")
        return self.folder / name[:2].lower() / name


def changed(state: State, **values: Any) -> State:
    """The state with other values."""
    return replace(state, **values)


def _bytes(value: Job | State) -> bytes:
    return json.dumps(asdict(value), ensure_ascii=False).encode()


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return content
