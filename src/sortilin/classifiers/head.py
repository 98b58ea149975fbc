"""A head on features: vectors of whole sequences, as protein language models give them.

It sets a stratified share of its rows aside, on which it stops early and which then calibrates it. Features
are standardized by the rows that it learns from; the standardization is part of the graph.

Axis letters: N sequences, F features, C classes, S scores.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from sortilin.classifiers import _checks, _tabular, _trained
from sortilin.component import Component
from sortilin.interfaces import FEATURES, DoubleArray, Inputs, IntArray
from sortilin.seeding import child_seed
from sortilin.training.config import LOSS, TrainingConfig

_SCORING_ROWS = 4_096


class HeadTraining(TrainingConfig):
    """Options of the training loop, with the defaults of a head.

    Optimizer and learning rate are those of Li, "Benchmarking Transformer-Based Embeddings for Protein
    Subcellular Localization"; what the paper leaves open is ours.
    """

    optimizer: Literal["adamw", "adam"] = "adam"
    learning_rate: PositiveFloat = 2e-3
    weight_decay: float = Field(default=0.01, ge=0)
    epochs: PositiveInt = 60
    patience: PositiveInt | None = 15
    metric: str = LOSS
    batch_size: PositiveInt = 64
    average: float | None = Field(default=0.98, gt=0, lt=1)


class VARIANT(_trained.Trained):
    """A head on features; scores are the logits, (N, C), or their difference, (N, 1)."""

    takes: ClassVar[str] = FEATURES
    gives_log_odds: ClassVar[bool] = True

    class Config(BaseModel):
        """Options.

        Attributes:
            head: From vectors to logits; each row of features is one vector.
            standardize: Whether features are brought to mean 0 and standard deviation 1 first.
            validation: Share of the rows that is set aside; with 0 it learns from all, runs all epochs, and
                is calibrated by cross-validation.
            training: Options of the training loop.
            members: So many heads with seeds of their own, whose probabilities are averaged.
            dropout_samples: So many fixed dropout masks that each predicts with; 0 for no dropout then.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        head: Component = Component(name="mlp")
        standardize: bool = True
        validation: float = Field(default=0.1, ge=0, le=0.5)
        training: HeadTraining = HeadTraining()
        members: int = Field(default=1, ge=1, le=_trained.MOST_MEMBERS)
        dropout_samples: int = Field(default=0, ge=0, le=_trained.MOST_SAMPLES)

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or self.Config())
        _checks.check(self.config.training, head=self.config.head)
        _checks.check_opinions(self.config)

    def _rows(self, x: Inputs) -> NDArray[np.float32]:
        return np.ascontiguousarray(x, dtype=np.float32)

    def _network_for(self, rows: NDArray[Any], n_classes: int, seed: int) -> Any:
        import torch

        from sortilin.classifiers._network import FeatureNetwork

        width = rows.shape[1]
        mean, scale = np.zeros(width), np.ones(width)
        if self.config.standardize:
            mean, scale = _tabular.mean_and_scale(rows)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "weights"))
            head, its_config = self.config.head.resolved("head")
            return FeatureNetwork(
                head(its_config, width=width, n_classes=n_classes),
                mean.astype(np.float32),
                scale.astype(np.float32),
            )

    def _examples(self, rows: NDArray[Any], y: IntArray, *, to_learn: bool) -> Any:  # noqa: ARG002 - alike
        from sortilin.classifiers._network import FeatureExamples

        return FeatureExamples(rows, y)

    def _digest(self, rows: NDArray[Any]) -> bytes:
        return b"%d\n%b" % (rows.shape[1], rows.tobytes())

    def scores(self, x: Inputs) -> DoubleArray:
        """(N, F) features → (N, C) logits, or (N, 1) with two classes; see `Trained.scores`."""
        import torch

        from sortilin.classifiers._network import as_scores

        rows = torch.from_numpy(self._rows(x))
        network = self._whole()
        with torch.inference_mode():
            parts = [network(part).numpy() for part in torch.split(rows, _SCORING_ROWS)]
        return np.asarray(as_scores(np.concatenate(parts).astype(np.float64)))

    def reads(self) -> dict[str, Any]:
        """Empty: it takes features."""
        return {}

    def _probes(self) -> list[tuple[Any, ...]]:
        import torch

        from sortilin.classifiers._members import PROBES

        return [(torch.zeros(n, len(self._network.mean)),) for n, _ in PROBES]

    def _graph_of(self, part: Any) -> bytes:
        """From `features` (N, F) to `scores`, the standardization included."""
        from sortilin.classifiers import _network

        return _network.to_onnx_of_features(part)
