"""The paper's tables of cross-validations with ours beside them."""

from __future__ import annotations

from typing import Any

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._results import Results, number

TOPIC = "tables"
FOLDS = "folds"


def tables(results: Results) -> list[dict[str, Any]] | None:
    """What the page says of each published table that is on folds; None without any."""
    return [_view(results, table) for table in results.get("tables") or () if table["on"] == FOLDS] or None


def _view(results: Results, table: Results) -> dict[str, Any]:
    return {
        "heading": f"Table {table['id']}: {table['title']}",
        "metrics": [words.metric_name(name) for name in table["columns"]],
        "rows": [_row(results, row, table["columns"]) for row in table["rows"]],
        "notes": table["notes"],
    }


def _row(results: Results, row: Results, columns: list[str]) -> dict[str, Any]:
    ours, lacking = row.get("ours"), row.get("not_run")
    title = next((m["title"] for m in results["models"] if m["name"] == row.get("model")), "")
    return {
        "name": row["name"],
        "published": [words.decimals(number(row["published"].get(name))) for name in columns],
        "title": title,
        "ours": [_cell(ours[name]) for name in columns] if ours else None,
        "why": why(lacking, is_measured=bool(row.get("model"))),
        "command": lacking["command"] if lacking else "",
    }


def _cell(figures: Results) -> dict[str, str]:
    spread = number(figures.get("spread"))
    return {
        "value": words.decimals(number(figures["value"])),
        "spread": f"± {words.decimals(spread)}" if spread is not None else "",
    }


def why(lacking: Results | None, *, is_measured: bool) -> str:
    """Why a row of the paper has no figure of ours beside it; empty if it is not for want of a model."""
    if lacking:
        return f"not run: {lacking['reason']}"
    return "not measured on folds here" if is_measured else "no model of this benchmark stands for it"
