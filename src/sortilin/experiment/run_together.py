"""An experiment in several processes of a launcher: the first runs it, the others train along."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sortilin.training import launched

T = TypeVar("T")


def together(work: Callable[[], T]) -> tuple[T, str | None] | None:
    """Run some work in the first process, with the others at hand where a network is trained.

    Args:
        work: Loads, fits, measures, writes and speaks, as if there were one process.

    Returns:
        What the work gives, and in words what the other processes had to do (None without others); None in
        the other processes, which return when the work is done.

    Raises:
        TrainingError: Another process failed or was lost.
        SystemExit: In the other processes, when the work has failed.
    """
    n = launched.n_launched()
    if n == 1:
        return work(), None
    done = launched.run(work)
    if done is None:
        return None
    result, n_shared = done
    if not n_shared:
        return (
            result,
            f"{n} processes were started, and nothing here is trained by several: all but one waited",
        )
    return result, f"{n} processes shared {n_shared} training{'s' * (n_shared > 1)}"
