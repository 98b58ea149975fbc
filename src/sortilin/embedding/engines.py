"""What computes hidden states: torch, OpenVINO or ONNX Runtime, behind one contract.

Axis letters: B batch, T tokens, D width.
"""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin import device
from sortilin.embedding.config import EmbeddingConfig
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.language_models import Checkpoint, LoadedModel, Vocabulary

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

AUTO, TORCH, OPENVINO, ONNXRUNTIME = "auto", "torch", "openvino", "onnxruntime"
BFLOAT16 = "bfloat16"


class Engine(Protocol):
    """Hidden states of one layer of one model, in one precision.

    Attributes:
        name: Public name.
        vocabulary: How sequences become tokens.
        pads: Whether sequences of unlike lengths had better share a batch.
        n_workers: How many threads had better call `hidden` at a time.
    """

    name: ClassVar[str]
    vocabulary: Vocabulary

    @property
    def pads(self) -> bool:
        """See above."""
        ...

    @property
    def n_workers(self) -> int:
        """See above."""
        ...

    def hidden(self, ids: IntArray, attention: BoolArray) -> FloatArray:
        """(B, T) tokens and (B, T) attention, False at pads → (B, T, D); pads get anything finite."""
        ...

    def recover(self) -> None:
        """Give back what memory can be given back."""
        ...


class GraphEngine(ABC):
    """An exported graph, which knows no pads: rows run without them, those of one length together."""

    name: ClassVar[str]
    pads = False

    def __init__(self, vocabulary: Vocabulary, n_workers: int) -> None:
        self.vocabulary, self.n_workers = vocabulary, n_workers

    @abstractmethod
    def run(self, ids: IntArray) -> FloatArray:
        """(B, T) tokens without pads → (B, T, D), memory of its own; from several threads at a time."""

    def hidden(self, ids: IntArray, attention: BoolArray) -> FloatArray:
        """See `Engine.hidden`."""
        if attention.all():
            return self.run(ids)
        lengths = attention.sum(axis=1)
        found: FloatArray | None = None
        for length in np.unique(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            is_token = attention[rows]
            states = self.run(np.ascontiguousarray(ids[rows][is_token].reshape(len(rows), length)))
            if found is None:
                found = np.zeros((*ids.shape, states.shape[-1]), dtype=np.float32)
            place = np.zeros(attention.shape, dtype=np.bool_)
            place[rows] = is_token
            found[place] = states.reshape(-1, states.shape[-1])
        assert found is not None
        return found

    def recover(self) -> None:  # noqa: B027 - nothing is kept that could be given back
        """See `Engine.recover`."""


def choose(name: str, precision: str) -> str:
    """The engine that a name stands for on this machine.

    "auto" is torch on a GPU; on a processor OpenVINO if it is installed, else ONNX Runtime, else torch.

    Raises:
        MissingDependencyError: Its package is not installed.
        ConfigError: It does not compute in this precision.
    """
    if name == AUTO:
        name = _best(precision)
    if not _is_installed(name):
        raise MissingDependencyError(f"the engine '{name}'", name, "plm")
    if name == ONNXRUNTIME and precision == BFLOAT16:
        raise ConfigError(
            f"the engine '{ONNXRUNTIME}' computes in float32 only; allowed: {OPENVINO}, {TORCH}"
        )
    return name


def _best(precision: str) -> str:
    if device.has_gpu():
        return TORCH
    usable = (OPENVINO, TORCH) if precision == BFLOAT16 else (OPENVINO, ONNXRUNTIME, TORCH)
    return next((name for name in usable if _is_installed(name)), TORCH)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def make(
    name: str,
    config: EmbeddingConfig,
    checkpoint: Checkpoint,
    load: Callable[[], LoadedModel],
    *,
    threads: int | None,
) -> Engine:
    """An engine, ready to compute.

    Args:
        name: As `choose` gives it.
        config: Layer and precision.
        checkpoint: The model, its revision known.
        load: Gives the model in torch; called only if it is needed.
        threads: Cores it may use; None for all.

    Raises:
        BackboneError: The model cannot be loaded.
        OutputError: The graph cannot be written to the cache.
        ConfigError: This processor does not compute in the precision.
    """
    makers: Mapping[str, Callable[..., Any]] = {TORCH: _torch, OPENVINO: _openvino, ONNXRUNTIME: _onnxruntime}
    engine: Engine = makers[name](config, checkpoint, load, threads)
    return engine


def _torch(
    config: EmbeddingConfig, _checkpoint: Checkpoint, load: Callable[[], LoadedModel], threads: int | None
) -> Engine:
    from sortilin.embedding._torch import TorchEngine

    return TorchEngine(load(), layer=config.layer, precision=config.precision, threads=threads)


def _openvino(
    config: EmbeddingConfig, checkpoint: Checkpoint, load: Callable[[], LoadedModel], threads: int | None
) -> Engine:
    from sortilin.embedding import _graphs
    from sortilin.embedding._openvino import OpenVinoEngine, check_precision, export

    check_precision(config.precision)
    graph = _graphs.find_or_make(checkpoint, config.layer, OPENVINO, load, export)
    return OpenVinoEngine(graph, precision=config.precision, threads=threads or device.usable_cores())


def _onnxruntime(
    config: EmbeddingConfig, checkpoint: Checkpoint, load: Callable[[], LoadedModel], threads: int | None
) -> Engine:
    from sortilin.embedding import _graphs
    from sortilin.embedding._onnxruntime import OnnxRuntimeEngine, export

    graph = _graphs.find_or_make(checkpoint, config.layer, ONNXRUNTIME, load, export)
    return OnnxRuntimeEngine(graph, threads=threads or device.usable_cores())
