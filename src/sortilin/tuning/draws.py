"""Draws that depend on seed, trial number, path and finished trials, and on nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sortilin.seeding import child_seed
from sortilin.tuning import space as spaces
from sortilin.tuning.config import GRID, TuneConfig
from sortilin.tuning.storage import without_warnings

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

FIRST_STEPS = 2
"""Epochs in which no trial is pruned."""
FIRST_TRIALS = 5
"""So many trials run to their end before any is pruned."""

Draw = Callable[[Any, Any, str, Any], Any]
"""(study, trial, path, distribution) → value."""


def sampler(tune: TuneConfig, seed: int) -> BaseSampler:
    """A sampler for all trials of a search."""
    from optuna.samplers import BaseSampler

    draw = _in_order(tune) if tune.sampler == GRID else _anew(tune, seed)

    class ByNumber(BaseSampler):
        def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:  # noqa: ARG002
            return {}

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:  # noqa: ARG002
            return {}

        def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
            return draw(study, trial, param_name, param_distribution)

    return ByNumber()


def _in_order(tune: TuneConfig) -> Draw:
    combinations = spaces.combinations(tune.space)
    return lambda _study, trial, path, _distribution: combinations[trial.number][path]


def _anew(tune: TuneConfig, seed: int) -> Draw:
    """A fresh sampler for each value.

    So a trial that was cut short between two of its values draws the same second one. It is why TPE is
    told to look at each option by itself (`multivariate=False`); and running trials, which another run
    would not have at the same moment, do not count (`constant_liar=False`).
    """
    from optuna import samplers

    def draw(study: Any, trial: Any, path: str, distribution: Any) -> Any:
        own = child_seed(seed, "trial", str(trial.number), path)
        with without_warnings():
            fresh: BaseSampler = (
                samplers.RandomSampler(seed=own)
                if tune.sampler == "random"
                else samplers.TPESampler(seed=own, multivariate=False, constant_liar=False)
            )
        return fresh.sample_independent(study, trial, path, distribution)

    return draw


def pruner(tune: TuneConfig) -> BasePruner:
    """What stops a trial that stands badly."""
    from optuna import pruners

    if tune.pruner == "none":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=FIRST_TRIALS, n_warmup_steps=FIRST_STEPS)
