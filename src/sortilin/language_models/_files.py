"""Which files a checkpoint consists of, on the hub and in a folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection
from pathlib import Path

from sortilin.language_models._checkpoint import FOLDER

CONFIG = "config.json"
TOKENIZERS = ("tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model", "vocab.json")
"""One of them holds the vocabulary."""

MORE_OF_TOKENIZERS = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
)
WEIGHTS = (
    ("model.safetensors", re.compile(r"model\.safetensors")),
    ("model.safetensors.index.json", re.compile(r"model-\d{5}-of-\d{5}\.safetensors")),
    ("pytorch_model.bin", re.compile(r"pytorch_model\.bin")),
    ("pytorch_model.bin.index.json", re.compile(r"pytorch_model-\d{5}-of-\d{5}\.bin")),
)
"""File that says that the weights are there in that form → names of the files that hold them; best first."""


def choose(names: Collection[str]) -> list[str]:
    """Of the files of a repository, those that a model is made of; what is missing is left out."""
    chosen = [name for name in (CONFIG, *TOKENIZERS, *MORE_OF_TOKENIZERS) if name in names]
    for sign, pattern in WEIGHTS:
        if sign in names:
            return [*chosen, *sorted({sign, *filter(pattern.fullmatch, names)})]
    return chosen


def missing(names: Collection[str]) -> list[str]:
    """What a model cannot do without and is not among these names, in words."""
    found = [] if CONFIG in names else [CONFIG]
    if not any(name in names for name in TOKENIZERS):
        found.append("a vocabulary (tokenizer.json, vocab.txt or spiece.model)")
    if not any(sign in names for sign, _ in WEIGHTS):
        found.append("weights (model.safetensors or pytorch_model.bin, whole or with an index)")
    return found


def missing_in(folder: Path) -> list[str]:
    """The same for a folder, parts of weights included; empty if the model is whole."""
    names = {path.name for path in folder.iterdir() if path.exists()} if folder.is_dir() else set()
    index = next((name for name in weights(names) if name.endswith(".index.json")), None)
    parts = _parts(folder / index) if index else ()
    return [*missing(names), *(part for part in parts if part not in names)]


def weights(names: Collection[str]) -> list[str]:
    """The files of the best form of weights among these names, with their index."""
    return [name for name in choose(names) if name.endswith((".safetensors", ".bin", ".index.json"))]


def _parts(index: Path) -> list[str]:
    """The parts that an index of weights names; none if it cannot be read, which loading then reports."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return []


def digest(path: Path, *, like: str) -> str:
    """A file's checksum of the kind that the hub gives it, to compare with `like`.

    Args:
        path: The file.
        like: 64 digits, SHA-256 of the content (large files); or 40, git's SHA-1 of it as a blob.
    """
    is_large = len(like) == hashlib.sha256().digest_size * 2
    found = hashlib.sha256() if is_large else hashlib.sha1(usedforsecurity=False)
    if not is_large:
        found.update(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            found.update(chunk)
    return found.hexdigest()


def fingerprint(folder: Path) -> str:
    """What tells one local folder from another: its `config.json`, names and sizes of its weights."""
    found = hashlib.sha256((folder / CONFIG).read_bytes())
    for name in weights({path.name for path in folder.iterdir()}):
        found.update(f"\n{name} {(folder / name).stat().st_size}".encode())
    return f"{FOLDER}{found.hexdigest()}"
