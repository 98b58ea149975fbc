"""What each dimension of a row adds to a logit, and how steep the logit is along it.

Integrated gradients: Sundararajan, Taly & Yan 2017 (ICML), by Captum. Their sum is the change of the output
from the baseline to the row; how far it is from that is the completeness error, and rows whose error is 1 %
or more are computed again with twice the steps.
Saliency: Simonyan, Vedaldi & Zisserman 2014 (arXiv:1312.6034).

Axis letters: N rows, B of them at a time, F features, C classes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.explain.dimensions.settings import Baseline, Output
from sortilin.interfaces import DoubleArray, IntArray, OnProgress

if TYPE_CHECKING:
    from torch import Tensor

FIRST_STEPS, MOST_STEPS = 32, 1_024
TOLERANCE = 0.01
"""Completeness error, as a share of the change of the output, below which a row is done."""

_ROWS = 128
_POSITIONS = 2_048
"""Points of paths that run through the network at a time, so that memory stays bounded."""

STAGE = "integrated gradients"


@dataclass(frozen=True, slots=True)
class Gradients:
    """Attributions of N rows.

    Attributes:
        values: (N, F) integrated gradients; above 0 a dimension speaks for the row's target.
        saliency: (N, F) absolute gradient of the output, by standard deviation of the dimension.
        targets: (N,) the class that each row was explained for.
        completeness: (N,) |sum of the values - change of the output| / |change of the output|.
        steps: (N,) points of the path.
    """

    values: DoubleArray
    saliency: DoubleArray
    targets: IntArray
    completeness: DoubleArray
    steps: IntArray


class Differentiable:
    """A network on features in double precision, and its baseline.

    Args:
        network: (B, F) features → (B, C) logits; see `standardization`.
        baseline: See `DimensionSettings`.
        output: See `DimensionSettings`.

    Raises:
        ConfigError: The baseline is the mean, and the network keeps none.
    """

    def __init__(self, network: Any, *, baseline: Baseline = "mean", output: Output = "logit") -> None:
        self.network = copy.deepcopy(network).double().eval().requires_grad_(False)
        self.output = output
        mean, self.scale = standardization(self.network)
        if baseline == "mean" and not mean.any():
            raise ConfigError(
                "the network does not standardize its features, so that it keeps no mean of them; "
                "allowed baseline: zero"
            )
        self.baseline: Tensor = mean if baseline == "mean" else mean.new_zeros(mean.shape)

    def outputs(self, batch: Tensor) -> Tensor:
        """(B, F) → (B, C) what is explained, of each class."""
        logits: Tensor = self.network(batch)
        if self.output == "logit":
            return logits
        import torch

        others = torch.eye(logits.shape[1], dtype=torch.bool)
        of_others = logits[:, None].expand(-1, logits.shape[1], -1).masked_fill(others, -torch.inf)
        return logits - of_others.logsumexp(dim=2)

    def predicted(self, x: DoubleArray) -> IntArray:
        """(N, F) → (N,) the class of the highest logit."""
        import torch

        with torch.inference_mode():
            parts = [self.network(part) for part in torch.split(torch.from_numpy(x), _POSITIONS)]
        return np.asarray(torch.cat(parts).argmax(dim=1).numpy())


def standardization(network: Any) -> tuple[Tensor, Tensor]:
    """Mean and scale (F,) by which a network on features, or the first network in it, standardizes them.

    Raises:
        ConfigError: It has none: it is no network on features.
    """
    for part in network.modules():
        own = dict(part.named_buffers(recurse=False))
        if {"mean", "scale"} <= set(own):
            return own["mean"], own["scale"]
    raise ConfigError(f"a {type(network).__name__} takes no features: it has no mean and scale of them")


def explained(
    model: Differentiable, x: DoubleArray, targets: IntArray | None = None, tell: OnProgress | None = None
) -> Gradients:
    """Integrated gradients and saliency of each row; a row's company changes nothing, to rounding.

    Args:
        model: The network.
        x: (N, F) features.
        targets: (N,) classes to explain; those that it predicts by default.
        tell: Called as (stage, done, total).
    """
    x = np.ascontiguousarray(x, dtype=np.float64)
    targets = model.predicted(x) if targets is None else targets
    values, saliency = np.empty_like(x), np.empty_like(x)
    completeness, steps = np.empty(len(x)), np.empty(len(x), dtype=np.int64)
    for start in range(0, len(x), _ROWS):
        here = slice(start, start + _ROWS)
        values[here], completeness[here], steps[here] = _integrated(model, x[here], targets[here])
        saliency[here] = _saliency(model, x[here], targets[here])
        if tell is not None:
            tell(STAGE, min(start + _ROWS, len(x)), len(x))
    return Gradients(values, saliency, targets, completeness, steps)


def _integrated(
    model: Differentiable, x: DoubleArray, targets: IntArray
) -> tuple[DoubleArray, DoubleArray, IntArray]:
    """Values (B, F), completeness (B,) and steps (B,), the latter doubled for rows that need it."""
    values, errors, steps = np.empty_like(x), np.full(len(x), np.inf), np.zeros(len(x), dtype=np.int64)
    left, n_steps = np.arange(len(x)), FIRST_STEPS
    while len(left) and n_steps <= MOST_STEPS:
        values[left], errors[left] = _path(model, x[left], targets[left], n_steps)
        steps[left] = n_steps
        left, n_steps = left[errors[left] >= TOLERANCE], 2 * n_steps
    return values, errors, steps


def _path(
    model: Differentiable, x: DoubleArray, targets: IntArray, n_steps: int
) -> tuple[DoubleArray, DoubleArray]:
    """Integrated gradients over so many points of the path, and their completeness errors."""
    import torch

    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise MissingDependencyError("integrated gradients", "captum", "train") from None
    rows, of_row = torch.from_numpy(x), torch.from_numpy(targets)
    baselines = model.baseline.expand_as(rows)
    method = IntegratedGradients(model.outputs)
    found = method.attribute(
        rows, baselines, target=of_row, n_steps=n_steps, internal_batch_size=max(_POSITIONS, len(rows))
    )
    values = found.detach().numpy()
    with torch.inference_mode():
        ends = [model.outputs(part).gather(1, of_row[:, None])[:, 0] for part in (rows, baselines)]
    change = (ends[0] - ends[1]).numpy()
    gap = np.abs(values.sum(axis=1) - change)
    return values, gap / np.maximum(np.abs(change), np.finfo(np.float64).tiny)


def _saliency(model: Differentiable, x: DoubleArray, targets: IntArray) -> DoubleArray:
    import torch

    rows = torch.from_numpy(x).clone().requires_grad_()
    outputs = model.outputs(rows).gather(1, torch.from_numpy(targets)[:, None])
    (slope,) = torch.autograd.grad(outputs.sum(), rows)
    return np.asarray((slope.abs() * model.scale).numpy())
