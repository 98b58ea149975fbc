"""The page of a motif search: each motif with its logo and its counts, from the content of `motifs.json`.

Python decides what is said, `templates/motifs.html.j2` how it looks. The page holds its style and its
pictures, names no other resource, and its content security policy allows none.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment

from sortilin.report._templates import environment, moment

LIMITS = (
    "An enriched motif need not do anything: it may mark a family, a composition or a source of the data.",
    "Copies and relatives on both sides of the split make p-values smaller than new families would.",
    "Few different words among many sites are a sign of relatives.",
    "Where positives and controls differ in composition, a motif may say no more than that.",
    "A search against shuffled positives leaves composition out.",
)

_UNKNOWN = "\u2013"
_SMALL = 0.0005  # smaller p-values would show as zero


def build_page(
    results: Mapping[str, Any],
    logos: Mapping[str, bytes],
    chemistry: Sequence[tuple[str, str, str]],
) -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        results: Content of `motifs.json`.
        logos: Name of a motif → its logo as SVG; none for a page without logos.
        chemistry: Kind of residue, its letters and its colour in the logos.
    """
    motifs = [_view(motif, logos.get(motif["name"])) for motif in results["motifs"]]
    return (
        _environment()
        .get_template("motifs.html.j2")
        .render(
            results=results,
            motifs=motifs,
            rejected=[_view(motif, None) for motif in results["rejected"]],
            origin=_origin(results),
            chemistry=chemistry if logos else [],
            limits=LIMITS,
        )
    )


@cache
def _environment() -> Environment:
    return environment({"p": _p, "share": _share, "number": _number, "fixed": _fixed})


def _view(motif: Mapping[str, Any], svg: bytes | None) -> dict[str, Any]:
    counts = [("All sequences", motif["counts"])]
    if motif["held_out"] is not None:
        counts.insert(0, ("Held-out part", motif["held_out"]))
    address = None if svg is None else f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return {**motif, "logo": address, "tables": counts}


def _origin(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    config, lines = results["config"], []
    for name in ("positives", "controls"):
        one = results[name]
        lines.append((name.capitalize(), f"{one['source']}: {one['n']:,}, {one['mean_length']:.1f} residues"))
    widths = f"{config['min_width']} to {config['max_width']} residues"
    lines += [
        ("Method", f"{results['program']} ({results['method']}), widths {widths}, seed {results['seed']}"),
        ("Held out", f"{config['holdout']:.0%} of either set, for the p-values"),
        ("Significant", f"E-value at most {config['p_threshold']:g}"),
    ]
    if results["attention"]:
        lines.append(("Attention of", results["attention"]["model"]))
    return [*lines, ("Date", moment(results["date"])), ("Version", f"sortilin {results['version']}")]


def _p(value: float | None) -> str:
    if value is None:
        return _UNKNOWN
    return f"{value:.3f}" if value >= _SMALL else f"{value:.1e}"


def _share(counts: Mapping[str, int], which: str) -> str:
    """`44 of 97 (45 %)`; NBSP before the sign."""
    n, n_all = counts[which], counts[f"n_{which}"]
    return f"{n:,} of {n_all:,} ({100 * n / n_all:.1f}\u00a0%)"


def _fixed(value: float, sign: str = "") -> str:
    """Three decimals; what rounds to zero has no sign."""
    return f"{round(value, 3) + 0.0:{sign}.3f}"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3g}"
