"""The store: a folder with one shelf for each kind of vectors.

    store.json                      that it is a store, and its format version
    esm2_t6-...-1f0c93ab77d2/       a shelf
        kind.json                   what its vectors are
        part-<time>-<random>.safetensors

What the store holds is what its whole parts say; there is no list of parts that could be wrong.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

from pydantic import ValidationError

from sortilin.errors import StoreError
from sortilin.files import replace
from sortilin.vectors.kind import VectorKind
from sortilin.vectors.shelf import Shelf, part_names

STORE_VARIABLE = "SORTILIN_STORE"
MARKER, KIND = "store.json", "kind.json"
FORMAT, SHELF_FORMAT = "sortilin-store", "sortilin-shelf"
FORMAT_VERSION = 1


class Store:
    """Vectors on disk, each sequence once for every kind.

    Args:
        path: The folder; without one `SORTILIN_STORE`, or else the user's cache. It need not exist: it is
            made when something is added.

    Raises:
        StoreError: It is a file, another folder, or written by a newer version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = Path(path).expanduser() if path is not None else default_path()
        self._check()

    def kinds(self) -> list[VectorKind]:
        """The kinds that there are vectors of, by the names of their folders.

        Raises:
            StoreError: A shelf's description is damaged, or cannot be read.
        """
        return [read_kind(folder) for folder in self.folders()]

    def shelf(self, kind: VectorKind) -> Shelf:
        """The vectors of one kind; a new shelf is made when something is appended."""
        folder = self.path / kind.folder_name
        return Shelf(folder, kind, prepare=lambda: self._prepare(folder, kind))

    def folders(self) -> list[Path]:
        """The folders of all shelves, in order of name; one that a kill left without a part is none."""
        return [path for path in listed(self.path) if (path / KIND).is_file() or part_names(path)]

    def _check(self) -> None:
        marker = self.path / MARKER
        try:
            described = json.loads(marker.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            self._check_is_empty()
            return
        except OSError as error:
            raise StoreError(f"{marker} cannot be read: {error.strerror or error}") from None
        except ValueError:
            raise StoreError(
                f"{marker} is damaged: it is not JSON; if {self.path} is a store of vectors, remove that file"
            ) from None
        _check_version(marker, described, FORMAT)

    def _check_is_empty(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path} is a file; a store of vectors is a folder")
        foreign = [path.name for path in listed(self.path) if not (path / KIND).is_file()]
        if foreign:
            raise StoreError(
                f"{self.path} is not a store of vectors: it holds {sorted(foreign)[0]} and no {MARKER}; "
                "name an empty folder, or one that does not exist"
            )

    def _prepare(self, folder: Path, kind: VectorKind) -> None:
        # In this order: at no moment would another process take the store for a foreign folder.
        if not (self.path / MARKER).is_file():
            replace(self.path / MARKER, _json({"format": FORMAT, "format_version": FORMAT_VERSION}))
        if not (folder / KIND).is_file():
            write_kind(folder, kind)


def listed(folder: Path) -> list[Path]:
    """What lies in a folder, in order of name, hidden files left out; empty if it does not exist.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name[:1] != ".")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{folder} cannot be read: {error.strerror or error}") from None


def default_path() -> Path:
    """`SORTILIN_STORE`, or a folder of the user's cache."""
    named = os.environ.get(STORE_VARIABLE)
    if named:
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("sortilin", appauthor=False)) / "vectors"


def write_kind(folder: Path, kind: VectorKind) -> None:
    """Write a shelf's description.

    Raises:
        OutputError: It cannot be written.
    """
    described = {"format": SHELF_FORMAT, "format_version": FORMAT_VERSION, "kind": kind.model_dump()}
    replace(folder / KIND, _json(described))


def read_kind(folder: Path) -> VectorKind:
    """What the vectors in a shelf's folder are.

    Raises:
        StoreError: The description is damaged, belongs to another folder, or cannot be read.
    """
    path = folder / KIND
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        _check_version(path, described, SHELF_FORMAT)
        kind = VectorKind.model_validate(described["kind"])
    except FileNotFoundError:
        raise StoreError(f"{path} is missing: {_mend(folder)}") from None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, ValidationError):
        raise StoreError(f"{path} is damaged: {_mend(folder)}") from None
    if kind.folder_name != folder.name:
        raise StoreError(f"{path} describes {kind.folder_name}, which is another folder: {_mend(folder)}")
    return kind


def _mend(folder: Path) -> str:
    store = shlex.quote(str(folder.parent))
    return f"`sortilin store prune --damaged --store {store}` writes it again from the parts"


def _check_version(path: Path, described: object, expected: str) -> None:
    if not isinstance(described, dict) or described.get("format") != expected:
        raise StoreError(f'{path} is not of a store of vectors: it has no "format": "{expected}"')
    version = described.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {version}; this sortilin reads up to {FORMAT_VERSION}: "
            "pip install --upgrade sortilin"
        )


def _json(described: dict[str, object]) -> bytes:
    return (json.dumps(described, indent=2) + "\n").encode()
