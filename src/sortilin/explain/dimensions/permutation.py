"""What a model loses when a dimension is shuffled over the rows (Breiman 2001, doi:10.1023/A:1010933404324).

A shuffled dimension changes what a first dense layer gives by an outer product, so that of a network that
begins with one only the rest runs again: (N, F) x (F, H) is multiplied once, not once a shuffle. Any other
model is asked again with the shuffled column in place.

Axis letters: N rows, F features, H units of the first layer, S scores, C classes, K shuffles.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.evaluation import metrics
from sortilin.explain.dimensions.gradients import standardization
from sortilin.interfaces import DoubleArray, FloatArray, IntArray, OnProgress
from sortilin.seeding import generator

Scores = Callable[[FloatArray], NDArray[Any]]
"""(N, F) features → (N, S) scores."""

Probabilities = Callable[[DoubleArray], DoubleArray]
"""(N, S) scores → (N, C) probabilities."""

METRICS = ("accuracy", "macro_f1", "log_loss")
STAGE = "permutation importance"
_BLOCK = 512
"""Rows that are worked on at a time: what the first layer gives of them stays in the processor's cache."""

_ROWS_AT_ONCE = 8_192
"""Rows of several shuffles that a model is asked for together."""


@dataclass(frozen=True, slots=True)
class Importance:
    """What shuffling costs.

    Attributes:
        whole: Metric → its value on the rows as they are.
        losses: Metric → (F, K) how much worse it is with the dimension shuffled; below 0 where it is better.
    """

    whole: dict[str, float]
    losses: dict[str, DoubleArray]

    def mean(self, metric: str) -> DoubleArray:
        """(F,) over the shuffles."""
        return np.asarray(self.losses[metric].mean(axis=1))

    def spread(self, metric: str) -> DoubleArray:
        """(F,) sample standard deviation over the shuffles; 0 of a single one."""
        of_all = self.losses[metric]
        return of_all.std(axis=1, ddof=1) if of_all.shape[1] > 1 else np.zeros(len(of_all))


def order_of_shuffle(seed: int, dimension: int, shuffle: int, n: int) -> IntArray:
    """(N,) the row whose value each row gets: by seed, dimension and shuffle, whatever else is asked."""
    return generator(seed, "permutation", str(dimension), str(shuffle)).permutation(n)


def of_network(
    network: Any,
    x: FloatArray,
    y: IntArray,
    probabilities: Probabilities,
    *,
    shuffles: int,
    seed: int,
    tell: OnProgress | None = None,
) -> Importance:
    """Of a torch module of features; the same as `of_scores` to rounding, and fast where it begins dense.

    Args:
        network: (B, F) features → (B, C) logits; see `gradients.Differentiable`.
        x: (N, F) rows that it did not learn from.
        y: (N,) their classes.
        probabilities: Of its scores: the logits, or with two classes their difference.
        shuffles: K.
        seed: Of the shuffles.
        tell: Called as (stage, done, total).
    """
    import torch

    network = copy.deepcopy(network).double().eval()
    parts = _first_and_rest(network)
    with torch.inference_mode():
        if parts is None:

            def ask(rows: FloatArray) -> NDArray[Any]:
                with torch.inference_mode():
                    return _scores(network(torch.from_numpy(rows.astype(np.float64))))

            return of_scores(ask, x, y, probabilities, shuffles=shuffles, seed=seed, tell=tell)
        rows = torch.from_numpy(x.astype(np.float64))
        mean, scale = standardization(network)
        z = (rows - mean) / scale
        runs = _rest_runs(*parts, z, shuffles, seed)
        return _measured(runs, y, probabilities, (x.shape[1], shuffles), _scores(network(rows)), tell)


def of_scores(
    scores: Scores,
    x: FloatArray,
    y: IntArray,
    probabilities: Probabilities,
    *,
    shuffles: int,
    seed: int,
    tell: OnProgress | None = None,
) -> Importance:
    """Of any model; see `of_network`. A dimension that is the same in all rows is not asked for."""
    runs = _whole_runs(scores, x, shuffles, seed)
    return _measured(runs, y, probabilities, (x.shape[1], shuffles), scores(x), tell)


Run = tuple[int, NDArray[Any] | None]
"""A dimension and the scores with it shuffled once; None where that changes nothing."""


def _measured(
    runs: Iterator[Run],
    y: IntArray,
    probabilities: Probabilities,
    shape: tuple[int, int],
    whole: NDArray[Any],
    tell: OnProgress | None,
) -> Importance:
    base = _metrics(y, probabilities(whole))
    losses = {name: np.zeros(shape) for name in METRICS}
    for place, (dimension, found) in enumerate(runs):
        if found is not None:
            now = _metrics(y, probabilities(found))
            for name in METRICS:
                worse = now[name] - base[name] if name == "log_loss" else base[name] - now[name]
                losses[name][dimension, place % shape[1]] = worse
        if tell is not None and place % shape[1] == shape[1] - 1:
            tell(STAGE, dimension + 1, shape[0])
    return Importance(base, losses)


def _metrics(y: IntArray, table: DoubleArray) -> dict[str, float]:
    """The three that are looked at; the others of `metrics.evaluate` take longer than all the rest."""
    confusion = metrics.confusion_matrix(y, table.argmax(axis=1), table.shape[1])
    hits, met = np.diag(confusion), confusion.sum(axis=0) + confusion.sum(axis=1)
    return {
        "accuracy": float(hits.sum() / len(y)),
        "macro_f1": float((2 * hits[met > 0] / met[met > 0]).mean()),
        "log_loss": metrics.log_loss(y, table),
    }


def _scores(logits: Any) -> NDArray[Any]:
    """(N, C) → (N, S), as the classifiers give them."""
    found: NDArray[Any] = (logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else logits).numpy()
    return found


def _first_and_rest(network: Any) -> tuple[Any, Any] | None:
    """The dense layer that a network begins with, and what comes behind it; None where there is none."""
    from torch import nn

    layers = getattr(getattr(network, "head", None), "layers", None)
    if not isinstance(layers, nn.Sequential):
        return None
    at_work = [layer for layer in layers if not isinstance(layer, nn.Dropout)]
    if not at_work or not isinstance(at_work[0], nn.Linear):
        return None
    return at_work[0], nn.Sequential(*at_work[1:])


def _rest_runs(first: Any, rest: Any, z: Any, shuffles: int, seed: int) -> Iterator[Run]:
    """All shuffles of all dimensions, in order; z (N, F) are standardized rows."""
    import torch

    n, width = z.shape
    units = torch.split(first(z), _BLOCK)  # of (B, H)
    columns = first.weight.T.contiguous()  # (F, H)
    room = torch.empty_like(units[0])
    for dimension in range(width):
        for shuffle in range(shuffles):
            order = torch.from_numpy(order_of_shuffle(seed, dimension, shuffle, n))
            change = z[order, dimension] - z[:, dimension]  # (N,)
            if not change.any():
                yield dimension, None
                continue
            parts = []
            for block, part in zip(units, torch.split(change, _BLOCK), strict=True):
                here = torch.addr(block, part, columns[dimension], out=room[: len(block)])
                parts.append(rest(here) if len(rest) else here.clone())
            yield dimension, _scores(torch.cat(parts))


def _whole_runs(scores: Scores, x: FloatArray, shuffles: int, seed: int) -> Iterator[Run]:
    """The same of any model; several shuffles of few rows are asked for at once."""
    n, width = x.shape
    at_once = max(1, min(shuffles, _ROWS_AT_ONCE // n))
    for dimension in range(width):
        if (x[:, dimension] == x[0, dimension]).all():
            yield from ((dimension, None) for _ in range(shuffles))
            continue
        for start in range(0, shuffles, at_once):
            numbers = range(start, min(start + at_once, shuffles))
            rows = np.tile(x, (len(numbers), 1))
            orders = [order_of_shuffle(seed, dimension, shuffle, n) for shuffle in numbers]
            rows[:, dimension] = np.concatenate([x[order, dimension] for order in orders])
            for part in np.split(scores(rows), len(numbers)):
                yield dimension, part
