"""Where the files of a dataset are on this machine, and whether they are whole.

`SORTILIN_DATA_DIR`, when set, names a folder that holds the files (`psl/cyto.fasta`, ...); nothing is
ever downloaded into it. Otherwise they stand in the user's cache, and `fetch` downloads what is missing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sortilin.datasets import catalog
from sortilin.datasets.dataset import Dataset, RemoteFile
from sortilin.datasets.download import download
from sortilin.errors import DatasetError

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress

DATA_DIR_VARIABLE = "SORTILIN_DATA_DIR"

State = Literal["ready", "missing", "damaged"]
"""A file is there and whole, is not there, or is there with another checksum."""


@dataclass(frozen=True, slots=True)
class Status:
    """What of a dataset is on this machine.

    Attributes:
        name: The dataset.
        folder: Where its files stand, or will.
        is_own_folder: The folder was named by the user (`SORTILIN_DATA_DIR`); nothing is written to it.
        files: Path below the data folder ("psl/cyto.fasta") → its state.
    """

    name: str
    folder: Path
    is_own_folder: bool
    files: Mapping[str, State]

    @property
    def is_ready(self) -> bool:
        """All files are there and whole."""
        return all(state == "ready" for state in self.files.values())


def status(name: str) -> Status:
    """What of a dataset is on this machine; nothing is downloaded.

    Raises:
        UnknownNameError: There is no such dataset.
        DatasetError: `SORTILIN_DATA_DIR` is no folder, or a file in it cannot be read.
    """
    dataset = catalog.get(name)
    root, is_own = _root()
    states = {file.path: _state(root / file.path, file.sha256) for file in dataset.files}
    return Status(name, _folder(root, dataset), is_own, states)


def path(name: str) -> Path:
    """The folder that holds a dataset's files, all of them whole; nothing is downloaded.

    Raises:
        UnknownNameError: There is no such dataset.
        DatasetError: A file is missing or damaged; the message says which, and the way out.
    """
    dataset = catalog.get(name)
    root, is_own = _root()
    for file in dataset.files:
        _check(dataset, file, root, is_own=is_own)
    return _folder(root, dataset)


def fetch(name: str, on_progress: OnProgress | None = None) -> Path:
    """Downloads what is missing or damaged of a dataset, and gives its folder.

    With `SORTILIN_DATA_DIR` nothing is downloaded: the files must be there already.

    Args:
        name: Name of the dataset.
        on_progress: Called as `on_progress("psl/cyto.fasta", n_bytes_done, n_bytes_total)`; the total
            is 0 if the server does not say.

    Raises:
        UnknownNameError: There is no such dataset.
        DatasetError: A file cannot be fetched or written, or fails its checksum.
    """
    dataset = catalog.get(name)
    root, is_own = _root()
    if is_own:
        return path(name)
    for file in dataset.files:
        if _state(root / file.path, file.sha256) != "ready":
            download(file, root, on_progress)
    return _folder(root, dataset)


def _root() -> tuple[Path, bool]:
    """The data folder, and whether the user named it."""
    named = os.environ.get(DATA_DIR_VARIABLE)
    if not named:
        import platformdirs

        return Path(platformdirs.user_cache_dir("sortilin", appauthor=False)) / "datasets", False
    root = Path(named).expanduser()
    if not root.is_dir():
        raise DatasetError(
            f"{DATA_DIR_VARIABLE} is '{named}', which is not a folder; set it to the folder that holds the "
            "datasets (psl/cyto.fasta, acp/Train.fasta, ...), or unset it to download them"
        )
    return root, True


def _folder(root: Path, dataset: Dataset) -> Path:
    return (root / dataset.files[0].path).parent


def _check(dataset: Dataset, file: RemoteFile, root: Path, *, is_own: bool) -> None:
    target = root / file.path
    state = _state(target, file.sha256)
    if state == "ready":
        return
    if is_own:
        way_out = f"put the file from {file.url} there, or unset {DATA_DIR_VARIABLE} to download it"
        where = f"{root} ({DATA_DIR_VARIABLE})"
    else:
        way_out = f"download it with sortilin.datasets.fetch('{dataset.name}')"
        where = f"the cache {root}"
    if state == "missing":
        raise DatasetError(f"dataset '{dataset.name}' needs {file.path}, missing in {where}; {way_out}")
    raise DatasetError(
        f"{target} is not the file that dataset '{dataset.name}' needs: its SHA-256 is "
        f"{checksum(target)}, expected {file.sha256}; {way_out}"
    )


def _state(target: Path, sha256: str) -> State:
    if not target.is_file():
        return "missing"
    return "ready" if checksum(target) == sha256 else "damaged"


def checksum(target: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits; computed once as long as its size and time stay the same.

    Raises:
        DatasetError: The file cannot be read.
    """
    try:
        now = target.stat()
        return _checksum(target, now.st_size, now.st_mtime_ns)
    except OSError as error:
        raise DatasetError(f"{target} cannot be read: {error.strerror or error}") from error


@cache
def _checksum(target: Path, n_bytes: int, modified_ns: int) -> str:  # noqa: ARG001 - they are the key
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
