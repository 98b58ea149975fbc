"""Which lines of a sequence are drawn, and which marks stand above each, in how many lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sortilin.interfaces import DoubleArray
from sortilin.report.explain._shown import Mark

PER_LINE = 60
"""Residues a line, as in GenBank and UniProt."""

MAX_LINES = 50
"""Of a longer sequence, only the strongest lines and both ends are drawn."""

_FIRST, _LAST = 3, 2
_RESIDUES_A_CHARACTER = 0.62
"""Width of a label's character, in residues."""

_MAX_LANES = 4


@dataclass(frozen=True, slots=True)
class Placed:
    """A mark within a line.

    Attributes:
        mark: The whole mark.
        start: Its first column of the line, from 0.
        end: The column behind its last one.
        lane: Its lane above the letters, from 0.
        label: What is written above it; empty where it goes on from a line before.
    """

    mark: Mark
    start: int
    end: int
    lane: int
    label: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of residues.

    Attributes:
        start: First residue, from 0.
        end: The residue behind the last one.
        placed: Marks above it.
        lanes: Of each lane from the letters up, whether it holds labels.
        n_more: Marks that found no lane.
    """

    start: int
    end: int
    placed: tuple[Placed, ...]
    lanes: tuple[bool, ...]
    n_more: int


def lines(length: int, strength: DoubleArray, marks: Sequence[Mark], *, most: int = MAX_LINES) -> list[Line]:
    """The lines to draw, in order.

    Args:
        length: Residues.
        strength: (L,) by how much each residue speaks, whatever for; NaN where the model did not look.
        marks: Marks of the sequence.
        most: Lines at most. Of more, both ends and the strongest ones are taken.
    """
    starts = list(range(0, length, PER_LINE))
    kept = starts if len(starts) <= most else _strongest(starts, strength, most)
    named: set[Mark] = set()
    return [_line(start, min(start + PER_LINE, length), marks, named) for start in kept]


def _strongest(starts: Sequence[int], strength: DoubleArray, most: int) -> list[int]:
    first, last = min(_FIRST, most), min(_LAST, max(most - _FIRST, 0))
    ends = {*starts[:first], *starts[len(starts) - last :]}
    peaks = {s: float(np.nan_to_num(strength[s : s + PER_LINE]).max()) for s in starts if s not in ends}
    best = sorted(peaks, key=lambda s: (-peaks[s], s))[: most - len(ends)]
    return sorted({*ends, *best})


def _line(start: int, end: int, marks: Sequence[Mark], named: set[Mark]) -> Line:
    """Marks get the lowest lane where neither they nor their labels touch another; a name is written once."""
    within = sorted((m for m in marks if m.start < end and m.end > start), key=lambda m: (m.start, -m.end))
    free_from: list[float] = []
    placed: list[Placed] = []
    n_more = 0
    for mark in within:
        first, last = max(mark.start, start) - start, min(mark.end, end) - start
        label = "" if mark in named else mark.name
        text = len(label) * _RESIDUES_A_CHARACTER
        left = max(min(first, PER_LINE - text), 0)
        lane = next((i for i, free in enumerate(free_from) if min(first, left) >= free), len(free_from))
        if lane == _MAX_LANES:
            n_more += 1
            continue
        if lane == len(free_from):
            free_from.append(0.0)
        free_from[lane] = max(last, left + text) + 1
        placed.append(Placed(mark, first, last, lane, label))
        named.add(mark)
    lanes = tuple(any(p.label for p in placed if p.lane == lane) for lane in range(len(free_from)))
    return Line(start, end, tuple(placed), lanes, n_more)


def left_of(placed: Placed) -> float:
    """Where a label begins, so that it ends within the line."""
    return max(min(float(placed.start), PER_LINE - len(placed.label) * _RESIDUES_A_CHARACTER), 0.0)


def gaps(drawn: Sequence[Line], length: int) -> list[tuple[int, int, int]]:
    """Stretches that are not drawn: index of the line that follows, first and last residue from 1."""
    found, at = [], 0
    for index, line in enumerate(drawn):
        if line.start > at:
            found.append((index, at + 1, line.start))
        at = line.end
    if at < length:
        found.append((len(drawn), at + 1, length))
    return found
