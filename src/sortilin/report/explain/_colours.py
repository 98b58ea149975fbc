"""Values as colours: blue speaks for a class, orange against it, white says nothing, grey was not looked at.

Blue and orange differ for every kind of colour blindness (Okabe & Ito, jfly.uni-koeln.de/color), and dark
letters stand out from both ends by more than 4.5 to 1 (WCAG 2.1, section 1.4.3).

Axis letters: L residues.
"""

from __future__ import annotations

import numpy as np

from sortilin.interfaces import DoubleArray

FOR, AGAINST = "#4aa3e0", "#e8920c"
"""Ends of the colours behind letters."""

FOR_LINE, AGAINST_LINE = "#0072b2", "#d55e00"
"""The same, darker, for what stands on white."""

UNSEEN = "#d9dcda"
FULL_AT = 98.0
"""Percentile of a track's absolute values with the full colour, so that one does not pale the rest."""


def limit(values: DoubleArray) -> float:
    """The absolute value with the full colour; above 0."""
    seen = np.abs(values[np.isfinite(values)])
    found = float(np.percentile(seen, FULL_AT)) if seen.size else 0.0
    largest = float(seen.max()) if seen.size else 0.0
    return found or largest or 1.0


def shades(values: DoubleArray, full: float) -> DoubleArray:
    """Values of any shape (...) → colours (..., 3), parts 0 to 1; `full` and beyond get the ends."""
    depth = np.clip(np.nan_to_num(values, nan=0.0) / full, -1, 1)[..., None]
    end = np.where(depth >= 0, rgb(FOR), rgb(AGAINST))
    colours = 1 - np.abs(depth) * (1 - end)
    return np.where(np.isfinite(values)[..., None], colours, rgb(UNSEEN))


def rgb(colour: str) -> DoubleArray:
    """(3,) parts of "#rrggbb", 0 to 1."""
    return np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
