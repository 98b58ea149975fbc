"""What a model's graph is given for a batch of sequences: features, tokens, or both; or residue vectors.

Axis letters: N sequences, F features, L residues, D width, S scores.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.artifact import ModelFolder
from sortilin.errors import ConfigError, InputError, ModelFolderError
from sortilin.interfaces import Descriptor
from sortilin.sequences import SequenceRecord, tokens
from sortilin.sequences.cropping import LengthPolicy
from sortilin.sequences.neighbours import COLUMNS, Neighbours
from sortilin.sequences.record import counted

if TYPE_CHECKING:
    from sortilin.embedding.residues import ResidueVectors

WHOLE = LengthPolicy(max_residues=None, keep_last=0)

_PADDED_POSITIONS = 4_000
"""Positions a run of a graph over tokens, padding counted: few, so that sequences of like length share a run
and its arrays stay in the processor's cache."""

_LEAST_ROWS = 4
"""Sequences a run, where they are long: fewer use a processor badly, more no better."""

_MOST_POSITIONS = 50_000
"""Bound for that, and so for memory; a single longer sequence is a run of its own."""


_NAMED = 5

TAKES_VECTORS = {"vectors", "table"}
"""Options of a descriptor set that looks vectors up in files rather than making them."""


@runtime_checkable
class OfSequences(Protocol):
    """An error of a descriptor set that says which of the sequences it was given are at fault.

    Attributes:
        by_place: Place among them, from 0 → why.
    """

    by_place: Mapping[int, str]


class UnreadError(InputError):
    """A model cannot read some records of a batch.

    Args:
        batch: The records; of how many the whole input consists is not known before the stream ends.
        by_place: Place in the batch, from 0 → why.
    """

    def __init__(self, batch: Sequence[SequenceRecord], by_place: Mapping[int, str]) -> None:
        self.by_place = dict(by_place)
        named = [f"{batch[at].id}: {reason}" for at, reason in list(self.by_place.items())[:_NAMED]]
        more = "; ..." if len(self.by_place) > _NAMED else ""
        n_unread = counted(len(self.by_place), "sequence")
        super().__init__(f"the model cannot read {n_unread}: {'; '.join(named)}{more}")


@dataclass(frozen=True, slots=True)
class Vectors:
    """Files of vectors that a model of such vectors predicts from.

    Attributes:
        paths: The files; none for models that make their features themselves.
        table: FASTA file or table with their sequences, where the files do not name these themselves.
    """

    paths: tuple[str, ...] = ()
    table: str | None = None

    def options(self) -> dict[str, Any]:
        """The options of the descriptor set that they stand for."""
        return {"vectors": self.paths, "table": self.table} if self.paths else {}


NO_VECTORS = Vectors()


class Reader:
    """Sequences → what a graph takes: features, tokens or both; or the vectors of their residues.

    Attributes:
        graph_inputs: Name and shape, without N, of each of the graph's inputs, by name.
        policy: Which residues the tokens hold, or have a vector; features are of the whole sequence.
    """

    def __init__(
        self,
        descriptor: Descriptor | None,
        neighbours: Neighbours | None,
        policy: LengthPolicy | None,
        residues: ResidueVectors | None = None,
    ) -> None:
        self._descriptor, self._neighbours, self._residues = descriptor, neighbours, residues
        self._last = threading.local()
        self._takes_tokens = policy is not None and residues is None
        self.policy = policy or WHOLE
        self.graph_inputs: list[tuple[str, list[Any]]] = []
        if residues is not None:
            self.graph_inputs += [("mask", ["L"]), ("residues", ["L", residues.checkpoint.width])]
        if descriptor is not None:
            n_columns = 0 if neighbours is None else neighbours.n_columns
            self.graph_inputs.append(("features", [len(descriptor.feature_names) + n_columns]))
        if self._takes_tokens:
            self.graph_inputs.append(("tokens", ["L"]))

    @property
    def what(self) -> str:
        """What it makes, for people."""
        if self._residues is not None:
            return f"residue vectors of {self._residues.checkpoint.width} numbers"
        names = [f"{shape[0]} {name}" if name == "features" else name for name, shape in self.graph_inputs]
        return " and ".join(names)

    def files(self) -> dict[str, str]:
        """File that the features are looked up in → SHA-256; empty where they are made of the sequences."""
        found: dict[str, str] = getattr(self._descriptor, "fingerprints", dict)()
        return found

    def scores(self, session: Any, sequences: Sequence[str]) -> NDArray[np.float32]:
        """(N, S), in the order given."""
        return self.outputs(session, sequences, ("scores",))[0]

    def outputs(
        self, session: Any, sequences: Sequence[str], names: Sequence[str]
    ) -> list[NDArray[np.float32]]:
        """Outputs of the graph that have one row a sequence, each in the order given."""
        features = self._features(sequences)
        if not self._takes_tokens and self._residues is None:
            return [np.asarray(found) for found in session.run(list(names), {"features": features})]
        rows = self._shortened(sequences)
        given = self._given(rows, features)
        found = [(batch, session.run(list(names), given(batch))) for batch in _batches(rows)]
        whole = [np.empty((len(rows), *part.shape[1:]), dtype=np.float32) for part in found[0][1]]
        for batch, parts in found:
            for array, part in zip(whole, parts, strict=True):
                array[batch] = part
        return whole

    def _given(self, rows: list[str], features: Any = None) -> Callable[[NDArray[np.int64]], dict[str, Any]]:
        """Row numbers of a batch → inputs of the graph; what the language model says is computed at once."""
        if self._residues is not None:
            return _padded(self._residues(rows))

        def of_tokens(batch: NDArray[np.int64]) -> dict[str, Any]:
            given = {"tokens": tokens.pad([rows[i] for i in batch])}
            return given if features is None else {**given, "features": features[batch]}

        return of_tokens

    def described(self, sequences: Sequence[str]) -> Any:
        """(N, F) of the descriptor set alone; asked for twice in a row in one thread, it is computed once.

        None for a model without one.
        """
        if self._descriptor is None:
            return None
        asked, found = getattr(self._last, "found", (None, None))
        if asked is None or asked != list(sequences):
            found = self._descriptor.transform(sequences)
            self._last.found = (list(sequences), found)
        return found

    def _features(self, sequences: Sequence[str]) -> Any:
        """(N, F), neighbours behind the descriptor's own; None for a graph over tokens alone."""
        if self._descriptor is None:
            return None
        features = self.described(sequences)
        if self._neighbours is None:
            return features
        return np.hstack([features, self._neighbours.features(sequences)])

    @property
    def feature_names(self) -> tuple[str, ...]:
        """One name a feature, where the graph takes nothing but features; else empty."""
        if self._descriptor is None or self._takes_tokens:
            return ()
        n_columns = 0 if self._neighbours is None else self._neighbours.n_columns
        return (*self._descriptor.feature_names, *(f"neighbours_{n}" for n in range(1, n_columns + 1)))

    def features(self, sequences: Sequence[str]) -> NDArray[np.float32]:
        """(N, F), what the graph is given where it takes nothing but features."""
        return np.asarray(self._features(sequences), dtype=np.float32)

    def attention(self, session: Any, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        """(L,) weights of each sequence; only of a graph that takes no features and has weights."""
        rows = self._shortened(sequences)
        given = self._given(rows)
        weights: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(rows)
        for batch in _batches(rows):
            for row, found in zip(batch, session.run(["attention"], given(batch))[0], strict=True):
                weights[row] = self._spread(found[: len(rows[row])], len(sequences[row]))
        return weights

    def _shortened(self, sequences: Sequence[str]) -> list[str]:
        return [self.policy.apply(sequence) for sequence in sequences]

    def _spread(self, found: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        """Weights of the residues that were looked at, at their places; NaN between."""
        if not self.policy.shortens(length):
            return found
        whole = np.full(length, np.nan, dtype=np.float32)
        n_first = len(found) - self.policy.keep_last
        whole[:n_first] = found[:n_first]
        whole[length - self.policy.keep_last :] = found[n_first:]
        return whole


def reader_of(model: ModelFolder, vectors: Vectors = NO_VECTORS) -> Reader:
    """The one that a model was made for.

    Args:
        model: Its folder.
        vectors: Where a model of vectors finds those of the sequences.

    Raises:
        ConfigError: The model makes its features itself, so that vectors would not be looked at.
        BackboneError: Its language model is not on this machine, or of another revision.
        ModelFolderError: This version computes other features than the model expects.
        ValueError: The options in the folder are none of the descriptor set's.
    """
    return Reader(_descriptor(model, vectors), _neighbours(model), _policy(model), _residues(model))


def _residues(model: ModelFolder) -> ResidueVectors | None:
    """What computes residue vectors; the language model is loaded when they are asked for."""
    if "residues" not in model.description:
        return None
    from sortilin.embedding import residues

    return residues.of_model(model.description["language_model"], model.path, model.description["files"])


def _padded(vectors: Sequence[NDArray[np.float32]]) -> Callable[[NDArray[np.int64]], dict[str, Any]]:
    """Row numbers → their vectors, padded, and which positions are residues."""
    from sortilin.embedding.residues import padded

    def of_residues(batch: NDArray[np.int64]) -> dict[str, Any]:
        x, mask = padded([vectors[i] for i in batch])
        return {"residues": x, "mask": mask}

    return of_residues


def _descriptor(model: ModelFolder, vectors: Vectors) -> Descriptor | None:
    spec = model.description.get("features")
    variant = None if spec is None else registry.get("features", spec["name"])
    if vectors.paths and (variant is None or not set(variant.Config.model_fields) >= TAKES_VECTORS):
        raise ConfigError(
            f"{model.path} needs no vectors: its features are made of the sequences; leave out --vectors"
        )
    if spec is None or variant is None:
        return None
    descriptor: Descriptor = variant(variant.Config(**{**spec["config"], **vectors.options()}))
    if len(descriptor.feature_names) != spec["n_features"]:
        raise ModelFolderError(
            f"{model.path} expects {spec['n_features']} {spec['name']} features; this version of "
            f"sortilin computes {len(descriptor.feature_names)}: use the version that wrote it, "
            f"{model.description.get('sortilin_version')}"
        )
    return descriptor


def _neighbours(model: ModelFolder) -> Neighbours | None:
    spec = model.description.get("neighbours")
    if spec is None:
        return None
    if spec["columns"] != list(COLUMNS):
        raise ModelFolderError(
            f"{model.path} expects other columns of neighbours than this version of sortilin computes: use "
            f"the version that wrote it, {model.description.get('sortilin_version')}"
        )
    arrays = {name: model.array(f"classifier.neighbours.{name}") for name in ("groups", "lengths", "classes")}
    return Neighbours.restored(arrays, n_classes=len(model.description["classes"]))


def _policy(model: ModelFolder) -> LengthPolicy | None:
    spec = model.description.get("tokens") or model.description.get("residues")
    if spec is None:
        return None
    try:
        return LengthPolicy(spec["max_residues"], spec["keep_last"])
    except ConfigError as error:  # nobody's configuration here
        raise ValueError(str(error)) from None


def _batches(rows: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Row numbers in order of length, cut so that a padded batch holds a bounded number of positions."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        longest = int(lengths[order[start]])
        n = max(1, min(max(_LEAST_ROWS, _PADDED_POSITIONS // longest), _MOST_POSITIONS // longest))
        yield order[start : start + n]
        start += n
