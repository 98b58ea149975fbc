"""Vectors of a protein language model as features: computed when they are asked for, and kept in the store.

A sequence that the store knows is not computed again, whichever command asks.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from sortilin import language_models
from sortilin.embedding.config import EmbeddingConfig
from sortilin.embedding.failures import NotEmbeddedError, of_a_model
from sortilin.errors import BackboneError, InputError
from sortilin.interfaces import FloatArray, OnProgress
from sortilin.sequences.record import counted

if TYPE_CHECKING:
    from sortilin.embedding import Embedder
    from sortilin.language_models import Checkpoint

UNPINNED = "main"
"""Revision of a checkpoint that is pinned when it is fetched, and is not."""

_NAMED = 3
_SHOWN = 20


class NoFeaturesError(InputError):
    """The language model gives some sequences no vector.

    Args:
        sequences: All that were asked for.
        by_place: Place among them, from 0 → why.
    """

    def __init__(self, sequences: Sequence[str], by_place: Mapping[int, str]) -> None:
        self.by_place = dict(by_place)
        named = [f"{_short(sequences[at])}: {reason}" for at, reason in list(self.by_place.items())[:_NAMED]]
        more = "; ..." if len(self.by_place) > _NAMED else ""
        super().__init__(f"no vector of {counted(len(self.by_place), 'sequence')}: {'; '.join(named)}{more}")


class VARIANT:
    """The pooled vector of a protein language model; as many features as it is wide."""

    class Config(EmbeddingConfig):
        """Options: those of `embedding.EmbeddingConfig`, of one vector a sequence.

        Attributes:
            backbone: Short name of a checkpoint, its hub id, or a local folder.
            pooling: How the vectors of residues become one.
            revision: The commit that the vectors must be of; a model remembers that of its training.
        """

        backbone: str = Field(default="esm2_t6", min_length=1)
        pooling: Literal["mean", "cls", "max"] = "mean"
        revision: str | None = None

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._width = self._checkpoint.width
        self._lock = threading.Lock()  # one batch at a time: the model itself uses all cores

    @property
    def feature_names(self) -> tuple[str, ...]:
        """e1, e2, ...: the numbers of the vector."""
        return tuple(f"e{number}" for number in range(1, self._width + 1))

    @property
    def _checkpoint(self) -> Checkpoint:
        """What is known of the checkpoint; its revision is that of the files, once they are there."""
        return language_models.checkpoint(self.config.backbone)

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, F) float32.

        Raises:
            BackboneError: The model is not there and cannot be fetched, or is of another revision.
            MissingDependencyError: A package is missing.
            NoFeaturesError: Some are too long for the model or for memory; all others are in the store.
        """
        return self.transform_all(sequences)

    def transform_all(self, sequences: Sequence[str], on_progress: OnProgress | None = None) -> FloatArray:
        """`transform`; all sequences together, so that many of one length meet.

        Args:
            sequences: Any number of them.
            on_progress: Called with the residues that are done, of those that have to be computed.
        """
        if not sequences:
            return np.empty((0, self._width), dtype=np.float32)
        with self._lock:
            try:
                rows = self._embedder.embed(sequences, on_progress=on_progress)
            except NotEmbeddedError as error:
                reasons = {at: of_a_model(reason) for at, reason in error.by_place.items()}
                raise NoFeaturesError(sequences, reasons) from None
        return np.stack(rows).astype(np.float32, copy=False)

    def absent(self) -> str | None:
        """The command that fetches the model; None if it is there."""
        if language_models.locate(self.config.backbone) is not None:
            return None
        return f"sortilin backbones fetch {self.config.backbone}"

    def recorded(self) -> dict[str, Any]:
        """What a model says of its features: the options with the revision, and whose the vectors are."""
        known = self._checkpoint
        config = self.config.model_copy(update={"revision": self.config.revision or known.revision})
        names = ("name", "revision", "licence", "citation")
        return {
            "config": config.model_dump(mode="json"),
            "language_model": {name: getattr(known, name) for name in names} | {"hub_id": known.origin},
        }

    def embedder(self) -> Embedder:
        """What computes the vectors, of the revision that the options name.

        Raises:
            BackboneError: The model is not there and cannot be fetched, or is of another revision.
        """
        return self._embedder

    @cached_property
    def _embedder(self) -> Embedder:
        from sortilin.embedding import Embedder
        from sortilin.vectors import Store

        options = self.config.model_dump(exclude={"revision"})
        embedder = Embedder.of(EmbeddingConfig(**options), store=Store())
        self._check_revision(embedder.checkpoint.revision)
        return embedder

    def _check_revision(self, found: str) -> None:
        wanted = self.config.revision
        if wanted not in (None, UNPINNED, found):
            raise BackboneError(
                f"backbone '{self.config.backbone}': the vectors must be of revision {wanted}, as in "
                f"training, and the files here are of {found}: use the version of sortilin, or the files, "
                "that the model was trained with"
            )


def _short(sequence: str) -> str:
    return sequence if len(sequence) <= _SHOWN else f"{sequence[:_SHOWN]}..."
