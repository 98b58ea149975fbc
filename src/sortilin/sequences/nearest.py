"""Of each sequence the nearest one among references, and how many residues they share.

The nearest is the reference with the highest score of a local alignment (Smith & Waterman 1981) with
BLOSUM62, 11 for a gap and 1 for each further residue in it; Opal aligns through PyOpal. There is always one,
however far: its identity says how near it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sortilin.errors import InputError, MissingDependencyError
from sortilin.sequences.peptides import GAP_EXTEND, GAP_OPEN


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest reference of a sequence.

    Attributes:
        id: Its id.
        identity: Equal residues of the alignment over the length of the shorter sequence, 0 to 1.
    """

    id: str
    identity: float


class References:
    """Sequences with ids, ready to be searched.

    Args:
        ids: One a reference.
        sequences: Cleaned sequences (20 letters and X, length >= 1).

    Raises:
        InputError: There is none.
        MissingDependencyError: PyOpal is not installed.
    """

    def __init__(self, ids: Sequence[str], sequences: Sequence[str]) -> None:
        if not ids:
            raise InputError("the nearest of no sequences was asked for; give references")
        try:
            from pyopal import Aligner, Database
        except ImportError:
            raise MissingDependencyError("searching the nearest sequence", "pyopal", "train") from None
        self._ids, self._sequences = tuple(ids), tuple(sequences)
        self._place = {sequence: n for n, sequence in reversed(list(enumerate(self._sequences)))}
        self._database: Any = Database(list(self._sequences))
        self._aligner: Any = Aligner("BLOSUM62", gap_open=GAP_OPEN, gap_extend=GAP_EXTEND)

    def nearest(self, sequence: str) -> Near:
        """The nearest one; of equal scores the first."""
        if sequence in self._place:
            return Near(self._ids[self._place[sequence]], 1.0)
        scored = self._aligner.align(sequence, self._database, mode="score", algorithm="sw")
        best = min(scored, key=lambda hit: (-hit.score, hit.target_index)).target_index
        (whole,) = self._aligner.align(
            sequence, self._database, mode="full", algorithm="sw", start=best, end=best + 1
        )
        n_equal = whole.alignment.count("M")
        return Near(self._ids[best], n_equal / min(len(sequence), len(self._sequences[best])))
