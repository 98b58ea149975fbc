"""Where a model is trained: on one device, copied on several, or sharded over them.

Hugging Face Accelerate places it, as `accelerate launch` was told. Whatever the place, a checkpoint holds the
same: whole weights, and the optimizer's state by the number of each parameter. So a run goes on in another
number of processes.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from sortilin import device
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.training import launched, processes, weights
from sortilin.training.config import TrainingConfig

_USE_FSDP = "ACCELERATE_USE_FSDP"
_own_kinds: list[Any] = []
"""What Accelerate found of its own accord, before it was told to shard; it keeps one answer for a process."""


class Placed:
    """A model with its optimizer, and with their moving average, in the place where they are trained.

    Args:
        model: On the CPU; with `_no_split_modules`, names of the classes of its layers, it can be sharded.
        config: Options of the run.

    Attributes:
        accelerator: Of Hugging Face.
        processes: All that train it.
        model: What is called in training.
        bare: The same without what Accelerate wraps around it, for validation.
        optimizer: Of its weights.
        average: Moving average of the weights; None without.
        is_sharded: Whether each process holds a part of it.
    """

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        self.is_sharded = _is_to_be_sharded(model)
        if self.is_sharded and config.average is not None:
            raise ConfigError(
                f"training.average is {config.average}, and a model that is sharded (FSDP) keeps no average: "
                "leave it out, or launch without FSDP"
            )
        self.accelerator = _accelerator(model, config, is_sharded=self.is_sharded)
        self.processes = processes.current()
        self._given = model
        # What is sharded in place is never whole again; the model that was given is kept to take the best.
        self.bare = copy.deepcopy(model) if self.is_sharded else model
        if self.accelerator.device.type == "cpu":
            device.keep_memory()
        self.model, self.optimizer = self.accelerator.prepare(self.bare, self._optimizer(config))
        if self.is_sharded:
            self.bare = self.model
        self.average = _average(self.bare, config.average)

    def _optimizer(self, config: TrainingConfig) -> torch.optim.Optimizer:
        kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
        # In one pass over the weights, without copies of them; gradients in half precision are scaled.
        fused = self.accelerator.scaler is None
        groups = weights.groups(self.bare)
        return kind(groups, lr=config.learning_rate, weight_decay=config.weight_decay, fused=fused)

    @property
    def watched(self) -> nn.Module:
        """What is validated and kept: the average, if there is one."""
        return self.bare if self.average is None else self.average.module

    def looking(self) -> AbstractContextManager[Any]:
        """Without gradients; for validation."""
        # Sharded weights that are gathered in inference mode could not be written to afterwards.
        return torch.no_grad() if self.is_sharded else torch.inference_mode()

    def align_buffers(self) -> None:
        """Give all processes the first one's running means of batch norm, which saw its own rows."""
        self.processes.align(self.watched.buffers())

    def kept(self) -> dict[str, Tensor]:
        """Whole weights of what is watched, on the CPU; of a sharded model in the first process alone."""
        if self.is_sharded:
            return _sharded_weights(self.bare)
        return {name: t.detach().cpu().clone() for name, t in weights.trained(self.watched).items()}

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds of it; every process of a sharded model has to ask."""
        if self.is_sharded:
            state = {"model": _sharded_weights(self.bare), "optimizer": self._sharded_moments()}
        else:
            state = {"model": weights.trained(self.bare), "optimizer": self.optimizer.state_dict()}
        if self.accelerator.scaler is not None:
            state["scaler"] = self.accelerator.scaler.state_dict()
        if self.average is not None:
            state["average"] = weights.trained(self.average)
        return state

    def put(self, state: Mapping[str, Any] | None) -> None:
        """Put back what `state` gave, in this or another place; only the first process has to have it."""
        if self.is_sharded:
            self._put_sharded(state)
        whole = ("scaler",) if self.is_sharded else ("model", "optimizer", "scaler", "average")
        found: Any = self.processes.from_first(
            state and {name: state[name] for name in whole if name in state}
        )
        if not self.is_sharded:
            weights.put(self.bare, found["model"])
            self.optimizer.load_state_dict(found["optimizer"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(found["scaler"])
        if self.average is not None:
            weights.put(self.average, found["average"])

    def finish(self, best: Mapping[str, Tensor]) -> None:
        """Leave the model that was given on the CPU, ready to predict, with these weights.

        Where it was sharded that is done in the first process alone.
        """
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        if self.processes.is_first or not self.is_sharded:
            weights.put(self._given, best)
        self._given.to("cpu").eval()
        self.accelerator.free_memory()

    # --- sharded

    def _sharded_moments(self) -> dict[str, Any]:
        """State of the optimizer as one that is not sharded has it: parameters by number, in their order."""
        from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict

        found: Any = get_optimizer_state_dict(self.bare, self.optimizer.optimizer, options=_whole())
        if not self.processes.is_first:
            return {}
        numbers = self._numbers()
        groups = [
            {**group, "params": [numbers[name] for name in group["params"]]}
            for group in found["param_groups"]
        ]
        return {
            "state": {numbers[name]: state for name, state in found["state"].items()},
            "param_groups": sorted(groups, key=lambda group: group["params"]),
        }

    def _put_sharded(self, state: Mapping[str, Any] | None) -> None:
        from torch.distributed.checkpoint.state_dict import set_model_state_dict, set_optimizer_state_dict

        options = _whole(is_read=True)
        set_model_state_dict(self.bare, dict(state["model"]) if state else {}, options=options)
        moments = self._named_moments(state["optimizer"]) if state else {}
        set_optimizer_state_dict(self.bare, self.optimizer.optimizer, moments, options=options)

    def _named_moments(self, moments: Mapping[str, Any]) -> dict[str, Any]:
        names = {number: name for name, number in self._numbers().items()}
        return {
            "state": {names[number]: its for number, its in moments["state"].items()},
            "param_groups": [
                {**group, "params": [names[number] for number in group["params"]]}
                for group in moments["param_groups"]
            ],
        }

    def _numbers(self) -> dict[str, int]:
        """Number of each parameter in the optimizer, by its name."""
        names = {id(parameter): name for name, parameter in self.bare.named_parameters()}
        ordered = [p for group in self.optimizer.param_groups for p in group["params"]]
        return {names[id(parameter)]: number for number, parameter in enumerate(ordered)}


def _whole(*, is_read: bool = False) -> Any:
    """How whole weights are asked for, or, where they were read, given to all by the first process."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(
        full_state_dict=True,
        cpu_offload=not is_read,
        ignore_frozen_params=True,
        strict=not is_read,
        broadcast_from_rank0=is_read,
    )


def _sharded_weights(model: nn.Module) -> dict[str, Tensor]:
    from torch.distributed.checkpoint.state_dict import get_model_state_dict

    found: Any = get_model_state_dict(model, options=_whole())
    return {name: value.clone() for name, value in found.items()}


def _is_to_be_sharded(model: nn.Module) -> bool:
    """Whether the launcher was told to shard, and the model is one of layers that can be."""
    is_asked = os.environ.get(_USE_FSDP, "").lower() == "true" and launched.n_launched() > 1
    if not is_asked or not getattr(model, "_no_split_modules", None):
        return False
    if (version := os.environ.get("FSDP_VERSION", "1")) != "2":
        raise ConfigError(
            f"a model is sharded by version 2 of FSDP, and this was launched with version {version}: give "
            "--fsdp_version 2, or fsdp_version: 2 in the configuration of accelerate"
        )
    return True


def _accelerator(model: nn.Module, config: TrainingConfig, *, is_sharded: bool) -> Any:
    try:
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState, PartialState
        from accelerate.utils import DistributedDataParallelKwargs, DistributedType
    except ImportError:
        raise MissingDependencyError("training a network", "accelerate", "train") from None
    # Its state is kept for the process; another model may want another precision, or no shards.
    AcceleratorState._reset_state()
    precision = device.mixed_precision(config.precision)
    found = launched.start()
    if found.num_processes == 1:
        return Accelerator(mixed_precision=precision)
    _own_kinds.append(found.distributed_type)
    # Sharding is looked for on GPUs alone; the same code shards over processes on processors.
    kind = DistributedType.MULTI_GPU if is_sharded else _own_kinds[0]
    PartialState._shared_state["distributed_type"] = kind
    copies = DistributedDataParallelKwargs(find_unused_parameters=getattr(model, "leaves_out", False))
    with _sharding(is_asked=is_sharded):
        accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[copies])
    if is_sharded:
        # Half precision is autocast's, as elsewhere: weights that are cast do not go with batch norm.
        accelerator.state.fsdp_plugin.mixed_precision_policy = None
    return accelerator


@contextmanager
def _sharding(*, is_asked: bool) -> Iterator[None]:
    """Let Accelerate see for a moment whether this model is to be sharded."""
    before = os.environ.get(_USE_FSDP)
    os.environ[_USE_FSDP] = str(is_asked).lower()
    try:
        yield
    finally:
        os.environ.pop(_USE_FSDP)
        if before is not None:
            os.environ[_USE_FSDP] = before


def _average(model: nn.Module, decay: float | None) -> Any:
    if decay is None:
        return None
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    moving: Any = get_ema_multi_avg_fn  # untyped in torch
    return AveragedModel(model, multi_avg_fn=moving(decay), use_buffers=True)
