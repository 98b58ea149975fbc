"""What the plots of a result page show: bars with their places and words, without any markup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sortilin.serve.table import PROBABILITY_BINS


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar.

    Attributes:
        x: Left end, 0 to 100.
        width: 0 to 100.
        height: 0 to 100, of the tallest.
        n: What it counts.
        words: What it says, for a tool tip and for those who do not see it.
    """

    x: float
    width: float
    height: float
    n: int
    words: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Bars side by side.

    Attributes:
        title: What is counted.
        first: Words under its left end.
        last: Words under its right end.
        bars: From left to right; what counts nothing has no height.
        colour: Number of a class's colour; None for a neutral one.
    """

    title: str
    first: str
    last: str
    bars: list[Bar]
    colour: int | None = None

    @property
    def tallest(self) -> int:
        """What the tallest bar counts."""
        return max((bar.n for bar in self.bars), default=0)


def lengths(overview: Mapping[str, Any]) -> Plot:
    """Sequences by length."""
    values = overview["lengths"]
    first, width, counts = values["first"], values["width"], values["counts"]
    bars = [
        Bar(x, w, h, n, f"{_between(first + i * width, first + (i + 1) * width - 1)} residues: {n:,}")
        for i, (x, w, h, n) in enumerate(_placed(counts))
    ]
    return Plot("Lengths", f"{first:,} residues", f"{first + len(counts) * width - 1:,}", bars)


def probabilities(counts: Sequence[int], label: str, colour: int) -> Plot:
    """Sequences predicted as one class, by its probability."""
    bars = [
        Bar(x, w, h, n, f"{100 * i / PROBABILITY_BINS:.0f} to {100 * (i + 1) / PROBABILITY_BINS:.0f}%: {n:,}")
        for i, (x, w, h, n) in enumerate(_placed(counts))
    ]
    return Plot(label, "0%", "100%", bars, colour)


def _between(first: int, last: int) -> str:
    return f"{first:,}" if first == last else f"{first:,} to {last:,}"


def _placed(counts: Sequence[int]) -> list[tuple[float, float, float, int]]:
    tallest, width = max(counts, default=0) or 1, 100 / max(len(counts), 1)
    return [
        # What counts one of thousands is still to be seen.
        (round(i * width, 3), round(width * 0.9, 3), round(max(100 * n / tallest, 2.0 * (n > 0)), 2), n)
        for i, n in enumerate(counts)
    ]
