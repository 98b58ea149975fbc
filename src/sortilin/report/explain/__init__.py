"""Pictures and the page of explanations, from plain values.

    _shown.py       what a picture is drawn from
    _colours.py     values as colours: blue speaks for a class, orange against it
    _layout.py      which lines of a sequence are drawn, and what stands above each
    _sequence.py    a sequence: profiles, and its residues coloured, in lines
    _mutations.py   in-silico mutagenesis as a heatmap
    _files.py       drawings as PNG and SVG
    _curves.py      whether the explanations are true: curves and agreement
    _page.py        the page

matplotlib draws, through its object-oriented interface only, so that no figure outlives its use.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from sortilin.errors import MissingDependencyError
from sortilin.report.explain._shown import GIVEN, KNOWN, Mark, Shown, Track

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sortilin.report.benchmark._drawing import Drawing, Picture

__all__ = ["GIVEN", "KNOWN", "Mark", "Shown", "Track", "drawn", "pictures", "require"]


def require() -> None:
    """See before any work that pictures can be drawn.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError(
            "pictures of explanations (--pictures 0 draws none)", "matplotlib", "figures"
        )


def pictures(shown: Shown, name: str) -> list[Picture]:
    """The picture of a sequence, and that of its mutations where there are any.

    Args:
        shown: What is drawn.
        name: File name without an ending.
    """
    from sortilin.report.benchmark import _drawing
    from sortilin.report.explain import _files, _mutations, _sequence

    with _drawing.style():
        drawings = [_sequence.drawing(shown, name)]
        if shown.substitutions is not None:
            drawings.append(_mutations.drawing(shown, f"{name}.mutagenesis"))
        return [_files.render(one) for one in drawings]


def drawn(drawings: Sequence[Drawing]) -> list[Picture]:
    """Drawings as files."""
    from sortilin.report.benchmark import _drawing
    from sortilin.report.explain import _files

    with _drawing.style():
        return [_files.render(one) for one in drawings]
