"""Whether attributions are true: what happens to the prediction when they are taken at their word.

Deletion and insertion curves follow Petsiuk, Das & Saenko 2018 (RISE, arXiv:1806.07421), with random order
beside them; the comparison with a model of shuffled labels, Adebayo et al. 2018 (NeurIPS, arXiv:1810.03292).

Everything is plain numbers. Sequences of which a figure does not exist are left out of it, and `n` says how
many were counted.

Axis letters: N sequences, L residues, K steps.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from sortilin import registry
from sortilin.errors import ConfigError
from sortilin.explain.attribution import Attribution
from sortilin.explain.methods import _asking
from sortilin.explain.methods._asking import Question
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.seeding import child_seed
from sortilin.sequences import SequenceRecord

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened

N_STEPS = 10
"""Points of a curve beside the first: 10 %, 20 % ... of the residues."""

N_ORDERS = 3
"""Random orders that a sequence is compared with."""

N_DRAWS, LEVEL = 2_000, 0.95
"""Bootstrap over sequences."""

_CHUNK = 16
"""Sequences whose changed forms are predicted at a time."""


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean over sequences with its percentile bootstrap interval (Efron & Tibshirani 1993).

    Attributes:
        value: The mean; NaN without a sequence.
        low: Lower end at 95 per cent.
        high: Upper end.
        n: Sequences that were counted.
    """

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Curves:
    """What the log-odds become when residues are hidden, or shown, in the order of an attribution.

    Attributes:
        method: Registered name of the explainer.
        shares: (K + 1,) of the residues that were hidden, or shown.
        deletion: Mean log-odds when the residues that speak most for the class are hidden first.
        insertion: Mean log-odds when they are shown first, in a sequence of X.
        random_deletion: The same as `deletion` in random order.
        random_insertion: The same as `insertion` in random order.
        deletion_gain: Area between `random_deletion` and `deletion`, in log-odds; above 0 where the residues
            matter more than random ones.
        insertion_gain: Area between `insertion` and `random_insertion`.
        gains: Of each sequence, the sum of both, by its place among the attributions.
    """

    method: str
    shares: tuple[float, ...]
    deletion: tuple[float, ...]
    insertion: tuple[float, ...]
    random_deletion: tuple[float, ...]
    random_insertion: tuple[float, ...]
    deletion_gain: Mean
    insertion_gain: Mean
    gains: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two attributions of the same sequences are.

    Attributes:
        first: What is compared ("occlusion", "baseline mean", "seed 1").
        second: With what.
        spearman: Rank correlation of the residues' values (Spearman 1904), averaged over sequences.
        overlap: Share of the tenth of the residues with the highest values that both have; of equal values,
            what is expected where chance decides.
    """

    first: str
    second: str
    spearman: Mean
    overlap: Mean


@dataclass(frozen=True, slots=True)
class ShuffledCheck:
    """A model beside one that was trained on shuffled labels, which can have nothing to explain.

    Attributes:
        method: Registered name of the explainer.
        model: Gain of the model: deletion and insertion together.
        shuffled: The same of the other one.
        difference: Of the two, by sequence.
        explains: Whether the interval of the difference lies above 0.
    """

    method: str
    model: Mean
    shuffled: Mean
    difference: Mean
    explains: bool


def mean_of(values: Iterable[float], *, seed: int) -> Mean:
    """Mean of the numbers that are finite, with its interval; NaN where there are none.

    Args:
        values: One a sequence.
        seed: Of the bootstrap.
    """
    found = np.array([value for value in values if math.isfinite(value)])
    if not len(found):
        return Mean(math.nan, math.nan, math.nan, 0)
    rng = np.random.default_rng(child_seed(seed, "faithfulness"))
    draws = found[rng.integers(0, len(found), (N_DRAWS, len(found)))].mean(axis=1)
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Mean(float(found.mean()), float(low), float(high), len(found))


# --- deletion and insertion


def curves(opened: Opened, attributions: Sequence[Attribution], *, seed: int) -> Curves:
    """Deletion and insertion curves of one method, against random order.

    A sequence costs about 2 K predictions of its own and 2 K for each random order. Residues that the model
    does not look at are left as they are.

    Args:
        opened: The model that was explained.
        attributions: Of one method, one or more.
        seed: Of the random orders, also of residues of equal values, which depend on the sequence
            besides, and of the bootstrap.

    Raises:
        ConfigError: There are none, they are of several methods, or the model cannot predict changed
            sequences.
    """
    methods = sorted({a.method for a in attributions})
    if len(methods) != 1:
        raise ConfigError(f"curves are of the attributions of one method; found {len(methods)}: {methods}")
    if reason := opened.why_no_changes():
        raise ConfigError(f"model '{opened.name}' has no deletion and insertion curves: {reason}")
    parts = [
        _tables(opened, attributions[at : at + _CHUNK], seed) for at in range(0, len(attributions), _CHUNK)
    ]
    table = np.concatenate(parts)  # (N, 4, K + 1)
    deletion, random_deletion, insertion, random_insertion = table.transpose(1, 0, 2)
    gain_of_deletion = _areas(random_deletion) - _areas(deletion)
    gain_of_insertion = _areas(insertion) - _areas(random_insertion)
    return Curves(
        method=methods[0],
        shares=tuple((np.arange(N_STEPS + 1) / N_STEPS).tolist()),
        deletion=_averaged(deletion),
        insertion=_averaged(insertion),
        random_deletion=_averaged(random_deletion),
        random_insertion=_averaged(random_insertion),
        deletion_gain=mean_of(gain_of_deletion.tolist(), seed=seed),
        insertion_gain=mean_of(gain_of_insertion.tolist(), seed=seed),
        gains=tuple((gain_of_deletion + gain_of_insertion).tolist()),
    )


def _averaged(table: DoubleArray) -> tuple[float, ...]:
    """(N, K + 1) → (K + 1,)."""
    return tuple(table.mean(axis=0).tolist())


def _tables(opened: Opened, attributions: Sequence[Attribution], seed: int) -> DoubleArray:
    """(N, 4, K + 1) log-odds: deletion, at random, insertion, at random."""
    orders = [[_ranked(a, seed), *_random_orders(a, seed)] for a in attributions]
    asked = [
        Question(_changed(a, order, step, is_shown=is_shown), a.label)
        for a, its_orders in zip(attributions, orders, strict=True)
        for is_shown in (False, True)
        for order in its_orders
        for step in range(N_STEPS + 1)
    ]
    odds = _asking.odds_of(opened, asked).reshape(len(attributions), 2, 1 + N_ORDERS, N_STEPS + 1)
    both = np.stack([odds[:, :, 0], odds[:, :, 1:].mean(axis=2)], axis=2)  # (N, 2, 2, K + 1)
    return both.reshape(len(attributions), 4, N_STEPS + 1)


def _ranked(attribution: Attribution, seed: int) -> IntArray:
    """Places with a value, the highest first; equal ones in random order.

    In the order of the sequence they would not say nothing: its start matters more than most of it.
    """
    places = _draws(attribution, seed, "ties").permutation(_looked_at(attribution))
    return np.asarray(places[np.argsort(-attribution.values[places], kind="stable")])


def _random_orders(attribution: Attribution, seed: int) -> list[IntArray]:
    rng = _draws(attribution, seed, "orders")
    return [rng.permutation(_looked_at(attribution)) for _ in range(N_ORDERS)]


def _looked_at(attribution: Attribution) -> IntArray:
    return np.flatnonzero(np.isfinite(attribution.values))


def _draws(attribution: Attribution, seed: int, what: str) -> np.random.Generator:
    digest = hashlib.sha256(attribution.sequence.encode()).hexdigest()[:16]
    return np.random.default_rng(child_seed(seed, what, digest))


def _changed(attribution: Attribution, order: IntArray, step: int, *, is_shown: bool) -> str:
    n = round(step / N_STEPS * len(order))
    return _asking.hidden(attribution.sequence, order[n:] if is_shown else order[:n])


def _areas(table: DoubleArray) -> DoubleArray:
    """(N, K + 1) → (N,) by the trapezoidal rule over shares from 0 to 1."""
    return np.asarray((table[:, 1:] + table[:, :-1]).mean(axis=1) / 2)


# --- agreement


def agreement(
    first: Sequence[Attribution], second: Sequence[Attribution], *, names: tuple[str, str], seed: int
) -> Agreement:
    """How alike two attributions of the same sequences and classes are.

    Args:
        first: N of them.
        second: N of the same sequences, in the same order.
        names: What they are called.
        seed: Of the bootstrap.

    Raises:
        ConfigError: They are not of the same sequences and classes.
    """
    if [(a.sequence, a.label) for a in first] != [(a.sequence, a.label) for a in second]:
        raise ConfigError("two attributions are compared on the same sequences and classes, in one order")
    pairs = [_both_looked(a, b) for a, b in zip(first, second, strict=True)]
    return Agreement(
        *names,
        spearman=mean_of([_spearman(a, b) for a, b in pairs], seed=seed),
        overlap=mean_of([_overlap(a, b) for a, b in pairs], seed=seed),
    )


def agreements(by_method: Mapping[str, Sequence[Attribution]], *, seed: int) -> list[Agreement]:
    """Every two methods; a signed one beside one that is not by the size of its values.

    Args:
        by_method: Registered name → attributions of the same sequences in the same order.
        seed: Of the bootstrap.
    """
    signed = {name: bool(registry.get("explainer", name).signed) for name in by_method}
    found = []
    for a, b in combinations(by_method, 2):
        pair = [by_method[name] if signed[a] == signed[b] else _sizes(by_method[name]) for name in (a, b)]
        found.append(agreement(pair[0], pair[1], names=(a, b), seed=seed))
    return found


def _sizes(attributions: Sequence[Attribution]) -> list[Attribution]:
    return [
        Attribution(id=a.id, sequence=a.sequence, method=a.method, label=a.label, values=np.abs(a.values))
        for a in attributions
    ]


def _both_looked(a: Attribution, b: Attribution) -> tuple[DoubleArray, DoubleArray]:
    known = np.isfinite(a.values) & np.isfinite(b.values)
    return a.values[known], b.values[known]


def _spearman(a: DoubleArray, b: DoubleArray) -> float:
    """NaN where one of them is the same everywhere."""
    if len(a) < 2:
        return math.nan
    ranks = [_ranks(values) for values in (a, b)]
    spread = [float(r.std()) for r in ranks]
    if not all(spread):
        return math.nan
    covariance = float(np.mean((ranks[0] - ranks[0].mean()) * (ranks[1] - ranks[1].mean())))
    return covariance / (spread[0] * spread[1])


def _ranks(values: DoubleArray) -> DoubleArray:
    """From 1; equal values share the mean of theirs."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[group])


def _overlap(a: DoubleArray, b: DoubleArray) -> float:
    if not len(a):
        return math.nan
    k = max(1, round(len(a) / 10))
    return float(_chances(a, k) @ _chances(b, k) / k)


def _chances(values: DoubleArray, k: int) -> DoubleArray:
    """(L,) chance to be among the k highest: 1 or 0, but for values equal to the last one, which share it."""
    last = np.sort(values)[-k]
    above, equal = values > last, values == last
    return np.where(above, 1.0, np.where(equal, (k - above.sum()) / equal.sum(), 0.0))


# --- sensitivity


def to_baseline(
    opened: Opened, records: Sequence[SequenceRecord], labels: Sequence[str], *, seed: int
) -> list[Agreement]:
    """How far integrated gradients depend on the baseline: each two of them.

    Raises:
        ConfigError: The model has no gradients at its residues.
    """
    variant = registry.get("explainer", "integrated_gradients")
    found = {
        f"baseline {kind}": list(variant(variant.Config(baseline=kind)).explain(opened, records, labels))
        for kind in ("mean", "unknown", "zero")
    }
    return [agreement(found[a], found[b], names=(a, b), seed=seed) for a, b in combinations(found, 2)]


def to_seed(
    models: Mapping[str, Opened],
    explain: Callable[[Opened], Iterable[Attribution]],
    *,
    seed: int,
) -> list[Agreement]:
    """How far attributions depend on the seed of a training: each two of several models.

    Args:
        models: Name → a model of the same training with another seed.
        explain: What attributes the same sequences and classes with each.
        seed: Of the bootstrap.

    Raises:
        ConfigError: There are less than two.
    """
    if len(models) < 2:
        raise ConfigError(f"sensitivity to the seed needs two models or more; found {len(models)}")
    found = {name: list(explain(opened)) for name, opened in models.items()}
    return [agreement(found[a], found[b], names=(a, b), seed=seed) for a, b in combinations(found, 2)]


def against_shuffled(
    model: Opened,
    shuffled: Opened,
    explain: Callable[[Opened], Iterable[Attribution]],
    *,
    seed: int,
) -> ShuffledCheck:
    """Whether a model's attributions matter more to it than those of a model of shuffled labels do to that.

    Args:
        model: The model in question.
        shuffled: One of the same training whose labels were shuffled.
        explain: What attributes the same sequences and classes with each.
        seed: Of random orders and bootstrap.
    """
    own, other = (curves(opened, list(explain(opened)), seed=seed) for opened in (model, shuffled))
    differences = [a - b for a, b in zip(own.gains, other.gains, strict=True)]
    difference = mean_of(differences, seed=seed)
    return ShuffledCheck(
        own.method,
        mean_of(own.gains, seed=seed),
        mean_of(other.gains, seed=seed),
        difference,
        explains=difference.low > 0,
    )
