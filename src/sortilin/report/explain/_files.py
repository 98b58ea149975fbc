"""Drawings as files: their parts have places already, and numbers need few digits."""

from __future__ import annotations

import io
import re

from sortilin.report.benchmark._drawing import Drawing, Picture

PNG_DPI = 144
_CSS_DPI = 96
_PATH = re.compile(rb' (d|x)="([^"]*)"')
_LONG = re.compile(rb"-?\d+\.\d{3,}")


def render(drawing: Drawing) -> Picture:
    """The drawing as bytes, equal for equal drawings: no date, no random ids."""
    from matplotlib import rc_context

    width, height = drawing.figure.get_size_inches()
    png, svg = io.BytesIO(), io.BytesIO()
    # Hinted letters are whole pixels wide: a line of 60 would end two cells before its colours.
    with rc_context({"text.hinting": "none"}):
        drawing.figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawing.figure.savefig(svg, format="svg", dpi=PNG_DPI, metadata=none)
    return Picture(
        name=drawing.name,
        topic=drawing.topic,
        alt=drawing.alt,
        caption=drawing.caption,
        png=png.getvalue(),
        svg=_PATH.sub(_shortened, svg.getvalue()),
        width=round(width * _CSS_DPI),
        height=round(height * _CSS_DPI),
    )


def _shortened(match: re.Match[bytes]) -> bytes:
    """A path or a place with two decimals, which is finer than any screen."""
    short = _LONG.sub(lambda number: b"%.2f" % float(number[0]), match[2])
    return b' %s="%s"' % (match[1], short.replace(b" \n", b"\n"))
