"""Files that are replaced as a whole, and a folder that only one run works in."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sortilin.errors import ConfigError, OutputError
from sortilin.locks import FileLock

LOCK = ".lock"
_ROOM = 50 * 2**20


def replace(path: Path, content: bytes | memoryview) -> None:
    """Write a file under another name and rename it; an older one is there until then.

    Raises:
        OutputError: It cannot be written (a full disk, say); the older one is untouched.
    """
    replace_with(path, lambda stream: stream.write(content))


def replace_with(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """The same for a file that is too large to be held in memory: `write` is given the stream.

    Raises:
        OutputError: It cannot be written (a full disk, say); the older one is untouched.
    """
    partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):  # where nothing could be written there is nothing to remove
            partial.unlink(missing_ok=True)


def claim(folder: Path, *, n_bytes: int = _ROOM) -> None:
    """Make a folder for results, and see before long work that it can be written and has room.

    Raises:
        OutputError: It is a file, it is not writable, or less than `n_bytes` are free.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{uuid.uuid4().hex[:8]}"
        probe.write_bytes(b"")
        probe.unlink()
    except FileExistsError:
        raise OutputError(f"{folder} is a file; results need a folder") from None
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
    check_room(folder, n_bytes=n_bytes)


def check_room(folder: Path, *, n_bytes: int = _ROOM) -> None:
    """See before long work that there is room for its results.

    Raises:
        OutputError: Less than `n_bytes` are free where the folder is.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OutputError(
            f"{folder}: {free / 2**20:.0f} MB are free; at least {n_bytes / 2**20:.0f} MB are needed"
        )


@contextmanager
def locked(folder: Path, name: str = LOCK, *, what: str = "another run") -> Iterator[None]:
    """Hold a folder; it is free again when the process ends, however it ends.

    Args:
        folder: The folder.
        name: Of the lock in it; several may be held by different processes.
        what: What messages call the other process.

    Raises:
        ConfigError: Another process holds it.
    """
    lock = FileLock(folder / name)
    try:
        is_ours = lock.try_acquire()
    except OSError as error:
        raise OutputError(f"{folder / name} cannot be locked: {error.strerror or error}") from None
    if not is_ours:
        raise ConfigError(f"{what} is working in {folder}: wait for it, or choose another folder")
    try:
        yield
    finally:
        lock.release()
