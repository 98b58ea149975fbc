"""Several threads over one stream: order, look-ahead, errors, and that every thread ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from sortilin.pool import LOOK_AHEAD, map_in_order

THREADS = [1, 2, 4]

with_threads = pytest.mark.parametrize("threads", THREADS)


def n_workers() -> int:
    return sum(thread.name.startswith("sortilin") for thread in threading.enumerate())


def numbers(n: int, drawn: list[int], *, fault: Exception | None = None) -> Iterator[int]:
    for number in range(n):
        drawn.append(number)
        yield number
    if fault is not None:
        raise fault


def collect(stream: Iterator[int], found: list[int]) -> None:
    """What comes before a fault is kept."""
    for number in stream:
        found.append(number)  # noqa: PERF402


@with_threads
@pytest.mark.parametrize("n", [0, 1, 2, 3, 50])
def test_results_stand_in_the_order_of_the_items(n: int, threads: int) -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.01 if number % 5 == 0 else 0)
        return number * number

    found = list(map_in_order(slow_at_first, range(n), threads=threads))
    assert found == [number * number for number in range(n)]
    assert n_workers() == 0


@pytest.mark.parametrize("threads", [2, 4])
def test_so_many_items_are_worked_on_at_a_time(threads: int) -> None:
    together = threading.Barrier(threads)

    def wait(_number: int) -> int:
        return together.wait(timeout=20)  # breaks if one worked alone

    found = list(map_in_order(wait, range(3 * threads), threads=threads))
    assert sorted(found) == sorted(list(range(threads)) * 3)


@with_threads
def test_no_more_is_drawn_than_the_look_ahead(threads: int) -> None:
    drawn: list[int] = []
    stream = map_in_order(abs, numbers(1000, drawn), threads=threads)
    assert drawn == []
    for given in range(1, 20):
        next(stream)
        assert len(drawn) <= given - 1 + LOOK_AHEAD * threads
    list(stream)
    assert len(drawn) == 1000


@pytest.mark.parametrize("n", [0, 1])
def test_single_item_needs_no_thread(n: int) -> None:
    found = map_in_order(lambda _: threading.current_thread(), range(n), threads=4)
    assert list(found) == [threading.current_thread()] * n


def test_items_are_drawn_in_the_thread_of_the_caller() -> None:
    drawn_in: set[threading.Thread] = set()

    def items() -> Iterator[int]:
        for number in range(30):
            drawn_in.add(threading.current_thread())
            yield number

    list(map_in_order(abs, items(), threads=3))
    assert drawn_in == {threading.current_thread()}


@with_threads
@pytest.mark.parametrize("n", [0, 1, 2, 7, 40])
def test_fault_of_the_items_comes_behind_the_results_before_it(n: int, threads: int) -> None:
    fault = ValueError("record 41 is damaged")
    stream = map_in_order(abs, numbers(n, [], fault=fault), threads=threads)
    found: list[int] = []
    with pytest.raises(ValueError, match=r"^record 41 is damaged$") as caught:
        collect(stream, found)
    assert caught.value is fault
    assert n_workers() == 0


@with_threads
@pytest.mark.parametrize("place", [0, 1, 6, 39])
def test_fault_of_the_work_is_raised_as_it_is(place: int, threads: int) -> None:
    fault, found = KeyError("no such residue"), list[int]()

    def work(number: int) -> int:
        if number == place:
            raise fault
        return number

    with pytest.raises(KeyError) as caught:
        collect(map_in_order(work, range(40), threads=threads), found)
    assert caught.value is fault
    assert found == list(range(place))
    assert n_workers() == 0


@pytest.mark.parametrize("threads", [2, 4])
def test_first_fault_in_the_order_of_the_items_is_raised(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"^0$"):
        list(map_in_order(work, range(9), threads=threads))


@pytest.mark.parametrize("threads", [2, 4])
def test_abandoned_stream_ends_its_threads_and_works_no_further(threads: int) -> None:
    worked: list[int] = []

    def work(number: int) -> int:
        worked.append(number)
        time.sleep(0.005)
        return number

    stream = map_in_order(work, range(1000), threads=threads)
    assert next(stream) == 0
    assert n_workers() == threads
    stream.close()  # type: ignore[attr-defined]
    assert n_workers() == 0
    n_worked = len(worked)
    assert n_worked <= LOOK_AHEAD * threads
    time.sleep(0.03)
    assert len(worked) == n_worked


def test_stream_that_is_forgotten_ends_its_threads() -> None:
    next(map_in_order(abs, range(1000), threads=2))
    assert n_workers() == 0
