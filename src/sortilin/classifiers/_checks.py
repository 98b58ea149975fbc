"""What is refused of a network before any long work."""

from __future__ import annotations

import importlib.util
from typing import Any

from sortilin.classifiers._trained import METRICS
from sortilin.component import Component
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.training.config import LOSS, TrainingConfig

REQUIRED_PACKAGES = {
    "torch": "torch",
    "accelerate": "accelerate",
    "scikit-learn": "sklearn",
    "onnxscript": "onnxscript",  # for the export, but a long training should not end for want of it
}
"""Name to install → name to import."""


def check(training: TrainingConfig, **parts: Component) -> None:
    """Refuse what cannot be trained before any long work.

    Args:
        training: Options of the loop.
        parts: Kind → variant that the network is made of.

    Raises:
        MissingDependencyError: A package is missing.
        ConfigError: There is no such variant or metric, or no such option of one.
    """
    for package, module in REQUIRED_PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("training a network", package, "train")
    for kind, component in parts.items():
        component.resolved(kind)
    if training.metric not in (LOSS, *METRICS):
        raise ConfigError(
            f"training.metric '{training.metric}' is not measured; choose from: {', '.join((LOSS, *METRICS))}"
        )


def check_opinions(config: Any) -> None:
    """Refuse one dropout mask, which would be no spread, and dropout of a head that has none.

    Raises:
        ConfigError: It is so.
    """
    if config.dropout_samples:
        from sortilin.classifiers import _members

        _members.require_dropout(config.head, config.dropout_samples)
