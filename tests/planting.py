"""Random sequences with a degenerate motif in some of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import tiny
from sortilin.interfaces import DoubleArray

COLUMNS = ("ST", "P", "KR", tiny.RESIDUES, "H", "ILVM", "DE", "N")
"""Residues that each column of the planted motif allows; the fourth allows all."""

OTHER_COLUMNS = ("C", "FY", "G", "AT", "C", "W")


def background(seed: int, n: int) -> list[str]:
    """Sequences of 20 to 40 residues, each residue as likely as any other."""
    return tiny.random_sequences(seed, n, shortest=20, longest=40)


def planted(
    seed: int, sequences: Sequence[str], share: float, columns: Sequence[str] = COLUMNS
) -> tuple[list[str], list[int | None]]:
    """The sequences with one site in the first ones, and where it begins; None where there is none."""
    rng = np.random.default_rng(seed)
    found: list[str] = []
    starts: list[int | None] = []
    for number, sequence in enumerate(sequences):
        if number >= share * len(sequences):
            found.append(sequence)
            starts.append(None)
            continue
        site = "".join(rng.choice(list(column)) for column in columns)
        start = int(rng.integers(0, len(sequence) - len(site) + 1))
        found.append(sequence[:start] + site + sequence[start + len(site) :])
        starts.append(start)
    return found, starts


def matrix(columns: Sequence[str] = COLUMNS) -> DoubleArray:
    """(W, 20) probabilities of the planted motif."""
    return np.array([[(r in column) / len(column) for r in tiny.RESIDUES] for column in columns])


def likeness(found: DoubleArray, truth: DoubleArray) -> float:
    """Highest correlation of two matrices over their shared columns, at least four, at any shift."""
    best = -1.0
    for shift in range(4 - len(truth), len(found) - 3):
        start, end = max(0, shift), min(len(found), shift + len(truth))
        if end - start >= 4:
            pair = found[start:end].ravel(), truth[start - shift : end - shift].ravel()
            best = max(best, float(np.corrcoef(*pair)[0, 1]))
    return best
