"""The first sheet of a spreadsheet (.xlsx) as a CSV table: some authors publish their data so.

An .xlsx file is a ZIP archive of XML; texts stand in one part and are numbered from the sheet (ECMA-376).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from sortilin.errors import DatasetError

_SHEET, _TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
_MAGIC = b"PK\x03\x04"
_LARGEST_PART = 50_000_000
"""Bytes of a part once unpacked; a table of sequences is far smaller."""


def is_spreadsheet(path: Path) -> bool:
    """Whether a file is a ZIP archive by its first bytes."""
    with path.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def as_table(path: Path) -> bytes:
    """All rows of the first sheet as CSV with Unix line ends; a row of empty cells is left out.

    Raises:
        DatasetError: The file is no spreadsheet, or a damaged one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            texts = _texts(archive)
            rows = [row for row in _rows(_part(archive, _SHEET), texts) if any(row)]
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError, ValueError) as error:
        raise DatasetError(f"{path} is no spreadsheet that can be read: {error}") from error
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue().encode()


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > _LARGEST_PART:
        raise ValueError(f"{name} is too large")
    content = archive.read(name)
    if b"<!DOCTYPE" in content:  # no spreadsheet has one, and entities can grow without bound
        raise ValueError(f"{name} declares a document type")
    return ElementTree.fromstring(content)  # noqa: S314 - what could make it dangerous is refused above


def _texts(archive: zipfile.ZipFile) -> list[str]:
    if _TEXTS not in archive.namelist():
        return []
    found = _part(archive, _TEXTS).findall("{*}si")
    return ["".join(part.text or "" for part in text.findall(".//{*}t")) for text in found]


def _rows(sheet: ElementTree.Element, texts: list[str]) -> Iterator[list[str]]:
    for row in sheet.findall(".//{*}row"):
        cells: list[str] = []
        for cell in row.findall(".//{*}c"):
            place = _column(cell.get("r")) if cell.get("r") else len(cells)
            cells += [""] * (place - len(cells))  # empty cells are not written
            cells.append(_value(cell, texts))
        yield cells


def _column(reference: str | None) -> int:
    """Number of a column, from 0: "A7" → 0, "AB7" → 27."""
    number = 0
    for letter in re.sub(r"[^A-Z]", "", reference or ""):
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, texts: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(part.text or "" for part in cell.findall(".//{*}t"))
    value = cell.findtext("{*}v") or ""
    return texts[int(value)] if cell.get("t") == "s" else value
