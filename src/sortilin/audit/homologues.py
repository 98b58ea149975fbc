"""Homologues of test sequences in training: by E-value, and among peptides by identity.

An E-value says little of a peptide, whose own copy may score no higher than chance. So two peptides are also
homologous if they share enough residues of the shorter one, as in `sequences.peptides`.
"""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass

import numpy as np

from sortilin.audit.compared import Compared
from sortilin.audit.options import AuditOptions
from sortilin.errors import MissingDependencyError
from sortilin.interfaces import OnProgress
from sortilin.sequences import homology, mmseqs, near, peptides
from sortilin.sequences.homology import Hit

MOST_PEPTIDE_PAIRS = 10_000_000
"""More pairs of peptides are not compared one by one, which would take more than a minute."""


@dataclass(frozen=True, slots=True)
class Homologue:
    """The nearest homologue of a sequence.

    Attributes:
        number: Its place among all different sequences.
        identity: Over the shorter one, where two peptides were compared; else NaN.
        e_value: NaN where two peptides were compared.
    """

    number: int
    identity: float
    e_value: float


@dataclass(frozen=True, slots=True)
class Homologues:
    """What a search has found.

    Attributes:
        nearest: Place of a test sequence → its nearest homologue in training; None where nothing searched.
        searched_by: What searched, with versions; None where nothing did.
        notes: What was not looked for, and why.
    """

    nearest: dict[int, Homologue] | None
    searched_by: str | None = None
    notes: tuple[str, ...] = ()


def search(compared: Compared, options: AuditOptions, on_progress: OnProgress | None = None) -> Homologues:
    """Homologues in training of all test sequences that it does not hold itself.

    Raises:
        MissingDependencyError: Neither MMseqs2 nor PyHMMER is there, and an aligner is needed.
        SortilinError: MMseqs2 failed.
    """
    if not options.homologues:
        return Homologues(None, notes=("Homologues were not searched.",) if len(compared.sets) > 1 else ())
    training = sorted(set(compared.numbers[0].tolist()))
    held = set(training)
    tests = sorted({n for numbers in compared.numbers[1:] for n in numbers.tolist()} - held)
    if not tests:
        return Homologues({})
    try:
        hits, tool = _by_e_value(compared, tests, training, options, on_progress)
    except MissingDependencyError as missing:
        if options.needs_aligner:
            raise
        return Homologues(None, notes=(f"Homologues were not searched: {missing}.",))
    found = {
        test: Homologue(training[hit.target], float("nan"), hit.e_value)
        for test, hit in zip(tests, hits, strict=True)
        if hit is not None
    }
    notes = _add_peptides(found, compared, tests, training, on_progress)
    return Homologues(found, tool, notes)


def _by_e_value(
    compared: Compared,
    tests: list[int],
    training: list[int],
    options: AuditOptions,
    on_progress: OnProgress | None,
) -> tuple[list[Hit | None], str]:
    queries = [compared.sequences[number] for number in tests]
    targets = [compared.sequences[number] for number in training]
    program = options.program()
    if program is not None:
        tell = on_progress or (lambda _stage, _done, _total: None)
        tell(homology.STAGE, 0, 1)
        hits = mmseqs.best_hits(
            program, queries, targets, max_e_value=options.max_e_value, threads=options.threads
        )
        tell(homology.STAGE, 1, 1)
        return hits, f"MMseqs2 {mmseqs.version(program)}"
    hits = homology.best_hits(
        queries, targets, max_e_value=options.max_e_value, threads=options.threads, on_progress=on_progress
    )
    return hits, f"phmmer (PyHMMER {importlib.metadata.version('pyhmmer')})"


def _add_peptides(
    found: dict[int, Homologue],
    compared: Compared,
    tests: list[int],
    training: list[int],
    on_progress: OnProgress | None,
) -> tuple[str, ...]:
    """Add what peptides share, where no E-value tells of it."""
    short_tests, short_training = (
        [n for n in numbers if len(compared.sequences[n]) <= peptides.MAX_RESIDUES]
        for numbers in (tests, training)
    )
    n_pairs = len(short_tests) * len(short_training)
    if n_pairs > MOST_PEPTIDE_PAIRS:
        note = (
            f"Peptides were searched by E-value alone, not one by one: {n_pairs:,} pairs are more than "
            f"{MOST_PEPTIDE_PAIRS:,}."
        )
        return (note,)
    chosen = short_tests + short_training
    side = np.arange(len(chosen)) >= len(short_tests)
    like = near.Like(peptides.MIN_IDENTITY, max_residues=peptides.MAX_RESIDUES)
    texts = [compared.sequences[n] for n in chosen]
    for pair in near.pairs(texts, like, side=side, on_progress=on_progress):
        test, other = chosen[pair.first], chosen[pair.second]  # tests stand in front
        held = found.get(test)
        if held is None or (np.isnan(held.e_value) and pair.identity > held.identity):
            found[test] = Homologue(other, pair.identity, float("nan"))
    return ()
