"""Cells with a colour and a text: what confusion matrices and heatmaps share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark._drawing import COLUMN_INCHES, new_figure
from sortilin.report.benchmark._palette import SEQUENTIAL, UNDEFINED_CELL, text_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure

MAX_ANNOTATED = 400
"""Cells; with more, a colour bar takes the place of the texts."""

_INCHES_PER_CHARACTER = 0.072  # of a tick label, at 8.5 points


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows and columns of a grid.

    Attributes:
        values: (R, K) the colour of each cell; NaN for grey.
        texts: R x K texts of the cells.
        rows: R labels, from the top.
        columns: K labels, of one line each: where they are wide, they stand aslant.
        low: Value of the lightest colour.
        high: Value of the darkest colour.
    """

    values: NDArray[np.float64]
    texts: Sequence[Sequence[str]]
    rows: Sequence[str]
    columns: Sequence[str]
    low: float
    high: float

    @property
    def is_annotated(self) -> bool:
        """There are few enough cells for texts."""
        return self.values.size <= MAX_ANNOTATED


def grid_figure(
    cells: Cells, *, title: str, axis_labels: tuple[str, str] = ("", ""), row_inches: float, bar_label: str
) -> Figure:
    """A figure of the cells, a column wide or, for many columns, wider.

    Args:
        cells: What to draw.
        title: Heading within the figure.
        axis_labels: Below the columns, and beside the rows.
        row_inches: Height of a row.
        bar_label: What the colours say; for a figure with a colour bar.
    """
    n_rows, n_columns = cells.values.shape
    beside = _INCHES_PER_CHARACTER * _longest(cells.rows) + (0.25 if axis_labels[1] else 0.1)
    cell_inches = max((COLUMN_INCHES - beside) / n_columns, 0.46)
    is_slanted = _INCHES_PER_CHARACTER * _longest(cells.columns) > cell_inches
    below = 0.055 * _longest(cells.columns) + 0.2 if is_slanted else 0.3
    below += 0.2 if axis_labels[0] else 0.0
    bar = 0.0 if cells.is_annotated else 0.9
    figure = new_figure(beside + n_columns * cell_inches + bar, 0.4 + n_rows * row_inches + below)
    axes = figure.add_subplot()
    mesh = _paint(axes, cells)
    _label(axes, cells, is_slanted=is_slanted)
    axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
    figure.suptitle(title, x=0.01, ha="left")
    if bar:
        figure.colorbar(mesh, ax=axes, label=bar_label)
    return figure


def _longest(labels: Sequence[str]) -> int:
    return max(len(line) for label in labels for line in label.split("\n"))


def _paint(axes: Axes, cells: Cells) -> QuadMesh:
    import matplotlib as mpl

    mesh = axes.pcolormesh(
        np.ma.masked_invalid(cells.values),
        cmap=mpl.colormaps[SEQUENTIAL].with_extremes(bad=UNDEFINED_CELL),
        vmin=cells.low,
        vmax=cells.high,
        edgecolors="white" if cells.is_annotated else "face",
        linewidth=1.0 if cells.is_annotated else 0.0,
        rasterized=not cells.is_annotated,
    )
    axes.invert_yaxis()  # the first row on top
    axes.spines[:].set_visible(False)
    if cells.is_annotated:
        _annotate(axes, cells, mesh)
    return mesh


def _annotate(axes: Axes, cells: Cells, mesh: QuadMesh) -> None:
    size = 8.5 if len(cells.columns) <= 6 else 7
    for row, column in np.ndindex(cells.values.shape):
        red, green, blue, _ = mesh.to_rgba(np.ma.masked_invalid(cells.values[row, [column]]))[0]
        text = axes.text(
            column + 0.5,
            row + 0.5,
            cells.texts[row][column],
            color=text_on(red, green, blue),
            size=size,
            ha="center",
            va="center",
            linespacing=1.15,
        )
        text.set_in_layout(False)  # it lies within its cell; to measure hundreds of them takes long


def _label(axes: Axes, cells: Cells, *, is_slanted: bool) -> None:
    n_rows, n_columns = cells.values.shape
    axes.set_xticks(np.arange(n_columns) + 0.5, cells.columns, size=8.5)
    axes.set_yticks(np.arange(n_rows) + 0.5, cells.rows, size=8.5)
    axes.tick_params(length=0)
    if is_slanted:
        for label in axes.get_xticklabels():
            label.set(rotation=40, horizontalalignment="right", rotation_mode="anchor")
