"""What is read of the results: the models in order, and the metrics that stand in the tables."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Results: TypeAlias = Mapping[str, Any]
"""Content of `results.json`, or a part of it."""

MAIN_METRICS = ("macro_f1", "accuracy", "roc_auc", "precision", "recall")
"""The five of Li's table of models."""

LOWER_IS_BETTER = frozenset({"ece", "brier", "log_loss"})


def number(value: object) -> float | None:
    """The value as a float; None for what is undefined: null, NaN, infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def numbers(values: Sequence[object] | None) -> list[float]:
    """The values as floats, NaN where undefined."""
    return [math.nan if (n := number(value)) is None else n for value in values or ()]


def metric(model: Results, name: str) -> float | None:
    """A metric of a model on the held-out sequences."""
    return number(model["evaluation"]["metrics"].get(name))


def interval(model: Results, name: str) -> tuple[float, float] | None:
    """Ends of a metric's 95 % interval; None if there is none or an end is undefined."""
    return ends(*((model.get("intervals") or {}).get(name) or (None, None)))


def class_interval(model: Results, class_name: str, name: str) -> tuple[float, float] | None:
    """The same of a metric of one class."""
    of_class = (model.get("class_intervals") or {}).get(class_name) or {}
    return ends(*(of_class.get(name) or (None, None)))


def ends(low: object, high: object) -> tuple[float, float] | None:
    """Both ends of an interval, or None if one is undefined."""
    first, last = number(low), number(high)
    return None if first is None or last is None else (first, last)


def corrected(against: Results) -> float | None:
    """The p-value of a model against the best, corrected over the models where the results have that."""
    return number(against["adjusted"] if "adjusted" in against else against.get("p_value"))


def difference(ours: float | None, theirs: float | None) -> float | None:
    """Ours minus theirs; None if one of them is undefined."""
    return None if ours is None or theirs is None else ours - theirs


def ranked(results: Results) -> list[Results]:
    """The models by the benchmark's metric, best first; those without one last, else as given."""
    sign = 1 if results["metric"] in LOWER_IS_BETTER else -1

    def place(model: Results) -> float:
        value = metric(model, results["metric"])
        return math.inf if value is None else sign * value

    return sorted(results["models"], key=place)


def contenders_first(results: Results) -> list[Results]:
    """The models ranked, and after them the baselines ranked: the order of every table and figure."""
    return sorted(ranked(results), key=lambda model: bool(model["is_baseline"]))


def best_model(results: Results) -> Results | None:
    """The model that the benchmark names as its best."""
    return next((model for model in results["models"] if model["name"] == results.get("best")), None)


def is_cross_validated(results: Results) -> bool:
    """True if every sequence was scored, by the models of the folds; False if some were held out."""
    return results.get("split") == "folds"


def scored(results: Results) -> str:
    """What a sequence is called that the models are scored on."""
    return "cross-validated sequence" if is_cross_validated(results) else "held-out sequence"


def title_of(results: Results, name: str) -> str:
    """Title of the model of that name; the name if there is no such model."""
    return next((str(m["title"]) for m in results["models"] if m["name"] == name), name)


def table_metrics(results: Results) -> tuple[str, ...]:
    """Columns of the comparison: the five, the benchmark's own metric, what was published.

    The benchmark's own metric stands first if it is none of the five. A published column that no model
    has a value of is left out.
    """
    published = (results.get("published") or {}).get("columns") or ()
    names = [results["metric"]] if results["metric"] not in MAIN_METRICS else []
    names += [*MAIN_METRICS, *published]
    return tuple(n for n in dict.fromkeys(names) if n in MAIN_METRICS or _is_measured(results, n))


def other_metrics(results: Results) -> tuple[str, ...]:
    """Metrics of the models that do not stand in the comparison, in the order of the results."""
    shown = table_metrics(results)
    named = dict.fromkeys(n for model in results["models"] for n in model["evaluation"]["metrics"])
    return tuple(n for n in named if n not in shown)


def _is_measured(results: Results, name: str) -> bool:
    return any(name in model["evaluation"]["metrics"] for model in results["models"])


def published_rows(results: Results) -> Iterator[tuple[str, dict[str, float | None]]]:
    """Name and metric → value of each published model."""
    published = results.get("published") or {}
    for name, values in (published.get("rows") or {}).items():
        yield name, dict(zip(published["columns"], map(number, values), strict=True))


def published_metrics(results: Results) -> list[str]:
    """Metrics of the comparison that were published too."""
    published = (results.get("published") or {}).get("columns") or ()
    return [name for name in table_metrics(results) if name in published]


def counterpart(results: Results, model: Results) -> dict[str, float | None]:
    """Metric → published value of the model's published counterpart; empty without one."""
    return dict(published_rows(results)).get(model.get("published") or "", {})
