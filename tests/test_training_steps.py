"""A step of the optimizer: over several batches, with groups of parameters, on resampled rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from sortilin.interfaces import DoubleArray, IntArray, Watch
from sortilin.training import loop, schedule, weights
from sortilin.training.config import TrainingConfig

WIDTH = 4
EVERY_STEP = 1e-9
"""Minutes between checkpoints: one after each step."""


class Killed(BaseException):
    """Ends a run as a kill would."""


class Points:
    """Points of two classes, one of them rare."""

    def __init__(self, n: int = 40, *, n_rare: int = 8) -> None:
        rng = np.random.default_rng(1)
        self.targets: IntArray = (np.arange(n) < n_rare).astype(np.int64)
        self.x = (rng.normal(size=(n, WIDTH)) + 2 * self.targets[:, None]).astype(np.float32)
        self.lengths: IntArray = np.ones(n, dtype=np.int64)
        self.seen: list[int] = []
        self.dies_at = 0

    def batch(self, rows: IntArray) -> tuple[Tensor]:
        self.seen += rows.tolist()
        if self.dies_at and len(self.seen) >= self.dies_at:
            raise Killed
        return (torch.from_numpy(self.x[rows]),)


class Pair(nn.Module):
    """A layer that stands for a language model, and a head upon it."""

    def __init__(self, *, scale: float | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(5)
            self.base, self.head = nn.Linear(WIDTH, 8), nn.Linear(8, 2)
        self.dropout, self.scale = nn.Dropout(dropout), scale

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.base(x)).tanh())  # type: ignore[no-any-return]

    def parameter_groups(self) -> list[dict[str, Any]]:
        if self.scale is None:
            return []
        return [{"params": list(self.base.parameters()), "scale": self.scale, "weight_decay": 0.0}]


def zero(_logits: DoubleArray, _y: IntArray) -> dict[str, float]:
    return {"accuracy": 0.0}


def job(examples: Points, **options: Any) -> loop.Job:
    given = {"epochs": 2, "batch_size": 8, "learning_rate": 0.02, "patience": None, "metric": "loss"}
    return loop.Job(
        examples=examples,
        validation=Points(),
        config=TrainingConfig(**{**given, **options}),
        n_classes=2,
        score=zero,
        seed=3,
        keeps_last=True,
    )


def run(model: nn.Module, watch: Watch | None = None, **options: Any) -> dict[str, Tensor]:
    loop.train(model, job(Points(), **options), watch or Watch())
    return {name: value.clone() for name, value in model.state_dict().items()}


def is_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.allclose(one[name], other[name], atol=2e-6) for name in one)


# --- accumulation


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"class_weights": "balanced"},
        {"loss": "focal"},
        {"loss": "focal", "class_weights": "balanced"},
        {"label_smoothing": 0.1, "class_weights": "balanced"},
        {"optimizer": "adam", "clip_norm": 1e-3},
    ],
)
def test_step_over_several_batches_is_that_of_one_large_batch(options: dict[str, Any]) -> None:
    # 40 examples, 3 batches of 11 and one of 7: a mean of their means would count the last ones too much.
    small = run(Pair(), batch_size=11, accumulation=4, **options)
    large = run(Pair(), batch_size=40, **options)
    assert is_close(small, large)
    assert not is_close(small, run(Pair(), batch_size=11, **options))


def test_gradient_over_several_batches_is_that_of_one_large_batch() -> None:
    found = []
    for options in ({"batch_size": 11, "accumulation": 4}, {"batch_size": 40}):
        model = Pair()
        gradients: list[Tensor] = []
        given = job(Points(), epochs=1, class_weights="balanced", clip_norm=None, **options)

        def note(_: Any, model: Pair = model, gradients: list[Tensor] = gradients) -> bool:
            gradients += [p.grad.clone() for p in model.parameters() if p.grad is not None]
            return False

        loop.train(model, given, Watch(on_epoch=note))
        found.append(gradients)
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
        assert one.abs().max() > 1e-4


def test_run_that_is_killed_among_accumulated_batches_goes_on_as_if_not(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "batch_size": 6,
        "accumulation": 3,
        "resampling": "oversample",
        "checkpoint_minutes": EVERY_STEP,
    }
    whole = run(Pair(scale=0.1, dropout=0.3), **options)
    for dies_at in (30, 100):
        examples = Points()
        examples.dies_at = dies_at
        with pytest.raises(Killed):
            loop.train(
                Pair(scale=0.1, dropout=0.3),
                job(examples, **options),
                Watch(workspace=tmp_path / str(dies_at)),
            )
        rest = run(Pair(scale=0.1, dropout=0.3), Watch(workspace=tmp_path / str(dies_at)), **options)
        assert all(torch.equal(whole[name], rest[name]) for name in whole)


# --- groups of parameters


def test_each_group_has_its_share_of_the_schedule() -> None:
    given = job(Points(), schedule="linear", warmup=0.3)
    model = Pair(scale=0.25)
    seen: list[dict[int, float]] = []
    step = torch.optim.AdamW.step

    def noted(self: torch.optim.AdamW, *arguments: Any) -> Any:
        seen.append({id(p): g["lr"] for g in self.param_groups for p in g["params"]})
        return step(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", noted)
        loop.train(model, given)
    assert len(seen) == 10
    for number, rates in enumerate(seen):
        expected = 0.02 * schedule.factor(given.config, (number + 0.5) / 10)
        assert rates[id(model.head.weight)] == pytest.approx(expected)
        assert rates[id(model.base.weight)] == pytest.approx(0.25 * expected)


def test_group_has_a_weight_decay_of_its_own() -> None:
    # Without a gradient only the decay moves a weight.
    options: dict[str, Any] = {"weight_decay": 0.5, "warmup": 0.0, "schedule": "constant"}

    class Still(Pair):
        def forward(self, x: Tensor) -> Tensor:
            return 0.0 * super().forward(x)

    start, after = Pair().state_dict(), run(Still(scale=1.0), **options)
    assert torch.equal(start["base.weight"], after["base.weight"])
    assert after["head.weight"].abs().sum() < 0.95 * start["head.weight"].abs().sum()


def test_model_without_groups_is_trained_whole_and_fixed_parameters_are_in_no_group() -> None:
    model = Pair()
    assert [len(group["params"]) for group in weights.groups(model)] == [4]
    model.base.requires_grad_(False)
    model.scale = 0.5
    (only,) = weights.groups(model)
    assert {id(p) for p in only["params"]} == {id(p) for p in model.head.parameters()}


# --- what a checkpoint holds


def test_checkpoint_holds_no_fixed_parameter_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    def model() -> Pair:
        pair = Pair(dropout=0.3)
        pair.base.requires_grad_(False)
        return pair

    options: dict[str, Any] = {"checkpoint_minutes": EVERY_STEP, "average": 0.9}
    whole = run(model(), **options)
    examples = Points()
    examples.dies_at = 60
    with pytest.raises(Killed):
        loop.train(model(), job(examples, **options), Watch(workspace=tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert set(state["model"]) == set(state["best"]["weights"]) == {"head.weight", "head.bias"}
    assert set(state["average"]) == {"n_averaged", "module.head.weight", "module.head.bias"}
    rest = run(model(), Watch(workspace=tmp_path), **options)
    assert all(torch.equal(whole[name], rest[name]) for name in whole)


def test_weights_of_another_model_are_refused() -> None:
    with pytest.raises(KeyError, match=r"base\.bias"):
        weights.put(Pair(), weights.trained(Pair().base))


# --- resampling


def test_resampled_epochs_hold_the_classes_equally_often() -> None:
    examples = Points()
    loop.train(Pair(), job(examples, resampling="oversample"))
    first, second = examples.seen[:64], examples.seen[64:]
    assert len(examples.seen) == 128  # two epochs of 32 and 32
    for epoch in (first, second):
        assert np.bincount(examples.targets[epoch]).tolist() == [32, 32]
    assert sorted(first) != sorted(second)


def test_progress_of_resampled_epochs_ends_with_all_rows() -> None:
    told: list[tuple[str, int, int]] = []
    watch = Watch(on_progress=lambda *what: told.append(what))
    loop.train(Pair(), job(Points(), resampling="oversample"), watch)
    assert {total for _, _, total in told} == {64}
    assert [done for stage, done, _ in told if ":" in stage] == [64, 64]


def test_class_weights_and_resampling_together_are_refused() -> None:
    with pytest.raises(ValidationError, match="each make the classes equal, and together"):
        TrainingConfig(class_weights="balanced", resampling="oversample")
