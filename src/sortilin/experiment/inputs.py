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
        """(N, F) features, computed in batches of bounded memory, or (N,) sequences."""
        if self.descriptor is None:
            return np.array(sequences, dtype=object)
        parts = []
        for start in range(0, len(sequences), _FEATURE_BATCH):
            parts.append(self.descriptor.transform(sequences[start : start + _FEATURE_BATCH]))
            if tell is not None:
                tell("features", min(start + _FEATURE_BATCH, len(sequences)), len(sequences))
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
