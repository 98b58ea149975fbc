"""Losses against PyTorch's and against the published formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from sortilin.training import losses
from sortilin.training.config import TrainingConfig

LOGITS = 3 * torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
Y = torch.tensor([0, 1, 2, 3, 0, 0, 0, 1, 2, 0, 0, 1])
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 4.0])


def loss_of(weights: torch.Tensor | None = None, *, smoothing: float = 0.0, gamma: float = 0.0) -> float:
    return float(losses.Loss(weights, label_smoothing=smoothing, gamma=gamma)(LOGITS, Y))


def built(y: list[int], n_classes: int, **options: Any) -> losses.Loss:
    loss = losses.build(TrainingConfig(**options), np.array(y), n_classes)
    assert isinstance(loss, losses.Loss)
    return loss


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_that_of_pytorch(weights: torch.Tensor | None, smoothing: float) -> None:
    expected = functional.cross_entropy(LOGITS, Y, weight=weights, label_smoothing=smoothing)
    assert loss_of(weights, smoothing=smoothing) == pytest.approx(float(expected), abs=1e-7)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_focal_loss_turns_into_cross_entropy_as_gamma_goes_to_zero(
    weights: torch.Tensor | None, smoothing: float
) -> None:
    nearly = loss_of(weights, smoothing=smoothing, gamma=1e-9)
    assert nearly == pytest.approx(loss_of(weights, smoothing=smoothing), abs=1e-6)


def test_focal_loss_is_the_published_formula() -> None:
    # Lin et al. 2017, eq. 5: FL = -alpha (1 - p)^gamma log p
    p = np.exp(LOGITS.double().numpy())
    p = (p / p.sum(axis=1, keepdims=True))[np.arange(len(Y)), Y.numpy()]
    assert loss_of(gamma=2.0) == pytest.approx(float(np.mean(-((1 - p) ** 2) * np.log(p))), rel=1e-5)
    alpha = WEIGHTS.numpy()[Y.numpy()]
    expected = np.sum(-alpha * (1 - p) ** 1.5 * np.log(p)) / alpha.sum()
    assert loss_of(WEIGHTS, gamma=1.5) == pytest.approx(float(expected), rel=1e-5)


def test_focal_loss_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.9, 0.1], [0.25, 0.75]]))
    loss = losses.Loss(None, label_smoothing=0.0, gamma=2.0)(logits, torch.tensor([0, 0]))
    # 0.1^2 * 0.10536 = 0.0010536 and 0.75^2 * 1.38629 = 0.7797904
    assert float(loss) == pytest.approx((0.0010536 + 0.7797904) / 2, abs=1e-6)


def test_easy_examples_have_a_smaller_share_of_the_focal_gradient() -> None:
    def share(gamma: float) -> float:
        logits = torch.tensor([[3.0, 0.0], [0.0, 3.0]], requires_grad=True)  # easy, hard
        losses.Loss(None, label_smoothing=0.0, gamma=gamma)(logits, torch.tensor([0, 0])).backward()
        assert logits.grad is not None
        easy, hard = logits.grad.abs().sum(dim=1).tolist()
        return float(easy / hard)

    assert share(2.0) < 0.1 * share(0.0)


def test_balanced_weights_are_inverse_frequencies() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    y = [0, 0, 0, 0, 0, 1, 1, 2]
    found = built(y, 3, class_weights="balanced").class_weights
    expected = compute_class_weight("balanced", classes=np.arange(3), y=np.array(y))
    assert found is not None
    assert found.numpy() == pytest.approx(expected)
    assert float(found[torch.tensor(y)].mean()) == pytest.approx(1)


def test_balanced_weight_of_a_class_without_examples_is_finite() -> None:
    found = built([0, 0, 1], 3, class_weights="balanced").class_weights
    assert found is not None
    assert torch.isfinite(found).all()


def test_configuration_chooses_the_loss() -> None:
    plain = built([0, 1, 2, 3], 4)
    assert (plain.class_weights, plain.gamma, plain.label_smoothing) == (None, 0.0, 0.0)
    focal = built([0, 1, 2, 3], 4, loss="focal", focal_gamma=3.0, label_smoothing=0.05)
    assert (focal.gamma, focal.label_smoothing) == (3.0, 0.05)
    assert built([0, 1], 2, focal_gamma=3.0).gamma == 0.0  # gamma alone asks for nothing


def test_half_precision_logits_lose_no_small_probability() -> None:
    logits = torch.tensor([[0.0, 20.0]], dtype=torch.bfloat16)
    for gamma in (0.0, 2.0):
        loss = losses.Loss(None, label_smoothing=0.0, gamma=gamma)(logits, torch.tensor([0]))
        assert loss.dtype == torch.float32
        assert float(loss) == pytest.approx(20, rel=1e-4)
