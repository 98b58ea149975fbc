"""Tables of a card, as Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

TITLES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "precision": "precision",
    "recall": "recall",
    "mcc": "MCC",
    "ece": "ECE",
    "sensitivity": "SN",
    "specificity": "SP",
    "f1": "F1",
    "support": "n",
    "confidence": "mean probability",
    "brier": "Brier score",
    "log_loss": "log loss",
}
"""Name of a metric → what stands above its column."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def between(interval: tuple[float, float]) -> str:
    """An interval in words: "0.701 to 0.755"."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}"


def cell(value: float, interval: tuple[float, float] | None = None) -> str:
    """A value with its interval: "0.728 (0.701 to 0.755)"; the value alone where none is known of it.

    A value that is undefined is called so, and so is the interval of one that a convention gives.
    """
    if math.isnan(value):
        return "undefined"
    if interval is None:
        return f"{value:.3f}"
    if any(math.isnan(end) for end in interval):
        return f"{value:.3f} (no interval)"
    return f"{value:.3f} ({between(interval)})"


def p_value(value: float) -> str:
    """A p-value, which is never shown as zero: "0.012", "<0.001"."""
    if math.isnan(value):
        return "undefined"
    return "<0.001" if value < SMALLEST_P else f"{value:.3f}"


SMALLEST_P = 0.001
