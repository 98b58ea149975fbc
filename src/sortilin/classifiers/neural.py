"""A network that reads the sequence itself: a backbone, a head, and the training loop.

It sets a stratified share of its rows aside, on which it stops early and which then calibrates it.

Axis letters: N sequences, M of them set aside, B batch, L residues, C classes, S scores.
"""

from __future__ import annotations

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

from sortilin.classifiers import _checks, _trained
from sortilin.component import Component
from sortilin.interfaces import SEQUENCES, DoubleArray, Inputs, IntArray
from sortilin.seeding import child_seed
from sortilin.sequences.cropping import LengthPolicy
from sortilin.training.config import TrainingConfig

_SCORING_POSITIONS = 50_000


class VARIANT(_trained.Trained):
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
            members: So many networks with seeds of their own, whose probabilities are averaged.
            dropout_samples: So many fixed dropout masks that each predicts with; 0 for no dropout then.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        backbone: Component = Component(name="onehot")
        head: Component = Component(name="lstm")
        max_residues: PositiveInt | None = 2_000
        keep_last: NonNegativeInt = 100
        masking: float = Field(default=0.0, ge=0, lt=1)
        validation: float = Field(default=0.1, gt=0, le=0.5)
        training: TrainingConfig = TrainingConfig()
        members: int = Field(default=1, ge=1, le=_trained.MOST_MEMBERS)
        dropout_samples: int = Field(default=0, ge=0, le=_trained.MOST_SAMPLES)

        @model_validator(mode="after")
        def _policy_is_possible(self) -> VARIANT.Config:
            _ = self.length_policy
            return self

        @property
        def length_policy(self) -> LengthPolicy:
            """Which residues of a long sequence are read."""
            return LengthPolicy(self.max_residues, self.keep_last)

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(config or self.Config())
        _checks.check(self.config.training, backbone=self.config.backbone, head=self.config.head)
        _checks.check_opinions(self.config)

    def _rows(self, x: Inputs) -> NDArray[Any]:
        policy = self.config.length_policy
        return np.array([policy.apply(sequence) for sequence in x], dtype=object)

    def _network_for(self, rows: NDArray[Any], n_classes: int, seed: int) -> Any:  # noqa: ARG002 - any will do
        return self._build(n_classes, seed)

    def _build(self, n_classes: int, seed: int) -> Any:
        import torch

        from sortilin.classifiers._network import Network

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(child_seed(seed, "weights"))
            backbone, its_config = self.config.backbone.resolved("backbone")
            base = backbone(its_config)
            head, its_config = self.config.head.resolved("head")
            return Network(base, head(its_config, width=base.width, n_classes=n_classes))

    def _examples(self, rows: NDArray[Any], y: IntArray, *, to_learn: bool) -> Any:
        from sortilin.classifiers._network import SequenceExamples

        return SequenceExamples(rows, y, masking=self.config.masking if to_learn else 0.0)

    def _digest(self, rows: NDArray[Any]) -> bytes:
        return ",".join(rows).encode()

    def scores(self, x: Inputs) -> DoubleArray:
        """(N,) sequences → (N, C) logits, or (N, 1) with two classes; see `Trained.scores`."""
        from sortilin.classifiers._network import scores_in_batches

        examples = self._examples(self._rows(x), np.zeros(len(x), dtype=np.int64), to_learn=False)
        return scores_in_batches(self._whole(), examples, _SCORING_POSITIONS)

    def reads(self) -> dict[str, Any]:
        """Tokens, of the residues that the length policy leaves."""
        return {"tokens": {"max_residues": self.config.max_residues, "keep_last": self.config.keep_last}}

    def _probes(self) -> list[tuple[Any, ...]]:
        import torch

        from sortilin.classifiers._members import PROBES

        return [(torch.ones(sizes, dtype=torch.int64),) for sizes in PROBES]

    def _graph_of(self, part: Any) -> bytes:
        """From `tokens` (N, L) to `scores`, and to `attention` (N, L) where the head has it."""
        from sortilin.classifiers import _network

        return _network.to_onnx(part)
