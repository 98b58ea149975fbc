"""Search: take a trial, measure it, write what is known, until there are enough."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sortilin.errors import ConfigError, LabelError, MissingDependencyError, TrainingError
from sortilin.experiment import balance, data, splits, validate
from sortilin.experiment.balance import Reached
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.split_config import GIVEN
from sortilin.experiment.splits import Parting
from sortilin.experiment.validate import Problem
from sortilin.interfaces import OnProgress
from sortilin.seeding import child_seed
from sortilin.tuning import config, folder
from sortilin.tuning import space as spaces
from sortilin.tuning.config import Tuning
from sortilin.tuning.folder import Folder
from sortilin.tuning.objective import SPLIT_SHARE, Judge, Measure, Stopped, Value, stage
from sortilin.tuning.study import Claim, Finished, Trials, open_study


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Attributes:
        best: The best trial.
        trials: All that have ended, in order.
        elsewhere: Trials that other workers have begun and not ended, in words.
        best_path: The experiment with the best options.
        split: What the split of the training rows came to; None where it is merely stratified.
    """

    best: Finished
    trials: tuple[Finished, ...]
    elsewhere: tuple[str, ...]
    best_path: Path
    split: Reached | None = None


def run(
    tuning: Tuning,
    out: Path,
    *,
    storage: str | None = None,
    study: str | None = None,
    on_progress: OnProgress | None = None,
) -> Tuned:
    """Search in a folder, or go on there.

    Args:
        tuning: What to search.
        out: The folder; its parents are made.
        storage: Path of a journal or URL of a database, for several workers; a journal in the folder
            where it is None.
        study: Its name in the storage; the folder's name where it is None. Workers with the same one share
            their trials.
        on_progress: Called as (stage, done, total).

    Raises:
        ConfigError: Folder or storage belong to another search.
        OutputError: They cannot be written.
        TrainingError: Every trial was stopped or diverged.
        SortilinError: Data or labels do not allow the search; before any fit.
    """
    started = time.monotonic()
    tell = on_progress or (lambda _stage, _done, _total: None)
    validate.require_training()
    _require_optuna()
    place = Folder(out)
    place.check()
    rows, parted = _rows_and_parting(tuning, on_progress)
    split = _reached(tuning, rows, parted)
    identity = folder.identity(tuning, rows.fingerprint, parted.fingerprint)
    trials = _begin(tuning, place, identity, storage, study)
    with closing(trials):
        if split is not None:
            place.note_split(split)
        measure = Measure(_problem(tuning, rows, tell, parted), tuning.tune)
        search = _Search(tuning, place, trials, measure, tell, split)
        search.write()
        while not _is_late(tuning, started) and (claim := trials.claim(search.wait_for)) is not None:
            search.work_on(claim)
        return search.result()


def training_rows(tuning: Tuning, on_progress: OnProgress | None = None) -> LabelledSet:
    """What a search may see: the training part of the experiment's own hold-out, each sequence once.

    All training rows, where there is no hold-out or the data mark their own test rows. Where the split is
    given, rows for validation are among them: a search is what they are for.

    Raises:
        SortilinError: The data cannot be had, or are too few for the folds.
    """
    return _rows_and_parting(tuning, on_progress)[0]


def _rows_and_parting(tuning: Tuning, on_progress: OnProgress | None) -> tuple[LabelledSet, Parting]:
    """The training rows, and what trials split them by."""
    experiment, tune = tuning.experiment, tuning.tune
    if experiment.multi_label:
        raise ConfigError("multi_label: a search is not for several classes a sequence; leave it out")
    labelled, own_test = data.load_parts(
        experiment.task, experiment.data, labels=experiment.labels, on_progress=on_progress
    )
    labelled, _ = labelled.distinct()
    config.check_metric(tune.metric, len(labelled.classes))
    data.check_trainable(labelled, experiment.folds, experiment.holdout)
    rows, parted = labelled, splits.parting(experiment.split, labelled, on_progress)
    if experiment.holdout and own_test is None and experiment.split.kind != GIVEN:
        train, _ = splits.hold_out(labelled.y, parted, experiment.holdout, experiment.seed)
        rows, parted = labelled.taken(train, f"the training part of {labelled.name}"), parted.rows(train)
    try:
        data.check_trainable(rows, _n_folds(tuning), SPLIT_SHARE if tune.folds == 1 else 0)
    except LabelError as fault:
        raise LabelError(f"tune.folds = {tune.folds}: {fault}") from None
    if tune.split is not None and tune.split != experiment.split:
        parted = splits.parting(tune.split, rows, on_progress)
    return rows, parted


def _n_folds(tuning: Tuning) -> int:
    """Folds of the search; of calibration, where it has one split only."""
    return tuning.experiment.folds if tuning.tune.folds == 1 else tuning.tune.folds


def _reached(tuning: Tuning, rows: LabelledSet, parted: Parting) -> Reached | None:
    """What the folds or the one split of a trial come to; None where rows are merely stratified."""
    if parted.is_default:
        return None
    seed, n_folds, share = _seed(tuning), _n_folds(tuning), SPLIT_SHARE
    if tuning.tune.folds > 1:
        share = 0.0
    try:
        splits.check(rows, parted, n_folds, share, seed)
    except ConfigError as fault:
        raise ConfigError(f"{'tune.' if tuning.tune.folds > 1 else ''}folds = {n_folds}: {fault}") from None
    found = balance.reached(tuning.split, rows, parted, n_folds, share, seed)
    return found if tuning.tune.folds > 1 else replace(found, folds=None)  # of calibration alone


def _seed(tuning: Tuning) -> int:
    return child_seed(tuning.experiment.seed, "tuning")


def _problem(
    tuning: Tuning, rows: LabelledSet, tell: OnProgress, parted: Parting = splits.DEFAULT
) -> Problem:
    x = Inputs.of(tuning.experiment.features)(rows.sequences, tell)
    return Problem(x, rows.y, rows.classes, _n_folds(tuning), _seed(tuning), parting=parted)


def _begin(
    tuning: Tuning, place: Folder, identity: Mapping[str, Any], storage: str | None, name: str | None
) -> Trials:
    origin = place.begin(tuning, identity, study=name)
    kept = storage or str(place.path / folder.JOURNAL)
    with place.lock:
        study, there = open_study(
            kept, origin.study, tuning.tune, seed=tuning.experiment.seed, identity=identity
        )
    trials = Trials(study, tuning.tune, folder_id=origin.folder_id, folder=place.trials)
    try:
        folder.refuse_other(there, identity, f"study '{origin.study}' in the storage")
    except ConfigError:
        trials.close()
        raise
    return trials


def _is_late(tuning: Tuning, started: float) -> bool:
    minutes = tuning.tune.timeout_minutes
    return minutes is not None and time.monotonic() - started > 60 * minutes


@dataclass(frozen=True, slots=True)
class _Search:
    """A search under way in this process."""

    tuning: Tuning
    place: Folder
    trials: Trials
    measure: Measure
    tell: OnProgress
    split: Reached | None = None

    def wait_for(self, numbers: str) -> None:
        """Tell that nothing is left but trials whose workers may be dead."""
        self.tell(f"waiting for a sign of life of trial {numbers}", 0, 1)

    def work_on(self, claim: Claim) -> None:
        """Measure a trial, and write what is known then."""
        started = time.monotonic()
        try:
            found, note = self._measured(claim)
            self.trials.finish(claim, found, seconds=time.monotonic() - started, note=note)
            self.place.forget(claim.number)
        finally:
            self.trials.release(claim)
        best = self.write()
        stands = "taken over by another worker" if claim.is_over else note
        if found is not None and not claim.is_over:
            spread = "" if found.spread is None else f" ± {found.spread:.4f}"
            stands = f"{self.tuning.tune.metric} {found.mean:.4f}{spread}"
        known = "" if best is None else f" (best {best.value:.4f})"
        self.tell(f"{self._name(claim)}: {stands}{known}", 1, 1)

    def _name(self, claim: Claim) -> str:
        return f"trial {claim.number} of {self.tuning.tune.n_trials}"

    def _measured(self, claim: Claim) -> tuple[Value | None, str]:
        """The value of a trial, or none and why."""
        judge = Judge(
            lambda value, step: self.trials.report(claim, value, step),
            lambda: self.trials.should_stop(claim),
        )
        name = self._name(claim)
        try:
            value = self.measure.value(
                spaces.configured(self.tuning.experiment.classifier, claim.options),
                claim.workspace,
                judge,
                lambda fold, done, total: self.tell(f"{name}, {fold}", done, total),
            )
        except Stopped as stop:
            if claim.is_over:
                return None, ""
            return None, str(stop) or f"pruned after {stage(max(claim.reported))}"
        except TrainingError as fault:  # options that lead nowhere are a finding of the search
            return None, f"diverged: {fault}"
        return value, ""

    def write(self) -> Finished | None:
        """The table and the best experiment so far."""
        with self.place.lock:
            finished = self.trials.finished()
            best = best_of(finished, is_smaller_better=self.tuning.tune.is_smaller_better)
            self.place.write(self.tuning, finished, best)
        self.tell("trials", len(finished), self.tuning.tune.n_trials)
        return best

    def result(self) -> Tuned:
        """What was found."""
        finished = self.trials.finished()
        best = best_of(finished, is_smaller_better=self.tuning.tune.is_smaller_better)
        elsewhere = self.trials.elsewhere()
        if best is None:
            notes = sorted({trial.note for trial in finished})
            raise TrainingError(
                f"none of {len(finished)} trials came to its end"
                + (f" ({'; '.join(notes)[:200]})" if notes else "")
                + (f"; begun elsewhere: {', '.join(elsewhere)}" if elsewhere else "")
                + ": see trials.tsv, and give more trials, more time or another space"
            )
        return Tuned(best, finished, elsewhere, self.place.path / folder.BEST, self.split)


def best_of(trials: Sequence[Finished], *, is_smaller_better: bool) -> Finished | None:
    """The trial with the best value, the earlier of two equal ones; None where none has a value."""
    complete = [trial for trial in trials if trial.value is not None]
    sign = -1 if is_smaller_better else 1
    return max(complete, key=lambda trial: (sign * (trial.value or 0.0), -trial.number), default=None)


def _require_optuna() -> None:
    if importlib.util.find_spec("optuna") is None:
        raise MissingDependencyError("tuning", "optuna", "train")
