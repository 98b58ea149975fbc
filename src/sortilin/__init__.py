"""sortilin: what a protein or peptide is for, from its sequence alone.

    >>> import sortilin
    >>> model = sortilin.load("localization")  # doctest: +SKIP
    >>> model.predict(["MKT..."])  # doctest: +SKIP

Nothing heavy is imported before `load` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sortilin.client import Client as Client
    from sortilin.predictor import Predictor as Predictor
    from sortilin.predictor import load as load
    from sortilin.results import Prediction as Prediction
    from sortilin.sequences import SequenceRecord as SequenceRecord
    from sortilin.sequences import read_sequences as read_sequences

__version__ = "0.1.0"

_PUBLIC = {
    "Client": "sortilin.client",
    "Prediction": "sortilin.results",
    "Predictor": "sortilin.predictor",
    "SequenceRecord": "sortilin.sequences",
    "load": "sortilin.predictor",
    "read_sequences": "sortilin.sequences",
}

__all__ = ["Client", "Prediction", "Predictor", "SequenceRecord", "__version__", "load", "read_sequences"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sortilin' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
