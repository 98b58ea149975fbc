"""Torch modules that the loop trains, their examples, and their export.

Axis letters: N sequences, B batch, L residues, D width, F features, C classes, S scores.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortilin.errors import ConfigError
from sortilin.interfaces import Backbone, DoubleArray, Head, IntArray
from sortilin.sequences import tokens
from sortilin.training import batching
from sortilin.training.loop import Examples

Module = TypeVar("Module", bound=nn.Module)

_EXAMPLE = (2, 1_000)
"""Sequences and positions that the exporter looks on at; more positions than a head pools into one."""


class Network(nn.Module):
    """Tokens (B, L), padded on the right → logits (B, C)."""

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, batch: Tensor) -> Tensor:
        """(B, L) tokens → (B, C) logits."""
        mask = batch != tokens.PAD
        logits: Tensor = self.head(self.backbone(batch, mask), mask)
        return logits

    def attention(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the head's weights (B, L)."""
        mask = batch != tokens.PAD
        found: tuple[Tensor, Tensor] = self.head.attention(self.backbone(batch, mask), mask)
        return found


class FeatureNetwork(nn.Module):
    """Features (B, F) → standardized → a head, which takes them for one residue → logits (B, C).

    Args:
        head: Over vectors of width F.
        mean: (F,) is taken off.
        scale: (F,) is divided by.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, head: Head, mean: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        super().__init__()
        self.head = head
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))

    def forward(self, batch: Tensor) -> Tensor:
        """(B, F) features → (B, C) logits."""
        x = ((batch - self.mean) / self.scale)[:, None]  # (B, 1, F)
        mask = torch.ones_like(x[..., 0], dtype=torch.bool)  # (B, 1)
        logits: Tensor = self.head(x, mask)
        return logits


class FeatureExamples:
    """N rows of features; see `training.Examples`."""

    def __init__(self, rows: NDArray[np.float32], targets: IntArray) -> None:
        self.rows, self.targets = torch.from_numpy(rows), targets
        self.lengths = np.ones(len(rows), dtype=np.int64)

    def batch(self, rows: IntArray) -> tuple[Tensor]:
        """One argument: (B, F) features."""
        return (self.rows[torch.from_numpy(rows)],)


class SequenceExamples:
    """N sequences as padded batches of tokens; see `training.Examples`.

    Attributes:
        masking: Share of residues that a batch shows as X, by torch's generator.
    """

    def __init__(self, sequences: Any, targets: IntArray, *, masking: float = 0.0) -> None:
        self.sequences, self.targets, self.masking = sequences, targets, masking
        self.lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))

    def batch(self, rows: IntArray) -> tuple[Tensor]:
        """One argument: (B, L) tokens."""
        batch = torch.from_numpy(tokens.pad([self.sequences[row] for row in rows]))
        if self.masking:
            is_hidden = (torch.rand(batch.shape) < self.masking) & (batch != tokens.PAD)
            batch = batch.masked_fill(is_hidden, tokens.UNKNOWN)
        return (batch,)


def as_scores(logits: Any) -> Any:
    """(N, C) logits → (N, S): themselves, or with two classes their difference, positive for class 1."""
    return logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits


def scores_in_batches(network: nn.Module, examples: Examples, batch_positions: int) -> DoubleArray:
    """(N, S) scores in the order of the examples, which run in batches of like length.

    Args:
        network: From what `Examples.batch` gives to (B, C) logits.
        examples: N of them.
        batch_positions: Positions a batch, padding counted.
    """
    n = len(examples.lengths)
    batches = batching.length_buckets(examples.lengths, batch_size=n, batch_positions=batch_positions)
    logits: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * n
    with torch.inference_mode():
        for rows in batches:
            for row, found in zip(rows, network(*examples.batch(rows)).numpy(), strict=True):
                logits[row] = found
    return np.asarray(as_scores(np.stack(logits).astype(np.float64)))


class _Exported(nn.Module):
    """What the ONNX graph computes of tokens."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> tuple[Tensor, ...]:
        """(N, L) tokens → scores and, if there is attention, weights."""
        if not self.network.head.has_attention:
            return (as_scores(self.network(tokens)),)
        logits, weights = self.network.attention(tokens)
        return as_scores(logits), weights


class _ExportedOfFeatures(nn.Module):
    """What the ONNX graph computes of features."""

    def __init__(self, network: FeatureNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """(N, F) features → scores."""
        return (as_scores(self.network(features)),)


class _ExportedOfResidues(nn.Module):
    """What the ONNX graph computes of residue vectors."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head = head

    def forward(self, residues: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        """(N, L, D) vectors and (N, L) mask → scores and, if there is attention, weights."""
        if not self.head.has_attention:
            return (as_scores(self.head(residues, mask)),)
        logits, weights = self.head.attention(residues, mask)
        return as_scores(logits), weights


class _OnnxLstm(nn.Module):
    """A layer of `nn.LSTM` as ONNX's operator.

    Left to itself, the exporter may unroll the layer over the positions of its example, and then the
    graph holds for that length alone: in PyTorch 2.13 every export of a process but its first.
    """

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.hidden = layer.hidden_size
        self.w = nn.Buffer(self._in_order(layer.weight_ih_l0)[None])  # (1, 4 H, D)
        self.r = nn.Buffer(self._in_order(layer.weight_hh_l0)[None])  # (1, 4 H, H)
        biases = self._in_order(layer.bias_ih_l0), self._in_order(layer.bias_hh_l0)
        self.b = nn.Buffer(torch.cat(biases)[None])  # (1, 8 H)

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a module is a layer that this stands for."""
        return (
            isinstance(layer, nn.LSTM)
            and (layer.num_layers, layer.proj_size) == (1, 0)
            and (layer.batch_first, layer.bias, layer.bidirectional) == (True, True, False)
        )

    @staticmethod
    def _in_order(weight: Tensor) -> Tensor:
        """PyTorch stacks input, forget, cell and output gate; ONNX input, output, forget and cell."""
        i, f, g, o = weight.detach().chunk(4)
        return torch.cat([i, o, f, g])

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, L, D) → (B, L, H), and the last state and cell, (1, B, H) each."""
        x = x.transpose(0, 1)  # (L, B, D)
        last = (1, x.shape[1], self.hidden)
        y, h, c = torch.onnx.ops.symbolic_multi_out(
            "LSTM",
            (x, self.w, self.r, self.b),
            {"hidden_size": self.hidden},
            dtypes=(x.dtype, x.dtype, x.dtype),
            shapes=((x.shape[0], *last), last, last),
        )
        return y[:, 0].transpose(0, 1), (h, c)


def to_onnx(network: Network) -> bytes:
    """`tokens` (N, L) → `scores` (N, S) and, if the head has attention, `attention` (N, L).

    Raises:
        ConfigError: The exporter finds no graph that holds for every length.
    """
    example = {"tokens": torch.ones(_EXAMPLE, dtype=torch.int64)}
    module = _Exported(_exportable(network))
    return _exported(module, example, _outputs(network.head), open_dims=("N", "L"))


def to_onnx_of_residues(head: Any, width: int) -> bytes:
    """`residues` (N, L, D) and `mask` (N, L) → `scores` (N, S) and, with attention, `attention` (N, L).

    Raises:
        ConfigError: The exporter finds no graph that holds for every length.
    """
    example = {
        "residues": torch.zeros(*_EXAMPLE, width),
        "mask": torch.ones(_EXAMPLE, dtype=torch.bool),
    }
    module = _ExportedOfResidues(_exportable(head))
    return _exported(module, example, _outputs(head), open_dims=("N", "L"))


def _outputs(head: Any) -> list[str]:
    return ["scores", "attention"] if head.has_attention else ["scores"]


def to_onnx_of_features(network: FeatureNetwork) -> bytes:
    """`features` (N, F) → `scores` (N, S); the standardization is part of the graph."""
    example = {"features": torch.zeros(_EXAMPLE[0], len(network.mean))}
    module = _ExportedOfFeatures(_exportable(network))
    return _exported(module, example, ["scores"], open_dims=("N",))


def _exported(
    module: nn.Module, example: Mapping[str, Tensor], outputs: list[str], *, open_dims: tuple[str, ...]
) -> bytes:
    """The graph of a module of these arguments, of which the first dimensions are open."""
    from torch.export import Dim

    dims = {place: Dim(letter) for place, letter in enumerate(open_dims)}

    with warnings.catch_warnings(), _quiet_exporter():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            module.eval(),
            tuple(example.values()),
            dynamo=True,
            verbose=False,
            input_names=list(example),
            output_names=outputs,
            dynamic_shapes=dict.fromkeys(example, dims),
        )
    assert program is not None  # None only where a file is written
    return _tidied(program.model_proto, outputs, n_open=len(open_dims))


def _exportable(network: Module) -> Module:
    """A copy in which ONNX's own LSTM stands for each layer."""
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, part in list(module.named_children()):
            if _OnnxLstm.fits(part):
                setattr(module, name, _OnnxLstm(part))
    return network


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """It warns of packages that no network here needs (torchvision)."""
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def _tidied(proto: Any, outputs: list[str], *, n_open: int = 2) -> bytes:
    """Without traces of this machine, and without shapes that the exporter took from its example."""
    del proto.graph.value_info[:]
    for part in (proto, proto.graph, *proto.graph.node, *proto.functions):
        del part.metadata_props[:]
        part.doc_string = ""
    open_dims = [d for given in proto.graph.input for d in list(given.type.tensor_type.shape.dim)[:n_open]]
    if fixed := [d.dim_value for d in open_dims if not d.dim_param]:
        raise ConfigError(f"this network cannot be exported: its graph would hold for a size of {fixed} only")
    for tensor, name in zip(proto.graph.output, outputs, strict=True):
        shape = tensor.type.tensor_type.shape
        shape.dim[0].dim_param = "N"
        if name == "attention":
            shape.dim[1].dim_param = "L"
    return bytes(proto.SerializeToString())
