"""Templates → pages: how numbers and times are written, and what every page is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse
from markupsafe import Markup, escape
from starlette.templating import Jinja2Templates

import sortilin
from sortilin.report._flags import TRAINED_ON, flag_words
from sortilin.report._html_page import class_name, percent
from sortilin.serve.api import base_of, service_of

_FAR = ("longer_than_trained", "shorter_than_trained")
"""Flags of sequences that are unlike any in training."""


def count(n: float, one: str, several: str = "") -> str:
    """`3, "sequence"` → "3 sequences"."""
    return f"{n:,.0f} {one if n == 1 else several or one + 's'}"


def moment(seconds: float) -> str:
    """A time as people write it."""
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def megabytes(n: float) -> str:
    """Bytes as people say them."""
    return f"{n / 2**20:,.0f} MB"


def span(hours: float) -> str:
    """Hours as people say them: 168 → "7 days"."""
    if hours < 1:
        return count(max(1, math.floor(hours * 60)), "minute")
    return count(math.floor(hours), "hour") if hours < 48 else count(math.floor(hours / 24), "day")


def hint_of(flag: str) -> str:
    """Why a reader should be wary of an answer, in a few words; empty where a flag is none of that kind."""
    if flag == TRAINED_ON:
        return "In the training data"
    return "Far from training" if flag in _FAR else ""


def sentence(text: str) -> str:
    """A message of the library as a sentence."""
    whole = text[:1].upper() + text[1:]
    return whole if whole.endswith((".", "!", "?", "*")) or not whole else f"{whole}."


def with_code(text: str) -> Markup:
    """`expires` between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part) for i, part in enumerate(parts)
    )


def contact_link(contact: str) -> str:
    """Address behind a way to reach somebody: a page or an e-mail; empty where it is neither."""
    if contact.startswith(("https://", "http://")):
        return contact
    return f"mailto:{contact}" if "@" in contact and " " not in contact else ""


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "contact": contact_link,
        "count": count,
        "flag": flag_words,
        "hint": hint_of,
        "klass": class_name,
        "megabytes": megabytes,
        "moment": moment,
        "percent": percent,
        "sentence": sentence,
        "span": span,
        "thousands": lambda n: f"{n:,.0f}",
        "with_code": with_code,
    }
    environment.globals |= {"version": sortilin.__version__}
    return environment


_templates = Jinja2Templates(env=_environment())


def page(request: Request, name: str, values: Mapping[str, Any], status: int = 200) -> HTMLResponse:
    """A page.

    Args:
        request: What it answers.
        name: Its template.
        values: What the template is given.
        status: HTTP status.
    """
    settings = service_of(request).settings
    shared = {"settings": settings, "base": base_of(request), "root": request.scope.get("root_path", "")}
    response = _templates.TemplateResponse(request, f"{name}.html.j2", {**shared, **values}, status)
    response.headers.setdefault("Cache-Control", "no-store")  # a job is private, and changes
    return response
