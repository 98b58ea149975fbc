"""Vectors of residues for a head that stands upon a language model, in training and from a model folder.

Axis letters: N sequences, B batch, L residues, D width.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import language_models
from sortilin.embedding._checkpoints import pinned, recorded_layer
from sortilin.embedding.config import PER_RESIDUE, EmbeddingConfig
from sortilin.embedding.embedder import Embedder
from sortilin.embedding.failures import NotEmbeddedError, of_a_model
from sortilin.errors import BackboneError
from sortilin.interfaces import OnProgress
from sortilin.language_models import Checkpoint, LoadedModel

FloatArray = NDArray[np.float32]
BoolArray = NDArray[np.bool_]

FROZEN, FULL, LORA = "frozen", "full", "lora"
"""What of the language model was trained: nothing, all of it, or adapters beside it."""

ADAPTER, BACKBONE = "adapter", "backbone"
"""Folders inside a model folder: adapters, and a language model that was trained whole."""

_DIGITS = 16


class ResidueVectors:
    """Sequences → (L, D) each, one call at a time: the language model itself uses all cores.

    Attributes:
        checkpoint: The language model; its revision tells adapters and training of it.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.checkpoint: Checkpoint = embedder.checkpoint
        self._embedder, self._lock = embedder, threading.Lock()

    def load(self) -> LoadedModel:
        """The language model in torch, loaded anew.

        Raises:
            BackboneError: It is not there and cannot be fetched.
        """
        return self._embedder.load()

    def __call__(self, sequences: Sequence[str], on_progress: OnProgress | None = None) -> list[FloatArray]:
        """(L, D) of each sequence, in order.

        Raises:
            BackboneError: The model is not there and cannot be fetched.
            NotEmbeddedError: Some are too long for the model or for memory.
        """
        with self._lock:
            try:
                return self._embedder.embed(sequences, on_progress=on_progress)
            except NotEmbeddedError as error:
                reasons = {at: of_a_model(reason) for at, reason in error.by_place.items()}
                named = {f"sequence {at + 1}": reason for at, reason in reasons.items()}
                raise NotEmbeddedError(named, len(sequences), by_place=reasons) from None


def padded(vectors: Sequence[FloatArray]) -> tuple[FloatArray, BoolArray]:
    """(B, L, D) with 0 at pads, which stand on the right, and (B, L), True at residues."""
    lengths = np.fromiter(map(len, vectors), dtype=np.int64, count=len(vectors))
    x = np.zeros((len(vectors), int(lengths.max()), vectors[0].shape[1]), dtype=np.float32)
    for row, vector in zip(x, vectors, strict=True):
        row[: len(vector)] = vector
    return x, np.arange(x.shape[1]) < lengths[:, None]


def of_backbone(
    backbone: str, layer: int, *, revision: str | None = None, on_progress: OnProgress | None = None
) -> ResidueVectors:
    """Those of a language model as it was published.

    Args:
        backbone: Short name, hub id or local folder.
        layer: -1 for the last, 0 for the embedding, k for what leaves layer k.
        revision: The commit that it has to be; None for any.
        on_progress: Called while the model is fetched.

    Raises:
        UnknownNameError: There is no such backbone.
        BackboneError: It is not on this machine and cannot be fetched, or is of another revision.
        ConfigError: It has no such layer.
    """
    embedder = Embedder.of(_config(backbone, layer), on_progress=on_progress)
    _check_revision(backbone, revision, embedder.checkpoint.revision)
    return ResidueVectors(embedder)


def of_model(spec: Mapping[str, Any], folder: Path, files: Mapping[str, str]) -> ResidueVectors:
    """Those that the head of a model folder was trained on.

    Args:
        spec: `language_model` of its `model.json`.
        folder: The folder.
        files: Name → SHA-256 of its files.

    Raises:
        BackboneError: The language model is not on this machine and cannot be fetched, is of another
            revision, or cannot be read.
    """
    if spec["mode"] == FROZEN:
        return of_backbone(spec["backbone"], spec["layer"], revision=spec["revision"])
    if spec["mode"] == LORA:
        return _of_adapter(spec, folder / ADAPTER, _digest(files, ADAPTER))
    return _of_trained(spec, folder / BACKBONE, _digest(files, BACKBONE))


def _of_adapter(spec: Mapping[str, Any], folder: Path, digest: str) -> ResidueVectors:
    below = pinned(spec["backbone"], offline=None, on_progress=None)
    _check_revision(spec["backbone"], spec["revision"], below.revision)
    revision = f"{below.revision}+{digest}"

    def load() -> LoadedModel:
        model = language_models.load(spec["backbone"])
        return language_models.with_adapter(model, folder, revision=revision)

    return _made(spec["backbone"], spec["layer"], replace(below, revision=revision), load)


def _of_trained(spec: Mapping[str, Any], folder: Path, digest: str) -> ResidueVectors:
    found = language_models.checkpoint(str(folder))
    # As a folder it would be known by its place and the size of its weights, which another training shares.
    checkpoint = replace(found, name=spec["name"], hub_id=spec["hub_id"], revision=digest)
    return _made(str(folder), spec["layer"], checkpoint, lambda: language_models.load(str(folder)))


def _made(
    backbone: str, layer: int, checkpoint: Checkpoint, load: Callable[[], LoadedModel]
) -> ResidueVectors:
    config = _config(backbone, recorded_layer(layer, checkpoint))
    return ResidueVectors(Embedder(config, checkpoint, load))


def _config(backbone: str, layer: int) -> EmbeddingConfig:
    return EmbeddingConfig(backbone=backbone, layer=layer, pooling=PER_RESIDUE)


def _digest(files: Mapping[str, str], folder: str) -> str:
    """What tells the content of one sub-folder from another, by the checksums of its files."""
    lines = (
        f"{name} {checksum}\n" for name, checksum in sorted(files.items()) if name.startswith(f"{folder}/")
    )
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()[:_DIGITS]}"


def _check_revision(backbone: str, wanted: str | None, found: str) -> None:
    if wanted not in (None, found):
        raise BackboneError(
            f"backbone '{backbone}': the model was trained on revision {wanted}, and the files here are of "
            f"{found}: use the version of sortilin, or the files, that it was trained with"
        )
