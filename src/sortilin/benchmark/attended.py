"""Where a network looks, beside motifs of the training data: pictures, and a number with a permutation null.

Motifs are those of the training positives against the training negatives; the attention is that on the
positives of the test sets without those that stand in training. So neither has seen what is compared.

Axis letters: L residues of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import motifs
from sortilin.benchmark.compare import plain
from sortilin.benchmark.folder import Folder, identity
from sortilin.benchmark.measure import TestSet
from sortilin.benchmark.representations import Seen
from sortilin.errors import InputError
from sortilin.experiment.data import LabelledSet
from sortilin.interfaces import FloatArray, OnProgress
from sortilin.motifs import Motif, MotifConfig

N_SHOWN = 12
"""Peptides drawn of each test set: the first short ones of the file that are called positive and are."""

MOST_RESIDUES = 60
"""Longer peptides are not drawn: their letters would be too small."""

RESULT = "attention"
POSITIVE = 1
ANY_MOTIF = "any of them"


@dataclass(frozen=True, slots=True)
class Watched:
    """A network whose attention is looked at.

    Attributes:
        name: The model.
        identity: Equal model and test sets, equal identity.
        seen: Test set → what it makes of it.
        tables: Test set → (M, C) probabilities.
    """

    name: str
    identity: str
    seen: Mapping[str, Seen]
    tables: Mapping[str, Any]


def examine(
    folder: Folder,
    watched: Watched,
    training: LabelledSet,
    tests: Sequence[TestSet],
    *,
    seed: int,
    tell: OnProgress,
) -> dict[str, Any]:
    """Motifs, some peptides with their weights, and the agreement; from disk if it was done.

    Returns:
        `motifs` (name, consensus, matrix, p_value, ...), and for each test set `peptides` (sequence, weights,
        the sites of each motif) and `agreement` with each motif and with any of them.
    """
    config = MotifConfig()
    wanted = identity(watched.identity, training.fingerprint, config.model_dump(mode="json"), seed)
    found = folder.load(watched.name, RESULT, wanted)
    if found is not None:
        return found
    is_positive = training.y == POSITIVE
    positives, controls = (_rows(training.sequences, rows) for rows in (is_positive, ~is_positive))
    search = motifs.search(positives, controls, config, seed=seed, on_progress=tell)
    record = {
        "program": search.program,
        "n_positives": search.n_positives,
        "n_controls": search.n_controls,
        "motifs": [_of_motif(motif) for motif in search.motifs],
        "tests": [_of_test(watched, test, search.motifs, seed) for test in tests],
    }
    return folder.save(watched.name, RESULT, wanted, plain(record))


def _rows(sequences: Sequence[str], keep: NDArray[np.bool_]) -> list[str]:
    return [sequence for sequence, is_kept in zip(sequences, keep, strict=True) if is_kept]


def _of_motif(motif: Motif) -> dict[str, Any]:
    return {
        "name": motif.name,
        "consensus": motif.consensus,
        "pattern": motif.pattern,
        "matrix": np.round(motif.matrix, 4).tolist(),
        "information": np.round(motif.information, 4).tolist(),
        "p_value": motif.p_value,
        "e_value": motif.e_value,
        "counts": asdict(motif.counts),
    }


def _of_test(watched: Watched, test: TestSet, found: Sequence[Motif], seed: int) -> dict[str, Any]:
    seen, table = watched.seen[test.name], np.asarray(watched.tables[test.name])
    lengths = [len(sequence) for sequence in test.data.sequences]
    is_whole = np.array([len(w) == n for w, n in zip(seen.attention, lengths, strict=True)])
    is_used = (test.data.y == POSITIVE) & ~test.is_known & is_whole
    rows = np.flatnonzero(is_used)
    sequences, weights = _rows(test.data.sequences, is_used), [seen.attention[row] for row in rows]
    masks = {motif.name: motif.mask(sequences) for motif in found}
    is_right = table[rows].argmax(axis=1) == POSITIVE
    is_short = np.array([len(sequence) <= MOST_RESIDUES for sequence in sequences], dtype=bool)
    shown = np.flatnonzero(is_right & is_short)[:N_SHOWN]
    return {
        "test": test.name,
        "n_positives": len(rows),
        "peptides": [
            {
                "sequence": sequences[i],
                "probability": float(table[rows[i], POSITIVE]),
                "weights": np.round(weights[i].astype(float), 5).tolist(),
                "sites": {name: np.flatnonzero(mask[i]).tolist() for name, mask in masks.items()},
            }
            for i in shown
        ],
        "agreement": _agreements(weights, masks, seed) if len(rows) else [],
    }


def _agreements(
    weights: Sequence[FloatArray], masks: Mapping[str, list[NDArray[np.bool_]]], seed: int
) -> list[dict[str, Any]]:
    """With the sites of each motif, and with those of all together; a motif without sites is left out."""
    if not masks:
        return []
    together = [np.logical_or.reduce(of_one) for of_one in zip(*masks.values(), strict=True)]
    found = []
    for name, mask in {**masks, ANY_MOTIF: together}.items():
        try:
            one = motifs.agreement(weights, mask, seed=seed)
        except InputError:  # no peptide has a site of it
            continue
        found.append({"motif": name, **asdict(one)})
    return found
