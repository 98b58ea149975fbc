"""Figures of training: loss above, accuracy and macro-F1 below; one figure a model, one scale for all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import COLUMN_INCHES, Drawing, new_figure
from sortilin.report.benchmark._palette import RULE, SECOND_VALIDATION, SOFT, TRAINING, VALIDATION
from sortilin.report.benchmark._results import Results, contenders_first, number, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOPIC = "curves"
MARKED_EPOCHS = 12
"""With fewer epochs each is marked: a single one makes no line."""

_OUTLIER = 3.0  # a loss beyond this multiple of the models' median maximum would flatten all other curves

_LOSSES = {
    "train_loss": ("training", TRAINING, "--"),
    "valid_loss": ("validation", VALIDATION, "-"),
}
_SCORES = {
    "train_accuracy": ("training accuracy", TRAINING, "--"),
    "valid_accuracy": ("validation accuracy", VALIDATION, "-"),
    "valid_macro_f1": ("validation macro-F1", SECOND_VALIDATION, "-."),
}


def drawings(results: Results) -> Iterator[Drawing]:
    """One figure for each model that was trained in epochs."""
    models = contenders_first(results)
    stems = words.file_names([model["name"] for model in models])
    trained = [(m, s) for m, s in zip(models, stems, strict=True) if (m.get("curves") or {}).get("epoch")]
    curves = [model["curves"] for model, _ in trained]
    top, floor = _highest_loss(curves), _lowest_score(curves)
    for model, stem in trained:
        yield _drawing(model, f"curves_{stem}", top, floor)


def _highest_loss(curves: Sequence[Results]) -> float:
    """Upper end of the axis of losses: the highest, unless it belongs to a model far off all others."""
    highest = [float(v.max()) for c in curves if len(v := _defined(c, _LOSSES))]
    return 1.05 * min(max(highest), _OUTLIER * float(np.median(highest))) if any(highest) else 1.0


def _lowest_score(curves: Sequence[Results]) -> float:
    lowest = [float(v.min()) for c in curves if len(v := _defined(c, _SCORES))]
    return max(min(lowest) - 0.03, 0.0) if lowest else 0.0


def _defined(curves: Results, names: Iterable[str]) -> NDArray[np.float64]:
    values = np.array([value for name in names for value in numbers(curves.get(name))])
    return values[np.isfinite(values)] if len(values) else values


def _drawing(model: Results, name: str, top: float, floor: float) -> Drawing:
    curves = model["curves"]
    figure = new_figure(COLUMN_INCHES, 4.4)
    losses, scores = figure.subplots(2, sharex=True)
    _plot(losses, curves, _LOSSES)
    _plot(scores, curves, _SCORES)
    losses.set(ylabel="Loss", ylim=(0, top))
    scores.set(ylabel="Accuracy, macro-F1", xlabel="Epoch", ylim=(floor, 1.0))
    scores.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(words.one_line(model["title"]), x=0.01, ha="left")
    n_epochs, best = len(curves["epoch"]), number(curves.get("best_epoch"))
    kept = f"; kept: epoch {best:.0f}, dotted" if best is not None else ""
    beyond = _defined(curves, _LOSSES).max(initial=0.0) > top
    return Drawing(
        name=name,
        topic=TOPIC,
        alt=f"Training curves of {model['title']} over {words.count(n_epochs, 'epoch')}. {_at_best(curves)}",
        caption=f"{model['title']}, on its training and validation sequences: "
        f"{words.count(n_epochs, 'epoch')}{kept}."
        + (" Its highest losses lie beyond the axis." if beyond else ""),
        figure=figure,
    )


def _plot(axes: Axes, curves: Results, lines: dict[str, tuple[str, str, str]]) -> None:
    epochs = curves["epoch"]
    marker = "o" if len(epochs) <= MARKED_EPOCHS else ""
    for name, (words_of_line, colour, dashes) in lines.items():
        values = numbers(curves.get(name))
        if len(values) == len(epochs) and np.isfinite(values).any():
            axes.plot(epochs, values, dashes, color=colour, lw=1.5, marker=marker, ms=3, label=words_of_line)
    best = number(curves.get("best_epoch"))
    if best is not None:
        axes.axvline(best, color=SOFT, lw=1, ls=":")
    axes.grid(axis="y", color=RULE, lw=0.6, alpha=0.7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0, columnspacing=1.2
        )


def _at_best(curves: Results) -> str:
    """The validation values of the epoch that was kept, in words."""
    if curves.get("best_epoch") not in curves["epoch"]:
        return ""
    index = curves["epoch"].index(curves["best_epoch"])
    said = [
        f"{text} {words.decimals(number(values[index]))}"
        for name, text in (
            ("valid_loss", "validation loss"),
            ("valid_accuracy", "accuracy"),
            ("valid_macro_f1", "macro-F1"),
        )
        if len(values := curves.get(name) or []) > index
    ]
    return f"At epoch {curves['best_epoch']}: {', '.join(said)}." if said else ""
