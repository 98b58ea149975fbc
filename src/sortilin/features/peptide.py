"""Short peptides: composition at three scales, pairs of residue groups, and membrane activity.

Composition of the whole peptide and of both ends, dipeptides, pairs of residue groups at several
distances (k-spaced, as in Chen et al. 2018, doi:10.1093/bioinformatics/bty140), the largest
hydrophobic moment of an alpha helix (100 degrees) and a beta strand (160 degrees; Eisenberg et al.
1984, doi:10.1073/pnas.81.1.140), charge, interface affinity (Wimley & White 1996,
doi:10.1038/nsb1096-842), and the balance of the two that marks membrane-active peptides.
"""

from __future__ import annotations

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
    named_columns,
    row_sums,
)
from sortilin.features._scales import (
    CHARGE,
    EISENBERG,
    HYDROPATHY,
    INTERFACE,
    TRIAD_GROUPS,
    group_codes,
    members,
)
from sortilin.features._windows import hydrophobic_moment, mean_where_known
from sortilin.interfaces import FloatArray

MOMENT_SPAN = 50
"""Residues from the N terminus that the moments look at: the length range of the task."""

_TERMINI = (5, 10, 15)
_GAPS = (1, 2, 3, 4)
_GROUP_OF_CODE = group_codes(TRIAD_GROUPS)
_SINGLES = group_codes(tuple(ALPHABET))
_CLASSES = {
    "basic": members("KR"),
    "acidic": members("DE"),
    "aromatic": members("FWY"),
    "aliphatic": members("AILV"),
    "tiny": members("AGSCT"),
    "polar": members("NQSTHY"),
}


def _chemistry_of(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    charge = row_sums(batch.counts * CHARGE)
    return {
        "length": batch.lengths.astype(np.float64),
        "log_length": np.log(batch.lengths),
        "net_charge": charge,
        "charge_density": charge / batch.lengths,
        "isoelectric_point": _chemistry.isoelectric_point(batch),
        "gravy": _chemistry.mean_scale(batch, HYDROPATHY),
        "eisenberg": _chemistry.mean_scale(batch, EISENBERG),
        "interface": _chemistry.mean_scale(batch, INTERFACE),
        "interface_sum": row_sums(batch.counts * INTERFACE),
        "aliphatic_index": _chemistry.aliphatic_index(batch),
        "entropy": _chemistry.entropy(batch),
        **{name: _chemistry.mean_scale(batch, scale) for name, scale in _CLASSES.items()},
    }


def _amphipathicity(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    head = batch.head(MOMENT_SPAN)
    result = {}
    for name, degrees in (("alpha", 100.0), ("beta", 160.0)):
        for width in (11, 18):
            moments = hydrophobic_moment(head, width, degrees)
            result[f"moment_{name}_{width}"] = moments.max(axis=1)
            result[f"moment_{name}_{width}_first"] = moments[:, 0]
    for width in (5, 10):
        result[f"hydropathy_first{width}"] = mean_where_known(HYDROPATHY, batch.head(width))
        result[f"hydropathy_last{width}"] = mean_where_known(HYDROPATHY, batch.tail(width))
        result[f"charge_first{width}"] = row_sums(CHARGE[batch.head(width)])
        result[f"charge_last{width}"] = row_sums(CHARGE[batch.tail(width)])
    return result


def _compositions(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    result = named_columns("fraction", batch.composition, ALPHABET)
    for width in _TERMINI:
        result |= named_columns(f"first{width}", frequencies(count_codes(batch.head(width))), ALPHABET)
        result |= named_columns(f"last{width}", frequencies(count_codes(batch.tail(width))), ALPHABET)
    pairs = [f"{a}-{b}" for a in TRIAD_GROUPS for b in TRIAD_GROUPS]
    for gap in _GAPS:
        result |= named_columns(f"pair{gap}", frequencies(batch.pair_counts(_GROUP_OF_CODE, 7, gap)), pairs)
    return result


def _dipeptides(batch: EncodedBatch) -> dict[str, NDArray[np.float64]]:
    names = [a + b for a in ALPHABET for b in ALPHABET]
    return named_columns("dipeptide", frequencies(batch.pair_counts(_SINGLES, 20, 1)), names)


class VARIANT:
    """Composition, pairs, amphipathicity and charge of a peptide; see the module for the sources."""

    class Config(BaseModel):
        """Options.

        Attributes:
            dipeptides: Add the 400 dipeptide frequencies; they help trees more than kernels.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        dipeptides: bool = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.feature_names: tuple[str, ...] = tuple(self._columns(["M"]))

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, F) float32."""
        return np.column_stack(list(self._columns(sequences).values())).astype(np.float32)

    def _columns(self, sequences: Sequence[str]) -> dict[str, NDArray[np.float64]]:
        batch = EncodedBatch.of(sequences)
        columns = {**_chemistry_of(batch), **_amphipathicity(batch), **_compositions(batch)}
        return columns | _dipeptides(batch) if self.config.dipeptides else columns
