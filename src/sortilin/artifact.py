"""The model folder: what a trained model is on disk.

    model.json           what it is: format version, task, classes, components by name, data, metrics
    model.onnx           features (N, F) float32, tokens (N, L) int64, or both; or residues (N, L, D) float32
                         with mask (N, L) → scores (N, S) float32
    arrays.safetensors   calibration, hashes of the training sequences, the classifier's own arrays
    README.md            the card for people
    adapter/, backbone/  what was trained of a language model: adapters, or all of it; mostly neither

No pickle is written or read. `model.json` holds the SHA-256 of the other files, so its own SHA-256 is
the model's checksum. A folder is written under another name and renamed, so that none is half-written.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sortilin.errors import ModelFolderError, OutputError
from sortilin.evaluation import per_class
from sortilin.evaluation.calibration import METHOD, METHODS, Calibration
from sortilin.evaluation.per_class import PerClass

FORMAT = "sortilin-model"
FORMAT_VERSION = 5
"""2 added models that take tokens in place of features, 3 those that take both, and neighbours, 4 heads on
residue vectors of a language model, and files in sub-folders, 5 other calibrations than the logistic one,
held-out scores, prediction sets and the distance to the training data."""

DESCRIPTION, GRAPH, ARRAYS, CARD = "model.json", "model.onnx", "arrays.safetensors", "README.md"


class _Table(BaseModel):
    # Keys that a later version adds are no fault; values of another kind are.
    model_config = ConfigDict(frozen=True, strict=True, extra="allow")


class _Features(_Table):
    name: str
    config: dict[str, Any]
    n_features: PositiveInt


class _Neighbours(_Table):
    columns: list[str] = Field(min_length=1)


class _Tokens(_Table):
    max_residues: PositiveInt | None
    keep_last: NonNegativeInt


class _Members(_Table):
    networks: PositiveInt
    dropout_samples: NonNegativeInt


class _LanguageModel(_Table):
    mode: Literal["frozen", "full", "lora"]
    backbone: str
    layer: int
    name: str
    hub_id: str
    revision: str
    width: PositiveInt


class _Far(_Table):
    kind: Literal["mahalanobis", "neighbours"]
    components: PositiveInt
    nearest: PositiveInt
    rate: float
    features: str


class _Classifier(_Table):
    name: str


class _TrainingData(_Table):
    name: str
    lengths: list[PositiveInt] = Field(min_length=2, max_length=2)


class _Description(_Table):
    """What every `model.json` holds."""

    task: str
    multi_label: bool = False
    classes: list[str] = Field(min_length=2)
    features: _Features | None = None
    neighbours: _Neighbours | None = None
    tokens: _Tokens | None = None
    residues: _Tokens | None = None
    language_model: _LanguageModel | None = None
    members: _Members | None = None
    far: _Far | None = None
    classifier: _Classifier
    training_data: _TrainingData
    seed: int
    metrics: dict[str, Any]
    files: dict[str, str]

    @field_validator("classes")
    @classmethod
    def _are_distinct(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError("a class stands there twice")
        return value

    @model_validator(mode="after")
    def _has_an_input(self) -> _Description:
        if self.features is None and self.tokens is None and self.residues is None:
            raise ValueError("it needs features, tokens or residues")
        if self.residues is not None and (self.features is not None or self.tokens is not None):
            raise ValueError("residues stand alone, and it has features or tokens as well")
        if self.residues is not None and self.language_model is None:
            raise ValueError("residues are of a language model, and it names none")
        if self.neighbours is not None and self.features is None:
            raise ValueError("neighbours follow features, and it has none")
        return self

    @field_validator("files")
    @classmethod
    def _are_complete(cls, value: dict[str, str]) -> dict[str, str]:
        missing = [name for name in (GRAPH, ARRAYS, CARD) if name not in value]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        return value


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was read and found whole.

    Attributes:
        path: Where it lies.
        description: The content of `model.json`.
        checksum: SHA-256 of `model.json`, hexadecimal.
    """

    path: Path
    description: Mapping[str, Any]
    checksum: str

    def damaged(self, what: str) -> ModelFolderError:
        """The error that says what is wrong with the folder."""
        return ModelFolderError(f"the model folder {self.path} is damaged: {what}")

    @property
    def graph(self) -> bytes:
        """The ONNX graph."""
        return (self.path / GRAPH).read_bytes()

    @property
    def card(self) -> str:
        """The card, as Markdown."""
        return (self.path / CARD).read_text(encoding="utf-8")

    def array_names(self) -> tuple[str, ...]:
        """Names of all stored arrays.

        Raises:
            ModelFolderError: The file is damaged.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / ARRAYS, framework="numpy") as stored:
                return tuple(stored.keys())
        except (SafetensorError, OSError) as error:
            raise ModelFolderError(f"{self.path / ARRAYS}: cannot be read: {error}") from None

    def array(self, name: str) -> NDArray[Any]:
        """One stored array; the others stay on disk.

        Raises:
            ModelFolderError: The file is damaged or holds no such array.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path / ARRAYS, framework="numpy") as stored:
                return np.asarray(stored.get_tensor(name))
        except (SafetensorError, OSError) as error:
            raise ModelFolderError(f"{self.path / ARRAYS}: cannot read '{name}': {error}") from None

    def decider(self) -> PerClass | None:
        """Probabilities and thresholds of a model of several classes a sequence; None for one of one class.

        Raises:
            ModelFolderError: They are missing, or do not fit the classes.
        """
        if not self.description.get("multi_label"):
            return None
        found = PerClass(*(self.array(name).astype(np.float64) for name in per_class.ARRAYS))
        n_classes = len(self.description["classes"])
        if any(part.shape != (n_classes,) for part in (found.slopes, found.offsets, found.thresholds)):
            raise ModelFolderError(
                f"the model folder {self.path} is damaged: its thresholds do not fit {n_classes} classes"
            )
        return found

    def calibration(self) -> Calibration:
        """The fitted calibration; folders before format 5 have no other than the logistic one.

        Raises:
            ModelFolderError: It is of a method that this version does not know, or damaged.
        """
        method = self.description.get("calibration", {}).get("method", METHOD)
        if method not in METHODS:
            known = ", ".join(METHODS)
            raise ModelFolderError(f"{self.path} is calibrated by '{method}'; this version knows: {known}")
        weights, bias = self.array("calibration.weights"), self.array("calibration.bias")
        steps = self.array("calibration.steps") if method == "isotonic" else None
        return Calibration(weights, bias, method, steps)


def calibration_arrays(calibrate: Calibration) -> dict[str, NDArray[Any]]:
    """What a folder keeps of a calibration; its method stands in `model.json`."""
    arrays = {"calibration.weights": calibrate.weights, "calibration.bias": calibrate.bias}
    return arrays if calibrate.steps is None else {**arrays, "calibration.steps": calibrate.steps}


def sequence_hashes(sequences: Sequence[str]) -> NDArray[np.uint64]:
    """(N,) 64-bit BLAKE2b of each sequence: tells a training sequence without keeping it."""
    digests = b"".join(hashlib.blake2b(s.encode("ascii"), digest_size=8).digest() for s in sequences)
    return np.frombuffer(digests, dtype=np.dtype("<u8")).astype(np.uint64)


def write(
    path: Path,
    description: Mapping[str, Any],
    *,
    graph: bytes,
    arrays: Mapping[str, NDArray[Any]],
    card: str,
    extra: Mapping[str, str] | None = None,
    folders: Mapping[str, Callable[[Path], None]] | None = None,
) -> ModelFolder:
    """Write a model folder; an older one of that name goes only when the new one is whole.

    Args:
        path: The folder's final name.
        description: `model.json` without format, version and files.
        graph: Serialized ONNX.
        arrays: Name → array; kept in their own precision.
        card: Markdown.
        extra: Further text files by name (metrics, resolved configuration).
        folders: Sub-folder → what writes its files into it, for those too large to be held in memory.

    Raises:
        OutputError: The folder cannot be written.
    """
    from safetensors.numpy import save

    contents = {
        GRAPH: graph,
        # Not ascontiguousarray, which makes (1,) of a scalar.
        ARRAYS: save({name: np.array(array, order="C") for name, array in arrays.items()}),
        CARD: card.encode(),
        **{name: text.encode() for name, text in (extra or {}).items()},
    }

    def fill(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        for name, write_files in (folders or {}).items():
            (folder / name).mkdir()
            write_files(folder / name)
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        files = {name: checksum(folder / name) for name in [*contents, *_below(folder, folders or {})]}
        body = json.dumps({**head, **description, "files": files}, indent=2, ensure_ascii=False) + "\n"
        (folder / DESCRIPTION).write_bytes(body.encode())

    try:
        _replace_folder(path, fill)
    except OSError as error:
        raise OutputError(f"the model folder {path} cannot be written: {error.strerror or error}") from None
    return read(path)


def _below(folder: Path, names: Iterable[str]) -> list[str]:
    """Names of the files of some sub-folders, as `model.json` has them."""
    found = (path for name in names for path in sorted((folder / name).rglob("*")) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in found]


def checksum(path: Path) -> str:
    """SHA-256 of a file of any size, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_inside(name: str) -> bool:
    """Whether a name in `model.json` is that of a file in the folder or its sub-folders, and no way out."""
    parts = name.split("/")
    return all(part not in ("", ".", "..") and not {*part} & {"\\", ":", "\0"} for part in parts)


def _replace_folder(path: Path, fill: Callable[[Path], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.partial-{uuid.uuid4().hex[:8]}"
    try:
        partial.mkdir()
        fill(partial)
        retired = path.parent / f".{path.name}.old-{uuid.uuid4().hex[:8]}"
        if path.exists():
            path.rename(retired)
        try:
            partial.rename(path)
        except BaseException:
            if retired.exists():
                retired.replace(path)
            raise
        shutil.rmtree(retired, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read(path: Path) -> ModelFolder:
    """Read and verify a model folder.

    Raises:
        ModelFolderError: It is absent, foreign, damaged, or written by a newer version.
    """
    raw = _read_description(path)
    description = _parse(path, raw)
    for name, expected in description["files"].items():
        _verify(path, name, expected)
    return ModelFolder(path, description, hashlib.sha256(raw).hexdigest())


def _read_description(path: Path) -> bytes:
    if not path.is_dir():
        found = "it is a file" if path.exists() else "it does not exist"
        raise ModelFolderError(f"{path} is not a model folder: {found}")
    try:
        return (path / DESCRIPTION).read_bytes()
    except FileNotFoundError:
        raise ModelFolderError(f"{path} is not a model folder: it holds no {DESCRIPTION}") from None
    except OSError as error:
        raise ModelFolderError(f"{path / DESCRIPTION} cannot be read: {error.strerror}") from None


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    where = path / DESCRIPTION
    try:
        description = json.loads(raw)
    except ValueError as error:
        raise ModelFolderError(f"{where} is damaged: not JSON ({error})") from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise ModelFolderError(f'{where} does not describe a sortilin model: no "format": "{FORMAT}"')
    version = description.get("format_version")
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        by = description.get("sortilin_version", "a newer version")
        raise ModelFolderError(
            f"{where} has format version {version}, written by sortilin {by}; "
            f"this one reads up to {FORMAT_VERSION}: pip install --upgrade sortilin"
        )
    try:
        _Description.model_validate(description)
    except ValidationError as error:
        # A fault of the whole stands nowhere in particular.
        faults = (
            ": ".join(filter(None, (".".join(map(str, f["loc"])), f["msg"].removeprefix("Value error, "))))
            for f in error.errors()
        )
        raise ModelFolderError(f"{where} is damaged: {'; '.join(faults)}") from None
    return description


def _verify(folder: Path, name: str, expected: str) -> None:
    path = folder / name
    if not _is_inside(name) or not path.is_file():
        raise ModelFolderError(f"the model folder {folder} is damaged: {name} is missing")
    found = checksum(path)
    if found != expected:
        raise ModelFolderError(
            f"{path} is damaged: its SHA-256 is {found[:12]}…, {DESCRIPTION} expects {expected[:12]}…"
        )
