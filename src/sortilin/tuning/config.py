"""What a search is: an experiment's configuration and, in its mapping `tune`, how it is searched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

from sortilin import registry
from sortilin.component import explain
from sortilin.errors import ConfigError, UnknownNameError
from sortilin.evaluation import metrics
from sortilin.experiment import ExperimentConfig
from sortilin.experiment.config import validated, yaml_text
from sortilin.experiment.split_config import SplitConfig, SplitOption
from sortilin.tuning import space as spaces
from sortilin.tuning.space import Choices, Range

SECTION = "tune"
SMALLER_IS_BETTER = ("log_loss", "ece", "brier")
DEFAULT_TRIALS = 30
GRID = "grid"

_DEFAULTS: Mapping[str, Any] = {"folds": 3, "sampler": "tpe", "pruner": "none"}
_OWN_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "svm": {"sampler": GRID},
    "linear": {"sampler": GRID},
    "neural": {"folds": 1, "pruner": "median"},
}
"""By classifier, what differs from the defaults of all."""


class TuneConfig(BaseModel):
    """How options are searched.

    Attributes:
        trials: How many combinations are tried; None for all of a grid, else 30.
        folds: Folds inside the training rows; 1 for one split into 80 % and 20 %, or, where rows are given,
            into what the data mark for training and for validation.
        metric: What is best; its mean over the folds is the value of a trial.
        sampler: The tree-structured Parzen estimator (Bergstra et al. 2011), chance, or every combination.
        pruner: "median" stops a trial that stands below the median of those before it.
        timeout_minutes: No trial is started after so long.
        space: Path of an option → what is tried.
        split: How the training rows are split here; None for the experiment's own split.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    trials: PositiveInt | None = None
    folds: int = Field(ge=1, le=50)
    metric: str
    sampler: Literal["tpe", "random", "grid"]
    pruner: Literal["median", "none"]
    timeout_minutes: PositiveFloat | None = None
    space: dict[str, Range | Choices] = Field(min_length=1)
    split: SplitOption | None = None

    @field_validator("space", mode="before")
    @classmethod
    def _are_lists_or_ranges(cls, value: Any) -> Any:
        for path, domain in value.items() if isinstance(value, Mapping) else ():
            if not isinstance(domain, list | tuple | Mapping | Range):
                kind = "needs a list of choices, or a range (low, high, log, int)"
                raise ValueError(f"{path} {kind}")  # noqa: TRY004 - what pydantic reads
        return value

    @field_validator("space")
    @classmethod
    def _are_choices(cls, value: dict[str, Range | Choices]) -> dict[str, Range | Choices]:
        for path, domain in value.items():
            if isinstance(domain, Range):
                continue
            if not domain:
                raise ValueError(f"{path} has no choices")
            if (twice := spaces.repeated(domain)) is not None:
                raise ValueError(f"{path} has the choice {twice!r} twice")
        return value

    @model_validator(mode="after")
    def _grid_is_finite(self) -> TuneConfig:
        if self.sampler != GRID:
            return self
        if ranges := [path for path, domain in self.space.items() if isinstance(domain, Range)]:
            raise ValueError(f"a grid needs lists of choices; {ranges[0]} has a range")
        n = spaces.n_combinations(self.space)
        if (self.trials or n) > n:
            raise ValueError(f"the grid has {n} combinations, fewer than the {self.trials} trials")
        return self

    @property
    def n_trials(self) -> int:
        """How many combinations are tried."""
        return self.trials or (spaces.n_combinations(self.space) if self.sampler == GRID else DEFAULT_TRIALS)

    @property
    def is_smaller_better(self) -> bool:
        """Which way the metric goes."""
        return self.metric in SMALLER_IS_BETTER


@dataclass(frozen=True, slots=True)
class Tuning:
    """A search, resolved.

    Attributes:
        experiment: What is tuned; `best.yaml` is this with the best options.
        tune: How.
    """

    experiment: ExperimentConfig
    tune: TuneConfig

    @property
    def split(self) -> SplitConfig:
        """How the training rows are split into what a trial learns from and what it is scored on."""
        return self.tune.split or self.experiment.split

    def values(self) -> dict[str, Any]:
        """As plain values, which `resolved` takes."""
        tune = self.tune.model_dump(mode="json", by_alias=True)
        return {**self.experiment.model_dump(mode="json"), SECTION: tune}


def resolved(values: Mapping[str, Any], where: str) -> Tuning:
    """A search from plain values; what they leave open is filled in by task and classifier.

    Raises:
        ConfigError: A key is unknown or missing, or a value not allowed; `where` names the source.
    """
    rest = dict(values)
    given = rest.pop(SECTION, None) or {}
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: {SECTION} holds no mapping of options; found {type(given).__name__}")
    experiment = validated(rest, where)
    task = registry.get("task", experiment.task)
    own = {**_DEFAULTS, **_OWN_DEFAULTS.get(experiment.classifier.name, {}), "metric": task.metric}
    filled = {**own, **{key: value for key, value in given.items() if value is not None}}
    if "space" not in filled:
        filled["space"] = spaces.default_space(experiment.classifier)
    try:
        tune = TuneConfig.model_validate(filled)
    except ValidationError as error:
        raise ConfigError(f"{where}: {SECTION}: {explain(error)}") from None
    check_metric(tune.metric, len(task.classes) or 2)
    spaces.check(experiment.classifier, tune.space)
    return Tuning(experiment, tune.model_copy(update={"trials": tune.n_trials}))


def check_metric(metric: str, n_classes: int) -> None:
    """Refuse a metric that is not measured with so many classes.

    Raises:
        UnknownNameError: It is none.
    """
    of_each = np.arange(n_classes)
    measured = metrics.evaluate(of_each, np.eye(n_classes), [str(c) for c in of_each]).metrics
    if metric not in measured:
        raise UnknownNameError("metric", metric, measured)


def to_yaml(tuning: Tuning) -> str:
    """The resolved search; read again, it gives the same trials."""
    return yaml_text(tuning.values())
