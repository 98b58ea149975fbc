"""Parts in this process, one after the other: what an array job does with its share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sortilin.errors import InputError
from sortilin.interfaces import OnProgress
from sortilin.scale.folder import Done, RunFolder
from sortilin.scale.jobs import Worker, do_part
from sortilin.scale.plan import Part


@dataclass(frozen=True, slots=True)
class Failure:
    """A part that could not be done, and why."""

    part: Part
    reason: str


OnFailure = Callable[[Failure], None]


@dataclass(frozen=True, slots=True)
class Share:
    """One of several array jobs: every n-th part.

    Attributes:
        number: From 1.
        of: How many there are.
    """

    number: int
    of: int

    def parts(self, parts: Sequence[Part]) -> list[Part]:
        """Its parts: neighbours go to different jobs, since an input is often in order of length."""
        return list(parts[self.number - 1 :: self.of])


def run(
    worker: Worker,
    parts: Iterable[Part],
    folder: RunFolder,
    *,
    on_failure: OnFailure,
    on_progress: OnProgress,
) -> dict[int, Done]:
    """Do parts one after the other; one that cannot be read is told, and the next one begun.

    Raises:
        SortilinError: What would be so for the next part too: the model is damaged, the disk is full.
    """
    parts = list(parts)
    done: dict[int, Done] = {}
    on_progress("parts", 0, len(parts))
    for at, part in enumerate(parts, 1):
        try:
            done[part.number] = do_part(worker, part, folder)
        except InputError as error:
            on_failure(Failure(part, str(error)))
        on_progress("parts", at, len(parts))
    return done
