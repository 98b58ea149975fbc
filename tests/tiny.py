"""Small made-up sequences and labelled sets that are learned in a moment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"

PLANTED = {"acidic": "DE", "basic": "KR", "greasy": "ILV"}
"""Class → residues that half of its sequences consist of."""


def random_sequence(rng: np.random.Generator, length: int, letters: str = RESIDUES) -> str:
    """Letters drawn with equal chances."""
    return "".join(rng.choice(list(letters), length))


def random_sequences(
    seed: int, n: int, *, shortest: int = 1, longest: int = 200, letters: str = RESIDUES
) -> list[str]:
    """Sequences of random lengths."""
    rng = np.random.default_rng(seed)
    return [random_sequence(rng, int(length), letters) for length in rng.integers(shortest, longest + 1, n)]


def labelled(seed: int, n_a_class: int, classes: Sequence[str] = tuple(PLANTED)) -> list[tuple[str, str]]:
    """(label, sequence) with a signal that every descriptor set but length sees, classes in turn."""
    rng = np.random.default_rng(seed)
    return [
        (label, random_sequence(rng, int(rng.integers(30, 60)), RESIDUES + 7 * PLANTED[label]))
        for _ in range(n_a_class)
        for label in classes
    ]


def write_table(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """A CSV file with the columns id, label and sequence."""
    lines = ["id,label,sequence", *(f"p{n},{label},{sequence}" for n, (label, sequence) in enumerate(rows))]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_fasta(path: Path, sequences: Iterable[str]) -> Path:
    """A FASTA file with the ids p0, p1, ..."""
    path.write_text("".join(f">p{n}\n{sequence}\n" for n, sequence in enumerate(sequences)))
    return path
