"""Building small ONNX graphs from `features` (N, F) to `scores` (N, S)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import MissingDependencyError

INPUT, OUTPUT = "features", "scores"

_OPSET, _ML_OPSET, _IR_VERSION = 17, 3, 8
"""Old enough for every ONNX Runtime that the base install allows."""


def require_onnx() -> ModuleType:
    """The onnx package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingDependencyError("writing a model", "onnx", "train") from None
    return onnx


def build(
    nodes: Sequence[Any], constants: Mapping[str, NDArray[Any]], *, n_features: int, n_scores: int
) -> bytes:
    """Serialize a checked graph whose initializers are `constants` (floats become float32)."""
    onnx = require_onnx()
    helper, as_tensor = onnx.helper, onnx.numpy_helper.from_array
    float32 = onnx.TensorProto.FLOAT
    initializers = [
        as_tensor(array.astype(np.float32) if array.dtype.kind == "f" else array, name)
        for name, array in constants.items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "sortilin",
        [helper.make_tensor_value_info(INPUT, float32, ["N", n_features])],
        [helper.make_tensor_value_info(OUTPUT, float32, ["N", n_scores])],
        initializer=initializers,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _ML_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="sortilin")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
