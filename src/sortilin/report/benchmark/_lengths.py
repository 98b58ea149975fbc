"""Figure of the sequence lengths: a histogram for training, and one for the blind sequences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark._drawing import COLUMN_INCHES, Drawing, new_figure
from sortilin.report.benchmark._palette import INK, TRAINING, VALIDATION

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"training": TRAINING, "blind": VALIDATION}
_N_BINS = 40
_LOG_FROM = 30  # times the shortest length; with a wider range a linear axis crowds nearly all in one bar


def drawing(lengths: Mapping[str, Sequence[int] | None], names: Mapping[str, str], topic: str) -> Drawing:
    """Histograms above each other, with the same bars.

    Args:
        lengths: "training" and "blind" → residues of each sequence; one of them may be empty.
        names: "training" and "blind" → what these sequences are called.
        topic: Section of the page.
    """
    groups = [
        (names[key], colour, np.array(lengths[key]))
        for key, colour in _COLOURS.items()
        if len(lengths.get(key) or ())
    ]
    figure = new_figure(COLUMN_INCHES, 1.0 + 1.3 * len(groups))
    panels = figure.subplots(len(groups), sharex=True, squeeze=False)[:, 0]
    shortest = max(min(int(values.min()) for _, _, values in groups), 1)
    longest = max(int(values.max()) for _, _, values in groups)
    is_logarithmic = longest > _LOG_FROM * shortest
    edges = _edges(shortest, longest, is_logarithmic=is_logarithmic)
    for axes, (name, colour, values) in zip(panels, groups, strict=True):
        axes.hist(values, bins=edges, color=colour, edgecolor="white", linewidth=0.4)
        axes.axvline(float(np.median(values)), color=INK, lw=1, ls="--")
        axes.set(title=f"{name[0].upper()}{name[1:]}", ylabel="Sequences")
        axes.yaxis.get_major_locator().set_params(integer=True)
    _finish_axis(panels[-1], is_logarithmic=is_logarithmic)
    said = "; ".join(f"{name}: {_in_words(values)}" for name, _, values in groups)
    axis = " The axis is logarithmic." if is_logarithmic else ""
    return Drawing(
        name="lengths",
        topic=topic,
        alt=f"Histogram of sequence lengths. {said}.",
        caption=f"Sequence lengths. {said[0].upper()}{said[1:]}. Dashed: the median.{axis}",
        figure=figure,
    )


def _edges(shortest: int, longest: int, *, is_logarithmic: bool) -> NDArray[np.float64]:
    if is_logarithmic:
        return np.geomspace(shortest, longest + 1, _N_BINS + 1)
    step = max(math.ceil((longest - shortest + 1) / _N_BINS), 1)  # whole, so that no bar lies between lengths
    return np.arange(shortest, longest + 2 * step, step, dtype=np.float64) - 0.5


def _finish_axis(axes: Axes, *, is_logarithmic: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if is_logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("Length (residues)")


def _in_words(values: NDArray[np.int64]) -> str:
    return (
        f"{len(values):,}, of {values.min():,} to {values.max():,} residues, median {np.median(values):,.0f}"
    )
