"""Colours, safe for readers who see red and green alike; colour never says what no word says."""

from __future__ import annotations

INK = "#1c2328"
SOFT = "#56616a"
RULE = "#c9cecc"
UNDEFINED_CELL = "#e4e6e4"

CLASS_COLOURS = (
    # Okabe and Ito's eight (jfly.uni-koeln.de/color), in the order of the other pages, slate for black
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#5b646a"),
    # chosen for their distance from these in CIELAB, with and without simulated colour blindness
    *("#332288", "#661100", "#aaf0b4", "#8c8cf0", "#8a5928", "#d2b2ac"),
    *("#11113b", "#34b25e", "#473e74", "#453008", "#306ee8", "#8cf29d"),
)
"""Colour of a class by its place in the benchmark's class order."""

TRAINING, VALIDATION, SECOND_VALIDATION = CLASS_COLOURS[0], CLASS_COLOURS[1], CLASS_COLOURS[2]
BEST, OTHER, BASELINE, PUBLISHED = CLASS_COLOURS[0], SOFT, "#9aa3a8", CLASS_COLOURS[1]

SEQUENTIAL = "Blues"
DIVERGING = "RdBu_r"


def class_colour(index: int) -> str:
    """Colour of the class at that place; a class beyond the last colour starts again at the first."""
    return CLASS_COLOURS[index % len(CLASS_COLOURS)]


def text_on(red: float, green: float, blue: float) -> str:
    """Dark or white, whichever stands out more from a background of that sRGB colour, parts 0 to 1.

    Contrast as in WCAG 2.1, section 1.4.3.
    """
    background = _luminance(red, green, blue)
    dark = _luminance(*(int(INK[i : i + 2], 16) / 255 for i in (1, 3, 5)))
    on_dark, on_white = (background + 0.05) / (dark + 0.05), 1.05 / (background + 0.05)
    return INK if on_dark >= on_white else "#ffffff"


def _luminance(red: float, green: float, blue: float) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
