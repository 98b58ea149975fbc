"""The work of a tokenizer as tables: which number stands for which residue, and what stands around them.

Axis letters: B batch, T tokens, L residues.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ResidueError
from sortilin.sequences.tokens import RESIDUES

N_BYTES = 256
NO_TOKEN = -1
"""In `id_of_byte`: a letter that a cleaned sequence does not hold."""

Batch = tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]
"""Tokens (B, T); True at what is attended to (B, T); True at residues (B, T)."""


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Residues as the numbers that a language model was trained on.

    Attributes:
        id_of_byte: (256,) token of each letter of a cleaned sequence; -1 for all other bytes.
        before: Special tokens in front of the residues.
        after: Special tokens behind them.
        pad: Token of a pad.
        pads_left: Whether pads stand in front of a sequence.
    """

    id_of_byte: NDArray[np.int64]
    before: tuple[int, ...]
    after: tuple[int, ...]
    pad: int
    pads_left: bool

    @classmethod
    def of(
        cls,
        id_of_letter: Mapping[str, int],
        *,
        before: Sequence[int] = (),
        after: Sequence[int] = (),
        pad: int,
        pads_left: bool = False,
    ) -> Self:
        """The tables of tokens by letter."""
        table = np.full(N_BYTES, NO_TOKEN, dtype=np.int64)
        for letter, token in id_of_letter.items():
            table[ord(letter)] = token
        table.flags.writeable = False
        return cls(table, tuple(before), tuple(after), pad, pads_left)

    @property
    def n_special(self) -> int:
        """How many tokens a sequence has beside its residues."""
        return len(self.before) + len(self.after)

    def encode(self, sequence: str) -> NDArray[np.int64]:
        """(before + L + after,) tokens of a cleaned sequence.

        Raises:
            ResidueError: It holds a letter that no cleaned sequence holds, or none at all.
        """
        around = (np.array(self.before, dtype=np.int64), np.array(self.after, dtype=np.int64))
        return np.concatenate([around[0], self._residues(sequence), around[1]])

    def batch(self, sequences: Sequence[str]) -> Batch:
        """Tokens, attention and residues of cleaned sequences, (B, T) each, padded on the model's own side.

        Raises:
            ResidueError: A sequence holds a letter that no cleaned sequence holds, or none at all.
        """
        longest = max(map(len, sequences)) + self.n_special
        ids = np.full((len(sequences), longest), self.pad, dtype=np.int64)
        attention = np.zeros(ids.shape, dtype=np.bool_)
        is_residue = np.zeros(ids.shape, dtype=np.bool_)
        for row, sequence in enumerate(sequences):
            tokens = self.encode(sequence)
            start = longest - len(tokens) if self.pads_left else 0
            first = start + len(self.before)
            ids[row, start : start + len(tokens)] = tokens
            attention[row, start : start + len(tokens)] = True
            is_residue[row, first : first + len(sequence)] = True
        return ids, attention, is_residue

    def _residues(self, sequence: str) -> NDArray[np.int64]:
        tokens = self.id_of_byte[np.frombuffer(sequence.encode("latin-1", "replace"), dtype=np.uint8)]
        if not tokens.size:
            raise ResidueError("a sequence without residues has no tokens")
        if tokens.min() < 0:
            position = int(np.argmin(tokens))
            raise ResidueError(
                f"position {position + 1}: letter {sequence[position]!r} is not a residue of a cleaned "
                f"sequence; allowed: {RESIDUES}"
            )
        return tokens
