"""The picture of a sequence: profiles over the whole of it, and its residues coloured, in lines.

The letters are coloured by the first method; each further method has a strip of colours below them. Known
signals and given features stand above the letters. All sizes in inches.

Axis letters: L residues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sortilin.interfaces import DoubleArray
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Drawing
from sortilin.report.benchmark._palette import INK, SOFT
from sortilin.report.explain import _colours, _layout
from sortilin.report.explain._layout import PER_LINE, Line
from sortilin.report.explain._shown import KNOWN, Shown, Track

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CELL = 0.1
"""Width of a residue: that of a letter of DejaVu Sans Mono at 12 points, so that a line is one text."""

LEFT, RIGHT = 0.62, 0.2
WIDTH = LEFT + PER_LINE * CELL + RIGHT

_LETTER_POINTS = CELL * 72 / 0.602
_LETTERS, _STRIP, _LANE, _BARE_LANE, _BETWEEN, _SKIPPED = 0.19, 0.06, 0.15, 0.06, 0.11, 0.2
_HEAD, _PANEL, _PANEL_GAP, _MAP, _LEGEND = 0.45, 0.5, 0.24, 0.07, 0.42
_UNIT = 0.01  # height of a pixel of the coloured image
_MARK_COLOURS = {KNOWN: "#3c464d", "given": "#00785a"}
_ID_SHOWN = 60
_MAX_BINS = 600


def drawing(shown: Shown, name: str) -> Drawing:
    """The picture, under a file name."""
    strength = np.nanmax(np.abs(np.array([_scaled(t) for t in shown.tracks])), axis=0, initial=0.0)
    drawn = _layout.lines(len(shown.sequence), strength, shown.marks)
    gaps = _layout.gaps(drawn, len(shown.sequence))
    n_lanes = _overview_lanes(shown)
    upper = _HEAD + len(shown.tracks) * (_PANEL + _PANEL_GAP) + n_lanes * _MAP + 0.25
    heights = [_height(line, len(shown.tracks)) for line in drawn]
    lower = sum(heights) + len(gaps) * _SKIPPED + _LEGEND
    figure = _figure(upper + lower)
    _title(figure, shown, upper + lower)
    _overview(figure, shown)
    _lines(figure, shown, drawn, gaps, lower)
    return Drawing(name, "sequence", _alt(shown), _caption(shown, drawn, gaps), figure)


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), facecolor="white")


def axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes by inches from the figure's upper left corner."""
    total_width, total = figure.get_size_inches()
    place = (left / total_width, 1 - (top + height) / total, width / total_width, height / total)
    return figure.add_axes(place)


def _title(figure: Figure, shown: Shown, height: float) -> None:
    name = shown.id if len(shown.id) <= _ID_SHOWN else f"{shown.id[: _ID_SHOWN - 1]}…"
    said = "predicted" if shown.is_predicted else "asked for; another class is predicted"
    figure.text(LEFT / WIDTH, 1 - 0.19 / height, name, fontsize=11, fontweight="bold", va="center")
    line = f"{shown.label}, {words.percent(shown.probability)} ({said}); {len(shown.sequence):,} residues"
    figure.text(LEFT / WIDTH, 1 - 0.37 / height, line, fontsize=8.5, color=SOFT, va="center")


# Profiles


def _overview(figure: Figure, shown: Shown) -> None:
    top, length = _HEAD, len(shown.sequence)
    for index, track in enumerate(shown.tracks):
        top += _PANEL_GAP
        panel = axes(figure, LEFT, top, PER_LINE * CELL, _PANEL)
        _panel(panel, track, length, is_last=index == len(shown.tracks) - 1)
        top += _PANEL
    lanes = axes(figure, LEFT, top + 0.2, PER_LINE * CELL, max(_overview_lanes(shown), 1) * _MAP)
    lanes.set_axis_off()
    lanes.set_xlim(0.5, length + 0.5)
    lanes.set_ylim(max(_overview_lanes(shown), 1), 0)
    for mark, lane in _in_lanes(shown):
        width = max(mark.end - mark.start, length / 400)
        bar: dict[str, Any] = {"facecolor": _MARK_COLOURS[mark.kind], "edgecolor": "white", "linewidth": 0.5}
        lanes.broken_barh([(mark.start + 0.5, width)], (lane + 0.1, 0.7), **bar)


def _panel(panel: Axes, track: Track, length: int, *, is_last: bool) -> None:
    x, low, high = _binned(track.values)
    for part, colour in (
        (np.maximum(high, 0), _colours.FOR_LINE),
        (np.minimum(low, 0), _colours.AGAINST_LINE),
    ):
        if np.nanmax(np.abs(part), initial=0.0) > 0:
            panel.stairs(np.nan_to_num(part), x, fill=True, color=colour, linewidth=0)
    seen = track.values[np.isfinite(track.values)]
    bottom, top = (min(float(seen.min()), 0.0), max(float(seen.max()), 0.0)) if seen.size else (0.0, 1.0)
    room = (top - bottom) * 0.06 or 1.0
    panel.set_xlim(0.5, length + 0.5)
    panel.set_ylim(bottom - room * (bottom < 0), top + room)
    panel.axhline(0, color=SOFT, linewidth=0.6)
    panel.set_title(f"{track.name}, {track.unit} a residue", fontsize=7.5, fontweight="normal", pad=2)
    panel.set_yticks([v for v in (bottom, top) if v], [_short(v) for v in (bottom, top) if v])
    panel.tick_params(labelsize=6.5, length=2, pad=1.5, labelbottom=is_last)
    panel.spines["bottom"].set_visible(False)
    if length == 1:
        panel.set_xticks([1])


def _binned(values: DoubleArray) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
    """Edges, lowest and highest of at most 600 stretches: of more residues, nothing tall is lost."""
    length = len(values)
    n_bins = min(length, _MAX_BINS)
    edges = np.linspace(0, length, n_bins + 1).round().astype(int)
    filled = np.nan_to_num(values)
    low, high = np.minimum.reduceat(filled, edges[:-1]), np.maximum.reduceat(filled, edges[:-1])
    return edges + 0.5, low, high


def _in_lanes(shown: Shown) -> list[tuple[Any, int]]:
    """Marks with lanes such that none lies upon another, at most six lanes."""
    free_from: list[int] = []
    found = []
    for mark in sorted(shown.marks, key=lambda m: (m.start, -m.end)):
        lane = next((i for i, free in enumerate(free_from) if mark.start >= free), len(free_from))
        if lane == 6:  # the lines below say the rest
            continue
        if lane == len(free_from):
            free_from.append(0)
        free_from[lane] = mark.end
        found.append((mark, lane))
    return found


def _overview_lanes(shown: Shown) -> int:
    return max((lane + 1 for _, lane in _in_lanes(shown)), default=0)


# Lines


def _height(line: Line, n_tracks: int) -> float:
    return _lanes(line) + _LETTERS + (n_tracks - 1) * _STRIP + _BETWEEN


def _lanes(line: Line, below: int | None = None) -> float:
    """Height of the lanes of a line, or of those below one."""
    return sum(_LANE if has_labels else _BARE_LANE for has_labels in line.lanes[:below])


def _lines(
    figure: Figure, shown: Shown, drawn: Sequence[Line], gaps: Sequence[tuple[int, int, int]], height: float
) -> None:
    """One image for all colours, and a text a line."""
    total = figure.get_size_inches()[1]
    place = axes(figure, LEFT, total - height, PER_LINE * CELL, height)
    place.set_axis_off()
    place.set_xlim(0, PER_LINE)
    place.set_ylim(height, 0)
    image = np.ones((round(height / _UNIT), PER_LINE, 3))
    colours = [_colours.shades(t.values, _colours.limit(t.values)) for t in shown.tracks]
    skipped = {index: (first, last) for index, first, last in gaps}
    at = 0.0
    for index, line in enumerate(drawn):
        if index in skipped:
            at = _skip(place, at, *skipped[index])
        at += _lanes(line)
        _marks(place, line, at)
        _colour(image, colours, line, at)
        _letters(place, shown.sequence, line, at)
        at += _LETTERS + (len(colours) - 1) * _STRIP + _BETWEEN
    if len(drawn) in skipped:
        at = _skip(place, at, *skipped[len(drawn)])
    _legend(place, image, shown, at)
    place.imshow(
        np.round(image * 255).astype(np.uint8),
        extent=(0, PER_LINE, height, 0),
        aspect="auto",
        interpolation="none",
        zorder=0,
    )


def _skip(place: Axes, at: float, first: int, last: int) -> float:
    said = f"… residues {first:,} to {last:,} are not drawn"
    place.text(0, at + _SKIPPED / 2 - 0.03, said, fontsize=7, color=SOFT, va="center")
    return at + _SKIPPED


def _marks(place: Axes, line: Line, letters_at: float) -> None:
    for one in line.placed:
        bottom = letters_at - _lanes(line, one.lane)
        colour = _MARK_COLOURS[one.mark.kind]
        place.broken_barh([(one.start, one.end - one.start)], (bottom - 0.045, 0.03), color=colour)
        if one.label:
            x = _layout.left_of(one)
            place.text(x, bottom - 0.055, one.label, fontsize=6.2, color=colour, va="bottom", clip_on=False)
    if line.n_more:
        place.text(PER_LINE, letters_at - 0.05, f"+{line.n_more}", fontsize=6.2, color=SOFT, ha="left")


def _colour(image: DoubleArray, colours: Sequence[DoubleArray], line: Line, at: float) -> None:
    top, n = at, line.end - line.start
    for index, track in enumerate(colours):
        height = _STRIP if index else _LETTERS
        rows = slice(round(top / _UNIT) + bool(index), round((top + height) / _UNIT))  # a white hair between
        image[rows, :n] = track[line.start : line.end]
        top += height


def _letters(place: Axes, sequence: str, line: Line, at: float) -> None:
    style: dict[str, Any] = {"va": "center_baseline", "color": INK}
    middle = at + _LETTERS / 2
    mono: dict[str, Any] = {"family": "DejaVu Sans Mono", "fontsize": _LETTER_POINTS * 0.999}
    place.text(0, middle, sequence[line.start : line.end], **mono, **style)
    number: dict[str, Any] = {"fontsize": 7, "color": SOFT, "va": "center", "ha": "right"}
    place.text(-0.7, middle, f"{line.start + 1:,}", **number)


def _legend(place: Axes, image: DoubleArray, shown: Shown, at: float) -> None:
    """Which colours mean what, and which strip is whose."""
    first = shown.tracks[0]
    full = _colours.limit(first.values)
    top, n = at + 0.06, 12
    ramp = np.linspace(-full if first.is_signed else 0, full, n)
    image[round(top / _UNIT) : round((top + 0.1) / _UNIT), :n] = _colours.shades(ramp, full)
    ends = f"{_short(ramp[0])} to {_short(full)} {first.unit}"
    meaning = "orange against, blue for the class" if first.is_signed else "blue: looked at"
    style: dict[str, Any] = {"fontsize": 7, "color": SOFT, "va": "center"}
    place.text(n + 1, top + 0.05, f"{ends}: {meaning}; stronger values have the full colour", **style)
    whose = [f"letters: {first.name}", *(f"strip {i}: {t.name}" for i, t in enumerate(shown.tracks[1:], 1))]
    place.text(0, top + 0.22, ", ".join(whose) + _mark_words(shown), **style)


def _mark_words(shown: Shown) -> str:
    kinds = {mark.kind for mark in shown.marks}
    said = []
    if KNOWN in kinds:
        said.append("dark bars: known signals, by rule")
    if kinds - {KNOWN}:
        said.append("green bars: given features")
    return "".join(f"; {one}" for one in said)


# Words


def _short(value: float) -> str:
    return f"{value:.2g}".replace("-", words.MINUS)


def _scaled(track: Track) -> DoubleArray:
    return track.values / _colours.limit(track.values)


def _alt(shown: Shown) -> str:
    track = shown.tracks[0]
    if not np.isfinite(track.values).any():
        return f"{shown.id}: no residue was looked at."
    place = int(np.nanargmax(track.values))
    return (
        f"{shown.id}, {words.count(len(shown.sequence), 'residue')}, coloured by {track.name} for "
        f"{shown.label}. The strongest residue is {shown.sequence[place]}{place + 1}."
    )


def _caption(shown: Shown, drawn: Sequence[Line], gaps: Sequence[tuple[int, int, int]]) -> str:
    unseen = int(np.isnan(shown.tracks[0].values).sum())
    said = [f"{shown.id}: what speaks for {shown.label}."]
    if gaps:
        said.append(f"{len(drawn)} lines are drawn: both ends and the strongest ones.")
    if unseen:
        said.append(f"Grey: {words.count(unseen, 'residue')} that the model did not look at.")
    return " ".join(said)
