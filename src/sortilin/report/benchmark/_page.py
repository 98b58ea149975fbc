"""The page: one self-contained file, with its style and its pictures, and no script.

Python decides what is said, `templates/benchmark*.j2` how it looks. The page names no other resource,
and its content security policy allows none.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from sortilin.report._html_page import class_name
from sortilin.report._templates import environment
from sortilin.report.benchmark import (
    _explained_attention,
    _explained_dimensions,
    _explained_results,
    _inside,
    _kinds,
    _pairs,
    _paper,
    _sections,
    _tests,
)
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._comparison import comparison
from sortilin.report.benchmark._drawing import Picture
from sortilin.report.benchmark._results import Results, scored
from sortilin.report.benchmark._table import COLUMN_WORDS

MAX_PICTURE_BYTES = 7_000_000
"""Of all pictures within the page, encoded; a page of ten megabytes is slow to open and to send."""

WIDE_PIXELS = 480
"""A wider picture stands in a row of its own, and may be seen in full size on a telephone."""

TITLES = {
    "audit": "Leakage",
    _kinds.TOPIC: _kinds.TITLE,
    "comparison": "Comparison",
    "pairs": "Pairs of models",
    "tests": "Test sets",
    "tables": "Beside the paper's tables",
    "representation": "Before and after the head",
    "attention": "Attention and motifs",
    _explained_dimensions.TOPIC: _explained_dimensions.TITLE,
    _explained_attention.TOPIC: _explained_attention.TITLE,
    "exploration": "The data",
    "curves": "Training curves",
    "confusion": "Confusion matrices",
    "per_class": "Per class",
    "cross_validation": "Cross-validation",
    "blind": "Blind sequences",
    "choices": "Choices made",
    "method": "How it was made",
}
"""Sections of the page, in order."""


def build(results: Results, pictures: Sequence[Picture]) -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        results: Content of `results.json`.
        pictures: All figures; the page shows them in this order, each in the section of its topic.
    """
    shown_pictures = views(pictures)
    figures = {topic: [view for view in shown_pictures if view["topic"] == topic] for topic in TITLES}
    contents: dict[str, Any] = {
        "audit": (results.get("audit") or {}).get("summary"),
        _kinds.TOPIC: _kinds.view(results),
        "pairs": _pairs.pairs(results),
        "tests": _tests.tests(results),
        "tables": _paper.tables(results),
        "representation": _inside.representation(results),
        "attention": _inside.attention(results),
        **_explained_results.contents(results),
        "cross_validation": _sections.cross_validation(results),
        "blind": _sections.blind(results),
        "choices": results.get("choices") or None,
    }
    shown = [
        topic
        for topic in TITLES
        if topic in ("comparison", "method") or figures[topic] or contents.get(topic)
    ]
    return (
        _environment()
        .get_template("benchmark.html.j2")
        .render(
            results=results,
            scored=scored(results),
            title=results["title"],
            sections=[(topic, TITLES[topic]) for topic in shown],
            figures=figures,
            best=[*_kinds.first(results), *_sections.best_sentences(results)],
            class_bars=_sections.class_bars(results),
            name_width=max((len(name) for name in results["classes"]), default=0),
            origin=_sections.origin(results),
            comparison=comparison(results),
            per_class=_sections.per_class_rows(results),
            command=results.get("command") or "",
            settings=_sections.settings(results),
            options=_sections.model_options(results),
            table_columns=COLUMN_WORDS,
            intervals_how=words.INTERVALS,
            **contents,
        )
    )


@cache
def _environment() -> Environment:
    return environment({"percent": words.percent, "class_name": class_name, "count": words.count})


def embedded(pictures: Sequence[Picture], budget: int = MAX_PICTURE_BYTES) -> Mapping[str, str]:
    """Name → data address of each picture: SVG, which stays sharp, within the budget in bytes.

    Beyond it, the largest SVGs give way to PNGs of few colours where those are smaller.
    """
    chosen = {picture.name: ("image/svg+xml", picture.svg) for picture in pictures}
    n_bytes = sum(len(picture.svg) for picture in pictures) * 4 / 3  # base64 writes 3 bytes as 4
    for picture in sorted(pictures, key=lambda p: -len(p.svg)):
        if n_bytes <= budget:
            break
        small = _of_few_colours(picture.png)
        if len(small) < len(picture.svg):
            chosen[picture.name] = ("image/png", small)
            n_bytes -= (len(picture.svg) - len(small)) * 4 / 3
    return {
        name: f"data:{kind};base64,{base64.b64encode(content).decode()}"
        for name, (kind, content) in chosen.items()
    }


def _of_few_colours(png: bytes) -> bytes:
    """The picture in at most 128 colours, a fraction of its bytes and hardly another to the eye."""
    from PIL import Image  # comes with matplotlib

    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(128).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def views(pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    """Pictures as a template shows them, each with its address within the page."""
    addresses = embedded(pictures)
    return [_picture_view(picture, addresses[picture.name]) for picture in pictures]


def section(topic: str, context: Mapping[str, Any]) -> str:
    """One section without its heading, for a page with the style of this one."""
    return _environment().get_template("benchmark_explained.html.j2").render(topic=topic, **context)


def _picture_view(picture: Picture, address: str) -> dict[str, Any]:
    return {
        "name": picture.name,
        "topic": picture.topic,
        "alt": picture.alt,
        "caption": picture.caption,
        "width": picture.width,
        "is_wide": picture.width > WIDE_PIXELS,
        "height": picture.height,
        "address": address,
    }
