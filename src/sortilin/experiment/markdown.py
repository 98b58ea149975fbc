"""Tables of a card, as Markdown."""

from __future__ import annotations

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
