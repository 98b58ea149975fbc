"""Pictures of explanations: what stands where, their colours, their size, and long sequences."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin.report.benchmark._palette import INK
from sortilin.report.explain import GIVEN, Mark, Shown, Track, _files, _mutations, _sequence, pictures
from sortilin.report.explain import _colours as colours
from sortilin.report.explain import _layout as layout

ALPHABET = "ACDEFGHIKLMNPQRSTVWY"


def shown(length: int, **changed: Any) -> Shown:
    rng = np.random.default_rng(length)
    given: dict[str, Any] = {
        "id": f"sp|P{length}|X",
        "sequence": tiny.random_sequence(rng, length),
        "label": "secreted",
        "probability": 0.9,
        "is_predicted": True,
        "tracks": [
            Track("occlusion", rng.normal(size=length), is_signed=True),
            Track("attention", rng.random(length), is_signed=False, unit="weight"),
        ],
        "marks": [Mark("signal", 0, min(10, length))],
        "alphabet": ALPHABET,
    }
    return Shown(**{**given, **changed})


@pytest.mark.parametrize("length", [1, 50, 61])
def test_picture_is_png_and_svg_and_the_same_each_time(length: int) -> None:
    pytest.importorskip("matplotlib")
    [one], [again] = pictures(shown(length), "x"), pictures(shown(length), "x")
    assert one.png.startswith(b"\x89PNG")
    assert b"<svg" in one.svg[:600]
    assert (one.png, one.svg) == (again.png, again.svg)
    assert one.name == "x"
    assert one.alt.startswith(f"sp|P{length}|X, {length} residue")


def test_letters_stand_on_their_colours_to_the_end_of_a_line() -> None:
    pytest.importorskip("matplotlib")
    from matplotlib import image

    one, other = (pictures(shown(60, sequence="A" * 59 + last), "x")[0].png for last in "WM")
    pixels = [image.imread(io.BytesIO(png)) for png in (one, other)]
    differ = np.flatnonzero((pixels[0] != pixels[1]).any(axis=(0, 2)))
    cell = [(_sequence.LEFT + n * _sequence.CELL) * _files.PNG_DPI for n in (59, 60)]
    assert len(differ) > 5
    assert cell[0] - 2 <= differ.min() < differ.max() <= cell[1] + 2


def test_picture_of_a_long_protein_is_small_and_has_all_lines() -> None:
    pytest.importorskip("matplotlib")
    [one] = pictures(shown(2_000), "x")
    assert len(one.svg) < 500_000
    assert one.height < 2_600
    assert "lines are drawn" not in one.caption


def test_very_long_protein_is_cut_to_its_ends_and_strongest_lines() -> None:
    strength = np.zeros(13_100)
    strength[6_000] = 1.0
    drawn = layout.lines(13_100, strength, ())
    assert len(drawn) == layout.MAX_LINES
    assert (drawn[0].start, drawn[-1].end) == (0, 13_100)
    assert any(line.start <= 6_000 < line.end for line in drawn)
    gaps = layout.gaps(drawn, 13_100)
    n_drawn = sum(line.end - line.start for line in drawn)
    assert n_drawn + sum(last - first + 1 for _, first, last in gaps) == 13_100


def test_lines_hold_every_residue_once() -> None:
    drawn = layout.lines(137, np.ones(137), ())
    assert [(line.start, line.end) for line in drawn] == [(0, 60), (60, 120), (120, 137)]
    assert layout.gaps(drawn, 137) == []


def test_marks_of_a_line_do_not_touch_and_are_named_once() -> None:
    marks = [Mark("signal peptide", 0, 20), Mark("helix", 5, 25), Mark("long", 30, 90), Mark("c", 59, 60)]
    first, second = layout.lines(100, np.ones(100), marks)
    for line in (first, second):
        for a in line.placed:
            for b in line.placed:
                assert a is b or a.lane != b.lane or a.end <= b.start or b.end <= a.start
    labels = [one.label for line in (first, second) for one in line.placed if one.label]
    assert sorted(labels) == ["c", "helix", "long", "signal peptide"]
    [rest] = second.placed
    assert (rest.start, rest.end, rest.label) == (0, 30, "")
    assert all(layout.left_of(one) + 0.62 * len(one.label) <= layout.PER_LINE for one in first.placed)


def test_marks_that_find_no_lane_are_counted() -> None:
    marks = [Mark(f"domain {n}", 0, 50) for n in range(9)]
    [line] = layout.lines(50, np.ones(50), marks)
    assert len(line.placed) + line.n_more == 9
    assert line.n_more > 0


def test_colours_are_blue_for_orange_against_white_for_nothing_and_grey_for_unseen() -> None:
    found = colours.shades(np.array([1.0, -1.0, 0.0, np.nan, 5.0]), 1.0)
    assert found[0] == pytest.approx(colours.rgb(colours.FOR))
    assert found[1] == pytest.approx(colours.rgb(colours.AGAINST))
    assert found[2] == pytest.approx([1, 1, 1])
    assert found[3] == pytest.approx(colours.rgb(colours.UNSEEN))
    assert found[4] == pytest.approx(found[0])


@pytest.mark.parametrize("values", [[0.0, 0.0], [np.nan, np.nan], [0.0, -3.0]])
def test_full_colour_is_above_zero(values: list[float]) -> None:
    assert colours.limit(np.array(values)) > 0


def luminance(colour: np.ndarray[Any, Any]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.tolist()]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])


@pytest.mark.parametrize("colour", [colours.FOR, colours.AGAINST, colours.UNSEEN])
def test_letters_stand_out_from_their_colours(colour: str) -> None:
    """WCAG 2.1, section 1.4.3: 4.5 to 1."""
    dark, light = sorted(luminance(colours.rgb(one)) for one in (INK, colour))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


MACHADO = {
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
"""Full colour blindness in linear RGB: Machado, Oliveira & Fernandes 2009, doi:10.1109/TVCG.2009.113."""


@pytest.mark.parametrize("kind", MACHADO)
@pytest.mark.parametrize(
    "pair", [(colours.FOR, colours.AGAINST), (colours.FOR_LINE, colours.AGAINST_LINE)], ids=["cells", "lines"]
)
def test_both_ends_differ_for_colour_blind_readers(kind: str, pair: tuple[str, str]) -> None:
    seen = []
    for colour in pair:
        linear = np.where(
            colours.rgb(colour) <= 0.04045,
            colours.rgb(colour) / 12.92,
            ((colours.rgb(colour) + 0.055) / 1.055) ** 2.4,
        )
        mixed = np.clip(np.array(MACHADO[kind]) @ linear, 0, 1)
        seen.append(np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055))
    assert float(np.abs(seen[0] - seen[1]).max()) > 0.35


def test_profile_of_a_long_sequence_keeps_its_peaks() -> None:
    values = np.zeros(5_000)
    values[[1_234, 4_000]] = 3.0, -2.0
    edges, low, high = _sequence._binned(values)
    assert len(edges) == len(low) + 1 <= 601
    assert (high.max(), low.min()) == (3.0, -2.0)


def test_mutations_are_a_picture_of_their_own_and_leave_the_residue_out() -> None:
    pytest.importorskip("matplotlib")
    table = np.random.default_rng(0).normal(size=(30, 20))
    one = shown(30, substitutions=table)
    ordered = _mutations._ordered(one)
    assert np.isnan(ordered).sum() == 30
    assert ordered[3, _mutations.ORDER.index("W")] == table[3, ALPHABET.index("W")] or one.sequence[3] == "W"
    assert sorted(_mutations.ORDER) == sorted(ALPHABET)
    assert [p.name for p in pictures(one, "x")] == ["x", "x.mutagenesis"]


def test_what_was_not_looked_at_is_said_and_drawn() -> None:
    pytest.importorskip("matplotlib")
    values = np.ones(70)
    values[20:50] = np.nan
    [one] = pictures(shown(70, tracks=[Track("occlusion", values, is_signed=True)]), "x")
    assert "Grey: 30 residues that the model did not look at." in one.caption


def test_names_that_could_break_an_svg_are_escaped() -> None:
    pytest.importorskip("matplotlib")
    [one] = pictures(shown(12, id="a<b>&$x^2$", marks=[Mark("<i>&", 0, 5, GIVEN)]), "x")
    assert re.search(rb"<!-- [^>]*a<b", one.svg) is None
