"""Figures of confusion matrices: of every model, and of the pooled folds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._grid import Cells, grid_figure
from sortilin.report.benchmark._results import Results, contenders_first, scored, title_of

TOPIC = "confusion"
POOLED_TOPIC = "cross_validation"
MAX_ZEROS = 6
"""Classes; in the matrix of more, an empty cell says zero, so that the others stand out."""


def drawings(results: Results) -> Iterator[Drawing]:
    """One figure a model, then that of the pooled folds if there was a cross-validation."""
    models = contenders_first(results)
    for model, stem in zip(models, words.file_names([m["name"] for m in models]), strict=True):
        evaluation = model["evaluation"]
        caption = f"{model['title']}: {_right(evaluation, scored(results))}."
        yield _drawing(evaluation, model["title"], f"confusion_{stem}", TOPIC, caption)
    validation = results.get("cross_validation")
    if validation and validation.get("pooled"):
        title = title_of(results, validation["model"])
        folds = words.count(len(validation["folds"]), "fold")
        caption = (
            f"{title}: {_right(validation['pooled'], 'sequence')}. Each is predicted by the model that was "
            f"trained without its fold; {folds} together."
        )
        heading = f"{words.one_line(title, 26)}, {folds} pooled"
        yield _drawing(validation["pooled"], heading, "cross_validation_confusion", POOLED_TOPIC, caption)


def _right(evaluation: Results, named: str) -> str:
    counts = np.array(evaluation["confusion"], dtype=np.int64)
    n_right, n = int(np.trace(counts)), int(counts.sum())
    share = f" ({words.percent(n_right / n, 1)})" if n else ""
    return f"{n_right:,} of {words.count(n, named)} right{share}"


def _drawing(evaluation: Results, title: str, name: str, topic: str, caption: str) -> Drawing:
    counts = np.array(evaluation["confusion"], dtype=np.int64)
    diagonal = np.diag(row_shares(counts))
    per_class = [
        f"{words.label(c)} {words.percent(share) if np.isfinite(share) else 'none'}"
        for c, share in zip(evaluation["classes"], diagonal, strict=True)
    ]
    return Drawing(
        name=name,
        topic=topic,
        alt=f"Confusion matrix of {title}. Share of each class that was found: {', '.join(per_class)}.",
        caption=caption,
        figure=grid_figure(
            _cells(counts, evaluation["classes"]),
            title=words.one_line(title),
            axis_labels=("Predicted class", "True class"),
            row_inches=0.52 if len(counts) <= 6 else 0.42,
            bar_label="Share of the true class",
        ),
    )


def row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(C, C) counts → share of each row's sum, NaN in rows without a sequence."""
    sums = counts.sum(axis=1, keepdims=True)
    return np.where(sums > 0, counts / np.maximum(sums, 1), np.nan)


def _cells(counts: NDArray[np.int64], classes: list[str]) -> Cells:
    shares, zero = row_shares(counts), "0" if len(classes) <= MAX_ZEROS else ""
    pairs = [zip(*row, strict=True) for row in zip(counts.tolist(), shares.tolist(), strict=True)]
    return Cells(
        values=shares,
        texts=[[_text(n, share) if n else zero for n, share in row] for row in pairs],
        rows=words.tick_labels(classes),
        columns=words.tick_labels(classes, width=20, n_lines=1),
        low=0.0,
        high=1.0,
    )


def _text(n: int, share: float) -> str:
    """The share, and the count below; nothing is rounded to nothing."""
    shown = words.percent(share) if share >= 0.005 else f"<{words.percent(0.01)}"
    return f"{shown}\n{n:,}"
