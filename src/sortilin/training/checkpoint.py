"""What lies on disk while a run is under way: one checkpoint, replaced as a whole, and its curves.

A checkpoint names what is trained (`identity`), so that a folder of another run is refused rather than
continued. It is read with `weights_only`: nothing in it is executed.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from sortilin import files
from sortilin.errors import ConfigError
from sortilin.training.config import CHECKPOINT

CURVES = "curves.csv"
FORMAT_VERSION = 1


def save(folder: Path, state: Mapping[str, Any], identity: str) -> None:
    """Replace the checkpoint of a folder.

    Raises:
        OutputError: It cannot be written (a full disk, say); the old one is still there.
    """
    content = {"format_version": FORMAT_VERSION, "identity": identity, **state}
    # Straight to the disk: weights and optimizer of a large model would not fit into memory once more.
    files.replace_with(folder / CHECKPOINT, lambda stream: torch.save(content, stream))


def load(folder: Path, identity: str) -> dict[str, Any] | None:
    """The state that `save` left, on the CPU; None if there is none.

    Raises:
        ConfigError: The checkpoint is of another run, damaged, or of a newer version.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = _read(path)
    if state.get("format_version") != FORMAT_VERSION:
        raise ConfigError(
            f"{path} has format version {state.get('format_version')}, this version of sortilin reads "
            f"{FORMAT_VERSION}: remove it to train from the start"
        )
    if state.get("identity") != identity:
        raise ConfigError(
            f"{path} belongs to a run with another configuration, data or seed: choose another folder, "
            "or remove it to train from the start"
        )
    return state


def _read(path: Path) -> dict[str, Any]:
    try:
        return _unpacked(path)
    except Exception as error:  # a damaged file raises whatever its bytes lead to
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path} cannot be read ({reason}): remove it to train from the start") from error


def _unpacked(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as parts:
        if (damaged := parts.testzip()) is not None:  # torch does not look at the checksums
            raise zipfile.BadZipFile(f"bad checksum of {damaged}")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise TypeError(f"it holds a {type(state).__name__}")
    return state


def save_curves(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write the curves, one row an epoch, whole."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    files.replace(folder / CURVES, text.getvalue().encode())
