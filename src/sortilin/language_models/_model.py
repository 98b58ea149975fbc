"""A language model that is ready to compute.

Axis letters: B batch, T tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortilin.errors import ConfigError
from sortilin.language_models._checkpoint import Checkpoint
from sortilin.language_models._vocabulary import Vocabulary

LAST = -1


@dataclass(frozen=True)
class LoadedModel:
    """A checkpoint in torch: the encoder alone, in eval mode, without gradients.

    Attributes:
        checkpoint: What it is.
        vocabulary: How sequences become tokens.
        module: The torch module of transformers.
        folder: Where its files lie; a path that holds nothing with random weights.
    """

    checkpoint: Checkpoint
    vocabulary: Vocabulary
    module: Any
    folder: Path

    def hidden(self, ids: Any, attention: Any, *, layer: int = LAST) -> Any:
        """Hidden state of one layer, for every token.

        Args:
            ids: (B, T) int64 tokens.
            attention: (B, T) bool, False at pads; None where there is none, which computes faster.
            layer: -1 for the last, after the final norm if there is one (`last_hidden_state` in
                transformers); 0 for the embedding; k for what leaves layer k. The number of layers is the
                last as well.

        Returns:
            (B, T, D) float32; what stands at pads has no meaning.

        Raises:
            ConfigError: There is no such layer.
        """
        n_layers = self.checkpoint.n_layers
        if not LAST <= layer <= n_layers:
            raise ConfigError(
                f"{self.checkpoint.name} has no layer {layer}; allowed: 0 (the embedding) to {n_layers}, "
                f"or {LAST} for the last"
            )
        is_last = layer in (LAST, n_layers)
        found = self.module(
            input_ids=ids,
            attention_mask=None if attention is None else attention.long(),
            output_hidden_states=not is_last,
        )
        return (found.last_hidden_state if is_last else found.hidden_states[layer]).float()
