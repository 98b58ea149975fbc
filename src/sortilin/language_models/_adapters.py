"""Low-rank adapters (LoRA; Hu et al. 2022, arXiv:2106.09685) in a language model, and their files.

A weight W of a linear layer becomes W + (alpha / rank) B A, of which A and B alone are trained; B begins
at 0, so that the model begins as it was. Adapters are PEFT's, and so are their files, which its
`PeftModel.from_pretrained` reads as well.
"""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sortilin.errors import BackboneError, ConfigError, MissingDependencyError
from sortilin.language_models import _catalog
from sortilin.language_models._model import LoadedModel

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
"""Names of the files, as PEFT has them."""


def add_adapter(
    model: LoadedModel,
    *,
    rank: int,
    alpha: float,
    dropout: float,
    targets: Sequence[str] | None,
    seed: int,
) -> Any:
    """Put adapters into a model, in place; they alone are to be trained.

    Args:
        model: A model without adapters.
        rank: Columns of B and rows of A.
        alpha: The adapters' part is multiplied by alpha / rank.
        dropout: On what enters an adapter.
        targets: Names of linear layers, or how they end; None for those of the family.
        seed: Of the matrices A.

    Returns:
        PEFT's model around it, for `save_adapter`.

    Raises:
        ConfigError: No layer has such a name.
        MissingDependencyError: peft is not installed.
    """
    check_peft()
    import torch
    from peft import LoraConfig, get_peft_model

    wanted = _targets(model) if targets is None else list(targets)
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=wanted)  # type: ignore[arg-type]
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(seed)
        try:
            return get_peft_model(model.module, config)
        except ValueError as error:
            raise ConfigError(
                f"{model.checkpoint.name} has no layer that takes an adapter by the name {wanted}; allowed: "
                f"{', '.join(linear_layers(model))}"
            ) from error


def check_peft() -> None:
    """See whether adapters are possible.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    if importlib.util.find_spec("peft") is None:
        raise MissingDependencyError("training adapters", "peft", "plm")


@contextmanager
def _quiet() -> Iterator[None]:
    """Stops what PEFT makes transformers say of names that it will drop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def _targets(model: LoadedModel) -> str | list[str]:
    found = _catalog.rules_of(model.module).lora_targets
    return found if isinstance(found, str) else list(found)


def linear_layers(model: LoadedModel) -> list[str]:
    """How the names of its linear layers end, each once."""
    import torch

    named = model.module.named_modules()
    found = (name for name, module in named if isinstance(module, torch.nn.Linear))
    return sorted({name.rpartition(".")[2] for name in found})


def save_adapter(adapted: Any, model: LoadedModel, folder: Path) -> None:
    """Write what `add_adapter` added, and nothing of the model below, into a folder.

    Raises:
        OSError: It cannot be written.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    # Asked to find out itself whether embeddings belong to it, it would look at the hub.
    weights = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    save_file(
        {name: weights[name].contiguous() for name in sorted(weights)}, folder / WEIGHTS, {"format": "pt"}
    )
    options = adapted.peft_config["default"].to_dict()
    options |= {
        "base_model_name_or_path": model.checkpoint.origin,
        "revision": model.checkpoint.revision,
        "inference_mode": True,
    }
    # Its own writer leaves sets in the order of the process's hashes.
    text = json.dumps(options, indent=2, sort_keys=True, default=_plain)
    (folder / CONFIG).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


def with_adapter(model: LoadedModel, folder: Path, *, revision: str) -> LoadedModel:
    """A model with the adapters of a folder in it, as they were in training; the one given is changed.

    They are not merged into the weights: that would round each weight once more.

    Args:
        model: The model that they were trained on.
        folder: What `save_adapter` wrote.
        revision: What tells the result from the model and from other adapters of it.

    Raises:
        BackboneError: The adapters cannot be read, or are none of this model's.
        MissingDependencyError: peft is not installed.
    """
    check_peft()
    from peft import PeftModel

    try:
        with _quiet():
            adapted = PeftModel.from_pretrained(model.module, str(folder))
    except Exception as error:  # whatever a foreign file leads to
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"{folder}: the adapters cannot be put into {model.checkpoint.name}: {reason}"
        ) from error
    return LoadedModel(
        replace(model.checkpoint, revision=revision),
        model.vocabulary,
        adapted.get_base_model().eval().requires_grad_(requires_grad=False),
        model.folder,
    )
