"""The page of one sequence: its residues coloured by what they say for the class, beside known signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from sortilin.explain.occlusion import Profile
from sortilin.explain.signals import Signal

LINE, BLOCK = 60, 10
LEVELS = 4
"""Shades on either side of nothing."""

_NOTHING = 0.15
"""Share of the strongest residue below which none is coloured."""

_MAX_STRETCHES = 6


@dataclass(frozen=True, slots=True)
class Run:
    """Residues side by side that are shown alike.

    Attributes:
        letters: One-letter code.
        level: -4 to 4: against the class, for it; 0 where nothing is known.
        signals: Numbers of the signals that they lie in, from 1.
        starts: Numbers of the signals that begin with the first of them.
    """

    letters: str
    level: int
    signals: tuple[int, ...]
    starts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """Sixty residues.

    Attributes:
        first: Position of the first one, from 1.
        blocks: Tens of residues.
    """

    first: int
    blocks: list[list[Run]]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Residues that say much for a class, or against it.

    Attributes:
        start: First residue, from 1.
        end: Last one.
        letters: The residues.
        mean: Their mean change of the log-odds.
    """

    start: int
    end: int
    letters: str
    mean: float


def lines(sequence: str, profile: Profile | None, signals: Sequence[Signal]) -> list[Line]:
    """A sequence in lines of sixty, in blocks of ten."""
    levels = [0] * len(sequence) if profile is None else _levels(profile)
    inside: list[list[int]] = [[] for _ in sequence]
    starts: list[list[int]] = [[] for _ in sequence]
    for number, signal in enumerate(signals, 1):
        starts[signal.start].append(number)
        for at in range(signal.start, signal.end):
            inside[at].append(number)
    looks = [(levels[i], tuple(inside[i]), tuple(starts[i])) for i in range(len(sequence))]
    return [
        Line(
            start + 1,
            [_runs(sequence, looks, at) for at in range(start, min(start + LINE, len(sequence)), BLOCK)],
        )
        for start in range(0, len(sequence), LINE)
    ]


def _runs(sequence: str, looks: Sequence[tuple[int, tuple[int, ...], tuple[int, ...]]], at: int) -> list[Run]:
    """A block; neighbours that look alike are one piece, since a page of 13,000 pieces is slow."""
    end = min(at + BLOCK, len(sequence))
    runs: list[Run] = []
    for (level, inside), group in groupby(range(at, end), key=lambda i: looks[i][:2]):
        places = list(group)
        cuts = [i for i in places if i == places[0] or looks[i][2]]
        for first, after in zip(cuts, [*cuts[1:], places[-1] + 1], strict=True):
            runs.append(Run(sequence[first:after], level, inside, looks[first][2]))
    return runs


def _levels(profile: Profile) -> list[int]:
    strongest = float(np.abs(profile.values).max()) or 1.0
    share = profile.values / strongest
    level = np.sign(share) * np.ceil(np.abs(share) * LEVELS)
    return [int(v) for v in np.where(np.abs(share) < _NOTHING, 0, level)]


def stretches(sequence: str, profile: Profile) -> list[Stretch]:
    """Where most is said for the class or against it, the strongest first; at most six."""
    signs = np.sign([level if abs(level) > 1 else 0 for level in _levels(profile)])
    found = []
    for sign, group in groupby(range(len(sequence)), key=lambda i: signs[i]):
        places = list(group)
        if sign:
            first, after = places[0], places[-1] + 1
            mean = float(profile.values[first:after].mean())
            found.append(Stretch(first + 1, after, sequence[first:after], mean))
    return sorted(found, key=lambda s: -abs(s.mean))[:_MAX_STRETCHES]


@dataclass(frozen=True, slots=True)
class Curve:
    """A profile as a picture of 1000 by 100.

    Attributes:
        path: The area between the profile and zero, as SVG writes it.
        zero: Height of zero, from above.
        high: Value at the upper edge.
        low: Value at the lower edge.
    """

    path: str
    zero: float
    high: float
    low: float


def curve(profile: Profile) -> Curve:
    """A profile as a picture: a step a residue, so that a peptide of nine has nine."""
    values = profile.values
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    span = (high - low) or 1.0
    heights = 100.0 * (high - values) / span
    zero = round(100.0 * high / span, 1)
    width = 1000.0 / len(values)
    steps = " ".join(f"V{y:.1f}H{(i + 1) * width:.1f}" for i, y in enumerate(heights))
    return Curve(f"M0,{zero} {steps} V{zero}Z", zero, high, low)
