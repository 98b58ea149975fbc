"""What a trained network makes of sequences: their vectors before and after its head, and its attention.

Before is the mean of the residue vectors that the head is given: of a language model, or of the learned
embedding. After is what the head's last dense layer is given. Both are caught by hooks while the classifier
scores one sequence after the other, so that any classifier with a head will do.

Axis letters: M sequences, L residues, D width before the head, H width of its last layer.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin import files
from sortilin.interfaces import Classifier, FloatArray, OnProgress

FILE = "representation.npz"
STAGE = "representations"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a network makes of M sequences.

    Attributes:
        before: (M, D) mean vector of the residues.
        after: (M, H) what the last dense layer is given.
        attention: M arrays (L,) of weights that sum to 1; none at all if the head has no attention.
    """

    before: FloatArray
    after: FloatArray
    attention: tuple[FloatArray, ...]


def has_any(classifier: Classifier) -> bool:
    """Whether a fitted classifier is a network with a head."""
    return _head_of(classifier) is not None


def _head_of(classifier: Any) -> Any:
    return getattr(getattr(classifier, "_network", None), "head", None)


def of(classifier: Classifier, x: Any, tell: OnProgress | None = None) -> Seen:
    """Run M inputs through a fitted network and catch what passes its head.

    Args:
        classifier: One for which `has_any` holds.
        x: (M,) sequences or (M, F) features, as it takes them.
        tell: Called after each.
    """
    import torch

    head = _head_of(classifier)
    last = [part for part in head.modules() if isinstance(part, torch.nn.Linear)][-1]
    caught: dict[str, Any] = {}
    hooks = (
        head.register_forward_pre_hook(lambda _part, given: caught.update(head=given)),
        last.register_forward_pre_hook(lambda _part, given: caught.update(last=given)),
    )
    before, after, attention = [], [], []
    try:
        for row in range(len(x)):
            classifier.scores(x[row : row + 1])
            vectors, mask = caught["head"]
            before.append(_mean(vectors, mask))
            after.append(caught["last"][0].detach()[0].float().numpy().ravel())
            if head.has_attention:
                attention.append(_attention(head, vectors, mask))
            if tell is not None:
                tell(STAGE, row + 1, len(x))
    finally:
        for hook in hooks:
            hook.remove()
    return Seen(np.stack(before), np.stack(after), tuple(attention))


def _mean(vectors: Any, mask: Any) -> NDArray[np.float32]:
    """(1, L, D), (1, L) → (D,)."""
    found: NDArray[np.float32] = vectors.detach()[0][mask[0]].float().mean(dim=0).numpy()
    return found


def _attention(head: Any, vectors: Any, mask: Any) -> NDArray[np.float32]:
    """The weights of the residues, (L,)."""
    import torch

    with torch.inference_mode():
        _, weights = head.attention(vectors, mask)
    found: NDArray[np.float32] = weights[0][mask[0]].float().numpy()
    return found


def save(folder: Path, names: Sequence[str], seen: Sequence[Seen]) -> None:
    """Write what a network makes of several sets, in one file; nothing where there is nothing."""
    if not seen:
        return
    arrays: dict[str, NDArray[Any]] = {"names": np.array(names)}
    for number, part in enumerate(seen):
        arrays |= {f"before_{number}": part.before, f"after_{number}": part.after}
        if part.attention:
            arrays[f"attention_{number}"] = np.concatenate(part.attention)
            arrays[f"lengths_{number}"] = np.array([len(weights) for weights in part.attention])
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
    files.replace(folder / FILE, stream.getvalue())


def load(folder: Path) -> dict[str, Seen]:
    """Set → what the network made of it; empty where nothing is kept."""
    path = folder / FILE
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return {str(name): _read(stored, number) for number, name in enumerate(stored["names"])}


def _read(stored: Any, number: int) -> Seen:
    attention: tuple[FloatArray, ...] = ()
    if f"attention_{number}" in stored:
        ends = np.cumsum(stored[f"lengths_{number}"])[:-1]
        attention = tuple(np.split(stored[f"attention_{number}"], ends))
    return Seen(stored[f"before_{number}"], stored[f"after_{number}"], attention)


def is_there(folder: Path, record: Any) -> bool:
    """Whether what a stored result says lies beside it does."""
    return not record["has_representation"] or (folder / FILE).exists()
