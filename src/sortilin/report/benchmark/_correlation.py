"""Figure of the correlations of the features with each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import escape_controls
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import DIVERGING, UNDEFINED_CELL
from sortilin.report.benchmark._results import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MAX_NAMES = 90  # feature names on an axis that stay readable; of more, every second, third, ... stands there
_NAME_SHOWN = 28  # characters


def drawing(correlation: Mapping[str, Any], topic: str) -> Drawing:
    """A heatmap, from blue for -1 over white to red for 1.

    Args:
        correlation: "names", F of them, and "matrix", F x F, null where undefined.
        topic: Section of the page.
    """
    names = correlation["names"]
    matrix = np.array([numbers(row) for row in correlation["matrix"]])
    size = min(max(0.122 * len(names), 2.6), 9.0)
    figure = new_figure(size + 1.9, size + 0.9)
    axes = figure.add_subplot()
    _draw(axes, names, matrix)
    strongest = _strongest_pair(names, matrix)
    undefined = "" if np.isfinite(matrix).all() else "; grey: undefined, as for a feature with one value only"
    features = words.count(len(names), "feature")
    return Drawing(
        name="correlation",
        topic=topic,
        alt=f"Heatmap of the Pearson correlation of {features} with each other. {strongest}",
        caption=f"Pearson correlation of {features} with each other, over the labelled sequences{undefined}. "
        f"{strongest}",
        figure=figure,
    )


def _draw(axes: Axes, names: Sequence[str], matrix: NDArray[np.float64]) -> None:
    import matplotlib as mpl

    mesh = axes.pcolormesh(
        np.ma.masked_invalid(matrix),
        cmap=mpl.colormaps[DIVERGING].with_extremes(bad=UNDEFINED_CELL),
        vmin=-1,
        vmax=1,
        rasterized=True,  # thousands of cells: as vectors the file would be a hundred times larger
    )
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.spines[:].set_visible(False)
    step = math.ceil(len(names) / _MAX_NAMES)
    places = range(0, len(names), step)
    centres, labels = [place + 0.5 for place in places], [_cut(names[place]) for place in places]
    size = 6.5 if len(names) > 30 else 8
    axes.set_xticks(centres, labels, size=size, rotation=90)
    axes.set_yticks(centres, labels, size=size)
    axes.tick_params(length=0, pad=2)
    bar = axes.figure.colorbar(mesh, ax=axes, shrink=0.5, aspect=25, pad=0.02)
    bar.set_label("Pearson correlation")
    bar.outline.set_visible(False)


def _strongest_pair(names: Sequence[str], matrix: NDArray[np.float64]) -> str:
    """The two features with the largest absolute correlation, in words; empty without one."""
    strength = np.abs(np.triu(matrix, k=1))
    if not np.isfinite(strength).any() or np.nanmax(strength) == 0:
        return ""
    row, column = map(int, np.unravel_index(np.nanargmax(strength), strength.shape))
    value = words.decimals(float(matrix[row, column]), 2)
    return f"Strongest: {names[row]} and {names[column]}, {value}."


def _cut(name: str) -> str:
    """A feature's name as it is, on one line."""
    text = escape_controls(name)
    return text if len(text) <= _NAME_SHOWN else text[: _NAME_SHOWN - 1] + words.ELLIPSIS
