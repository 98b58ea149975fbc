"""Intervals of shares: how many of n were right.

Wilson's score interval (Wilson 1927, Journal of the American Statistical Association 22:209-212,
doi:10.1080/01621459.1927.10502953) has a width also where all or none are right, where a bootstrap has none,
and keeps its level with few sequences (Brown, Cai & DasGupta 2001, doi:10.1214/ss/1009213286).

Axis letters: C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import IntArray

LEVEL = 0.95

UNDEFINED = (float("nan"), float("nan"))


def wilson(hits: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """The score interval of a share.

    Args:
        hits: How many of them, 0 to n.
        n: Of how many.
        level: How often such an interval holds the true share, above 0 and below 1.

    Returns:
        Lower and upper end, 0 to 1; both NaN where n is 0.

    Raises:
        InputError: There are more hits than there can be.
        ConfigError: `level` is not allowed.
    """
    if not 0 <= hits <= n:
        raise InputError(f"{hits} of {n} is no share; allowed: 0 to {n}")
    if not 0 < level < 1:
        raise ConfigError(f"level is {level}; allowed: above 0 and below 1")
    if n == 0:
        return UNDEFINED
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = hits / n, z**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * (share * (1 - share) / n + square / (4 * n**2)) ** 0.5
    # At the ends the formula gives 0 or 1 but for rounding.
    return (0.0 if hits == 0 else centre - half, 1.0 if hits == n else centre + half)


def of_set(
    confusion: Sequence[Sequence[int]] | IntArray, *, level: float = LEVEL
) -> dict[str, tuple[float, float]]:
    """Accuracy, of two classes also sensitivity and specificity, from (C, C) counts.

    Args:
        confusion: Row = true class, column = predicted class; class 1 of two is the positive one.
        level: Of the intervals.
    """
    table = np.asarray(confusion, dtype=np.int64)
    found = {"accuracy": wilson(int(np.trace(table)), int(table.sum()), level=level)}
    if len(table) == 2:
        found["sensitivity"] = wilson(int(table[1, 1]), int(table[1].sum()), level=level)
        found["specificity"] = wilson(int(table[0, 0]), int(table[0].sum()), level=level)
    return found


def of_classes(
    confusion: Sequence[Sequence[int]] | IntArray, *, level: float = LEVEL
) -> list[dict[str, tuple[float, float]]]:
    """Precision and recall of each of C classes from (C, C) counts.

    The precision's n is how often the class was predicted, which another set would change too; the interval
    is that of a share of so many. Where the class was never predicted, the precision is 0 by convention and
    has no interval: both ends are NaN.
    """
    table = np.asarray(confusion, dtype=np.int64)
    called, true = table.sum(axis=0), table.sum(axis=1)
    return [
        {
            "precision": wilson(int(table[c, c]), int(called[c]), level=level),
            "recall": wilson(int(table[c, c]), int(true[c]), level=level),
        }
        for c in range(len(table))
    ]


def hanley_mcneil(
    area: float, n_positive: int, n_negative: int, *, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of an area under the ROC curve from the area and the two counts alone, within 0 and 1.

    The normal interval with the standard error of Hanley & McNeil 1982, doi:10.1148/radiology.143.1.7063747,
    for where the scores are not at hand.

    Raises:
        InputError: A count is 0, or the area is none.
    """
    if min(n_positive, n_negative) < 1 or not 0 <= area <= 1:
        raise InputError(f"an area of {area} of {n_positive} and {n_negative} has no interval")
    two_positives, two_negatives = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (n_positive - 1) * (two_positives - area**2)
        + (n_negative - 1) * (two_negatives - area**2)
    ) / (n_positive * n_negative)
    half = NormalDist().inv_cdf((1 + level) / 2) * max(variance, 0.0) ** 0.5
    return max(area - half, 0.0), min(area + half, 1.0)
