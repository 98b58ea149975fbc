"""Tables and pictures of an explanation, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.report.benchmark._save import make_folders, write_file

if TYPE_CHECKING:
    from sortilin.report.benchmark._drawing import Picture


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Path:
    """A TSV file; what is None stays empty, and tabs and line breaks in names become spaces.

    Raises:
        OutputError: The folder is not writable, the disk is full, ...
    """
    make_folders(path.parent)
    lines = ["\t".join(header), *("\t".join(map(_cell, row)) for row in rows)]
    return write_file(path, ("\n".join(lines) + "\n").encode())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def pictures(out: Path, drawn: Sequence[Picture]) -> list[Path]:
    """`figures/NAME.svg` and `.png` of each.

    Raises:
        OutputError: The folder is not writable, the disk is full, ...
    """
    figures = make_folders(out)
    return [
        write_file(figures / f"{picture.name}.{kind}", getattr(picture, kind))
        for picture in drawn
        for kind in ("svg", "png")
    ]
