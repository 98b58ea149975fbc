"""Several opinions of one network: members with weights of their own, and fixed dropout masks.

Deep ensembles (Lakshminarayanan, Pritzel & Blundell 2017, arXiv:1612.01474): networks that learn from the
same rows with other first weights and another order. Dropout when predicting (Gal & Ghahramani 2016,
arXiv:1506.02142): the same network with units left out. Masks are drawn once, from the seed; a mask is one
for all sequences and all positions (the variational form of Gal & Ghahramani 2016, arXiv:1512.05287), so that
batch, order and pads change nothing. What is predicted is the mean of the probabilities.

Axis letters: N sequences, B batch, L residues, C classes, S scores, K members, M masks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.seeding import generator

Module = TypeVar("Module", bound=nn.Module)
Masks = dict[str, NDArray[np.float32]]
"""Name of a dropout layer in its network → (M, ...) factors, 0 or 1 / (1 - p)."""

PROBES = (5, 9), (7, 31)
"""Sequences and positions that a network is looked at with, twice: what differs is no axis of units."""

_WIDTH = 8
"""Of the vectors of a head that is only looked at."""

_FAR_APART = 100_000
"""Between the factors of two placeholders; more units than a layer has."""


class Masked(nn.Module):
    """A network with M fixed masks for each of its dropout layers; in evaluation mode.

    Args:
        network: Is taken as it is, and stays so.
        masks: As `drawn` gives them.
    """

    def __init__(self, network: nn.Module, masks: Masks) -> None:
        super().__init__()
        self.network, self.names = network, tuple(masks)
        for number, its_masks in enumerate(masks.values()):
            self.register_buffer(f"masks_{number}", torch.from_numpy(its_masks))

    def each(self) -> Iterator[nn.Module]:
        """The network, with one mask after another in each layer."""
        masks: list[Tensor] = [self.get_buffer(f"masks_{number}") for number in range(len(self.names))]
        for number in range(len(masks[0])):
            with _left_out(self.network, {n: m[number] for n, m in zip(self.names, masks, strict=True)}):
                yield self.network


@contextmanager
def _left_out(network: nn.Module, masks: Mapping[str, Tensor]) -> Iterator[None]:
    """Meanwhile what these layers give, in evaluation what they are given, is multiplied by their mask."""
    hooks = [
        network.get_submodule(name).register_forward_hook(lambda _layer, _given, x, mask=mask: x * mask)
        for name, mask in masks.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


class Mean(nn.Module):
    """Networks of the same arguments → the logarithm of the mean of their probabilities.

    Args:
        networks: K of them; each with M masks if it is `Masked`.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def each(self) -> Iterator[nn.Module]:
        """All K x M, the masks of a member one behind the other."""
        for network in self.networks:
            yield from network.each() if isinstance(network, Masked) else (network,)

    def members(self, *arguments: Tensor) -> Tensor:
        """Arguments of a network → (B, K M, C) log-probabilities of each."""
        found = [network(*arguments).log_softmax(dim=1) for network in self.each()]
        return torch.stack(found, dim=1)

    def forward(self, *arguments: Tensor) -> Tensor:
        """Arguments of a network → (B, C) log-probabilities."""
        return mean_of_logs(self.members(*arguments))

    def attention(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities (B, C) and the mean of the members' weights (B, L)."""
        both: list[Any] = [network.attention(*arguments) for network in self.each()]  # type: ignore[operator]
        logs = torch.stack([logits.log_softmax(dim=1) for logits, _ in both], dim=1)
        return mean_of_logs(logs), torch.stack([weights for _, weights in both]).mean(dim=0)

    def backbone(self, batch: Tensor, mask: Tensor) -> Tensor:
        """Of `Network`s: (B, L) tokens, (B, L) mask → (B, L, K D), the members' vectors side by side."""
        return torch.cat([network.backbone(batch, mask) for network in self.bare()], dim=2)

    def head(self, x: Tensor, mask: Tensor) -> Tensor:
        """What `backbone` gave, and its mask → (B, C) log-probabilities."""
        logs = []
        for network, part in zip(self.networks, x.chunk(len(self.networks), dim=2), strict=True):
            each: Any = network.each() if isinstance(network, Masked) else (network,)
            logs += [one.head(part, mask).log_softmax(dim=1) for one in each]
        return mean_of_logs(torch.stack(logs, dim=1))

    def bare(self) -> list[Any]:
        """The K networks."""
        return [network.network if isinstance(network, Masked) else network for network in self.networks]


def mean_of_logs(logs: Tensor) -> Tensor:
    """(B, K, C) log-probabilities → (B, C): the logarithm of their mean."""
    return logs.logsumexp(dim=1) - float(np.log(logs.shape[1]))


# --- dropout layers


class _Placeholder(nn.Module):
    """In place of a dropout layer: a factor that can be found again in an exported graph."""

    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.factor = nn.Buffer(factor)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape that the factor fits → the same."""
        return x * self.factor


def with_placeholders(network: Module, masks: Masks) -> tuple[Module, list[NDArray[np.float32]]]:
    """A copy with a factor of its own in place of each masked layer, and those factors; no two are alike."""
    network, factors = copy.deepcopy(network).eval(), []
    for number, (name, its_masks) in enumerate(masks.items()):
        shape = its_masks.shape[1:]
        first = (1 + number) * _FAR_APART
        factor = np.arange(first, first + np.prod(shape), dtype=np.float32).reshape(shape) + np.float32(0.5)
        above, _, own = name.rpartition(".")
        setattr(network.get_submodule(above), own, _Placeholder(torch.from_numpy(factor)))
        factors.append(factor)
    return network, factors


def layers_of(network: nn.Module) -> dict[str, nn.Dropout]:
    """Name → dropout layer that leaves something out."""
    named = network.named_modules()
    return {name: part for name, part in named if isinstance(part, nn.Dropout) and part.p > 0}


def drawn(network: nn.Module, arguments: Sequence[tuple[Tensor, ...]], n: int, seed: int) -> Masks:
    """N masks for each dropout layer of a network, which leave out as many units as it does in training.

    Args:
        network: Ends in evaluation mode.
        arguments: Two sets of them, of as many sequences and positions as `PROBES` has.
        n: How many masks.
        seed: Draws them.
    """
    shapes = _shapes(network, arguments)
    masks: Masks = {}
    for name, layer in layers_of(network).items():
        if name not in shapes:
            continue  # a layer that is not used
        draws = generator(seed, "dropout masks", name).random((n, *shapes[name]))
        masks[name] = ((draws >= layer.p) / (1 - layer.p)).astype(np.float32)
    return masks


def _shapes(network: nn.Module, arguments: Sequence[tuple[Tensor, ...]]) -> dict[str, tuple[int, ...]]:
    """Name of a dropout layer → shape of a mask: 1 where its input has sequences or positions."""
    met: dict[str, list[torch.Size]] = {}
    hooks = [
        layer.register_forward_pre_hook(
            lambda _layer, given, name=name: met.setdefault(name, []).append(given[0].shape)
        )
        for name, layer in layers_of(network).items()
    ]
    try:
        with torch.inference_mode():
            for given in arguments:
                network.eval()(*given)
    finally:
        for hook in hooks:
            hook.remove()
    # A layer that is used several times was met as often with the first arguments as with the second.
    return {
        name: tuple(size if size == other else 1 for size, other in zip(sizes[0], sizes[-1], strict=True))
        for name, sizes in met.items()
    }


def require_dropout(head: Component, n: int) -> None:
    """Refuse one mask, and any number of a head that leaves nothing out.

    Raises:
        ConfigError: It is so.
    """
    if n == 1:
        raise ConfigError("dropout_samples is 1; allowed: 0 for none, or 2 and more, which can differ")
    variant, config = head.resolved("head")
    with torch.random.fork_rng(devices=[]):
        built = variant(config, width=_WIDTH, n_classes=2)
    if not layers_of(built):
        raise ConfigError(
            f"dropout_samples is {n}, and head '{head.name}' leaves nothing out: set its option dropout "
            "above 0, or leave out dropout_samples and set members above 1"
        )
