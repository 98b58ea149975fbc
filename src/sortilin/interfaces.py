"""Every extension point on one screen.

A new variant is one new file in the folder of its kind (see `registry`), with a class `VARIANT` that
satisfies the protocol below. Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin.results import Prediction, RunSummary

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
OnProgress = Callable[[str, int, int], None]
"""Called as `on_progress(stage, n_done, n_total)`; the library itself never prints."""


class Task(Protocol):
    """A question asked of a sequence: its classes, its data and what counts as good.

    Attributes:
        name: Public name, the file's name.
        title: One line for lists.
        classes: Class names, in the order of every array and column.
        aliases: Other spellings of a class (lower case) → class.
        metric: The metric that models of this task are chosen by.
        dataset: Name of the dataset that it is trained on by default; None if the user brings it.
        citation: Where task and data come from.
        limits: What a prediction of this task must not be taken for.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]]
    metric: ClassVar[str]
    dataset: ClassVar[str | None]
    citation: ClassVar[str]
    limits: ClassVar[tuple[str, ...]]


class Descriptor(Protocol):
    """A fixed-length numeric description of a sequence, computed without training.

    Attributes:
        Config: Frozen pydantic model of its options; all have defaults.
        feature_names: One name a column, length F.
    """

    Config: ClassVar[type[Any]]
    feature_names: tuple[str, ...]

    def __init__(self, config: Any = None) -> None: ...

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences (20 letters and X, length >= 1) → (N, F) finite float32."""
        ...


class Classifier(Protocol):
    """A way to fit scores of classes to features, and to hand them on as ONNX.

    Attributes:
        Config: Frozen pydantic model of its options; all have defaults.
        chosen: What `fit` chose by itself (grid search), for the record; empty before.
    """

    Config: ClassVar[type[Any]]
    chosen: Mapping[str, Any]

    def __init__(self, config: Any = None) -> None: ...

    def fit(self, x: FloatArray, y: IntArray, *, n_classes: int, seed: int) -> None:
        """Learn from (N, F) features and (N,) class indices. Any search stays inside these rows."""
        ...

    def chosen_config(self) -> Any:
        """The Config that fits again without a search; after `fit`."""
        ...

    def scores(self, x: FloatArray) -> DoubleArray:
        """(N, F) → (N, S) uncalibrated scores; S is 1 for two classes (positive = class 1)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted, as named arrays, enough to build the graph again."""
        ...

    def to_onnx(self) -> bytes:
        """A graph from `features` (N, F) float32 to `scores` (N, S) float32."""
        ...


class Format(Protocol):
    """One output format. Rows come in batches, so that a million of them need little memory.

    Attributes:
        endings: File name endings that choose it, with the dot.
    """

    endings: ClassVar[tuple[str, ...]]

    def __init__(self, stream: BinaryIO, *, classes: Sequence[str], title: str) -> None: ...

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows, in order."""
        ...

    def finish(self, summary: RunSummary) -> None:
        """Write what stands at the end. The stream is not closed."""
        ...
