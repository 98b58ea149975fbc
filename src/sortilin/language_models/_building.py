"""Models with random weights, for tests and benchmarks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from sortilin import registry
from sortilin.errors import ConfigError, UnknownNameError
from sortilin.language_models import _catalog
from sortilin.language_models._checkpoint import RANDOM, Checkpoint
from sortilin.language_models._family import Family
from sortilin.language_models._model import LoadedModel


def from_config(name: str, *, seed: int, n_layers: int | None = None) -> LoadedModel:
    """The architecture and the vocabulary of a checkpoint with RANDOM weights; no file is read.

    For tests and for benchmarks of speed only: its vectors say nothing of proteins. Its revision
    ("random-...") keeps them apart from those of the trained model.

    Args:
        name: Short name of a checkpoint.
        seed: Where the weights come from; the same for the same seed.
        n_layers: Fewer layers than the checkpoint has; None for all.

    Raises:
        UnknownNameError: There is no such checkpoint.
        ConfigError: Fewer than one layer.
        MissingDependencyError: torch or transformers is not installed.
    """
    published = _catalog.table().get(name)
    if published is None:
        raise UnknownNameError("backbone", name, _catalog.names())
    if n_layers is not None and n_layers < 1:
        raise ConfigError(f"n_layers is {n_layers}; allowed: 1 or more")
    family: type[Family] = registry.get(_catalog.KIND, published.family)
    checkpoint = replace(
        published,
        revision=f"{RANDOM}-{seed}",
        n_layers=published.n_layers if n_layers is None else n_layers,
    )
    module = build(family, checkpoint, seed=seed)
    n_parameters = sum(parameter.numel() for parameter in module.parameters())
    checkpoint = replace(checkpoint, n_parameters=n_parameters)
    return LoadedModel(checkpoint, family.vocabulary(), module, Path(os.devnull))


def build(family: type[Family], checkpoint: Checkpoint, *, seed: int) -> Any:
    """The module of a checkpoint with weights drawn from a seed."""
    import torch

    config = family.config_class()(**family.options(checkpoint))
    model_class, options = family.module_class()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = model_class(config, **options)
    return module.eval().requires_grad_(requires_grad=False)
