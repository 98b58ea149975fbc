"""Whether the explanations are true: curves of deletion and insertion, against random order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._palette import SOFT, class_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WIDTH, _HEIGHT, _LEGEND_ROW = 7.4, 2.7, 0.2
_KINDS = (
    ("deletion", "Deletion: hide the strongest first"),
    ("insertion", "Insertion: show the strongest first"),
)
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))


def drawing(truth: Mapping[str, Any]) -> Drawing:
    """Both curves of every method side by side."""
    from matplotlib.figure import Figure

    names = list(truth["curves"])
    height = _HEIGHT + _LEGEND_ROW * (1 + len(names) // 3)
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    bottom = (0.5 + _LEGEND_ROW * (1 + len(names) // 3)) / height
    for index, (kind, title) in enumerate(_KINDS):
        place = figure.add_axes((0.09 + 0.5 * index, bottom, 0.39, 1 - bottom - 0.28 / height))
        _panel(place, truth, kind, title)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3)
    n = words.count(truth["n"], "sequence")
    return Drawing(
        "truth",
        "truth",
        f"Mean log-odds of the class on {n} as residues are hidden or shown. {_sentences(truth)}",
        f"Mean over {n}; grey: residues in random order, mean of {truth['n_random']} orders a sequence.",
        figure,
    )


def _panel(place: Axes, truth: Mapping[str, Any], kind: str, title: str) -> None:
    share = [100 * s for s in truth["shares"]]
    curves: Mapping[str, Any] = truth["curves"]
    first = next(iter(curves.values()))
    place.plot(share, first[f"random_{kind}"], color=SOFT, linewidth=2.4, alpha=0.6, label="random order")
    for index, (name, one) in enumerate(curves.items()):
        dashes: Any = _DASHES[index % len(_DASHES)]
        place.plot(share, one[kind], color=class_colour(index), linestyle=dashes, linewidth=1.6, label=name)
    place.set_title(title)
    place.set_xlabel("residues hidden, %" if kind == "deletion" else "residues shown, %")
    if kind == "deletion":
        place.set_ylabel("log-odds of the class")


def _sentences(truth: Mapping[str, Any]) -> str:
    return " ".join(
        f"{name}: {words.signed(one['deletion_gain']['value'], 2)} against random order for deletion."
        for name, one in truth["curves"].items()
    )


def gain_rows(truth: Mapping[str, Any]) -> Sequence[tuple[str, str, str, int]]:
    """Method, gain of deletion and of insertion with interval, and the number of sequences."""
    return [
        (name, _gain(one["deletion_gain"]), _gain(one["insertion_gain"]), one["n"])
        for name, one in truth["curves"].items()
    ]


def _gain(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return f"{words.signed(one['value'], 2)} ({words.signed(low, 2)} to {words.signed(high, 2)})"
