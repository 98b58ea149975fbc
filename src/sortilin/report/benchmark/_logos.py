"""Sequence logos of motifs: the height of a letter is its share of the column's information."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import CLASS_COLOURS, INK
from sortilin.report.benchmark._results import Results

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
"""Columns of a motif's matrix."""

_BLUE, _VERMILION, _GREEN, _PURPLE = CLASS_COLOURS[:4]
_COLOUR_OF = {
    **dict.fromkeys("KRH", _BLUE),  # basic
    **dict.fromkeys("DE", _VERMILION),  # acidic
    **dict.fromkeys("NQSTGCY", _GREEN),  # polar
    **dict.fromkeys("AVLIMFWP", INK),  # not polar
    "W": _PURPLE,
}
_PER_COLUMN_INCHES = 0.32


def can_draw() -> bool:
    """Whether logomaker is installed."""
    return importlib.util.find_spec("logomaker") is not None


def drawing(motifs: Sequence[Results], topic: str) -> Drawing:
    """One figure of all motifs, one below the other."""
    widest = max(len(motif["matrix"]) for motif in motifs)
    figure = new_figure(max(1.1 + _PER_COLUMN_INCHES * widest, 4.6), 0.2 + 1.25 * len(motifs))
    panels = figure.subplots(len(motifs), 1, squeeze=False)[:, 0]
    for axes, motif in zip(panels, motifs, strict=True):
        _draw(axes, motif)
        axes.set_xlim(-0.5, widest - 0.5)
        axes.set_title(words.one_line(f"{motif['name']}  {motif['pattern']}", 60), size=8.5)
    return Drawing(
        name="motif_logos",
        topic=topic,
        alt="Sequence logos: " + ", ".join(motif["consensus"] for motif in motifs) + ".",
        caption="Motifs of the positives of the training data against its negatives. Height: bits against "
        "the composition of the negatives. Blue: basic; orange-red: acidic; green: polar; dark: not polar; "
        "pink: W.",
        figure=figure,
    )


def _draw(axes: Any, motif: Results) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, on what logomaker does with it
        import logomaker
        import pandas as pd  # type: ignore[import-untyped]

        heights = np.array(motif["matrix"]) * np.array(motif["information"])[:, None]
        logomaker.Logo(
            pd.DataFrame(heights, columns=list(RESIDUES)),
            ax=axes,
            color_scheme=_COLOUR_OF,
            show_spines=False,
            vpad=0.02,
        )
    axes.set_xticks(range(len(heights)), [str(place + 1) for place in range(len(heights))], size=7)
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("bits", size=8)
    axes.spines["left"].set_visible(True)
