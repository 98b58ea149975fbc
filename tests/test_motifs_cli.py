"""`sortilin motifs`: the files that it writes, what it says, and what it refuses."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray

import tiny
from planting import background, planted
from sortilin import predictor
from sortilin.cli._sequence_sets import read
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, LabelError, OutputError, SortilinError, UnknownNameError
from sortilin.motifs import read_meme
from sortilin.report._motifs_page import build_page

QUICK = ("--method", "builtin", "--max-width", "8", "--motifs", "1", "--patience", "1")
FILES = {"motifs.tsv", "motifs.meme", "motifs.json", "sites.tsv", "report.html"}


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["motifs", *map(str, words)])


def refused(*words: str | Path) -> SortilinError:
    done = run(*words)
    assert isinstance(done.exception, SortilinError), done.output
    return done.exception


@pytest.fixture(scope="module")
def sequences() -> tuple[list[str], list[str]]:
    return planted(1, background(2, 80), 0.7)[0], background(3, 120)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory, sequences: tuple[list[str], list[str]]) -> Path:
    folder = tmp_path_factory.mktemp("fasta")
    tiny.write_fasta(folder / "positive.fasta", sequences[0])
    tiny.write_fasta(folder / "control.fasta", sequences[1])
    return folder


@pytest.fixture(scope="module")
def searched(fasta: Path) -> tuple[Path, Result]:
    pytest.importorskip("logomaker")
    out = fasta / "out"
    (out / "logos").mkdir(parents=True)
    (out / "logos" / "9-OLD.png").write_bytes(b"")
    (out / "logos" / "mine.txt").write_text("kept")
    return out, run(fasta / "positive.fasta", "--control", fasta / "control.fasta", "-o", out, *QUICK)


def test_folder_holds_tables_matrices_logos_and_a_page(searched: tuple[Path, Result]) -> None:
    out, done = searched
    assert done.exit_code == 0, done.output
    assert {path.name for path in out.iterdir() if path.is_file()} == FILES
    results = json.loads((out / "motifs.json").read_text())
    [motif] = results["motifs"]
    assert {path.name for path in (out / "logos").iterdir()} == {
        *(f"{motif['name']}.{kind}" for kind in ("png", "svg")),
        "mine.txt",
    }
    assert [one.name for one in read_meme(out / "motifs.meme")] == [motif["name"]]
    assert results["positives"]["n"] == 80
    assert results["controls"]["n"] == 120
    assert motif["name"] in done.stdout
    assert motif["held_out"]["n_positives"] == 16
    assert "report.html" in done.stderr


def test_sites_are_those_of_the_records(
    searched: tuple[Path, Result], sequences: tuple[list[str], list[str]]
) -> None:
    with (searched[0] / "sites.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len({row["id"] for row in rows}) >= 50
    for row in rows:
        sequence = sequences[0][int(row["id"].removeprefix("p"))]
        assert sequence[int(row["start"]) - 1 : int(row["end"])] == row["site"]


def test_page_stands_alone(searched: tuple[Path, Result]) -> None:
    page = (searched[0] / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert page.count("data:image/svg+xml") == 1
    assert "default-src 'none'" in page
    assert "control.fasta" in page


def test_page_escapes_what_it_is_given(searched: tuple[Path, Result]) -> None:
    results = json.loads((searched[0] / "motifs.json").read_text())
    results["positives"]["source"] = "<script>.fasta"
    page = build_page(results, {}, [])
    assert "<script>" not in page
    assert "&lt;script&gt;.fasta" in page


def test_same_command_gives_the_same_figures(searched: tuple[Path, Result], fasta: Path) -> None:
    again = fasta / "again"
    done = run(
        fasta / "positive.fasta", "-c", fasta / "control.fasta", "-o", again, *QUICK, "--no-logos", "--json"
    )
    figures = json.loads(done.stdout)
    first = json.loads((searched[0] / "motifs.json").read_text())
    assert figures["motifs"] == first["motifs"]
    assert not (again / "logos").exists()
    assert "data:image" not in (again / "report.html").read_text()


def test_class_of_a_table_is_compared_with_the_rest(
    tmp_path: Path, sequences: tuple[list[str], list[str]], searched: tuple[Path, Result]
) -> None:
    rows = [("hot", one) for one in sequences[0]] + [("cold", one) for one in sequences[1]]
    table = tiny.write_table(tmp_path / "all.csv", rows)
    done = run(table, "--label", "hot", "-o", tmp_path / "out", *QUICK, "--no-logos", "--json", "-q")
    first = json.loads((searched[0] / "motifs.json").read_text())
    assert json.loads(done.stdout)["motifs"] == first["motifs"]
    assert done.stderr == ""


def test_positives_are_shuffled_where_that_is_asked_for(
    tmp_path: Path, sequences: tuple[list[str], list[str]]
) -> None:
    rows = [("hot", one) for one in sequences[0]] + [("cold", one) for one in sequences[1]]
    table = tiny.write_table(tmp_path / "all.csv", rows)
    words = ("-o", tmp_path / "out", *QUICK, "--no-logos", "--json", "--control", "shuffled")
    by_class = json.loads(run(table, "--label", "hot", *words).stdout)
    assert by_class["controls"]["is_shuffled"]
    assert (by_class["positives"]["n"], by_class["controls"]["n"]) == (80, 80)
    assert by_class["controls"]["mean_length"] == by_class["positives"]["mean_length"]
    path = tiny.write_fasta(tmp_path / "hot.fasta", sequences[0])
    assert json.loads(run(path, *words).stdout)["motifs"] == by_class["motifs"]


def test_nothing_found_is_said(tmp_path: Path) -> None:
    path = tiny.write_fasta(tmp_path / "p.fasta", background(5, 40))
    done = run(path, "-o", tmp_path / "out", *QUICK, "--no-logos", "--seed", "3")
    assert done.exit_code == 0
    assert done.stdout.startswith("no significant motif: 1 tried; the smallest p-value is")
    assert "No significant motif" in (tmp_path / "out" / "report.html").read_text()
    assert read_meme(tmp_path / "out" / "motifs.meme") == []


class Watching:
    """A model that looks at P and H, and was trained on the first sequence."""

    def attention(self, sequences: Sequence[str]) -> list[NDArray[np.float32]]:
        raw = [
            np.array([1.0 + 9 * (r in "PH") for r in sequence], dtype=np.float32) for sequence in sequences
        ]
        return [weights / weights.sum() for weights in raw]

    def was_trained_on(self, sequences: Sequence[str]) -> NDArray[np.bool_]:
        return np.array([row == 0 for row in range(len(sequences))], dtype=np.bool_)


def test_attention_is_compared_with_the_sites(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictor, "load", lambda _name, **_options: Watching())
    words: tuple[Any, ...] = (fasta / "positive.fasta", "-c", fasta / "control.fasta", "-o", tmp_path, *QUICK)
    done = run(*words, "--no-logos", "--attention", "runs/lstm", "--permutations", "99")
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "motifs.json").read_text())
    found = results["motifs"][0]["agreement"]
    assert found["p_value"] == 0.01  # the smallest of 99 permutations: the motif holds P and H
    assert found["mass"] - found["expected"] == pytest.approx(found["statistic"])
    assert results["attention"] == {
        "model": "runs/lstm",
        "n_permutations": 99,
        "n_positives_trained_on": 1,
    }
    with (tmp_path / "motifs.tsv").open() as stream:
        [row] = csv.DictReader(stream, delimiter="\t")
    assert float(row["attention_excess"]) == pytest.approx(found["statistic"], rel=1e-5)
    assert "by chance" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "Attention in sites" in page
    assert "trained on 1 of these positives" in page


def test_model_without_attention_is_refused_first(fasta: Path, tmp_path: Path) -> None:
    error = refused(fasta / "positive.fasta", "-o", tmp_path, "--no-logos", "--attention", "anticancer")
    assert isinstance(error, ConfigError)
    assert "has no attention" in str(error)
    assert not list(tmp_path.iterdir())


def test_dataset_needs_a_class(shared_data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    error = refused("acp:test1", "-o", tmp_path, "--no-logos")
    assert isinstance(error, LabelError)
    assert "choose one with --label: anticancer, not_anticancer" in str(error)


def test_unknown_class_is_refused(tmp_path: Path) -> None:
    table = tiny.write_table(tmp_path / "all.csv", [("hot", "KWKLF"), ("cold", "GGSSG")])
    error = refused(table, "--label", "hit", "-o", tmp_path / "out", "--no-logos")
    assert isinstance(error, UnknownNameError)
    assert "did you mean 'hot'" in str(error)
    alone = tiny.write_table(tmp_path / "alone.csv", [("hot", "KWKLF")])
    error = refused(alone, "--label", "hot", "-o", tmp_path / "out", "--no-logos")
    assert "give a control of its own" in str(error)


def test_options_out_of_range_are_refused(fasta: Path, tmp_path: Path) -> None:
    error = refused(fasta / "positive.fasta", "-o", tmp_path, "--no-logos", "--holdout", "0.9")
    assert isinstance(error, ConfigError)
    assert "holdout" in str(error)
    (tmp_path / "file").write_text("")
    error = refused(fasta / "positive.fasta", "-o", tmp_path / "file", "--no-logos")
    assert isinstance(error, OutputError)


def test_labelled_control_gives_only_the_other_classes(
    fasta: Path, sequences: tuple[list[str], list[str]]
) -> None:
    labelled = fasta / "labelled.csv"
    rows = [("yes", s) for s in sequences[0]] + [("no", s) for s in sequences[1]]
    tiny.write_table(labelled, rows)
    sets = read(str(labelled), str(labelled), "yes", labels="auto", on_error="fail")
    assert [r.sequence for r in sets.positives] == sequences[0]
    assert [r.sequence for r in sets.controls] == sequences[1]
    bare = read(str(labelled), str(fasta / "control.fasta"), "yes", labels="auto", on_error="fail")
    assert [r.sequence for r in bare.controls] == sequences[1]


def test_seed_below_0_is_refused(fasta: Path) -> None:
    done = run(fasta / "positive.fasta", "--seed", "-5")
    assert done.exit_code == 2
    assert "--seed" in done.output
