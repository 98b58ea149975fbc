"""What a model's graph is given for a batch of sequences: features, or tokens.

Axis letters: N sequences, F features, L residues, S scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin import registry
from sortilin.artifact import ModelFolder
from sortilin.errors import ConfigError, ModelFolderError
from sortilin.interfaces import Descriptor
from sortilin.sequences import tokens
from sortilin.sequences.cropping import LengthPolicy

WHOLE = LengthPolicy(max_residues=None, keep_last=0)

_PADDED_POSITIONS = 50_000
"""Positions a run of a graph over tokens, padding counted."""


class Reader(Protocol):
    """Sequences → what a graph takes.

    Attributes:
        graph_input: Name and shape, without N, of the graph's input.
        what: The same for people.
        policy: Which residues it looks at.
    """

    graph_input: tuple[str, list[Any]]
    what: str
    policy: LengthPolicy

    def scores(self, session: Any, sequences: Sequence[str]) -> NDArray[np.float32]:
        """(N, S), in the order given."""
        ...

    def attention(self, session: Any, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        """(L,) weights of each sequence; only of a graph that has them."""
        ...


def reader_of(model: ModelFolder) -> Reader:
    """The one that a model was made for.

    Raises:
        ModelFolderError: This version computes other features than the model expects.
        ValueError: The options in the folder are none of the descriptor set's.
    """
    spec = model.description.get("features")
    if spec is None:
        policy = model.description["tokens"]
        try:
            return _Tokens(LengthPolicy(policy["max_residues"], policy["keep_last"]))
        except ConfigError as error:  # nobody's configuration here
            raise ValueError(str(error)) from None
    variant = registry.get("features", spec["name"])
    descriptor: Descriptor = variant(variant.Config(**spec["config"]))
    if len(descriptor.feature_names) != spec["n_features"]:
        raise ModelFolderError(
            f"{model.path} expects {spec['n_features']} {spec['name']} features; this version of "
            f"sortilin computes {len(descriptor.feature_names)}: use the version that wrote it, "
            f"{model.description.get('sortilin_version')}"
        )
    return _Features(descriptor)


class _Features:
    policy = WHOLE

    def __init__(self, descriptor: Descriptor) -> None:
        self.descriptor = descriptor
        n_features = len(descriptor.feature_names)
        self.graph_input: tuple[str, list[Any]] = ("features", [n_features])
        self.what = f"{n_features} features"

    def scores(self, session: Any, sequences: Sequence[str]) -> NDArray[np.float32]:
        found = session.run(["scores"], {"features": self.descriptor.transform(sequences)})
        return np.asarray(found[0])

    def attention(self, session: Any, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        raise NotImplementedError("a graph over features has no attention")


class _Tokens:
    graph_input: tuple[str, list[Any]] = ("tokens", ["L"])
    what = "tokens"

    def __init__(self, policy: LengthPolicy) -> None:
        self.policy = policy

    def scores(self, session: Any, sequences: Sequence[str]) -> NDArray[np.float32]:
        rows = [self.policy.apply(sequence) for sequence in sequences]
        parts = [(batch, self._run(session, "scores", rows, batch)) for batch in _of_like_length(rows)]
        scores = np.empty((len(rows), parts[0][1].shape[1]), dtype=np.float32)
        for batch, part in parts:
            scores[batch] = part
        return scores

    def attention(self, session: Any, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        rows = [self.policy.apply(sequence) for sequence in sequences]
        weights: list[NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(rows)
        for batch in _of_like_length(rows):
            for row, found in zip(batch, self._run(session, "attention", rows, batch), strict=True):
                weights[row] = self._spread(found[: len(rows[row])], len(sequences[row]))
        return weights

    def _run(self, session: Any, output: str, rows: list[str], batch: NDArray[np.int64]) -> Any:
        return session.run([output], {"tokens": tokens.pad([rows[i] for i in batch])})[0]

    def _spread(self, found: NDArray[np.float32], length: int) -> NDArray[np.float32]:
        """Weights of the residues that were looked at, at their places; NaN between."""
        if not self.policy.shortens(length):
            return found
        whole = np.full(length, np.nan, dtype=np.float32)
        n_first = len(found) - self.policy.keep_last
        whole[:n_first] = found[:n_first]
        whole[length - self.policy.keep_last :] = found[n_first:]
        return whole


def _of_like_length(rows: Sequence[str]) -> Iterator[NDArray[np.int64]]:
    """Row numbers in order of length, cut so that a padded batch holds a bounded number of positions."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        n = max(1, _PADDED_POSITIONS // int(lengths[order[start]]))
        yield order[start : start + n]
        start += n
