"""The files of fair-esm's `esm-extract` (2.0.0, scripts/extract.py): one .pt file a sequence, or a folder.

Each holds a dictionary with `label`, the whole FASTA header, and `mean_representations` (D,) and
`representations` (L, D) by number of the layer. A file is named by its label, with folders where that has
slashes. Long sequences were cut (1,022 residues if not told otherwise); their mean does not show it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, MissingDependencyError
from sortilin.vectors._sources import Source

ENDING = ".pt"
MEAN, RESIDUES = "mean_representations", "representations"


class FairEsmSource(Source):
    """One file or a folder of them; only those that are asked for are read.

    Args:
        path: The file or folder.
        layer: The layer; None if the files have one only, -1 for the last of those that they have.
        per_residue: Whether the vectors of residues are meant.
    """

    def __init__(self, path: Path, *, layer: int | None, per_residue: bool) -> None:
        self._layer, self._field = layer, RESIDUES if per_residue else MEAN
        if path.is_dir():
            self._files = sorted(path.rglob(f"*{ENDING}"))
            names = [file.relative_to(path).as_posix().removesuffix(ENDING) for file in self._files]
        else:
            self._files = [path]
            names = [str(_loaded(path).get("label", path.stem))]
        super().__init__(path, names)

    def read(self, at: int) -> NDArray[Any]:
        """The representation of the layer."""
        path = self._files[at]
        content = _loaded(path)
        label = str(content.get("label", self.names[at]))
        if label != self.names[at]:
            raise FormatError(f"{path.name} is labelled '{label}'")
        layers = content.get(self._field)
        if not isinstance(layers, dict) or not layers:
            fields = ", ".join(sorted(map(str, content)))
            raise FormatError(f"{path.name} has no {self._field}; it has {fields}")
        return np.asarray(layers[self._chosen(path, layers)].float().numpy())

    def _chosen(self, path: Path, layers: dict[int, Any]) -> int:
        known = sorted(layers)
        if self._layer is None and len(known) > 1:
            raise FormatError(f"{path.name} has layers {known}; say which")
        layer = known[-1] if self._layer in {None, -1} else self._layer
        if layer not in layers:
            raise FormatError(f"{path.name} has no layer {self._layer}; it has {known}")
        return int(layer)


def _loaded(path: Path) -> dict[str, Any]:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("reading .pt files", "torch", "plm") from error
    import pickle
    import warnings
    import zipfile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch has to say of a foreign pickle is in its error too
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(f"{path} cannot be read as tensors alone: {reason}") from None
    if not isinstance(content, dict):
        raise FormatError(f"{path} holds a {type(content).__name__}; esm-extract writes a dictionary")
    return content
