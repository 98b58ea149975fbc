"""Attention rollout of a language model: how far each residue reaches the states that are read.

Abnar & Zuidema 2020 (doi:10.18653/v1/2020.acl-main.385). The attention of each layer, averaged over its
heads, is mixed half and half with the identity for the residual connection, and the layers are multiplied.
What the head reads, residues or the summary token, is averaged. Special tokens are dropped, and the rest sums
to 1.

Axis letters: T tokens, L residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sortilin.explain.methods import _asking
from sortilin.explain.methods._asking import Answer, Question
from sortilin.interfaces import DoubleArray, OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened


class VARIANT(_asking.Explains):
    """Attention rollout of the language model below a head; the same for every class."""

    class Config(BaseModel):
        """Options.

        Attributes:
            residual: Share of the identity in each layer.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        residual: float = Field(default=0.5, ge=0, lt=1)

    name: ClassVar[str] = "rollout"
    title: ClassVar[str] = (
        "Attention rollout of the language model; what reaches the head, whatever the class"
    )
    signed: ClassVar[bool] = False

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()

    def why_not(self, opened: Opened) -> str | None:
        """None if a language model is part of the model, else the reason in words."""
        if not opened.has_language_model:
            return "it has no language model; fine_tuned has, and head with features: embedding"
        return opened.why_no_network()

    def _answers(
        self,
        opened: Opened,
        questions: Sequence[Question],
        on_progress: OnProgress | None,  # noqa: ARG002 - the questions are quick
    ) -> list[Answer]:
        weights: dict[str, DoubleArray] = {}
        for sequence in dict.fromkeys(q.sequence for q in questions):
            places = opened.places(len(sequence))
            kept = "".join(sequence[place] for place in places.tolist())
            weights[sequence] = _asking.spread(self._weights(opened.network(), kept), places, len(sequence))
        details = {"residual": self.config.residual}
        return [Answer(weights[q.sequence], details=details) for q in questions]

    def _weights(self, network: Any, sequence: str) -> DoubleArray:
        """(L,) that sum to 1; windows of a long sequence count by their residues."""
        total = np.zeros(len(sequence))
        for start, size in network.pieces(len(sequence)):
            total[start : start + size] += size * self._rolled(network, sequence[start : start + size])
        return np.asarray(total / total.sum())

    def _rolled(self, network: Any, sequence: str) -> DoubleArray:
        """(L,) of one window."""
        layers, first = network.attentions(sequence)
        residues = slice(first, first + len(sequence))
        reached = np.zeros(len(layers[0]))
        if network.reads_summary:
            reached[network.summary_place] = 1.0
        else:
            reached[residues] = 1 / len(sequence)
        for layer in reversed(layers):  # a row times each matrix: cheaper than products of matrices
            share = layer.double().numpy()
            share = share / share.sum(axis=1, keepdims=True)
            reached = self.config.residual * reached + (1 - self.config.residual) * (reached @ share)
        return np.asarray(reached[residues] / reached[residues].sum())
