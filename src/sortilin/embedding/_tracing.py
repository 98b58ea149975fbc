"""A language model as a function of tokens alone, for tracing: no mask, because nothing is padded."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sortilin.language_models import LoadedModel

TOKENS, HIDDEN = "ids", "hidden"
"""Names of a graph's input and output."""

_EXAMPLE_RESIDUES = "MKVLATGDERWYCHNQSPFI"


def unpadded(model: LoadedModel, layer: int) -> Any:
    """A torch module, (B, T) int64 tokens without pads → (B, T, D) float32 hidden state of a layer."""
    import torch

    is_last = layer in {-1, model.checkpoint.n_layers}

    class Unpadded(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = model.module

        def forward(self, ids: Any) -> Any:
            found = self.encoder(input_ids=ids, attention_mask=None, output_hidden_states=not is_last)
            return (found.last_hidden_state if is_last else found.hidden_states[layer]).float()

    return Unpadded().eval()


def example(model: LoadedModel) -> Any:
    """(2, T) tokens to trace with: neither axis is 1, which a tracer would take for broadcasting."""
    import torch

    row = model.vocabulary.encode(_EXAMPLE_RESIDUES)
    return torch.from_numpy(np.stack([row, row]))


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the notes of tracers, which are for their developers, from the user's terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
