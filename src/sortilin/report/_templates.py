"""What the HTML pages share: how templates are read, and how a date is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment(filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """The package's templates, with everything escaped and nothing missing."""
    templates = Environment(
        loader=PackageLoader("sortilin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= filters
    return templates


def moment(date: str) -> str:
    """An ISO date to the minute; anything else as it is."""
    try:
        when = datetime.fromisoformat(date)
    except ValueError:
        return date
    zone = f" {when.tzname()}" if when.tzinfo else ""
    return f"{when:%Y-%m-%d %H:%M}{zone}"
