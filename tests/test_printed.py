"""Nothing is printed as "0.812" alone: the checker's grammar, and what commands, cards and documents say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import printed
import tiny
from sortilin.cli.main import cli
from sortilin.errors import InputError
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.scored import Source
from sortilin.results import Quality

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    *(f"docs/{name}.md" for name in ("statistics", "reproduce", "audit", "tasks", "benchmark", "trust")),
    "docs/reports/anticancer.md",
)


@pytest.mark.parametrize(
    "text",
    [
        "accuracy 0.812 (0.790 to 0.834) of 500 sequences",
        "accuracy 0.812 ± 0.012 over 5 folds, n = 500",
        "macro-F1 0.798 (95 % interval 0.790 to 0.807) on 7,458 held-out sequences",
        "n = 90:\n\n| model | MCC |\n| --- | --- |\n| svm | 0.512 ± 0.034 |",
        "| set | n | MCC |\n| --- | --- | --- |\n| a | 90 | 0.512 (0.434 to 0.590) |",
        "| metric | whole (n = 90) |\n| --- | --- |\n| MCC | +0.512 (-0.034 to 0.590) |",
        "n = 9\n\n| x | up | p |\n| --- | --- | --- |\n| a | 0.100 (\N{MINUS SIGN}0.434 to 0.590) | 0.012 |",
        "n = 9\n\n| x | gain |\n| --- | --- |\n| a | 0.100 (0.034\N{EN DASH}0.590) |",
        "n = 9\n\n| x | MCC |\n| --- | --- |\n| *SVM (paper)* | 0.658 |",
        "a is 0.936, b is -0.265; the value is `0.936`, and p < 0.050",
        "version 1.26.100, a length of 0.5, 12.345 s and 0.0012",
        "| class | precision | n |\n| --- | --- | --- |\n| a | 0.000 (no interval) | 3 |",
    ],
)
def test_figure_that_is_told_in_full_passes(text: str) -> None:
    assert printed.bare(text) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accuracy 0.812 on 500 sequences", "0.812 stands alone"),
        ("accuracy 0.812 (0.790 to 0.834)", "no n"),
        ("n = 9: 0.812 ± 0.012, and 0.700 as well", "0.700 stands alone"),
        ("n = 9\n\n| x | MCC |\n| --- | --- |\n| a | 0.512 |", "0.512 stands alone under 'MCC'"),
        ("| x | MCC |\n| --- | --- |\n| a | 0.512 ± 0.010 |", "has no n"),
        ("n = 9\n\n| x | MCC |\n| --- | --- |\n| a | \N{MINUS SIGN}0.512 |", "stands alone under 'MCC'"),
        ("n = 9\n\nx\n\ny\n\nwhere accuracy is 0.500 (0.400 to 0.600)", "no n"),
    ],
)
def test_figure_that_stands_alone_is_found(text: str, said: str) -> None:
    (found,) = printed.bare(text)
    assert said in found


def test_page_is_read_as_text() -> None:
    page = (
        "<p>On 30 held-out sequences.</p><table><tr><th>Model</th><th>MCC</th></tr>"
        "<tr><th>svm</th><td>0.512<small>0.400\N{EN DASH}0.600</small></td></tr>"
        "<tr><th>lstm</th><td><b>0.700</b></td></tr>"
        '<tr class="published"><th>SVM</th><td>0.658</td></tr></table>'
    )
    (found,) = printed.bare(printed.of_html(page))
    assert "0.700 stands alone under 'MCC'" in found


def invoke(*args: str | Path) -> Result:
    result = CliRunner().invoke(cli, [*map(str, args)])
    assert result.exit_code == 0, result.output
    return result


def trained(folder: Path, classifier: str) -> tuple[Path, Result]:
    data = tiny.write_table(folder / "train.csv", tiny.labelled(1, 20))
    test = tiny.write_table(folder / "new.csv", tiny.labelled(9, 6) + tiny.labelled(1, 20)[:5])
    out = folder / classifier
    model = ("--features", "composition", "--classifier", classifier)
    how: tuple[str | Path, ...] = (*model, "--folds", "3", "--test", test, "-o", out, "--quiet")
    return out, invoke("train", "--task", "custom", "--data", data, *how)


def test_card_and_evaluation_and_comparison_say_everything_in_full(tmp_path: Path) -> None:
    one, card = trained(tmp_path, "linear")
    other, _ = trained(tmp_path, "boosting")
    assert printed.bare(card.stdout) == []
    assert "boosting on length alone | +" in card.stdout
    found = invoke("evaluate", one, "--data", tmp_path / "new.csv", "--against", other, "--against", one)
    assert printed.bare(found.stdout) == []
    assert f"{one} less each other model on the same sequences (without 5 that a model was" in found.stdout
    assert found.stdout.count(f"| {other} | ") == 8  # each of seven metrics, and McNemar


@pytest.mark.slow
def test_tables_of_predictions_are_scored_and_compared(tmp_path: Path) -> None:
    one, _ = trained(tmp_path, "linear")
    data = tmp_path / "new.csv"
    invoke("predict", data, "--model", one, "-o", tmp_path / "one.tsv", "--quiet")
    by_table = json.loads(invoke("evaluate", tmp_path / "one.tsv", "--data", data, "--json").stdout)
    by_model = json.loads(invoke("evaluate", one, "--data", data, "--json").stdout)
    assert {part: found["n"] for part, found in by_table.items()} == {
        "whole": 23,
        "without 5 training sequences": 18,
    }
    assert [found["confusion"] for found in by_table.values()] == [
        found["confusion"] for found in by_model.values()
    ]
    text = invoke("evaluate", tmp_path / "one.tsv", "--data", data, "--against", one).stdout
    assert printed.bare(text) == []
    other = tiny.write_table(tmp_path / "other.csv", tiny.labelled(3, 4))
    refused = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "one.tsv"), "--data", str(other)])
    assert "23 predictions that are not those of the 12 sequences" in str(refused.exception)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("", r"the row of '\w+' has the probabilities '', "),
        ("nan", r"allowed: numbers from 0 to 1 in each column p_CLASS"),
        ("7", r"allowed: numbers from 0 to 1 in each column p_CLASS"),
    ],
)
def test_table_with_what_is_no_probability_is_refused(cell: str, message: str, tmp_path: Path) -> None:
    sequences = ("MKVLA", "GGHHA")
    (tmp_path / "x.tsv").write_text(
        f"id\tlength\tp_a\tp_b\ns1\t5\t0.7\t0.3\ns2\t5\t{cell}\t0.5\n", encoding="utf-8"
    )
    labelled = LabelledSet("x", sequences, np.array([0, 1]), ("a", "b"))
    with pytest.raises(InputError, match=message):
        Source(str(tmp_path / "x.tsv")).scored(labelled)


def test_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"x\.tsv is no table of predictions"):
        Source(str(tmp_path / "x.tsv"))


def test_models_of_other_classes_are_not_compared(tmp_path: Path) -> None:
    one, _ = trained(tmp_path, "linear")
    refused = CliRunner().invoke(
        cli, ["evaluate", str(one), "--data", str(tmp_path / "new.csv"), "--against", "localization"]
    )
    assert "only models of the same classes can be compared" in str(refused.exception)


def test_search_says_its_value_with_spread_and_n(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 20))
    (tmp_path / "tune.yaml").write_text(
        f"task: custom\ndata: {data}\nfeatures: {{name: composition}}\nclassifier: {{name: linear}}\n"
        "folds: 3\ntune: {trials: 2, folds: 3, space: {c: [[0.1], [1.0]]}}\n"
    )
    said = invoke("tune", tmp_path / "tune.yaml", "-o", tmp_path / "out", "--quiet").stdout
    first = said.splitlines()[0]
    assert " over 3 folds, n = 48 (trial " in first
    assert printed.bare(first) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_say_everything_in_full(name: str) -> None:
    assert printed.bare((ROOT / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["localization", "anticancer"])
def test_bundled_cards_say_everything_in_full(name: str) -> None:
    assert printed.bare(invoke("models", "show", name).stdout) == []


def test_list_of_models_has_spread_and_n() -> None:
    header, *rows = (line.split("\t") for line in invoke("models", "list").stdout.splitlines())
    for row in rows:
        found = dict(zip(header, row, strict=True))
        assert 0 < float(found["spread"]) < 0.1
        assert int(found["n"]) > 1000


def test_quality_of_a_model_is_told_with_what_its_folder_says() -> None:
    described: dict[str, Any] = {"training_data": {"n": 1200}, "metrics": {"mcc": 0.5}}
    assert str(Quality.of(described, "mcc")) == "0.500, n = 1,200"
    described["metrics"] = {"mcc": 0.5, "n": 1000, "folds": 5, "spread": {"mcc": 0.02}}
    found = Quality.of(described, "mcc")
    assert str(found) == "0.500 ± 0.020 over 5 folds, n = 1,000"
    assert printed.bare(str(found)) == []


def test_server_says_how_good_its_models_are() -> None:
    from sortilin.serve.models import _measured

    described = {
        "training_data": {"n": 10},
        "metrics": {"macro_f1": 0.5, "n": 10, "folds": 5, "spread": {"macro_f1": 0.1}},
    }
    said = _measured(described, "macro_f1")
    assert said == "macro-F1 0.500 ± 0.100 over 5 folds, n = 10, cross-validated"
    assert _measured(described, "mcc") == ""
