"""The table at a terminal fits, streams and lets nothing steer the terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from sortilin.report._terminal import ROWS_PER_BLOCK, TerminalTable
from sortilin.results import Prediction, RunSummary

CLASSES = ("cytosol", "secreted", "mitochondrion", "nucleus")
SUMMARY = RunSummary("0.1.0", "m", "c", "t", "2026-03-14", "s", 3, 2, {})
PREDICTIONS = (
    Prediction("P01308", 110, "secreted", dict(zip(CLASSES, (0.01, 0.97, 0.01, 0.01), strict=True))),
    Prediction(
        "sp|P07203|GPX1_HUMAN_with_a_name_that_goes_on_and_on",
        203,
        "cytosol",
        dict(zip(CLASSES, (0.5, 0.1, 0.4, 0.0), strict=True)),
        ("U>C:1", "longer_than_trained"),
    ),
    Prediction("淀粉样蛋白", 34_350, "nucleus", dict(zip(CLASSES, (0.3, 0.3, 0.0, 0.4), strict=True))),
)


def _console(width: int, *, is_coloured: bool = False, encoding: str = "utf-8") -> Console:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    return Console(
        file=file, width=width, force_terminal=is_coloured, color_system="standard" if is_coloured else None
    )


def _printed(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.TextIOWrapper)
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(file.encoding)


def _table(width: int, *, is_coloured: bool = False) -> str:
    console = _console(width, is_coloured=is_coloured)
    table = TerminalTable(CLASSES, "proteins.fasta", console)
    table.write(PREDICTIONS)
    table.finish(SUMMARY)
    return _printed(console)


def test_terminal_80_columns_fit_four_classes() -> None:
    lines = _table(80).splitlines()
    assert all(cell_len(line) <= 80 for line in lines)
    assert lines[0] == "proteins.fasta"
    assert lines[1].split() == ["id", "length", "prediction", "probability", "confidence"]
    assert lines[2].split() == ["P01308", "110", "secreted", "0.97", "███████▊", "High"]
    assert "…" in lines[3]
    assert lines[3].split()[1:] == ["203", "cytosol", "0.50", "████", "Medium"]
    assert lines[4].strip() == "1 selenocysteine (U) read as cysteine (C)"
    assert lines[5].strip() == "longer than any sequence the model was trained on"
    assert lines[-1] == "3 sequences: cytosol 1, secreted 1, mitochondrion 0, nucleus 1; 2 skipped"


def test_terminal_columns_stand_below_each_other() -> None:
    lines = _table(80).splitlines()
    starts = [
        cell_len(lines[i].split(label)[0]) for i, label in ((2, "secreted"), (3, "cytosol"), (6, "nucleus"))
    ]
    assert len(set(starts)) == 1
    assert starts[0] == lines[1].index("prediction")


def test_terminal_wide_shows_every_class() -> None:
    lines = _table(140).splitlines()
    assert lines[1].split()[-4:] == list(CLASSES)
    assert lines[2].split()[-4:] == ["0.01", "0.97", "0.01", "0.01"]


@pytest.mark.parametrize("width", [20, 40, 60, 79, 100, 119, 200])
def test_terminal_any_width_is_kept(width: int) -> None:
    assert all(cell_len(line) <= width for line in _table(width).splitlines())


def test_terminal_predictions_are_coloured_by_class() -> None:
    text = _table(80, is_coloured=True)
    assert "\x1b[33msecreted" in text  # yellow, the second class
    assert "\x1b[94mcytosol" in text


def test_terminal_control_characters_in_an_id_are_shown_not_obeyed() -> None:
    console = _console(80)
    table = TerminalTable(CLASSES, "evil\x1b]0;title\x07", console)
    table.write([Prediction("\x1b[2Jid[bold]", 3, "cytosol", dict.fromkeys(CLASSES, 0.25), ("\x1b[1m",))])
    text = _printed(console)
    assert "\x1b" not in text
    assert "%1B[2Jid[bold]" in text


def test_terminal_streams_blocks_with_one_header() -> None:
    console = _console(80)
    table = TerminalTable(CLASSES, "", console)
    table.write([])
    for _ in range(3):
        table.write(PREDICTIONS[:1] * (ROWS_PER_BLOCK + 1))
    table.finish(RunSummary("0", "m", "c", "t", "d", "s", 3003, 0, {}))
    lines = _printed(console).splitlines()
    assert len(lines) == 1 + 3 * (ROWS_PER_BLOCK + 1) + 2
    assert sum("prediction" in line for line in lines) == 1
    assert lines[-1] == "3,003 sequences: cytosol 0, secreted 3,003, mitochondrion 0, nucleus 0"


def test_terminal_without_rows_prints_the_counts_alone() -> None:
    console = _console(80)
    table = TerminalTable(CLASSES, "proteins.fasta", console)
    table.finish(SUMMARY)
    assert _printed(console) == "0 sequences: cytosol 0, secreted 0, mitochondrion 0, nucleus 0; 2 skipped\n"


def test_terminal_that_knows_ascii_only_is_given_ascii() -> None:
    console = _console(60, encoding="ascii")
    table = TerminalTable(CLASSES, "proteins.fasta", console)
    table.write(PREDICTIONS[:2])
    table.finish(SUMMARY)
    lines = _printed(console).splitlines()
    assert "0.97 ########" in lines[2]
    assert lines[3].startswith("sp|P07203~ ")
