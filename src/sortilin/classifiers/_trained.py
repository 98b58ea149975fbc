"""What the classifiers share that the training loop fits: rows set aside, early stopping, what is on record.

A stratified share of the rows is set aside; on it the training stops early, and it then calibrates.

Axis letters: N rows, M of them set aside, C classes, S scores.
"""

from __future__ import annotations

import hashlib
import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.component import Component
from sortilin.errors import ConfigError, LabelError, MissingDependencyError
from sortilin.evaluation import metrics
from sortilin.evaluation.calibration import softmax
from sortilin.interfaces import NOBODY, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed
from sortilin.training.config import LOSS, TrainingConfig

REQUIRED_PACKAGES = {
    "torch": "torch",
    "accelerate": "accelerate",
    "scikit-learn": "sklearn",
    "onnxscript": "onnxscript",  # for the export, but a long training should not end for want of it
}
"""Name to install → name to import."""

METRICS = ("macro_f1", "accuracy", "mcc", "roc_auc")
"""What is watched on the rows set aside, beside the loss."""

TO_THE_END = {"patience": None}
"""Options of a training without rows set aside: nothing could say when to stop."""


class Trained(ABC):
    """A classifier that the training loop fits.

    Attributes:
        config: With `validation`, the share that is set aside (0: none, all epochs are run, and the figures
            of each are of the rows that it learns from), `training`, and `head`.
        chosen: Epochs, the best of them, and its value of the metric.
        history: One record an epoch.
        seconds: Time of the fit.
    """

    def __init__(self, config: Any) -> None:
        self.config = config
        self.chosen: Mapping[str, Any] = {}
        self.history: tuple[Mapping[str, float], ...] = ()
        self.seconds = 0.0
        self._aside: tuple[DoubleArray, IntArray] | None = None
        self._network: Any = None

    @abstractmethod
    def _rows(self, x: Inputs) -> NDArray[Any]:
        """Inputs as examples are made of them."""

    @abstractmethod
    def _network_for(self, rows: NDArray[Any], n_classes: int, seed: int) -> Any:
        """A network with fresh weights for the rows that are learned from."""

    @abstractmethod
    def _examples(self, rows: NDArray[Any], y: IntArray, *, to_learn: bool) -> Any:
        """Rows and classes for the loop; see `training.loop.Examples`."""

    @abstractmethod
    def _digest(self, rows: NDArray[Any]) -> bytes:
        """Equal rows, equal bytes."""

    @abstractmethod
    def scores(self, x: Inputs) -> DoubleArray:
        """N inputs → (N, C) logits, or (N, 1) with two classes."""

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Train on all rows but those set aside; see `interfaces.Classifier`.

        Raises:
            LabelError: A class has too few members to be set aside from.
        """
        from sortilin.training import loop

        rows, share = self._rows(x), self.config.validation
        everything = np.arange(len(y))
        learned, aside = split(y, n_classes, share=share, seed=seed) if share else (everything, everything)
        self._network = self._network_for(rows[learned], n_classes, seed)
        job = loop.Job(
            examples=self._examples(rows[learned], y[learned], to_learn=True),
            validation=self._examples(rows[aside], y[aside], to_learn=False),
            config=self.config.training if share else self.config.training.model_copy(update=TO_THE_END),
            n_classes=n_classes,
            score=score,
            seed=child_seed(seed, "training"),
            identity=self._identity(rows, y, seed),
            keeps_last=not share,
        )
        fit = loop.train(self._network, job, watch)
        self.seconds = fit.seconds
        self.history = fit.history
        if not share:
            return
        self.chosen = {
            "epochs": len(fit.history),
            "best_epoch": fit.best_epoch,
            f"validation_{self.config.training.metric}": fit.best,
        }
        self._aside = (self.scores(x[aside]), y[aside])

    @property
    def splits_rows(self) -> bool:
        """Whether it sets rows aside, so that a row and its twin may stand on both sides."""
        return bool(self.config.validation)

    def _identity(self, rows: NDArray[Any], y: IntArray, seed: int) -> str:
        digest = hashlib.sha256(self.config.model_dump_json().encode())
        digest.update(b"%d\n%b\n%b" % (seed, self._digest(rows), str(y.tolist()).encode()))
        return digest.hexdigest()

    def set_aside(self) -> tuple[DoubleArray, IntArray] | None:
        """Scores and classes of the rows that stopped the training; None if there were none."""
        return self._aside

    def chosen_config(self) -> Any:
        """The configuration as it is: stopping early belongs to the fit."""
        return self.config

    @property
    def n_parameters(self) -> int | None:
        """How many numbers were trained; None before `fit`."""
        if self._network is None:
            return None
        return int(sum(p.numel() for p in self._network.parameters() if p.requires_grad))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trained weights by name."""
        weights = self._network.state_dict() if self._network is not None else {}
        return {name: weight.numpy().copy() for name, weight in weights.items()}


def split(y: IntArray, n_classes: int, *, share: float, seed: int) -> tuple[IntArray, IntArray]:
    """Row numbers that are learned from, and a stratified share that is set aside; each holds every class.

    Raises:
        LabelError: A class has too few members for that.
    """
    from sklearn.model_selection import train_test_split

    n_aside = max(round(len(y) * share), n_classes)
    counts = np.bincount(y, minlength=n_classes)
    if counts.min() < 2 or n_aside > len(y) - n_classes:
        raise LabelError(
            f"a network sets {share:.0%} of its training sequences aside and needs at "
            f"least 2 of each class; found {counts.min()} of the smallest among {len(y)}"
        )
    learned, aside = train_test_split(np.arange(len(y)), test_size=n_aside, stratify=y, random_state=seed)
    missing = set(range(n_classes)) - set(y[aside].tolist())
    for c in sorted(missing):  # a class too small for its share still needs one for calibration
        one = learned[y[learned] == c][0]
        learned, aside = learned[learned != one], np.append(aside, one)
    return learned, aside


def score(logits: DoubleArray, y: IntArray) -> dict[str, float]:
    """What is watched on the rows set aside."""
    found = metrics.evaluate(y, softmax(logits), [str(c) for c in range(logits.shape[1])]).metrics
    return {name: found[name] for name in METRICS}


def check(training: TrainingConfig, **parts: Component) -> None:
    """Refuse what cannot be trained before any long work.

    Args:
        training: Options of the loop.
        parts: Kind → variant that the network is made of.

    Raises:
        MissingDependencyError: A package is missing.
        ConfigError: There is no such variant or metric, or no such option of one.
    """
    for package, module in REQUIRED_PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("training a network", package, "train")
    for kind, component in parts.items():
        component.resolved(kind)
    if training.metric not in (LOSS, *METRICS):
        raise ConfigError(
            f"training.metric '{training.metric}' is not measured; choose from: {', '.join((LOSS, *METRICS))}"
        )
