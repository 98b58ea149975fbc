"""Building small ONNX graphs from `features` (N, F) to `scores` (N, S)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import MissingDependencyError

INPUT, OUTPUT = "features", "scores"

FLOAT32 = 1
"""ONNX's own number of the type."""

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
    """Serialize a checked graph whose initializers are `constants` (doubles become float32)."""
    onnx = require_onnx()
    helper, as_tensor = onnx.helper, onnx.numpy_helper.from_array
    float32 = onnx.TensorProto.FLOAT
    initializers = [
        as_tensor(array.astype(np.float32) if array.dtype == np.float64 else array, name)
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


def mean_of(graphs: Sequence[bytes], weights: Sequence[float]) -> bytes:
    """One graph to the weighted mean of the log-probabilities of several graphs' scores.

    Each takes `features`, `tokens` or both; those of one name become one input. A single column of scores
    is log-odds already. Other outputs are dropped.
    """
    onnx = require_onnx()
    models = [onnx.load_from_string(graph) for graph in graphs]
    opset = max(_opset(model) for model in models)
    parts = [
        _term(model, weight, f"m{i}_", opset)
        for i, (model, weight) in enumerate(zip(models, weights, strict=True))
    ]
    terms = onnx.helper.make_node("Sum", [f"m{i}_term" for i in range(len(parts))], [OUTPUT])
    return _joined(models, parts, terms, n_scores=_n_scores(models[0]))


def side_by_side(graphs: Sequence[bytes]) -> bytes:
    """One graph to the scores of several graphs, each of which gives one column.

    Inputs of one name become one input. Other outputs are dropped.
    """
    onnx = require_onnx()
    models = [onnx.load_from_string(graph) for graph in graphs]
    opset = max(_opset(model) for model in models)
    parts = [
        onnx.compose.add_prefix(_converted(model, opset), f"m{i}_", rename_inputs=False)
        for i, model in enumerate(models)
    ]
    columns = [f"m{i}_{OUTPUT}" for i in range(len(parts))]
    together = onnx.helper.make_node("Concat", columns, [OUTPUT], axis=1)
    return _joined(models, parts, together, n_scores=sum(map(_n_scores, models)))


def _joined(models: Sequence[Any], parts: Sequence[Any], last: Any, *, n_scores: int) -> bytes:
    """The nodes of all parts and one behind them that makes `scores`; the inputs are those of the models."""
    onnx = require_onnx()
    helper = onnx.helper
    inputs = {tensor.name: tensor for model in models for tensor in model.graph.input}
    graph = helper.make_graph(
        [*(node for part in parts for node in part.graph.node), last],
        "sortilin",
        [inputs[name] for name in sorted(inputs)],
        [helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, ["N", n_scores])],
        initializer=[tensor for part in parts for tensor in part.graph.initializer],
    )
    model = helper.make_model(
        graph,
        functions=[function for part in parts for function in part.functions],
        opset_imports=[
            helper.make_opsetid("", max(map(_opset, models))),
            helper.make_opsetid("ai.onnx.ml", _ML_OPSET),
        ],
        ir_version=max(model.ir_version for model in models),
        producer_name="sortilin",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def linear_of(graph: bytes, weights: NDArray[Any], bias: NDArray[Any]) -> bytes:
    """The same graph with scores @ weights + bias in place of its scores; weights (S, C), bias (C,)."""
    onnx = require_onnx()
    helper, as_tensor = onnx.helper, onnx.numpy_helper.from_array
    model = onnx.compose.add_prefix(onnx.load_from_string(graph), "of_", rename_inputs=False)
    model.graph.initializer.extend(
        as_tensor(array.astype(np.float32), name) for name, array in (("weights", weights), ("bias", bias))
    )
    model.graph.node.extend(
        [
            helper.make_node("MatMul", [f"of_{OUTPUT}", "weights"], ["products"]),
            helper.make_node("Add", ["products", "bias"], [OUTPUT]),
        ]
    )
    del model.graph.output[:]
    shape = ["N", weights.shape[1]]
    model.graph.output.append(helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _term(model: Any, weight: float, prefix: str, opset: int) -> Any:
    """A graph whose names begin with `prefix`, and which ends in `term`: weight times log-probabilities."""
    onnx = require_onnx()
    model = _converted(model, opset)
    logs = f"{prefix}{OUTPUT}"
    is_odds = _n_scores(model) == 1
    part = onnx.compose.add_prefix(model, prefix, rename_inputs=False)
    if not is_odds:
        part.graph.node.append(onnx.helper.make_node("LogSoftmax", [logs], [f"{prefix}logs"], axis=1))
        logs = f"{prefix}logs"
    part.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(weight), f"{prefix}weight"))
    part.graph.node.append(onnx.helper.make_node("Mul", [logs, f"{prefix}weight"], [f"{prefix}term"]))
    return part


def _converted(model: Any, opset: int) -> Any:
    """The model for a later set of operators; trees alone know none of them."""
    if _opset(model) < opset and any(node.domain == "" for node in model.graph.node):
        return require_onnx().version_converter.convert_version(model, opset)
    return model


def _n_scores(model: Any) -> int:
    scores = next(tensor for tensor in model.graph.output if tensor.name == OUTPUT)
    return int(scores.type.tensor_type.shape.dim[1].dim_value)


def _opset(model: Any) -> int:
    return max(int(opset.version) for opset in model.opset_import if opset.domain in ("", "ai.onnx"))
