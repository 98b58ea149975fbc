"""Which weights of a model the loop moves, how fast, and which of them a checkpoint has to hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

SCALE = "scale"
"""Key of a group of parameters: its learning rate as a multiple of the run's."""


def groups(model: nn.Module) -> list[dict[str, Any]]:
    """What an optimizer is given: the parameters that are trained, in groups with their `scale`.

    A model may have `parameter_groups()`, a list of mappings with `params` and, where they differ from the
    run's, `scale` (a multiple of its learning rate) and `weight_decay`. Parameters that it leaves out, and
    those of any other model, are trained at the run's learning rate.
    """
    offer: Any = getattr(model, "parameter_groups", list)
    named = offer()
    own: list[dict[str, Any]] = [
        {SCALE: 1.0, **group, "params": [p for p in group["params"] if p.requires_grad]} for group in named
    ]
    taken = {id(parameter) for group in own for parameter in group["params"]}
    rest = [p for p in model.parameters() if p.requires_grad and id(p) not in taken]
    return [group for group in [{"params": rest, SCALE: 1.0}, *own] if group["params"]]


def trained(model: nn.Module) -> dict[str, Tensor]:
    """All that training changes, by name: the state without the parameters that are fixed.

    A fixed language model is many times larger than what is trained upon it, and stays as it was read.
    """
    fixed = _fixed(model)
    return {name: value for name, value in model.state_dict().items() if name not in fixed}


def put(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put back what `trained` gave.

    Raises:
        KeyError: Weights are missing, or are none of this model's.
    """
    found = model.load_state_dict(dict(weights), strict=False)
    missing = sorted({*found.missing_keys} - _fixed(model))
    if missing or found.unexpected_keys:
        raise KeyError(f"not the weights of this model: {[*missing, *found.unexpected_keys][:3]}")


def _fixed(model: nn.Module) -> set[str]:
    named = model.named_parameters(remove_duplicate=False)
    return {name for name, parameter in named if not parameter.requires_grad}
