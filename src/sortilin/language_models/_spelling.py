"""How a sequence is written for a tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

UNKNOWN = "X"
RARE = "UZOB"
"""Letters of rare and of ambiguous residues. A cleaned sequence holds none; families have rules for them."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """What stands between residues, and what is written for rare ones.

    Attributes:
        between: Text between two residues: nothing, or a space.
        instead: Letter → what is written for it.
    """

    between: str = ""
    instead: Mapping[str, str] = field(default_factory=dict)

    def text(self, sequence: str) -> str:
        """A sequence as the tokenizer is given it."""
        return self.between.join(self.instead.get(letter, letter) for letter in sequence)
