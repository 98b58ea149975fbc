"""What the reader of every format gives: vectors by place, and what the file calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

AMBIGUOUS = -1
"""In place of a position: several vectors answer to that name."""

_DIGEST = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


class Source:
    """The vectors of an open file; a reader of a format overrides what its files can tell.

    Attributes:
        path: The file.
        names: What the file calls each of its N vectors, for messages.
        in_order: The file does not say whose its vectors are: they stand in the order of a table.
        description: What the file says of how they were made.
    """

    def __init__(self, path: Path, names: Sequence[str], *, in_order: bool = False) -> None:
        self.path, self.names, self.in_order = path, names, in_order
        self.description: Mapping[str, str] = {}

    def digests(self) -> Mapping[str, int]:
        """Digest of a sequence, in whichever way the file has it → place of its vector."""
        return {}

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        """Each place, with the ids or headers of the sequences that its vector belongs to."""
        return ((at, (name,)) for at, name in enumerate(self.names))

    def is_of_a_sequence(self, at: int) -> bool:  # noqa: ARG002 - what a reader may know
        """Whether the file says which sequence a vector belongs to, so that an id alone is not enough."""
        return False

    @cached_property
    def by_digest(self) -> Mapping[str, int]:
        """`digests`, kept for the next records that are matched."""
        return self.digests()

    @cached_property
    def by_id(self) -> Mapping[str, int]:
        """Id, header or its first word → place; `AMBIGUOUS` where several vectors answer to it."""
        places: dict[str, int] = {}
        for at, names in self.called():
            for name in names:
                for word in {name, *name.split(maxsplit=1)[:1]}:
                    places[word] = at if places.get(word, at) == at else AMBIGUOUS
        return places

    def read(self, at: int) -> NDArray[Any]:
        """The vector or vectors at a place, as the file has them.

        Raises:
            FormatError: They cannot be read, or are not of the layer or kind that was asked for.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file."""


class Rows(Source):
    """A matrix (N, D), one row a vector, with ids, sequences or neither."""

    def __init__(
        self,
        path: Path,
        matrix: NDArray[Any],
        *,
        ids: Sequence[str] | None = None,
        digests: Sequence[str] | None = None,
    ) -> None:
        names = ids or digests or [f"row {row + 1}" for row in range(len(matrix))]
        super().__init__(path, names, in_order=ids is None and digests is None)
        self.matrix, self._ids, self._digests = matrix, ids, digests

    def digests(self) -> Mapping[str, int]:
        """The sequences' keys, where there are sequences; the first row of each counts."""
        return first_places(self._digests or ())

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        """The ids, where there are any."""
        return ((at, (name,)) for at, name in enumerate(self._ids or ()))

    def is_of_a_sequence(self, at: int) -> bool:
        """Whether the file has sequences."""
        return bool(self._digests and self._digests[at])

    def read(self, at: int) -> NDArray[Any]:
        """(D,)."""
        return np.asarray(self.matrix[at])


class Beside(Source):
    """Vectors without names, with the ids and sequences of the table that they stand beside."""

    def __init__(self, source: Source, *, ids: Sequence[str] | None, digests: Sequence[str]) -> None:
        super().__init__(source.path, ids or digests)
        self.description = source.description
        self._source, self._ids, self._digests = source, ids, digests

    def digests(self) -> Mapping[str, int]:
        """The keys of the table's sequences; the first row of each counts."""
        return first_places(self._digests)

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        """The table's ids, where it has any."""
        return ((at, (name,)) for at, name in enumerate(self._ids or ()))

    def is_of_a_sequence(self, at: int) -> bool:
        """Whether the table's sequence is one."""
        return bool(self._digests[at])

    def read(self, at: int) -> NDArray[Any]:
        """As the file has them."""
        return self._source.read(at)

    def close(self) -> None:
        """Let go of the file."""
        self._source.close()


def first_places(digests: Iterable[str]) -> dict[str, int]:
    """Digest → its first place; "" stands for none."""
    places: dict[str, int] = {}
    for at, digest in enumerate(digests):
        if digest:
            places.setdefault(digest, at)
    return places


def is_digest(name: str) -> bool:
    """Whether a name looks like the MD5 or SHA-256 of a sequence."""
    return _DIGEST.fullmatch(name) is not None
