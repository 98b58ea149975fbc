"""Which options of a classifier are varied, and over what.

A path names an option: `training.learning_rate`, or `head.options.hidden` for one of a variant that the
classifier itself is built from.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sortilin import registry
from sortilin.component import explain
from sortilin.errors import ConfigError, MissingDependencyError, UnknownNameError
from sortilin.experiment import Component, presets


class Range(BaseModel):
    """Numbers between two ends, both of them allowed.

    Attributes:
        low: The least.
        high: The largest.
        log: Whether ratios rather than differences are drawn evenly.
        whole: Whether only whole numbers are drawn; `int` in a file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    log: bool = False
    whole: bool = Field(default=False, alias="int")

    @model_validator(mode="after")
    def _is_a_range(self) -> Range:
        if self.low >= self.high:
            raise ValueError("low must be less than high")
        if self.log and self.low <= 0:
            raise ValueError("low must be above 0 where log is true")
        if self.whole and not (self.low.is_integer() and self.high.is_integer()):
            raise ValueError("low and high must be whole numbers where int is true")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the largest value, as whole numbers where only these are drawn."""
        return (int(self.low), int(self.high)) if self.whole else (self.low, self.high)


Choices = tuple[Any, ...]
Space = Mapping[str, Range | Choices]

_NEURAL: Space = {
    "training.learning_rate": Range(low=1e-5, high=1e-2, log=True),
    "training.batch_size": (32, 64, 128),
    "backbone.options.embedding": (32, 64, 128),
    "head.options.hidden": (128, 256, 512),
    "head.options.kernels": ([3, 5, 7], [3, 5, 9], [3, 7, 11]),
}
_SVM: Space = {
    "c": ([0.1], [1.0], [10.0]),
    "gamma": (["scale"], ["auto"], [0.01], [0.1], [1.0]),
}
_BOOSTING: Space = {
    "rounds": Range(low=60, high=400, log=True, whole=True),
    "learning_rate": Range(low=0.02, high=0.3, log=True),
    "leaves": Range(low=7, high=63, log=True, whole=True),
    "features_per_split": Range(low=0.1, high=1.0),
    "smallest_leaf": Range(low=5, high=60, log=True, whole=True),
    "l2": Range(low=0.1, high=30.0, log=True),
}
_HEAD: Space = {
    "training.learning_rate": Range(low=1e-4, high=1e-2, log=True),
    "training.weight_decay": Range(low=1e-5, high=1e-1, log=True),
    "training.batch_size": (32, 64, 128),
    "head.options.dropout": Range(low=0.0, high=0.6),
}
_LINEAR: Space = {"c": ([0.0001], [0.001], [0.01], [0.1], [1.0])}
DEFAULT_SPACES: Mapping[str, Space] = {
    "svm": _SVM,
    "neural": _NEURAL,
    "boosting": _BOOSTING,
    "head": _HEAD,
    "linear": _LINEAR,
}
"""By classifier. Those of `svm` and `neural` are of Li, "Benchmarking Transformer-Based Embeddings for
Protein Subcellular Localization"."""


def default_space(classifier: Component) -> Space:
    """The space of a classifier, less the options that its own variants do not have.

    Raises:
        ConfigError: It has no space of its own.
    """
    space = DEFAULT_SPACES.get(classifier.name)
    if space is None:
        raise ConfigError(f"classifier '{classifier.name}' has no space of its own: give one as tune.space")
    there = set(option_paths(classifier))
    return {path: domain for path, domain in space.items() if path in there}


def option_paths(classifier: Component) -> tuple[str, ...]:
    """Paths of all options of a classifier and of the variants that it is built from.

    Raises:
        ConfigError: An option of any of them is not allowed.
    """
    return tuple(_paths(_config("classifier", classifier)))


def _paths(config: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(config).model_fields:
        value = getattr(config, name)
        if _is_variant(name, value):
            yield f"{prefix}{name}.name"
            yield from _paths(_config(name, value), f"{prefix}{name}.options.")
        elif isinstance(value, BaseModel):
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def _is_variant(name: str, value: Any) -> bool:
    """Whether an option is itself a registered variant with options."""
    return name in registry.FOLDERS and hasattr(value, "name") and hasattr(value, "options")


def _config(kind: str, component: Any) -> BaseModel:
    try:
        config: BaseModel = registry.get(kind, component.name).Config(**component.options)
    except ValidationError as error:
        raise ConfigError(f"{kind} '{component.name}': {explain(error)}") from None
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{kind} '{component.name}'", error.name or "torch", "train") from None
    return config


def configured(classifier: Component, values: Mapping[str, Any]) -> Component:
    """The classifier with some of its options, by path, set to these values."""
    config = _config("classifier", classifier)
    own = {name: getattr(config, name) for name in type(config).model_fields}
    # Options of a variant mean nothing without its name, which the configuration may leave to the default.
    options: dict[str, Any] = {n: {"name": value.name} for n, value in own.items() if _is_variant(n, value)}
    options = presets.merged(options, classifier.options)
    for path, value in values.items():
        *above, last = path.split(".")
        nested: dict[str, Any] = {last: value}
        for name in reversed(above):
            nested = {name: nested}
        options = presets.merged(options, nested)
    return Component(name=classifier.name, options=options)


def check(classifier: Component, space: Space) -> None:
    """Refuse a space that names an option or holds a value that the classifier does not have.

    Raises:
        UnknownNameError: There is no option of a path.
        ConfigError: A choice, or an end of a range, is not allowed.
    """
    allowed = option_paths(classifier)
    if unknown := [path for path in space if path not in allowed]:
        raise UnknownNameError(f"option of classifier '{classifier.name}' in tune.space", unknown[0], allowed)
    first = {path: _probes(domain)[0] for path, domain in space.items()}
    for path, domain in space.items():
        for value in _probes(domain):
            try:
                option_paths(configured(classifier, {**first, path: value}))
            except ConfigError as fault:
                raise ConfigError(f"tune.space, {path}: {value!r} is not allowed: {fault}") from None


def _probes(domain: Range | Choices) -> tuple[Any, ...]:
    return domain.ends if isinstance(domain, Range) else domain


def encoded(choice: Any) -> Any:
    """A choice as Optuna keeps it: a scalar as it is, anything else as JSON."""
    return choice if choice is None or isinstance(choice, bool | int | float | str) else json.dumps(choice)


def decoded(domain: Range | Choices, value: Any) -> Any:
    """What `encoded` was made from."""
    return value if isinstance(domain, Range) else domain[[encoded(c) for c in domain].index(value)]


def repeated(choices: Choices) -> Any:
    """A choice that equals another one as Optuna keeps them; None if there is none."""
    pairs = itertools.combinations([encoded(choice) for choice in choices], 2)
    return next((b for a, b in pairs if a == b), None)


def combinations(space: Space) -> list[dict[str, Any]]:
    """All combinations of encoded choices, the last path changing fastest."""
    columns = [[encoded(c) for c in domain] for domain in space.values() if not isinstance(domain, Range)]
    return [dict(zip(space, row, strict=True)) for row in itertools.product(*columns)]


def n_combinations(space: Space) -> int:
    """How many combinations there are of choices."""
    return math.prod(len(domain) for domain in space.values() if not isinstance(domain, Range))


def suggested(trial: Any, space: Space) -> dict[str, Any]:
    """The value of each path in an Optuna trial, drawn where it has none yet."""
    values: dict[str, Any] = {}
    for path, domain in space.items():
        if not isinstance(domain, Range):
            value = trial.suggest_categorical(path, [encoded(choice) for choice in domain])
        elif domain.whole:
            value = trial.suggest_int(path, *domain.ends, log=domain.log)
        else:
            value = trial.suggest_float(path, *domain.ends, log=domain.log)
        values[path] = decoded(domain, value)
    return values
