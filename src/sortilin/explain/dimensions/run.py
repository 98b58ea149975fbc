"""The dimensions of a model's features: tables, figures, and a section of a report.

Axis letters: N sequences, F features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import ConfigError
from sortilin.explain.dimensions import summary, writing
from sortilin.explain.dimensions.analysis import Model, Rows, analysed
from sortilin.explain.dimensions.permutation import METRICS
from sortilin.explain.dimensions.settings import DimensionSettings, Explained
from sortilin.interfaces import IntArray, OnProgress

if TYPE_CHECKING:
    from sortilin.explain.opened import Opened

Table = tuple[list[str], list[list[Any]]]
"""Header and rows."""

OVERALL = "all"
"""What stands in a column `class` for all classes together."""


def why_not(opened: Opened) -> str | None:
    """None if there are dimensions to explain, else the reason in words."""
    if opened.predictor.feature_names:
        return None
    return "its classifier reads residues, not features of whole sequences, so that there are no dimensions"


def explain_dimensions(
    opened: Opened,
    sequences: Sequence[str],
    y: IntArray | None,
    out_folder: Path,
    settings: DimensionSettings,
    on_progress: OnProgress | None = None,
) -> Explained:
    """Write `dimensions.tsv` and, as far as they apply, its neighbours and `figures/`.

    `top_dimensions.tsv` needs a network or labels, `class_similarity.tsv` a network, `permutation.tsv`
    labels, `projections.tsv` scikit-learn.

    Args:
        opened: A model whose classifier is on features.
        sequences: N cleaned sequences, such that the model did not learn from them.
        y: (N,) their classes, as places in `opened.classes`; None where they are not known.
        out_folder: Made if it does not exist.
        settings: How.
        on_progress: Called as (stage, done, total).

    Raises:
        ConfigError: The model has no dimensions, or its network keeps no mean to begin at.
        InputError: There are fewer than two sequences, or one cannot be read.
        OutputError: The folder cannot be written to.
    """
    from sortilin.report.benchmark import _explained

    if reason := why_not(opened):
        raise ConfigError(f"the dimensions of '{opened.name}' cannot be explained: {reason}")
    predictor = opened.predictor
    model = Model(predictor.scores_of_features, predictor.probabilities_of_scores, opened.feature_network())
    rows = Rows(predictor.features(sequences), y, opened.classes, predictor.feature_names)
    found = analysed(model, rows, settings, on_progress)
    html, pictures = _explained.of_dimensions(found, opened.name, f"{found['n_given']:,} sequences")
    files = [writing.table(out_folder / f"{name}.tsv", *table) for name, table in tables(found)]
    files += writing.pictures(out_folder, pictures)
    return Explained(found, _explained.TITLES[_explained.DIMENSIONS], html, tuple(files))


def tables(found: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Name without its ending, and content, of each table that there is something for."""
    if found["gradients"]:
        yield "dimensions", _dimensions(found)
    if found["top"]:
        yield "top_dimensions", _top(found)
    if found["gradients"]:
        yield "class_similarity", _similarity(found)
    if found["permutation"]:
        yield "permutation", _permutation(found)
    if found["planes"]:
        yield "projections", _projections(found)


def _groups(found: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """All rows, and those of each class."""
    parts = found["gradients"]
    return {OVERALL: {"n": found["n"], **parts["overall"]}, **parts["per_class"]}


def _dimensions(found: Mapping[str, Any]) -> Table:
    """One row a dimension and class: its means."""
    header = ["dimension", "name", "class", "n", "mean_absolute", "mean", "saliency"]
    rows = [
        [
            place,
            name,
            label,
            part["n"],
            part["absolute"][place],
            part["signed"][place],
            part["saliency"][place],
        ]
        for label, part in _groups(found).items()
        for place, name in enumerate(found["names"])
    ]
    return header, rows


def _top(found: Mapping[str, Any]) -> Table:
    """The highest dimensions of all rows and of each class: by attributions, or by what shuffling costs."""
    header = ["class", "rank", "dimension", "name", "score", "by"]
    top, names = len(found["top"]), found["names"]
    if found["gradients"]:
        by = "mean absolute integrated gradients"
        scores = {label: part["absolute"] for label, part in _groups(found).items()}
    else:
        by, scores = "rise of log loss when shuffled", {OVERALL: found["permutation"]["mean"]["log_loss"]}
    return header, [
        [label, rank, place, names[place], values[place], by]
        for label, values in scores.items()
        for rank, place in enumerate(summary.ranked(summary.array(values), top), start=1)
    ]


def _similarity(found: Mapping[str, Any]) -> Table:
    labels, kinds = list(found["gradients"]["per_class"]), found["gradients"]["similarity"]
    rows = [
        [first, second, kinds["absolute"][i][j], kinds["signed"][i][j]]
        for i, first in enumerate(labels)
        for j, second in enumerate(labels)
    ]
    return ["class", "other_class", "cosine_absolute", "cosine_signed"], rows


def _permutation(found: Mapping[str, Any]) -> Table:
    part = found["permutation"]
    header = ["dimension", "name", *(f"{name}_{what}" for name in METRICS for what in ("loss", "sd"))]
    rows = [
        [place, name, *(part[what][metric][place] for metric in METRICS for what in ("mean", "sd"))]
        for place, name in enumerate(found["names"])
    ]
    return header, rows


def _projections(found: Mapping[str, Any]) -> Table:
    """One row a sequence and plane; `row` counts the sequences as given, from 1."""
    header = ["row", "class", "method", "dimensions", "x", "y"]
    rows = [
        [number + 1, found["classes"][c], plane["method"], plane["of"], *xy]
        for plane in found["planes"]
        for number, c, xy in zip(plane["rows"], plane["y"], plane["xy"], strict=True)
    ]
    return header, rows
