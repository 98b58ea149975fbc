"""What training makes small.

Axis letters: B batch, C classes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sortilin.interfaces import IntArray
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
        self.label_smoothing, self.gamma = label_smoothing, gamma

    def weight(self, y: Tensor) -> float:
        """What the mean over a batch of (B,) class indices is divided by: B, or the sum of their weights."""
        return float(len(y) if self.class_weights is None else self.class_weights[y].sum())

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


def build(config: TrainingConfig, y: IntArray, n_classes: int) -> Loss:
    """The loss that a configuration asks for; class weights from the (N,) training targets."""
    weights = None
    if config.class_weights == "balanced":
        counts = np.bincount(y, minlength=n_classes)
        weights = torch.tensor(len(y) / (n_classes * np.maximum(counts, 1)), dtype=torch.float32)
    gamma = config.focal_gamma if config.loss == "focal" else 0.0
    return Loss(weights, label_smoothing=config.label_smoothing, gamma=gamma)
