"""The residue policy: which letters a cleaned sequence holds, and what becomes of all others."""

from __future__ import annotations

import string

from sortilin.errors import ResidueError

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
"""The 20 standard amino acids, in the order of every composition."""

UNKNOWN = "X"

READ_AS = {"U": "C", "O": "K"}
"""Rare residue → the standard one it is made from: selenocysteine → Cys, pyrrolysine → Lys."""

READ_AS_UNKNOWN = "BJXZ"
"""Ambiguity codes (D or N, I or L, anything, E or Q); each becomes X."""

GAPS = "-.~"
STOP = "*"
WHITESPACE = " \t\r\n\v\f"

ALLOWED = f"{RESIDUES}, U and O (read as C and K), B Z J X (unknown), gaps and a final {STOP}"

_DELETE_RESIDUES = dict.fromkeys(map(ord, RESIDUES))
_DELETE_ALLOWED = dict.fromkeys(map(ord, RESIDUES + UNKNOWN))
_DELETE_WHITESPACE = dict.fromkeys(map(ord, WHITESPACE))
_DELETE_GAPS = dict.fromkeys(map(ord, GAPS))
_STANDARDISE = str.maketrans({**READ_AS, **dict.fromkeys(READ_AS_UNKNOWN, UNKNOWN)})
# Not str.upper: it makes residues of foreign letters (sharp s becomes SS, dotless i becomes I).
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def clean(raw: str) -> tuple[str, tuple[str, ...]]:
    """The residues of a sequence as written, and flags of what was changed to get them.

    Whitespace and case change nothing and leave no flag. U is read as C ("U>C:1"), O as K
    ("O>K:1"), B, J, X and Z as X ("unknown:2"); gaps ("gaps:3") and a final * ("stop:1") are removed.

    Args:
        raw: A sequence as it stands in a file, possibly with line breaks.

    Returns:
        Letters of the 20 residues and X, length >= 1; and the flags, each `change:letters`.

    Raises:
        ResidueError: Another character is in it, no residue is left, or all residues are unknown.
            The message does not name the file or the record: the reader adds them.
    """
    if raw and not raw.translate(_DELETE_RESIDUES):
        return raw, ()
    letters = raw.translate(_DELETE_WHITESPACE).translate(_UPPER)
    unstopped = letters.translate(_DELETE_GAPS).removesuffix(STOP)
    sequence = unstopped.translate(_STANDARDISE)
    if sequence.translate(_DELETE_ALLOWED):
        raise ResidueError(_first_fault(raw))
    if not sequence:
        raise ResidueError("has no residues")
    if not sequence.strip(UNKNOWN):
        raise ResidueError(f"has only unknown residues ({UNKNOWN})")
    return sequence, _flags(letters)


def _flags(letters: str) -> tuple[str, ...]:
    counts = {f"{rare}>{standard}": letters.count(rare) for rare, standard in READ_AS.items()}
    counts["unknown"] = sum(map(letters.count, READ_AS_UNKNOWN))
    counts["gaps"] = sum(map(letters.count, GAPS))
    counts["stop"] = letters.count(STOP)
    return tuple(f"{change}:{n}" for change, n in counts.items() if n)


def _first_fault(raw: str) -> str:
    """Names the first character that is not allowed; positions count from 1, without whitespace."""
    letters = raw.translate(_DELETE_WHITESPACE)
    accepted = RESIDUES + "".join(READ_AS) + READ_AS_UNKNOWN + GAPS
    end = len(letters.rstrip(GAPS).removesuffix(STOP))
    position, letter = next(
        (position, letter)
        for position, letter in enumerate(letters[:end], 1)
        if letter.translate(_UPPER) not in accepted
    )
    return f"position {position}: letter {letter!r} is not a residue; allowed: {ALLOWED}"
