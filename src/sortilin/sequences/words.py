"""Words of residues: which sequences can be alike at all, told without an alignment.

If a sequence shares all but a few of its residues with another one, then it shares words with it: a residue
that differs spoils k words of k residues, and what is put in between two residues spoils k - 1 (the q-gram
lemma; Jokinen & Ukkonen 1991, doi:10.1007/3-540-54345-7_67). Who shares fewer words than must be left need
not be aligned.

Axis letters: N sequences, W words.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.interfaces import IntArray

LETTERS = "ACDEFGHIKLMNPQRSTVWYX"
LONGEST_WORD, SHORTEST_WORD = 6, 2
RESIDUES_AN_INSERTION = 50
"""One stretch put in between is allowed in any sequence, and one more for so many residues."""

_NUMBER_OF_BYTE = np.zeros(256, dtype=np.int64)
_NUMBER_OF_BYTE[np.frombuffer(LETTERS.encode(), dtype=np.uint8)] = np.arange(len(LETTERS))


def n_equal_needed(shorter: int, min_identity: float) -> int:
    """Equal residues that make two sequences alike, of which the shorter one has so many residues."""
    return math.ceil(min_identity * shorter - 1e-9)  # 0.9 * 10 is a little more than 9


def plan(n_residues: int, min_identity: float) -> tuple[int, int] | None:
    """Length of the words by which a sequence finds its like, and how many it must share with a longer one.

    The longest words are the rarest by chance. None where no number of words is needed, because the
    sequence is too short or the identity too low: then only aligning tells.
    """
    n_unequal = n_residues - n_equal_needed(n_residues, min_identity)
    n_insertions = 1 + n_residues // RESIDUES_AN_INSERTION
    for k in range(LONGEST_WORD, SHORTEST_WORD - 1, -1):
        n_shared = n_residues - k + 1 - k * n_unequal - (k - 1) * n_insertions
        if n_shared > 0:
            return k, n_shared
    return None


def words(sequence: str, k: int) -> NDArray[np.int32]:
    """(L - k + 1,) number of the word at each place of a cleaned sequence; none if it is too short."""
    residues = _NUMBER_OF_BYTE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    n = max(len(residues) - k + 1, 0)
    numbers = np.zeros(n, dtype=np.int64)
    for place in range(k):
        numbers = numbers * len(LETTERS) + residues[place : place + n]
    return numbers.astype(np.int32)  # 21^6 is 86 million


@dataclass(frozen=True, slots=True)
class WordIndex:
    """Which of N sequences hold a word.

    Attributes:
        k: Residues of a word.
        n: N.
        known: (W + 1,) the different words, ascending, and one that is larger than any.
        starts: (W + 1,) where the sequences of each word begin in `owners`.
        owners: Sequences that hold each word, word by word.
    """

    k: int
    n: int
    known: NDArray[np.int32]
    starts: IntArray
    owners: NDArray[np.int32]

    @classmethod
    def of(cls, sequences: Sequence[str], k: int) -> WordIndex:
        """Of all words of k residues of N cleaned sequences."""
        own = [np.unique(words(sequence, k)) for sequence in sequences]
        owners = np.repeat(np.arange(len(own), dtype=np.int32), [len(part) for part in own])
        numbers = np.concatenate([np.empty(0, dtype=np.int32), *own])
        order = np.argsort(numbers, kind="stable")
        known, starts = np.unique(numbers[order], return_index=True)
        known = np.append(known, np.iinfo(np.int32).max).astype(np.int32)
        return cls(k, len(own), known, np.append(starts, len(numbers)), owners[order])

    def n_shared(self, sequence: str) -> IntArray:
        """(N,) at how many places of a sequence a word begins that each of the N holds."""
        asked, n_places = np.unique(words(sequence, self.k), return_counts=True)
        place = np.searchsorted(self.known, asked)
        is_known = self.known[place] == asked
        place, n_places = place[is_known], n_places[is_known]
        n_owners = self.starts[place + 1] - self.starts[place]
        ends = np.cumsum(n_owners)
        rows = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
            self.starts[place] - ends + n_owners, n_owners
        )
        counts = np.bincount(self.owners[rows], np.repeat(n_places, n_owners), minlength=self.n)
        return counts.astype(np.int64)
