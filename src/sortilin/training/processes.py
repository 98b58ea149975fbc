"""What several processes that train one model tell each other.

It travels over a gloo group of their own, on the processor: there it disturbs no device, takes any kind of
value, and may wait for hours where the first process has something to do alone.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")

PATIENCE = timedelta(days=30)
"""How long one process waits for a word of another. Whoever dies closes its connections, which is noticed at
once; this is for a first process that measures, searches or writes."""

FIRST = 0
"""Number of the process that reads, writes and decides."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Stands for a tensor, which travels by itself."""

    shape: tuple[int, ...]
    dtype: torch.dtype


class Processes:
    """The processes of a training, as one of them sees them; alone, every method gives back what it is given.

    Every process has to call the same methods in the same order.

    Attributes:
        index: Number of this process, from 0.
        n: How many there are.
    """

    def __init__(self, index: int = FIRST, n: int = 1, group: Any = None) -> None:
        self.index, self.n, self._group = index, n, group

    @property
    def is_first(self) -> bool:
        """Whether this process reads, writes and decides."""
        return self.index == FIRST

    def from_first(self, value: T) -> T:
        """What the first process gives, in all of them; tensors may be anywhere, and arrive on the CPU."""
        if self.n == 1:
            return value
        tensors: list[Tensor] = []
        frame = [_emptied(value, tensors) if self.is_first else None]
        distributed.broadcast_object_list(frame, src=FIRST, group=self._group)
        return self._filled(frame[0], iter(tensors))  # type: ignore[no-any-return]

    def _filled(self, frame: Any, tensors: Any) -> Any:
        if isinstance(frame, _Place):
            tensor = next(tensors) if self.is_first else torch.empty(frame.shape, dtype=frame.dtype)
            tensor = tensor.detach().cpu().contiguous()
            # As bytes: gloo does not know every kind of number.
            distributed.broadcast(tensor.reshape(-1).view(torch.uint8), src=FIRST, group=self._group)
            return tensor
        if isinstance(frame, Mapping):
            return {key: self._filled(inner, tensors) for key, inner in frame.items()}
        if isinstance(frame, (list, tuple)):
            return type(frame)(self._filled(inner, tensors) for inner in frame)
        return frame

    def align(self, tensors: Iterable[Tensor]) -> None:
        """Give tensors, in place, the values that they have in the first process."""
        if self.n == 1:
            return
        found = list(tensors)
        for tensor, value in zip(found, self.from_first(found), strict=True):
            tensor.copy_(value)

    def summed(self, values: Sequence[float]) -> list[float]:
        """Sums over the processes, of as many numbers in each."""
        if self.n == 1:
            return list(values)
        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums, group=self._group)
        return [float(value) for value in sums]

    def gathered(self, parts: list[T]) -> list[T]:
        """The parts of all processes, in their order, in each of them."""
        if self.n == 1:
            return parts
        found: list[list[T]] = [[] for _ in range(self.n)]
        distributed.all_gather_object(found, parts, group=self._group)
        return [part for its in found for part in its]


def _emptied(value: Any, tensors: list[Tensor]) -> Any:
    """The same with a place for each tensor, which is put into the list."""
    if isinstance(value, Tensor):
        tensors.append(value)
        return _Place(tuple(value.shape), value.dtype)
    if isinstance(value, Mapping):
        return {key: _emptied(inner, tensors) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_emptied(inner, tensors) for inner in value)
    return value


def current() -> Processes:
    """The processes that this one was started with; a single one where a launcher started no more."""
    if not distributed.is_available() or not distributed.is_initialized():
        return Processes()
    n = distributed.get_world_size()
    return Processes() if n == 1 else _of(n, distributed.group.WORLD)


def forget() -> None:
    """Let go of the group, before the processes part."""
    _of.cache_clear()


@functools.cache
def _of(n: int, _world: Any) -> Processes:
    """Once for each start of the processes: a group costs connections."""
    group = distributed.new_group(backend="gloo", timeout=PATIENCE)
    return Processes(distributed.get_rank(), n, group)
