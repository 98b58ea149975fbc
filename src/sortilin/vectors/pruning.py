"""Making a store smaller: leftovers, copies, small parts, damaged parts, whole shelves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sortilin.errors import OutputError, StoreError, UnknownNameError
from sortilin.files import LOCK, locked
from sortilin.vectors import _merging
from sortilin.vectors._part import DamagedPartError, Part
from sortilin.vectors._writing import PARTIAL, left_over
from sortilin.vectors.shelf import part_names
from sortilin.vectors.store import KIND, Store, read_kind, write_kind
from sortilin.vectors.upkeep import damaged as damaged_parts
from sortilin.vectors.upkeep import days_idle, headers, modified

_OLDEST_S = 3_600
"""A file without a lock that was not written to for so long has no writer any more."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file that `prune` removed, or would.

    Attributes:
        path: The file.
        reason: Why.
        n_bytes: Its size.
        is_removed: False for a damaged or misplaced file that is left.
    """

    path: Path
    reason: str
    n_bytes: int
    is_removed: bool = True


def prune(
    store: Store,
    *,
    kind: str | None = None,
    older_than_days: float | None = None,
    damaged: bool = False,
    dry_run: bool = False,
) -> Iterator[Change]:
    """Remove what nobody needs, and say what: each file as it goes.

    Without `kind` and `older_than_days`: what killed writers left, copies of sequences that stand in
    several parts, and small parts, which become larger ones. With them: whole shelves, and nothing else.

    Args:
        store: The store.
        kind: Folder name of the shelf that goes.
        older_than_days: Shelves go to which nothing was added for so many days.
        damaged: Damaged parts go too; every part is read from end to end for that.
        dry_run: Say it, and change nothing.

    Raises:
        UnknownNameError: There is no such shelf.
        ConfigError: Another process is pruning.
        OutputError: A file cannot be removed or written.
    """
    is_whole = kind is not None or older_than_days is not None
    for folder in _chosen(store, kind, older_than_days):
        with ExitStack() as holding:
            if not dry_run:
                holding.enter_context(locked(folder))
            yield from _shelf(folder, dry_run) if is_whole else _tidy(folder, damaged, dry_run)
        if is_whole and not dry_run:
            _remove_folder(folder)


def _chosen(store: Store, kind: str | None, older_than_days: float | None) -> list[Path]:
    folders = store.folders()
    if kind is not None:
        names = [folder.name for folder in folders]
        if kind not in names:
            raise UnknownNameError("kind of vectors", kind, names)
        folders = [folder for folder in folders if folder.name == kind]
    if older_than_days is not None:
        folders = [folder for folder in folders if days_idle(folder) > older_than_days]
    return folders


def _shelf(folder: Path, dry_run: bool) -> Iterator[Change]:
    parts = [folder / name for name in part_names(folder)]
    described = [folder / KIND] if (folder / KIND).is_file() else []
    reason = "the whole shelf goes"
    yield from _left_over(folder, reason, dry_run)
    # The description last: until then it is a shelf with fewer parts.
    for path in [*parts, *described]:
        yield _removed(path, reason, dry_run)


def _tidy(folder: Path, damaged: bool, dry_run: bool) -> Iterator[Change]:
    yield from _left_over(folder, "left by a killed writer", dry_run)
    faults = damaged_parts(folder) if damaged else headers(folder)[1]
    for fault in faults:
        if damaged and not fault.is_misplaced:
            yield _removed(fault.path, f"damaged: {fault.reason}", dry_run)
        else:
            word = "misplaced" if fault.is_misplaced else "damaged"
            yield Change(fault.path, f"{word}: {fault.reason}", _size(fault.path), is_removed=False)
    bad = {fault.path for fault in faults}
    parts = [part for part in headers(folder)[0] if part.path not in bad]
    if damaged and not dry_run:
        yield from _describe(folder, parts)
    for group in _merging.plan(parts):
        yield from _merged(group, dry_run)


def _merged(group: _merging.Group, dry_run: bool) -> Iterator[Change]:
    if not dry_run:
        try:
            _merging.merge(group)
        except DamagedPartError as error:
            yield Change(error.path, f"damaged: {error.fault}", _size(error.path), is_removed=False)
            return
    for part in group.parts:
        yield _removed(part.path, group.reason(part), dry_run)


def _describe(folder: Path, parts: list[Part]) -> Iterator[Change]:
    """Write a damaged description again, as the parts have it; without parts it goes."""
    try:
        read_kind(folder)
    except StoreError:
        if parts:
            write_kind(folder, parts[0].kind)
        elif (folder / KIND).is_file():
            yield _removed(folder / KIND, "damaged, and there are no parts to write it again from", False)


def _left_over(folder: Path, reason: str, dry_run: bool) -> Iterator[Change]:
    """Remove the partial files that nobody is writing any more, each while its lock is held."""
    for path in sorted(folder.glob(f".*{PARTIAL}*")):
        with _free(path) as is_free:
            change = _removed(path, reason, dry_run) if is_free else None
        if change is not None:
            yield change


@contextmanager
def _free(path: Path) -> Iterator[bool]:
    if path.name.endswith(PARTIAL):
        with left_over(path, oldest_s=_OLDEST_S) as is_free:
            yield is_free
    else:
        yield _age_s(path) > _OLDEST_S


def _removed(path: Path, reason: str, dry_run: bool) -> Change:
    change = Change(path, reason, _size(path))
    if not dry_run:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be removed: {error.strerror or error}") from None
    return change


def _remove_folder(folder: Path) -> None:
    try:
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()
    except OSError as error:
        raise OutputError(
            f"{folder} is left, without its vectors: {error.strerror or error}; see what else lies in it"
        ) from None


def _age_s(path: Path) -> float:
    return time.time() - modified(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
