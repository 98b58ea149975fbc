"""What a network makes of the test sets: vectors in the plane, before and after its head, and attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.report.benchmark import _logos
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import CLASS_COLOURS, SEQUENTIAL, SOFT, class_colour, text_on
from sortilin.report.benchmark._results import Results, number, title_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = {"before": "before the head", "after": "after the head"}
_CELL_INCHES = 0.19
_MOST_RELATIVE = 3.0
"""Weights are drawn relative to an even share; so many times that share is the darkest colour."""


def representation(results: Results) -> dict[str, Any] | None:
    """What the page says of the vectors; None without a network or a test set."""
    found = results.get("representation")
    if not found:
        return None
    rows = [
        {
            "name": f"{test['test']}, {said}",
            "values": [_shown(test[side], key) for key in ("width", *_NUMBERS)],
        }
        for test in found["tests"]
        for side, said in SIDES.items()
        if test[side]
    ]
    return {
        "title": title_of(results, found["model"]),
        "lacking": found.get("lacking"),
        "columns": ["Numbers a sequence", *_NUMBERS.values()],
        "rows": rows,
    }


_NUMBERS = {
    "silhouette": "Silhouette of the classes",
    "silhouette_plane": "Silhouette in the plane",
    "trustworthiness": "Trustworthiness of the plane",
}


def _shown(view: Results, key: str) -> str:
    return words.whole(view[key]) if key == "width" else words.decimals(number(view[key]))


def attention(results: Results) -> dict[str, Any] | None:
    """What the page says of motifs and attention; None without a network that has attention."""
    found = results.get("attention")
    if not found:
        return None
    return {
        "title": title_of(results, found["model"]),
        "program": found["program"],
        "n_positives": found["n_positives"],
        "n_controls": found["n_controls"],
        "motifs": [
            {
                "name": motif["name"],
                "pattern": motif["pattern"],
                "positives": _of(motif["counts"], "positives"),
                "controls": _of(motif["counts"], "controls"),
                "p_value": small(motif["p_value"]),
                "e_value": small(motif["e_value"]),
            }
            for motif in found["motifs"]
        ],
        "agreement": [
            {
                "test": test["test"],
                "motif": row["motif"],
                "n": f"{row['n_sequences']:,}",
                "mass": words.decimals(number(row["mass"])),
                "expected": words.decimals(number(row["expected"])),
                "statistic": words.signed(number(row["statistic"])),
                "null": " ± ".join(words.decimals(number(row[f"null_{what}"])) for what in ("mean", "sd")),
                "p_value": words.p_value(number(row["p_value"])),
            }
            for test in found["tests"]
            for row in test["agreement"]
        ],
    }


def _of(counts: Results, what: str) -> str:
    n, whole = counts[what], counts[f"n_{what}"]
    return f"{n:,} of {whole:,} ({words.percent(n / whole if whole else 0.0)})"


def small(value: object) -> str:
    """A p-value that may be very small: "3.1e-12"."""
    known = number(value)
    return words.UNDEFINED if known is None else f"{known:.3f}" if known >= 0.001 else f"{known:.1e}"


# Figures


def drawings(results: Results) -> Iterator[Drawing]:
    """A figure of the planes, the motifs' logos, and a heatmap for each test set, as far as there are any."""
    found = results.get("representation") or {}
    tests = [test for test in found.get("tests") or () if test["before"] and test["after"]]
    if tests:
        yield _planes(results, tests)
    seen = results.get("attention") or {}
    if seen.get("motifs") and _logos.can_draw():
        yield _logos.drawing(seen["motifs"], "attention")
    for test in seen.get("tests") or ():
        if test["peptides"]:
            yield _heatmap(results, test, [motif["name"] for motif in seen["motifs"]])


def _planes(results: Results, tests: Sequence[Results]) -> Drawing:
    figure = new_figure(6.4, 0.5 + 2.9 * len(tests))
    panels = figure.subplots(len(tests), 2, squeeze=False)
    for row, test in zip(panels, tests, strict=True):
        for axes, (side, said) in zip(row, SIDES.items(), strict=True):
            _plane(axes, np.array(test[side]["xy"]), np.array(test["y"]), results["classes"])
            silhouette = words.decimals(number(test[side]["silhouette"]))
            axes.set_title(f"{test['test']}, {said}\nsilhouette {silhouette}", size=8.5)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    title = title_of(results, results["representation"]["model"])
    said = "; ".join(
        f"{test['test']}: silhouette {words.decimals(number(test['before']['silhouette']))} before, "
        f"{words.decimals(number(test['after']['silhouette']))} after"
        for test in tests
    )
    return Drawing(
        name="representation",
        topic="representation",
        alt=f"UMAP of the test sets before and after the head of {title}. {said}.",
        caption=f"UMAP of the test sets in {title}: the mean residue vector that its head is given, and what "
        "the head's last layer is given. The silhouette is that of the classes in the vectors themselves.",
        figure=figure,
    )


def _plane(axes: Axes, xy: Any, y: Any, classes: Sequence[str]) -> None:
    markers = "o^sDvP"
    for index, name in enumerate(classes):
        here = xy[y == index]
        axes.scatter(
            here[:, 0],
            here[:, 1],
            s=9,
            marker=markers[index % len(markers)],
            color=class_colour(index),
            edgecolors="none",
            alpha=0.75,
            label=words.label(name),
        )
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    axes.spines[:].set_color(SOFT)


def _heatmap(results: Results, test: Results, motifs: Sequence[str]) -> Drawing:
    peptides = test["peptides"]
    width = max(len(p["sequence"]) for p in peptides)
    figure = new_figure(1.2 + _CELL_INCHES * width, 0.9 + 0.27 * len(peptides))
    axes = figure.add_subplot()
    values = np.full((len(peptides), width), np.nan)
    for row, peptide in enumerate(peptides):
        n = len(peptide["sequence"])
        values[row, :n] = np.array(peptide["weights"]) * n
    mesh = _paint(axes, values)
    for row, peptide in enumerate(peptides):
        _letters(axes, row, peptide, mesh, values[row])
        for index, name in enumerate(motifs):
            _sites(axes, row, peptide["sites"].get(name, []), index)
    axes.set_yticks(np.arange(len(peptides)) + 0.5, [f"{p['probability']:.2f}" for p in peptides], size=8)
    places = [1, *range(10, width + 1, 10)]
    axes.set_xticks([place - 0.5 for place in places], [str(place) for place in places])
    axes.set(xlabel="Residue", ylabel="Probability")
    figure.colorbar(mesh, ax=axes, label="Weight, in even shares", aspect=12)
    if motifs:
        _name_motifs(figure, motifs)
    title = title_of(results, results["attention"]["model"])
    return Drawing(
        name=f"attention_{words.file_names([test['test']])[0]}",
        topic="attention",
        alt=f"Attention weights of {words.count(len(peptides), 'peptide')} of {test['test']} with the sites "
        f"of {words.count(len(motifs), 'motif')}.",
        caption=f"Attention of {title} on positives of {test['test']} that do not stand in training: the "
        f"first {len(peptides)} of the file that it calls positive and have at most 60 residues. An even "
        "share is 1. Lines below the letters: sites of the motifs, in their colours.",
        figure=figure,
    )


def _paint(axes: Axes, values: Any) -> Any:
    import matplotlib as mpl

    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values),
        cmap=mpl.colormaps[SEQUENTIAL].with_extremes(bad="white"),
        vmin=0.0,
        vmax=_MOST_RELATIVE,
    )
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return mesh


def _letters(axes: Axes, row: int, peptide: Results, mesh: Any, values: Any) -> None:
    for column, letter in enumerate(peptide["sequence"]):
        red, green, blue, _ = mesh.to_rgba(values[column])
        text = axes.text(
            column + 0.5,
            row + 0.46,
            letter,
            size=7,
            ha="center",
            va="center",
            color=text_on(red, green, blue),
        )
        text.set_in_layout(False)


def _sites(axes: Axes, row: int, places: Sequence[int], index: int) -> None:
    height = row + 0.8 + 0.055 * (index % 4)
    for place in places:
        axes.plot(
            (place + 0.04, place + 0.96),
            (height, height),
            color=_motif_colour(index),
            lw=1.6,
            solid_capstyle="butt",
        )


def _motif_colour(index: int) -> str:
    """Not the blue of the cells."""
    return CLASS_COLOURS[1:][index % (len(CLASS_COLOURS) - 1)]


def _name_motifs(figure: Any, motifs: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=_motif_colour(index), lw=2) for index in range(len(motifs))]
    figure.legend(lines, [words.one_line(name, 24) for name in motifs], loc="outside upper left", ncols=5)
