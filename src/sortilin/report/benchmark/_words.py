"""Numbers, names and durations as a person reads them."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence

from sortilin.errors import escape_controls
from sortilin.report._html_page import class_name

EN_DASH = "\N{EN DASH}"
UNDEFINED = EN_DASH
MINUS = "\N{MINUS SIGN}"
NO_BREAK = "\N{NO-BREAK SPACE}"
ELLIPSIS = "…"

_METRICS = {
    "macro_f1": "Macro-F1",
    "accuracy": "Accuracy",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "mcc": "MCC",
    "ece": "Calibration error",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "support": "Sequences",
}
_SMALLEST_P = 0.001

INTERVALS = "Wilson's for shares of sequences, bootstrap within each class for the others"
"""How the intervals of metrics are made."""


def metric_name(name: str) -> str:
    """Name of a metric as a heading: "macro_f1" → "Macro-F1"; one not known loses its underscores."""
    return _METRICS.get(name) or name.replace("_", " ").capitalize()


def in_sentence(name: str) -> str:
    """The metric's name within a sentence: "macro-F1", but "ROC-AUC"."""
    words = metric_name(name)
    return words if words[:2].isupper() or words == "F1" else words[0].lower() + words[1:]


def decimals(value: float | None, places: int = 3) -> str:
    """0.7384 → "0.738"; a dash for what is undefined."""
    if value is None:
        return UNDEFINED
    text = f"{value:.{places}f}"
    return text.replace("-", MINUS) if float(text) else text.lstrip("-")


def signed(value: float | None, places: int = 3) -> str:
    """0.0123 → "+0.012"."""
    text = decimals(value, places)
    return f"+{text}" if value is not None and not text.startswith(MINUS) and float(text) else text


def span(ends: tuple[float, float] | None, places: int = 3) -> str:
    """Ends joined by a dash, or by "to" where one is negative; empty without ends."""
    if ends is None:
        return ""
    low, high = (decimals(end, places) for end in ends)
    return f"{low} to {high}" if MINUS in low + high else f"{low}{EN_DASH}{high}"


def sure(value: float | None, ends: tuple[float, float] | None) -> str:
    """A value with its interval: "0.738 (0.701", a dash, "0.772)"; the value alone where it has none."""
    return f"{decimals(value)} ({span(ends)})" if ends else decimals(value)


def p_value(value: float | None) -> str:
    """0.0123 → "0.012"; a p-value is never shown as zero."""
    return f"<{_SMALLEST_P}" if value is not None and value < _SMALLEST_P else decimals(value)


def percent(share: float, places: int = 0) -> str:
    """0.8125 → "81 %", which no line break parts."""
    return f"{100 * share:.{places}f}{NO_BREAK}%"


def whole(value: float | None) -> str:
    """1234567 → "1,234,567"."""
    return UNDEFINED if value is None else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """812.1 → "13 min 32 s"."""
    if seconds is None:
        return UNDEFINED
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def count(n: int, one: str, several: str = "") -> str:
    """(3, "model") → "3 models"."""
    return f"{n:,} {one if n == 1 else several or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """["a", "b", "c"] → "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def label(name: str) -> str:
    """A class or model name as a person writes it, on one line and without control characters."""
    return class_name(escape_controls(name))


def tick_labels(names: Iterable[str], width: int = 15, n_lines: int = 2) -> list[str]:
    """Names for the ticks of a figure: at most `n_lines` of `width` characters, no two the same.

    A name that is too long loses its end or, where others begin alike, its middle.
    """
    whole = [label(name) for name in names]
    cut = [_in_lines(text, width, n_lines) for text in whole]
    n_of = Counter(cut)
    cut = [
        _without_middle(text, width, n_lines) if n_of[short] > 1 else short
        for text, short in zip(whole, cut, strict=True)
    ]
    n_of, seen = Counter(cut), Counter[str]()
    for index, text in enumerate(cut):
        if n_of[text] > 1:
            seen[text] += 1
            cut[index] = f"{text} ({seen[text]})"
    return cut


def _in_lines(text: str, width: int, n_lines: int) -> str:
    lines = textwrap.wrap(text, width) or [text]
    if len(lines) > n_lines:
        lines = [*lines[: n_lines - 1], lines[n_lines - 1][: width - 1] + ELLIPSIS]
    return "\n".join(lines)


def _without_middle(text: str, width: int, n_lines: int) -> str:
    """The beginning and the end of the text, as long as `width` allows on one line or two."""
    room = width if n_lines > 1 else width // 2
    if len(text) <= 2 * room:
        return _in_lines(text, width, n_lines)
    joint = "\n" if n_lines > 1 else ""
    return f"{text[:room].rstrip()}{joint}{ELLIPSIS}{text[1 - room :].lstrip()}"


def one_line(text: str, width: int = 42) -> str:
    """The name on one line, cut to the width; for the title of a figure."""
    text = label(text)
    return text if len(text) <= width else text[: width - 1] + ELLIPSIS


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each name, no two the same even where case is not told apart."""
    used: set[str] = set()
    chosen: list[str] = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9+_-]+", "_", name).strip("_")[:60] or "model"
        candidate, n = stem, 1
        while candidate.lower() in used:
            n += 1
            candidate = f"{stem}_{n}"
        used.add(candidate.lower())
        chosen.append(candidate)
    return chosen
