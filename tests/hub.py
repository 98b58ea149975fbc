"""A small Hugging Face hub on this machine, and small random models to put on it.

The server speaks the part of the hub's protocol that huggingface_hub uses to fetch a model: a repository's
listing, `resolve` with ETag, commit and redirect, ranges, tokens, and the error codes. A test takes the
fixture `hub` (in `conftest.py`), which also points HF_ENDPOINT and HF_HOME at it:

    def test_something(hub: Hub) -> None:
        hub.publish("esm2_t6")                        # a tiny ESM-2 under the real hub id and revision
        model = language_models.load("esm2_t6")       # 3 layers, width 32, random weights
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

from sortilin import registry
from sortilin.language_models import Checkpoint, _catalog
from sortilin.language_models._loading import _quiet

LAYERS, WIDTH = 3, 32
LARGE = (".safetensors", ".bin", ".model")
Files = dict[str, bytes]

TINY: Mapping[str, Mapping[str, Any]] = {
    "esm2": {"num_attention_heads": 4, "intermediate_size": 64},
    "esmc": {"num_attention_heads": 4, "intermediate_size": 64, "head_dim": 8},
    "protbert": {"num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 200},
    "protalbert": {
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "embedding_size": 16,
        "max_position_embeddings": 200,
    },
    "protxlnet": {"n_head": 4, "d_inner": 64, "mem_len": 512},
    "prott5": {"num_heads": 4, "d_ff": 64, "d_kv": 8},
}
"""Family → what its tiny model has other than the published one, beside width and layers."""

ARCHITECTURES = {
    "esm2": "EsmForMaskedLM",
    "esmc": "EsmcForMaskedLM",
    "protbert": "BertForMaskedLM",
    "protalbert": "AlbertForMaskedLM",
    "protxlnet": "XLNetLMHeadModel",
    "prott5": "T5EncoderModel",
}
"""Family → the class that its published checkpoints were saved from: with the head that is left out here."""


@dataclass
class Repository:
    """A repository of models: the files of each commit, and names of commits."""

    commits: dict[str, Files] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    is_gated: bool = False

    def files(self, revision: str) -> tuple[str, Files] | None:
        commit = self.names.get(revision, revision)
        return (commit, self.commits[commit]) if commit in self.commits else None


class Hub:
    """What is served, which faults are made, and what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.repositories: dict[str, Repository] = {}
        self.requests: list[str] = []
        self.cuts: list[int] = []
        self.changed: dict[str, bytes] = {}
        self.hidden: set[str] = set()
        self.status: int | None = None
        self._monkeypatch = monkeypatch
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        # Large files come from another host, where the client follows with a GET alone, and without token.
        self.cdn = f"http://localhost:{self.http.server_port}"

    def add(self, hub_id: str, files: Files, *, commit: str | None = None, name: str = "main") -> str:
        """Serve files as a commit of a repository, and give a name to it.

        Returns:
            The commit: the one given, or one made of the content.
        """
        content = b"".join(key.encode() + value for key, value in sorted(files.items()))
        commit = commit or hashlib.sha1(content, usedforsecurity=False).hexdigest()
        repository = self.repositories.setdefault(hub_id, Repository())
        repository.commits[commit] = dict(files)
        repository.names[name] = commit
        return commit

    def publish(self, name: str, **options: Any) -> Checkpoint:
        """Serve a tiny model in place of a listed one: its real hub id and revision, its family's files.

        Args:
            name: Short name of a checkpoint.
            **options: Of `files_of`.

        Returns:
            What the tables say of it until the test ends.
        """
        listed = _catalog.table()[name]
        tiny = tiny_checkpoint(listed)
        self._monkeypatch.setitem(_catalog.table(), name, tiny)
        pinned = listed.revision if len(listed.revision) == 40 else None
        self.add(listed.hub_id, files_of(listed.family, **options), commit=pinned)
        return tiny


def tiny_checkpoint(listed: Checkpoint) -> Checkpoint:
    """A listed checkpoint with the size of the tiny model of its family."""
    most = None if listed.most_residues is None else TINY[listed.family]["max_position_embeddings"] - 2
    return replace(listed, width=WIDTH, n_layers=LAYERS, most_residues=most)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Hub]:
    """A hub that runs until the end of the block, with the environment of a user of it."""
    from huggingface_hub import constants

    hub = Hub(monkeypatch)
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("TRANSFORMERS_OFFLINE", raising=False)
    for variable, value in {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
    }.items():
        monkeypatch.setenv(variable, value)
    # What the library read from the environment when it was imported.
    for constant, found in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_HUB_OFFLINE": False,
        "AGENT_HARNESSES_PATH": str(home / "agents.json"),
        "HF_TOKEN_PATH": str(home / "token"),
    }.items():
        if hasattr(constants, constant):
            monkeypatch.setattr(constants, constant, found)
    thread = threading.Thread(target=hub.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.http.shutdown()
        hub.http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = unquote(urlsplit(self.path).path)
        if self.hub.status is not None:
            self.refuse(self.hub.status)
        elif path.startswith("/cdn/"):
            self.send_content(*path.removeprefix("/cdn/").split("/", 1))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/(revision|tree)/(.+))?", path):
            self.list(match[1], match[2] or "revision", match[3] or "main")
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(.+)/([^/]+)", path):
            self.resolve(*match.groups())
        else:
            self.refuse(404)

    def repository(self, hub_id: str, revision: str) -> tuple[str, Files] | None:
        """The files of a revision; otherwise the answer is sent."""
        found = self.hub.repositories.get(hub_id)
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if found is None or (found.token is not None and token != found.token):
            self.refuse(401, "RepoNotFound")
            return None
        if found.is_gated:
            self.refuse(403, "GatedRepo")
            return None
        files = found.files(revision)
        if files is None:
            self.refuse(404, "RevisionNotFound")
        return files

    def list(self, hub_id: str, kind: str, revision: str) -> None:
        if (found := self.repository(hub_id, revision)) is None:
            return
        commit, files = found
        if kind == "tree":
            self.send_json([_entry(name, files[name]) for name in sorted(files)])
            return
        siblings = [_sibling(name, files[name]) for name in sorted(files)]
        self.send_json({"_id": "1", "id": hub_id, "sha": commit, "siblings": siblings})

    def resolve(self, hub_id: str, revision: str, name: str) -> None:
        if (found := self.repository(hub_id, revision)) is None:
            return
        commit, files = found
        if name not in files or name in self.hub.hidden:
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": commit})
            return
        content = files[name]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag(name, content)}"'}
        if name.endswith(LARGE):
            headers |= {"X-Linked-ETag": f'"{etag(name, content)}"', "X-Linked-Size": str(len(content))}
            place = f"{self.hub.cdn}/cdn/{commit}/{name}"
            self.send(302, b"", {**headers, "Location": place, "ETag": '"of-the-redirect"'})
        else:
            self.send(200, self.hub.changed.get(name, content), headers)

    def send_content(self, commit: str, name: str) -> None:
        """A large file from where the redirect leads, with ranges, changes and cut connections."""
        of_commit = next(r.commits[commit] for r in self.hub.repositories.values() if commit in r.commits)
        content = self.hub.changed.get(name, of_commit[name])
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(match[1]) if match else 0
        headers = {"ETag": f'"{etag(name, content)}"', "Accept-Ranges": "bytes"}
        if match:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self.send(206 if match else 200, content[start:], headers)

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        is_cut = bool(self.hub.cuts) and len(body) > self.hub.cuts[0]
        self.wfile.write(body[: self.hub.cuts.pop(0)] if is_cut else body)
        if is_cut:
            self.close_connection = True

    def send_json(self, content: object) -> None:
        self.send(200, json.dumps(content).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str = "", headers: Mapping[str, str] | None = None) -> None:
        more = {"X-Error-Code": code} if code else {}
        self.send(status, b"{}", {**more, **(headers or {})})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in http.server
        """Not to stderr."""


def etag(name: str, content: bytes) -> str:
    """SHA-256 of a large file, git's SHA-1 of a small one: what the hub gives as ETag."""
    if name.endswith(LARGE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _sibling(name: str, content: bytes) -> dict[str, object]:
    found: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": etag("small", content)}
    if name.endswith(LARGE):
        found["lfs"] = {"sha256": etag(name, content), "size": len(content), "pointerSize": 134}
    return found


def _entry(name: str, content: bytes) -> dict[str, object]:
    found: dict[str, object] = {"type": "file", "path": name, "size": len(content)}
    found["oid"] = etag("small", content)
    if name.endswith(LARGE):
        found["lfs"] = {"oid": etag(name, content), "size": len(content), "pointerSize": 134}
    return found


# Small models, in the layout of the published ones


@cache
def files_of(
    family: str, *, seed: int = 1, shards: bool = False, as_bin: bool = False, half: bool = False
) -> Files:
    """The files of a repository that holds a tiny random model of a family.

    Args:
        family: "esm2", "protbert", "protalbert", "protxlnet", "prott5" or "esmc".
        seed: Where the weights come from.
        shards: Weights in several files with an index.
        as_bin: Weights as `pytorch_model.bin`, not safetensors.
        half: Weights in half precision.
    """
    module = tiny_module(family, seed=seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _quiet():
            (module.half() if half else module).save_pretrained(
                folder, max_shard_size="60KB" if shards else "5GB"
            )
        if as_bin:
            _as_bin(folder)
        write_tokenizer(family, folder)
        return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _as_bin(folder: Path) -> None:
    """Save weights the old way, whole or in parts."""
    import torch
    from safetensors.torch import load_file

    for path in list(folder.glob("*.safetensors")):
        target = path.with_name(path.name.replace("model", "pytorch_model")).with_suffix(".bin")
        torch.save(load_file(path), target)
        path.unlink()
    for index in folder.glob("*.index.json"):
        text = index.read_text().replace('"model-', '"pytorch_model-').replace(".safetensors", ".bin")
        (folder / "pytorch_model.bin.index.json").write_text(text)
        index.unlink()


def tiny_module(family: str, *, seed: int = 1) -> Any:
    """A tiny random model of a family, of the class that its checkpoints were saved from."""
    import torch
    import transformers

    variant = registry.get("language_model", family)
    options = {**variant.options(tiny_checkpoint(variant.checkpoints[0])), **TINY[family]}
    config = variant.config_class()(**options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = getattr(transformers, ARCHITECTURES[family])(config).eval()
        # The usual beginning is so near to zero that a fault in the middle would not be seen at the end.
        for parameter in module.parameters():
            parameter.data += 0.3 * torch.randn_like(parameter)
    return module


def write_tokenizer(family: str, folder: Path) -> None:
    """The tokenizer's files as they are published for a family."""
    module = import_module(f"sortilin.language_models.{family}")
    configs: dict[str, Any] = {"do_lower_case": False}
    if family in ("esm2", "protbert"):
        (folder / "vocab.txt").write_text("\n".join(module.TOKENS))
    elif family == "esmc":
        from transformers import EsmcTokenizer

        tokenizer_class: Any = EsmcTokenizer
        tokenizer_class().save_pretrained(folder)
        return
    else:
        (folder / "spiece.model").write_bytes(sentencepiece_model(family, module.TOKENS))
    (folder / "tokenizer_config.json").write_text(json.dumps(configs))


MORE_PIECES = {"protxlnet": ("X", "U", "B", "O", "Z", ".", "-", "▁")}
"""Pieces beside the tokens that matter: ProtXLNet knows X, but not after a space."""


def sentencepiece_model(family: str, tokens: tuple[str, ...]) -> bytes:
    """A SentencePiece model with these pieces in this order."""
    import io

    import sentencepiece

    messages: Any = import_module("sentencepiece.sentencepiece_model_pb2")
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["A L G V S R E D T I P K F Q N Y M H W C X B O U Z"]),
        model_writer=trained,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=3,
    )
    found = messages.ModelProto()
    found.ParseFromString(trained.getvalue())
    del found.pieces[:]
    kinds = messages.ModelProto.SentencePiece
    for token in (*tokens, *MORE_PIECES.get(family, ())):
        kind = kinds.UNKNOWN if token == "<unk>" else kinds.CONTROL if token[0] in "<[" else kinds.NORMAL
        found.pieces.add(piece=token, score=0.0 if kind != kinds.NORMAL else -3.0, type=kind)
    found.trainer_spec.unk_id = tokens.index("<unk>")
    content: bytes = found.SerializeToString()
    return content
