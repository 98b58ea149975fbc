"""Integrated gradients at the residue embedding, from a baseline that says nothing to the sequence.

Sundararajan, Taly & Yan 2017 (ICML, arXiv:1703.01365). What is explained is the log-odds of the class, so
that the values of all residues sum to what sequence and baseline differ by in them (completeness). Steps are
added for each sequence by itself, where its path is steep, until the sum is right to one per cent; what is
left is on record. Steps that are spread evenly, as Captum's, leave most paths of a recurrent network off by
more, even a thousand of them: its state jumps at some place of the path.

Axis letters: B batch, L residues, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from sortilin.explain.methods import _asking, _gradients
from sortilin.explain.methods._asking import Answer, Question
from sortilin.explain.methods._gradients import Looked
from sortilin.explain.methods._paths import NODES, Path
from sortilin.interfaces import DoubleArray, IntArray, OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened


class VARIANT(_asking.Explains):
    """Integrated gradients at the residue embedding; networks only."""

    class Config(BaseModel):
        """Options.

        Attributes:
            baseline: What a sequence is compared with: "mean", the mean embedding of the residues weighted by
                how frequent they are in proteins; "unknown", that of the letter X; "zero".
            first_steps: Steps to begin with.
            most_steps: Steps beyond which no more are taken.
            tolerance: Completeness that is asked for, relative to the change of the log-odds.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        baseline: Literal["mean", "unknown", "zero"] = "mean"
        first_steps: PositiveInt = 16
        most_steps: PositiveInt = 1_024
        tolerance: PositiveFloat = Field(default=0.01, lt=1)

    name: ClassVar[str] = "integrated_gradients"
    title: ClassVar[str] = "Integrated gradients at the residue embedding; sums to the change of the log-odds"
    signed: ClassVar[bool] = True

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def why_not(self, opened: Opened) -> str | None:
        """None if the model has gradients at its residues, else the reason in words."""
        return _gradients.why_not(opened)

    def _answers(
        self,
        opened: Opened,
        questions: Sequence[Question],
        on_progress: OnProgress | None,  # noqa: ARG002 - the questions are quick
    ) -> list[Answer]:
        looked = Looked(opened, questions)
        n_pieces = max(1, self.config.first_steps // NODES)
        paths = [Path(n_pieces) for _ in questions]
        while points := [(row, at) for row, path in enumerate(paths) for at in path.wanted()]:
            self._take(looked, paths, points)
            for path in paths:
                path.refine(self.config.tolerance, self.config.most_steps)
        return [
            self._answer(path, places, len(question.sequence), looked.network.scale)
            for path, places, question in zip(paths, looked.places, questions, strict=True)
        ]

    def _take(self, looked: Looked, paths: Sequence[Path], points: Sequence[tuple[int, float]]) -> None:
        """Gradients at points of paths, in batches of like length, handed to their paths."""
        products: dict[tuple[int, float], tuple[DoubleArray, float]] = {}
        for batch, x, mask, classes in looked.batches(points):
            found, heights = self._products(looked.network, x, mask, classes, [at for _, at in batch])
            for place, (row, at) in enumerate(batch):
                products[row, at] = found[place, : len(looked.places[row])], float(heights[place])
        for row, path in enumerate(paths):
            wanted = path.wanted()
            if wanted:
                found_here = [products[row, at] for at in wanted]
                path.take(np.stack([g for g, _ in found_here]), np.array([f for _, f in found_here]))

    def _products(
        self, network: Any, x: Any, mask: Any, classes: Any, at: Sequence[float]
    ) -> tuple[DoubleArray, DoubleArray]:
        """(B, L) gradient times the way from the baseline to the sequence, and (B,) log-odds."""
        import torch

        baseline = network.baseline(x, mask, self.config.baseline)
        way = x - baseline
        point = baseline + torch.tensor(at, dtype=x.dtype)[:, None, None] * way
        odds = network.log_odds(point.requires_grad_(True), mask, classes)
        (gradient,) = torch.autograd.grad(odds.sum(), point)
        return (gradient * way).double().sum(dim=2).numpy(), odds.detach().double().numpy()

    def _answer(self, path: Path, places: IntArray, length: int, scale: str) -> Answer:
        return Answer(
            _asking.spread(path.values, places, length),
            score=path.heights[1.0],
            baseline_score=path.heights[0.0],
            completeness=path.error,
            details={"steps": path.n_steps, "baseline": self.config.baseline, "scale": scale},
        )
