"""Graphs of several networks, and of their dropout masks, as one graph to `scores` and `members`.

Axis letters: N sequences, L residues, S scores, K graphs, M masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.classifiers._onnx import OUTPUT, require_onnx

MEMBERS, ATTENTION = "members", "attention"


@dataclass(frozen=True, slots=True)
class Part:
    """One network's graph.

    Attributes:
        graph: To `scores` (N, S) and, with attention, `attention` (N, L).
        factors: Arrays that stand in the graph where dropout is; each once.
        masks: For each of them, the (M, ...) that are to stand there; none, and the graph is taken as it is.
    """

    graph: bytes
    factors: Sequence[NDArray[np.float32]] = ()
    masks: Sequence[NDArray[np.float32]] = ()


def joined(parts: Sequence[Part]) -> bytes:
    """One graph of all parts, which have the same inputs.

    `members` (N, K M, S) holds log-probabilities, or with one score the log-odds; `scores` (N, S) the same of
    the mean of the probabilities; `attention` the mean of the weights.
    """
    onnx = require_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    models = [onnx.load_from_string(part.graph) for part in parts]
    first = models[0]
    shape = next(tensor for tensor in first.graph.output if tensor.name == OUTPUT).type.tensor_type.shape
    n_scores = int(shape.dim[1].dim_value)
    opened = [
        _Opened(model, part, f"m{k}_") for k, (model, part) in enumerate(zip(models, parts, strict=True))
    ]
    copies = [copy for one in opened for copy in one.copies()]
    nodes = [node for one in opened for node in one.shared]
    nodes += [node for copy in copies for node in copy.nodes]
    nodes += _tail([copy.scores for copy in copies], n_scores)
    outputs = [helper.make_tensor_value_info(OUTPUT, float32, ["N", n_scores])]
    outputs.append(helper.make_tensor_value_info(MEMBERS, float32, ["N", len(copies), n_scores]))
    if copies[0].attention is not None:
        nodes.append(helper.make_node("Mean", [copy.attention for copy in copies], [ATTENTION]))
        outputs.append(helper.make_tensor_value_info(ATTENTION, float32, ["N", "L"]))
    constants = [tensor for one in opened for tensor in one.constants]
    constants += [tensor for copy in copies for tensor in copy.constants]
    graph = helper.make_graph(
        nodes, "sortilin", list(first.graph.input), outputs, initializer=[*constants, *_tail_constants()]
    )
    model = helper.make_model(
        graph,
        functions=[function for one in opened for function in one.model.functions],
        opset_imports=first.opset_import,
        ir_version=first.ir_version,
        producer_name="sortilin",
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@dataclass(frozen=True, slots=True)
class _Copy:
    """What one mask computes.

    Attributes:
        nodes: That depend on the mask.
        constants: The masks.
        scores: Name of the (N, S).
        attention: Name of the (N, L); None without.
    """

    nodes: list[Any]
    constants: list[Any]
    scores: str
    attention: str | None


class _Opened:
    """A part's graph under names of its own, cut in two: what depends on a mask, and what is shared."""

    def __init__(self, model: Any, part: Part, prefix: str) -> None:
        onnx = require_onnx()
        self.prefix, self.masks = prefix, part.masks
        self.has_attention = ATTENTION in {tensor.name for tensor in model.graph.output}
        self.model = onnx.compose.add_prefix(model, prefix, rename_inputs=False)
        self.places = _places(self.model, part.factors)
        self.constants = [t for t in self.model.graph.initializer if t.name not in self.places]
        changing = set(self.places)
        self.shared, self.own = [], []
        for node in self.model.graph.node:
            if changing.isdisjoint(node.input):
                self.shared.append(node)
            else:
                changing |= set(node.output)
                self.own.append(node)
        self.changing = changing

    def copies(self) -> Iterator[_Copy]:
        """One a mask; without masks, one."""
        attention = f"{self.prefix}{ATTENTION}" if self.has_attention else None
        if not self.places:
            yield _Copy([], [], f"{self.prefix}{OUTPUT}", attention)
            return
        onnx = require_onnx()
        for number in range(len(self.masks[0])):
            names = {name: f"{name}_s{number}" for name in self.changing}
            yield _Copy(
                [_renamed(node, names, f"_s{number}") for node in self.own],
                [
                    onnx.numpy_helper.from_array(self.masks[place][number], names[name])
                    for name, place in self.places.items()
                ],
                names.get(f"{self.prefix}{OUTPUT}", f"{self.prefix}{OUTPUT}"),
                attention and names.get(attention, attention),
            )


def _places(model: Any, factors: Sequence[NDArray[np.float32]]) -> dict[str, int]:
    """Name of the constant that each factor became → the factor's number."""
    to_array = require_onnx().numpy_helper.to_array
    found = {}
    for tensor in model.graph.initializer:
        array = to_array(tensor)
        for number, factor in enumerate(factors):
            if array.size == factor.size and np.array_equal(array.ravel(), factor.ravel()):
                found[tensor.name] = number
    if sorted(found.values()) != list(range(len(factors))):
        raise AssertionError(f"of {len(factors)} dropout layers the graph holds {sorted(found.values())}")
    return found


def _renamed(node: Any, names: Mapping[str, str], ending: str) -> Any:
    """A copy of a node with other names for what changes."""
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name = f"{node.name}{ending}"
    copy.input[:] = [names.get(name, name) for name in node.input]
    copy.output[:] = [names[name] for name in node.output]
    return copy


def _tail_constants() -> list[Any]:
    """The axis of the members."""
    return [require_onnx().numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")]


def _tail(scores: Sequence[str], n_scores: int) -> list[Any]:
    """From (N, S) of each to `members` and `scores`."""
    make = require_onnx().helper.make_node
    nodes = []
    for number, name in enumerate(scores):
        known = name
        if n_scores > 1:
            known = f"log_{number}"
            nodes.append(make("LogSoftmax", [name], [known], axis=1))
        nodes.append(make("Unsqueeze", [known, "axis"], [f"member_{number}"]))
    nodes.append(make("Concat", [f"member_{n}" for n in range(len(scores))], [MEMBERS], axis=1))
    if n_scores > 1:
        return [*nodes, *_log_of_mean(MEMBERS, OUTPUT)]
    # Of log-odds z: log p is -softplus(-z), and of the other class -softplus(z).
    nodes += [
        make("Neg", [MEMBERS], ["against"]),
        make("Softplus", ["against"], ["no_yes"]),
        make("Neg", ["no_yes"], ["log_yes"]),
        make("Softplus", [MEMBERS], ["no_no"]),
        make("Neg", ["no_no"], ["log_no"]),
        *_log_of_mean("log_yes", "mean_yes"),
        *_log_of_mean("log_no", "mean_no"),
        make("Sub", ["mean_yes", "mean_no"], [OUTPUT]),
    ]
    return nodes


def _log_of_mean(logs: str, to: str) -> list[Any]:
    """(N, K, S) logarithms → (N, S): that of the mean; the largest is taken off first, or all may be 0."""
    make = require_onnx().helper.make_node
    return [
        make("ReduceMax", [logs, "axis"], [f"{to}_top"], keepdims=1),
        make("Sub", [logs, f"{to}_top"], [f"{to}_below"]),
        make("Exp", [f"{to}_below"], [f"{to}_shares"]),
        make("ReduceMean", [f"{to}_shares", "axis"], [f"{to}_share"], keepdims=0),
        make("Log", [f"{to}_share"], [f"{to}_added"]),
        make("Squeeze", [f"{to}_top", "axis"], [f"{to}_of_top"]),
        make("Add", [f"{to}_of_top", f"{to}_added"], [to]),
    ]
