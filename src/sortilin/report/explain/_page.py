"""The page of a run: how to read it, whether it is true, and each sequence with its picture.

Python decides what is said, `templates/explain.html.j2` how it looks. The page holds its style and its
pictures, names no other resource, and its content security policy allows none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from sortilin.report._html_page import percent
from sortilin.report._templates import environment
from sortilin.report.benchmark import _page
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._drawing import Picture

LIMITS = (
    "An explanation tells what the model used, not what the cell uses.",
    "Occlusion, mutagenesis and the curves show sequences that no protein has; a model may err on these.",
    "Attention weights are no reasons: how far hiding what they name changes the prediction stands above.",
    "Known signals are found by rules: one that is marked may not work, and the model may not have seen it.",
    "An explanation of a wrong prediction explains the error.",
)

N_SHOWN = 200


def build(
    summary: Mapping[str, Any],
    shown: Sequence[Mapping[str, Any]],
    out: Path,
    methods: Mapping[str, tuple[str, bool]],
    sections: Sequence[tuple[str, str]],
) -> str:
    """The whole page as text, to be written as UTF-8.

    Args:
        summary: Content of `summary.json`.
        shown: The first explanations, as `explanations.jsonl` has them.
        out: Folder of the run, with its pictures.
        methods: Name of a method → what it is in one line, and whether its values have a sign.
        sections: Heading and text, as HTML of our own making, of what is said of all sequences.
    """
    truth = summary["truth"]
    curves = [_truth_picture(truth)] if truth.get("curves") and _can_draw() else []
    drawn = [*curves, *_pictures(shown, out)]
    addresses = _page.embedded(drawn)
    views = {p.name: _view(p, addresses[p.name]) for p in drawn}
    return (
        _environment()
        .get_template("explain.html.j2")
        .render(
            summary=summary,
            methods=methods,
            truth=truth,
            gains=_gains(truth),
            pairs=_pairs(truth),
            curves=views.get("truth"),
            rows=[_row(line) for line in shown[:N_SHOWN]],
            sequences=[_sequence(line, views) for line in shown if line["picture"]],
            sections=[(title, Markup(html)) for title, html in sections],  # noqa: S704 - made by us
            limits=LIMITS,
            origin=_origin(summary),
        )
    )


@cache
def _environment() -> Environment:
    return environment({"percent": percent, "count": words.count, "signed": words.signed})


def _can_draw() -> bool:
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def _truth_picture(truth: Mapping[str, Any]) -> Picture:
    from sortilin.report.benchmark import _drawing
    from sortilin.report.explain import _curves, _files

    with _drawing.style():
        return _files.render(_curves.drawing(truth))


def _gains(truth: Mapping[str, Any]) -> Sequence[tuple[str, str, str, int]]:
    from sortilin.report.explain import _curves

    return _curves.gain_rows(truth) if truth.get("curves") else ()


def _pairs(truth: Mapping[str, Any]) -> list[tuple[str, str, str, int]]:
    """What is compared, correlation and overlap with their intervals, and the number of sequences."""
    return [
        (
            f"{one['first']}, {one['second']}",
            _between(one["spearman"], one["interval"]),
            _between(one["overlap"], one["overlap_interval"]),
            one["n"],
        )
        for one in (*truth["agreement"], *truth["baselines"])
    ]


def _between(value: float | None, interval: Sequence[float | None]) -> str:
    low, high = (words.decimals(end, 2) for end in interval)
    return f"{words.decimals(value, 2)} ({low} to {high})"


def _pictures(shown: Sequence[Mapping[str, Any]], out: Path) -> list[Picture]:
    found = []
    for line in shown:
        if not line["picture"]:
            continue
        stem = out / str(line["picture"]).removesuffix(".svg")
        for kind, what in (("", "profiles and coloured residues"), (".mutagenesis", "in-silico mutagenesis")):
            svg, png = (Path(f"{stem}{kind}.{ending}") for ending in ("svg", "png"))
            if svg.exists() and png.exists():
                alt = f"{line['id']}, {line['class']}: {what}. {_strongest(line)}"
                found.append(_picture(f"{stem.name}{kind}", alt, svg.read_bytes(), png.read_bytes()))
    return found


def _picture(name: str, alt: str, svg: bytes, png: bytes) -> Picture:
    width, height = int.from_bytes(png[16:20]), int.from_bytes(png[20:24])  # of the header, in pixels
    return Picture(name, "sequence", alt, "", png, svg, round(width / 1.5), round(height / 1.5))


def _strongest(line: Mapping[str, Any]) -> str:
    said = [
        f"{name}: {one['stretches'][0]['start']} to {one['stretches'][0]['end']}"
        for name, one in line["methods"].items()
        if one["stretches"]
    ]
    return f"Strongest stretches: {'; '.join(said)}." if said else ""


def _view(picture: Picture, address: str) -> dict[str, Any]:
    return {
        "alt": picture.alt,
        "caption": picture.caption,
        "address": address,
        "width": picture.width,
        "height": picture.height,
    }


def _row(line: Mapping[str, Any]) -> dict[str, Any]:
    stretches = [(name, one["stretches"][0]) for name, one in line["methods"].items() if one["stretches"]]
    return {
        "id": line["id"],
        "length": line["length"],
        "label": line["class"],
        "probability": line["probability"],
        "stretches": [(name, s["start"], s["end"]) for name, s in stretches],
        "signals": list(dict.fromkeys(s["name"] for s in line["signals"])),
    }


def _sequence(line: Mapping[str, Any], views: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    stem = Path(str(line["picture"])).name.removesuffix(".svg")
    return {
        **_row(line),
        "prediction": None if line["is_predicted"] else line["prediction"],
        "pictures": [views[name] for name in (stem, f"{stem}.mutagenesis") if name in views],
        "file": line["picture"],
    }


def _origin(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Sequences", f"{summary['source']}: {summary['n_sequences']:,}"),
        ("Model", summary["model"]),
        ("Model checksum", summary["model_checksum"][:12]),
        ("Methods", ", ".join(summary["settings"]["methods"])),
        ("Class", summary["settings"]["label"]),
    ]
