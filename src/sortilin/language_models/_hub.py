"""Checkpoints from the Hugging Face hub, file by file, each checked before it counts as there.

All traffic is huggingface_hub's: it respects `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and proxies,
resumes a download whose connection breaks, and gives a file its name when it is complete.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import BackboneError, MissingDependencyError, OutputError
from sortilin.files import check_room
from sortilin.language_models import _faults, _files, _place
from sortilin.language_models._place import Place

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress

ROOM_BESIDE = 50 * 2**20


@dataclass(frozen=True, slots=True)
class _Remote:
    """A file of a repository: name, size, and checksum (64 digits SHA-256, or 40 of git)."""

    name: str
    n_bytes: int
    digest: str


def fetch(name: str, *, on_progress: OnProgress | None = None) -> Path:
    """Download what is missing of a checkpoint, and check all of it.

    Files that are there are compared with the checksums they were fetched by, or with the hub's list if the
    cache was copied without its links; a damaged one is fetched again. Without a pinned revision the commit
    that is fetched first is recorded, and used from then on; `NAME@BRANCH` asks the hub each time.

    Args:
        name: Short name, hub id with or without `@revision`, or a folder.
        on_progress: Called as `on_progress("NAME FILE", n_bytes_done, n_bytes_total)`.

    Returns:
        The folder that holds its files.

    Raises:
        UnknownNameError: There is no such checkpoint.
        BackboneError: It cannot be fetched or written, or is damaged; the message says which file.
        MissingDependencyError: huggingface_hub is not installed.
    """
    place = _place.resolve(name)
    if place.own_folder is not None:
        return whole(place)
    is_branch = place.revision is not None and place.revision != place.commit
    if not is_branch and _is_sound(place):
        assert place.folder is not None
        place.pin(place.folder.name)
        return place.folder
    return _download(place, on_progress)


def path(name: str) -> Path:
    """The folder of a checkpoint that is on this machine and whole; nothing is downloaded.

    Raises:
        UnknownNameError: There is no such checkpoint.
        BackboneError: It is not there, or not whole; the message says what is missing, and the way out.
    """
    return whole(_place.resolve(name))


def whole(place: Place) -> Path:
    """The folder of a checkpoint, or an error that says what is missing, where, and the way out.

    Raises:
        BackboneError: It is not on this machine, or not whole.
    """
    folder = place.folder
    lacking = _files.missing_in(folder) if folder is not None else ["config.json"]
    if folder is not None and not lacking:
        return folder
    raise BackboneError(_faults.absent(place, lacking))


def _is_sound(place: Place) -> bool:
    """Whether all files are there and are what they were fetched as; offline, as far as the cache tells."""
    folder = place.folder
    if folder is None or _files.missing_in(folder):
        return False
    names = {path.name for path in folder.iterdir() if path.exists()}
    return all(_is_what_it_was(folder / name) for name in _files.choose(names))


def _is_what_it_was(file: Path) -> bool:
    """The cache keeps a file under its checksum, and a link to it under its name.

    A copy without links has no checksum: only the hub's list proves it, and offline it is taken as it is.
    """
    checksum = file.readlink().name if file.is_symlink() else ""
    if len(checksum) not in (40, 64):
        return _place.is_offline()
    return _files.digest(file, like=checksum) == checksum


def _download(place: Place, on_progress: OnProgress | None) -> Path:
    try:
        from huggingface_hub import HfApi
    except ImportError:
        raise MissingDependencyError("fetching a backbone", "huggingface_hub", "plm") from None
    if _place.is_offline():
        raise BackboneError(_faults.offline(place))
    with _quiet(), _faults.translated(place):
        listing = HfApi(endpoint=endpoint()).model_info(
            place.hub_id, revision=place.revision or place.commit, files_metadata=True
        )
        commit = str(listing.sha)
        files = _chosen(place, listing.siblings or [], commit)
        _check_room(place, files.values(), commit)
        for file in files.values():
            _fetch_file(place, file, commit, on_progress)
    place.pin(commit)
    return place.repository / "snapshots" / commit


def _chosen(place: Place, siblings: list[Any], commit: str) -> Mapping[str, _Remote]:
    by_name = {str(file.rfilename): file for file in siblings}
    lacking = _files.missing(by_name)
    if lacking:
        raise BackboneError(
            f"{place.hub_id} at revision {commit} lacks {' and '.join(lacking)}; "
            f"it holds: {', '.join(sorted(by_name)) or 'nothing'}"
        )
    return {
        name: _Remote(
            name,
            int(by_name[name].size or 0),
            str(by_name[name].lfs.sha256 if by_name[name].lfs else by_name[name].blob_id),
        )
        for name in _files.choose(by_name)
    }


def _check_room(place: Place, files: Any, commit: str) -> None:
    folder = place.repository / "snapshots" / commit
    n_bytes = sum(file.n_bytes for file in files if not (folder / file.name).exists())
    try:
        place.repository.mkdir(parents=True, exist_ok=True)
        check_room(place.repository, n_bytes=n_bytes + ROOM_BESIDE)
    except OutputError as error:
        raise BackboneError(f"{place.name} cannot be fetched: {error}") from None


def _fetch_file(place: Place, file: _Remote, commit: str, on_progress: OnProgress | None) -> None:
    """One file, checked; one that was there and is damaged is fetched again."""
    from huggingface_hub import hf_hub_download

    for is_second in (False, True):
        found = Path(
            hf_hub_download(
                place.hub_id,
                file.name,
                revision=commit,
                cache_dir=_place.cache(),
                endpoint=endpoint(),
                force_download=is_second,
                tqdm_class=_bar_of(f"{place.name} {file.name}", on_progress),
            )
        )
        if found.stat().st_size == file.n_bytes and _files.digest(found, like=file.digest) == file.digest:
            return
        checksum = _files.digest(found, like=file.digest)
        _remove(found)  # the library leaves a file that stands where it puts a link
    raise BackboneError(
        f"{place.hub_id} {file.name} is not the file that the hub lists: its checksum is {checksum}, "
        f"expected {file.digest}; it was not kept; a proxy may have changed it: try again, or from "
        "another network"
    )


def _remove(file: Path) -> None:
    """A file of the cache, and what its link points at."""
    target = file.parent / file.readlink() if file.is_symlink() else None
    for each in (file, target):
        if each is not None:
            with suppress(OSError):
                each.unlink()


def _bar_of(stage: str, on_progress: OnProgress | None) -> Any:
    """A class that huggingface_hub takes for a progress bar, and that draws nothing."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_options: Any) -> None:
            self.total, self.n = total or 0, initial

        def update(self, n_bytes: float | None = 1) -> None:
            self.n += int(n_bytes or 0)
            if on_progress is not None:
                on_progress(stage, self.n, self.total)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_fault: object) -> None:
            """Nothing is open."""

        def __getattr__(self, name: str) -> Any:
            """Whatever else a bar is told, to draw itself."""
            if name.startswith("__") or name == "update_transfer":
                raise AttributeError(name)
            return lambda *_arguments, **_options: None

    return Bar


@contextmanager
def _quiet() -> Iterator[None]:
    """Stops the logger of huggingface_hub: the library itself never prints."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def endpoint() -> str:
    """The address of the hub: `HF_ENDPOINT`, else its own."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
