"""Measured folds, kept on disk while a training is under way: a run that was killed goes on behind them.

A file names what was fitted on which rows (`identity`); one of another run is not looked at. It holds arrays
and JSON, no pickle, and appears whole.

Axis letters: M rows held out, S scores.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import sortilin
from sortilin import files
from sortilin.component import Component
from sortilin.interfaces import DoubleArray, Inputs, IntArray

FOLD = "fold.npz"
FORMAT_VERSION = 1

Aside = tuple[DoubleArray, IntArray]
"""Scores and classes of rows that a fit kept from learning."""

_SCORES, _CLASSES = "aside_scores", "aside_y"


def identity(
    spec: Component, x: Inputs, y: IntArray, *, n_classes: int, seed: int, groups: IntArray | None = None
) -> str:
    """SHA-256 of what a fit depends on: its options, its rows in their order, their classes and its seed.

    Also of the groups that a split of its rows may not cut, where there are some.
    """
    about = {"spec": spec.model_dump(mode="json"), "seed": seed, "classes": n_classes, "shape": x.shape}
    digest = hashlib.sha256(f"{sortilin.__version__} {json.dumps(about, sort_keys=True)}\n".encode())
    digest.update(",".join(x).encode() if x.dtype == object else np.ascontiguousarray(x).tobytes())
    digest.update(np.ascontiguousarray(y).tobytes())
    if groups is not None:
        digest.update(b"groups" + np.ascontiguousarray(groups).tobytes())
    return digest.hexdigest()


def save(folder: Path, scores: DoubleArray, aside: Aside | None, chosen: Mapping[str, Any], key: str) -> None:
    """Keep one fold.

    Args:
        folder: Of the fold.
        scores: (M, S) of the rows held out.
        aside: What its fit set aside.
        chosen: What its fit chose by itself.
        key: Its `identity`.

    Raises:
        OutputError: It cannot be written.
    """
    about = {"format_version": FORMAT_VERSION, "identity": key, "chosen": dict(chosen)}
    arrays = {"scores": scores} | ({} if aside is None else {_SCORES: aside[0], _CLASSES: aside[1]})
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, about=np.array(json.dumps(about)), **arrays)
    files.replace(folder / FOLD, stream.getvalue())


def load(folder: Path, key: str) -> tuple[DoubleArray, Aside | None, dict[str, Any]] | None:
    """Scores of a fold, what its fit set aside and chose; None where none is kept, or that of another run."""
    try:
        with (folder / FOLD).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            about = json.loads(str(stored["about"]))
            if (about["format_version"], about["identity"]) != (FORMAT_VERSION, key):
                return None
            aside = (stored[_SCORES], stored[_CLASSES]) if _SCORES in stored else None
            return stored["scores"], aside, about["chosen"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None  # none, or a damaged one: it is measured again
