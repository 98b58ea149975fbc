"""What the writer of every format takes and does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sortilin.vectors.kind import VectorArray

FORMAT, FORMAT_VERSION = "sortilin-vectors", "1"
DESCRIPTION = "sortilin.vectors"
"""Name of the description where a format has a place for named texts."""


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A sequence with its vector.

    Attributes:
        id: Its id; ids may repeat.
        sequence: The cleaned sequence.
        vector: (D,), or (L, D) for vectors of residues; finite; float32 or float16.
    """

    id: str
    sequence: str
    vector: VectorArray


class Writer(Protocol):
    """One format; made with the path of a file and its description. All rows have one width."""

    def add(self, row: VectorRow) -> None:
        """Write a row, or keep it with a few others until they are written."""
        ...

    def finish(self) -> None:
        """Write what stands at the end, and close the file."""
        ...

    def abandon(self) -> None:
        """Close the file as far as it got."""
        ...
