"""What a card says of the members of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def sentence(described: Mapping[str, Any]) -> str:
    """How many networks and dropout masks a prediction is the mean of; empty where it is of one network.

    Args:
        described: The content of `model.json`.
    """
    about = described.get("members")
    if about is None:
        return ""
    n_networks, n_masks = about["networks"], about["dropout_samples"]
    who = "One network" if n_networks == 1 else f"{n_networks} networks with seeds of their own"
    how = f", with {n_masks} fixed dropout masks each" if n_masks else ""
    return (
        f"{who}{how}: a probability is the mean of {n_networks * max(n_masks, 1)} opinions, and each "
        "prediction says how far these are apart (`spread`, `disagreement`)."
    )
