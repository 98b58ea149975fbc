"""The loop: train an epoch, validate, keep the best weights, stop when nothing gets better, resume.

Random numbers are drawn anew for each step from (seed, epoch, step, process), so a run that is resumed
anywhere takes the steps that it would have taken. Hugging Face Accelerate places model and batches, so
that the loop runs in several processes without other code; only the first of them writes.

Axis letters: N examples, B batch, C classes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from sortilin import device
from sortilin.errors import ConfigError, MissingDependencyError, TrainingError
from sortilin.interfaces import NOBODY, DoubleArray, IntArray, Watch
from sortilin.seeding import child_seed, generator
from sortilin.training import batching, checkpoint, losses, schedule, weights
from sortilin.training.config import LOSS, TrainingConfig
from sortilin.training.events import Events

Score = Callable[[DoubleArray, IntArray], Mapping[str, float]]
"""(N, C) validation logits and (N,) targets → metrics by name."""

_SECONDS_BETWEEN_REPORTS = 0.5


class Examples(Protocol):
    """What is trained on: N examples, put into batches on demand.

    Attributes:
        lengths: (N,) positions of each example, 1 where an example is a single vector.
        targets: (N,) class indices; or (N, C) of 0 and 1, where one may have several classes.
    """

    lengths: IntArray
    targets: IntArray

    def batch(self, rows: IntArray) -> tuple[Tensor, ...]:
        """The model's arguments for these rows, on the CPU."""
        ...


@dataclass(frozen=True, slots=True)
class Fit:
    """What a run came to; the model has the best weights.

    Attributes:
        history: One record an epoch: losses, metrics, learning rate, seconds, positions a second.
        best_epoch: The epoch, from 1, whose weights were kept.
        best: Its value of the chosen metric.
        seconds: Time spent on training and validation, interruptions not counted.
    """

    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    best: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be learned.

    Attributes:
        examples: What is learned from.
        validation: What `config.metric` is measured on after each epoch.
        config: Options.
        n_classes: C.
        score: Metrics of the validation logits; "loss" is added.
        seed: Of the order of examples, and of dropout.
        identity: Names everything that shapes the result, so that another run's folder is refused.
        keeps_last: Whether the last epoch's weights are kept, whatever the metric says.
    """

    examples: Examples
    validation: Examples
    config: TrainingConfig
    n_classes: int
    score: Score
    seed: int
    identity: str = ""
    keeps_last: bool = False


def train(model: nn.Module, job: Job, watch: Watch = NOBODY) -> Fit:
    """Train a model in place; it ends on the CPU, in evaluation mode, with its best weights.

    Args:
        model: Takes what `Examples.batch` gives and returns (B, C) logits.
        job: What is to be learned.
        watch: Progress in examples of an epoch; in its workspace stand checkpoint, curves and TensorBoard
            events. A run that was cut short there goes on, a finished one is only read. Its `on_epoch`
            may stop the run (pruning).

    Raises:
        ConfigError: The metric is none of the score's, or the workspace is another run's.
        TrainingError: The loss is no longer a number.
        OutputError: The workspace cannot be written.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        run = _Run(model, job, watch)
        with closing(run.events):
            return run.finish()


class _Run:
    """One run: the model with its optimizer, and the state that a checkpoint holds."""

    def __init__(self, model: nn.Module, job: Job, watch: Watch) -> None:
        config = job.config
        self.job, self.config, self.examples, self.watch = job, config, job.examples, watch
        self.accelerator = _accelerator(config)
        if self.accelerator.device.type == "cpu":
            device.keep_memory()
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        groups = weights.groups(model)
        # In one pass over the weights, without copies of them; gradients in half precision are scaled.
        fused = self.accelerator.scaler is None
        optimizer = kind(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)
        self.bare = model
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.loss = losses.build(config, job.examples.targets, job.n_classes).to(self.accelerator.device)
        self.average = _average(self.bare, config.average)
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.learning_rate = 0.0
        self.sums = {"loss": 0.0, "correct": 0.0, "n": 0.0, "positions": 0.0, "seconds": 0.0}
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Any] = {}
        self.is_done = False
        self.events = Events()
        self._resume()

    # --- the run

    def finish(self) -> Fit:
        while not self.is_done:
            self._train_epoch()
            record = self._validate()
            self._tell(f": {self._summary(record)}")
            self.epoch, self.step = self.epoch + 1, 0
            self.sums = dict.fromkeys(self.sums, 0.0)
            self.is_done = self.epoch == self.config.epochs or self._is_stale()
            if self.watch.on_epoch is not None and self.watch.on_epoch(record):
                self.is_done = True
            self._save()
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        weights.put(self.bare, self.best["weights"])
        self.bare.to("cpu").eval()
        self.accelerator.free_memory()
        return Fit(tuple(self.history), int(self.best["epoch"]), float(self.best["value"]), self.seconds)

    def _tell(self, result: str = "") -> None:
        """Where the epoch stands; with its result it is done."""
        if self.watch.on_progress is not None:
            stage = f"epoch {self.epoch + 1} of {self.config.epochs}{result}"
            n_done, total = int(self.sums["n"]), len(self._rows())
            self.watch.on_progress(stage, total if result else min(n_done, total - 1), total)

    def _train_epoch(self) -> None:
        steps = self._steps()
        self.model.train()
        saved = started = time.monotonic()
        told = 0.0
        for batches in steps[self.step :]:
            torch.manual_seed(self._step_seed())
            middle = self.step + 0.5  # of the step: neither the first nor the last one learns nothing
            self._set_learning_rate((self.epoch + middle / len(steps)) / self.config.epochs)
            self._train_step(batches)
            self.step += 1
            now = time.monotonic()
            self.sums["seconds"] += now - started
            started = now
            if now - told > _SECONDS_BETWEEN_REPORTS:
                self._tell()
                told = now
            if now - saved > 60 * self.config.checkpoint_minutes and self.step < len(steps):
                self._save()
                saved = now

    def _train_step(self, batches: Sequence[IntArray]) -> None:
        """One step of the optimizer, on the gradient of all of these batches."""
        self.optimizer.zero_grad(set_to_none=True)
        shares = self._shares(batches)
        for rows, share in zip(batches[:-1], shares, strict=False):
            with self.accelerator.no_sync(self.model):
                self._learn(rows, share)
        self._learn(batches[-1], shares[-1])
        if self.config.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.bare)

    def _shares(self, batches: Sequence[IntArray]) -> list[float]:
        """What part of a step's loss each batch has: by examples, or by the sum of their class weights."""
        if len(batches) == 1:
            return [1.0]
        place = self.accelerator.device
        parts = [
            self.loss.weight(torch.as_tensor(self.examples.targets[rows], device=place)) for rows in batches
        ]
        return [part / sum(parts) for part in parts]

    def _learn(self, rows: IntArray, share: float) -> None:
        """Add the gradient of one batch."""
        place = self.accelerator.device
        arguments = [argument.to(place) for argument in self.examples.batch(rows)]
        y = torch.as_tensor(self.examples.targets[rows], device=place)
        with self.accelerator.autocast():
            logits = self.model(*arguments)
        loss = self.loss(logits, y)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss became {value} in epoch {self.epoch + 1}, step {self.step + 1}: "
                f"lower learning_rate ({self.config.learning_rate:g}) or clip_norm ({self.config.clip_norm})"
            )
        self.accelerator.backward(loss * share)
        self.sums["loss"] += value * len(rows)
        self.sums["correct"] += losses.n_right(logits.detach(), y)
        self.sums["n"] += len(rows)
        self.sums["positions"] += float(self.examples.lengths[rows].sum())

    def _rows(self) -> IntArray:
        """The rows of this epoch; with resampling, some of them several times."""
        if self.config.resampling == "none":
            return np.arange(len(self.examples.targets))
        draws = generator(self.job.seed, "resampling", str(self.epoch))
        return batching.oversampled(self.examples.targets, draws)

    def _steps(self) -> list[list[IntArray]]:
        """This process's batches of this epoch, those of a step together; the same whenever asked for."""
        rows, n = self._rows(), self.config.accumulation
        everything = batching.length_buckets(
            self.examples.lengths[rows],
            batch_size=self.config.batch_size,
            batch_positions=self.config.batch_positions,
            generator=generator(self.job.seed, "batches", str(self.epoch)),
        )
        own = batching.share(everything, self.accelerator.process_index, self.accelerator.num_processes)
        return [[rows[places] for places in own[start : start + n]] for start in range(0, len(own), n)]

    def _step_seed(self) -> int:
        return child_seed(
            self.job.seed, "step", str(self.epoch), str(self.step), str(self.accelerator.process_index)
        )

    def _set_learning_rate(self, done: float) -> None:
        self.learning_rate = self.config.learning_rate * schedule.factor(self.config, done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group[weights.SCALE]

    # --- validation

    def _validate(self) -> dict[str, float]:
        started = time.monotonic()
        watched = self.bare if self.average is None else self.average.module
        logits = self._logits(watched, self.job.validation)
        targets = self.job.validation.targets
        measured = {LOSS: losses.validation(logits, targets), **self.job.score(logits, targets)}
        if self.config.metric not in measured:
            raise ConfigError(
                f"training.metric '{self.config.metric}' is not measured; choose from: {', '.join(measured)}"
            )
        sums = self.sums
        record = {
            "epoch": self.epoch + 1,
            "learning_rate": self.learning_rate,
            "train_loss": sums["loss"] / sums["n"],
            "train_accuracy": sums["correct"] / sums["n"],
            **{f"valid_{name}": float(value) for name, value in measured.items()},
            "seconds": sums["seconds"] + time.monotonic() - started,
            "positions_per_second": sums["positions"] / max(sums["seconds"], 1e-9),
        }
        self.history.append(record)
        self.seconds += record["seconds"]
        self._keep_if_best(watched, measured[self.config.metric])
        return record

    def _logits(self, model: nn.Module, examples: Examples) -> DoubleArray:
        """(N, C) logits in the order of the examples; each process computes a share."""
        batches = batching.length_buckets(
            examples.lengths,
            batch_size=self.config.batch_size,
            batch_positions=self.config.batch_positions,
        )
        model.eval()
        own = batching.share(batches, self.accelerator.process_index, self.accelerator.num_processes)
        parts = []
        with torch.inference_mode(), self.accelerator.autocast():
            for rows in own:
                arguments = [a.to(self.accelerator.device) for a in examples.batch(rows)]
                parts.append((rows, model(*arguments).float().cpu().numpy().astype(np.float64)))
        model.train()
        if self.accelerator.num_processes > 1:
            from accelerate.utils import gather_object

            parts = gather_object(parts)
        logits = np.empty((len(examples.targets), parts[0][1].shape[1]))
        for rows, part in parts:
            logits[rows] = part
        return logits

    def _keep_if_best(self, watched: nn.Module, value: float) -> None:
        is_better = not self.best or (
            value < self.best["value"] if self.config.metric == LOSS else value > self.best["value"]
        )
        if is_better or self.job.keeps_last or math.isnan(self.best["value"]):
            kept = {name: t.detach().cpu().clone() for name, t in weights.trained(watched).items()}
            self.best = {"epoch": self.epoch + 1, "value": float(value), "weights": kept}

    def _is_stale(self) -> bool:
        patience = self.config.patience
        return patience is not None and self.epoch - self.best["epoch"] >= patience

    def _summary(self, record: Mapping[str, float]) -> str:
        metric = f"valid_{self.config.metric}"
        extra = "" if self.config.metric == LOSS else f", {self.config.metric} {record[metric]:.3f}"
        watched = "loss without dropout" if self.job.keeps_last else "validation loss"
        return f"loss {record['train_loss']:.3f}, {watched} {record['valid_loss']:.3f}{extra}"

    # --- on disk

    def _save(self) -> None:
        if self.watch.workspace is None or not self.accelerator.is_main_process:
            return
        names = ("epoch", "step", "seconds", "sums", "history", "best", "is_done")
        state = {name: getattr(self, name) for name in names}
        if not self.is_done:  # what follows is only needed to go on
            state |= {"model": weights.trained(self.bare), "optimizer": self.optimizer.state_dict()}
            if self.accelerator.scaler is not None:
                state["scaler"] = self.accelerator.scaler.state_dict()
            if self.average is not None:
                state["average"] = weights.trained(self.average)
        if self.step == 0:  # first, so that a finished run never lacks its last epoch
            checkpoint.save_curves(self.watch.workspace, self.history)
        checkpoint.save(self.watch.workspace, state, self.job.identity)
        if self.step == 0:
            self.events.add(self.watch.workspace, self.history[-1])

    def _resume(self) -> None:
        state = checkpoint.load(self.watch.workspace, self.job.identity) if self.watch.workspace else None
        if state is None:
            return
        for name in ("epoch", "step", "seconds", "sums", "history", "best", "is_done"):
            setattr(self, name, state[name])
        if self.is_done:
            return
        weights.put(self.bare, state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            weights.put(self.average, state["average"])


def _accelerator(config: TrainingConfig) -> Any:
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState
    except ImportError:
        raise MissingDependencyError("training a network", "accelerate", "train") from None
    # Its state is kept for the process; another model may want another precision.
    AcceleratorState._reset_state()
    return Accelerator(mixed_precision=device.mixed_precision(config.precision))


def _average(model: nn.Module, decay: float | None) -> Any:
    if decay is None:
        return None
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    moving: Any = get_ema_multi_avg_fn  # untyped in torch
    return AveragedModel(model, multi_avg_fn=moving(decay), use_buffers=True)
