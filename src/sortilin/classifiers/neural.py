"""A network that reads the sequence itself: a backbone, a head, and the training loop.

It sets a stratified share of its rows aside, on which it stops early and which then calibrates it.

Axis letters: N sequences, M of them set aside, B batch, L residues, C classes, S scores.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from sortilin.component import Component
from sortilin.errors import ConfigError, LabelError, MissingDependencyError
from sortilin.evaluation import metrics
from sortilin.evaluation.calibration import softmax
from sortilin.interfaces import NOBODY, SEQUENCES, DoubleArray, Inputs, IntArray, Watch
from sortilin.seeding import child_seed
from sortilin.sequences.cropping import LengthPolicy
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

_SCORING_POSITIONS = 50_000


class VARIANT:
    """Backbone and head trained together; scores are the logits, (N, C), or their difference, (N, 1)."""

    takes: ClassVar[str] = SEQUENCES
    gives_log_odds: ClassVar[bool] = True

    class Config(BaseModel):
        """Options.

        Attributes:
            backbone: From residues to vectors.
            head: From vectors to logits.
            max_residues: A longer sequence loses its middle; None keeps all whole.
            keep_last: Residues kept from the end of such a sequence.
            masking: Share of the residues that training shows as X, drawn anew in every step: a network
                then learns less by heart.
            validation: Share of the rows that is set aside.
            training: Options of the training loop.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        backbone: Component = Component(name="onehot")
        head: Component = Component(name="lstm")
        max_residues: PositiveInt | None = 2_000
        keep_last: NonNegativeInt = 100
        masking: float = Field(default=0.0, ge=0, lt=1)
        validation: float = Field(default=0.1, gt=0, le=0.5)
        training: TrainingConfig = TrainingConfig()

        @model_validator(mode="after")
        def _policy_is_possible(self) -> VARIANT.Config:
            _ = self.length_policy
            return self

        @property
        def length_policy(self) -> LengthPolicy:
            """Which residues of a long sequence are read."""
            return LengthPolicy(self.max_residues, self.keep_last)

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        _check(self.config)
        self.chosen: Mapping[str, Any] = {}
        self.history: tuple[Mapping[str, float], ...] = ()
        self.seconds = 0.0
        self._aside: tuple[DoubleArray, IntArray] | None = None
        self._network: Any = None

    def fit(self, x: Inputs, y: IntArray, *, n_classes: int, seed: int, watch: Watch = NOBODY) -> None:
        """Train on all rows but those set aside; see `interfaces.Classifier`.

        Raises:
            LabelError: A class has too few members to be set aside from.
        """
        from sortilin.classifiers._network import SequenceExamples
        from sortilin.training import loop

        shortened = self._shortened(x)
        learned, aside = self._split(y, n_classes, seed)
        self._network = self._build(n_classes, seed)
        job = loop.Job(
            examples=SequenceExamples(shortened[learned], y[learned], masking=self.config.masking),
            validation=SequenceExamples(shortened[aside], y[aside]),
            config=self.config.training,
            n_classes=n_classes,
            score=_score,
            seed=child_seed(seed, "training"),
            identity=self._identity(shortened, y, seed),
        )
        fit = loop.train(self._network, job, watch)
        self.seconds = fit.seconds
        self.history = fit.history
        self.chosen = {
            "epochs": len(fit.history),
            "best_epoch": fit.best_epoch,
            f"validation_{self.config.training.metric}": fit.best,
        }
        self._aside = (self.scores(x[aside]), y[aside])

    def _shortened(self, x: Inputs) -> NDArray[Any]:
        policy = self.config.length_policy
        return np.array([policy.apply(sequence) for sequence in x], dtype=object)

    def _split(self, y: IntArray, n_classes: int, seed: int) -> tuple[IntArray, IntArray]:
        from sklearn.model_selection import train_test_split

        n_aside = max(round(len(y) * self.config.validation), n_classes)
        counts = np.bincount(y, minlength=n_classes)
        if counts.min() < 2 or n_aside > len(y) - n_classes:
            raise LabelError(
                f"a network sets {self.config.validation:.0%} of its training sequences aside and needs at "
                f"least 2 of each class; found {counts.min()} of the smallest among {len(y)}"
            )
        learned, aside = train_test_split(np.arange(len(y)), test_size=n_aside, stratify=y, random_state=seed)
        missing = set(range(n_classes)) - set(y[aside].tolist())
        for c in sorted(missing):  # a class too small for its share still needs one for calibration
            one = learned[y[learned] == c][0]
            learned, aside = learned[learned != one], np.append(aside, one)
        return learned, aside

    def _build(self, n_classes: int, seed: int) -> Any:
        import torch

        from sortilin.classifiers._network import Network

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "weights"))
            backbone, its_config = self.config.backbone.resolved("backbone")
            base = backbone(its_config)
            head, its_config = self.config.head.resolved("head")
            return Network(base, head(its_config, width=base.width, n_classes=n_classes))

    def _identity(self, sequences: NDArray[Any], y: IntArray, seed: int) -> str:
        digest = hashlib.sha256(self.config.model_dump_json().encode())
        digest.update(f"{seed}\n{','.join(sequences)}\n{y.tolist()}".encode())
        return digest.hexdigest()

    def set_aside(self) -> tuple[DoubleArray, IntArray] | None:
        """Scores and classes of the rows that stopped the training."""
        return self._aside

    def chosen_config(self) -> Config:
        """The configuration as it is: stopping early belongs to the fit."""
        return self.config

    @property
    def n_parameters(self) -> int | None:
        """How many numbers were trained; None before `fit`."""
        return None if self._network is None else int(self._network.n_parameters)

    def scores(self, x: Inputs) -> DoubleArray:
        """(N,) sequences → (N, C) logits, or (N, 1) with two classes."""
        import torch

        from sortilin.classifiers._network import SequenceExamples, as_scores
        from sortilin.training import batching

        examples = SequenceExamples(self._shortened(x), np.zeros(len(x), dtype=np.int64))
        batches = batching.length_buckets(
            examples.lengths, batch_size=len(x), batch_positions=_SCORING_POSITIONS
        )
        parts = np.empty(len(x), dtype=object)
        with torch.inference_mode():
            for rows in batches:
                for row, logits in zip(rows, self._network(*examples.batch(rows)).numpy(), strict=True):
                    parts[row] = logits
        return np.asarray(as_scores(np.stack(list(parts)).astype(np.float64)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The trained weights by name."""
        weights = self._network.state_dict() if self._network is not None else {}
        return {name: weight.numpy().copy() for name, weight in weights.items()}

    def reads(self) -> dict[str, Any]:
        """Tokens, of the residues that the length policy leaves."""
        return {"tokens": {"max_residues": self.config.max_residues, "keep_last": self.config.keep_last}}

    def to_onnx(self) -> bytes:
        """From `tokens` (N, L) to `scores`, and to `attention` (N, L) where the head has it."""
        from sortilin.classifiers import _network

        return _network.to_onnx(self._network)


def _score(logits: DoubleArray, y: IntArray) -> dict[str, float]:
    """What is watched on the rows set aside."""
    found = metrics.evaluate(y, softmax(logits), [str(c) for c in range(logits.shape[1])]).metrics
    return {name: found[name] for name in METRICS}


def _check(config: VARIANT.Config) -> None:
    """Refuse what cannot be trained before any long work.

    Raises:
        MissingDependencyError: A package is missing.
        ConfigError: There is no such backbone, head or metric, or no such option of one.
    """
    _require_packages()
    config.backbone.resolved("backbone")
    config.head.resolved("head")
    if config.training.metric not in (LOSS, *METRICS):
        raise ConfigError(
            f"training.metric '{config.training.metric}' is not measured; "
            f"choose from: {', '.join((LOSS, *METRICS))}"
        )


def _require_packages() -> None:
    for package, module in REQUIRED_PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise MissingDependencyError("training a network", package, "train")
