"""The rows that are learned from and the rows that are scored, at every level and of every kind.

random      by chance
stratified  by chance within each class
homology    whole clusters of homologues, by `sequences.dealing`
given       as the data mark their rows: folds, or rows for validation; what they do not mark is stratified

Random and stratified splits are scikit-learn's with `random_state` = seed, so that anyone can make the same
ones.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.errors import ConfigError, LabelError, MissingDependencyError, SortilinError
from sortilin.experiment.split_config import GIVEN, HOMOLOGY, RANDOM, STRATIFIED, SplitConfig
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import clusters, dealing, mmseqs
from sortilin.sequences.dealing import Split
from sortilin.sequences.labels import FOLD

if TYPE_CHECKING:
    from sortilin.experiment.data import LabelledSet

VALIDATION = "val"


@dataclass(frozen=True, slots=True, eq=False)
class Parting:
    """What N rows are split by.

    Attributes:
        kind: One of `split_config.KINDS`.
        groups: (N,) cluster of each row; only of kind homology.
        marks: N splits as the data give them; only of kind given.
        tool: What compared the sequences, with versions.
    """

    kind: str = STRATIFIED
    groups: IntArray | None = None
    marks: tuple[str, ...] = ()
    tool: str = ""

    def rows(self, keep: IntArray) -> Parting:
        """The same of some of the rows, by an index array or a mask."""
        if self.groups is None and not self.marks:
            return self
        groups = None if self.groups is None else self.groups[keep]
        marks = tuple(self.marks[i] for i in np.arange(len(self.marks))[keep]) if self.marks else ()
        return Parting(self.kind, groups, marks, self.tool)

    @property
    def fold_names(self) -> list[str]:
        """Folds that the marks name, in order."""
        names = {mark for mark in self.marks if mark.startswith(FOLD)}
        return sorted(names, key=lambda name: int(name.removeprefix(FOLD)))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of clusters or marks, row by row; empty where there are none."""
        rows = list(self.marks) if self.groups is None else self.groups.tolist()
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest() if rows else ""

    @property
    def is_default(self) -> bool:
        """Whether it is the split of rows that nothing else is said of."""
        return self.kind == STRATIFIED


DEFAULT = Parting()
"""Stratified."""


def parting(config: SplitConfig, labelled: LabelledSet, on_progress: OnProgress | None = None) -> Parting:
    """What a set's rows are split by; for kind homology its sequences are searched.

    Raises:
        LabelError: The kind is given, and the data mark no rows, or only some with folds.
        ConfigError: MMseqs2 is asked for and not installed.
        SortilinError: MMseqs2 failed.
        MissingDependencyError: There is nothing to search with.
    """
    if config.kind == GIVEN:
        return Parting(GIVEN, marks=_marks(labelled))
    if config.kind != HOMOLOGY:
        return Parting(config.kind)
    found = clustered(config, labelled.sequences, on_progress)
    return Parting(HOMOLOGY, found.labels, tool=found.tool)


def clustered(
    config: SplitConfig, sequences: Sequence[str], on_progress: OnProgress | None = None
) -> clusters.Groups:
    """Clusters of homologues, as a configuration asks for them; an error says what else could search."""
    try:
        return clusters.groups(
            sequences,
            min_identity=config.identity,
            min_identity_short=config.identity_short,
            search=config.search,
            on_progress=on_progress,
        )
    except (ConfigError, MissingDependencyError):
        raise
    except SortilinError as fault:
        remedy = f"mend it ({mmseqs.INSTALL}), or search with phmmer: --tool {clusters.BUILTIN}"
        raise SortilinError(f"{fault}; {remedy}") from None


def _marks(labelled: LabelledSet) -> tuple[str, ...]:
    marks = labelled.marks
    if not marks:
        raise LabelError(
            f"split {GIVEN}: {labelled.name} marks no rows; mark them in the header (SET=train, val or test; "
            f"VALIDATION=True) or in a column `set` or `split` (also {FOLD}1, {FOLD}2, ...), or use another "
            "split: stratified, homology or random"
        )
    n_folded = sum(mark.startswith(FOLD) for mark in marks)
    if 0 < n_folded < len(marks):
        row = next(row for row, mark in enumerate(marks) if not mark.startswith(FOLD))
        raise LabelError(
            f"split {GIVEN}: {labelled.name} marks {n_folded} of {len(marks)} rows with folds and others not "
            f"(the first: row {row + 1}, '{marks[row]}'); mark all of them, or none"
        )
    return marks


def folds(y: IntArray, parted: Parting, n_folds: int, seed: int) -> list[Split]:
    """Training and held-out row numbers of each fold."""
    if parted.kind == HOMOLOGY:
        assert parted.groups is not None
        return dealing.folds(y, parted.groups, n_folds, seed)
    if len(names := parted.fold_names) > 1:
        marks = np.array(parted.marks)
        return [(np.flatnonzero(marks != name), np.flatnonzero(marks == name)) for name in names]
    made = _model_selection()
    kind = made.KFold if parted.kind == RANDOM else made.StratifiedKFold
    return list(kind(n_folds, shuffle=True, random_state=seed).split(y, y))


def hold_out(y: IntArray, parted: Parting, share: float, seed: int) -> Split:
    """Row numbers of one split: for training, and held out."""
    if parted.kind == HOMOLOGY:
        assert parted.groups is not None
        part = dealing.deal(y, parted.groups, [1 - share, share], seed)
        return np.flatnonzero(part == 0), np.flatnonzero(part == 1)
    if parted.kind == GIVEN and VALIDATION in parted.marks:
        is_held_out = np.array([mark == VALIDATION for mark in parted.marks])
        return np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    train, test = _model_selection().train_test_split(
        np.arange(len(y)),
        test_size=share,
        stratify=None if parted.kind == RANDOM else y,
        random_state=seed,
    )
    return train, test


def has_hold_out(parted: Parting, share: float) -> bool:
    """Whether there is a hold-out beside the folds: where rows are given, one that they mark."""
    return VALIDATION in parted.marks if parted.kind == GIVEN else share > 0


def check(labelled: LabelledSet, parted: Parting, n_folds: int, holdout: float, seed: int) -> None:
    """Refuse rows that cannot be split so, before long work starts.

    Args:
        labelled: The rows.
        parted: What they are split by.
        n_folds: Folds of the cross-validation.
        holdout: Share of the hold-out; 0 for none.
        seed: Of the splits.

    Raises:
        LabelError: A class would be lacking where it has to be learned or scored; the message says which,
            in how many clusters it stands, and what helps.
        ConfigError: The data mark another number of folds.
    """
    if parted.is_default:
        return
    if (names := parted.fold_names) and len(names) != n_folds:
        raise ConfigError(
            f"{labelled.name} marks {len(names)} fold{'s' * (len(names) != 1)} ({', '.join(names[:6])}), and "
            f"folds is {n_folds}: use folds: {len(names)}" + " (at least 2 are needed)" * (len(names) < 2)
        )
    lacking = None if parted.groups is None else dealing.shortage(labelled.y, parted.groups, n_folds)
    if lacking is not None:
        raise undealt(labelled, parted, lacking[0], f"each of {n_folds} folds to hold one")
    for train, held_out in folds(labelled.y, parted, n_folds, seed):
        _check_split(labelled, parted, (train, held_out), n_folds, f"each of {n_folds} folds")
    if has_hold_out(parted, holdout):
        train, held_out = hold_out(labelled.y, parted, holdout, seed)
        said = "the rows for validation" if parted.kind == GIVEN else f"a hold-out of {holdout:.0%}"
        _check_split(labelled, parted, (train, held_out), n_folds, said)
        _check_inner(labelled, parted, train, n_folds, seed)


def _check_split(labelled: LabelledSet, parted: Parting, split: Split, n_folds: int, what: str) -> None:
    train, held_out = (np.bincount(labelled.y[rows], minlength=len(labelled.classes)) for rows in split)
    for c in range(len(labelled.classes)):
        if train[c] < n_folds or not held_out[c]:
            found = f"{what} to hold one" if not held_out[c] else f"{n_folds} to be left beside {what}"
            raise undealt(labelled, parted, c, found)


def _check_inner(labelled: LabelledSet, parted: Parting, train: IntArray, n_folds: int, seed: int) -> None:
    """The folds of the calibration inside what a hold-out leaves."""
    y = labelled.y[train]
    if parted.kind == RANDOM:  # stratified ones hold each class, once there are as many as folds
        for learned, _ in folds(y, parted.rows(train), n_folds, seed):
            present = np.bincount(y[learned], minlength=len(labelled.classes))
            if not present.all():
                what = f"each of {n_folds} folds of the calibration, beside a hold-out, to learn from one"
                raise undealt(labelled, parted, int(present.argmin()), what)
    if parted.groups is None:
        return
    lacking = dealing.shortage(y, parted.groups[train], n_folds)
    if lacking is not None:
        c, n_left = lacking
        found = f"{n_folds} to be left beside a hold-out, one a fold of the calibration ({n_left} are left)"
        raise undealt(labelled, parted, c, found)


def undealt(labelled: LabelledSet, parted: Parting, c: int, wanted: str) -> LabelError:
    """The error that a class cannot be dealt out for what is wanted; says why, and what helps."""
    name = labelled.classes[c]
    n = labelled.class_counts[name]
    if parted.groups is None:
        return LabelError(
            f"class '{name}': its {n} sequences in {labelled.name} are too few, or too unevenly split "
            f"({parted.kind}), for {wanted}; use a stratified split, or fewer folds (at least 2)"
        )
    n_groups = len(np.unique(parted.groups[labelled.y == c]))
    return LabelError(
        f"class '{name}': its {n} sequences in {labelled.name} stand in {n_groups} "
        f"cluster{'s' * (n_groups != 1)} of homologues, which cannot be dealt out for {wanted}; use fewer "
        "folds (at least 2), a hold-out of 0, clusters of a higher identity (--identity), or leave the class "
        "out"
    )


def _model_selection() -> Any:
    try:
        from sklearn import model_selection
    except ImportError:
        raise MissingDependencyError("a split", "scikit-learn", "train") from None
    return model_selection
