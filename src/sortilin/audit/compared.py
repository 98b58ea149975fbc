"""All different sequences of all sets, and the near copies among them: one search for every question."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sortilin.audit.options import AuditOptions
from sortilin.audit.sets import AuditedSet
from sortilin.errors import InputError
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import mmseqs, near, peptides
from sortilin.sequences.near import NearPair


@dataclass(frozen=True, slots=True)
class Compared:
    """The sets, and which of their sequences are alike.

    Attributes:
        sets: The training set, then the test sets.
        sequences: The different sequences of all of them, sorted.
        numbers: Of each set, (N,) place of each row's sequence in `sequences`.
        near: Pairs of near copies; None where none were looked for.
        aligner: What compared them, with versions.
        notes: What was not looked for, and why.
    """

    sets: tuple[AuditedSet, ...]
    sequences: tuple[str, ...]
    numbers: tuple[IntArray, ...]
    near: tuple[NearPair, ...] | None
    aligner: str
    notes: tuple[str, ...]


def compare(
    sets: Sequence[AuditedSet], options: AuditOptions, on_progress: OnProgress | None = None
) -> Compared:
    """Look for near copies among all sequences.

    Raises:
        ConfigError: MMseqs2 is asked for and not installed.
        MissingDependencyError: PyOpal is not installed, and is needed.
        InputError: There is more to align than allowed, and near copies are needed.
        SortilinError: MMseqs2 failed.
    """
    distinct = sorted({sequence for one in sets for sequence in one.sequences})
    place = {sequence: number for number, sequence in enumerate(distinct)}
    numbers = tuple(np.array([place[s] for s in one.sequences], dtype=np.int64) for one in sets)
    compared = Compared(tuple(sets), tuple(distinct), numbers, None, "equal sequences alone", ())
    missing = options.lacks_aligner()
    if missing is None:
        program = options.program()
        try:
            found = tuple(
                near.pairs(
                    distinct,
                    options.like,
                    program=program,
                    most_cells=options.most_cells,
                    on_progress=on_progress,
                )
            )
            return replace(compared, near=found, aligner=_aligner(distinct, program))
        except InputError as too_much:
            if options.needs_aligner:
                raise
            missing = str(too_much)
    return replace(compared, notes=(f"Near copies were not looked for: {missing}.",))


def _aligner(sequences: Sequence[str], program: str | None) -> str:
    opal = f"Opal (PyOpal {importlib.metadata.version('pyopal')}), of what shares enough words"
    n_long = sum(len(sequence) > peptides.MAX_RESIDUES for sequence in sequences)
    if program is None or n_long < 2:
        return opal
    return f"{opal}; above {peptides.MAX_RESIDUES} residues, of what MMseqs2 {mmseqs.version(program)} finds"
