"""Sequence logos with logomaker (Tareen and Kinney 2020, doi:10.1093/bioinformatics/btz921).

The height of a column is its relative entropy to the background, in bits; each residue takes its share of it.
"""

from __future__ import annotations

import importlib.util
import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from sortilin.errors import ConfigError, MissingDependencyError
from sortilin.files import replace
from sortilin.motifs.motif import Motif
from sortilin.sequences.residues import RESIDUES

ENDINGS = (".png", ".svg")
CHEMISTRY = {
    "basic": ("KRH", "#0072b2"),
    "acidic": ("DE", "#d55e00"),
    "polar": ("STNQ", "#009e73"),
    "aromatic": ("FWY", "#b8860b"),
    "aliphatic": ("AVILM", "#1c2328"),
    "special": ("CGP", "#b5628f"),
}
"""Kind of residue → its residues and their colour; after Okabe and Ito's, safe for colour-blind readers."""

_COLOURS = {residue: colour for residues, colour in CHEMISTRY.values() for residue in residues}
_INCHES_A_COLUMN, _INCHES_BESIDE, _HEIGHT = 0.34, 0.9, 1.9
_DPI = 200
_FLATTEST = 0.02
"""Bits of the flattest letter that is drawn; flatter ones are a line, and twenty of them a file."""


def require() -> None:
    """Refuse to start where what draws is missing.

    Raises:
        MissingDependencyError: logomaker or matplotlib is not installed.
    """
    for package in ("matplotlib", "logomaker"):
        if importlib.util.find_spec(package) is None:
            raise MissingDependencyError("sequence logos", package, "figures")


def logo(motif: Motif, path: str | os.PathLike[str]) -> None:
    """Draw a motif's logo into a PNG or SVG file.

    Raises:
        ConfigError: The name ends neither in .png nor in .svg.
        MissingDependencyError: logomaker or matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{path}: a logo is written to {' or '.join(ENDINGS)}; the ending tells which")
    replace(Path(path), drawn(motif)[ending.removeprefix(".")])


def drawn(motif: Motif) -> dict[str, bytes]:
    """The logo as "png" and "svg"; equal motifs give equal bytes.

    Raises:
        MissingDependencyError: logomaker or matplotlib is not installed.
    """
    require()
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update({"font.family": "DejaVu Sans", "font.size": 9, "svg.fonttype": "path"})
        settings["svg.hashsalt"] = "sortilin"  # else the ids within an SVG are drawn by chance
        warnings.simplefilter("ignore", category=FutureWarning)  # of pandas, on what logomaker does
        size = (_INCHES_BESIDE + _INCHES_A_COLUMN * motif.width, _HEIGHT)
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        _draw(motif, figure.add_subplot())
        nothing = {"png": {"Software": None}, "svg": dict.fromkeys(("Date", "Creator", "Format", "Type"))}
        return {kind: _bytes_of(figure, kind, metadata) for kind, metadata in nothing.items()}


def _draw(motif: Motif, axes: Any) -> None:
    import logomaker
    import pandas  # type: ignore[import-untyped]

    heights = motif.matrix * np.maximum(motif.information, 0)[:, None]
    heights = np.where(heights < _FLATTEST, 0, heights)
    table = pandas.DataFrame(heights, columns=list(RESIDUES), index=range(1, motif.width + 1))
    logomaker.Logo(table, ax=axes, color_scheme=_COLOURS, font_name="DejaVu Sans", show_spines=False)
    axes.spines["left"].set_visible(True)
    axes.set_ylabel("bits")
    axes.set_xticks(range(1, motif.width + 1))
    axes.tick_params(axis="x", length=0)
    axes.set_ylim(0, max(1.0, heights.sum(axis=1).max() * 1.05))


def _bytes_of(figure: Any, kind: str, metadata: dict[str, None]) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, dpi=_DPI, metadata=metadata)
    return stream.getvalue()
