"""Two models or more on the same sequences, and on the same folds: who is better, and is it chance?

McNemar's test looks at the sequences that only one of two models calls right (McNemar 1947,
doi:10.1007/BF02295996): exact, from the binomial distribution, and as a mid-p value, which is less often far
below its level (Fagerland, Lydersen & Laake 2013, doi:10.1186/1471-2288-13-91).

The paired bootstrap scores both models on the same resamples (Efron & Tibshirani 1993, An Introduction to
the Bootstrap, chapter 16); p is twice the share of resamples on the other side of 0, the observed set counted
among them (Davison & Hinkley 1997, Bootstrap Methods and their Application, section 4.4).

Over folds, whose training sets overlap, the variance of the mean difference is corrected for the overlap
(Nadeau & Bengio 2003, doi:10.1023/A:1024068626366).

Of several comparisons, one is likely to look significant by chance. Holm's correction bounds the chance of
any false finding (Holm 1979, Scandinavian Journal of Statistics 6:65-70), that of Benjamini and Hochberg the
expected share of false ones among the findings (1995, doi:10.1111/j.2517-6161.1995.tb02031.x).

Axis letters: N sequences, C classes, B resamples, K folds.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np

from sortilin.errors import InputError, MissingDependencyError
from sortilin.evaluation import intervals
from sortilin.evaluation.intervals import LEVEL
from sortilin.evaluation.weighted import Scored
from sortilin.interfaces import DoubleArray, IntArray

N_RESAMPLES = 5000
"""Of a paired bootstrap: enough to tell p = 0.04 from p = 0.06 (Monte Carlo error 0.003)."""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class McNemar:
    """Sequences that one of two models calls right and the other wrong.

    Attributes:
        first_only: Right by the first alone.
        second_only: Right by the second alone.
        exact: Two-sided p-value of the binomial test.
        mid_p: The same as mid-p value.
    """

    first_only: int
    second_only: int
    exact: float
    mid_p: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models by one measure.

    Attributes:
        first: Name of a model.
        second: Name of the other.
        metric: What is compared.
        n: Sequences, or folds.
        difference: First less second; NaN where it is undefined.
        low: Lower end of its 95 % interval.
        high: Upper end of it.
        p_value: Two-sided.
        adjusted: The p-value corrected for all comparisons that were made at once (Holm).
    """

    first: str
    second: str
    metric: str
    n: int
    difference: float
    low: float
    high: float
    p_value: float
    adjusted: float = math.nan


@dataclass(frozen=True, slots=True)
class Disagreement:
    """McNemar's test of two models.

    Attributes:
        first: Name of a model.
        second: Name of the other.
        n: Sequences.
        first_only: Right by the first alone.
        second_only: Right by the second alone.
        p_value: Two-sided mid-p.
        exact: Two-sided exact p.
        adjusted: The mid-p corrected for all comparisons that were made at once (Holm).
    """

    first: str
    second: str
    n: int
    first_only: int
    second_only: int
    p_value: float
    exact: float
    adjusted: float = math.nan


def mcnemar(first_only: int, second_only: int) -> McNemar:
    """McNemar's test from the two counts that matter.

    Args:
        first_only: Sequences that the first model alone calls right.
        second_only: Sequences that the second model alone calls right.

    Raises:
        InputError: A count is negative.
    """
    if first_only < 0 or second_only < 0:
        raise InputError(f"McNemar's test of {first_only} and {second_only}: counts are 0 or more")
    n, fewer = first_only + second_only, min(first_only, second_only)
    # Whole numbers, so that nothing is rounded before the division.
    at_most = here = 1
    for k in range(fewer):
        here = here * (n - k) // (k + 1)  # of n, k + 1
        at_most += here
    exact = min(2 * at_most / 2**n, 1.0)
    half = here / 2**n / (2 if first_only == second_only else 1)
    return McNemar(first_only, second_only, exact, exact - half if n else 1.0)


def disagreements(
    y: IntArray, tables: Mapping[str, DoubleArray], pairs: Iterable[Pair]
) -> list[Disagreement]:
    """McNemar's test of each pair of models, corrected over the pairs.

    Args:
        y: (N,) class indices.
        tables: Model → (N, C) probabilities; the prediction is the largest.
        pairs: Names of the models that are compared.
    """
    is_right = {name: np.asarray(table).argmax(axis=1) == y for name, table in tables.items()}
    found = []
    for first, second in pairs:
        one, other = is_right[first], is_right[second]
        test = mcnemar(int((one & ~other).sum()), int((other & ~one).sum()))
        found.append(
            Disagreement(first, second, len(y), test.first_only, test.second_only, test.mid_p, test.exact)
        )
    return _adjusted(found)


def differences(
    y: IntArray,
    tables: Mapping[str, DoubleArray],
    pairs: Sequence[Pair],
    *,
    metrics: Sequence[str],
    classes: Sequence[str],
    seed: int,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
) -> list[Compared]:
    """Paired bootstrap of each pair of models in each metric, corrected over all of them.

    Every model is scored on the same resamples, so that many pairs cost hardly more than one.

    Args:
        y: (N,) class indices.
        tables: Model → (N, C) probabilities.
        pairs: Names of the models that are compared.
        metrics: Those of `intervals.bootstrap`.
        classes: C class names.
        seed: Of the resamples.
        n_resamples: Drawn.
        level: Of the intervals of the differences.

    Raises:
        InputError: There are no sequences.
        UnknownNameError: There is no metric of that name.
        ConfigError: `n_resamples` or `level` is not allowed, or a metric is one of two classes and there
            are more.
    """
    values = _resampled(y, tables, metrics=metrics, n_classes=len(classes), how=(seed, n_resamples, level))
    found = []
    for first, second in pairs:
        for name in metrics:
            whole, drawn = (values[first, name][part] - values[second, name][part] for part in (0, 1))
            low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
            found.append(
                Compared(
                    first, second, name, len(y), float(whole[0]), float(low), float(high), _two_sided(drawn)
                )
            )
    return _adjusted(found)


def _resampled(
    y: IntArray,
    tables: Mapping[str, DoubleArray],
    *,
    metrics: Sequence[str],
    n_classes: int,
    how: tuple[int, int, float],
) -> dict[tuple[str, str], tuple[DoubleArray, DoubleArray]]:
    """(model, metric) → its value of the whole set, (1,), and of each resample, (B,)."""
    seed, n_resamples, level = how
    intervals.check(y, metrics, n_resamples, level)
    rows = intervals.row_order(y, np.column_stack(list(tables.values())))
    scored = {name: Scored(y[rows], table[rows], n_classes) for name, table in tables.items()}
    drawn: dict[tuple[str, str], list[DoubleArray]] = {(m, name): [] for m in tables for name in metrics}
    for weights in intervals.resamples(y[rows], n_resamples, seed):
        for (model, name), values in drawn.items():
            values.append(scored[model].metric(name, weights))
    once = np.ones((1, len(y)))
    return {
        (model, name): (scored[model].metric(name, once), np.concatenate(values))
        for (model, name), values in drawn.items()
    }


def _two_sided(drawn: DoubleArray) -> float:
    """P of (B,) resampled differences; the observed set counts as one more on either side."""
    if np.isnan(drawn).any():
        return math.nan
    fewer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return min(2 * (1 + fewer) / (1 + len(drawn)), 1.0)


@dataclass(frozen=True, slots=True)
class FoldTest:
    """The corrected resampled t-test.

    Attributes:
        mean: Of the differences.
        low: Lower end of its interval.
        high: Upper end of it.
        p_value: Two-sided; NaN where all differences are 0.
    """

    mean: float
    low: float
    high: float
    p_value: float


def over_folds(
    first: Sequence[float], second: Sequence[float], *, test_share: float, level: float = LEVEL
) -> FoldTest:
    """The corrected resampled t-test of two models on the same K splits.

    t is the mean difference over the root of (1/K + n_test/n_train) times the sample variance of the
    differences, with K - 1 degrees of freedom.

    Args:
        first: K values of a metric, of one model.
        second: K values, of the other on the same splits.
        test_share: n_test / n_train of a split: 1 / (K - 1) of a K-fold cross-validation.
        level: Of the interval of the mean difference.

    Raises:
        InputError: There are fewer than two splits, or not as many values of both.
        MissingDependencyError: SciPy is not installed.
    """
    if len(first) != len(second) or len(first) < 2:
        raise InputError(
            f"a t-test over folds of {len(first)} and {len(second)} values: it needs as many of both, at "
            "least 2"
        )
    if importlib.util.find_spec("scipy") is None:
        raise MissingDependencyError("a t-test over folds", "scipy", "train")
    from scipy import stats

    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    k, mean = len(difference), float(difference.mean())
    error = math.sqrt((1 / k + test_share) * float(difference.var(ddof=1)))
    if error == 0 or math.isnan(error):
        return FoldTest(mean, mean, mean, math.nan if mean == 0 or math.isnan(error) else 0.0)
    half = float(stats.t.ppf((1 + level) / 2, k - 1)) * error
    return FoldTest(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean / error), k - 1)))


def folds_compared(
    values: Mapping[str, Sequence[float]], pairs: Iterable[Pair], *, metric: str, test_share: float
) -> list[Compared]:
    """`over_folds` of each pair of models, corrected over the pairs; `n` is that of the folds.

    Args:
        values: Model → K values of the metric, on the same splits.
        pairs: Names of the models that are compared.
        metric: Its name.
        test_share: n_test / n_train of a split.
    """
    found = []
    for first, second in pairs:
        test = over_folds(values[first], values[second], test_share=test_share)
        found.append(
            Compared(first, second, metric, len(values[first]), test.mean, test.low, test.high, test.p_value)
        )
    return _adjusted(found)


_Tested = TypeVar("_Tested", Compared, Disagreement)


def _adjusted(found: Sequence[_Tested]) -> list[_Tested]:
    corrected = holm([one.p_value for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, corrected, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected so that the chance of any false finding stays below the level (Holm 1979).

    An undefined one (NaN) stays so and counts for nothing.
    """
    return _corrected(p_values, "holm")


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """p-values corrected so that the share of false findings stays below the level, in expectation.

    An undefined one (NaN) stays so and counts for nothing.
    """
    return _corrected(p_values, "fdr")


def _corrected(p_values: Sequence[float], how: Literal["holm", "fdr"]) -> list[float]:
    p = np.asarray(p_values, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(p))
    outside = [value for value in p[known].tolist() if not 0 <= value <= 1]
    if outside:
        raise InputError(f"{outside[0]} is no p-value; allowed: 0 to 1")
    order = known[np.argsort(p[known], kind="stable")]
    m = len(order)
    if how == "holm":
        steps = np.maximum.accumulate(p[order] * np.arange(m, 0, -1))
    else:
        steps = np.minimum.accumulate((p[order] * m / np.arange(1, m + 1))[::-1])[::-1]
    p[order] = np.minimum(steps, 1.0)
    return [float(value) for value in p]
