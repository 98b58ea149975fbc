"""The loop: train an epoch, validate, keep the best weights, stop when nothing gets better, resume.

Random numbers are drawn anew for each step from (seed, epoch, step, process), so a run that is resumed
anywhere takes the steps that it would have taken.

Several processes take the steps of one, each with a part of the step's rows (`batching.pieces`), whose
gradient counts by their share of the step's loss. All call `train` with the same model and job. Only the
first one reads and writes checkpoints, speaks and decides; what depends on the machine or the clock (figures,
stopping, when to save) is told by it.

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

from sortilin.errors import ConfigError, TrainingError
from sortilin.interfaces import NOBODY, DoubleArray, IntArray, Watch
from sortilin.seeding import child_seed, generator
from sortilin.training import batching, checkpoint, losses, schedule, weights
from sortilin.training.config import LOSS, TrainingConfig
from sortilin.training.events import Events
from sortilin.training.placed import Placed

Score = Callable[[DoubleArray, IntArray], Mapping[str, float]]
"""(N, C) validation logits and (N,) targets → metrics by name."""

_SECONDS_BETWEEN_REPORTS = 0.5
_STANDING = ("epoch", "step", "seconds", "sums", "history", "best", "is_done")
"""Where a run stands, beside weights and optimizer."""


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

    Of several processes all have to call it. Where the model is sharded over them, only the first one's has
    the best weights afterwards.

    Args:
        model: Takes what `Examples.batch` gives and returns (B, C) logits.
        job: What is to be learned.
        watch: Progress in examples of an epoch; in its workspace stand checkpoint, curves and TensorBoard
            events. A run that was cut short there goes on, a finished one is only read. Its `on_epoch`
            may stop the run (pruning). That of the first process counts.

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
        self.placed = Placed(model, config)
        self.accelerator, self.processes = self.placed.accelerator, self.placed.processes
        self.model, self.optimizer = self.placed.model, self.placed.optimizer
        self.loss = losses.build(config, job.examples.targets, job.n_classes).to(self.accelerator.device)
        self.keeps = self.processes.from_first(watch.workspace is not None)
        self.epoch, self.step, self.seconds = 0, 0, 0.0
        self.learning_rate = 0.0
        self.sums = {"loss": 0.0, "correct": 0.0, "n": 0.0, "positions": 0.0, "seconds": 0.0}
        self.saved, self.is_late = time.monotonic(), False
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
            is_stopped = self.watch.on_epoch is not None and self.watch.on_epoch(record)
            self.is_done = bool(self.processes.from_first(self.is_done or is_stopped))
            self._save()
        self.placed.finish(self.best["weights"])
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
        self.saved = started = time.monotonic()
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
            if self.is_late and self.step < len(steps):
                self._save()
                self.saved = now

    def _train_step(self, batches: Sequence[IntArray]) -> None:
        """One step of the optimizer, on the gradient of all of these batches; each process has a part."""
        self.optimizer.zero_grad(set_to_none=True)
        pieces = batching.pieces(batches, self.processes.index, self.processes.n)
        total = sum(map(self._weight, batches))
        learned: list[float] = []
        for rows, batch in pieces[:-1]:
            with self.accelerator.no_sync(self.model):
                learned += self._learn(rows, batch, total)
        learned += self._learn(*pieces[-1], total)
        self._count(batches, learned)
        if self.config.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        self.optimizer.step()
        if self.placed.average is not None:
            self.placed.average.update_parameters(self.placed.bare)

    def _weight(self, rows: IntArray) -> float:
        """What these rows count: their number, or the sum of their class weights."""
        return self.loss.weight(torch.as_tensor(self.examples.targets[rows]))

    def _learn(self, rows: IntArray, batch: IntArray, total: float) -> tuple[float, float]:
        """Add the gradient of a part of one batch.

        Args:
            rows: The part; with none of the batch in it, the process only keeps step with the others.
            batch: All rows of the batch.
            total: Weight of all rows of the step.

        Returns:
            What the part adds to the sum of losses of the batch's rows, and how many of it are right.
        """
        place, is_there = self.accelerator.device, len(rows) > 0
        rows = rows if is_there else batch[:1]
        arguments = [argument.to(place) for argument in self.examples.batch(rows)]
        y = torch.as_tensor(self.examples.targets[rows], device=place)
        with self.accelerator.autocast():
            logits = self.model(*arguments)
        loss = self.loss(logits, y)
        weight = self._weight(rows) * is_there
        # Gradients are averaged over the processes, and here have to be summed.
        self.accelerator.backward(loss * (self.processes.n * weight / total))
        n_counted = len(batch) * (weight / self._weight(batch))
        return float(loss.detach()) * n_counted, losses.n_right(logits.detach(), y) * is_there

    def _count(self, batches: Sequence[IntArray], learned: Sequence[float]) -> None:
        """Add a step to the epoch's sums, those of all processes; and hear whether it is time to save.

        Raises:
            TrainingError: The loss is no longer a number, in whichever process.
        """
        late_s = time.monotonic() - self.saved - 60 * self.config.checkpoint_minutes
        *found, n_late = self.processes.summed([*learned, float(late_s > 0 and self.processes.is_first)])
        self.is_late = n_late > 0
        for value, n_right in zip(found[::2], found[1::2], strict=True):
            if not math.isfinite(value):
                raise TrainingError(
                    f"the loss became {value} in epoch {self.epoch + 1}, step {self.step + 1}: lower "
                    f"learning_rate ({self.config.learning_rate:g}) or clip_norm ({self.config.clip_norm})"
                )
            self.sums["loss"] += value
            self.sums["correct"] += n_right
        for rows in batches:
            self.sums["n"] += len(rows)
            self.sums["positions"] += float(self.examples.lengths[rows].sum())

    def _rows(self) -> IntArray:
        """The rows of this epoch; with resampling, some of them several times."""
        if self.config.resampling == "none":
            return np.arange(len(self.examples.targets))
        draws = generator(self.job.seed, "resampling", str(self.epoch))
        return batching.oversampled(self.examples.targets, draws)

    def _steps(self) -> list[list[IntArray]]:
        """The batches of this epoch, those of a step together; the same whenever and wherever asked for."""
        rows, n = self._rows(), self.config.accumulation
        everything = batching.length_buckets(
            self.examples.lengths[rows],
            batch_size=self.config.batch_size,
            batch_positions=self.config.batch_positions,
            generator=generator(self.job.seed, "batches", str(self.epoch)),
        )
        return [[rows[places] for places in everything[at : at + n]] for at in range(0, len(everything), n)]

    def _step_seed(self) -> int:
        return child_seed(self.job.seed, "step", str(self.epoch), str(self.step), str(self.processes.index))

    def _set_learning_rate(self, done: float) -> None:
        self.learning_rate = self.config.learning_rate * schedule.factor(self.config, done)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * group[weights.SCALE]

    # --- validation

    def _validate(self) -> dict[str, float]:
        started = time.monotonic()
        self.placed.align_buffers()
        logits = self._logits(self.placed.watched, self.job.validation)
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
        record, value = self.processes.from_first((record, float(measured[self.config.metric])))
        self.history.append(record)
        self.seconds += record["seconds"]
        self._keep_if_best(value)
        return record

    def _logits(self, model: nn.Module, examples: Examples) -> DoubleArray:
        """(N, C) logits in the order of the examples; each process computes a share."""
        batches = batching.length_buckets(
            examples.lengths,
            batch_size=self.config.batch_size,
            batch_positions=self.config.batch_positions,
        )
        model.eval()
        own = batching.share(batches, self.processes.index, self.processes.n)
        parts = []
        with self.placed.looking(), self.accelerator.autocast():
            for rows in own:
                arguments = [a.to(self.accelerator.device) for a in examples.batch(rows)]
                parts.append((rows, model(*arguments).float().cpu().numpy().astype(np.float64)))
        model.train()
        parts = self.processes.gathered(parts)
        logits = np.empty((len(examples.targets), parts[0][1].shape[1]))
        for rows, part in parts:
            logits[rows] = part
        return logits

    def _keep_if_best(self, value: float) -> None:
        is_better = not self.best or (
            value < self.best["value"] if self.config.metric == LOSS else value > self.best["value"]
        )
        if is_better or self.job.keeps_last or math.isnan(self.best["value"]):
            self.best = {"epoch": self.epoch + 1, "value": value, "weights": self.placed.kept()}

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
        if not self.keeps:
            return
        state = {name: getattr(self, name) for name in _STANDING}
        if not self.is_done:  # what follows is only needed to go on
            state |= self.placed.state()
        if self.watch.workspace is None or not self.processes.is_first:
            return
        if self.step == 0:  # first, so that a finished run never lacks its last epoch
            checkpoint.save_curves(self.watch.workspace, self.history)
        checkpoint.save(self.watch.workspace, state, self.job.identity)
        if self.step == 0:
            self.events.add(self.watch.workspace, self.history[-1])

    def _resume(self) -> None:
        state = None
        if self.watch.workspace is not None and self.processes.is_first:
            state = checkpoint.load(self.watch.workspace, self.job.identity)
        told = self.processes.from_first(state and self._told(state))
        if told is None:
            return
        for name in _STANDING:
            setattr(self, name, told[name])
        self.best = self.best if state is None else state["best"]
        if not self.is_done:
            self.placed.put(state)

    def _told(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Where a run stands, for all; whole weights of a sharded model stay in the first process."""
        told = {name: state[name] for name in _STANDING}
        if self.placed.is_sharded:
            told["best"] = {name: {} if name == "weights" else its for name, its in told["best"].items()}
        return told
