"""The value of one trial: a metric on held-out rows inside the training rows, from calibrated probabilities.

Axis letters: N sequences, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sortilin.evaluation import bounded, metrics
from sortilin.experiment import Component, validate
from sortilin.experiment.validate import CrossValidation, Fold, Problem
from sortilin.interfaces import DoubleArray, IntArray, OnProgress, Watch
from sortilin.tuning.config import TuneConfig

SPLIT_SHARE = 0.2
"""Held out where there is one split rather than folds."""
FOLD_STEP = 10_000
"""Folds are reported as steps beyond any epoch: 10,000 after the first, 20,000 after the second."""

_VALIDATION = "valid_"
_LOSS, _NO_LOSS = "loss", "macro_f1"


class Stopped(Exception):
    """A trial without a value; the text says why, and is empty where the judge stopped it."""


def stage(step: int) -> str:
    """What ended with a reported step, in words."""
    return f"epoch {step}" if step < FOLD_STEP else f"fold {step // FOLD_STEP}"


@dataclass(frozen=True, slots=True)
class Judge:
    """Who hears how a trial stands.

    Attributes:
        report: Takes (value, step) and says whether the trial should be stopped.
        should_stop: The same of what was reported last.
    """

    report: Callable[[float, int], bool]
    should_stop: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Value:
    """What a trial came to, and how sure that is.

    Attributes:
        mean: Of the metric over the folds, or its value on the one split.
        n: Held-out sequences that it was measured on.
        spread: Sample standard deviation over the folds; None for one split.
        interval: 95 % interval on the held-out rows of one split; None for folds.
    """

    mean: float
    n: int
    spread: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """How a trial is measured, the same for all.

    Attributes:
        problem: The training rows.
        tune: Metric and folds.
    """

    problem: Problem
    tune: TuneConfig

    def value(self, spec: Component, workspace: Path, judge: Judge, tell: OnProgress | None = None) -> Value:
        """Mean of the metric over the folds, with its spread.

        Args:
            spec: The classifier with a trial's options.
            workspace: A folder of this trial's own.
            judge: Who may stop it.
            tell: Progress within a fold, as (fold, done, total).

        Raises:
            Stopped: The judge stopped it.
        """
        if self.tune.folds == 1:
            return self._of_split(spec, self._watch(workspace, 1, judge, tell), judge)
        parts: list[Fold] = []
        for number, (train, held_out) in enumerate(validate.folds_of(self.problem), start=1):
            watch = self._watch(workspace, number, judge, tell)
            parts.append(validate.fit_fold(spec, self.problem, train, held_out, watch))
            if judge.should_stop():
                raise Stopped
            found = self._assembled(parts)
            value = None if found is None else found.mean(self.tune.metric)
            if number < self.tune.folds and value is not None and judge.report(value, number * FOLD_STEP):
                raise Stopped
        found = self._assembled(parts)
        mean = self._checked(None if found is None else found.mean(self.tune.metric))
        return Value(mean, found.pooled.n, found.spread(self.tune.metric)) if found else Value(mean, 0)

    def _of_split(self, spec: Component, watch: Watch, judge: Judge) -> Value:
        train, held_out = validate.hold_out_rows(self.problem, SPLIT_SHARE)
        classifier, calibrate = validate.calibrated(spec, self.problem.rows(train), watch)
        if judge.should_stop():
            raise Stopped
        table = calibrate(classifier.scores(self.problem.x[held_out]))
        y, metric = self.problem.y[held_out], self.tune.metric
        value = self._checked(self._metric(y, table))
        around = bounded.of_set(y, table, self.problem.classes, metrics=[metric], seed=self.problem.seed)
        return Value(value, len(y), interval=around[metric])

    def _watch(self, workspace: Path, fold: int, judge: Judge, tell: OnProgress | None) -> Watch:
        """The first fold's epochs are reported; those of the others would stand beside them."""
        name = f"fold {fold} of {self.tune.folds}"

        def on_progress(_stage: str, done: int, total: int) -> None:
            if tell is not None and done < total:  # an epoch's end is not the fold's
                tell(name, done, total)

        def on_epoch(record: Mapping[str, float]) -> bool:
            value = self._validated(record)
            return value is not None and judge.report(value, int(record["epoch"]))

        return Watch(on_progress, workspace / f"fold-{fold}", on_epoch if fold == 1 else None)

    def _validated(self, record: Mapping[str, float]) -> float | None:
        """The metric of an epoch, or what comes nearest to it and goes the same way."""
        nearest = _LOSS if self.tune.is_smaller_better else _NO_LOSS
        names = (_VALIDATION + self.tune.metric, _VALIDATION + nearest)
        return next((record[name] for name in names if name in record), None)

    def _assembled(self, parts: list[Fold]) -> CrossValidation | None:
        """The folds so far, each calibrated on the others unless its fit set rows aside."""
        if len(parts) == 1 and parts[0].calibration is None:
            return None
        rows: IntArray = np.sort(np.concatenate([part.held_out for part in parts]))
        within = [
            Fold(np.searchsorted(rows, part.held_out), part.scores, part.calibration, part.chosen)
            for part in parts
        ]
        return validate.assemble(within, self.problem.rows(rows))

    def _metric(self, y: IntArray, table: DoubleArray) -> float:
        return metrics.evaluate(y, table, self.problem.classes).metrics[self.tune.metric]

    def _checked(self, value: float | None) -> float:
        if value is None or not np.isfinite(value):
            raise Stopped(f"{self.tune.metric} is not a number")
        return float(value)
