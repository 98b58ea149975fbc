"""Where networks look: the classes' mean attention from both ends, and single sequences.

After Li, "Benchmarking Transformer-Based Embeddings for Protein Subcellular Localization", Fig. 29 to 36.

Axis letters: L residues, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing, new_figure
from sortilin.report.benchmark._palette import INK, SEQUENTIAL, SOFT, UNDEFINED_CELL, class_colour
from sortilin.report.benchmark._results import number, numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TOPIC = "explained_attention"
TITLE = "Where the networks look"

Seen = tuple[Mapping[str, Any], str, str]
"""What `explain.attention_maps.maps` gives of a network, its title, and which sequences these are."""

_WIDTH = 9.4
_LETTERS_UP_TO = 60
_PEAKS = 3
_FEWEST = 5
"""The mean of fewer sequences than this is not drawn."""


def content(networks: Iterable[Seen]) -> list[dict[str, Any]] | None:
    """What the page says of each network; None where there is none."""
    return [_of_network(*seen) for seen in networks] or None


def _of_network(found: Mapping[str, Any], title: str, on: str) -> dict[str, Any]:
    return {
        "title": title,
        "on": on,
        "n": found["n"],
        "groups": "true class" if found["is_labelled"] else "predicted class",
        "first": found["first"],
        "last": found["last"],
        "rows": [
            {
                "name": words.label(label),
                "n": f"{part['n']:,}",
                "ends": [_end(part[end]["share"]) for end in ("first", "last")],
            }
            for label, part in found["by_class"].items()
        ],
    }


def _end(share: Mapping[str, Any]) -> dict[str, str]:
    """Attention at an end of the sequences beside the residues there."""
    mean, error = number(share["attention"]), number(share["standard_error"])
    spread = "" if error is None else f" ± {words.decimals(1.96 * error, 3)}"
    return {
        "attention": words.decimals(mean) + spread,
        "residues": words.decimals(number(share["residues"])),
    }


def drawings(networks: Iterable[Seen]) -> Iterator[Drawing]:
    """Two figures a network: its classes, and single sequences where some are kept."""
    listed = list(networks)
    stems = words.file_names([title for _, title, _ in listed])
    for (found, title, on), stem in zip(listed, stems, strict=True):
        yield _by_class(found, title, on, stem)
        if found["sequences"]:
            yield _sequences(found, title, on, stem)


def _by_class(found: Mapping[str, Any], title: str, on: str, stem: str) -> Drawing:
    labels = list(found["by_class"])
    figure = new_figure(_WIDTH, 2.1 + 0.34 * len(labels))
    panels = figure.subplots(
        2, 2, sharex="col", width_ratios=[found["first"], found["last"]], height_ratios=[len(labels), 2.6]
    )
    tables = {end: _table(found, end) for end in ("first", "last")}
    high = max((float(np.nanmax(t)) for t in tables.values() if np.isfinite(t).any()), default=1.0)
    for column, end in enumerate(("first", "last")):
        mesh = _heat(panels[0, column], tables[end], labels if column == 0 else None, max(high, 1.0))
        _counts(panels[1, column], found, end)
        _positions(panels[1, column], found[end], is_first=end == "first")
    panels[0, 0].set_title(f"First {found['first']} residues", size=8.5)
    panels[0, 1].set_title(f"Last {found['last']} residues", size=8.5)
    panels[1, 0].set_ylabel("Sequences")
    bar = figure.colorbar(mesh, ax=panels[0, :], label="Weight, in even shares", aspect=12, pad=0.01)
    bar.outline.set_visible(False)
    figure.suptitle(words.one_line(title, 60), x=0.01, ha="left")
    handles, names = panels[1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), 6))
    which = "true" if found["is_labelled"] else "predicted"
    return Drawing(
        name=f"looks_by_class_{stem}",
        topic=TOPIC,
        alt=f"Mean attention by class and position from both ends, {title}. {_said(found)}",
        caption=f"Attention of {title} by {which} class, on {on}, aligned at both ends. An even share is 1: "
        f"each weight is multiplied by the number of residues. Below, how many sequences reach a position; "
        f"the mean of fewer than {_FEWEST} is grey.",
        figure=figure,
    )


def _said(found: Mapping[str, Any]) -> str:
    parts = []
    for label, part in found["by_class"].items():
        share = part["first"]["share"]
        parts.append(
            f"{words.label(label)}: {words.decimals(number(share['attention']), 2)} of the attention on the "
            f"first {found['first']} residues, {words.decimals(number(share['residues']), 2)} of all."
        )
    return " ".join(parts)


def _table(found: Mapping[str, Any], end: str) -> Any:
    """(C, positions), NaN where too few sequences reach."""
    parts = [part[end] for part in found["by_class"].values()]
    values = np.array([numbers(part["mean"]) for part in parts])
    values[np.array([part["n"] for part in parts]) < _FEWEST] = np.nan
    return values


def _heat(axes: Axes, values: Any, labels: Sequence[str] | None, high: float) -> Any:
    import matplotlib as mpl

    mesh = axes.pcolormesh(
        np.arange(values.shape[1] + 1) + 0.5,
        np.arange(len(values) + 1),
        np.ma.masked_invalid(values),
        cmap=mpl.colormaps[SEQUENTIAL].with_extremes(bad=UNDEFINED_CELL),
        vmin=0.0,
        vmax=high,
        rasterized=True,
    )
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelbottom=False)
    names = words.tick_labels(labels or [], width=20, n_lines=1)
    axes.set_yticks(np.arange(len(names)) + 0.5, names, size=8.5)
    return mesh


def _counts(axes: Axes, found: Mapping[str, Any], end: str) -> None:
    for label, part in found["by_class"].items():
        n, colour = part[end]["n"], class_colour(found["classes"].index(label))
        axes.step(np.arange(1, len(n) + 1), n, where="mid", color=colour, lw=1.3, label=words.label(label))
    axes.set_ylim(0, None)
    axes.tick_params(labelleft=end == "first")


def _positions(axes: Axes, n: int, *, is_first: bool) -> None:
    """Residues from the end: 1, 10, 20, ..., or with a minus those from the last one."""
    steps = [1, *range(10 if n <= 80 else 20, n + 1, 10 if n <= 80 else 20)]
    places = steps if is_first else [n + 1 - s for s in steps]
    axes.set_xticks(places, [str(s) if is_first else f"{words.MINUS}{s}" for s in steps])
    axes.set_xlabel("From the N terminus" if is_first else "From the C terminus")


def _sequences(found: Mapping[str, Any], title: str, on: str, stem: str) -> Drawing:
    shown = found["sequences"]
    figure = new_figure(_WIDTH, 0.5 + 1.15 * len(shown))
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    longest = max(len(one["sequence"]) for one in shown)
    for axes, one in zip(panels, shown, strict=True):
        width = longest if longest <= _LETTERS_UP_TO else len(one["sequence"])  # peptides on one scale
        _profile(axes, one, class_colour(found["classes"].index(one["label"])), width)
    figure.supylabel("Weight, in even shares", size=9)
    panels[-1].set_xlabel("Residue")
    peaks = "; ".join(f"{one['id']} ({words.label(one['label'])}): {_peaks_said(one)}" for one in shown)
    per_class = "true and predicted class" if found["is_labelled"] else "predicted class"
    return Drawing(
        name=f"looks_along_{stem}",
        topic=TOPIC,
        alt=f"Attention along {words.count(len(shown), 'sequence')}, {title}. Highest: {peaks}.",
        caption=f"Attention of {title} along {words.count(len(shown), 'sequence')} of {on}, by {per_class}: "
        "drawn by the checksum of their residues, not by their looks. An even share is 1 (line). The highest "
        "residues are named; gaps are residues that the network does not read.",
        figure=figure,
    )


def _profile(axes: Axes, one: Mapping[str, Any], colour: str, width: int) -> None:
    values = np.array(numbers(one["weights"]))
    places, edges = np.arange(1, len(values) + 1), np.arange(len(values) + 1) + 0.5
    axes.stairs(values, edges, fill=True, color=colour, alpha=0.35)
    axes.stairs(values, edges, baseline=None, color=colour, lw=0.8)
    axes.axhline(1, color=SOFT, lw=0.7)
    high = float(np.nanmax(values)) if np.isfinite(values).any() else 1.0
    axes.set(xlim=(0.5, width + 0.5), ylim=(0, 1.3 * max(high, 1.0)))
    for place in _peaks(one):
        axes.annotate(
            f"{one['sequence'][place]}{place + 1}",
            (place + 1, values[place]),
            xytext=(0, 1.5),
            textcoords="offset points",
            ha="center",
            size=7,
            color=INK,
        )
    if len(values) <= _LETTERS_UP_TO:
        axes.set_xticks(places, list(one["sequence"]), size=7)
        axes.tick_params(axis="x", length=0)
    axes.set_title(f"{words.one_line(one['id'], 40)}, class {words.one_line(one['label'], 30)}", size=8.5)


def _peaks(one: Mapping[str, Any]) -> list[int]:
    """Places of the highest weights, no two so near that their names would lie on each other."""
    values = np.array(numbers(one["weights"]))
    apart = max(1, len(values) // 30)
    found: list[int] = []
    for place in np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable"):
        if len(found) == _PEAKS or not values[place] > 1:
            break
        if all(abs(int(place) - other) > apart for other in found):
            found.append(int(place))
    return found


def _peaks_said(one: Mapping[str, Any]) -> str:
    return ", ".join(f"{one['sequence'][place]}{place + 1}" for place in _peaks(one)) or "none above even"
