"""How steeply the log-odds of the class change with the embedding of each residue.

Simonyan, Vedaldi & Zisserman 2014 (arXiv:1312.6034): one pass back, without a baseline. It says how much a
residue matters and not in which direction.

Axis letters: B batch, L residues, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from sortilin.explain.methods import _asking, _gradients
from sortilin.explain.methods._asking import Answer, Question
from sortilin.explain.methods._gradients import Looked
from sortilin.interfaces import OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened


class VARIANT(_asking.Explains):
    """Length of the gradient at each residue's embedding; networks only."""

    class Config(BaseModel):
        """Options.

        Attributes:
            times_input: The size of the product of gradient and embedding in place of the gradient's length.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        times_input: bool = False

    name: ClassVar[str] = "saliency"
    title: ClassVar[str] = "Length of the gradient at the residue embedding; one pass, no direction"
    signed: ClassVar[bool] = False

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
        details = {"times_input": self.config.times_input, "scale": looked.network.scale}
        found: dict[int, Answer] = {}
        points = [(row, 1.0) for row in range(len(questions))]
        for batch, x, mask, classes in looked.batches(points):
            values, scores = self._lengths(looked.network, x, mask, classes)
            for place, (row, _) in enumerate(batch):
                places = looked.places[row]
                own = _asking.spread(values[place, : len(places)], places, len(questions[row].sequence))
                found[row] = Answer(own, score=float(scores[place]), details=details)
        return [found[row] for row, _ in points]

    def _lengths(self, network: Any, x: Any, mask: Any, classes: Any) -> tuple[Any, Any]:
        """(B, L) values and (B,) log-odds."""
        import torch

        x = x.detach().requires_grad_(True)
        odds = network.log_odds(x, mask, classes)
        (gradient,) = torch.autograd.grad(odds.sum(), x)
        size = (gradient * x).sum(dim=2).abs() if self.config.times_input else gradient.norm(dim=2)
        return size.detach().double().numpy(), odds.detach().double().numpy()
