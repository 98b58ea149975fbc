"""Folds in which each class is as frequent as in the whole, where a sequence may have several classes.

See `sequences.stratification`.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sortilin.errors import LabelError
from sortilin.interfaces import IntArray
from sortilin.sequences.record import counted
from sortilin.sequences.stratification import parts

Split = tuple[IntArray, IntArray]
"""Row numbers: for training, and held out."""


def folds(
    truth: IntArray, n_folds: int, seed: int, classes: Sequence[str], groups: IntArray | None = None
) -> list[Split]:
    """Row numbers of each fold, for training and held out; each class stands in each fold, and lacks in none.

    Raises:
        LabelError: The classes or the groups cannot be dealt out like that.
    """
    part = parts(truth, [1 / n_folds] * n_folds, seed, groups)
    for fold in range(n_folds):
        _check(truth[part == fold], f"fold {fold + 1} of {n_folds}", classes, truth, groups)
    return [(np.flatnonzero(part != fold), np.flatnonzero(part == fold)) for fold in range(n_folds)]


def hold_out(
    truth: IntArray, share: float, seed: int, classes: Sequence[str], groups: IntArray | None = None
) -> Split:
    """Row numbers of one split: for training, and about a share of them held out.

    Raises:
        LabelError: A part lacks a class, or holds nothing else.
    """
    part = parts(truth, [1 - share, share], seed, groups)
    for number, name in enumerate(("training part", "held-out part")):
        _check(truth[part == number], f"{name} of the hold-out of {share:.0%}", classes, truth, groups)
    return np.flatnonzero(part == 0), np.flatnonzero(part == 1)


def _check(
    here: IntArray, where: str, classes: Sequence[str], truth: IntArray, groups: IntArray | None
) -> None:
    n = here.sum(axis=0)
    for c, name in enumerate(classes):
        if 0 < n[c] < len(here):
            continue
        has = truth[:, c] == 1
        which = "" if groups is None else f" in {counted(len(np.unique(groups[has])), 'group')} of homologues"
        raise LabelError(
            f"class '{name}' ({int(has.sum())} of {len(truth)} sequences{which}): "
            f"{'none' if n[c] == 0 else 'all'} of the {len(here)} of {where} "
            f"{'have' if n[c] else 'has'} it, so that nothing can be told from the rest there; use fewer "
            "folds (at least 2), add sequences, or leave the class out"
        )
