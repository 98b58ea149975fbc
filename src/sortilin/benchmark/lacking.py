"""Models that cannot be run here for want of weights: listed with what was published, never filled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sortilin import language_models
from sortilin.errors import BackboneError, ConfigError
from sortilin.experiment.inputs import Inputs
from sortilin.experiment.presets import Preset


def commands(presets: Mapping[str, Preset], *, baselines: frozenset[str] = frozenset()) -> dict[str, str]:
    """Model → the command that brings what it lacks; models that lack nothing are left out.

    Args:
        presets: Models by name.
        baselines: Those among them that are baselines, of which none can be the best model.

    Raises:
        ConfigError: No model is left.
    """
    found = {name: _command(preset) for name, preset in presets.items()}
    absent = {name: command for name, command in found.items() if command is not None}
    if not set(presets) - set(absent) - baselines:
        if not absent:
            raise ConfigError(
                f"all models are baselines ({', '.join(presets)}); at least one has to be a model"
            )
        first = ", ".join(dict.fromkeys(absent.values()))
        raise ConfigError(f"none of the models can be run ({', '.join(absent)}): first {first}")
    return absent


def _command(preset: Preset) -> str | None:
    """A descriptor set or a classifier that needs something has a method `absent`."""
    by_features = Inputs.of(preset.features).absent()
    if by_features is not None:
        return by_features
    classifier: Any = preset.classifier.build("classifier")
    found: str | None = getattr(classifier, "absent", lambda: None)()
    return found


def reason(preset: Preset) -> str:
    """Why a model is not run: "weights of facebook/esm2_t6_8M_UR50D not available"."""
    backbone = _backbone(preset)
    if backbone is None:
        return "what it needs is not on this machine"
    try:
        origin = language_models.checkpoint(backbone).origin
    except BackboneError:  # in no table, so that its files would have to say
        origin = backbone
    return f"weights of {origin} not available"


def _backbone(preset: Preset) -> str | None:
    """The language model by the name that the options have."""
    parts = (("features", preset.features), ("classifier", preset.classifier))
    for kind, component in parts:
        named = component and getattr(component.build(kind).config, "backbone", None)
        if isinstance(named, str):
            return named
    return None


def record(preset: Preset, command: str, counterpart: str | None) -> dict[str, Any]:
    """What the results say of a model that was not run."""
    return {
        "name": preset.name,
        "title": preset.title,
        "published": counterpart,
        "reason": reason(preset),
        "command": command,
    }
