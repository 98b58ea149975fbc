"""A figure and what is said of it, and its PNG and SVG bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sortilin.report.benchmark._palette import INK, SOFT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.8
"""Width of most figures: three stand beside each other on a screen, one fills a telephone's."""

PNG_DPI = 200
_CSS_DPI = 96

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that every machine draws the same
    "font.size": 9,
    "text.parse_math": False,  # a class name may hold dollar signs
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "figure.titlesize": 10,
    "figure.titleweight": "bold",
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "sortilin",  # else the ids within an SVG are drawn by chance
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure and what is said of it.

    Attributes:
        name: File name without its ending.
        topic: Section of the page that shows it.
        alt: What it shows, for a person who does not see it.
        caption: What is seen, and on which sequences.
        figure: As drawn.
    """

    name: str
    topic: str
    alt: str
    caption: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as files: the attributes of `Drawing`, and its width and height in CSS pixels."""

    name: str
    topic: str
    alt: str
    caption: str
    png: bytes
    svg: bytes
    width: int
    height: int


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style within this block, whatever a `matplotlibrc` says."""
    import matplotlib as mpl

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams  # whose type would have each key spelled out
        settings.update(_STYLE)
        # A name in a script that the font does not hold shows as boxes; the page has it in full.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of that size in inches, which arranges its parts by itself."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def render(drawing: Drawing) -> Picture:
    """The drawing as bytes, equal for equal drawings: no date, no random ids."""
    drawing.figure.draw_without_rendering()
    drawing.figure.set_layout_engine("none")  # arranged now; else each format would arrange it again
    width, height = drawing.figure.get_size_inches()
    return Picture(
        name=drawing.name,
        topic=drawing.topic,
        alt=drawing.alt,
        caption=drawing.caption,
        png=_bytes_of(drawing.figure, "png", {"Software": None}),
        svg=_bytes_of(drawing.figure, "svg", dict.fromkeys(("Date", "Creator", "Format", "Type"))),
        width=round(width * _CSS_DPI),
        height=round(height * _CSS_DPI),
    )


def _bytes_of(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=PNG_DPI, metadata=metadata)
    return stream.getvalue()
