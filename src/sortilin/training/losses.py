"""What training makes small.

Axis letters: B batch, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sortilin.errors import ConfigError
from sortilin.interfaces import DoubleArray, IntArray
from sortilin.training.config import TrainingConfig


class Loss(nn.Module):
    """Mean loss of a batch: (B, C) logits and (B,) class indices → a scalar.

    Cross-entropy with label smoothing and class weights; with `gamma` above 0 each example is weighed by
    (1 - p) ** gamma, p the probability of its class (focal loss; Lin et al. 2017,
    doi:10.1109/ICCV.2017.324). As in PyTorch, weights are divided by their sum over the batch.
    """

    class_weights: Tensor | None

    def __init__(self, class_weights: Tensor | None, *, label_smoothing: float, gamma: float) -> None:
        super().__init__()
        self.register_buffer("class_weights", class_weights)
        self._on_host = class_weights  # no buffer: it stays when the loss moves to a device
        self.label_smoothing, self.gamma = label_smoothing, gamma

    def weight(self, y: Tensor) -> float:
        """What the mean over a batch of (B,) class indices is divided by: B, or the sum of their weights.

        Taken on the CPU, where `y` is too, so that no device is waited for.
        """
        return float(len(y) if self._on_host is None else self._on_host[y].sum())

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """(B, C) logits, (B,) class indices → the mean loss."""
        logits = logits.float()  # a half-precision softmax loses the small probabilities
        if self.gamma == 0:
            return functional.cross_entropy(
                logits, y, weight=self.class_weights, label_smoothing=self.label_smoothing
            )
        each = functional.cross_entropy(
            logits, y, weight=self.class_weights, label_smoothing=self.label_smoothing, reduction="none"
        )
        of_truth = logits.softmax(dim=1).gather(1, y[:, None])[:, 0]  # (B,)
        total = len(y) if self.class_weights is None else self.class_weights[y].sum()
        return ((1 - of_truth) ** self.gamma * each).sum() / total


class BinaryLoss(nn.Module):
    """Mean binary cross-entropy of a batch: (B, C) logits and (B, C) of 0 and 1 → a scalar.

    Each output says yes or no by itself. With `gamma` above 0 each cell is weighed by (1 - p) ** gamma, p the
    probability of its truth. With label smoothing a truth is moved by half of it towards the other.

    Args:
        positive_weights: (C,) weight of a yes of each class, as in PyTorch; None for 1.
        label_smoothing: 0 to 1.
        gamma: Of the focal loss; 0 for none.
    """

    positive_weights: Tensor | None

    def __init__(self, positive_weights: Tensor | None, *, label_smoothing: float, gamma: float) -> None:
        super().__init__()
        self.register_buffer("positive_weights", positive_weights)
        self.label_smoothing, self.gamma = label_smoothing, gamma

    def weight(self, y: Tensor) -> float:
        """What the mean over a batch of (B, C) targets is divided by: B."""
        return float(len(y))

    def forward(self, logits: Tensor, y: Tensor) -> Tensor:
        """(B, C) logits, (B, C) of 0 and 1 → the mean loss of a cell."""
        logits, truth = logits.float(), y.float()
        goal = truth * (1 - self.label_smoothing) + self.label_smoothing / 2
        each = functional.binary_cross_entropy_with_logits(
            logits, goal, pos_weight=self.positive_weights, reduction="none"
        )
        if self.gamma:
            of_truth = torch.where(truth > 0, logits, -logits).sigmoid()
            each = (1 - of_truth) ** self.gamma * each
        return each.mean()


def validation(logits: DoubleArray, y: IntArray) -> float:
    """Mean cross-entropy of (N, C) logits: of (N,) class indices, or binary of (N, C) of 0 and 1."""
    measured, truth = torch.as_tensor(logits), torch.as_tensor(y)
    if truth.ndim == 1:
        return float(functional.cross_entropy(measured, truth))
    return float(functional.binary_cross_entropy_with_logits(measured, truth.to(measured.dtype)))


def n_right(logits: Tensor, y: Tensor) -> float:
    """How many of a batch are right; where a sequence may have several classes, by the share of its cells."""
    if y.ndim == 1:
        return float((logits.argmax(dim=1) == y).sum())
    return float(((logits > 0) == (y > 0)).float().mean(dim=1).sum())


def build(config: TrainingConfig, y: IntArray, n_classes: int) -> Loss | BinaryLoss:
    """The loss that a configuration asks for.

    Args:
        config: Options.
        y: (N,) training targets, or (N, C) of 0 and 1 where a sequence may have several classes; class
            weights are those of their frequencies.
        n_classes: C.

    Raises:
        ConfigError: Classes are to be filled up, and a sequence may have several.
    """
    gamma = config.focal_gamma if config.loss == "focal" else 0.0
    weights = None
    if y.ndim == 2:
        if config.resampling != "none":
            raise ConfigError(
                f"training.resampling '{config.resampling}' is not for several classes a sequence: leave it "
                "out, or give class_weights: balanced"
            )
        if config.class_weights == "balanced":
            n_yes = np.maximum(y.sum(axis=0), 1)
            weights = torch.tensor((len(y) - n_yes) / n_yes, dtype=torch.float32)
        return BinaryLoss(weights, label_smoothing=config.label_smoothing, gamma=gamma)
    if config.class_weights == "balanced":
        counts = np.bincount(y, minlength=n_classes)
        weights = torch.tensor(len(y) / (n_classes * np.maximum(counts, 1)), dtype=torch.float32)
    return Loss(weights, label_smoothing=config.label_smoothing, gamma=gamma)
