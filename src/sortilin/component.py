"""A variant by name with its options, as configurations and model folders have it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sortilin import registry
from sortilin.errors import ConfigError
from sortilin.interfaces import Descriptor


class Component(BaseModel):
    """A registered variant and its options.

    Attributes:
        name: Its registered name.
        options: Passed to the variant's own Config, which refuses what it does not know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    options: dict[str, Any] = {}

    def resolved(self, kind: str) -> tuple[Any, Any]:
        """The variant's class, and its configuration.

        Raises:
            UnknownNameError: No variant of this kind has the name.
            ConfigError: An option is unknown or its value not allowed.
        """
        variant = registry.get(kind, self.name)
        try:
            return variant, variant.Config(**self.options)
        except ValidationError as error:
            raise ConfigError(f"{kind} '{self.name}': {explain(error)}") from None

    def build(self, kind: str) -> Any:
        """The variant, configured; see `resolved`."""
        variant, config = self.resolved(kind)
        return variant(config)


def recorded(name: str, descriptor: Descriptor) -> dict[str, Any]:
    """What `model.json` says of a descriptor set, so that a predictor makes the same features.

    A descriptor set may have a method `recorded`, which gives what is kept in place of its options
    (`config`), and what else is worth keeping.
    """
    options: Any = descriptor
    own: dict[str, Any] = getattr(descriptor, "recorded", dict)()
    return {
        "name": name,
        "config": options.config.model_dump(mode="json"),
        "n_features": len(descriptor.feature_names),
        **own,
    }


def explain(error: ValidationError) -> str:
    """A validation error in one line: where, what was found, what is allowed."""
    faults = []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:  # of the whole, which stands nowhere and is too long to be shown
            faults.append(message)
            continue
        where = ".".join(str(part) for part in fault["loc"])
        found = "" if fault["type"] == "missing" else f" (found {fault['input']!r})"
        faults.append(f"{where}: {message}{found}")
    return "; ".join(faults)
