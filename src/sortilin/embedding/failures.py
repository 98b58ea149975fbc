"""Sequences that get no vector, and how a computation says that memory is short."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sortilin.errors import InputError

_NAMED = 5
_OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|insufficient memory|bad.?alloc"
    r"|(can.?t|cannot|could not|unable to|fail\w* to) allocate|allocat\w+ fail\w*",
    re.IGNORECASE,
)
"""What torch, ONNX Runtime, OpenVINO and the C++ library say."""


class NotEmbeddedError(InputError):
    """Some sequences got no vector; all others did, and those stand in the store.

    Args:
        failed: Id (or place, as "sequence 3") → why.
        n_all: How many sequences there were.
        by_place: Place among the sequences of one call, from 0 → why; of a stream nothing.
    """

    def __init__(
        self, failed: Mapping[str, str], n_all: int, *, by_place: Mapping[int, str] | None = None
    ) -> None:
        self.failed, self.by_place = dict(failed), dict(by_place or {})
        named = "; ".join(f"{name}: {reason}" for name, reason in list(self.failed.items())[:_NAMED])
        more = f"; and {len(self.failed) - _NAMED:,} more" if len(self.failed) > _NAMED else ""
        super().__init__(f"{len(self.failed):,} of {n_all:,} sequences have no vector: {named}{more}")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of an engine means that its memory did not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, Exception) and _OUT_OF_MEMORY.search(str(error)) is not None


_POLICY = "use the length policy head-tail or windows"
_PRECISION = "use --precision float32"
_TYPE = "leave out --half"
NOT_FINITE = f"the model gives values that are not finite; {_PRECISION}"
BEYOND_HALF = f"the model gives values beyond the range of float16; {_TYPE}"


def too_long(length: int, most: int, backbone: str) -> str:
    """Why a sequence beyond a model's positions has no vector."""
    return f"has {length:,} residues, and {backbone} takes at most {most:,}; {_POLICY}"


def does_not_fit(length: int) -> str:
    """Why a sequence has no vector that exhausted memory by itself."""
    return f"does not fit into memory with its {length:,} residues; {_POLICY}"


def of_a_model(reason: str) -> str:
    """The same with the advice for a trained model, whose policy and precision are those of its training."""
    for advice, instead in (
        (_POLICY, "train with the length policy head-tail or windows, or leave it out"),
        (_PRECISION, "train with precision float32, or leave it out"),
        (_TYPE, "train with store_dtype float32, or leave it out"),
    ):
        reason = reason.replace(advice, instead)
    return reason
