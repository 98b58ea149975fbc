"""DNA and RNA given by mistake: every nucleotide letter is also a residue, so only their mix tells.

Sequenced DNA holds a few ambiguity codes (R: A or G, Y: C or T, ...), so a share decides, not every letter.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from sortilin.sequences.residues import GAPS, STOP, WHITESPACE

MIN_LETTERS_IN_FILE = 30
"""Fewer letters than this, over the first records of a file, are too few to call it DNA."""

MIN_LETTERS_IN_RECORD = 50
"""A shorter record among proteins may be a real peptide of A, C, G, N and T."""

MIN_BASES = 3
"""Linkers of G and A, or repeats of one residue, are peptides: DNA uses at least three bases."""

MIN_SHARE_OF_BASES = 0.9
"""In each record of DNA or RNA, this share of the letters is a base or N; the rest is other IUPAC codes."""

_BASES = "ACGTU"
_AMBIGUITY_CODES = "RYKMSWBDHVN"
_CODES = _BASES + _AMBIGUITY_CODES
_IGNORED = WHITESPACE + GAPS + STOP
_find_other = re.compile(f"[^{_CODES}{_CODES.lower()}{re.escape(_IGNORED)}]").search
_DELETE_IGNORED = dict.fromkeys(map(ord, _IGNORED))


def nucleotide_kind(sequences: Iterable[str], *, min_letters: int) -> str | None:
    """What the sequences, taken together, are: "DNA" or "RNA"; None if they may be protein.

    Args:
        sequences: Sequences as read, before cleaning (which would make Cys of uracil).
        min_letters: Fewer letters than this are never called DNA or RNA.
    """
    counts: Counter[str] = Counter()
    for sequence in sequences:
        if _find_other(sequence):
            return None
        letters = Counter(sequence.translate(_DELETE_IGNORED).upper())
        if sum(letters[base] for base in _BASES + "N") < MIN_SHARE_OF_BASES * letters.total():
            return None
        counts += letters
    bases = {"T" if letter == "U" else letter for letter in _BASES if counts[letter]}
    if counts.total() < min_letters or len(bases) < MIN_BASES:
        return None
    return "RNA" if counts["U"] and not counts["T"] else "DNA"
