"""The training loop on a toy problem: it learns, keeps the best, and goes on after a kill as if none was."""

from __future__ import annotations

import csv
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sortilin import files
from sortilin.errors import ConfigError, MissingDependencyError, OutputError, TrainingError
from sortilin.interfaces import NOBODY, DoubleArray, IntArray, Watch
from sortilin.training import loop, schedule
from sortilin.training.config import TrainingConfig
from sortilin.training.loop import Fit, Job

N_CLASSES, WIDTH = 3, 5
EVERY_STEP = 1e-9
"""Minutes between checkpoints: one after each step."""

TIMES = {"seconds", "positions_per_second"}
"""Columns of a history that no two runs share."""

Weights = dict[str, Tensor]


class Killed(BaseException):
    """Ends a run as a kill would: nothing in the library catches it."""


class Points:
    """Noisy points around one centre a class."""

    def __init__(self, seed: int, n: int = 36) -> None:
        rng = np.random.default_rng(seed)
        centres = 3 * np.random.default_rng(0).normal(size=(N_CLASSES, WIDTH))
        self.targets: IntArray = np.arange(n) % N_CLASSES
        self.x = (centres[self.targets] + rng.normal(size=(n, WIDTH))).astype(np.float32)
        self.lengths: IntArray = rng.integers(1, 9, n)
        self.n_calls, self.dies_at, self.pause_s = 0, 0, 0.0

    def batch(self, rows: IntArray) -> tuple[Tensor]:
        self.n_calls += 1
        if self.n_calls == self.dies_at:
            raise Killed
        time.sleep(self.pause_s)
        return (torch.from_numpy(self.x[rows]),)


def accuracy(logits: DoubleArray, y: IntArray) -> dict[str, float]:
    return {"accuracy": float((logits.argmax(axis=1) == y).mean())}


def scripted(*values: float) -> loop.Score:
    """A score that gives these values, epoch by epoch."""
    left = iter(values)
    return lambda _logits, _y: {"accuracy": next(left)}


def network(*, has_norm: bool = False) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        norm = [nn.BatchNorm1d(8)] if has_norm else []
        return nn.Sequential(nn.Linear(WIDTH, 8), *norm, nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, N_CLASSES))


def job(*, score: loop.Score = accuracy, seed: int = 3, identity: str = "toy", **options: Any) -> Job:
    given = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "metric": "accuracy", "patience": None}
    return Job(
        examples=Points(1),
        validation=Points(2, n=21),
        config=TrainingConfig(**{**given, **options}),
        n_classes=N_CLASSES,
        score=score,
        seed=seed,
        identity=identity,
    )


def points(given: Job, *, validation: bool = False) -> Points:
    """The examples of a job, with their calls counted."""
    found = given.validation if validation else given.examples
    assert isinstance(found, Points)
    return found


class Run(NamedTuple):
    """What a run left."""

    fit: Fit
    weights: Weights
    job: Job


def copied(model: nn.Module) -> Weights:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def trained(given: Job, watch: Watch = NOBODY, *, model: nn.Module | None = None) -> Run:
    model = model or network()
    fit = loop.train(model, given, watch)
    return Run(fit, copied(model), given)


def are_equal(one: Weights, other: Weights) -> bool:
    """Bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def without_times(history: tuple[Mapping[str, float], ...]) -> list[dict[str, float]]:
    return [{key: value for key, value in record.items() if key not in TIMES} for record in history]


def n_training_batches(given: Job) -> int:
    return math.ceil(len(given.examples.targets) / given.config.batch_size)


# --- learning


def test_toy_problem_is_learned() -> None:
    run = trained(job(epochs=8))
    assert run.fit.best > 0.9
    assert run.fit.best == max(record["valid_accuracy"] for record in run.fit.history)
    losses = [record["train_loss"] for record in run.fit.history]
    assert losses[-1] < 0.5 * losses[0]


def test_model_ends_on_the_cpu_ready_to_predict() -> None:
    model = network()
    trained(job(epochs=1), model=model)
    assert not any(module.training for module in model.modules())
    assert all(parameter.device.type == "cpu" for parameter in model.parameters())


@pytest.mark.parametrize("name", ["adamw", "adam"])
@pytest.mark.parametrize("clip_norm", [None, 1e-7])
def test_step_is_that_of_pytorch(name: str, clip_norm: float | None) -> None:
    # One batch of everything, no dropout: a single step, taken by hand beside it.
    options: dict[str, Any] = {"learning_rate": 0.1, "weight_decay": 0.2}
    given = job(
        epochs=1, batch_size=99, warmup=0, schedule="constant", optimizer=name, clip_norm=clip_norm, **options
    )
    model, by_hand = network(), network()
    for part in (model, by_hand):
        part[2].p = 0.0
    found = trained(given, model=model).weights

    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    optimizer = kind(by_hand.parameters(), lr=0.1, weight_decay=0.2)
    points = Points(1)
    order = np.argsort(points.lengths, kind="stable")  # sums are rounded in the order of the batch
    loss = nn.functional.cross_entropy(
        by_hand(torch.from_numpy(points.x[order])), torch.from_numpy(points.targets[order])
    )
    loss.backward()  # type: ignore[no-untyped-call]
    before = math.sqrt(sum(float(p.grad.square().sum()) for p in by_hand.parameters() if p.grad is not None))
    assert before > 0.01  # far above the limit, so that clipping shows
    if clip_norm is not None:
        nn.utils.clip_grad_norm_(by_hand.parameters(), clip_norm)
    optimizer.step()
    for key, expected in by_hand.state_dict().items():
        assert found[key].numpy() == pytest.approx(expected.numpy(), abs=2e-4), key


def test_clipping_changes_the_step() -> None:
    options: dict[str, Any] = {"epochs": 1, "warmup": 0.0, "weight_decay": 0.0}
    start = copied(network())

    def distance(clip_norm: float | None) -> float:
        run = trained(job(clip_norm=clip_norm, **options))
        return math.sqrt(sum(float((run.weights[key] - start[key]).square().sum()) for key in start))

    # Adam divides by the gradient's own size; only a gradient near its epsilon of 1e-8 moves less.
    assert distance(1e-10) < 0.05 * distance(None)
    assert distance(1e9) == distance(None)


def test_parameters_that_are_fixed_stay() -> None:
    model = network()
    model[0].requires_grad_(False)
    before = copied(model)
    after = trained(job(), model=model).weights
    assert torch.equal(before["0.weight"], after["0.weight"])
    assert not torch.equal(before["3.weight"], after["3.weight"])


def test_learning_rate_is_that_of_the_schedule() -> None:
    given = job(schedule="linear", warmup=0.4)
    n_batches = n_training_batches(given)
    for record in trained(given).fit.history:
        done = (record["epoch"] - 1 + (n_batches - 0.5) / n_batches) / 3
        assert record["learning_rate"] == pytest.approx(0.02 * schedule.factor(given.config, done))


def test_average_of_the_weights_is_validated_and_kept() -> None:
    decay, after_each_step = 0.8, []

    class Noted(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            if self.training and torch.is_grad_enabled():
                after_each_step.append(copied(self))
            return super().forward(x)  # type: ignore[no-any-return, no-untyped-call]

    model = Noted(*network())
    last: list[Weights] = []
    logits_seen: list[DoubleArray] = []

    def score(logits: DoubleArray, _: IntArray) -> dict[str, float]:
        logits_seen.append(logits)
        return {"accuracy": 0.5}

    def note_last(_: Mapping[str, float]) -> bool:
        last.append(copied(model))
        return False

    given = job(epochs=1, average=decay, score=score)
    run = trained(given, Watch(on_epoch=note_last), model=model)
    steps = [*after_each_step[1:], last[0]]  # the first was seen before any step
    expected = steps[0]
    for step in steps[1:]:
        expected = {key: decay * expected[key] + (1 - decay) * step[key] for key in expected}
    for key, value in run.weights.items():
        assert value.numpy() == pytest.approx(expected[key].numpy(), abs=1e-6), key
        assert not torch.equal(value, last[0][key])
    with torch.inference_mode():
        (x,) = given.validation.batch(np.arange(21))
        assert logits_seen[0] == pytest.approx(model(x).numpy(), abs=1e-6)


def test_score_sees_the_logits_in_the_order_of_the_examples_and_without_dropout() -> None:
    model = network()
    given_logits: list[tuple[DoubleArray, IntArray]] = []
    expected: list[DoubleArray] = []

    def score(logits: DoubleArray, y: IntArray) -> dict[str, float]:
        given_logits.append((logits, y))
        return {"accuracy": 0.0}

    def compute(_: Mapping[str, float]) -> bool:
        with torch.inference_mode():
            (x,) = Points(2, n=21).batch(np.arange(21))
            expected.append(model.eval()(x).double().numpy())
        model.train()
        return False

    # So few positions a batch that validation takes several, sorted by length.
    run = trained(job(score=score, batch_positions=8), Watch(on_epoch=compute), model=model)
    for (logits, y), right, record in zip(given_logits, expected, run.fit.history, strict=True):
        assert logits.dtype == np.float64
        assert np.array_equal(y, run.job.validation.targets)
        assert logits == pytest.approx(right, abs=1e-6)
        loss = nn.functional.cross_entropy(torch.from_numpy(right), torch.from_numpy(y))
        assert record["valid_loss"] == pytest.approx(float(loss), abs=1e-6)


@pytest.mark.parametrize("average", [None, 0.5])
def test_half_precision_trains_and_leaves_a_plain_model(average: float | None) -> None:
    model = network()
    run = trained(job(precision="bfloat16", epochs=8, average=average), model=model)
    assert run.fit.best > 0.9
    (x,) = run.job.validation.batch(np.arange(21))
    logits = model(x)
    assert logits.dtype == torch.float32
    plain = network().eval()
    plain.load_state_dict(run.weights)
    assert torch.equal(plain(x), logits)
    assert model.forward.__func__ is nn.Sequential.forward  # nothing is cast any more


def test_batches_of_an_epoch_hold_each_example_once() -> None:
    given = job()
    seen: list[int] = []
    batch = given.examples.batch

    def noted(rows: IntArray) -> tuple[Tensor, ...]:
        seen.extend(rows.tolist())
        return batch(rows)

    given.examples.batch = noted  # type: ignore[method-assign]
    trained(given)
    n = len(given.examples.targets)
    epochs = [seen[start : start + n] for start in range(0, 3 * n, n)]
    assert len(seen) == 3 * n
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


# --- what is best, and when it ends


def noted_epochs(model: nn.Module) -> tuple[list[Weights], Callable[[Mapping[str, float]], bool]]:
    """The weights at the end of each epoch, and the callback that notes them."""
    noted: list[Weights] = []

    def note(_: Mapping[str, float]) -> bool:
        noted.append(copied(model))
        return False

    return noted, note


def test_weights_of_the_best_epoch_are_kept_and_the_first_of_equals() -> None:
    model = network()
    noted, note = noted_epochs(model)
    given = job(epochs=5, score=scripted(0.1, 0.7, 0.3, 0.7, 0.2))
    run = trained(given, Watch(on_epoch=note), model=model)
    assert (run.fit.best_epoch, run.fit.best) == (2, 0.7)
    assert are_equal(run.weights, noted[1])
    assert not are_equal(run.weights, noted[-1])


def test_loss_is_best_when_smallest() -> None:
    model = network()
    noted, note = noted_epochs(model)
    # Far too large steps at the end of the warm-up: the loss rises again.
    given = job(epochs=6, metric="loss", learning_rate=3, warmup=0.9, schedule="constant")
    run = trained(given, Watch(on_epoch=note), model=model)
    losses = [record["valid_loss"] for record in run.fit.history]
    assert losses[0] > min(losses) < losses[-1]
    assert (run.fit.best, run.fit.best_epoch) == (min(losses), losses.index(min(losses)) + 1)
    assert are_equal(run.weights, noted[run.fit.best_epoch - 1])


@pytest.mark.parametrize(
    ("patience", "scores", "n_epochs"),
    [
        (2, (0.5, 0.4, 0.3, 0.9, 0.9), 3),
        (2, (0.5, 0.4, 0.6, 0.6, 0.6), 5),
        (1, (0.5, 0.5, 0.9), 2),
        (None, (0.5, 0.4, 0.3, 0.2, 0.1, 0.0), 6),
    ],
)
def test_run_ends_after_epochs_without_a_better_one(
    patience: int | None, scores: tuple[float, ...], n_epochs: int
) -> None:
    run = trained(job(epochs=6, patience=patience, score=scripted(*scores)))
    assert len(run.fit.history) == n_epochs
    assert run.fit.best == max(scores[:n_epochs])


def test_value_that_is_no_number_is_never_better() -> None:
    nan = math.nan
    run = trained(job(epochs=4, score=scripted(nan, 0.2, nan, 0.1)))
    assert (run.fit.best_epoch, run.fit.best) == (2, 0.2)
    assert math.isnan(trained(job(epochs=2, score=scripted(nan, nan))).fit.best)


def test_on_epoch_sees_the_figures_and_may_end_the_run(tmp_path: Path) -> None:
    seen: list[Mapping[str, float]] = []

    def stop_after_two(record: Mapping[str, float]) -> bool:
        seen.append(record)
        return len(seen) == 2

    run = trained(job(), Watch(on_epoch=stop_after_two, workspace=tmp_path))
    assert [record["epoch"] for record in seen] == [1, 2]
    assert list(run.fit.history) == seen
    # Ended is ended: the same run is not taken up again.
    again = trained(job(), Watch(workspace=tmp_path))
    assert len(again.fit.history) == 2
    assert points(again.job).n_calls == 0


def test_metric_that_is_not_measured_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        trained(job(metric="macro_f1"))
    assert str(caught.value) == "training.metric 'macro_f1' is not measured; choose from: loss, accuracy"


def test_loss_that_is_no_number_ends_the_run() -> None:
    given = job(clip_norm=0.5)
    points(given).x[:] = np.inf
    with pytest.raises(TrainingError) as caught:
        trained(given)
    assert str(caught.value) == (
        "the loss became nan in epoch 1, step 1: lower learning_rate (0.02) or clip_norm (0.5)"
    )


def test_accelerate_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingDependencyError) as caught:
        trained(job())
    assert str(caught.value) == "training a network needs accelerate: pip install 'sortilin[train]'"


# --- seeds


def test_same_seed_gives_the_same_and_another_seed_another() -> None:
    one, same, other = (trained(job(seed=seed)) for seed in (3, 3, 4))
    assert are_equal(one.weights, same.weights)
    assert without_times(one.fit.history) == without_times(same.fit.history)
    assert not are_equal(one.weights, other.weights)


def test_state_of_torch_decides_nothing() -> None:
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        results.append(trained(job()).weights)
    assert are_equal(*results)


def numpy_state() -> Any:
    """NumPy's global state, as numbers."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return state[1].copy()


@pytest.mark.parametrize("dies_at", [0, 4])
def test_random_numbers_of_the_caller_are_left_alone(dies_at: int) -> None:
    given = job()
    points(given).dies_at = dies_at
    torch.manual_seed(7)
    before, before_numpy = torch.get_rng_state(), numpy_state()
    try:
        trained(given)
    except Killed:
        assert dies_at
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(numpy_state(), before_numpy)


# --- what is told and written

COLUMNS = [
    "epoch",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "valid_loss",
    "valid_accuracy",
    "seconds",
    "positions_per_second",
]


def test_progress_tells_epochs_and_their_figures() -> None:
    told: list[tuple[str, int, int]] = []
    run = trained(job(epochs=2), Watch(on_progress=lambda *what: told.append(what)))
    n = len(run.job.examples.targets)
    assert {total for _, _, total in told} == {n}
    assert told[0][0] == "epoch 1 of 2"
    assert all(0 < done < n for stage, done, _ in told if ":" not in stage)
    ends = [stage for stage, done, _ in told if done == n]
    first = run.fit.history[0]
    assert ends[0] == (
        f"epoch 1 of 2: loss {first['train_loss']:.3f}, validation loss {first['valid_loss']:.3f}, "
        f"accuracy {first['valid_accuracy']:.3f}"
    )
    assert len(ends) == 2


def test_figures_of_an_epoch_are_what_they_say() -> None:
    given = job(epochs=1, learning_rate=1e-12)  # so small that nothing moves
    model = network()
    model[2].p = 0.0
    (record,) = trained(given, model=model).fit.history
    (x,), y = given.examples.batch(np.arange(36)), torch.from_numpy(given.examples.targets)
    with torch.inference_mode():
        logits = model(x)
    assert record["train_loss"] == pytest.approx(float(nn.functional.cross_entropy(logits, y)), abs=1e-5)
    assert record["train_accuracy"] == pytest.approx(float((logits.argmax(1) == y).float().mean()))
    assert record["seconds"] > 0
    assert record["positions_per_second"] > 0


def test_curves_are_a_table_of_the_history(tmp_path: Path) -> None:
    run = trained(job(), Watch(workspace=tmp_path))
    with (tmp_path / "curves.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == COLUMNS
    assert [{key: float(value) for key, value in row.items()} for row in rows] == list(run.fit.history)


def test_without_a_workspace_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained(job(checkpoint_minutes=EVERY_STEP))
    assert list(tmp_path.iterdir()) == []


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """(step, value) of each curve, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]
    }


def test_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    # More than ten epochs in a moment: the order of event files must not matter.
    run = trained(job(epochs=13), Watch(workspace=tmp_path))
    found = scalars(tmp_path / "tensorboard")
    assert set(found) == {name.replace("_", "/", 1) for name in COLUMNS if name != "epoch"}
    for tag in ("train/loss", "valid/accuracy", "learning/rate"):
        steps, values = zip(*found[tag], strict=True)
        assert steps == tuple(range(1, 14)), tag
        expected = [record[tag.replace("/", "_")] for record in run.fit.history]
        assert values == pytest.approx(expected, rel=1e-6)


def test_tensorboard_shows_each_epoch_of_a_resumed_run_once(tmp_path: Path) -> None:
    given = job(epochs=4)
    points(given).dies_at = 2 * n_training_batches(given) + 3
    with pytest.raises(Killed):
        trained(given, Watch(workspace=tmp_path))
    # Files are read in the order of their names: second, process, count ("10" before "9").
    time.sleep(1.1)
    trained(job(epochs=4), Watch(workspace=tmp_path))
    assert [step for step, _ in scalars(tmp_path / "tensorboard")["valid/loss"]] == [1, 2, 3, 4]


def test_tensorboard_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    trained(job(), Watch(workspace=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint.pt", "curves.csv"]


# --- going on after an interruption

RESUMED: dict[str, dict[str, Any]] = {
    "adamw": {},
    "adam": {"optimizer": "adam", "weight_decay": 0.1, "schedule": "linear", "loss": "focal"},
    "average": {"average": 0.7, "class_weights": "balanced", "label_smoothing": 0.1},
    "bfloat16": {"precision": "bfloat16", "clip_norm": None},
    "patience": {"epochs": 3, "patience": 1, "metric": "loss", "learning_rate": 1.0, "schedule": "constant"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RESUMED)
def test_run_that_dies_at_any_batch_ends_like_one_that_does_not(name: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 12,
        "checkpoint_minutes": EVERY_STEP,
        **RESUMED[name],
    }
    model = network(has_norm=True)
    whole = trained(job(**options), Watch(workspace=tmp_path / "whole"), model=model)
    n_calls = points(whole.job).n_calls
    assert n_calls >= 6
    for dies_at in range(1, n_calls + 1):
        workspace = Watch(workspace=tmp_path / str(dies_at))
        first = job(**options)
        points(first).dies_at = dies_at
        with pytest.raises(Killed):
            trained(first, workspace, model=network(has_norm=True))
        rest = trained(job(**options), workspace, model=network(has_norm=True))
        # No step was taken again: each had its checkpoint.
        assert points(rest.job).n_calls == n_calls - dies_at + 1
        assert are_equal(rest.weights, whole.weights), dies_at
        assert without_times(rest.fit.history) == without_times(whole.fit.history), dies_at
        assert (rest.fit.best_epoch, rest.fit.best) == (whole.fit.best_epoch, whole.fit.best)


def test_run_that_dies_again_and_again_ends_like_one_that_does_not(tmp_path: Path) -> None:
    whole = trained(job())
    for n_tries in itertools.count(1):
        again = job(checkpoint_minutes=EVERY_STEP)
        points(again).dies_at = 3
        try:
            found = trained(again, Watch(workspace=tmp_path))
            break
        except Killed:
            assert n_tries < 30
    assert n_tries > 5
    assert are_equal(found.weights, whole.weights)
    assert without_times(found.fit.history) == without_times(whole.fit.history)


@pytest.mark.parametrize("place", ["validation", "on_progress", "on_epoch"])
def test_run_that_dies_elsewhere_ends_like_one_that_does_not(place: str, tmp_path: Path) -> None:
    whole, given = trained(job()), job()
    n_calls = 0

    def die_at_the_second(*what: Any) -> bool:
        nonlocal n_calls
        if place == "on_progress" and ":" not in what[0]:
            return False
        n_calls += 1
        if n_calls == 2:
            raise Killed
        return False

    if place == "validation":
        n_batches = math.ceil(len(given.validation.targets) / given.config.batch_size)
        points(given, validation=True).dies_at = n_batches + 1  # in the second epoch
    watch = {place: die_at_the_second} if place.startswith("on_") else {}
    with pytest.raises(Killed):
        trained(given, Watch(workspace=tmp_path, **watch))  # type: ignore[arg-type]
    rest = trained(job(), Watch(workspace=tmp_path))
    # Without a checkpoint within the epoch, the second is trained anew.
    assert points(rest.job).n_calls == 2 * n_training_batches(given)
    assert are_equal(rest.weights, whole.weights)
    assert without_times(rest.fit.history) == without_times(whole.fit.history)


def test_finished_run_is_only_read(tmp_path: Path) -> None:
    done = trained(job(), Watch(workspace=tmp_path))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    again = job()
    points(again).dies_at = points(again, validation=True).dies_at = 1
    read = trained(again, Watch(workspace=tmp_path))
    assert read.fit == done.fit
    assert are_equal(read.weights, done.weights)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_workspace_of_another_run_is_refused(tmp_path: Path) -> None:
    trained(job(), Watch(workspace=tmp_path))
    with pytest.raises(ConfigError) as caught:
        trained(job(identity="another"), Watch(workspace=tmp_path))
    assert str(caught.value) == (
        f"{tmp_path / 'checkpoint.pt'} belongs to a run with another configuration, data or seed: "
        "choose another folder, or remove it to train from the start"
    )


def test_checkpoint_that_is_cut_short_is_named_and_left(tmp_path: Path) -> None:
    trained(job(), Watch(workspace=tmp_path))
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ConfigError, match=r"checkpoint\.pt cannot be read \(.+\): remove it to train from"):
        trained(job(), Watch(workspace=tmp_path))
    assert len(path.read_bytes()) == 500


def test_disk_that_fills_up_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(job())
    real, n_written = files.replace_with, 0

    def replace(path: Path, write: Callable[[BinaryIO], object]) -> None:
        nonlocal n_written
        n_written += 1
        if n_written == 8:
            raise OutputError(f"{path} cannot be written: No space left on device")
        real(path, write)

    options: dict[str, Any] = {"checkpoint_minutes": EVERY_STEP}
    with monkeypatch.context() as patch:
        patch.setattr(files, "replace_with", replace)
        with pytest.raises(OutputError, match=r"cannot be written: No space left on device"):
            trained(job(**options), Watch(workspace=tmp_path))
    rest = trained(job(**options), Watch(workspace=tmp_path))
    assert 0 < points(rest.job).n_calls < 3 * n_training_batches(rest.job)
    assert are_equal(rest.weights, whole.weights)


def test_workspace_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"file/curves\.csv cannot be written: "):
        trained(job(), Watch(workspace=tmp_path / "file"))


def test_events_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(OutputError) as caught:
        trained(job(), Watch(workspace=tmp_path))
    assert str(caught.value).startswith(f"{tmp_path / 'tensorboard'} cannot be written: ")


# --- other processes

TESTS = str(Path(__file__).parent)
SLOWLY = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_training_loop as toy
from sortilin.interfaces import Watch
given = toy.job(epochs=50, checkpoint_minutes=toy.EVERY_STEP)
given.examples.pause_s = 0.01
toy.trained(given, Watch(workspace=Path(sys.argv[1])))
"""


def test_process_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOWLY.format(tests=TESTS), str(tmp_path)])
    until = time.monotonic() + 120
    while not (tmp_path / "curves.csv").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    # What a kill cut short while it was written is not the checkpoint.
    rest = trained(job(epochs=50), Watch(workspace=tmp_path))
    whole = trained(job(epochs=50))
    assert 0 < points(rest.job).n_calls < points(whole.job).n_calls
    assert are_equal(rest.weights, whole.weights)
    assert without_times(rest.fit.history) == without_times(whole.fit.history)


TOGETHER = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import torch
import test_training_loop as toy
from sortilin.interfaces import Watch
out, rank = Path(sys.argv[1]), os.environ["RANK"]
given = toy.job(epochs=6)
rows, batch = [], given.examples.batch
given.examples.batch = lambda some: (rows.append(some.tolist()), batch(some))[1]
run = toy.trained(given, Watch(workspace=out / "workspace"))
torch.save(run.weights, out / (rank + ".pt"))
found = {{"fit": run.fit.history, "best": run.fit.best, "rows": rows}}
(out / (rank + ".json")).write_text(json.dumps(found))
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed")
@pytest.mark.skipif(
    torch.distributed.is_available() and not torch.distributed.is_gloo_available(),
    reason="this PyTorch has no gloo, which processes on CPUs talk by",
)
def test_two_processes_train_one_model(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(TOGETHER.format(tests=TESTS))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*launch, str(script), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    weights = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert are_equal(*weights)
    validated = [[record["valid_loss"] for record in own["fit"]] for own in found]
    assert validated[0] == validated[1]
    assert found[0]["best"] > 0.9
    # Each took a part of every batch, and no example was left out of an epoch.
    n_steps = n_training_batches(job())
    for epoch in range(6):
        shares = [own["rows"][epoch * n_steps : (epoch + 1) * n_steps] for own in found]
        assert {row for share in shares for rows in share for row in rows} == set(range(36))
    assert [len(own["rows"]) for own in found] == [6 * n_steps] * 2
    with (tmp_path / "workspace" / "curves.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 6
