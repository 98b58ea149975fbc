"""In-silico mutagenesis as a heatmap: 20 rows, a column a residue, cut into lines of 60.

Axis letters: L residues.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.interfaces import DoubleArray
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._palette import INK, SOFT
from sortilin.report.explain import _colours, _layout
from sortilin.report.explain._sequence import CELL, LEFT, WIDTH, axes
from sortilin.report.explain._shown import Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ORDER = "KRHDENQSTCYGPAVILMFW"
"""Rows from the top down: basic, acidic, polar, small and hydrophobic residues."""

MAX_LINES = 10
_ROW, _LETTERS, _BETWEEN, _SKIPPED, _HEAD, _LEGEND = 0.095, 0.17, 0.2, 0.2, 0.5, 0.35
_BLOCK = _LETTERS + 20 * _ROW + _BETWEEN
_PIXELS = 4  # an image row is a quarter of a heatmap's row


def drawing(shown: Shown, name: str) -> Drawing:
    """The heatmap, under a file name."""
    from matplotlib.figure import Figure

    table = _ordered(shown)
    strength = np.nanmax(np.abs(np.nan_to_num(table)), axis=1)
    drawn = _layout.lines(len(shown.sequence), strength, (), most=MAX_LINES)
    gaps = {index: (a, b) for index, a, b in _layout.gaps(drawn, len(shown.sequence))}
    height = _HEAD + len(drawn) * _BLOCK + len(gaps) * _SKIPPED + _LEGEND
    figure = Figure(figsize=(WIDTH, height), facecolor="white")
    title = f"{shown.id}: each residue in place of each other"
    figure.text(LEFT / WIDTH, 1 - 0.18 / height, title, fontsize=10, fontweight="bold", va="center")
    said = f"change of the log-odds of {shown.label}; a dot is the residue itself"
    figure.text(LEFT / WIDTH, 1 - 0.36 / height, said, fontsize=8, color=SOFT, va="center")
    full, at = _colours.limit(table), _HEAD
    for index, line in enumerate([*drawn, None]):
        if index in gaps:
            first, last = gaps[index]
            where = 1 - (at + _SKIPPED / 2) / height
            said = f"… residues {first:,} to {last:,} are not drawn"
            figure.text(LEFT / WIDTH, where, said, fontsize=7, color=SOFT, va="center")
            at += _SKIPPED
        if line is None:
            break
        part = slice(line.start, line.end)
        place = axes(figure, LEFT, at + _LETTERS, (line.end - line.start) * CELL, 20 * _ROW)
        _block(place, shown.sequence[part], line.start, table[part], full)
        at += _BLOCK
    _legend(axes(figure, LEFT, at + 0.02, 12 * CELL, 0.1), full)
    strongest = int(np.argmax(strength))
    alt = (
        f"Heatmap of mutations of {shown.id}, {words.count(len(shown.sequence), 'residue')}. The strongest "
        f"changes are those of {shown.sequence[strongest]}{strongest + 1}."
    )
    return Drawing(name, "mutagenesis", alt, f"{shown.id}: in-silico mutagenesis.", figure)


def _ordered(shown: Shown) -> DoubleArray:
    """(L, 20) in the order of the rows; NaN at the residue itself."""
    assert shown.substitutions is not None
    table = shown.substitutions[:, [shown.alphabet.index(letter) for letter in ORDER]].copy()
    for place, letter in enumerate(shown.sequence):
        if letter in ORDER:
            table[place, ORDER.index(letter)] = np.nan
    return np.asarray(table)


def _block(place: Axes, letters: str, start: int, table: DoubleArray, full: float) -> None:
    shades = np.round(_colours.shades(table.T, full) * 255).astype(np.uint8)
    n = len(letters)
    place.imshow(shades, extent=(0, n, 20, 0), aspect="auto", interpolation="none")
    place.set_xticks([i + 0.5 for i in range(9, n, 10)], [f"{start + i + 1:,}" for i in range(9, n, 10)])
    place.set_yticks([row + 0.5 for row in range(20)], list(ORDER), fontfamily="DejaVu Sans Mono")
    place.tick_params(axis="x", labelsize=6, length=2, pad=1)
    place.tick_params(axis="y", labelsize=5.6, length=0, pad=2)
    mono: dict[str, Any] = {"family": "DejaVu Sans Mono", "color": INK}
    place.text(0, -0.25, letters, fontsize=CELL * 72 / 0.602 * 0.999, va="bottom", **mono)
    xs = [i + 0.5 for i, letter in enumerate(letters) if letter in ORDER]
    ys = [ORDER.index(letter) + 0.5 for letter in letters if letter in ORDER]
    place.plot(xs, ys, linestyle="none", marker=".", markersize=2.2, color=INK)
    place.spines[:].set_visible(False)


def _legend(place: Axes, full: float) -> None:
    ramp = _colours.shades(np.linspace(-full, full, 24)[None], full)
    place.imshow(
        np.round(ramp * 255).astype(np.uint8), extent=(0, 12, 1, 0), aspect="auto", interpolation="none"
    )
    place.set_axis_off()
    ends = f"{words.MINUS}{full:.2g} to {full:.2g} log-odds"
    said = f"{ends}: orange makes the class less likely, blue more likely"
    place.text(13, 0.5, said, fontsize=7, color=SOFT, va="center")
