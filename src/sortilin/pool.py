"""Work on a stream in several threads: results in the order of the stream, and a bounded look-ahead."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LOOK_AHEAD = 2
"""Items a thread that are drawn and not yet given back: one in work, one behind it."""


def map_in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """The result of each item, in the order of the items.

    Items are drawn in the caller's thread, never more than `LOOK_AHEAD` a thread beyond the last result that
    was asked for. One thread, or a single item, needs no thread beside the caller's. An error of `items` or
    of `work` is raised as it is, behind the results of all items before it; whenever the iterator ends or is
    closed, its threads have ended too.

    Args:
        work: What is done with an item; called in several threads at a time.
        items: Any number of them.
        threads: How many items are worked on at a time, at least 1.
    """
    if threads == 1:
        yield from map(work, items)
        return
    source = _Source(items)
    first = source.take(2)
    if len(first) == 2:
        yield from _by_threads(work, first, source, threads)
    else:
        yield from map(work, first)
    source.raise_error()


class _Source(Generic[Item]):
    """Items, and the error that ended them, kept until its turn."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._error: Exception | None = None

    def take(self, n: int) -> list[Item]:
        """The next n items; fewer at the end."""
        taken: list[Item] = []
        try:
            while len(taken) < n and self._error is None:
                taken.append(next(self._items))
        except StopIteration:
            self._items = iter(())
        except Exception as error:  # noqa: BLE001 - raised again when the items before it are done
            self._error = error
        return taken

    def raise_error(self) -> None:
        if self._error is not None:
            raise self._error


def _by_threads(
    work: Callable[[Item], Result], first: list[Item], source: _Source[Item], threads: int
) -> Iterator[Result]:
    from concurrent.futures import ThreadPoolExecutor  # a file of one batch does without

    pool = ThreadPoolExecutor(threads, thread_name_prefix="sortilin")
    try:
        waiting = deque(pool.submit(work, item) for item in first)
        while waiting:
            n_free = threads * LOOK_AHEAD - len(waiting)
            waiting.extend(pool.submit(work, item) for item in source.take(n_free))
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
