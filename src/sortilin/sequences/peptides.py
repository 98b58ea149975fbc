"""Pairs of like peptides, which are too short for E-values: identity over the shorter one.

Each pair is aligned globally with free ends (BLOSUM62, 11 for a gap and 1 for each further residue in it), so
that a peptide is found in a longer one. Opal aligns (by Šošić, in the way of Rognes 2011), in this process
through PyOpal.

doi:10.1186/1471-2105-12-221
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sortilin.errors import MissingDependencyError
from sortilin.interfaces import OnProgress
from sortilin.sequences.relatives import Pair

MAX_RESIDUES = 100
"""Longest peptide that is compared here. Above, an E-value finds what an identity of 0.6 would."""

MIN_IDENTITY = 0.6
"""Of the shorter peptide's residues. Among the 1,966 peptides of the anticancer data it holds for 800 pairs,
and for 17 if each is shuffled. With 0.5 it is 1,855 and 444, and a quarter of all hang together."""

MIN_EQUAL = 7
"""Fewer equal residues are chance: of a million pairs of shuffled 10-mers 60 share 6, and 4 share 7."""

STAGE = "comparing peptides"

GAP_OPEN, GAP_EXTEND = 11, 1
"""Penalties of an alignment with BLOSUM62: of a gap, and of each further residue in it."""


def require() -> None:
    """Refuse to start where the aligner is missing.

    Raises:
        MissingDependencyError: PyOpal is not installed.
    """
    try:
        import pyopal  # noqa: F401
    except ImportError:
        raise MissingDependencyError("comparing peptides", "pyopal", "train") from None


def similar_pairs(
    sequences: Sequence[str], *, min_identity: float = MIN_IDENTITY, on_progress: OnProgress | None = None
) -> Iterator[Pair]:
    """Pairs of peptides with enough equal residues, each pair once and without an E-value.

    Time grows with the square of the number of peptides: 3,000 take some ten seconds.

    Args:
        sequences: Cleaned sequences (20 letters and X, length >= 1), of which those of at most
            `MAX_RESIDUES` residues are compared.
        min_identity: Smallest share of the shorter one's residues that are equal, 0 to 1; never fewer than
            `MIN_EQUAL` residues.
        on_progress: Called after each peptide.

    Raises:
        MissingDependencyError: PyOpal is not installed.
    """
    require()
    from pyopal import Aligner, Database

    short = [number for number, sequence in enumerate(sequences) if len(sequence) <= MAX_RESIDUES]
    peptides = Database([sequences[number] for number in short])
    aligner = Aligner("BLOSUM62", gap_open=GAP_OPEN, gap_extend=GAP_EXTEND)
    for place, number in enumerate(short[:-1]):
        query = sequences[number]
        found = aligner.align(query, peptides, mode="full", algorithm="ov", start=place + 1)
        for hit in found:
            n_equal = hit.alignment.count("M")
            shorter = min(len(query), hit.target_length)
            if n_equal >= max(MIN_EQUAL, min_identity * shorter):
                yield Pair(number, short[hit.target_index], n_equal, n_equal / shorter, math.nan)
        if on_progress is not None:
            on_progress(STAGE, place + 1, len(short) - 1)
