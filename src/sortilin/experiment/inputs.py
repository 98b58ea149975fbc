"""What a classifier takes of sequences: features of a descriptor set, or the sequences themselves.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sortilin import interfaces
from sortilin.component import Component, recorded
from sortilin.interfaces import Classifier, Descriptor, OnProgress

STAGE = "features"
_FEATURE_BATCH = 1_024


@dataclass(frozen=True, slots=True)
class Inputs:
    """Sequences → inputs of a classifier.

    Attributes:
        name: The descriptor set; None for the sequences themselves.
        descriptor: The same, configured.
    """

    name: str | None
    descriptor: Descriptor | None

    @classmethod
    def of(cls, features: Component | None) -> Inputs:
        """Those of an experiment's `features`."""
        return cls(None, None) if features is None else cls(features.name, features.build("features"))

    def __call__(self, sequences: Sequence[str], tell: OnProgress | None = None) -> interfaces.Inputs:
        """(N, F) features, or (N,) sequences.

        Features are computed in batches of bounded memory, unless the descriptor set sees to that itself.
        """
        if self.descriptor is None:
            return np.array(sequences, dtype=object)
        tell = tell or _in_silence
        n, at_once = len(sequences), getattr(self.descriptor, "transform_all", None)
        if at_once is not None:
            found: interfaces.Inputs = at_once(sequences, tell)
            tell(STAGE, n, n)
            return found
        parts = []
        for start in range(0, n, _FEATURE_BATCH):
            parts.append(self.descriptor.transform(sequences[start : start + _FEATURE_BATCH]))
            tell(STAGE, min(start + _FEATURE_BATCH, n), n)
        return np.concatenate(parts)

    def absent(self) -> str | None:
        """The command that brings what the descriptor set needs and is not here; None if all is here.

        A descriptor set that needs something has a method `absent`.
        """
        found: str | None = getattr(self.descriptor, "absent", lambda: None)()
        return found

    def description(self, classifier: Classifier) -> dict[str, Any]:
        """What `model.json` says of it, so that a predictor does the same."""
        if self.descriptor is None:
            return classifier.reads()
        return {"features": recorded(str(self.name), self.descriptor)}


def _in_silence(_stage: str, _done: int, _total: int) -> None:
    """Nobody is told."""
