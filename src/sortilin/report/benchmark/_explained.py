"""Sections on what a model rests on, for the page of a benchmark and for any other that has its style."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sortilin.report.benchmark import (
    _explained_attention,
    _explained_dimension_figures,
    _explained_dimensions,
    _page,
)
from sortilin.report.benchmark._drawing import Drawing, Picture, render, style

DIMENSIONS, ATTENTION = _explained_dimensions.TOPIC, _explained_attention.TOPIC
TITLES = {DIMENSIONS: _explained_dimensions.TITLE, ATTENTION: _explained_attention.TITLE}


def pictures_of(drawings: Iterable[Drawing]) -> list[Picture]:
    """Drawings as files, in the report's style; each is drawn when it is asked for."""
    with style():
        return [render(drawing) for drawing in drawings]


def of_dimensions(found: Mapping[str, Any], title: str, on: str) -> tuple[str, list[Picture]]:
    """Section on dimensions, without its heading, and its pictures; see `_explained_dimensions.content`."""
    pictures = pictures_of(_explained_dimension_figures.drawings(found, title, on))
    return _fragment(DIMENSIONS, _explained_dimensions.content(found, title, on), pictures), pictures


def of_attention(found: Mapping[str, Any], title: str, on: str) -> tuple[str, list[Picture]]:
    """The same on attention; see `_explained_attention.content`."""
    pictures = pictures_of(_explained_attention.drawings([(found, title, on)]))
    return _fragment(ATTENTION, _explained_attention.content([(found, title, on)]), pictures), pictures


def _fragment(topic: str, content: Any, pictures: list[Picture]) -> str:
    views = _page.views(pictures)
    return _page.section(topic, {topic: content, "figures": {topic: views}})
