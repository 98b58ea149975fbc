"""Batches of like length for explainers by gradients.

Axis letters: B batch, L residues, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.explain.methods._asking import Question
from sortilin.interfaces import IntArray

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened


class Looked:
    """The residues that a model looks at in each of some questions, and batches of them.

    Attributes:
        network: Of the model.
        places: (K,) places of those residues, one array a question.
    """

    def __init__(self, opened: Opened, questions: Sequence[Question]) -> None:
        self.network: Any = opened.network()
        self.places: list[IntArray] = [opened.places(len(q.sequence)) for q in questions]
        self._questions = questions
        self._classes = [opened.class_index(q.label) for q in questions]

    def batches(
        self, points: Sequence[tuple[int, float]]
    ) -> Iterator[tuple[list[tuple[int, float]], Any, Any, Any]]:
        """Points of questions of like length, with embedding (B, L, D), mask (B, L) and classes (B,).

        Args:
            points: Number of the question, and anything that tells its points apart.
        """
        import torch

        left = sorted(points, key=lambda point: (len(self.places[point[0]]), *point))
        while left:
            n = 1
            while n < len(left) and (n + 1) * len(self.places[left[n][0]]) <= self.network.most_positions:
                n += 1
            batch, left = left[:n], left[n:]
            rows = sorted({row for row, _ in batch})
            x, mask = self.network.embed([self._kept(row) for row in rows])
            at = torch.tensor([rows.index(row) for row, _ in batch])
            yield batch, x[at], mask[at], torch.tensor([self._classes[row] for row, _ in batch])

    def _kept(self, row: int) -> str:
        sequence, places = self._questions[row].sequence, self.places[row]
        if len(places) == len(sequence):
            return sequence
        return "".join(np.array(list(sequence))[places].tolist())


def why_not(opened: Opened) -> str | None:
    """None if a model has gradients at its residues, else the reason in words."""
    return opened.why_no_network()
