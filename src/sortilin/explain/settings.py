"""What a run explains, by which methods, and how: options that are checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt

from sortilin import registry
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.explain.opened import Opened
from sortilin.interfaces import Explainer

PREDICTED, ALL = "predicted", "all"
"""Values of `Settings.label` beside the names of classes."""

DEFAULT_METHODS = ("occlusion", "integrated_gradients", "attention")
"""Those of these that can explain the model, where no method is named."""

_WITH_BASELINE = "integrated_gradients"


class Settings(BaseModel):
    """Options of a run.

    Attributes:
        methods: Explainers by name; empty for all sensible ones.
        label: Which class is explained: the predicted one, all, or one by name.
        baseline: What integrated gradients compare with; None for its default.
        pictures: Sequences that are drawn, the first ones.
        check: Whether deletion and insertion curves and the agreement of methods are measured.
        checked: Sequences that these are measured on at most, the first ones.
        seed: Of the random orders that the curves are compared with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    methods: tuple[str, ...] = ()
    label: str = PREDICTED
    baseline: str | None = None
    pictures: NonNegativeInt = 20
    check: bool = True
    checked: PositiveInt = 100
    seed: NonNegativeInt = 42


def explainers(settings: Settings, opened: Opened, *, may_be_none: bool = False) -> dict[str, Explainer]:
    """Name → explainer, in the order asked for.

    Args:
        settings: What is asked for.
        opened: The model.
        may_be_none: Whether there is something to say where no method can explain the model.

    Raises:
        UnknownNameError: There is no method of that name.
        ConfigError: A method that was named cannot explain the model, or the baseline is none of its.
    """
    if settings.baseline is not None and settings.methods and _WITH_BASELINE not in settings.methods:
        raise ConfigError(
            f"a baseline is for {_WITH_BASELINE}; the methods are: {', '.join(settings.methods)}"
        )
    if not settings.methods:
        made = {name: _made(name, settings) for name in DEFAULT_METHODS}
        able = {name: one for name, one in made.items() if one.why_not(opened) is None}
        if not able and not may_be_none:
            raise ConfigError(
                f"no method can explain model '{opened.name}': {made['occlusion'].why_not(opened)}"
            )
        if settings.baseline is not None and _WITH_BASELINE not in able:
            reason = made[_WITH_BASELINE].why_not(opened)
            raise ConfigError(
                f"a baseline is for {_WITH_BASELINE}, which cannot explain model '{opened.name}': {reason}"
            )
        return able
    made = {name: _made(name, settings) for name in dict.fromkeys(settings.methods)}
    for name, one in made.items():
        if reason := one.why_not(opened):
            raise ConfigError(
                f"'{name}' cannot explain model '{opened.name}': {reason}; methods that can: {_able(opened)}"
            )
    return made


def labels(settings: Settings, opened: Opened) -> tuple[str, ...] | None:
    """The classes that are explained for every sequence; None for the predicted one of each.

    Raises:
        ConfigError: The model has no such class.
    """
    if settings.label == PREDICTED:
        return None
    if settings.label == ALL:
        return opened.classes
    if settings.label not in opened.classes:
        allowed = ", ".join((PREDICTED, ALL, *opened.classes))
        raise ConfigError(f"the model has no class '{settings.label}'; choose from: {allowed}")
    return (settings.label,)


def resolved(settings: Settings, made: Mapping[str, Explainer]) -> dict[str, Any]:
    """What shapes the results, as plain values: the settings, with all options of all methods."""
    options = {name: one.config.model_dump(mode="json") for name, one in made.items()}  # type: ignore[attr-defined]
    return {**settings.model_dump(mode="json"), "methods": options}


def _made(name: str, settings: Settings) -> Explainer:
    has_baseline = name == _WITH_BASELINE and settings.baseline is not None
    options = {"baseline": settings.baseline} if has_baseline else {}
    made: Explainer = Component(name=name, options=options).build("explainer")
    return made


def _able(opened: Opened) -> str:
    names = [n for n in registry.names("explainer") if registry.get("explainer", n)().why_not(opened) is None]
    return ", ".join(names) or "none"
