"""The 71 features of Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization".

Length 1, composition 20, composition of the first and of the last 50 residues 40, isoelectric point,
molecular weight, three motif flags, mean hydropathy, net charge (K, R and H count +1, D and E -1),
aromaticity, GRAVY and aliphatic index, in the order of the paper's code. Mean hydropathy and GRAVY
are one number twice, as there. Unknown residues are taken out first, as there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sortilin.features import _chemistry
from sortilin.features._encoding import (
    ALPHABET,
    EncodedBatch,
    count_codes,
    frequencies,
    row_sums,
    without_unknown,
)
from sortilin.features._scales import HYDROPATHY, members
from sortilin.interfaces import FloatArray

TERMINUS = 50

_NET_CHARGE = members("KRH") - members("DE")

_ARGININE_AFTER_MET = tuple(range(6, 12))
_LYSINE_AFTER_LYSINE = tuple(range(3, 6))
_KDEL = re.compile(r"KDEL$", re.MULTILINE)


def _has_pair(
    batch: EncodedBatch, first: str, second: str, distances: tuple[int, ...]
) -> NDArray[np.float64]:
    """(N,) 1 where `first` is followed by `second` at one of the distances, anywhere."""
    places = np.flatnonzero(batch.codes == ALPHABET.index(first))
    target, found = ALPHABET.index(second), np.zeros(len(places), dtype=bool)
    end_of = (batch.starts + batch.lengths)[batch.owner[places]]
    for distance in distances:
        partner = places + distance
        is_inside = partner < end_of
        found |= is_inside & (batch.codes[np.where(is_inside, partner, 0)] == target)
    return (np.bincount(batch.owner[places[found]], minlength=batch.n) > 0).astype(np.float64)


class VARIANT:
    """Exactly the paper's 71 features; see the module for their order and source."""

    class Config(BaseModel):
        """No options: the set is fixed."""

        model_config = ConfigDict(frozen=True, extra="forbid")

    feature_names: tuple[str, ...] = (
        "length",
        *(f"fraction_{a}" for a in ALPHABET),
        *(f"first50_{a}" for a in ALPHABET),
        *(f"last50_{a}" for a in ALPHABET),
        *("isoelectric_point", "molecular_weight"),
        *("motif_mito_M.{5,10}R", "motif_nls_K.{2,4}K", "motif_KDEL"),
        *("hydropathy_mean", "net_charge", "aromaticity", "gravy", "aliphatic_index"),
    )

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, 71) float32."""
        batch = EncodedBatch.of(without_unknown(sequences))
        hydropathy = _chemistry.mean_scale(batch, HYDROPATHY)
        columns = (
            batch.lengths,
            batch.composition,
            frequencies(count_codes(batch.head(TERMINUS))),
            frequencies(count_codes(batch.tail(TERMINUS))),
            _chemistry.isoelectric_point(batch),
            _chemistry.molecular_weight(batch),
            _has_pair(batch, "M", "R", _ARGININE_AFTER_MET),
            _has_pair(batch, "K", "K", _LYSINE_AFTER_LYSINE),
            batch.motif_counts(_KDEL),
            hydropathy,
            row_sums(batch.counts * _NET_CHARGE),
            _chemistry.aromaticity(batch),
            hydropathy,
            _chemistry.aliphatic_index(batch),
        )
        return np.column_stack(columns).astype(np.float32)
