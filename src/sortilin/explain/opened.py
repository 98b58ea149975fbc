"""A model opened for explanation: its predictions, and its gradients where it has any.

Axis letters: B batch, L residues, D width, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin import predictor
from sortilin.classifiers import _restoring
from sortilin.embedding import policies
from sortilin.errors import ConfigError
from sortilin.interfaces import IntArray
from sortilin.predictor import Predictor
from sortilin.sequences.cropping import LengthPolicy

if TYPE_CHECKING:
    from sortilin.explain.differentiable import Differentiable

EMBEDDING, PRECOMPUTED = "embedding", "precomputed"
"""Descriptor sets: what a language model computes, and what is looked up in files."""


class Opened:
    """A model with all that an explanation may ask of it; torch parts are loaded when they are asked for.

    Attributes:
        predictor: Probabilities, scores and attention.
        classes: Class names.
    """

    def __init__(self, loaded: Predictor) -> None:
        self.predictor = loaded
        self.classes = loaded.classes

    @property
    def name(self) -> str:
        """The name or path that it was opened by."""
        return self.predictor.name

    @property
    def has_attention(self) -> bool:
        """Whether `predictor.attention` gives weights."""
        return self.predictor.has_attention

    def class_index(self, label: str) -> int:
        """Place of a class.

        Raises:
            ConfigError: The model has no such class.
        """
        if label not in self.classes:
            raise ConfigError(f"the model has no class '{label}'; choose from: {', '.join(self.classes)}")
        return self.classes.index(label)

    def places(self, length: int) -> IntArray:
        """(K,) places of the residues that the model looks at in a sequence of so many residues."""
        kept = np.arange(length)
        described = self.predictor.model.description
        features = described.get("features")
        if features is None:
            spec = described.get("tokens") or described["residues"]
            policy = LengthPolicy(spec["max_residues"], spec["keep_last"])
            if policy.max_residues is None or not policy.shortens(length):
                return kept
            return np.delete(kept, slice(policy.max_residues - policy.keep_last, length - policy.keep_last))
        if features["name"] == EMBEDDING and "tokens" not in described:
            of_pieces = policies.parse(features["config"].get("length_policy", policies.WHOLE))
            if isinstance(of_pieces, policies.HeadTail) and of_pieces.flag(length):
                return np.delete(kept, slice(of_pieces.first, length - of_pieces.last))
        return kept

    def why_no_changes(self) -> str | None:
        """None if the model can predict a sequence that was changed, else the reason in words."""
        features = self.predictor.model.description.get("features")
        if features is not None and features["name"] == PRECOMPUTED:
            return "its vectors are looked up in files, which have none of a sequence that was changed"
        return None

    # --- gradients

    def why_no_network(self) -> str | None:
        """None if there are gradients at the residues, else the reason in words."""
        described = self.predictor.model.description
        if reason := _restoring.why_not(self.predictor.model):
            return reason
        name = (described.get("features") or {}).get("name")
        if described["classifier"]["name"] == "head" and name != EMBEDDING:
            return (
                f"its network reads features ({name}), which have no gradients at the residues; "
                "features: embedding, neural and fine_tuned have"
            )
        return None

    def network(self) -> Differentiable | None:
        """Residue embedding → logits; None where the model has no gradients at the residues.

        Raises:
            BackboneError: Its language model is not on this machine and cannot be fetched.
            ModelFolderError: Its arrays are not those of its graph.
        """
        return None if self.why_no_network() else self._network

    @cached_property
    def _network(self) -> Differentiable:
        from sortilin.explain import differentiable

        return differentiable.of_model(self.predictor.model)

    @property
    def has_language_model(self) -> bool:
        """Whether residues go through a language model first."""
        described = self.predictor.model.description
        return "language_model" in described or (described.get("features") or {}).get("name") == EMBEDDING

    def feature_network(self) -> Any | None:
        """(B, F) features → (B, C) logits, standardization inside, of classifier `head`; else None.

        A torch module in float32; its attributes `mean` and `scale` (F,) are those of the training features.
        """
        model = self.predictor.model
        if model.description["classifier"]["name"] != "head" or _restoring.why_not(model):
            return None
        return self._module

    @cached_property
    def _module(self) -> Any:
        return _restoring.restored(self.predictor.model)


def open_model(
    model: str | Path,
    *,
    vectors: Sequence[str | Path] = (),
    table: str | Path | None = None,
    threads: int | None = 1,
) -> Opened:
    """A model by name ("localization") or folder, ready to be explained.

    Args:
        model: Name or path.
        vectors: Files with the vectors of the sequences, for a model of `precomputed` features.
        table: FASTA file or table with their sequences, where the files do not name these themselves.
        threads: Batches of predictions that are worked on at a time; see `predictor.load`.

    Raises:
        UnknownNameError: There is no such bundled model and no such folder.
        ModelFolderError: The folder is damaged, foreign or newer.
        ConfigError: The table is without vectors.
    """
    return Opened(predictor.load(model, threads=threads, vectors=vectors, table=table))
