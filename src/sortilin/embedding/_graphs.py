"""Exported graphs in the user's cache: each made once, whole or not there.

    CACHE/graphs/esm2_t6-layer-1-openvino-0f3a.../graph.xml, graph.bin, graph.json

`SORTILIN_CACHE` names another cache folder. `graph.json` holds what is needed to run the graph without
torch: the vocabulary; and the files' sizes. All precisions share a graph: it holds float32 weights, and the
engine chooses the precision when it compiles.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sortilin.errors import OutputError
from sortilin.files import check_room, replace
from sortilin.language_models import Checkpoint, LoadedModel, Vocabulary
from sortilin.locks import FileLock

CACHE_VARIABLE = "SORTILIN_CACHE"
MANIFEST = "graph.json"
FORMAT_VERSION = 1
BYTES_A_PARAMETER = 4
_ODD = re.compile(r"[^A-Za-z0-9._+-]+")
_MAX_READABLE = 60

Export = Callable[[LoadedModel, int, Path], str]
"""Writes the graph of a layer into an empty folder, and gives the name of its main file."""


@dataclass(frozen=True, slots=True)
class Graph:
    """An exported graph.

    Attributes:
        path: Its main file.
        vocabulary: How sequences become its tokens.
    """

    path: Path
    vocabulary: Vocabulary


def find_or_make(
    checkpoint: Checkpoint, layer: int, engine: str, load: Callable[[], LoadedModel], export: Export
) -> Graph:
    """The graph of a layer; it is exported if it is not in the cache, by one process at a time.

    Raises:
        OutputError: It cannot be written.
        BackboneError: The model cannot be loaded.
    """
    folder = cache() / _folder_name(checkpoint, layer, engine)
    found = _read(folder)
    if found is not None:
        return found
    with _held(folder):
        return _read(folder) or _make(folder, checkpoint, layer, load, export)


def cache() -> Path:
    """Where exported graphs stand."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser() / "graphs"
    import platformdirs

    return Path(platformdirs.user_cache_dir("sortilin", appauthor=False)) / "graphs"


def _folder_name(checkpoint: Checkpoint, layer: int, engine: str) -> str:
    """Readable, and different for all that gives another graph."""
    known = (checkpoint.name, checkpoint.hub_id, checkpoint.revision, checkpoint.n_layers, checkpoint.width)
    digest = hashlib.sha256(json.dumps([FORMAT_VERSION, *known, layer, engine]).encode()).hexdigest()
    readable = _ODD.sub("_", f"{checkpoint.name}-layer{layer}-{engine}").lstrip("._")
    return f"{readable[-_MAX_READABLE:]}-{digest[:16]}"


def _held(folder: Path) -> FileLock:
    """A lock on one graph; entered, it waits for another process that exports it."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f"{folder.name}.lock"))
        if lock.try_acquire():
            lock.release()
    except OSError as error:
        raise OutputError(
            f"{folder.parent} cannot be written: {error.strerror or error}; {CACHE_VARIABLE} names another "
            "folder for exported graphs"
        ) from None
    return lock


def _read(folder: Path) -> Graph | None:
    """The graph in a folder; None if it is not there whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
        if sizes != manifest["files"] or manifest["format_version"] != FORMAT_VERSION:
            return None
        return Graph(folder / manifest["graph"], _vocabulary(manifest["vocabulary"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(
    folder: Path, checkpoint: Checkpoint, layer: int, load: Callable[[], LoadedModel], export: Export
) -> Graph:
    check_room(folder.parent, n_bytes=int(1.2 * BYTES_A_PARAMETER * checkpoint.n_parameters))
    _sweep(folder)
    partial = folder.with_name(f"{folder.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        partial.mkdir()
        model = load()
        name = export(model, layer, partial)
        _write_manifest(partial, name, model, layer)
        if folder.exists():  # not whole, or of an older version
            shutil.rmtree(folder)
        partial.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    found = _read(folder)
    if found is None:
        raise OutputError(f"{folder} was changed while it was written")
    return found


def _sweep(folder: Path) -> None:
    """Remove what killed exports of this graph left; the lock says that none is running."""
    for left in folder.parent.glob(f"{folder.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)


def _write_manifest(folder: Path, name: str, model: LoadedModel, layer: int) -> None:
    words = model.vocabulary
    described: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "checkpoint": model.checkpoint.name,
        "revision": model.checkpoint.revision,
        "layer": layer,
        "graph": name,
        "files": {path.name: path.stat().st_size for path in sorted(folder.iterdir())},
        "vocabulary": {
            "id_of_byte": words.id_of_byte.tolist(),
            "before": list(words.before),
            "after": list(words.after),
            "pad": words.pad,
            "pads_left": words.pads_left,
        },
    }
    replace(folder / MANIFEST, json.dumps(described).encode())


def _vocabulary(read: dict[str, Any]) -> Vocabulary:
    return Vocabulary(
        id_of_byte=np.array(read["id_of_byte"], dtype=np.int64),
        before=tuple(read["before"]),
        after=tuple(read["after"]),
        pad=int(read["pad"]),
        pads_left=bool(read["pads_left"]),
    )
