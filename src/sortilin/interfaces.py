"""Every extension point on one screen.

A new variant is one new file in the folder of its kind (see `registry`), with a class `VARIANT` that
satisfies the protocol below. Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from sortilin.results import Prediction, RunSummary

FloatArray = NDArray[np.float32]
DoubleArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Inputs = NDArray[Any]
"""What a classifier takes: (N, F) float32 features, or (N,) sequences as Python strings (dtype object)."""

OnProgress = Callable[[str, int, int], None]
"""Called as `on_progress(stage, n_done, n_total)`; the library itself never prints."""

FEATURES, SEQUENCES = "features", "sequences"


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looks on at a long fit, where it may keep what it needs to go on, and what it must not part.

    Attributes:
        on_progress: Called as (stage, done, total).
        workspace: A folder of this fit's own; None keeps nothing.
        on_epoch: Called by iterative fits with each epoch's figures; True stops the fit.
        groups: (N,) numbers, one a row of the fit: where it splits its rows itself, for a search or to set
            some aside, rows of one number stay together. None where it may split them as it likes.
    """

    on_progress: OnProgress | None = None
    workspace: Path | None = None
    on_epoch: Callable[[Mapping[str, float]], bool] | None = None
    groups: IntArray | None = None

    def inner(self, name: str) -> Watch:
        """The same for one of several fits: its name before each stage, a folder of its own."""
        return Watch(
            on_progress=self.on_progress and named(self.on_progress, name),
            workspace=self.workspace and self.workspace / name.replace(" ", "-"),
            on_epoch=self.on_epoch,
            groups=self.groups,
        )


def named(tell: OnProgress, what: str) -> OnProgress:
    """Progress with a name before each stage."""
    return lambda stage, done, total: tell(f"{what}, {stage}", done, total)


NOBODY = Watch()


@dataclass(frozen=True, slots=True)
class Question:
    """A yes-or-no question that a model of more classes answers too.

    The answer is P(positive) / (P(positive) + P(negative)): the other classes are left out.

    Attributes:
        name: Public name.
        title: What is asked, in one line.
        positive: The class that is a yes.
        negative: The class that is a no.
        dataset: The dataset whose rows ask it.
    """

    name: str
    title: str
    positive: str
    negative: str
    dataset: str


class Task(Protocol):
    """A question asked of a sequence: its classes, its data and what counts as good.

    Attributes:
        name: Public name, the file's name.
        title: One line for lists.
        classes: Class names, in the order of every array and column.
        aliases: Other spellings of a class (lower case) → class.
        metric: The metric that models of this task are chosen by.
        dataset: Name of the dataset that it is trained on by default; None if the user brings it.
        blind: Name of the unlabelled dataset that its paper predicts; None if there is none.
        citation: Where task and data come from.
        limits: What a prediction of this task must not be taken for.
        not_for: Uses that a model of this task must not be put to; may be left out.
        more_datasets: Datasets that it is trained on beside `dataset`; may be left out.
        gives_way: Class → the class that says more, and that a sequence gets if two datasets give it
            either; may be left out.
        questions: What else is answered from its probabilities; may be left out.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]
    aliases: ClassVar[Mapping[str, str]]
    metric: ClassVar[str]
    dataset: ClassVar[str | None]
    blind: ClassVar[str | None]
    citation: ClassVar[str]
    limits: ClassVar[tuple[str, ...]]
    not_for: ClassVar[tuple[str, ...]] = ()
    more_datasets: ClassVar[tuple[str, ...]] = ()
    gives_way: ClassVar[Mapping[str, str]] = MappingProxyType({})
    questions: ClassVar[tuple[Question, ...]] = ()


class Descriptor(Protocol):
    """A fixed-length numeric description of a sequence, computed without training.

    One that depends on more than its options may have further methods. `recorded()` gives what `model.json`
    says of it (see `component.recorded`), `absent()` the command that brings what it needs and is not there,
    and `fingerprints()` file → SHA-256 of what it reads. One that takes long may have
    `transform_all(sequences, on_progress)`: the same as `transform` for any number of sequences, with
    progress of its own.

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
        takes: What x is: `FEATURES`, (N, F) float32 of a descriptor set, or `SEQUENCES`, (N,) cleaned
            sequences.
        gives_log_odds: Whether `softmax` makes probabilities of its scores, as far as they go uncalibrated.
        chosen: What `fit` chose by itself (grid search), for the record; empty before.
        splits_rows: Whether `fit` may learn from some rows and look at others; may be left out, and is then
            taken to be so.
        several: Whether `fit` also takes y as (N, C) of 0 and 1, for rows of several classes, and then gives
            one score a class; may be left out, and is then taken not to be so.

    One that stands upon a language model may have further methods: `absent()` gives the command that brings
    it, or None; `folders()` sub-folder of the model folder → what writes files into it.
    """

    Config: ClassVar[type[Any]]
    takes: ClassVar[str]
    gives_log_odds: ClassVar[bool]
    chosen: Mapping[str, Any]

    def __init__(self, config: Any = None) -> None: ...

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Learn from N inputs and (N,) class indices. Any search stays inside these rows."""
        ...

    def set_aside(self) -> tuple[DoubleArray, IntArray] | None:
        """Scores (M, S) and classes (M,) of rows that `fit` itself kept from learning, for calibration.

        None where it learned from all rows; then a cross-validation has to give such scores.
        """
        ...

    def chosen_config(self) -> Any:
        """The Config that fits again without a search; after `fit`."""
        ...

    def scores(self, x: Inputs) -> DoubleArray:
        """N inputs → (N, S) uncalibrated scores; S is 1 for two classes (positive = class 1)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything fitted, as named arrays, enough to build the graph again."""
        ...

    def reads(self) -> dict[str, Any]:
        """What `model.json` says of the graph's inputs: `features`, `tokens` or both; or `residues`.

        Empty where features are taken: what they are is the caller's to know.
        """
        ...

    def to_onnx(self) -> bytes:
        """A graph to `scores` (N, S) float32.

        From `features` (N, F) float32; or, where sequences are taken, from what `reads` says: `tokens`
        (N, L) int64 (`sequences.tokens`), each row padded to the right, `features`, or both; or `residues`
        (N, L, D) float32 with `mask` (N, L).
        """
        ...


class Backbone(Protocol):
    """A torch module from residue tokens to residue vectors.

    Attributes:
        Config: Frozen pydantic model of its options; all have defaults.
        width: D, numbers a residue.
    """

    Config: ClassVar[type[Any]]
    width: int

    def __init__(self, config: Any = None) -> None: ...

    def __call__(self, tokens: Any, mask: Any) -> Any:
        """(B, L) int64 tokens and (B, L) bool, True at residues → (B, L, D), 0 where the mask is False."""
        ...


class Head(Protocol):
    """A torch module from residue vectors to logits; pads change nothing.

    Attributes:
        Config: Frozen pydantic model of its options; all have defaults.
        has_attention: Whether `attention` gives weights.
    """

    Config: ClassVar[type[Any]]
    has_attention: bool

    def __init__(self, config: Any = None, *, width: int, n_classes: int) -> None: ...

    def __call__(self, x: Any, mask: Any) -> Any:
        """(B, L, D) and (B, L) bool → (B, C) logits."""
        ...

    def attention(self, x: Any, mask: Any) -> tuple[Any, Any]:
        """The logits and (B, L) weights, each row summing to 1 over its residues."""
        ...


class Explainer(Protocol):
    """A way to say what each residue speaks for.

    Attributes:
        Config: Frozen pydantic model of its options; all have defaults.
        title: One line for lists.
        signed: Whether a value below 0 speaks against the class; else values say how much was looked.
    """

    Config: ClassVar[type[Any]]
    title: ClassVar[str]
    signed: ClassVar[bool]

    def __init__(self, config: Any = None) -> None: ...

    def why_not(self, opened: Any) -> str | None:
        """None if it can explain an `explain.opened.Opened` model, else the reason in words."""
        ...

    def explain(
        self,
        opened: Any,
        records: Sequence[Any],
        labels: Sequence[str],
        on_progress: OnProgress | None = None,
    ) -> Iterator[Any]:
        """One `explain.attribution.Attribution` a record and its label, in the order given.

        Which records stand beside one changes nothing, to rounding.

        Args:
            opened: The model, as `explain.opened.open_model` gives it.
            records: N cleaned `sequences.SequenceRecord`.
            labels: N classes, one a record; a record may come several times.
            on_progress: Called with the records that are done.

        Raises:
            ConfigError: The model cannot be explained so (see `why_not`), or has no such class.
        """
        ...


class Format(Protocol):
    """One output format. Rows come in batches, so that a million of them need little memory.

    Attributes:
        endings: File name endings that choose it, with the dot.
    """

    endings: ClassVar[tuple[str, ...]]

    def __init__(
        self, stream: BinaryIO, *, classes: Sequence[str], title: str, extra: Sequence[str] = ()
    ) -> None:
        """`extra` names optional columns ("spread"); it is given only where the run has some."""
        ...

    def write(self, predictions: Sequence[Prediction]) -> None:
        """Append rows, in order."""
        ...

    def finish(self, summary: RunSummary) -> None:
        """Write what stands at the end. The stream is not closed."""
        ...
