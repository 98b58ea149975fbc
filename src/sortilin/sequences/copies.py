"""Copies and near copies of some sequences among others: identity over the shorter one, by alignment.

Aligned as in `peptides`: globally with free ends, so that a fragment is a copy of what it is cut from. Opal
aligns (in the way of Rognes 2011, doi:10.1186/1471-2105-12-221).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sortilin.interfaces import OnProgress
from sortilin.sequences import peptides

STAGE = "looking for copies"


def are_copies(
    sequences: Sequence[str],
    of: Sequence[str],
    *,
    min_identity: float,
    on_progress: OnProgress | None = None,
) -> NDArray[np.bool_]:
    """(N,) whether each sequence is a copy of any of the others, or nearly.

    Equal sequences are copies whatever their length. Others are if enough residues of the shorter one are
    equal in their alignment, and at least `peptides.MIN_EQUAL`, since fewer are chance. Time grows with the
    product of both numbers of residues: a thousand peptides against a thousand take seconds.

    Args:
        sequences: N cleaned sequences.
        of: Cleaned sequences that they may be copies of.
        min_identity: Smallest share of the shorter one's residues, 0 to 1.
        on_progress: Called after each sequence.

    Raises:
        MissingDependencyError: PyOpal is not installed.
    """
    peptides.require()
    from pyopal import Aligner, Database

    others = list(dict.fromkeys(of))
    exact = set(others)
    aligner = Aligner("BLOSUM62", gap_open=peptides.GAP_OPEN, gap_extend=peptides.GAP_EXTEND)
    targets = Database(others)
    found = np.zeros(len(sequences), dtype=bool)
    for row, sequence in enumerate(sequences):
        found[row] = sequence in exact or (
            bool(others)
            and any(
                _is_near(hit.alignment.count("M"), min(len(sequence), hit.target_length), min_identity)
                for hit in aligner.align(sequence, targets, mode="full", algorithm="ov")
            )
        )
        if on_progress is not None:
            on_progress(STAGE, row + 1, len(sequences))
    return found


def _is_near(n_equal: int, shorter: int, min_identity: float) -> bool:
    return n_equal >= max(peptides.MIN_EQUAL, min_identity * shorter)
