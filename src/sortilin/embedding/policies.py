"""Length policies: which pieces of a sequence the model sees, and how their vectors are joined again.

Axis letters: L residues, D width.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, UnknownNameError

FloatArray = NDArray[np.float32]

WHOLE, HEAD_TAIL, WINDOWS = "whole", "head-tail", "windows"
_TEXT = re.compile(r"(?P<kind>[^:]+)(?::(?P<first>\d+),(?P<second>\d+))?")


class LengthPolicy(Protocol):
    """What becomes of a sequence before the model sees it.

    Attributes:
        name: With its numbers, as it is recorded.
        keeps_all: Whether every residue gets a vector.
    """

    keeps_all: ClassVar[bool]

    @property
    def name(self) -> str:
        """As it is recorded."""
        ...

    def pieces(self, sequence: str) -> list[str]:
        """What the model is given, in order; at least one piece."""
        ...

    def join(self, residues: Sequence[FloatArray], length: int) -> FloatArray:
        """(L_i, D) vectors of each piece of a sequence of `length` residues → (L, D) of those kept."""
        ...

    def flag(self, length: int) -> str:
        """What is done to so many residues ("shortened_to:2000", "windows:3"); "" for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Whole:
    """Every sequence as it is."""

    keeps_all: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """As it is recorded."""
        return WHOLE

    def pieces(self, sequence: str) -> list[str]:
        """The sequence."""
        return [sequence]

    def join(self, residues: Sequence[FloatArray], length: int) -> FloatArray:
        """The vectors of the only piece."""
        del length
        return residues[0]

    def flag(self, length: int) -> str:
        """Nothing is done."""
        del length
        return ""


@dataclass(frozen=True, slots=True)
class HeadTail:
    """The first and the last residues of a long sequence, as one piece.

    The localization benchmark's code (Li) keeps 1,900 and 100: what targets a protein mostly stands at its
    ends.
    """

    first: int = 1_900
    last: int = 100
    keeps_all: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.first < 0 or self.last < 0 or self.first + self.last < 1:
            raise ConfigError(f"length policy '{self.name}': at least one residue must be kept")

    @property
    def name(self) -> str:
        """As it is recorded."""
        return f"{HEAD_TAIL}:{self.first},{self.last}"

    def pieces(self, sequence: str) -> list[str]:
        """The sequence, without its middle if it is too long."""
        if not self.flag(len(sequence)):
            return [sequence]
        return [sequence[: self.first] + sequence[len(sequence) - self.last :]]

    def join(self, residues: Sequence[FloatArray], length: int) -> FloatArray:
        """The vectors of the residues that were kept."""
        del length
        return residues[0]

    def flag(self, length: int) -> str:
        """Whether the middle was left out."""
        kept = self.first + self.last
        return f"shortened_to:{kept}" if length > kept else ""


@dataclass(frozen=True, slots=True)
class Windows:
    """Overlapping pieces of a long sequence; a residue that stands in several gets their average.

    All windows are of one size; the last one ends with the sequence.
    """

    size: int = 1_000
    overlap: int = 200
    keeps_all: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.size:
            raise ConfigError(f"length policy '{self.name}': the overlap must be less than the size")

    @property
    def name(self) -> str:
        """As it is recorded."""
        return f"{WINDOWS}:{self.size},{self.overlap}"

    def starts(self, length: int) -> list[int]:
        """Where the windows of a sequence of so many residues begin."""
        last = max(length - self.size, 0)
        return [*range(0, last, self.size - self.overlap), last]

    def pieces(self, sequence: str) -> list[str]:
        """The windows, in order."""
        return [sequence[start : start + self.size] for start in self.starts(len(sequence))]

    def join(self, residues: Sequence[FloatArray], length: int) -> FloatArray:
        """(L, D): the average over the windows that a residue stands in."""
        if len(residues) == 1:
            return residues[0]
        total = np.zeros((length, residues[0].shape[1]), dtype=np.float64)
        n_windows = np.zeros((length, 1), dtype=np.float64)
        for start, vectors in zip(self.starts(length), residues, strict=True):
            total[start : start + self.size] += vectors
            n_windows[start : start + self.size] += 1
        return (total / n_windows).astype(np.float32)

    def flag(self, length: int) -> str:
        """How many windows there are, if more than one."""
        n_windows = len(self.starts(length))
        return f"{WINDOWS}:{n_windows}" if n_windows > 1 else ""


_POLICIES: dict[str, type[HeadTail] | type[Windows]] = {HEAD_TAIL: HeadTail, WINDOWS: Windows}


def parse(text: str) -> LengthPolicy:
    """The policy of a name, with or without its two numbers ("head-tail:1900,100").

    Raises:
        UnknownNameError: There is no such policy.
        ConfigError: The numbers are not two, or not allowed.
    """
    kind, _, numbers = text.partition(":")
    if kind not in (WHOLE, *_POLICIES):
        raise UnknownNameError("length policy", kind, (WHOLE, *_POLICIES))
    match = _TEXT.fullmatch(text)
    if match is None or (kind == WHOLE and numbers):
        raise ConfigError(
            f"length policy '{text}' cannot be read; allowed: {WHOLE}, {HEAD_TAIL}:FIRST,LAST, "
            f"{WINDOWS}:SIZE,OVERLAP"
        )
    if kind == WHOLE:
        return Whole()
    given = () if match["first"] is None else (int(match["first"]), int(match["second"]))
    return _POLICIES[kind](*given)
