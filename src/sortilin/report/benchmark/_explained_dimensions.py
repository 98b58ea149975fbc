"""What the dimensions of a model's features say: which count, for which class, and where the rows lie.

The figures are those of Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization",
Fig. 12 to 15 and 37, with numbers beside them.

Axis letters: F features, C classes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sortilin.errors import escape_controls
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._results import number

if TYPE_CHECKING:
    pass

TOPIC = "explained_dimensions"
TITLE = "What the embedding dimensions say"

_NAME_SHOWN = 26

OUTPUTS = {"logit": "the logit", "log_odds": "the log-odds"}
BASELINES = {"mean": "the mean of the training rows", "zero": "a row of zeros"}
WAYS = {
    "integrated_gradients": "integrated gradients",
    "saliency": "saliency",
    "permutation": "permutation",
}


def dimension_name(found: Mapping[str, Any], place: int) -> str:
    """The number of a dimension, from 0, or the name of a feature that has one that says something."""
    name = escape_controls(found["names"][place])
    counted = re.fullmatch(r".*?(\d+)", name)
    if counted and int(counted[1]) in (place, place + 1):  # v1, v2, ...: a name that only counts
        return str(place)
    return name if len(name) <= _NAME_SHOWN else name[: _NAME_SHOWN - 1] + words.ELLIPSIS


# The page


def content(found: Mapping[str, Any] | None, title: str, on: str) -> dict[str, Any] | None:
    """What the page says; None where nothing was explained.

    Args:
        found: As `explain.dimensions.analysed` gives it.
        title: Name of the model.
        on: Which sequences, in words.
    """
    if not found:
        return None
    parts = found["gradients"]
    settings = found["settings"]
    return {
        "title": title,
        "on": on,
        "n": found["n"],
        "n_given": found["n_given"],
        "n_features": found["n_features"],
        "output": OUTPUTS[settings["output"]],
        "baseline": BASELINES[settings["baseline"]],
        "seed": settings["seed"],
        "groups": "true class" if found["is_labelled"] else "predicted class",
        "classes": [words.label(name) for name in (parts["per_class"] if parts else [])],
        "completeness": parts and _completeness(parts["completeness"]),
        "top": _top_rows(found),
        "shuffles": found["permutation"] and found["permutation"]["shuffles"],
        "whole": found["permutation"] and _whole(found["permutation"]["whole"]),
        "similarity": similarity_rows(found) if parts else [],
        "agreement": _agreement_rows(found),
        "planes": plane_rows(found),
        "lacking": found["lacking"],
    }


def _completeness(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        "share": words.percent(found["share_below"], 1),
        "tolerance": words.percent(found["tolerance"]),
        "median": _share(found["median"]),
        "percentile_95": _share(found["percentile_95"]),
        "steps": f"{found['steps_median']:.0f}",
        "steps_most": f"{found['steps_most']:,}",
    }


def _share(value: object) -> str:
    known = number(value)
    return words.UNDEFINED if known is None else words.percent(known, 3)


def _whole(found: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{words.in_sentence(name)} {words.decimals(number(value))}" for name, value in found.items()
    )


def _top_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts, shuffled = found["gradients"], found["permutation"]
    rows = []
    for rank, place in enumerate(found["top"], start=1):
        row: dict[str, Any] = {"rank": rank, "dimension": dimension_name(found, place), "classes": []}
        if parts:
            overall = parts["overall"]
            row["value"] = words.decimals(number(overall["absolute"][place]), 4)
            row["saliency"] = words.decimals(number(overall["saliency"][place]), 4)
            row["classes"] = [_of_class(part, place) for part in parts["per_class"].values()]
        if shuffled:
            row["loss"] = words.signed(number(shuffled["mean"]["log_loss"][place]), 4)
            row["accuracy"] = words.signed(_points(shuffled["mean"]["accuracy"][place]), 2)
        rows.append(row)
    return rows


def _of_class(part: Mapping[str, Any], place: int) -> str:
    """Mean absolute attribution, and the mean with its sign."""
    absolute, signed = (number(part[kind][place]) for kind in ("absolute", "signed"))
    return f"{words.decimals(absolute)} ({words.signed(signed)})"


def _points(share: object) -> float | None:
    """A loss of accuracy in percentage points."""
    known = number(share)
    return None if known is None else 100 * known


def similarity_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each pair of classes with both cosines."""
    parts = found["gradients"]
    labels, tables = list(parts["per_class"]), parts["similarity"]
    return [
        {
            "pair": f"{words.label(labels[i])}, {words.label(labels[j])}",
            "absolute": words.decimals(number(tables["absolute"][i][j])),
            "signed": words.decimals(number(tables["signed"][i][j])),
        }
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
    ]


def _agreement_rows(found: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "pair": " and ".join(WAYS[way] for way in pair.split(",")),
            "value": words.decimals(number(value)),
        }
        for pair, value in found["agreement"].items()
    ]


def plane_rows(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{plane['method']}, {plane['of']}",
            "trustworthiness": words.decimals(number(plane["trustworthiness"])),
            "silhouette": words.decimals(number(plane["silhouette"])),
            "silhouette_plane": words.decimals(number(plane["silhouette_plane"])),
            "classes": "; ".join(
                f"{words.label(label)}: {words.decimals(number(of_class['silhouette']), 2)} "
                f"({words.decimals(number(of_class['silhouette_plane']), 2)})"
                for label, of_class in plane["per_class"].items()
            ),
        }
        for plane in found["planes"]
    ]
