"""Where a checkpoint stands: in the cache of the Hugging Face hub, or in a folder of one's own.

The cache is the one that transformers and `hf download` use, so that a model is on a machine once:
`HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `~/.cache/huggingface/hub`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from sortilin.errors import BackboneError, OutputError, UnknownNameError
from sortilin.files import replace
from sortilin.language_models import _catalog, _files
from sortilin.language_models._checkpoint import MAIN, Checkpoint

PIN = "sortilin"
"""Name of the reference, beside the hub's own, that holds the commit of a checkpoint pinned on first use."""

_HUB_ID = re.compile(r"(?P<hub_id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TRUE = ("1", "on", "yes", "true")


@dataclass(frozen=True, slots=True)
class Place:
    """What a name stands for.

    Attributes:
        name: As it was written.
        hub_id: Repository on the hub; empty for a folder.
        revision: Commit, branch or tag that is asked for; None if it is pinned on first use.
        own_folder: The folder that was named.
        listed: What the tables say of it.
    """

    name: str
    hub_id: str = ""
    revision: str | None = None
    own_folder: Path | None = None
    listed: Checkpoint | None = None

    @property
    def repository(self) -> Path:
        """The folder of its repository in the cache."""
        return cache() / f"models--{self.hub_id.replace('/', '--')}"

    @property
    def commit(self) -> str | None:
        """The commit that it stands for; None if nothing on this machine says so."""
        if self.revision is not None and _COMMIT.fullmatch(self.revision):
            return self.revision
        references = [self.revision] if self.revision else [PIN, MAIN]
        found = (_read(self.repository / "refs" / reference) for reference in references)
        return next((commit for commit in found if commit), None)

    @property
    def folder(self) -> Path | None:
        """Where its files stand, whole or not; None if that is not known before it is fetched."""
        if self.own_folder is not None:
            return self.own_folder
        return self.repository / "snapshots" / self.commit if self.commit else None

    def pin(self, commit: str) -> None:
        """Record the commit that a branch, a tag or no revision at all stands for from now on.

        Raises:
            BackboneError: It cannot be written.
        """
        if self.own_folder is not None or self.revision == commit:
            return
        try:
            replace(self.repository / "refs" / (self.revision or PIN), commit.encode())
        except OutputError as error:
            raise BackboneError(str(error)) from None


def resolve(name: str) -> Place:
    """What a name stands for: a short name, a hub id with or without `@revision`, or a folder.

    Raises:
        UnknownNameError: None of them.
        BackboneError: A path to nothing.
    """
    listed = _catalog.find(name)
    if listed is not None:
        revision = None if listed.revision == MAIN else listed.revision
        return Place(name, listed.hub_id, revision, listed=listed)
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return Place(name, own_folder=folder.resolve())
    match = _HUB_ID.fullmatch(name)
    if match and not {".", ".."} & set(re.split("[/@]", name)):
        return Place(name, match["hub_id"], match["revision"])
    if name.startswith(("/", ".", "~", os.sep)):
        raise BackboneError(f"{name}: there is no such folder; a backbone can be a folder with config.json")
    raise UnknownNameError("backbone", name, _catalog.names())


def locate(name: str) -> Path | None:
    """The folder of a checkpoint that is on this machine; None if it is not there whole.

    Raises:
        UnknownNameError: There is no such checkpoint.
        BackboneError: A path to nothing.
    """
    folder = resolve(name).folder
    return folder if folder is not None and not _files.missing_in(folder) else None


def cache() -> Path:
    """The folder of the hub's cache, as its own library finds it."""
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if named := os.environ.get(variable):
            return _path(named)
    if home := os.environ.get("HF_HOME"):
        return _path(home) / "hub"
    return _path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` or `TRANSFORMERS_OFFLINE` forbids connections."""
    named = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return named.lower() in _TRUE


def _path(named: str) -> Path:
    return Path(os.path.expandvars(named)).expanduser()


def _read(reference: Path) -> str | None:
    try:
        commit = reference.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None
