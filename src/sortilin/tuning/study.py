"""The trials of a search, in a journal or a database that several workers share.

A trial belongs to the output folder that it was begun in, and whoever works on it holds a lock there. The
system drops a lock when its process ends, so a running trial without one was cut short; the next worker of
that folder goes on with it. In a database a trial also gives signs of life, and one that falls silent is
taken over by a worker of another folder. Every value is drawn by a generator of its own, seeded by the
trial's number and the path of the option, from finished trials only. So a search that was killed anywhere
goes on with the trials that it would have had.
"""

from __future__ import annotations

import functools
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from sortilin.errors import ConfigError, OutputError
from sortilin.locks import FileLock
from sortilin.tuning import beats, database, draws, storage
from sortilin.tuning import space as spaces
from sortilin.tuning.beats import OWNER, Beating, Beats
from sortilin.tuning.config import TuneConfig
from sortilin.tuning.objective import Value
from sortilin.tuning.storage import writing

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

COMPLETE, PRUNED = "complete", "pruned"

_WORKER, _SECONDS, _NOTE, _SURE = "worker", "seconds", "note", "sure"
_IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Finished:
    """A trial that has ended.

    Attributes:
        number: From 0.
        state: "complete" or "pruned".
        value: Mean of the metric over the folds; None for a pruned trial.
        options: Path → value.
        seconds: Spent on it by the process that ended it.
        note: Why it was stopped; empty for a complete one.
        n: Held-out sequences that the value is of; None where that was not noted.
        spread: Sample standard deviation of the metric over the folds; None for one split.
        interval: 95 % interval on the one split; None for folds.
    """

    number: int
    state: str
    value: float | None
    options: Mapping[str, Any]
    seconds: float
    note: str
    n: int | None = None
    spread: float | None = None
    interval: tuple[float, float] | None = None


@dataclass(slots=True)
class Claim:
    """A trial that this process works on.

    Attributes:
        number: From 0.
        options: Path → value.
        workspace: The trial's own folder.
        reported: Steps that have a value already, from before an interruption.
    """

    number: int
    options: Mapping[str, Any]
    workspace: Path
    reported: set[int]
    _trial: Trial = field(repr=False)
    _lock: FileLock = field(repr=False)
    _beating: Beating | None = field(default=None, repr=False)
    _has_ended: bool = field(default=False, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether another worker has taken the trial over, and what is found here does not count."""
        return self._has_ended or (self._beating is not None and self._beating.is_lost)


_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def _patiently(
    method: Callable[Concatenate[Trials, _Arguments], _Result],
) -> Callable[Concatenate[Trials, _Arguments], _Result]:
    """Try again while a database is away: what is noted twice is noted once."""

    @functools.wraps(method)
    def patient(self: Trials, /, *args: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        until = None  # from the first failure on: a call may have waited for others before
        while True:
            try:
                return method(self, *args, **options)
            except OutputError as error:
                met = error.__context__
                is_of_folder = isinstance(met, OSError) and not isinstance(met, storage.CUT_OFF)
                patience = storage.PATIENCE_S if self.is_in_database else 0.0
                until = time.monotonic() + patience if until is None else until
                if is_of_folder or time.monotonic() >= until:
                    raise
            time.sleep(storage.RETRY_S)

    return patient


class Trials:
    """The trials of one search, as one worker sees them.

    Args:
        study: Where they are kept.
        tune: The search.
        folder_id: The output folder's own name.
        folder: Where the trials have their folders.
    """

    def __init__(self, study: Study, tune: TuneConfig, *, folder_id: str, folder: Path) -> None:
        self._study, self._tune, self._folder_id, self._folder = study, tune, folder_id, folder
        self._storage: BaseStorage = getattr(study._storage, "_backend", study._storage)
        self._beats = Beats.of(self._storage)

    @property
    def is_in_database(self) -> bool:
        """Whether they are kept by a server or a file of SQLite, rather than in a journal."""
        return self._beats is not None

    def close(self) -> None:
        """Let go of the storage; used again, it is opened again."""
        storage.close(self._storage)

    @_patiently
    def claim(self, on_wait: Callable[[str], None] | None = None) -> Claim | None:
        """The next trial to work on; None where all are taken.

        One that was cut short here, or a new one, or one whose worker elsewhere has fallen silent. Where
        only such are left, waits until each has given a sign of life or has been silent for too long.

        Args:
            on_wait: Called with the numbers of the trials that are waited for, in words.

        Raises:
            OutputError: The storage or the folder cannot be written.
        """
        from optuna.trial import TrialState, create_trial

        with writing(self._folder):
            while True:
                trials = self._study.get_trials(deepcopy=False)
                for trial in trials[: self._tune.n_trials]:
                    is_mine = trial.user_attrs.get(OWNER) == self._folder_id
                    if trial.state == TrialState.RUNNING and is_mine and (found := self._taken(trial)):
                        return found
                if len(trials) >= self._tune.n_trials:
                    return self._of_the_dead(on_wait or (lambda _numbers: None))
                # Another worker may take it, or take its place: then it is one too many, which nobody
                # claims before more trials are asked for.
                self._study.add_trial(
                    create_trial(state=TrialState.RUNNING, user_attrs={OWNER: self._folder_id})
                )

    def _of_the_dead(self, on_wait: Callable[[str], None]) -> Claim | None:
        """A trial of another folder whose worker has fallen silent; None once all others have been heard."""
        if self._beats is None:
            return None
        first: dict[int, datetime] = {}
        while True:
            elsewhere = [t for t in self._running() if t.user_attrs.get(OWNER) != self._folder_id]
            heard = [(trial, self._beats.heard(trial._trial_id)) for trial in elsewhere]
            silent = [trial for trial, last in heard if first.setdefault(trial.number, last) == last]
            for trial in silent:
                is_taken = self._beats.take(trial._trial_id, self._folder_id)
                if is_taken and (found := self._taken(trial)):
                    return found
            if not silent:
                return None
            on_wait(", ".join(str(trial.number) for trial in silent))
            time.sleep(beats.BEAT_S / 4)

    def _running(self) -> list[FrozenTrial]:
        """Trials that have begun and not ended."""
        from optuna.trial import TrialState

        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if trial.number < self._tune.n_trials]

    def _taken(self, trial: FrozenTrial) -> Claim | None:
        """A running trial of this folder, unless somebody works on it."""
        from optuna import Trial
        from optuna.exceptions import UpdateFinishedTrialError

        workspace = self._folder / str(trial.number)
        workspace.mkdir(parents=True, exist_ok=True)
        lock = FileLock(workspace / "lock")
        if not lock.try_acquire():
            return None
        try:
            is_mine = self._beats is None or self._beats.renew(trial._trial_id, self._folder_id)
            fresh = self._study.get_trials(deepcopy=False)[trial.number]
            if fresh.state.is_finished() or not is_mine:  # meanwhile
                lock.release()
                return None
            live = Trial(self._study, fresh._trial_id)
            live.set_user_attr(_WORKER, f"{socket.gethostname()}, process {os.getpid()}")
            options = spaces.suggested(live, self._tune.space)
        except UpdateFinishedTrialError:
            lock.release()
            return None
        except BaseException:
            lock.release()
            raise
        beating = None
        if self._beats is not None:
            beating = Beating(self._beats, fresh._trial_id, self._folder_id)
        return Claim(trial.number, options, workspace, set(fresh.intermediate_values), live, lock, beating)

    @_patiently
    def report(self, claim: Claim, value: float, step: int) -> bool:
        """Note how a trial stands; whether it should be stopped."""
        with self._noting(claim):
            if not claim.is_over and step not in claim.reported and math.isfinite(value):
                claim._trial.report(value, step)
                claim.reported.add(step)
        return self.should_stop(claim)

    @_patiently
    def should_stop(self, claim: Claim) -> bool:
        """Whether a trial should be stopped, by what was reported last or since it is another worker's."""
        with writing(self._folder):
            return claim.is_over or claim._trial.should_prune()

    @_patiently
    def finish(self, claim: Claim, found: Value | None, *, seconds: float, note: str = "") -> None:
        """Note how a trial ended, unless it is another worker's now; without a value it counts as pruned."""
        from optuna.trial import TrialState

        state = TrialState.PRUNED if found is None else TrialState.COMPLETE
        value = None if found is None else found.mean
        if claim.is_over:
            return
        with self._noting(claim):
            claim._trial.set_user_attr(_SECONDS, round(seconds, 1))
            claim._trial.set_user_attr(_NOTE, note)
            if found is not None:
                claim._trial.set_user_attr(_SURE, _sure(found))
            # Whoever took it over may end it in this moment; both have found the same.
            self._study.tell(claim._trial, value, state=state, skip_if_finished=True)

    @contextmanager
    def _noting(self, claim: Claim) -> Iterator[None]:
        """Whoever took a trial over may have ended it, and then nothing more is noted of it."""
        from optuna.exceptions import UpdateFinishedTrialError

        with writing(self._folder):
            try:
                yield
            except UpdateFinishedTrialError:
                claim._has_ended = True

    def release(self, claim: Claim) -> None:
        """Work on a trial no longer; if it has not ended, whoever comes next goes on with it."""
        if claim._beating is not None:
            claim._beating.stop()
        claim._lock.release()

    @_patiently
    def finished(self) -> tuple[Finished, ...]:
        """Trials that have ended, in order."""
        from optuna.trial import TrialState

        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        with writing(self._folder):
            return tuple(self._finished(t) for t in self._study.get_trials(deepcopy=False, states=ended))

    def _finished(self, trial: FrozenTrial) -> Finished:
        is_complete = trial.state.name.lower() == COMPLETE
        return Finished(
            number=trial.number,
            state=COMPLETE if is_complete else PRUNED,
            value=trial.value if is_complete else None,
            options={
                path: spaces.decoded(domain, trial.params[path])
                for path, domain in self._tune.space.items()
                if path in trial.params
            },
            seconds=float(trial.user_attrs.get(_SECONDS, 0.0)),
            note=str(trial.user_attrs.get(_NOTE, "")),
            **_read_sure(trial.user_attrs.get(_SURE)),
        )

    @_patiently
    def elsewhere(self) -> tuple[str, ...]:
        """Trials that others have begun and not ended, in words."""
        with writing(self._folder):
            running = self._running()
        return tuple(
            f"trial {trial.number} ({trial.user_attrs.get(_WORKER, 'not begun')})" for trial in running
        )


def _sure(found: Value) -> dict[str, Any]:
    """What is noted beside a value."""
    spread = None if found.spread is None or math.isnan(found.spread) else found.spread
    ends = found.interval and [None if math.isnan(end) else end for end in found.interval]
    return {"n": found.n, "spread": spread, "interval": ends}


def _read_sure(noted: Any) -> dict[str, Any]:
    """The same as attributes; nothing of trials from before it was noted."""
    if not isinstance(noted, Mapping):
        return {}
    ends = noted.get("interval")
    known = tuple(ends) if isinstance(ends, list) and None not in ends else None
    return {"n": noted.get("n"), "spread": noted.get("spread"), "interval": known}


def open_study(
    place: str, name: str, tune: TuneConfig, *, seed: int, identity: Mapping[str, Any]
) -> tuple[Study, Mapping[str, Any]]:
    """The study of that name, made if it is not there, and the identity that it was made with.

    Args:
        place: Path of a journal, or URL of a database.
        name: Name of the study.
        tune: The search.
        seed: Seed of its draws.
        identity: What shapes the trials; kept in a new study.

    Raises:
        ConfigError: The storage is none, or cannot be reached.
        OutputError: It cannot be written.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with database.alone(place), writing(Path(database.shown(place))):
        kept = storage.opened(place)
        try:
            study = optuna.create_study(
                storage=kept,
                study_name=name,
                load_if_exists=True,
                direction="minimize" if tune.is_smaller_better else "maximize",
                sampler=draws.sampler(tune, seed),
                pruner=draws.pruner(tune),
            )
            return study, _identified(study, identity)
        except BaseException:
            storage.close(kept)
            raise


def _identified(study: Study, identity: Mapping[str, Any]) -> Mapping[str, Any]:
    """The identity that a study was made with; a new one gets it now."""
    if _IDENTITY not in study.user_attrs:
        if study.get_trials(deepcopy=False):
            raise ConfigError(
                f"the storage has a study '{study.study_name}' of another program: choose another storage"
            )
        study.set_user_attr(_IDENTITY, dict(identity))
    found: Mapping[str, Any] = study.user_attrs[_IDENTITY]
    return found
