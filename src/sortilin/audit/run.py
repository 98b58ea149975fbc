"""An audit: all sets compared once, then what follows for each pair of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sortilin.audit import homologues, shortcuts
from sortilin.audit.compared import Compared, compare
from sortilin.audit.findings import Audit, Conflict, Lengths, Within
from sortilin.audit.options import AuditOptions
from sortilin.audit.sets import AuditedSet, Labelled
from sortilin.audit.shared import alike_pairs, overlap
from sortilin.errors import InputError
from sortilin.interfaces import OnProgress

MOST_CELLS = 20_000_000_000
"""Pairs of residues that are aligned in seconds; thousands of variants of one protein would take hours."""


def of_labelled(
    training: Labelled,
    tests: Sequence[Labelled],
    *,
    identity: float = 0.9,
    on_progress: OnProgress | None = None,
) -> Audit:
    """What a training run or a benchmark says of its own data, in seconds for thousands of proteins.

    Copies, near copies by the built-in aligner, conflicting labels, class balance and lengths. Homologues are
    not searched and shortcuts not measured; nor are near copies where PyOpal is missing, or too many
    sequences are alike. The notes say so.

    Args:
        training: What is learned from.
        tests: What is scored.
        identity: Near copies share at least so many of the shorter one's residues, above 0 and up to 1.
        on_progress: Called as (stage, done, total).
    """
    options = AuditOptions(
        identity=identity,
        aligner="builtin",
        homologues=False,
        shortcuts=False,
        most_cells=MOST_CELLS,
        needs_aligner=False,
    )
    sets = [AuditedSet.of(labelled) for labelled in (training, *tests)]
    again: Counter[str] = Counter()
    for number, one in enumerate(sets):  # one file may be given twice
        again[one.name] += 1
        if again[one.name] > 1:
            sets[number] = replace(one, name=f"{one.name} ({again[one.name]})")
    return run(sets[0], sets[1:], options, on_progress=on_progress)


def run(
    training: AuditedSet,
    tests: Sequence[AuditedSet],
    options: AuditOptions | None = None,
    *,
    on_progress: OnProgress | None = None,
) -> Audit:
    """Compare a training set with test sets, and test sets with each other.

    Args:
        training: What is learned from; at least one sequence.
        tests: What is scored; names differ. Without any, the training set alone is looked at.
        options: What is looked for; all by default.
        on_progress: Called as (stage, done, total).

    Raises:
        InputError: A set is empty, or two have one name.
        ConfigError: MMseqs2 is asked for and not installed.
        MissingDependencyError: A package of the extra `train` is not installed that the search needs.
        SortilinError: MMseqs2 failed.
    """
    options = options or AuditOptions()
    sets = (training, *tests)
    _check(sets)
    compared = compare(sets, options, on_progress)
    found = homologues.search(compared, options, on_progress)
    overlaps = [overlap(compared, found, test, 0, options) for test in range(1, len(sets))]
    overlaps += [
        overlap(compared, found, later, earlier, options)
        for later in range(2, len(sets))
        for earlier in range(1, later)
    ]
    measured, why_not = _shortcuts(
        sets, [~one.is_near for one in overlaps[: len(tests)]], options, on_progress
    )
    return Audit(
        options=options,
        sets=sets,
        within=tuple(_within(compared, number, options) for number in range(len(sets))),
        overlaps=tuple(overlaps),
        conflicts=_conflicts(sets),
        pairs=tuple(alike_pairs(compared, overlaps, options)),
        shortcuts=measured,
        aligner=compared.aligner,
        searched_by=found.searched_by,
        notes=tuple(note for note in (*compared.notes, *found.notes, why_not) if note),
    )


def _check(sets: Sequence[AuditedSet]) -> None:
    names: set[str] = set()
    for one in sets:
        if not len(one):
            raise InputError(f"{one.name} holds no sequence; an audit needs at least one in each set")
        if one.name in names:
            raise InputError(f"two sets are called '{one.name}'; give each another name")
        names.add(one.name)


def _shortcuts(
    sets: Sequence[AuditedSet],
    is_clean: Sequence[NDArray[np.bool_]],
    options: AuditOptions,
    on_progress: OnProgress | None,
) -> tuple[tuple[shortcuts.Shortcut, ...], str | None]:
    if not options.shortcuts:
        return (), None
    return shortcuts.measure(
        sets[0],
        list(zip(sets[1:], is_clean, strict=True)),
        folds=options.folds,
        seed=options.seed,
        on_progress=on_progress,
    )


def _within(compared: Compared, number: int, options: AuditOptions) -> Within:
    one, mine = compared.sets[number], set(compared.numbers[number].tolist())
    n_near = None
    if compared.near is not None:
        alike: set[int] = set()
        for pair in compared.near:
            if pair.identity >= options.identity and pair.first in mine and pair.second in mine:
                alike |= {pair.first, pair.second}
        n_near = len(alike)
    by_class = {
        name: Lengths.of(
            [s for s, label in zip(one.sequences, one.labels or (), strict=True) if label == name]
        )
        for name in one.class_counts
    }
    return Within(
        one.name, len(one), len(mine), n_near, one.class_counts, Lengths.of(one.sequences), by_class
    )


def _conflicts(sets: Sequence[AuditedSet]) -> tuple[Conflict, ...]:
    """Sequences with more than one label, in the order in which they are first met."""
    places: dict[str, list[tuple[str, int, str]]] = {}
    for one in sets:
        for row, (sequence, label) in enumerate(zip(one.sequences, one.labels or (), strict=False)):
            places.setdefault(sequence, []).append((one.name, row, label))
    return tuple(
        Conflict(sequence, tuple(found))
        for sequence, found in places.items()
        if len({label for _, _, label in found}) > 1
    )
