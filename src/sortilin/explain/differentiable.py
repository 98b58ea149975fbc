"""Networks cut at the residue embedding: what gradients are taken of.

Axis letters: B batch, L residues, P pieces, T tokens, D width, C classes, S scores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from sortilin import registry
from sortilin.artifact import ModelFolder
from sortilin.classifiers import _restoring
from sortilin.classifiers._network import as_scores
from sortilin.embedding import policies, pooling, residues
from sortilin.errors import BackboneError, ConfigError
from sortilin.evaluation.calibration import LINEAR, Calibration
from sortilin.language_models import LoadedModel
from sortilin.sequences import tokens

Baseline = Literal["mean", "unknown", "zero"]

_PER_CENT = (
    *(6.67, 1.77, 5.37, 7.25, 3.57, 5.87, 2.43, 4.78, 6.55, 9.28),
    *(2.11, 4.63, 5.75, 4.75, 5.42, 9.02, 5.42, 5.68, 1.01, 2.68),
)
COMPOSITION = dict(zip("ACDEFGHIKLMNPQRSTVWY", _PER_CENT, strict=True))
"""Residues of the 7,458 labelled eukaryotic proteins of dataset `psl` (4,011,955 residues, X not counted) in
per cent, as `python benchmarks/explain.py --composition` counts them: weights of the baseline "mean"."""

_MOST_POSITIONS = 8_192
_MOST_NUMBERS = 400_000_000
"""Positions of a pass, and numbers that the layers of a language model keep for the way back."""

_NUMBERS_A_LAYER = 40
"""Numbers that a transformer layer keeps for each position, in widths."""

Reading = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Residue states (B, L, D), mask (B, L) and, where they are read, summary states (B, D) → logits (B, C)."""


class Differentiable(ABC):
    """A network from the embedding of residues to the log-odds of classes.

    Attributes:
        scale: What `log_odds` are of: "calibrated" probabilities, or of the "network" before calibration
            where that is no linear map.
        most_positions: Positions of a pass, pads counted, that memory is meant for.
    """

    def __init__(self, calibration: Calibration | None, *, dtype: torch.dtype, most_positions: int) -> None:
        self.scale = "network" if calibration is None else "calibrated"
        self.most_positions, self._dtype = most_positions, dtype
        self._map: tuple[Tensor, Tensor] | None = None
        if calibration is not None:
            weights, bias = (
                torch.from_numpy(np.asarray(a)).to(dtype) for a in (calibration.weights, calibration.bias)
            )
            self._map = weights, bias

    @abstractmethod
    def embed(self, sequences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Residues that the model looks at → their embedding (B, L, D) and mask (B, L), pads on the right."""

    @abstractmethod
    def logits(self, x: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D), (B, L) → (B, C) logits, as the model's graph has them."""

    @abstractmethod
    def _vector(self, kind: Baseline) -> Tensor:
        """(D,) of one residue of a baseline."""

    def baseline(self, x: Tensor, mask: Tensor, kind: Baseline) -> Tensor:
        """(B, L, D) of sequences of the same lengths that say nothing.

        Args:
            x: (B, L, D) of the sequences.
            mask: (B, L).
            kind: "mean" is the mean embedding of the 20 residues, weighted by how frequent they are;
                "unknown" is that of the letter X; "zero" is 0.
        """
        if kind == "zero":
            return torch.zeros_like(x)
        return self._vector(kind).expand_as(x) * mask[..., None]

    def log_odds(self, x: Tensor, mask: Tensor, classes: Tensor) -> Tensor:
        """(B,) logit of a class against all others; classes (B,)."""
        logits = self.logits(x, mask).to(self._dtype)
        if self._map is not None:
            weights, bias = self._map
            logits = as_scores(logits) @ weights + bias
        own = logits.gather(1, classes[:, None])[:, 0]
        others = logits.scatter(1, classes[:, None], -torch.inf)
        return own - others.logsumexp(dim=1)


class OfTokens(Differentiable):
    """Of classifier `neural`: the embedding is what its backbone gives. In double precision."""

    def __init__(self, network: Any, calibration: Calibration | None) -> None:
        super().__init__(calibration, dtype=torch.float64, most_positions=_MOST_POSITIONS)
        self._network = network.double()

    def embed(self, sequences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `Differentiable.embed`."""
        batch = torch.from_numpy(tokens.pad(sequences))
        mask = batch != tokens.PAD
        with torch.no_grad():
            return self._network.backbone(batch, mask), mask

    def logits(self, x: Tensor, mask: Tensor) -> Tensor:
        """See `Differentiable.logits`."""
        logits: Tensor = self._network.head(x, mask)
        return logits

    def _vector(self, kind: Baseline) -> Tensor:
        if kind == "unknown":
            return self.embed(["X"])[0][0, 0]
        x, _ = self.embed([*COMPOSITION])  # (20, 1, D)
        return _mean_of(x[:, 0])


class OfLanguageModel(Differentiable):
    """A language model, and what reads its residue states; the embedding is the language model's own.

    Attributes:
        layer: The hidden state that is read.
        reads_summary: Whether it is the summary token's, and no residue's.
    """

    def __init__(
        self,
        model: LoadedModel,
        reading: Reading,
        calibration: Calibration | None,
        *,
        layer: int,
        window: policies.Windows | None = None,
        reads_summary: bool = False,
    ) -> None:
        known = model.checkpoint
        kept = known.width * _NUMBERS_A_LAYER * max(1, known.n_layers if layer == -1 else layer)
        most = max(1, min(_MOST_POSITIONS, _MOST_NUMBERS // kept))
        super().__init__(calibration, dtype=torch.float32, most_positions=most)
        self.layer, self.reads_summary = layer, reads_summary
        self._model, self._reading, self._window = model, reading, window
        weight = model.module.get_input_embeddings().weight
        self._tables = [
            part
            for part in model.module.modules()
            if isinstance(part, nn.Embedding) and part.weight is weight
        ]

    def embed(self, sequences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `Differentiable.embed`."""
        lengths = torch.tensor([len(s) for s in sequences])
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        ids = torch.zeros(mask.shape, dtype=torch.int64)
        around = self._model.vocabulary.before, self._model.vocabulary.after
        for row, sequence in zip(ids, sequences, strict=True):
            of_residues = self._model.vocabulary.encode(sequence)[len(around[0]) :][: len(sequence)]
            row[: len(sequence)] = torch.from_numpy(of_residues)
        return self._looked_up(ids) * mask[..., None], mask

    def logits(self, x: Tensor, mask: Tensor) -> Tensor:
        """See `Differentiable.logits`; windows of long sequences are joined as in training."""
        starts, sizes, rows = self._pieces(mask)
        place = torch.arange(int(sizes.max()))
        is_there = place < sizes[:, None]  # (P, L')
        at = (starts[:, None] + place).clamp(max=mask.shape[1] - 1)
        hidden, summary = self._hidden(x[rows[:, None], at], is_there)
        into = (rows[:, None].expand_as(at)[is_there], at[is_there])
        empty = torch.zeros(*mask.shape, hidden.shape[2])
        states = empty.index_put(into, hidden[is_there], accumulate=True)
        times = torch.zeros(mask.shape).index_put(into, torch.ones(len(into[0])), accumulate=True)
        total = None
        if summary is not None:
            shares = torch.bincount(rows).float()[:, None]
            total = torch.zeros(len(mask), summary.shape[1]).index_add(0, rows, summary) / shares
        return self._reading(states / times.clamp(min=1)[..., None], mask, total)

    def attentions(self, sequence: str) -> tuple[list[Tensor], int]:
        """Attention of each layer below the state that is read, averaged over its heads.

        Args:
            sequence: Residues that the model looks at, no more than one window.

        Returns:
            (T, T) of each layer, each row summing to 1; and the place of the first residue among tokens.
        """
        ids, _, is_residue = self._model.vocabulary.batch([sequence])
        with _weights_given(self._model.module), torch.inference_mode():
            found = self._model.module(input_ids=torch.from_numpy(ids), output_attentions=True).attentions
        n_layers = len(found) if self.layer == -1 else self.layer
        return [a[0].float().mean(dim=0) for a in found[:n_layers]], int(is_residue[0].argmax())

    def pieces(self, length: int) -> list[tuple[int, int]]:
        """Start and size of each window of a sequence of so many residues; mostly one, of all."""
        if self._window is None or length <= self._window.size:
            return [(0, length)]
        return [(start, self._window.size) for start in self._window.starts(length)]

    @property
    def summary_place(self) -> int | None:
        """Place of the summary token; None where there is none."""
        return pooling.cls_place(self._model.vocabulary)

    def _pieces(self, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Starts, sizes and rows of all windows, (P,) each."""
        lengths = mask.sum(dim=1).tolist()
        found = [(start, size, row) for row, n in enumerate(lengths) for start, size in self.pieces(n)]
        starts, sizes, rows = torch.tensor(found).T
        return starts, sizes, rows

    def _hidden(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embedding → states of residues (P, L, D), and of the summary token where it is read."""
        # Which residues stand there does not matter: their embedding is put in place of what is looked up.
        ids, attention, is_residue = map(
            torch.from_numpy, self._model.vocabulary.batch(["A" * n for n in mask.sum(dim=1).tolist()])
        )
        is_whole = bool(attention.all())
        with self._embedding_replaced(x[mask], ids, is_residue):
            hidden = self._model.hidden(ids, None if is_whole else attention, layer=self.layer)
        states = torch.zeros(*mask.shape, hidden.shape[2]).index_put(
            mask.nonzero(as_tuple=True), hidden[is_residue]
        )
        if not self.reads_summary:
            return states, None
        first = attention.int().argmax(dim=1)
        last = attention.shape[1] - 1 - attention.flip(1).int().argmax(dim=1)
        return states, hidden[torch.arange(len(ids)), first if self.summary_place == 0 else last]

    @contextmanager
    def _embedding_replaced(self, x: Tensor, ids: Tensor, is_residue: Tensor) -> Iterator[None]:
        """Let the model go on from other vectors (R, D) of its residues, in order, than it looked up."""
        used = 0
        rows, places = is_residue.nonzero(as_tuple=True)

        def replaced(_module: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> Tensor:
            nonlocal used
            used += 1
            as_asked = torch.equal(given[0], ids)  # XLNet has tokens first
            at = (rows, places) if as_asked else (places, rows)
            return found.detach().index_put(at, x.to(found.dtype))

        handles = [table.register_forward_hook(replaced) for table in self._tables]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
        if used != 1:
            raise BackboneError(
                f"{self._model.checkpoint.name} looks residues up {used} times, so that gradients at their "
                "embedding cannot be taken; use occlusion"
            )

    def _looked_up(self, ids: Tensor) -> Tensor:
        """(...,) tokens → (..., D)."""
        return self._tables[0].weight.detach()[ids].float()

    def _vector(self, kind: Baseline) -> Tensor:
        letters = "X" if kind == "unknown" else "".join(COMPOSITION)
        ids = self._model.vocabulary.id_of_byte[np.frombuffer(letters.encode(), dtype=np.uint8)]
        vectors = self._looked_up(torch.from_numpy(ids))
        return vectors[0] if kind == "unknown" else _mean_of(vectors)


def _mean_of(vectors: Tensor) -> Tensor:
    """(20, D) in the order of `COMPOSITION` → (D,)."""
    shares = torch.tensor([*COMPOSITION.values()], dtype=vectors.dtype)
    return (shares / shares.sum()) @ vectors


@contextmanager
def _weights_given(module: Any) -> Iterator[None]:
    """Fused attention gives no weights: within this, they are computed one by one."""
    before = module.config._attn_implementation
    module.set_attn_implementation("eager")
    try:
        yield
    finally:
        module.set_attn_implementation(before)


def of_model(model: ModelFolder) -> Differentiable:
    """The network of a model that has gradients at its residues; see `Opened.why_no_network`.

    Raises:
        BackboneError: Its language model is not on this machine and cannot be fetched.
        ModelFolderError: Its arrays are not those of its graph.
    """
    network, calibration = _restoring.restored(model), _linear_calibration(model)
    kind = model.description["classifier"]["name"]
    if kind == "neural":
        return OfTokens(network, calibration)
    if kind == "fine_tuned":
        spec = model.description["language_model"]
        vectors = residues.of_model(spec, model.path, model.description["files"])

        def read(states: Tensor, mask: Tensor, _summary: Tensor | None) -> Tensor:
            logits: Tensor = network(states, mask)
            return logits

        return OfLanguageModel(vectors.load(), read, calibration, layer=spec["layer"])
    return _of_embedding(model, network, calibration)


def _of_embedding(model: ModelFolder, network: Any, calibration: Calibration | None) -> OfLanguageModel:
    """Of a head on the pooled vector of a language model."""
    descriptor = registry.get("features", "embedding")
    config = descriptor.Config(**model.description["features"]["config"])
    embedder = descriptor(config).embedder()

    def read(states: Tensor, mask: Tensor, summary: Tensor | None) -> Tensor:
        if summary is not None:
            pooled = summary
        elif config.pooling == pooling.MAX:
            pooled = states.masked_fill(~mask[..., None], -torch.inf).amax(dim=1)
        else:
            pooled = states.sum(dim=1) / mask.sum(dim=1, keepdim=True)  # 0 at pads
        logits: Tensor = network(pooled)
        return logits

    policy = policies.parse(config.length_policy)
    return OfLanguageModel(
        embedder.load(),
        read,
        calibration,
        layer=embedder.config.layer,
        window=policy if isinstance(policy, policies.Windows) else None,
        reads_summary=config.pooling == pooling.CLS,
    )


def _linear_calibration(model: ModelFolder) -> Calibration | None:
    """The calibration where it is a linear map of scores to logits; None for other methods."""
    if model.decider() is not None:
        raise ConfigError(
            "gradients are not for models of several classes a sequence; choose occlusion or mutagenesis"
        )
    found = model.calibration()
    return found if found.method in LINEAR else None
