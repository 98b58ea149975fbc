"""The data themselves, as the paper's exploratory figures show them.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sortilin.component import Component
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.inputs import Inputs
from sortilin.interfaces import FloatArray, OnProgress

FEATURES = Component(name="paper71")
ISOELECTRIC_POINT = "isoelectric_point"
MOTIFS = {
    "motif_mito_M.{5,10}R": "mitochondrial: M, 5 to 10 residues, R",
    "motif_nls_K.{2,4}K": "nuclear (NLS): K, 2 to 4 residues, K",
    "motif_KDEL": "ER retention: ends in KDEL",
}


def explore(
    data: LabelledSet, blind: Sequence[str] | None, tell: OnProgress, *, has_signals: bool = True
) -> dict[str, Any]:
    """Lengths, correlation of the paper's 71 features, pI and motifs by class, as plain values.

    Args:
        data: The sequences.
        blind: Others whose lengths stand beside them.
        tell: Called as (stage, done, total).
        has_signals: False where the motifs, signals of proteins, mean nothing: among peptides.
    """
    inputs = Inputs.of(FEATURES)
    x = inputs(data.sequences, tell)
    assert inputs.descriptor is not None
    names = list(inputs.descriptor.feature_names)
    return {
        "lengths": {
            "training": [len(s) for s in data.sequences],
            "blind": None if blind is None else [len(s) for s in blind],
        },
        "correlation": {"names": names, "matrix": _correlation(x)},
        "isoelectric_point": {
            label: np.round(x[data.y == c, names.index(ISOELECTRIC_POINT)].astype(float), 3).tolist()
            for c, label in enumerate(data.classes)
        },
        "motifs": _signals(x, data, names) if has_signals else None,
    }


def _signals(x: FloatArray, data: LabelledSet, names: Sequence[str]) -> dict[str, Any]:
    """Share of each class in which a motif occurs."""
    return {
        "names": list(MOTIFS.values()),
        "share": {
            label: [
                float((x[data.y == c, names.index(motif)] > 0).mean()) if (data.y == c).any() else 0.0
                for motif in MOTIFS
            ]
            for c, label in enumerate(data.classes)
        },
    }


def _correlation(x: FloatArray) -> list[list[float | None]]:
    """(F, F) Pearson correlations; None where a feature is constant."""
    z = x.astype(np.float64) - x.mean(axis=0, dtype=np.float64)
    spread = np.sqrt((z**2).mean(axis=0))
    is_constant = spread < 1e-12
    z = z / np.where(is_constant, 1.0, spread)
    matrix = np.round(z.T @ z / len(x), 4)
    matrix[is_constant] = np.nan
    matrix[:, is_constant] = np.nan
    return [[None if np.isnan(v) else float(v) for v in row] for row in matrix]
