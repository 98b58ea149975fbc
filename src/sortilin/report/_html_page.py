"""The HTML page: sections of predictions, each with its counts, its rows and where they came from.

Python decides what is said, `templates/` how it looks. The page holds its style and its script, names
no other resource, and its content security policy allows none.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from sortilin.report._columns import EXTRA, JOINT, Extra, extra_text
from sortilin.report._flags import TRAINED_ON, change_words, flag_words
from sortilin.report._templates import environment, moment
from sortilin.report.html import MAX_SHOWN
from sortilin.results import HIGH_CONFIDENCE, MEDIUM_CONFIDENCE, Prediction, RunSummary, count_classes

N_COLOURS = 8
"""Class colours in `page.css.j2`; a ninth class starts again at the first, and is told by its name."""

MAX_SKIPPED_SHOWN = 200
_CHECKSUM_SHOWN = 12


@dataclass(frozen=True, slots=True)
class ExpectedNote:
    """What is known of a sequence, for a page that compares.

    Attributes:
        label: The class that it belongs to.
        note: What it is, for a person: "Human insulin, Homo sapiens, P01308".
        is_in_training: The model was trained on it, so that being right proves little.
    """

    label: str
    note: str
    is_in_training: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One table of predictions on a page.

    Attributes:
        title: Heading.
        classes: Class names, in the model's order; it decides the colours.
        predictions: The first `MAX_SHOWN` are shown, in this order.
        summary: Where they came from; `details["skipped"]` lists the records left out, each with
            "record", "id" and "reason", and `details["limits"]` what a prediction must not be taken for.
        expected: Id → what is known of that sequence; None for a page that does not compare.
        counts: Label → sequences over the whole run; None to count `predictions`.
        extra: Optional columns that are shown (`_columns.EXTRA`).
    """

    title: str
    classes: Sequence[str]
    predictions: Sequence[Prediction]
    summary: RunSummary
    expected: Mapping[str, ExpectedNote] | None = None
    counts: Mapping[str, int] | None = None
    extra: Sequence[str] = ()


def build_page(title: str, intro: str, sections: Sequence[Section]) -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        title: Heading and window title.
        intro: What the page shows, for a person; an empty line starts a paragraph; may be empty.
        sections: One or more.
    """
    environment = _environment()
    script = Markup(environment.get_template("page.js.j2").render())  # noqa: S704 - our own file
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html.j2").render(
        title=title,
        paragraphs=[text for text in re.split(r"\n\s*\n", intro) if text.strip()],
        sections=[_section_view(section, number) for number, section in enumerate(sections, 1)],
        script=script,
        script_digest=digest,
        high=f"{HIGH_CONFIDENCE:.0%}",
        medium=f"{MEDIUM_CONFIDENCE:.0%}",
    )


@cache
def _environment() -> Environment:
    return environment({"percent": percent, "count": _count, "class_name": class_name})


def percent(probability: float) -> str:
    """`0.873` → "87.3%"; what is rounded to nothing or to certainty says so: "<0.1%", ">99.9%"."""
    text = f"{probability:.1%}"
    if text == "100.0%" and probability < 1:
        return ">99.9%"
    return "<0.1%" if text == "0.0%" and probability > 0 else text


def class_name(name: str) -> str:
    """A class name as a person writes it: "not_anticancer" → "not anticancer"; codes stay as they are."""
    return re.sub(r"(?<=[a-z])_(?=[a-z])", " ", name)


def _count(n: int, one: str, several: str = "") -> str:
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def _section_view(section: Section, number: int) -> dict[str, Any]:
    summary, shown = section.summary, section.predictions[:MAX_SHOWN]
    counts = section.counts or Counter(p.label for p in section.predictions)
    skipped = list(summary.details.get("skipped", []))
    return {
        "number": number,
        "title": section.title,
        "n_total": sum(counts.values()),
        "n_shown": len(shown),
        "classes": _class_views(section.classes, counts),
        "name_width": max((len(name) + 2 for name in section.classes), default=0),  # so that all bars align
        "rows": [_row_view(p, section) for p in shown],
        "as_expected": _as_expected(section),
        "origin": _origin(summary),
        "changes": change_words(summary.changes),
        "n_skipped": max(summary.n_skipped, len(skipped)),
        "skipped": skipped[:MAX_SKIPPED_SHOWN],
        "limits": list(summary.details.get("limits", [])),
        "version": summary.version,
    }


def _class_views(classes: Sequence[str], counts: Mapping[str, int]) -> list[dict[str, Any]]:
    n_total, of_class = sum(counts.values()), count_classes(counts, classes)
    return [
        {
            "name": name,
            "colour": index % N_COLOURS,
            "count": of_class[name],
            "share": of_class[name] / n_total if n_total else 0.0,
        }
        for index, name in enumerate(classes)
    ]


def _row_view(prediction: Prediction, section: Section) -> dict[str, Any]:
    note = section.expected.get(prediction.id) if section.expected else None
    said = {TRAINED_ON} if note else set()  # the line on what is expected says it already
    return {
        "id": prediction.id,
        "length": prediction.length,
        "label": prediction.label,
        "labels": prediction.labels,
        "colours": [list(section.classes).index(name) % N_COLOURS for name in prediction.labels],
        "probability": prediction.probability,
        "confidence": prediction.confidence,
        "bars": [
            {"name": name, "colour": index % N_COLOURS, "probability": prediction.probabilities[name]}
            for index, name in enumerate(section.classes)
        ],
        "extra": [
            {"name": name.replace("_", " "), "value": text.replace(JOINT, ", ")}
            for name in section.extra
            if (text := _shown(EXTRA[name](prediction)))
        ],
        "notes": [flag_words(flag) for flag in prediction.flags if flag not in said],
        "expected": note,
        "is_as_expected": note is not None and note.label == prediction.label,
    }


def _shown(value: Extra) -> str:
    """A value of an optional column; that of a set without classes is a word, or it would not be seen."""
    return "empty" if value == () else extra_text(value, "%.3f")


def _as_expected(section: Section) -> tuple[int, int] | None:
    """How many are as expected, and of how many something is expected."""
    if section.expected is None:
        return None
    known = [p for p in section.predictions if p.id in section.expected]
    return sum(section.expected[p.id].label == p.label for p in known), len(known)


def _origin(summary: RunSummary) -> list[dict[str, str]]:
    """Name, value and, where the value is cut short, the whole of it."""
    checksum = summary.model_checksum
    lines = [
        ("Source", summary.source, ""),
        ("Model", summary.model, ""),
        ("Task", summary.task, ""),
        ("Model checksum", checksum[:_CHECKSUM_SHOWN], checksum if len(checksum) > _CHECKSUM_SHOWN else ""),
        ("Date", moment(summary.date), summary.date),
        ("Version", f"sortilin {summary.version}", ""),
    ]
    return [{"name": name, "value": value, "whole": whole} for name, value, whole in lines if value]
