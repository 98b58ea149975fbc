"""Known signals that a sequence holds, by rule: candidates to look at beside an attribution, no predictions.

Sources: signal peptide, von Heijne 1986 (doi:10.1093/nar/14.11.4683); presequence, Eisenberg et al. 1984
(doi:10.1073/pnas.81.1.140) and von Heijne 1986 (doi:10.1002/j.1460-2075.1986.tb04364.x); nuclear
localization, Robbins et al. 1991 (doi:10.1016/0092-8674(91)90245-T), Lange et al. 2007
(doi:10.1074/jbc.R600026200); nuclear export, la Cour et al. 2004 (doi:10.1093/protein/gzh062); retention,
Munro & Pelham 1987 (doi:10.1016/0092-8674(87)90086-9); peroxisome, Gould et al. 1989
(doi:10.1083/jcb.108.5.1657); hydropathy, Kyte & Doolittle 1982 (doi:10.1016/0022-2836(82)90515-0).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from sortilin.features import _scales
from sortilin.features._encoding import ALPHABET

HYDROPATHY, EISENBERG = (
    dict(zip(ALPHABET, scale[:-1].tolist(), strict=True)) for scale in (_scales.HYDROPATHY, _scales.EISENBERG)
)

CORE_WINDOW, CORE_SEARCH, CORE_HYDROPATHY = 9, 35, 2.2
"""A signal peptide's core: nine residues near the N terminus, hydropathic as leucine and alanine mixed."""

HELIX_WINDOW, HELIX_DEGREES, HELIX_MOMENT, PRESEQUENCE = 18, 100.0, 0.40, 60
MEMBRANE_WINDOW, MEMBRANE_HYDROPATHY = 19, 1.6
"""Kyte & Doolittle's own bound for a stretch that spans a membrane."""

_SMALL = "AGSCT"

_MOTIFS = (
    ("nuclear localization, bipartite", r"(?=([KR][KR].{10,12}(?:[KR]{3}|[KR]{2}.[KR]|[KR].[KR]{2})))"),
    ("nuclear localization, monopartite", r"(?=(K[KR].[KR]))"),
    ("nuclear export, leucine-rich", r"(?=(L.{2,3}[LIVFM].{2,3}L.[LI]))"),
    ("ER retention", r"([KHR]DEL)$"),
    ("ER retention, dilysine", r"(KK..)$"),
    ("peroxisome, C-terminal", r"([SAC][KRH][LM])$"),
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A stretch that looks like a known signal.

    Attributes:
        name: What it looks like.
        start: First residue, from 0.
        end: The residue behind the last one.
        detail: What speaks for it, in words.
    """

    name: str
    start: int
    end: int
    detail: str = ""


def find(sequence: str) -> list[Signal]:
    """Signals of a cleaned sequence, by place."""
    found = [
        *_signal_peptide(sequence),
        *_presequence(sequence),
        *_membrane(sequence),
        *_by_pattern(sequence),
    ]
    return sorted(found, key=lambda signal: (signal.start, signal.end, signal.name))


def _signal_peptide(sequence: str) -> list[Signal]:
    """The most hydropathic nine residues near the N terminus, and small residues at -3 and -1 behind them."""
    head = sequence[:CORE_SEARCH]
    best, mean = _best_window(head, CORE_WINDOW)
    if mean < CORE_HYDROPATHY or _charge(sequence[: max(best, 1)]) < 0:
        return []
    end = best + CORE_WINDOW
    signals = [Signal("signal peptide, hydrophobic core", best, end, f"mean hydropathy {mean:.1f}")]
    for cut in range(end + 2, min(end + 12, len(sequence))):
        if sequence[cut - 3] in _SMALL and sequence[cut - 1] in _SMALL and sequence[cut - 2] != "P":
            context = sequence[cut - 3 : cut]
            signals.append(
                Signal("signal peptide, cleavage context", cut - 3, cut, f"{context} before the cut")
            )
            break
    return signals


def _presequence(sequence: str) -> list[Signal]:
    """The most amphipathic helix of the first 60 residues, where it is basic and has no acids to speak of."""
    head = sequence[:PRESEQUENCE]
    places = range(len(head) - HELIX_WINDOW + 1)
    moments = [(_moment(head[i : i + HELIX_WINDOW]), i) for i in places]
    if not moments:
        return []
    moment, place = max(moments)
    part = head[place : place + HELIX_WINDOW]
    if moment < HELIX_MOMENT or _charge(part) < 2 or sum(c in "DE" for c in part) > 1:
        return []
    detail = f"hydrophobic moment {moment:.2f}, charge {_charge(part):+d}"
    return [Signal("mitochondrial presequence, amphipathic helix", place, place + HELIX_WINDOW, detail)]


def _membrane(sequence: str) -> list[Signal]:
    """Stretches of Kyte & Doolittle's kind, joined where they overlap."""
    values = [HYDROPATHY.get(c, 0.0) for c in sequence]
    if len(values) < MEMBRANE_WINDOW:
        return []
    total = sum(values[:MEMBRANE_WINDOW])
    spans: list[list[float]] = []
    for start in range(len(values) - MEMBRANE_WINDOW + 1):
        if start:
            total += values[start + MEMBRANE_WINDOW - 1] - values[start - 1]
        mean = total / MEMBRANE_WINDOW
        if mean < MEMBRANE_HYDROPATHY:
            continue
        if spans and start <= spans[-1][1]:
            spans[-1] = [spans[-1][0], start + MEMBRANE_WINDOW, max(spans[-1][2], mean)]
        else:
            spans.append([start, start + MEMBRANE_WINDOW, mean])
    return [
        Signal("membrane-like stretch", int(a), int(b), f"mean hydropathy of 19 up to {mean:.1f}")
        for a, b, mean in spans
    ]


def _by_pattern(sequence: str) -> list[Signal]:
    """Each pattern; what begins within a signal of the same kind is left out."""
    found: list[Signal] = []
    covered: dict[str, bytearray] = {}
    for name, pattern in _MOTIFS:
        taken = covered.setdefault(name.split(",")[0], bytearray(len(sequence)))
        for match in re.finditer(pattern, sequence):
            start, end = match.span(1)
            if not taken[start]:
                taken[start:end] = b"\x01" * (end - start)
                found.append(Signal(name, start, end, match[1]))
    return found


def _best_window(part: str, width: int) -> tuple[int, float]:
    """Where the most hydropathic window begins, and its mean; -inf where there is none."""
    values = [HYDROPATHY.get(c, 0.0) for c in part]
    means = [(sum(values[i : i + width]) / width, -i) for i in range(len(values) - width + 1)]
    mean, place = max(means, default=(-math.inf, 0))
    return -place, mean


def _charge(part: str) -> int:
    return sum(c in "KR" for c in part) - sum(c in "DE" for c in part)


def _moment(part: str) -> float:
    """Mean hydrophobic moment at 100 degrees a residue."""
    angles = [math.radians(HELIX_DEGREES * i) for i in range(len(part))]
    values = [EISENBERG.get(c, 0.0) for c in part]
    along = sum(v * math.cos(a) for v, a in zip(values, angles, strict=True))
    across = sum(v * math.sin(a) for v, a in zip(values, angles, strict=True))
    return math.hypot(along, across) / len(part)
