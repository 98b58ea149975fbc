"""The report of a benchmark: figures, a table and one HTML page, from the content of `results.json`.

    _results.py       what is read of the results: the models in order, the metrics that they share
    _words.py         numbers, names and durations as a person reads them
    _palette.py       colours: of the classes, of the lines, of text on a coloured cell
    _drawing.py       a figure and what is said of it; its PNG and SVG bytes
    _ranking.py       figure of the models with their intervals
    _exploration.py   figures of the data: isoelectric points and motifs by class, and the next two
    _lengths.py       figure of the sequence lengths
    _correlation.py   figure of the correlations of the features
    _curves.py        figures of training
    _confusion.py     figures of confusion matrices
    _heatmaps.py      figures of per-class metrics over models
    _tests.py         tables and a figure of the test sets
    _kinds.py         the same models stratified and by homology, and `splits.tsv`
    _pairs.py         every pair of models, and `pairs.tsv`
    _paper.py         the paper's tables with ours beside them
    _inside.py        what a network makes of the test sets: planes, and attention beside motifs
    _explained*.py    what a model rests on: dimensions of its features, and where networks look
    _logos.py         a figure of motifs as sequence logos
    _markdown.py      `report.md`, where there are test sets
    _grid.py          what confusion matrices and heatmaps share
    _table.py         `table.tsv`
    _comparison.py    the page's comparison of the models
    _sections.py      the other tables of the page
    _page.py          the page
    _save.py          the folder and its files

matplotlib draws, through its object-oriented interface only, so that no figure outlives its use.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from sortilin.report.benchmark._drawing import Drawing

FORMAT = "sortilin-benchmark"
FORMAT_VERSION = 1

__all__ = ["FORMAT", "FORMAT_VERSION", "pairs", "split_lines", "write"]


def pairs(results: Mapping[str, Any]) -> dict[str, Any] | None:
    """Every pair of models with a sentence, `summary`, and `rows`; None where there are none."""
    from sortilin.report.benchmark import _pairs

    return _pairs.pairs(results)


def write(results: Mapping[str, Any], out: Path) -> list[Path]:
    """Write `out/figures/<name>.png` and `.svg`, `out/table.tsv`, `out/report.html`, with tests more.

    The same results give the same bytes, with the same versions of matplotlib and sortilin. Everything
    is drawn before the first file is written; the page is written last. Where there are test sets,
    `out/tests.tsv` and `out/report.md` are written too; with two models or more, `out/pairs.tsv`. Where rows
    are not merely stratified there is `out/report.md` as well, and by homology `out/splits.tsv`.

    Args:
        results: Content of `results.json`, format 1.
        out: Folder; made if it does not exist.

    Returns:
        The files, in the order of writing.

    Raises:
        InputError: The results are of another format or of a newer version.
        MissingDependencyError: matplotlib is not installed.
        OutputError: The folder cannot be written to, the disk is full, ...
    """
    _check_format(results)
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingDependencyError("figures", "matplotlib", "train")
    from sortilin.report.benchmark import _drawing, _kinds, _markdown, _page, _pairs, _save, _table, _tests

    figures = _save.make_folders(Path(out))
    with _drawing.style():
        pictures = [_drawing.render(drawing) for drawing in _drawings(results)]
    files = {figures / f"{p.name}.{kind}": getattr(p, kind) for p in pictures for kind in ("png", "svg")}
    files[Path(out) / "table.tsv"] = _table.tsv(results).encode()
    if results.get("split_kinds"):
        files[Path(out) / _kinds.FILE] = _kinds.tsv(results).encode()
    if results.get("tests"):
        files[Path(out) / "tests.tsv"] = _tests.tsv(results).encode()
    if results.get("tests") or results.get("split_reached"):
        files[Path(out) / _markdown.FILE] = _markdown.markdown(results, pictures).encode()
    if results.get("pairs"):
        files[Path(out) / _pairs.FILE] = _pairs.tsv(results).encode()
    files[Path(out) / "report.html"] = _page.build(results, pictures).encode()
    return [_save.write_file(path, content) for path, content in files.items()]


def split_lines(results: Mapping[str, Any]) -> list[str]:
    """What the split came to and, of a split by homology, what models lose by it; empty where stratified."""
    from sortilin.report.benchmark import _kinds

    return _kinds.lines(results)


def _check_format(results: Mapping[str, Any]) -> None:
    found = (results.get("format"), results.get("format_version"))
    if found != (FORMAT, FORMAT_VERSION):
        raise InputError(
            f"benchmark results: format {found[0]!r}, version {found[1]!r} cannot be read; "
            f"allowed: '{FORMAT}', version {FORMAT_VERSION}"
        )


def _drawings(results: Mapping[str, Any]) -> Iterator[Drawing]:
    """All figures, in the order of the page; each is drawn when it is asked for."""
    from sortilin.report.benchmark import (
        _confusion,
        _curves,
        _explained_results,
        _exploration,
        _heatmaps,
        _inside,
        _kinds,
        _ranking,
        _tests,
    )

    models = (_ranking, _kinds, _tests, _inside, _explained_results)
    for topic in (*models, _exploration, _curves, _confusion, _heatmaps):
        yield from topic.drawings(results)
