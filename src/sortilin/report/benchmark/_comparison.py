"""The page's comparison: models with intervals, differences to the best, and what was published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._results import (
    LOWER_IS_BETTER,
    Results,
    contenders_first,
    corrected,
    counterpart,
    difference,
    ends,
    interval,
    metric,
    number,
    other_metrics,
    published_metrics,
    published_rows,
    table_metrics,
)


def comparison(results: Results) -> dict[str, Any]:
    """What the page's comparison shows: metrics, rows of models and of baselines, published rows."""
    metrics, models = table_metrics(results), contenders_first(results)
    best = {name: _best_shown(models, name) for name in (*metrics, *other_metrics(results))}
    rows = [_row(results, model, best) for model in models]
    shared = published_metrics(results)
    return {
        "metrics": [(name, words.metric_name(name)) for name in metrics],
        "other_metrics": [(name, words.metric_name(name)) for name in other_metrics(results)],
        "main": words.in_sentence(results["metric"]),
        "models": [row for row in rows if not row["is_baseline"]],
        "baselines": [row for row in rows if row["is_baseline"]],
        "not_run": results.get("not_run") or [],
        "published": list(_published_views(results, metrics)),
        "source": (results.get("published") or {}).get("source", ""),
        "has_counterparts": any(row["counterpart"] for row in rows),
        "published_metric": words.metric_name(_published_metric(results, shared)) if shared else "",
        "has_intervals": any(cell["span"] for row in rows for cell in row["cells"].values()),
        "has_differences": any(row["difference"] for row in rows),
        "is_corrected": any("adjusted" in (model.get("against_best") or {}) for model in models),
        "has_parameters": any(model.get("n_parameters") is not None for model in models),
    }


def _published_metric(results: Results, shared: Sequence[str]) -> str:
    """The metric that the difference to the paper is given in: the benchmark's own if it was published."""
    return str(results["metric"]) if results["metric"] in shared else shared[0]


def _best_shown(models: Sequence[Results], name: str) -> str:
    """The best value as it is shown, so that two models that look the same are marked alike."""
    values = [value for model in models if (value := metric(model, name)) is not None]
    if not values or len(models) == 1:
        return ""
    return words.decimals(min(values) if name in LOWER_IS_BETTER else max(values))


def _row(results: Results, model: Results, best: Mapping[str, str]) -> dict[str, Any]:
    against, was = model.get("against_best") or {}, counterpart(results, model)
    shared = [name for name in published_metrics(results) if was.get(name) is not None]
    compared = _published_metric(results, published_metrics(results)) if shared else ""
    return {
        "title": model["title"],
        "is_baseline": bool(model["is_baseline"]),
        "is_best": model["name"] == results.get("best"),
        "cells": {name: _cell(model, name, shown) for name, shown in best.items()},
        "difference": words.signed(number(against["difference"])) if against else "",
        "difference_span": words.span(ends(against.get("low"), against.get("high"))),
        "p_value": words.p_value(corrected(against)) if against else "",
        "counterpart": model.get("published") if was else "",
        "to_published": words.signed(difference(metric(model, compared), was.get(compared)))
        if shared
        else "",
        "seconds": words.duration(number(model.get("seconds"))),
        "n_parameters": words.whole(number(model.get("n_parameters"))),
    }


def _cell(model: Results, name: str, best_shown: str) -> dict[str, Any]:
    shown = words.decimals(metric(model, name))
    return {"value": shown, "span": words.span(interval(model, name)), "is_best": shown == best_shown}


def _published_views(results: Results, metrics: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name, values in published_rows(results):
        yield {"name": name, "values": [words.decimals(values.get(metric_)) for metric_ in metrics]}
