"""`table.tsv`: a row for each model, and one for each published model.

Its columns, in order:

    source                   "sortilin" for a model of this benchmark, "published" for a row of the paper
    name, title              of the model; a published row has its name twice
    is_baseline, is_best     "true" or "false"; empty in published rows
    n                        sequences that were scored
    METRIC                   each metric of the comparison, on the sequences that were scored
    METRIC_low, METRIC_high  ends of its 95 % interval
    other metrics            the same of each metric that the comparison does not show
    compared_with            name of the best model, which the next five compare with
    difference               the benchmark's metric minus that of the best model
    difference_low, difference_high, p_value
    p_holm                   the same p-value corrected over the models (Holm)
    published_row            name of the published counterpart
    METRIC_minus_published   difference to it, for each metric that was published
    seconds, n_parameters    training time and size; empty where unknown

Numbers are plain, with all their digits. A cell is empty where a value is undefined or unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from sortilin.report._columns import escape
from sortilin.report.benchmark._results import (
    Results,
    contenders_first,
    counterpart,
    difference,
    interval,
    metric,
    number,
    other_metrics,
    published_metrics,
    published_rows,
    table_metrics,
)

COLUMN_WORDS = (
    ("source", "“sortilin” for a model of this benchmark, “published” for a row of the paper"),
    ("name, title, is_baseline, is_best", "the model"),
    ("n", "sequences that were scored"),
    ("METRIC, METRIC_low, METRIC_high", "a metric on the sequences that were scored, and its 95 % interval"),
    ("compared_with, difference, difference_low, difference_high", "against the best model"),
    ("p_value, p_holm", "of a paired permutation test; corrected over the models (Holm)"),
    ("published_row, METRIC_minus_published", "against the published counterpart"),
    ("seconds, n_parameters", "training time and size"),
)
"""Columns of `table.tsv` and what they hold, for a person."""


def tsv(results: Results) -> str:
    """The whole table: a header, the models in the order of the page, the published rows."""
    columns = _columns(results)
    rows = [_model_cells(results, model) for model in contenders_first(results)]
    rows += [_published_cells(name, values) for name, values in published_rows(results)]
    lines = [columns, *([_plain(row.get(column)) for column in columns] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _columns(results: Results) -> list[str]:
    compared = [f"{m}{end}" for m in table_metrics(results) for end in ("", "_low", "_high")]
    differences = [f"{m}_minus_published" for m in published_metrics(results)]
    return [
        *("source", "name", "title", "is_baseline", "is_best", "n"),
        *compared,
        *(f"{m}{end}" for m in other_metrics(results) for end in ("", "_low", "_high")),
        *("compared_with", "difference", "difference_low", "difference_high", "p_value", "p_holm"),
        *("published_row", *differences, "seconds", "n_parameters"),
    ]


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, int):
        return str(value)
    known = number(value)
    return "" if known is None else repr(known)


def _model_cells(results: Results, model: Results) -> dict[str, object]:
    cells: dict[str, object] = {
        "source": "sortilin",
        "name": model["name"],
        "title": model["title"],
        "is_baseline": bool(model["is_baseline"]),
        "is_best": model["name"] == results.get("best"),
        "n": model["evaluation"]["n"],
        "published_row": model.get("published"),
        "seconds": model.get("seconds"),
        "n_parameters": model.get("n_parameters"),
    }
    against, was = model.get("against_best") or {}, counterpart(results, model)
    cells |= {key: against.get(key) for key in ("difference", "p_value")}
    cells |= {"compared_with": against.get("best"), "p_holm": against.get("adjusted")}
    cells |= {f"difference_{end}": against.get(end) for end in ("low", "high")}
    for name in (*table_metrics(results), *other_metrics(results)):
        low, high = interval(model, name) or (None, None)
        cells |= {name: metric(model, name), f"{name}_low": low, f"{name}_high": high}
        cells[f"{name}_minus_published"] = difference(metric(model, name), was.get(name))
    return cells


def _published_cells(name: str, values: Mapping[str, float | None]) -> dict[str, object]:
    return {"source": "published", "name": name, "title": name, **values}
