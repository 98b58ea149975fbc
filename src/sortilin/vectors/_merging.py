"""Many small parts into few large ones, without the copies of sequences that stand in several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.vectors._index import KeyIndex
from sortilin.vectors._part import Part
from sortilin.vectors._writing import write_part
from sortilin.vectors.kind import VectorArray

SMALL_BYTES = 64 << 20
MOST_BYTES = 256 << 20
"""Parts below the first size are merged, up to the second; so much room is needed for a moment."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that become one.

    Attributes:
        parts: In the order in which they count.
        kept: Of each, the rows that stay.
    """

    parts: tuple[Part, ...]
    kept: tuple[NDArray[np.int64], ...]

    @property
    def is_worthwhile(self) -> bool:
        """Whether something goes."""
        return len(self.parts) > 1 or len(self.kept[0]) < self.parts[0].n

    def reason(self, part: Part) -> str:
        """Why a part goes, in words."""
        n_copies = part.n - len(self.kept[self.parts.index(part)])
        if n_copies == part.n:
            return "all its sequences stand in other parts too"
        copies = f", without {n_copies:,} sequences that stand in other parts too" if n_copies else ""
        return f"merged into a larger part{copies}" if len(self.parts) > 1 else f"written again{copies}"


def index_of(parts: Sequence[Part]) -> KeyIndex:
    """The keys of parts."""
    index = KeyIndex()
    for number, part in enumerate(parts):
        with suppress(FileNotFoundError):  # merged into another one meanwhile
            index.add(number, part.keys())
    return index


def plan(parts: Sequence[Part]) -> list[Group]:
    """The parts that are worth merging, in groups of limited size."""
    index = KeyIndex()
    groups: list[list[tuple[Part, NDArray[np.int64]]]] = [[]]
    n_bytes = 0
    for number, part in enumerate(parts):
        kept = np.flatnonzero(index.add(number, part.keys()))
        if len(kept) == part.n and part.n_bytes >= SMALL_BYTES:
            continue
        size = part.n_bytes * len(kept) // part.n
        if groups[-1] and n_bytes + size > MOST_BYTES:
            groups.append([])
            n_bytes = 0
        groups[-1].append((part, kept))
        n_bytes += size
    made = [Group(*map(tuple, zip(*group, strict=True))) for group in groups if group]
    return [group for group in made if group.is_worthwhile]


def merge(group: Group) -> None:
    """Write one part of a group's rows, as old as the newest of the parts, which themselves are left.

    Raises:
        FileNotFoundError: A part was removed.
        StoreError: A part is damaged.
        OutputError: The new one cannot be written.
    """
    keys = np.concatenate([part.keys()[kept] for part, kept in zip(group.parts, group.kept, strict=True)])
    if not len(keys):
        return
    lengths = [
        length
        for part, kept in zip(group.parts, group.kept, strict=True)
        for length in part.lengths()[kept].tolist()
    ]
    kind, folder = group.parts[0].kind, group.parts[0].path.parent
    newest_ns = max(part.path.stat().st_mtime_ns for part in group.parts)
    write_part(folder, kind, keys, lengths, _vectors(group), modified_ns=newest_ns)


def _vectors(group: Group) -> Iterator[VectorArray]:
    for part, kept in zip(group.parts, group.kept, strict=True):
        content = part.map()
        for row in kept.tolist():
            yield part.vectors(content, row)
