"""What a worker is told, and what it makes of a part."""

from __future__ import annotations

import hashlib
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self, cast

from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.places import Place
from sortilin.scale.plan import Part
from sortilin.sequences.policy import OnError


class Worker(Protocol):
    """Does parts; holds a model."""

    @property
    def on_error(self) -> OnError:
        """What becomes of a faulty record."""
        ...

    def about(self) -> Mapping[str, Any]:
        """What decides the results."""
        ...

    def notes(self) -> Mapping[str, Any]:
        """What is to be said of them."""
        ...

    def do(self, part: Part, place: Place) -> Done:
        """Write the results of a part, unless it has none, and say what was met.

        Raises:
            InputError: The part cannot be read, or a record is faulty where that is an error.
            OutputError: The results cannot be written.
        """
        ...


class Job(Protocol):
    """What all workers of a run are told; it is sent to other processes and machines.

    Attributes:
        kind: "predict" or "embed".
        uses_gpu: Whether a worker computes on a GPU where it is given one.
    """

    kind: str
    uses_gpu: bool

    def start(self) -> Worker:
        """A worker, with its model loaded."""
        ...

    def absolute(self) -> Self:
        """The same job for a process that runs in another folder."""
        ...


def do_part(worker: Worker, part: Part, folder: RunFolder) -> Done:
    """Do a part and note that it is done; one that is done already is left as it is.

    Raises:
        SortilinError: See `Worker.do`.
    """
    there = folder.done(part.number)
    if there is not None and there.is_valid(worker.on_error):
        return there
    started = time.monotonic()
    done = worker.do(part, folder.file_of(part.number))
    about = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "seconds": round(time.monotonic() - started, 3),
        "peak_bytes": peak_bytes(),
    }
    done = replace(done, worker=about)
    folder.finish(done)
    return done


def all_or_numbers(numbers: Sequence[int], n_records: int) -> Sequence[int] | bool:
    """Numbers of records; True where they are all, which saves a long list."""
    return True if numbers and len(numbers) == n_records else tuple(numbers)


def peak_bytes() -> int:
    """The most memory that this process has held, in bytes; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def sha256_of(place: Place) -> tuple[str, int]:
    """SHA-256 and size of a file."""
    with place.open() as stream:
        digest = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        return digest, stream.tell()
