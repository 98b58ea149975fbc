"""Shuffled sequences, which keep what a motif must not be told by: composition, or pairs of neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np


def shuffled(sequences: Sequence[str], *, kmer: int, draws: np.random.Generator) -> list[str]:
    """Each sequence in another order, with the same counts of all words of `kmer` letters.

    With 1, any order is as likely as any other. With 2, any order with the same first and last letter and the
    same pairs is (Altschul and Erickson 1985, doi:10.1093/oxfordjournals.molbev.a040370).

    Args:
        sequences: Cleaned sequences.
        kmer: 1 or 2.
        draws: Source of chance.
    """
    one = _letters if kmer == 1 else _pairs
    return [one(sequence, draws) for sequence in sequences]


def _letters(sequence: str, draws: np.random.Generator) -> str:
    return "".join(draws.permutation(list(sequence)))


def _pairs(sequence: str, draws: np.random.Generator) -> str:
    """A random walk over the pairs of neighbours that uses each once.

    Such a walk ends at the last letter if and only if the pairs by which it leaves the other letters for the
    last time form a tree towards it. The tree is drawn first, the rest of each letter's pairs is shuffled.
    """
    followers: dict[str, list[str]] = {}
    for letter, follower in pairwise(sequence):
        followers.setdefault(letter, []).append(follower)
    leaves_last = _tree(followers, sequence[-1], draws)
    for letter, after in followers.items():
        if letter in leaves_last:
            after.remove(leaves_last[letter])
        draws.shuffle(after)
        if letter in leaves_last:
            after.append(leaves_last[letter])
        after.reverse()  # so that the next one is popped from the end
    walk = [sequence[0]]
    while followers.get(walk[-1]):
        walk.append(followers[walk[-1]].pop())
    return "".join(walk)


def _tree(followers: dict[str, list[str]], root: str, draws: np.random.Generator) -> dict[str, str]:
    """A random tree towards the root, by walks whose loops are erased (Wilson 1996)."""
    leaves_by: dict[str, str] = {}
    reached = {root}
    for letter in followers:
        at = letter
        while at not in reached:
            leaves_by[at] = followers[at][draws.integers(len(followers[at]))]
            at = leaves_by[at]
        at = letter
        while at not in reached:
            reached.add(at)
            at = leaves_by[at]
    leaves_by.pop(root, None)
    return leaves_by
