"""Flags and residue changes, in words."""

from __future__ import annotations

from collections.abc import Mapping

TRAINED_ON = "trained_on"

_FIXED = {
    TRAINED_ON: "in the data that the model was trained on",
    "longer_than_trained": "longer than any sequence the model was trained on",
    "far_from_training": "unlike the data that the model was trained on",
    "shorter_than_trained": "shorter than any sequence the model was trained on",
}

_COUNTED = {  # key → (one, several)
    "U>C": ("{n} selenocysteine (U) read as cysteine (C)", "{n} selenocysteines (U) read as cysteine (C)"),
    "O>K": ("{n} pyrrolysine (O) read as lysine (K)", "{n} pyrrolysines (O) read as lysine (K)"),
    "unknown": ("{n} unknown residue (B, Z, J or X)", "{n} unknown residues (B, Z, J or X)"),
    "gaps": ("{n} gap character was removed", "{n} gap characters were removed"),
    "shortened_to": (
        "only {n} residue was looked at, the middle was left out",
        "only {n} residues were looked at, the middle was left out",
    ),
    "stop": ("a final * was removed", "a final * was removed from {n} sequences"),
}


def flag_words(flag: str) -> str:
    """What a flag of a prediction means; a flag that is not known here is returned as it is.

    `U>C:1` → "1 selenocysteine (U) read as cysteine (C)".
    """
    if flag in _FIXED:
        return _FIXED[flag]
    key, _, count = flag.partition(":")
    if key not in _COUNTED or not count.isdecimal():
        return flag
    one, several = _COUNTED[key]
    return (one if int(count) == 1 else several).format(n=f"{int(count):,}")


def change_words(changes: Mapping[str, int]) -> list[str]:
    """What the residue policy changed over a whole run (`RunSummary.changes`), one entry a kind."""
    return [flag_words(f"{key}:{count}") for key, count in changes.items() if count]
