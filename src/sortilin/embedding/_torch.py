"""Torch: the reference, and the only engine on a GPU.

Axis letters: B batch, T tokens, D width.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, cast

from sortilin import device
from sortilin.embedding.engines import BFLOAT16, TORCH, BoolArray, FloatArray, IntArray
from sortilin.language_models import LoadedModel


class TorchEngine:
    """transformers' own forward pass, with PyTorch's fused attention.

    bfloat16 is mixed precision: matrix products run in it, norms and the residual stream in float32.

    Args:
        model: It moves to the GPU if there is one.
        layer: The hidden state that is given.
        precision: "float32" or "bfloat16".
        threads: Cores of a processor; None leaves what torch is set to.
    """

    name: ClassVar[str] = TORCH
    n_workers = 1

    def __init__(self, model: LoadedModel, *, layer: int, precision: str, threads: int | None) -> None:
        import torch

        self.vocabulary = model.vocabulary
        self._model, self._layer, self._precision = model, layer, precision
        self._device = "cuda" if device.has_gpu() else "cpu"
        self.pads = self._device != "cpu"
        model.module.to(self._device)
        if threads is not None and not self.pads:
            torch.set_num_threads(threads)

    def hidden(self, ids: IntArray, attention: BoolArray) -> FloatArray:
        """See `Engine.hidden`."""
        import torch

        with torch.inference_mode(), self._mixed():
            found = self._model.hidden(self._tensor(ids), self._tensor(attention), layer=self._layer)
        return cast(FloatArray, found.cpu().numpy())

    def recover(self) -> None:
        """Give cached blocks of the GPU back."""
        import torch

        if self.pads:
            torch.cuda.empty_cache()

    def _tensor(self, array: Any) -> Any:
        import torch

        return torch.from_numpy(array).to(self._device)

    def _mixed(self) -> AbstractContextManager[Any]:
        import torch

        if self._precision != BFLOAT16:
            return nullcontext()
        return torch.autocast(self._device, dtype=torch.bfloat16)
