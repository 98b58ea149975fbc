"""Prediction sets that hold the true class as often as asked, from held-out probabilities; NumPy only.

A nonconformity says how strange a class is for a sequence. Its threshold is a quantile of the
nonconformities of the true classes of held-out sequences (split conformal, Vovk et al. 2005,
doi:10.1007/b106715); a set holds the classes up to it. So a set of coverage 0.9 holds the true class of nine
in ten sequences that are drawn like the held-out ones, whatever the model is worth. The thresholds may be
each class's own (Mondrian), and then the coverage is every class's.

    lac   1 - probability of the class (Sadinle et al. 2019, doi:10.1080/01621459.2017.1395341);
          the smallest sets
    aps   the probabilities down to the class, summed from the largest (Romano et al. 2020, NeurIPS), without
          randomisation: larger sets, which grow where a model is unsure

A set may be empty: no class is familiar enough. That is how sets of a coverage below a model's own accuracy
are wrong as often as they may be. With `never_empty` such a set holds the predicted class, and sets then hold
the true class more often than asked.

Axis letters: N sequences, C classes, Q held-out sequences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, UnknownNameError
from sortilin.interfaces import DoubleArray, IntArray

KINDS = ("lac", "aps")
"""Nonconformities, the default first."""

_EQUAL = 1e-9
"""Nonconformities that differ by rounding alone are the same."""

BoolArray = NDArray[np.bool_]


def check_coverage(coverage: float) -> float:
    """The same coverage.

    Raises:
        ConfigError: It is not between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage is {coverage}; allowed: above 0 and below 1, as 0.9")
    return coverage


def check_kind(kind: str) -> str:
    """The same kind.

    Raises:
        UnknownNameError: There is no such one.
    """
    if kind not in KINDS:
        raise UnknownNameError("nonconformity", kind, KINDS)
    return kind


def nonconformity(probabilities: DoubleArray, kind: str = KINDS[0]) -> DoubleArray:
    """(N, C) strangeness of each class, 0 to 1, from (N, C) probabilities.

    Raises:
        UnknownNameError: There is no such kind.
    """
    if check_kind(kind) == "lac":
        return np.asarray(1 - probabilities)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    summed = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    found = np.empty_like(summed)
    np.put_along_axis(found, order, summed, axis=1)
    return found


@dataclass(frozen=True, slots=True)
class Conformal:
    """Nonconformities of held-out sequences, enough for sets of any coverage.

    Attributes:
        kind: Which nonconformity.
        values: (Q,) of the true classes, class after class, ascending within each.
        counts: (C,) how many are of each class.
    """

    kind: str
    values: DoubleArray
    counts: IntArray

    def thresholds(self, coverage: float, classes: Sequence[str], *, per_class: bool = False) -> DoubleArray:
        """(C,) largest nonconformity of each class in a set; all equal unless they are the class's own.

        The ceil((Q + 1) coverage)-th smallest, which makes the coverage at least what is asked.

        Raises:
            ConfigError: The coverage is not between 0 and 1, or there are too few held-out sequences for it.
        """
        check_coverage(coverage)
        if not per_class:
            whole = _quantile(np.sort(self.values), coverage)
            if whole is None:
                raise ConfigError(_too_few(len(self.values), "held-out sequences", coverage))
            return np.full(len(self.counts), whole)
        ends = np.cumsum(self.counts)
        found = np.empty(len(self.counts))
        for c, (n, end) in enumerate(zip(self.counts.tolist(), ends.tolist(), strict=True)):
            own = _quantile(self.values[end - n : end], coverage)
            if own is None:
                raise ConfigError(_too_few(n, f"held-out sequences of class {classes[c]}", coverage))
            found[c] = own
        return found


def _quantile(ascending: DoubleArray, coverage: float) -> float | None:
    """None where that would be beyond the largest."""
    # Rounded, so that (99 + 1) * 0.9 is 90 and not a little more.
    place = int(np.ceil(round((len(ascending) + 1) * coverage, 9)))
    return float(ascending[place - 1]) if place <= len(ascending) else None


def _too_few(n: int, of_what: str, coverage: float) -> str:
    needed = int(np.ceil(round(coverage / (1 - coverage), 9)))
    highest = n / (n + 1)
    return (
        f"coverage {coverage:g} needs {needed:,} {of_what} at least; there are {n:,}, enough for "
        f"{np.floor(highest * 1000) / 1000:g}: ask for less, or bring more with sortilin calibrate --labelled"
    )


def fit(probabilities: DoubleArray, y: IntArray, kind: str = KINDS[0]) -> Conformal:
    """From (Q, C) probabilities of sequences that neither model nor calibration learned from.

    Raises:
        ConfigError: A class is missing among the (Q,) labels.
    """
    counts = np.bincount(y, minlength=probabilities.shape[1])
    if (counts == 0).any():
        missing = np.flatnonzero(counts == 0).tolist()
        raise ConfigError(
            f"prediction sets need every class; none of the {len(y)} sequences is of class {missing}"
        )
    own = nonconformity(probabilities, kind)[np.arange(len(y)), y]
    order = np.lexsort((own, y))
    return Conformal(kind, own[order], counts.astype(np.int64))


def sets(
    probabilities: DoubleArray, thresholds: DoubleArray, kind: str = KINDS[0], *, never_empty: bool = False
) -> BoolArray:
    """(N, C) whether each class is in each sequence's set.

    Args:
        probabilities: (N, C).
        thresholds: (C,) of `Conformal.thresholds`.
        kind: Which nonconformity.
        never_empty: Whether the predicted class stands in a set that would be empty.
    """
    inside = nonconformity(probabilities, kind) <= thresholds + _EQUAL
    if never_empty:
        is_empty = ~inside.any(axis=1)
        inside[is_empty, probabilities[is_empty].argmax(axis=1)] = True
    return np.asarray(inside)


def crossed(
    probabilities: DoubleArray,
    y: IntArray,
    fold: IntArray,
    coverage: float,
    classes: Sequence[str],
    *,
    kind: str = KINDS[0],
    per_class: bool = False,
) -> BoolArray:
    """(N, C) sets of held-out sequences, each with the thresholds of the other folds.

    Args:
        probabilities: (N, C), each row calibrated without its fold.
        y: (N,) class indices.
        fold: (N,) the fold in which each row was held out.
        coverage: Above 0 and below 1.
        classes: C class names.
        kind: Which nonconformity.
        per_class: Whether thresholds are each class's own.

    Raises:
        ConfigError: See `Conformal.thresholds` and `fit`.
    """
    found = np.zeros(probabilities.shape, dtype=bool)
    for number in np.unique(fold):
        here = fold == number
        others = fit(probabilities[~here], y[~here], kind).thresholds(coverage, classes, per_class=per_class)
        found[here] = sets(probabilities[here], others, kind)
    return found


@dataclass(frozen=True, slots=True)
class Covered:
    """What sets are worth where the truth is known.

    Attributes:
        coverage: What was asked.
        kind: Which nonconformity.
        per_class: Whether thresholds are each class's own.
        n: Sequences.
        n_covered: Those whose set holds the true class.
        by_class: Class → sequences, and those whose set holds it.
        size: Mean number of classes in a set.
        n_single: Sets of one class.
        n_empty: Sets of none.
    """

    coverage: float
    kind: str
    per_class: bool
    n: int
    n_covered: int
    by_class: dict[str, tuple[int, int]]
    size: float
    n_single: int
    n_empty: int


def covered(
    inside: BoolArray, y: IntArray, classes: Sequence[str], *, coverage: float, kind: str, per_class: bool
) -> Covered:
    """Count (N, C) sets against (N,) true classes."""
    is_right, sizes = inside[np.arange(len(y)), y], inside.sum(axis=1)
    by_class = {name: (int((y == c).sum()), int(is_right[y == c].sum())) for c, name in enumerate(classes)}
    return Covered(
        coverage,
        kind,
        per_class,
        len(y),
        int(is_right.sum()),
        by_class,
        float(sizes.mean()) if len(y) else float("nan"),
        int((sizes == 1).sum()),
        int((sizes == 0).sum()),
    )
