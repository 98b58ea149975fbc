"""What the page says beside its comparison and its figures: dictionaries for the templates."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sortilin.report._templates import moment
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._palette import class_colour
from sortilin.report.benchmark._results import (
    Results,
    best_model,
    class_interval,
    contenders_first,
    corrected,
    interval,
    is_cross_validated,
    metric,
    number,
    ranked,
    scored,
    table_metrics,
    title_of,
)

SIGNIFICANT = 0.05
_CHECKSUM_SHOWN = 12


# Headline


def best_sentences(results: Results) -> list[str]:
    """The best model, the best baseline, and the models that cannot be told from the best."""
    best, name = best_model(results), results["metric"]
    if best is None:
        return []
    n = words.count(best["evaluation"]["n"], scored(results))
    n_models = sum(not model["is_baseline"] for model in results["models"])  # a baseline is never the best
    among = f"the best of {n_models} models" if n_models > 1 else "the only model"
    ends = words.span(interval(best, name)).replace(words.EN_DASH, " to ")
    between = f" (95{words.NO_BREAK}% interval {ends})" if ends else ""
    value = f"{words.in_sentence(name)} {words.decimals(metric(best, name))}{between}"
    said = [f"{best['title']} is {among}: {value} on {n}."]
    baseline = next((m for m in ranked(results) if m["is_baseline"] and m is not best), None)
    if baseline is not None:
        reached = words.sure(metric(baseline, name), interval(baseline, name))
        said.append(f"The best baseline, {baseline['title']}, reaches {reached} on the same.")
    return said + _near_sentence(results)


def _near_sentence(results: Results) -> list[str]:
    values = [
        (model["title"], corrected(model["against_best"]))
        for model in ranked(results)
        if model.get("against_best")
    ]
    name = title_of(results, results["best"])
    near = [title for title, p in values if p is not None and p >= SIGNIFICANT]
    if near:
        return [f"Not told apart from {name} (p ≥ {SIGNIFICANT}): {words.listed(near)}."]
    is_clear = values and all(p is not None for _, p in values)
    return [f"All others are told apart from {name} (p < {SIGNIFICANT})."] if is_clear else []


def class_bars(results: Results) -> list[dict[str, Any]]:
    """Name, colour, count and share of each class of the data."""
    counts = results["data"]["class_counts"]
    n_total = sum(counts.values())
    return [
        {
            "name": name,
            "colour": class_colour(index),
            "count": counts.get(name, 0),
            "share": counts.get(name, 0) / n_total if n_total else 0.0,
        }
        for index, name in enumerate(results["classes"])
    ]


def origin(results: Results) -> list[dict[str, str]]:
    """Name, value and, where the value is cut short, the whole of it."""
    data, checksum = results["data"], str(results["data"].get("sha256") or "")
    repeats = data.get("n_repeats") or 0
    lines = [
        ("Data", f"{data['name']}, {words.count(data['n'], 'sequence')}", ""),
        ("Split", _split(results), ""),
        ("Left out", words.count(repeats, "repeated sequence") if repeats else "", ""),
        ("Seed", str(results["seed"]), ""),
        ("Metric", words.metric_name(results["metric"]), ""),
        ("Citation", data.get("citation") or "", ""),
        ("Data checksum", checksum[:_CHECKSUM_SHOWN], checksum if len(checksum) > _CHECKSUM_SHOWN else ""),
        ("Date", moment(str(results.get("created") or "")), ""),
        ("Took", words.duration(number(results.get("seconds"))), ""),
        ("Version", f"sortilin {results['sortilin_version']}", ""),
    ]
    return [{"name": name, "value": value, "whole": whole} for name, value, whole in lines if value]


def _split(results: Results) -> str:
    data, by = results["data"], results.get("split_by") or "stratified"
    how = "" if by == "stratified" else f"; {by if isinstance(by, str) else by['kind']}"
    if is_cross_validated(results):
        return f"cross-validation in {words.count(results['folds'], 'fold')}: all sequences are scored{how}"
    return f"{data['n_train']:,} to train with, {data['n_holdout']:,} held out{how}"


# Tables


def per_class_rows(results: Results) -> dict[str, Any]:
    """Per-class metrics of every model as a table: one row a model and class."""
    models = contenders_first(results)
    named = dict.fromkeys(n for m in models for row in m["evaluation"]["per_class"].values() for n in row)
    names = [name for name in named if name != "support"]
    rows = [
        {
            "title": model["title"],
            "class": name,
            "values": [words.decimals(number(scores.get(n))) for n in names],
            "spans": [_class_span(model, name, n) for n in names],
            "support": words.whole(number(scores.get("support"))),
        }
        for model in models
        for name, scores in model["evaluation"]["per_class"].items()
    ]
    return {"metrics": [words.metric_name(name) for name in names], "rows": rows}


def _class_span(model: Results, class_name: str, name: str) -> str:
    """The interval of a class's metric; said to be none where a convention gives the value."""
    ends = class_interval(model, class_name, name)
    of_class = (model.get("class_intervals") or {}).get(class_name) or {}
    is_by_convention = (
        name in of_class and number(model["evaluation"]["per_class"][class_name].get(name)) == 0
    )
    return "no interval" if ends is None and is_by_convention else words.span(ends)


def cross_validation(results: Results) -> dict[str, Any] | None:
    """Folds, mean and standard deviation, and the pooled folds; None without a cross-validation."""
    validation = results.get("cross_validation")
    if not validation:
        return None
    metrics = table_metrics(results)
    mean, spread, pooled = (validation.get(part) or {} for part in ("mean", "spread", "pooled"))
    folds = [
        {
            "name": f"Fold {i}",
            "n": fold["n"],
            "values": _shown(fold["metrics"], metrics),
            "spans": _spans(fold, metrics),
        }
        for i, fold in enumerate(validation["folds"], 1)
    ]
    deviations = [number(spread.get(name)) for name in metrics]
    return {
        "title": title_of(results, validation["model"]),
        "metrics": [words.metric_name(name) for name in metrics],
        "folds": folds,
        "mean": list(
            zip(
                _shown(mean, metrics),
                [f"± {words.decimals(sd)}" if sd is not None else "" for sd in deviations],
                strict=True,
            )
        ),
        "pooled": _shown(pooled.get("metrics") or {}, metrics) if pooled else None,
        "pooled_spans": _spans(pooled, metrics),
        "n_pooled": pooled.get("n", 0),
    }


def _shown(values: Mapping[str, object], names: Sequence[str]) -> list[str]:
    return [words.decimals(number(values.get(name))) for name in names]


def _spans(record: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Intervals of an evaluation; empty for those that have none."""
    return [words.span(interval(record, name)) for name in names]


def blind(results: Results) -> dict[str, Any] | None:
    """Predictions of the blind sequences beside the published ones; None without any."""
    found = results.get("blind")
    if not found or not found.get("rows"):
        return None
    colours = {name: class_colour(index) for index, name in enumerate(results["classes"])}
    rows = [_blind_row(row, colours) for row in found["rows"]]
    return {
        "title": title_of(results, found["model"]),
        "rows": rows,
        "has_published": any(row["published_label"] for row in rows),
        "has_raw": any(row["raw_probability"] != words.UNDEFINED for row in rows),
        "agreement": found.get("agreement"),
    }


def _blind_row(row: Results, colours: Mapping[str, str]) -> dict[str, Any]:
    published = row.get("published_label")
    raw = row.get("raw_label")
    return {
        "id": row["id"],
        "label": row["label"],
        "colour": colours.get(row["label"], ""),
        "probability": words.decimals(number(row.get("probability")), 2),
        "confidence": row.get("confidence") or "",
        "raw_label": raw if raw and raw != row["label"] else "",
        "raw_probability": words.decimals(number(row.get("raw_probability")), 2),
        "published_label": published or "",
        "published_colour": colours.get(published, "") if published else "",
        "published_confidence": row.get("published_confidence") or "",
        "is_same": published == row["label"] if published else None,
    }


# How it was made


def settings(results: Results) -> list[tuple[str, str]]:
    """Seed, split and checksum, what it ran on, and the versions of what it ran with."""
    data, found = results["data"], results.get("machine") or {}
    lines = [("Seed", str(results["seed"]))]
    if not is_cross_validated(results):
        share = words.percent(data["n_holdout"] / data["n"], 1) if data["n"] else words.UNDEFINED
        lines.append(("Held out", f"{words.count(data['n_holdout'], 'sequence')}, {share}"))
    if results.get("folds"):
        lines.append(("Folds", str(results["folds"])))
    if data.get("sha256"):
        lines.append(("Data checksum", data["sha256"]))
    lines += [(words.metric_name(key), _text(value)) for key, value in found.items() if key != "versions"]
    versions = [f"{name} {version}" for name, version in (found.get("versions") or {}).items()]
    return lines + ([("Versions", ", ".join(versions))] if versions else [])


def model_options(results: Results) -> list[dict[str, Any]]:
    """Title, options and what a search chose, of each model."""
    return [
        {
            "title": model["title"],
            "name": model["name"],
            "options": list(flat(model.get("options") or {})),
            "chosen": list(flat(model.get("chosen") or {})),
        }
        for model in contenders_first(results)
    ]


def flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """{"training": {"epochs": 20}} → ("training.epochs", "20")."""
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _text(value)


def _text(value: object) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
