"""The files of a benchmark's report: figures that parse, equal bytes for equal results, errors in words."""

from __future__ import annotations

import importlib.util
import math
import os
import struct
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sortilin.errors import InputError, MissingDependencyError, OutputError
from sortilin.report import benchmark
from sortilin.report.benchmark import _drawing
from sortilin.report.benchmark._confusion import row_shares
from test_report_benchmark_page import Parsed
from test_report_benchmark_table import CLASSES, curves, evaluation, exploration, make_results, model

needs_matplotlib = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="matplotlib is not installed"
)

OPTIONAL = ("exploration", "published", "cross_validation", "blind")
LEAST = make_results(models=[model("svm", 0.5)], best="svm") | dict.fromkeys(OPTIONAL)

FIGURES = ["comparison", "lengths", "isoelectric_point", "motifs", "correlation", "curves_lstm"]
FIGURES += ["confusion_lstm", "confusion_svm", "confusion_length", "cross_validation_confusion"]
FIGURES += ["per_class_f1", "per_class_precision", "per_class_recall"]


def drawn(results: dict[str, Any]) -> dict[str, _drawing.Drawing]:
    """All figures by name, drawn but not rendered."""
    with _drawing.style():
        return {drawing.name: drawing for drawing in benchmark._drawings(results)}


def texts(drawing: _drawing.Drawing) -> list[str]:
    """All that is written in a figure."""
    from matplotlib.text import Text

    return [t.get_text() for t in drawing.figure.findobj(Text) if isinstance(t, Text) and t.get_text()]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("benchmark") / "new" / "report"
    benchmark.write(make_results(), folder)
    return folder


# Files


@needs_matplotlib
def test_write_makes_every_file_and_names_them(report: Path) -> None:
    files = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    figures = {f"figures/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")}
    assert files == figures | {"table.tsv", "report.html"}


@needs_matplotlib
def test_write_twice_gives_the_same_bytes_in_the_same_places(report: Path, tmp_path: Path) -> None:
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.facecolor": "black"}):
        written = benchmark.write(make_results(), tmp_path)
    assert written[-2:] == [tmp_path / "table.tsv", tmp_path / "report.html"]
    assert len(written) == len(set(written)) == 2 * len(FIGURES) + 2
    for path in written:
        assert path.read_bytes() == (report / path.relative_to(tmp_path)).read_bytes()


@needs_matplotlib
def test_figures_parse_hold_no_date_and_have_a_size(report: Path) -> None:
    for path in (report / "figures").glob("*.svg"):
        assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        assert b"date" not in path.read_bytes()
    for path in (report / "figures").glob("*.png"):
        content = path.read_bytes()
        width, height = struct.unpack(">II", content[16:24])
        assert content.startswith(b"\x89PNG")
        assert min(width, height) > 200
        assert b"Software" not in content


@needs_matplotlib
def test_report_is_one_page_with_all_figures_in_it(report: Path) -> None:
    page = (report / "report.html").read_text(encoding="utf-8")
    parsed = Parsed(page)
    assert len(parsed.all("img")) == len(FIGURES)
    assert all(a["src"].startswith("data:image/svg+xml;base64,") and a["alt"] for a in parsed.all("img"))
    assert parsed.all("script") == parsed.all("link") == []
    assert len(page) < 1_000_000


@needs_matplotlib
def test_write_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    drawn(make_results(exploration=None, cross_validation=None))
    assert dict(mpl.rcParams) == before


@needs_matplotlib
def test_drawing_imports_no_pyplot() -> None:
    is_loaded = "matplotlib.pyplot" in sys.modules
    drawn(make_results())
    assert ("matplotlib.pyplot" in sys.modules) == is_loaded


# What is drawn


@needs_matplotlib
@pytest.mark.parametrize(
    ("part", "figure"),
    [
        ("lengths", "lengths"),
        ("correlation", "correlation"),
        ("isoelectric_point", "isoelectric_point"),
        ("motifs", "motifs"),
    ],
)
def test_part_of_exploration_that_is_missing_has_no_figure(part: str, figure: str) -> None:
    for found in (exploration() | {part: None}, {k: v for k, v in exploration().items() if k != part}):
        assert set(FIGURES) - set(drawn(make_results(exploration=found))) == {figure}


@needs_matplotlib
def test_least_results_have_matrices_and_heatmaps_only() -> None:
    for results in (LEAST, {key: value for key, value in LEAST.items() if key not in OPTIONAL}):
        assert list(drawn(results)) == [
            "confusion_svm",
            "per_class_f1",
            "per_class_precision",
            "per_class_recall",
        ]


@needs_matplotlib
def test_confusion_shows_shares_and_counts() -> None:
    figure = drawn(make_results())["confusion_lstm"]
    assert {"80\N{NO-BREAK SPACE}%\n8", "20\N{NO-BREAK SPACE}%\n2", "0", *CLASSES} <= set(texts(figure))
    assert figure.caption == "LSTM: 24 of 30 held-out sequences right (80.0\N{NO-BREAK SPACE}%)."
    assert "cytosol 80\N{NO-BREAK SPACE}%" in figure.alt


def test_row_shares_of_a_class_without_sequences_are_undefined() -> None:
    shares = row_shares(np.array([[0, 0], [1, 3]]))
    assert np.isnan(shares[0]).all()
    assert shares[1].tolist() == [0.25, 0.75]


@needs_matplotlib
def test_labels_have_units() -> None:
    figures = drawn(make_results())
    for name, label in (
        ("lengths", "Length (residues)"),
        ("isoelectric_point", "Isoelectric point (pH)"),
        ("motifs", "Share of sequences (%)"),
        ("curves_lstm", "Epoch"),
        ("comparison", "Macro-F1 on 30 held-out sequences"),
        ("correlation", "Pearson correlation"),
    ):
        assert label in texts(figures[name])


@needs_matplotlib
def test_curves_share_their_axes_and_mark_the_epoch_that_was_kept() -> None:
    exploding = curves(3) | {"train_loss": [900.0, None, math.nan], "valid_macro_f1": [None] * 3}
    models = [
        model("a", 0.5, curves=curves(20)),
        model("b", 0.4, curves=curves(1)),
        model("c", 0.3, curves=exploding),
    ]
    found = drawn(make_results(models=models, best="a", published=None))
    losses = [found[f"curves_{name}"].figure.axes[0].get_ylim() for name in "abc"]
    assert len(set(losses)) == 1
    assert losses[0][1] < 10
    assert (
        found["curves_a"].caption
        == "A, on its training and validation sequences: 20 epochs; kept: epoch 20, dotted."
    )
    assert found["curves_c"].caption.endswith("Its highest losses lie beyond the axis.")
    assert "At epoch 20: validation loss 0.055, accuracy 0.952, macro-F1 0.952." in found["curves_a"].alt


@needs_matplotlib
@pytest.mark.parametrize("lengths", [{"training": [7], "blind": None}, {"training": [], "blind": [5, 5]}])
def test_lengths_of_few_sequences_are_drawn(lengths: dict[str, Any]) -> None:
    found = drawn(make_results(exploration={"lengths": lengths}))
    assert len(found["lengths"].figure.axes) == 1
    assert "logarithmic" not in found["lengths"].caption


# Unusual results


@needs_matplotlib
def test_write_of_undefined_values_everywhere(tmp_path: Path) -> None:
    results = make_results(("no", "yes"))
    for m in results["models"]:
        scored = m["evaluation"]
        scored["metrics"] = dict.fromkeys(scored["metrics"])
        scored["per_class"] = {c: dict.fromkeys(row, math.nan) for c, row in scored["per_class"].items()}
        scored["confusion"] = [[0, 0], [0, 0]]
        m["intervals"] = {name: [None, None] for name in m["intervals"]}
        m["curves"] = curves(2) | {"train_loss": [None, None], "valid_loss": [None, None]}
    results["exploration"]["correlation"]["matrix"] = [[None] * 3] * 3
    results["exploration"]["isoelectric_point"] = {"no": [None, 5.0], "yes": []}
    results["exploration"]["motifs"]["share"] = {"no": [None, None]}
    benchmark.write(results, tmp_path)
    assert "nan" not in Parsed((tmp_path / "report.html").read_text(encoding="utf-8")).text


@needs_matplotlib
def test_write_of_class_names_nobody_thought_of(tmp_path: Path) -> None:
    classes = (
        '<b>"x"',
        "$a_b$ \\frac",
        "\N{CJK UNIFIED IDEOGRAPH-7D30}",
        "line\nbreak\x07",
        "n" * 200,
        "a & b--c",
    )
    results = make_results(classes, exploration=exploration(classes))
    results["models"][0] |= {"title": '<i>"$^$', "name": "../../escape", "curves": curves()}
    written = benchmark.write(results, tmp_path)
    assert {path.parent for path in written} == {tmp_path, tmp_path / "figures"}
    for path in (tmp_path / "figures").glob("*.svg"):
        ET.parse(path)
    parsed = Parsed((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert parsed.text.count('<b>"x"') > 3
    assert parsed.all("i") == [a for a in parsed.all("i") if a["class"] == "swatch"]


@needs_matplotlib
@pytest.mark.slow
def test_write_of_many_models_and_classes_stays_small(tmp_path: Path) -> None:
    classes = [f"compartment {i}" for i in range(12)]
    models = [model(f"m{i}", 0.5, classes, curves=None if i else curves()) for i in range(15)]
    rng = np.random.default_rng(0)
    for m in models:
        m["evaluation"]["confusion"] = rng.integers(1, 5000, (12, 12)).tolist()
    written = benchmark.write(make_results(classes, models=models, best="m0"), tmp_path)
    assert len(written) == 2 * (1 + 4 + 1 + 15 + 1 + 3) + 2
    assert (tmp_path / "report.html").stat().st_size < 10_000_000


# Errors


@pytest.mark.parametrize("changes", [{"format": "other"}, {"format_version": 2}, {"format": None}])
def test_write_refuses_results_of_another_format(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="cannot be read; allowed: 'sortilin-benchmark', version 1"):
        benchmark.write(make_results(**changes), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_write_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name)
    )
    with pytest.raises(
        MissingDependencyError, match=r"figures needs matplotlib: pip install 'sortilin\[train\]'"
    ):
        benchmark.write(make_results(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@needs_matplotlib
def test_write_into_a_write_protected_folder_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        os, "access", lambda _path, mode: not mode & os.W_OK
    )  # the superuser may write anywhere
    with pytest.raises(OutputError, match="no permission to write in the folder"):
        benchmark.write(LEAST, tmp_path)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@needs_matplotlib
def test_write_where_a_file_stands_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    for out in (tmp_path / "report", tmp_path / "report" / "below"):
        with pytest.raises(OutputError, match=r"is a file; choose a folder|cannot be written"):
            benchmark.write(make_results(), out)
    assert (tmp_path / "report").read_text() == "mine"


@needs_matplotlib
def test_write_to_a_full_disk_is_an_output_error_and_leaves_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        benchmark.write(LEAST, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_evaluation_of_the_examples_is_what_it_says() -> None:
    assert evaluation(0.8)["confusion"] == [[8, 2, 0], [0, 8, 2], [2, 0, 8]]
