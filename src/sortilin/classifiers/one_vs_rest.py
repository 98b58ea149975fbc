"""One classifier a class, each telling it from all the rest: for sequences that may have several classes.

Side by side they read the same inputs and give one column of scores each. Nothing makes the columns agree:
all may say yes, or none. With one class a sequence it is the plain one-vs-rest of the textbooks.

Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from sortilin.classifiers import _onnx
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.interfaces import FEATURES, NOBODY, SEQUENCES, Classifier, DoubleArray, Inputs, IntArray, Watch

_FROZEN = "frozen"


class VARIANT:
    """A two-class classifier for each class; scores are theirs, (N, C), or (N, 1) for two exclusive ones."""

    class Config(BaseModel):
        """Options.

        Attributes:
            classifier: What is fitted for each class.
            each: One for each class in place of `classifier`: what their searches chose.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        classifier: Component = Component(name="boosting")
        each: tuple[Component, ...] = ()

    takes: str = FEATURES
    gives_log_odds: ClassVar[bool] = False
    several: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.chosen: Mapping[str, Any] = {}
        one: Classifier = self.config.classifier.build("classifier")
        self.takes, self.splits_rows = one.takes, getattr(one, "splits_rows", True)
        if isinstance(one, VARIANT) or getattr(getattr(one, "config", None), "mode", _FROZEN) != _FROZEN:
            raise ConfigError(
                f"'{self.config.classifier.name}' as it is configured cannot stand one a class: it stands "
                "one a class already, or trains a language model, of which there would be one a class"
            )
        if getattr(getattr(one, "config", None), "neighbours", False):
            raise ConfigError(
                f"'{self.config.classifier.name}' with neighbours reads something else for each class, so "
                "that one graph cannot hold them: leave out neighbours"
            )
        self._inner: list[Classifier] = []

    def absent(self) -> str | None:
        """The command that fetches the language model that a classifier stands upon; None if all is here."""
        one = self.config.classifier.build("classifier")
        found: str | None = getattr(one, "absent", lambda: None)()
        return found

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Fit one classifier a class; see `interfaces.Classifier`.

        Args:
            x: N inputs.
            y: (N,) class indices, or (N, C) with 1 where a sequence has a class.
            n_classes: C.
            seed: Of each of the fits.
            watch: Told of each fit by the number of its class.

        Raises:
            ConfigError: The classifier reads sequences, and features are given.
        """
        if self.takes == SEQUENCES and x.dtype != object:
            raise ConfigError(
                f"'{self.config.classifier.name}' reads the sequence itself, not features: leave out "
                "features, and name it as the classifier itself"
            )
        columns = _columns(y, n_classes)
        self._inner = [spec.build("classifier") for spec in self._specs(len(columns))]
        for number, (classifier, column) in enumerate(zip(self._inner, columns, strict=True), start=1):
            classifier.fit(x, column, n_classes=2, seed=seed, watch=watch.inner(f"class {number}"))
        self.chosen = {
            f"class {number} {name}": value
            for number, classifier in enumerate(self._inner, start=1)
            for name, value in classifier.chosen.items()
        }

    def _specs(self, n: int) -> list[Component]:
        if not self.config.each:
            return [self.config.classifier] * n
        if len(self.config.each) != n:
            raise ConfigError(f"each names {len(self.config.each)} classifiers for {n} classes")
        return list(self.config.each)

    def set_aside(self) -> None:
        """None: what one classifier set aside, another learned from."""
        return

    def chosen_config(self) -> Config:
        """The configuration with what each class's search chose."""
        found = [classifier.chosen_config() for classifier in self._inner]
        specs = self._specs(len(found))
        if all(one == spec.build("classifier").config for one, spec in zip(found, specs, strict=True)):
            return self.config
        each = tuple(
            Component(name=spec.name, options=one.model_dump(mode="json"))
            for one, spec in zip(found, specs, strict=True)
        )
        return self.config.model_copy(update={"each": each})

    def scores(self, x: Inputs) -> DoubleArray:
        """N inputs → (N, S), a column each classifier, positive for its class."""
        return np.hstack([classifier.scores(x) for classifier in self._inner])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of each classifier, behind its number and a dot."""
        return {
            f"{number}.{name}": array
            for number, classifier in enumerate(self._inner)
            for name, array in classifier.arrays().items()
        }

    def reads(self) -> dict[str, Any]:
        """What each of them reads; empty where features are taken."""
        return self._inner[0].reads() if self._inner else {}

    def to_onnx(self) -> bytes:
        """All graphs side by side, on inputs that they share."""
        return _onnx.side_by_side([classifier.to_onnx() for classifier in self._inner])


def _columns(y: IntArray, n_classes: int) -> list[IntArray]:
    """(N,) of 0 and 1 for each classifier; of two exclusive classes one tells both."""
    if y.ndim == 2:
        return [np.ascontiguousarray(y[:, c]) for c in range(n_classes)]
    if n_classes == 2:
        return [y]
    return [(y == c).astype(np.int64) for c in range(n_classes)]
