"""`sortilin audit` and `sortilin dedupe` on files, datasets and folders."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import tiny
from sortilin.audit import reading
from sortilin.cli.audit import LEAKS
from sortilin.cli.main import cli
from sortilin.errors import InputError, OutputError, SortilinError
from sortilin.report._audit_page import build_page

pytest.importorskip("pyopal")

A, B, C, D = tiny.random_sequences(31, 4, shortest=40, longest=60)
NEAR_B = B[:10] + ("W" if B[10] != "W" else "C") + B[11:]
QUICK = ("--aligner", "builtin", "--no-homologues", "--no-shortcuts", "-q")


def call(*words: str | Path) -> Result:
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if isinstance(result.exception, SortilinError):
        raise result.exception
    return result


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.fasta"
    path.write_text(f">a|1\n{A}\n>b|0\n{B}\n")
    return path


@pytest.fixture
def test_path(tmp_path: Path) -> Path:
    path = tmp_path / "test.fasta"
    path.write_text(f">x|0 one\n{A}\n>y|1 two\n{C}\n>z|0\n{NEAR_B}\n")
    return path


def test_text_json_page_and_pairs(train: Path, test_path: Path, tmp_path: Path) -> None:
    figures, page, pairs = (tmp_path / name for name in ("out.json", "out.html", "out.tsv"))
    written = ("--json", figures, "--html", page, "--pairs", pairs)
    result = call("audit", train, test_path, *QUICK, *written)
    assert result.exit_code == 0, result.output
    assert "Of test, 1 of 3 sequences stands in train" in result.stdout
    found = json.loads(figures.read_text())
    assert (found["format"], found["overlaps"][0]["near"]["rows"]) == ("sortilin-audit", 2)
    assert [line.split("\t")[2] for line in pairs.read_text().splitlines()[1:]] == ["x|0", "z|0"]
    html = page.read_text()
    assert "Leakage audit: train against test" in html
    assert "default-src 'none'" in html
    assert "http" not in html.replace("http-equiv", "")


def test_json_on_standard_output_is_nothing_but_json(train: Path, test_path: Path) -> None:
    result = call("audit", train, test_path, *QUICK, "--json", "-")
    assert json.loads(result.stdout)["sets"][0]["classes"] == {"0": 1, "1": 1}


@pytest.mark.parametrize(
    ("limit", "code"), [("1", LEAKS), ("0.9", LEAKS), ("0.95", LEAKS)], ids=["copy", "near", "between"]
)
def test_exit_code_where_the_limit_is_reached(train: Path, test_path: Path, limit: str, code: int) -> None:
    assert call("audit", train, test_path, *QUICK, "--fail-above", limit).exit_code == code


def test_exit_code_of_a_clean_set_and_of_one_below_the_limit(train: Path, tmp_path: Path) -> None:
    clean, near = tmp_path / "clean.fasta", tmp_path / "near.fasta"
    clean.write_text(f">y|1\n{C}\n")
    near.write_text(f">z|0\n{NEAR_B}\n")
    assert call("audit", train, clean, *QUICK, "--fail-above", "0.9").exit_code == 0
    assert call("audit", train, near, *QUICK, "--fail-above", "0.99").exit_code == 0
    assert call("audit", train, near, *QUICK, "--fail-above", "0.97").exit_code == LEAKS
    assert call("audit", train, near, *QUICK).exit_code == 0


def test_exit_code_reaches_the_shell(train: Path, test_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "sortilin",
        "audit",
        str(train),
        str(test_path),
        *QUICK,
        "--fail-above",
        "0.9",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == LEAKS
    assert "2 of test reach an identity of 0.9 with training (--fail-above)" in done.stderr
    assert done.stdout.startswith("Summary\n")


def test_clean_sets_keep_their_format(train: Path, test_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "clean.fasta"
    assert call("audit", train, test_path, *QUICK, "--write-clean", out).exit_code == 0
    assert out.read_text() == f">y|1 two\n{C}\n"
    table = tmp_path / "more.csv"
    table.write_text(f"note,sequence,label\n1,{B},0\n2,{D},1\n")
    call("audit", train, test_path, table, *QUICK, "--write-clean", tmp_path / "clean")
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == ["more.csv", "test.fasta"]
    assert (tmp_path / "clean" / "more.csv").read_text() == f"note,sequence,label\n2,{D},1\n"
    again = call("audit", train, tmp_path / "clean" / "test.fasta", *QUICK, "--fail-above", "0.9")
    assert again.exit_code == 0


def test_clean_set_never_replaces_what_was_read(train: Path, test_path: Path) -> None:
    before = test_path.read_bytes()
    with pytest.raises(OutputError, match="--write-clean would replace"):
        call("audit", train, test_path, *QUICK, "--write-clean", test_path)
    with pytest.raises(OutputError, match="--write-clean would replace"):
        call("audit", train, test_path, *QUICK, "--write-clean", test_path.parent)
    assert test_path.read_bytes() == before
    assert call("audit", train, *QUICK, "--write-clean", "x").exit_code == 2


def test_skipped_records_do_not_shift_what_is_written(train: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.fasta"
    test.write_text(f">x|0\n{A}\n>bad|1\nMK1\n>y|1\n{C}\n")
    out = tmp_path / "clean.fasta"
    with pytest.raises(InputError, match="bad"):
        call("audit", train, test, *QUICK)
    result = call("audit", train, test, *QUICK, "--on-error", "skip", "--write-clean", out)
    assert "test: left out: 1 record of 3" in result.stderr
    assert out.read_text() == f">y|1\n{C}\n"


def test_folder_and_lines_and_splits(tmp_path: Path) -> None:
    folder = tmp_path / "acp"
    folder.mkdir()
    (folder / "Train.fasta").write_text(f"1,{A}\n0,{B}\n")
    (folder / "Test1.fasta").write_text(f"1,{A}\n0,{C}\n")
    (folder / "README.md").write_text("what it is")
    by_folder = json.loads(call("audit", folder, *QUICK, "--json", "-").stdout)
    assert [one["name"] for one in by_folder["sets"]] == ["Train", "Test1"]
    assert by_folder["overlaps"][0]["copies"]["rows"] == 1
    table = tmp_path / "all.csv"
    table.write_text(f"sequence,label,set\n{C},0,test\n{A},1,train\n{A},1,test\n")
    out = tmp_path / "out.fasta"
    by_split = call("audit", table, *QUICK, "--json", "-", "--write-clean", out)
    found = json.loads(by_split.stdout)
    assert [one["name"] for one in found["sets"]] == ["all:train", "all:test"]
    assert found["overlaps"][0]["copies"]["rows"] == 1
    assert out.read_text() == f">seq1 TARGET=0 SET=test\n{C}\n"


def test_folder_without_a_training_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "test.fasta").write_text(">a\nMKV\n")
    with pytest.raises(
        InputError, match=r"needs one file whose name begins with 'train'.*it holds test\.fasta"
    ):
        reading.of_folder(tmp_path)


def test_unlabelled_files_and_several_for_training(train: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain.fasta"
    plain.write_text(f">p\n{C}\n>q\n{D}\n")
    more = tmp_path / "more.fasta"
    more.write_text(f">m|1\n{D}\n")
    result = call("audit", train, plain, "--train", more, *QUICK, "--json", "-")
    found = json.loads(result.stdout)
    assert [one["name"] for one in found["sets"]] == ["train + more", "plain"]
    assert (found["sets"][1]["classes"], found["overlaps"][0]["copies"]["rows"]) == ({}, 1)
    assert "plain is read without labels: " in result.stderr


def test_files_of_one_name_are_told_apart(train: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "train.fasta"
    other.write_text(f">a|1\n{A}\n")
    found = json.loads(call("audit", train, other, *QUICK, "--json", "-").stdout)
    assert [one["name"] for one in found["sets"]] == [str(train), str(other)]


def test_page_escapes_what_it_is_given(train: Path, tmp_path: Path) -> None:
    test = tmp_path / "<b>test.csv"
    test.write_text(f"sequence,label\n{A},<script>\n{B},1\n")
    result = call("audit", train, test, *QUICK, "--json", "-")
    page = build_page(json.loads(result.stdout), command="sortilin audit '<x>'")
    assert "<script" not in page
    assert "&lt;b&gt;test" in page


def test_dedupe_keeps_format_and_lists_clusters(tmp_path: Path) -> None:
    source, out, clusters = (tmp_path / name for name in ("in.fasta", "out.fasta", "clusters.tsv"))
    source.write_text(f">a|1 first\n{A}\n>b|0\nMKV\n>c|0\n{A[:-1]}\n>d|1\n{B}\n")
    words = ("--method", "builtin", "--min-length", "5", "--max-length", "60", "-q", "--clusters", clusters)
    result = call("dedupe", source, "-o", out, *words)
    assert result.exit_code == 0, result.output
    assert out.read_text() == f">a|1 first\n{A}\n>d|1\n{B}\n"
    assert result.stdout.splitlines()[:4] == [
        "in: 2 of 4 records stay",
        "  too short: 1",
        "  near copy: 1",
        "  stay for records of another label: 1 (see --clusters, or use --per-label)",
    ]
    header, *rows = (line.split("\t") for line in clusters.read_text().splitlines())
    told = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(one["kept"], one["reason"], one["representative"]) for one in told] == [
        ("yes", "", "a|1"),
        ("no", "too short", ""),
        ("no", "near copy", "a|1"),
        ("yes", "", "d|1"),
    ]
    apart = call("dedupe", source, "-o", "-", *words[:-2], "--per-label")
    assert apart.exit_code == 0, (apart.output, apart.exception)
    assert apart.stdout == f">a|1 first\n{A}\n>c|0\n{A[:-1]}\n>d|1\n{B}\n"
    assert apart.stderr.startswith("in: 3 of 4 records stay")


def test_dedupe_never_replaces_what_was_read(tmp_path: Path) -> None:
    source = tmp_path / "in.fasta"
    source.write_text(f">a\n{A}\n")
    with pytest.raises(OutputError, match="is what is read"):
        call("dedupe", source, "-o", source, "-q")
    with pytest.raises(SortilinError, match="has no labels, which --per-label needs"):
        call("dedupe", source, "-o", tmp_path / "out.fasta", "--per-label", "-q")
