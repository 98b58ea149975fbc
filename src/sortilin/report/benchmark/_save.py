"""The folder of a report and its files, each whole or not at all."""

from __future__ import annotations

from pathlib import Path

from sortilin.errors import OutputError
from sortilin.report._output import open_output
from sortilin.report._stream import writing


def make_folders(out: Path) -> Path:
    """Make `out` and `out/figures` where they do not exist; return the latter.

    Raises:
        OutputError: One of them is a file, or cannot be made.
    """
    figures = out / "figures"
    with writing(out):
        for folder in (out, figures):
            if folder.exists() and not folder.is_dir():
                raise OutputError(f"{folder}: is a file; choose a folder for the report")
        figures.mkdir(parents=True, exist_ok=True)
    return figures


def write_file(path: Path, content: bytes) -> Path:
    """Write a file that gets its name when it is complete.

    Raises:
        OutputError: The folder is not writable, the disk is full, ...
    """
    with open_output(path) as stream:
        stream.write(content)
    return path
