"""What a picture of an explanation is drawn from: plain values.

Axis letters: L residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sortilin.interfaces import DoubleArray

KNOWN, GIVEN = "known", "given"
"""Marks that a rule found, and marks that a file gave."""


@dataclass(frozen=True, slots=True)
class Track:
    """What one method says.

    Attributes:
        name: Of the method.
        values: (L,) above 0 speaks for the class; NaN where the model did not look.
        is_signed: Whether values below 0 may be; attention has none.
        unit: What the values are, for an axis.
    """

    name: str
    values: DoubleArray
    is_signed: bool
    unit: str = "log-odds"


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch with a name.

    Attributes:
        name: What it is.
        start: First residue, from 0.
        end: The residue behind the last one.
        kind: `KNOWN` or `GIVEN`.
    """

    name: str
    start: int
    end: int
    kind: str = KNOWN


@dataclass(frozen=True, slots=True)
class Shown:
    """A sequence and why it is what it is.

    Attributes:
        id: As read.
        sequence: Residues.
        label: The class in question.
        probability: Of that class.
        is_predicted: Whether it is the most probable class.
        tracks: One a method; the first colours the letters.
        marks: Known signals and given features, in any order.
        substitutions: (L, 20) change of the log-odds by each substitution, in `alphabet` order.
        alphabet: The 20 letters of `substitutions`.
    """

    id: str
    sequence: str
    label: str
    probability: float
    is_predicted: bool
    tracks: Sequence[Track]
    marks: Sequence[Mark] = ()
    substitutions: DoubleArray | None = None
    alphabet: str = ""
