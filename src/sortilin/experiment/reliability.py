"""The reliability diagram of a model: how often a prediction of each probability is right."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from sortilin.evaluation.metrics import ECE_BINS, bin_of
from sortilin.experiment.held_out import HeldOut, Reliability
from sortilin.report.benchmark import _drawing, _palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE = "reliability.svg"

_SIZE = (4.4, 4.6)


def draw(found: HeldOut) -> str | None:
    """The diagram as SVG, equal for equal figures; None where matplotlib is not installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return None
    with _drawing.style():
        figure = _drawing.new_figure(*_SIZE)
        above, below = figure.subplots(2, sharex=True, height_ratios=(3.2, 1))
        _agreement(above, found)
        _counts(below, found.after)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return stream.getvalue().decode()


def _agreement(axes: Axes, found: HeldOut) -> None:
    """Share of right predictions over probability, a point for each bin; calibrated ones on the diagonal."""
    axes.plot((0, 1), (0, 1), color=_palette.SOFT, lw=1, ls=":", label="as often as it says")
    for name, values, colour, marker, dashes in _lines(found):
        _, probability, share = zip(*values.bins, strict=True)
        axes.plot(
            probability,
            share,
            dashes,
            color=colour,
            marker=marker,
            ms=4.5,
            lw=1.3,
            label=f"{name}: ECE {values.ece:.3f}",
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="Share that is right")
    axes.grid(color=_palette.RULE, lw=0.6, alpha=0.7)
    axes.legend(loc="upper left")


def _lines(found: HeldOut) -> Iterator[tuple[str, Reliability, str, str, str]]:
    if found.before is not None:
        yield "before calibration", found.before, _palette.CLASS_COLOURS[1], "s", "--"
    yield "calibrated", found.after, _palette.CLASS_COLOURS[0], "o", "-"


def _counts(axes: Axes, values: Reliability) -> None:
    """Sequences in each bin after calibration."""
    counts, probability, _ = zip(*values.bins, strict=True)
    centres = (bin_of(np.array(probability), ECE_BINS) + 0.5) / ECE_BINS
    axes.bar(centres, counts, width=0.9 / ECE_BINS, color=_palette.CLASS_COLOURS[0])
    axes.set(xlabel="Probability of the predicted class", ylabel="Sequences")
