"""Gradients along a straight path, with steps where they are needed.

The path is cut into pieces, each with four nodes of Gauss-Legendre quadrature. What a piece should sum to is
known: the difference of the function at its ends. Pieces that do not are halved, so that a steep place of the
path gets many steps and an even one few.

Axis letters: L residues, P points.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sortilin.interfaces import DoubleArray

NODES = 4
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(NODES)

SMALLEST = 1e-9
"""A change of the function that is no smaller is what errors are relative to."""


@dataclass(slots=True)
class _Piece:
    start: float
    end: float
    values: DoubleArray
    error: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


class Path:
    """The integral along one path, from 0 to 1.

    Args:
        n_pieces: To begin with.

    Attributes:
        heights: Place on the path → the function there.
        n_steps: Points at which a gradient was taken.
    """

    def __init__(self, n_pieces: int) -> None:
        bounds = [number / n_pieces for number in range(n_pieces + 1)]
        self._next = list(pairwise(bounds))
        self._new_ends = bounds
        self._pieces: list[_Piece] = []
        self.heights: dict[float, float] = {}
        self.n_steps = 0

    def wanted(self) -> list[float]:
        """(P,) places at which gradient and function are asked for next."""
        nodes = [(a + b) / 2 + (b - a) / 2 * node for a, b in self._next for node in _NODES.tolist()]
        return [*nodes, *self._new_ends]

    def take(self, products: DoubleArray, heights: DoubleArray) -> None:
        """What was asked for: (P, L) gradient times the step from 0 to 1, and (P,) the function."""
        self.n_steps += len(heights)
        ends = heights[NODES * len(self._next) :].tolist()
        self.heights.update(zip(self._new_ends, ends, strict=True))
        for number, (a, b) in enumerate(self._next):
            at_nodes = products[NODES * number : NODES * (number + 1)]
            values = (b - a) / 2 * (_WEIGHTS @ at_nodes)
            error = float(values.sum()) - (self.heights[b] - self.heights[a])
            self._pieces.append(_Piece(a, b, values, error))
        self._next, self._new_ends = [], []

    @property
    def values(self) -> DoubleArray:
        """(L,) the integral as far as it is known."""
        return np.asarray(np.sum([piece.values for piece in self._pieces], axis=0))

    @property
    def change(self) -> float:
        """The function at the end less that at the start."""
        return self.heights[1.0] - self.heights[0.0]

    @property
    def error(self) -> float:
        """How far the sum of the values is from the change, relative to that."""
        return abs(sum(piece.error for piece in self._pieces)) / max(abs(self.change), SMALLEST)

    def refine(self, tolerance: float, most_steps: int) -> bool:
        """Halve the pieces that hold half of what is off; False if all is right or no steps are left."""
        room = (most_steps - self.n_steps) // (2 * NODES + 1)
        if self.error <= tolerance or room < 1:
            return False
        worst = sorted(self._pieces, key=_by_error)
        left = np.cumsum([abs(piece.error) for piece in worst])
        n_worst = int(np.searchsorted(left, left[-1] / 2)) + 1
        off = worst[: min(n_worst, room)]
        for piece in off:
            self._pieces.remove(piece)
            self._next += [(piece.start, piece.middle), (piece.middle, piece.end)]
            self._new_ends.append(piece.middle)
        return True


def _by_error(piece: _Piece) -> tuple[float, float]:
    return -abs(piece.error), piece.start
