"""The vectors of one kind: parts that are only ever added, and an index of their keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import MissingVectorError, StoreError
from sortilin.vectors._index import KeyIndex
from sortilin.vectors._maps import Maps
from sortilin.vectors._part import ENDING, PREFIX, Part, read_part
from sortilin.vectors._writing import write_part
from sortilin.vectors.kind import VectorArray, VectorKind, packed

_NAMED = 3
_Result = TypeVar("_Result")


class Shelf:
    """Vectors of one kind, by the key of their sequence.

    Several processes may append and read at once: a part appears whole, under a name of its own, and is
    never changed. Of a key that stands in several parts, the part that was written first counts.

    Args:
        folder: Where the parts lie; it need not exist.
        kind: What the vectors are.
        prepare: Called before a part is written, to make the folder.
    """

    def __init__(self, folder: Path, kind: VectorKind, *, prepare: Callable[[], None] | None = None) -> None:
        self.folder, self.kind = folder, kind
        self._prepare = prepare or (lambda: folder.mkdir(parents=True, exist_ok=True))
        self._lock = threading.RLock()
        self._forget()

    def __len__(self) -> int:
        """Distinct sequences, also those that other processes have added."""
        with self._lock:
            self._refresh()
            return len(self._index)

    def __contains__(self, key: str) -> bool:
        return bool(self.known([key])[0])

    def known(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """(N,) whether there is a vector of each key, also those that other processes have added.

        Raises:
            StoreError: A part is damaged; the message says how to mend that.
        """
        with self._lock:
            self._refresh()
            return self._index.find(packed(keys))[0] >= 0

    def append(self, keys: Sequence[str], vectors: Sequence[VectorArray] | VectorArray) -> None:
        """Add one part, whole or not at all. Keys that are there already are left as they are.

        Args:
            keys: N keys (`key_of`).
            vectors: (N, D), or N arrays of (D,); for vectors of residues N arrays of (L, D); of the kind's
                type.

        Raises:
            StoreError: A vector has another shape than the kind says, or holds a value that is not finite.
            OutputError: The part cannot be written; nothing of it is left.
        """
        if len(keys) != len(vectors):
            raise ValueError(f"{len(keys)} keys for {len(vectors)} vectors")
        with self._lock:
            packed_keys = packed(keys)
            rows = self._new(packed_keys)
            if not rows:
                return
            chosen = [self._checked(keys[row], vectors[row]) for row in rows]
            lengths = [len(values) for values in chosen] if self.kind.is_per_residue else [1] * len(chosen)
            self._prepare()
            write_part(self.folder, self.kind, packed_keys[rows], lengths, chosen)
            self._refresh()

    def get(self, keys: Sequence[str]) -> list[VectorArray]:
        """The vectors of each key, (D,) or (L, D) of the kind's type, in the order asked for.

        They are read-only views of mapped files: memory is taken as they are used, not before.

        Raises:
            MissingVectorError: There is none of some key.
            StoreError: A part is damaged; the message says how to mend that.
        """
        with self._lock:
            self._refresh()
            asked = packed(keys)
            return self._again_if_moved(lambda: self._get(keys, asked))

    def release(self) -> None:
        """Give back the memory of mapped files that no view is in use of; a stream is done with them."""
        with self._lock:
            self._maps.release()

    def parts(self) -> list[Part]:
        """The parts that are there, in the order in which they count.

        Raises:
            StoreError: A part is damaged; the message says how to mend that.
        """
        with self._lock:
            self._refresh()
            return list(self._parts)

    def _get(self, keys: Sequence[str], asked: NDArray[np.uint8]) -> list[VectorArray]:
        parts, rows = self._index.find(asked)
        missing = [keys[at] for at in np.flatnonzero(parts < 0).tolist()]
        if missing:
            named = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
            raise MissingVectorError(
                f"{self.folder} has no vector of {len(missing)} of {len(keys)} sequences: {named}"
            )
        found: list[VectorArray | None] = [None] * len(keys)
        for number in np.unique(parts).tolist():
            part = self._parts[number]
            content = self._maps.of(part)
            for at in np.flatnonzero(parts == number).tolist():
                found[at] = self._maps.lend(part, part.vectors(content, int(rows[at])))
        return [values for values in found if values is not None]

    def _new(self, keys: NDArray[np.uint8]) -> list[int]:
        """Rows of keys that are not there yet, each once."""
        self._refresh()
        is_new = self._index.find(keys)[0] < 0
        first: dict[bytes, int] = {}
        for row in np.flatnonzero(is_new).tolist():
            first.setdefault(keys[row].tobytes(), row)
        return list(first.values())

    def _checked(self, key: str, vector: VectorArray) -> VectorArray:
        values = np.asarray(vector)
        axes, shape = (2, "(L, {})") if self.kind.is_per_residue else (1, "({},)")
        if values.ndim != axes or values.shape[-1] != self.kind.width or not len(values):
            raise StoreError(
                f"the vector of {key} has shape {values.shape}; "
                f"{self.kind.folder_name} takes {shape.format(self.kind.width)}"
            )
        if values.dtype != self.kind.stored:
            raise StoreError(f"the vector of {key} is {values.dtype}; a store takes {self.kind.dtype}")
        if not np.isfinite(values).all():
            raise StoreError(f"the vector of {key} holds a value that is not finite; it is not stored")
        return values

    def _again_if_moved(self, look: Callable[[], _Result]) -> _Result:
        """Look up once more if a part was merged into another one meanwhile."""
        try:
            return look()
        except FileNotFoundError:
            self._forget()
            self._refresh()
            return look()

    def _forget(self) -> None:
        self._parts: list[Part] = []
        self._names: set[str] = set()
        self._index = KeyIndex()
        self._maps = Maps()

    def _refresh(self) -> None:
        """Take in the parts that were added since, by whichever process."""
        for _ in range(10):
            listed = part_names(self.folder)
            if not self._names <= set(listed):
                self._forget()
            try:
                for name in listed:
                    if name not in self._names:
                        self._take(read_part(self.folder / name))
            except FileNotFoundError:  # merged into another one between listing and reading
                continue
            return
        raise StoreError(f"{self.folder} is changed faster than it can be read")

    def _take(self, part: Part) -> None:
        if part.kind != self.kind:
            raise StoreError(
                f"{part.path} holds vectors of another kind, {part.kind.folder_name}; "
                "it does not belong here: move it away"
            )
        self._index.add(len(self._parts), part.keys())
        self._parts.append(part)
        self._names.add(part.path.name)


def part_names(folder: Path) -> list[str]:
    """File names of the parts in a shelf's folder, in the order in which they count.

    Raises:
        StoreError: The folder cannot be read.
    """
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from None
    return sorted(name for name in names if name.startswith(PREFIX) and name.endswith(ENDING))
