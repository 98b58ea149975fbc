"""The stretches of a sequence that speak most for a class.

Axis letters: L residues.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sortilin.interfaces import DoubleArray

MOST = 3


@dataclass(frozen=True, slots=True)
class Stretch:
    """Residues side by side.

    Attributes:
        start: First residue, from 0.
        end: The residue behind the last one.
        total: Sum of their values.
    """

    start: int
    end: int
    total: float


def strongest(values: DoubleArray, most: int = MOST) -> list[Stretch]:
    """Stretches with more than the mean absolute value a residue, the largest excess first.

    Each is the stretch with the largest sum of (value - mean absolute value) among what is left (Kadane's
    algorithm; Bentley 1984, doi:10.1145/358234.381162).

    Args:
        values: (L,); NaN ends a stretch.
        most: Stretches at most.
    """
    seen = np.isfinite(values)
    if not seen.any():
        return []
    excess = np.where(seen, values - np.abs(values[seen]).mean(), -np.inf)
    found: list[Stretch] = []
    while len(found) < most:
        total, start, end = _largest(excess)
        if not total > 0:
            break
        found.append(Stretch(start, end, float(values[start:end].sum())))
        excess[start:end] = -np.inf
    return found


def _largest(excess: DoubleArray) -> tuple[float, int, int]:
    best, place, running, begin = 0.0, (0, 0), 0.0, 0
    for at, value in enumerate(excess.tolist()):
        running += value
        if running <= 0:
            running, begin = 0.0, at + 1
        elif running > best:
            best, place = running, (begin, at + 1)
    return best, *place
