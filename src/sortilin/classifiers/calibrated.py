"""Any classifier of features, with log-odds in place of its scores: so that it can be averaged with others.

Decision values of an SVM say which of two classes is nearer, not how likely it is. A multinomial logistic
regression on held-out scores makes log-odds of them (Platt 1999; Wu, Lin & Weng 2004 for more than two
classes). Those scores come from a cross-validation inside the rows that `fit` is given.

Axis letters: N sequences, F features, S scores, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sortilin.classifiers import _onnx
from sortilin.component import Component
from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.evaluation import calibration
from sortilin.interfaces import FEATURES, NOBODY, Classifier, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed
from sortilin.sequences import dealing


class VARIANT:
    """A classifier and the log-odds of its scores; (N, C), or (N, 1) for two classes."""

    class Config(BaseModel):
        """Options.

        Attributes:
            classifier: What is fitted; one that takes features.
            folds: Stratified folds whose held-out scores the log-odds are fitted on.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        classifier: Component = Component(name="svm", options={"c": [1.0], "gamma": ["scale"]})
        folds: int = Field(default=5, ge=2)

    takes: ClassVar[str] = FEATURES
    gives_log_odds: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self.chosen: Mapping[str, Any] = {}
        self._inner: Classifier = self.config.classifier.build("classifier")
        if self._inner.takes != FEATURES or isinstance(self._inner, VARIANT):
            raise ConfigError(
                f"'{self.config.classifier.name}' cannot be calibrated here; name a classifier of features"
            )
        self._weights: DoubleArray = np.empty((0, 0))
        self._bias: DoubleArray = np.empty(0)

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Fit on all rows, and the log-odds on folds of them; see `interfaces.Classifier`."""
        smallest = int(np.bincount(y, minlength=n_classes).min())
        if smallest < self.config.folds:
            raise ConfigError(
                f"the log-odds need {self.config.folds} training sequences of each class, one a fold; found "
                f"{smallest}: use fewer folds"
            )
        self._inner.fit(x, y, n_classes=n_classes, seed=seed, watch=watch)
        self.chosen = dict(self._inner.chosen)
        held_out = self._held_out(x, y, n_classes, seed, watch.groups)
        fitted = calibration.fit(held_out, y, n_classes=n_classes)
        self._weights, self._bias = fitted.weights, fitted.bias
        if n_classes == 2:
            self._weights, self._bias = np.diff(fitted.weights, axis=1), np.diff(fitted.bias)

    def _held_out(
        self, x: Inputs, y: IntArray, n_classes: int, seed: int, groups: IntArray | None
    ) -> DoubleArray:
        """(N, S) scores of fits that did not see their rows, with what the fit on all rows chose."""
        again = Component(name=self.config.classifier.name, options=_plain(self._inner))
        parts = []
        for train, held_out in self._folds(y, seed, groups):
            classifier: Classifier = again.build("classifier")
            within = NOBODY if groups is None else Watch(groups=groups[train])
            classifier.fit(x[train], y[train], n_classes=n_classes, seed=seed, watch=within)
            parts.append((held_out, classifier.scores(x[held_out])))
        scores = np.empty((len(y), parts[0][1].shape[1]))
        for held_out, found in parts:
            scores[held_out] = found
        return scores

    def _folds(self, y: IntArray, seed: int, groups: IntArray | None) -> Iterable[dealing.Split]:
        """Row numbers of each fold, to learn from and held out."""
        n_folds, own_seed = self.config.folds, child_seed(seed, "calibrated") % 2**31
        if groups is not None:
            lacking = dealing.shortage(y, groups, n_folds)
            if lacking is not None:
                raise ConfigError(
                    f"the log-odds need each class in {n_folds} groups of homologues, one a fold; class "
                    f"number {lacking[0]} of the training rows stands in {lacking[1]}: use fewer folds"
                )
            return dealing.folds(y, groups, n_folds, own_seed)
        try:
            from sklearn.model_selection import StratifiedKFold
        except ImportError:
            raise MissingDependencyError("calibration", "scikit-learn", "train") from None
        folds = StratifiedKFold(n_folds, shuffle=True, random_state=own_seed)
        found: Iterable[dealing.Split] = folds.split(y, y)
        return found

    def set_aside(self) -> None:
        """None: all rows are learned from."""
        return

    def chosen_config(self) -> Config:
        """The configuration with what the classifier chose."""
        if not self.chosen:
            return self.config
        again = Component(name=self.config.classifier.name, options=_plain(self._inner))
        return self.config.model_copy(update={"classifier": again})

    def scores(self, x: Inputs) -> DoubleArray:
        """(N, F) → (N, C) log-odds up to a constant; with two classes (N, 1), positive for class 1."""
        return np.asarray(self._inner.scores(x) @ self._weights + self._bias)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Those of the classifier, and the logistic regression: `weights` (S, C) and `bias` (C,)."""
        inner = {f"of.{name}": array for name, array in self._inner.arrays().items()}
        return {**inner, "weights": self._weights, "bias": self._bias}

    def reads(self) -> dict[str, Any]:
        """Empty: it takes features."""
        return {}

    def to_onnx(self) -> bytes:
        """The classifier's graph with the logistic regression behind it."""
        return _onnx.linear_of(self._inner.to_onnx(), self._weights, self._bias)


def _plain(classifier: Classifier) -> dict[str, Any]:
    options: dict[str, Any] = classifier.chosen_config().model_dump(mode="json")
    return options
