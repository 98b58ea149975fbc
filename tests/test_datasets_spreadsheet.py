"""Spreadsheets as tables: texts by number, texts in place, numbers, empty cells, and what is none."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from sortilin.datasets import _spreadsheet
from sortilin.errors import DatasetError

SPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
TEXTS = (
    f"<sst {SPACE}><si><t>sequence</t></si><si><r><t>la</t></r><r><t>bel</t></r></si>"
    "<si><t>MKV</t></si></sst>"
)
SHEET = f"""<worksheet {SPACE}><sheetData>
<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>
<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2"><v>1</v></c></row>
<row r="3"><c r="A3"/><c r="B3"/></row>
<row r="4"><c r="B4" t="inlineStr"><is><t>0</t></is></c></row>
</sheetData></worksheet>"""


def spreadsheet(path: Path, sheet: str = SHEET, texts: str | None = TEXTS) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
        if texts is not None:
            archive.writestr("xl/sharedStrings.xml", texts)
    return path


def test_rows_are_written_as_csv(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "x.xlsx")
    assert _spreadsheet.is_spreadsheet(path)
    assert _spreadsheet.as_table(path) == b"sequence,label\nMKV,1\n,0\n"


def test_sheet_without_texts_is_read(tmp_path: Path) -> None:
    row = '<row><c><v>1</v></c><c r="AB1"><v>2</v></c></row>'
    sheet = f"<worksheet {SPACE}><sheetData>{row}</sheetData></worksheet>"
    assert _spreadsheet.as_table(spreadsheet(tmp_path / "x.xlsx", sheet, None)) == b"1" + b"," * 27 + b"2\n"


def test_table_is_no_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("sequence,label\n")
    assert not _spreadsheet.is_spreadsheet(path)


@pytest.mark.parametrize(
    ("sheet", "reason"),
    [
        ("<worksheet", "unclosed token"),
        (f'<worksheet {SPACE}><row><c t="s"><v>9</v></c></row></worksheet>', "list index out of range"),
        (f"<!DOCTYPE x><worksheet {SPACE}/>", "declares a document type"),
    ],
)
def test_damaged_spreadsheet_is_refused(sheet: str, reason: str, tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "x.xlsx", sheet)
    with pytest.raises(DatasetError, match=reason) as caught:
        _spreadsheet.as_table(path)
    assert str(caught.value).startswith(f"{path} is no spreadsheet that can be read: ")


def test_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "nothing")
    with pytest.raises(DatasetError, match=r"xl/worksheets/sheet1\.xml"):
        _spreadsheet.as_table(path)


def test_published_table_is_what_a_spreadsheet_of_it_gives(shared_data: Path, tmp_path: Path) -> None:
    """The checksum of the catalog is that of the table; the way to it is that of any spreadsheet."""
    published = shared_data / "acp_hard" / "anticp2_main_train.csv"
    if not published.is_file():
        pytest.skip(f"{published} is not at hand")
    rows = "".join(
        "<row>"
        + "".join(f'<c t="inlineStr"><is><t>{cell}</t></is></c>' for cell in line.split(","))
        + "</row>"
        for line in published.read_text().splitlines()
    )
    sheet = f"<worksheet {SPACE}><sheetData>{rows}</sheetData></worksheet>"
    found = _spreadsheet.as_table(spreadsheet(tmp_path / "x.xlsx", sheet, None))
    assert hashlib.sha256(found).digest() == hashlib.sha256(published.read_bytes()).digest()
