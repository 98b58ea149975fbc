"""A model with weights of one's own as a folder that `load` reads."""

from __future__ import annotations

import shutil
from pathlib import Path

from sortilin.errors import BackboneError
from sortilin.language_models import _files
from sortilin.language_models._loading import _quiet as quiet
from sortilin.language_models._model import LoadedModel

MAX_SHARD_SIZE = "2GB"
"""Larger weights stand in several files: so that no single one has to be hashed or copied for minutes."""


def save(model: LoadedModel, folder: Path) -> None:
    """Write configuration, weights (safetensors, float32) and the tokenizer's files into a folder.

    Args:
        model: One that was read from files; those of its tokenizer are copied.
        folder: An empty folder.

    Raises:
        BackboneError: The model has no files (random weights), or its tokenizer's are gone.
        OSError: The folder cannot be written.
    """
    there = {path.name for path in model.folder.iterdir()} if model.folder.is_dir() else set()
    tokenizer = [name for name in (*_files.TOKENIZERS, *_files.MORE_OF_TOKENIZERS) if name in there]
    if not any(name in there for name in _files.TOKENIZERS):
        raise BackboneError(
            f"{model.checkpoint.name} cannot be saved: {model.folder} holds no tokenizer "
            f"({', '.join(_files.TOKENIZERS)})"
        )
    for name in tokenizer:
        shutil.copyfile(model.folder / name, folder / name)
    with quiet():
        model.module.save_pretrained(folder, max_shard_size=MAX_SHARD_SIZE)
