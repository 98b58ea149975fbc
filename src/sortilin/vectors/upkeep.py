"""What is in a store, and whether it is whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sortilin.errors import StoreError
from sortilin.vectors._merging import index_of
from sortilin.vectors._part import NO_CHECKSUM, DamagedPartError, Part, read_part
from sortilin.vectors.kind import VectorKind
from sortilin.vectors.shelf import part_names
from sortilin.vectors.store import KIND, Store, read_kind

OnProgress = Callable[[str, int, int], None]

_CHUNK_BYTES = 1 << 20
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not as it should be.

    Attributes:
        path: The file.
        reason: What is wrong with it.
        is_misplaced: It is whole, but does not belong where it lies.
    """

    path: Path
    reason: str
    is_misplaced: bool = False


@dataclass(frozen=True, slots=True)
class ShelfStatus:
    """One shelf in figures.

    Attributes:
        folder: Where it lies.
        kind: What its vectors are; None if its description is damaged.
        n_sequences: Sequences in its whole parts, those that stand in several counted once.
        n_parts: Whole parts.
        n_bytes: Size of all files.
        days: Days since something was added; 0 if it is empty.
        faults: What is damaged, as `verify` would say it, as far as headers show it.
    """

    folder: Path
    kind: VectorKind | None
    n_sequences: int
    n_parts: int
    n_bytes: int
    days: float
    faults: tuple[Fault, ...]


def statuses(store: Store) -> list[ShelfStatus]:
    """All shelves in figures, from headers and keys alone."""
    found = []
    for folder in store.folders():
        parts, faults = headers(folder)
        try:
            kind = read_kind(folder)
        except StoreError as error:
            kind, faults = None, [Fault(folder / KIND, str(error)), *faults]
        index = index_of(parts)
        days = days_idle(folder)
        sizes = [path.stat().st_size for path in folder.iterdir() if path.is_file()]
        found.append(ShelfStatus(folder, kind, len(index), len(parts), sum(sizes), days, tuple(faults)))
    return found


def verify(store: Store, *, on_progress: OnProgress | None = None) -> list[Fault]:
    """Read every part from end to end, and name what is not as it was written."""
    faults = []
    for folder in store.folders():
        try:
            read_kind(folder)
        except StoreError as error:
            faults.append(Fault(folder / KIND, str(error)))
        faults += damaged(folder, on_progress)
    return faults


def headers(folder: Path) -> tuple[list[Part], list[Fault]]:
    """The parts whose headers are sound, and what is wrong with the others."""
    parts, faults = [], []
    for name in part_names(folder):
        part = _header(folder / name)
        fault = _misplaced(part) if isinstance(part, Part) else part
        if fault is not None:
            faults.append(fault)
        elif isinstance(part, Part):
            parts.append(part)
    return parts, faults


def damaged(folder: Path, on_progress: OnProgress | None = None) -> list[Fault]:
    """The parts that are not as they were written, or where; each is read from end to end."""
    names, faults = part_names(folder), []
    for n_done, name in enumerate(names, 1):
        part = _header(folder / name)
        fault = (_changed(part) or _misplaced(part)) if isinstance(part, Part) else part
        if fault is not None:
            faults.append(fault)
        if on_progress is not None:
            on_progress(folder.name, n_done, len(names))
    return faults


def _header(path: Path) -> Part | Fault | None:
    """A part, what is wrong with its header, or None if it is gone."""
    try:
        return read_part(path)
    except FileNotFoundError:
        return None
    except DamagedPartError as error:
        return Fault(path, error.fault)


def _misplaced(part: Part) -> Fault | None:
    if part.kind.folder_name == part.path.parent.name:
        return None
    return Fault(part.path, f"it belongs to {part.kind.folder_name}; move it there", is_misplaced=True)


def _changed(part: Part) -> Fault | None:
    try:
        is_whole = checksum(part) == part.checksum
    except FileNotFoundError:
        return None
    return None if is_whole else Fault(part.path, "its SHA-256 is not the one in its header")


def checksum(part: Part) -> str:
    """SHA-256 of a part's file, with zeros in place of the checksum in its header.

    Raises:
        FileNotFoundError: It was removed.
        StoreError: It cannot be read.
    """
    try:
        with part.path.open("rb") as stream:
            head = stream.read(min(part.starts.values()))
            digest = hashlib.sha256(head.replace(part.checksum.encode(), NO_CHECKSUM.encode(), 1))
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(f"{part.path} cannot be read: {error.strerror or error}") from None
    return digest.hexdigest()


def days_idle(folder: Path) -> float:
    """Days since a part was added; 0 if there is none."""
    times = [modified(folder / name) for name in part_names(folder)]
    return (time.time() - max(times)) / _DAY_S if times else 0.0


def modified(path: Path) -> float:
    """When a file was written to; now, if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
