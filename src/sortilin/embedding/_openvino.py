"""OpenVINO: the fastest on a processor.

Axis letters: B batch, T tokens, D width.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sortilin.embedding import _tracing
from sortilin.embedding._graphs import Graph
from sortilin.embedding._weights import MappedWeights
from sortilin.embedding.engines import BFLOAT16, OPENVINO, FloatArray, GraphEngine, IntArray
from sortilin.errors import BackboneError, ConfigError
from sortilin.language_models import LoadedModel

GRAPH, WEIGHTS = "graph.xml", ".bin"
DEVICE = "CPU"
_SHAPES_KEPT = "256"
"""Shapes whose kernels OpenVINO keeps: by default 5,000, which a stream of all lengths fills slowly."""
_HINTS = {"float32": "f32", BFLOAT16: "bf16"}
_FIRST = "MKVLATGDERWYCHNQSPFI"
"""What is computed first, and thrown away: only then are all weights packed."""


class OpenVinoEngine(GraphEngine):
    """A compiled graph with one stream a thread, so that threads share nothing but the weights."""

    name: ClassVar[str] = OPENVINO

    def __init__(self, graph: Graph, *, precision: str, threads: int) -> None:
        super().__init__(graph.vocabulary, threads)
        options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
            "CPU_RUNTIME_CACHE_CAPACITY": _SHAPES_KEPT,
        }
        self._own = threading.local()
        try:
            weights = MappedWeights(graph.path.with_suffix(WEIGHTS))
            with weights.given_back():
                self._compiled = _compiled(graph.path, weights, options)
                self.run(graph.vocabulary.encode(_FIRST)[None])
        except (RuntimeError, OSError, ValueError) as error:
            raise BackboneError(f"{graph.path} cannot be compiled; remove its folder: {error}") from error
        self._weights = weights  # the compiled graph refers to them

    def run(self, ids: IntArray) -> FloatArray:
        """See `GraphEngine.run`."""
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer([ids])
        return np.array(request.get_output_tensor(0).data)  # the next run writes over it


def _compiled(path: Path, weights: MappedWeights, options: dict[str, Any]) -> Any:
    """A graph for this processor, its constants in the memory of `weights`."""
    import openvino

    core = openvino.Core()
    graph = core.read_model(path.read_bytes(), openvino.Tensor(weights.bytes, shared_memory=True))
    return core.compile_model(graph, DEVICE, options)


def check_precision(precision: str) -> None:
    """Refuse a precision that OpenVINO would quietly replace by float32 on this processor.

    Raises:
        ConfigError: The processor does not compute in it.
    """
    import openvino

    if precision == BFLOAT16 and "BF16" not in openvino.Core().get_property(
        DEVICE, "OPTIMIZATION_CAPABILITIES"
    ):
        raise ConfigError(f"this processor does not compute in {BFLOAT16}; use float32")


def export(model: LoadedModel, layer: int, folder: Path) -> str:
    """Write the graph of a layer, with float32 weights.

    The converter `openvino.convert_model` would send usage statistics; its front end is used directly.
    """
    import openvino
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    front_end = FrontEndManager().load_by_framework("pytorch")
    with torch.inference_mode(), _tracing.quietly():
        traced = TorchScriptPythonDecoder(
            _tracing.unpadded(model, layer), example_input=_tracing.example(model)
        )
        graph: Any = front_end.convert(front_end.load(traced))
    graph.reshape([-1, -1])  # (B, T), both free
    openvino.save_model(graph, folder / GRAPH, compress_to_fp16=False)
    return GRAPH
