"""Checkpoints and families by name."""

from __future__ import annotations

from functools import cache
from typing import Any

from sortilin import registry
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._family import Family

KIND = "language_model"
ANY = "huggingface"
"""The family of checkpoints that stand in no table."""


@cache
def families() -> tuple[type[Family], ...]:
    """All families, the one with the smallest checkpoint first; the one without a table last."""
    found: list[type[Family]] = [registry.get(KIND, name) for name in registry.names(KIND)]
    return tuple(sorted(found, key=_smallest))


def _smallest(family: type[Family]) -> float:
    return min((checkpoint.n_parameters for checkpoint in family.checkpoints), default=float("inf"))


@cache
def table() -> dict[str, Checkpoint]:
    """Short name → checkpoint."""
    return {checkpoint.name: checkpoint for family in families() for checkpoint in family.checkpoints}


def names() -> tuple[str, ...]:
    """Short names of all checkpoints, families in order of size."""
    return tuple(table())


def find(name: str) -> Checkpoint | None:
    """The listed checkpoint of that short name or hub id; None if there is none."""
    found = table().get(name)
    return found or next((row for row in table().values() if row.hub_id == name), None)


def rules_of(module: Any) -> type[Family]:
    """The family whose rules a loaded module follows, also where it comes from a folder of one's own."""
    return family_of_type(str(module.config.model_type))


def family_of_type(model_type: str) -> type[Family]:
    """The family whose `config.json` has that `model_type`; the one for any encoder if there is none."""
    found: type[Family] = registry.get(KIND, ANY)
    return next((family for family in families() if family.model_type == model_type), found)
