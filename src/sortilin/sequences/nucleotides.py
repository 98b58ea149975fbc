"""DNA and RNA given by mistake: every nucleotide letter is also a residue, so only their mix tells."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sortilin.sequences.residues import GAPS, STOP, WHITESPACE

MIN_LETTERS_IN_FILE = 30
"""Fewer letters than this, over the first records of a file, are too few to call it DNA."""

MIN_LETTERS_IN_RECORD = 50
"""A shorter record among proteins may be a real peptide of A, C, G, N and T."""

MIN_BASES = 3
"""Linkers of G and A, or repeats of one residue, are peptides: DNA uses at least three bases."""

_IGNORED = WHITESPACE + GAPS + STOP
_find_other = re.compile(f"[^ACGTUNacgtun{re.escape(_IGNORED)}]").search
_DELETE_IGNORED = dict.fromkeys(map(ord, _IGNORED))


def nucleotide_kind(sequences: Iterable[str], *, min_letters: int) -> str | None:
    """What the sequences, taken together, are: "DNA" or "RNA"; None if they may be protein.

    Args:
        sequences: Sequences as read, before cleaning (which would make Cys of uracil).
        min_letters: Fewer letters than this are never called DNA or RNA.
    """
    n_letters = 0
    found: set[str] = set()
    for sequence in sequences:
        if _find_other(sequence):
            return None
        letters = sequence.translate(_DELETE_IGNORED).upper()
        n_letters += len(letters)
        found.update(letters)
    bases = {"T" if letter == "U" else letter for letter in found - {"N"}}
    if n_letters < min_letters or len(bases) < MIN_BASES:
        return None
    return "RNA" if "U" in found and "T" not in found else "DNA"
