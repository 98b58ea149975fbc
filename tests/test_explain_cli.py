"""`sortilin explain`: the files that it writes, what it says, what it refuses, and how it goes on."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import sortilin
import tiny
from sortilin import registry
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, InputError, OutputError, SortilinError, UnknownNameError
from sortilin.explain import run as runs
from sortilin.explain import stretches
from sortilin.explain.methods import occlusion

PEPTIDES = ("GIGKFLHSAKKFGKAFVGEIMNS", "FLPIIAKLLSGLL", "MDEEQSTLNPVDGAREQSDDTPLAANE")
FILES = {"residues.tsv", "explanations.jsonl", "summary.json", "meta.json", "report.html"}
QUICK = ("--no-check", "--pictures", "0", "--threads", "1")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["explain", *map(str, words)])


def refused(*words: str | Path) -> SortilinError:
    done = run(*words)
    assert isinstance(done.exception, SortilinError), done.output
    return done.exception


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "explanations.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def fasta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_fasta(tmp_path_factory.mktemp("explain") / "peptides.fasta", PEPTIDES)


@pytest.fixture(scope="module")
def explained(fasta: Path) -> tuple[Path, Result]:
    pytest.importorskip("matplotlib")
    gff = fasta.with_name("f.gff")
    gff.write_text(
        "##gff-version 3\np0\tx\tHelix\t2\t9\t.\t.\t.\tNote=amphipathic\nstranger\tx\tSite\t1\t2\t.\t.\t.\t\n"
    )
    out = fasta.with_name("why")
    return out, run("anticancer", fasta, "-o", out, "--features", gff, "--pictures", "2")


def test_folder_holds_tables_figures_pictures_and_a_page(explained: tuple[Path, Result]) -> None:
    out, done = explained
    assert done.exit_code == 0, done.output
    assert {p.name for p in out.iterdir() if p.is_file()} - {".lock"} == FILES
    assert {p.name for p in (out / "pictures").iterdir()} == {"p0.png", "p0.svg", "p1.png", "p1.svg"}
    assert done.stdout == ""
    assert "3 explained" in done.stderr
    assert "none of the sequences has 1 id of it (stranger)" in done.stderr


def test_residues_and_lines_say_the_same_as_predict(explained: tuple[Path, Result]) -> None:
    out, _ = explained
    with (out / "residues.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert list(rows[0]) == ["id", "position", "residue", "class", "occlusion"]
    found = lines(out)
    assert [one["id"] for one in found] == ["p0", "p1", "p2"]
    for one, sequence, prediction in zip(
        found, PEPTIDES, sortilin.load("anticancer").predict(PEPTIDES), strict=True
    ):
        mine = [row for row in rows if row["id"] == one["id"]]
        assert "".join(row["residue"] for row in mine) == one["sequence"] == sequence
        assert [int(row["position"]) for row in mine] == list(range(1, len(sequence) + 1))
        assert [float(row["occlusion"]) for row in mine] == one["methods"]["occlusion"]["values"]
        assert one["prediction"] == one["class"] == prediction.label
        assert one["probability"] == pytest.approx(prediction.probability, rel=1e-5)
        for stretch in one["methods"]["occlusion"]["stretches"]:
            assert sequence[stretch["start"] - 1 : stretch["end"]] == stretch["residues"]
    assert found[0]["features"] == [{"name": "Helix", "start": 2, "end": 9, "detail": "amphipathic"}]
    assert (found[0]["picture"], found[2]["picture"]) == ("pictures/p0.svg", None)


def test_summary_and_meta_say_where_it_came_from(explained: tuple[Path, Result]) -> None:
    out, _ = explained
    summary, meta = (json.loads((out / f"{name}.json").read_text()) for name in ("summary", "meta"))
    checksum = sortilin.load("anticancer").model.checksum
    assert summary["model_checksum"] == meta["model_checksum"] == checksum
    assert summary["n_sequences"] == meta["n_predicted"] == 3
    assert summary["settings"]["methods"]["occlusion"] == occlusion.VARIANT().config.model_dump(mode="json")
    curves = summary["truth"]["curves"]["occlusion"]
    assert curves["n"] == 3
    assert len(curves["deletion"]) == len(summary["truth"]["shares"])
    low, high = curves["deletion_gain"]["interval"]
    assert low <= curves["deletion_gain"]["value"] <= high


def test_page_needs_nothing_else_and_shows_pictures(explained: tuple[Path, Result]) -> None:
    out, _ = explained
    page = (out / "report.html").read_text()
    assert page.count("data:image/svg+xml") == 3  # two sequences and the curves
    assert re.findall(r"""(?:src|href)="(?!data:|#)""", page) == []
    assert 'alt="p0, ' in page
    assert "Deletion and insertion" in page
    assert page.count("<img ") == page.count('alt="')


def test_same_command_again_does_nothing_and_another_is_refused(fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "why"
    words = ("anticancer", fasta, "-o", out, *QUICK)
    assert run(*words).exit_code == 0
    before = {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.is_file()}
    again = run(*words)
    assert "holds this run already" in again.stderr
    assert {p.name: p.stat().st_mtime_ns for p in out.iterdir() if p.is_file()} == before
    assert isinstance(error := refused(*words, "--class", "anticancer"), OutputError)
    assert "settings.label: predicted there, anticancer asked for" in str(error)
    assert run(*words, "--class", "anticancer", "--overwrite").exit_code == 0
    assert {one["class"] for one in lines(out)} == {"anticancer"}


def test_interrupted_run_goes_on_and_comes_to_the_same(
    fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_BATCH", 1)
    explain, n_calls = occlusion.VARIANT.explain, []

    def fails_later(*words: Any) -> Any:
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        return explain(*words)

    out, whole = tmp_path / "cut", tmp_path / "whole"
    assert run("anticancer", fasta, "-o", whole, *QUICK).exit_code == 0
    with monkeypatch.context() as patched:
        patched.setattr(occlusion.VARIANT, "explain", fails_later)
        run("anticancer", fasta, "-o", out, *QUICK)
    assert {p.name for p in out.iterdir()} <= {".parts", ".lock"}  # nothing half-written
    n_calls.clear()
    done = run("anticancer", fasta, "-o", out, *QUICK)
    assert "3 explained, 2 of them by an earlier run" in done.stderr
    assert not (out / ".parts").exists()
    for name in ("residues.tsv", "explanations.jsonl"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()


def test_batches_change_nothing(fasta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("anticancer", fasta, "-o", tmp_path / "one", *QUICK)
    monkeypatch.setattr(runs, "MAX_BATCH", 1)
    run("anticancer", fasta, "-o", tmp_path / "two", *QUICK)
    one, two = ((tmp_path / name / "residues.tsv").read_text() for name in ("one", "two"))
    assert one == two


def test_all_classes_and_mutagenesis_have_rows_and_pictures_each(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    source, out = tiny.write_fasta(tmp_path / "one.fasta", ["FLPIIAK"]), tmp_path / "why"
    words = ("--method", "mutagenesis,occlusion", "--class", "all", "--no-check", "--pictures", "1")
    done = run("anticancer", source, "-o", out, *words)
    assert done.exit_code == 0, done.output
    classes = sortilin.load("anticancer").classes
    assert [one["class"] for one in lines(out)] == list(classes)
    with (out / "substitutions.tsv").open(newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == 7 * len(classes)
    assert list(rows[0])[4:] == list("ACDEFGHIKLMNPQRSTVWY")
    loaded = sortilin.load("anticancer")
    whole, changed = loaded.predict_proba(["FLPIIAK", "WLPIIAK"])[:, 0]
    expected = np.log(changed / (1 - changed)) - np.log(whole / (1 - whole))
    assert float(rows[0]["W"]) == pytest.approx(expected, abs=1e-4)
    assert {p.name for p in (out / "pictures").glob("*.svg")} == {
        f"p0.{label}{kind}.svg" for label in classes for kind in ("", ".mutagenesis")
    }


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("--class", "toxic"), ConfigError, "has no class 'toxic'; choose from: predicted, all, neither"),
        (("--method", "oclusion"), UnknownNameError, "did you mean 'occlusion'"),
        (
            ("--method", "attention"),
            ConfigError,
            "'attention' cannot explain model 'anticancer': .*occlusion",
        ),
        (
            ("--method", "occlusion", "--baseline", "zero"),
            ConfigError,
            "a baseline is for integrated_gradients",
        ),
        (("--baseline", "zero"), ConfigError, "which cannot explain model 'anticancer': its classifier"),
        (("--attention-maps",), ConfigError, "--attention-maps: "),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(
    fasta: Path, tmp_path: Path, words: tuple[str, ...], kind: type[SortilinError], said: str
) -> None:
    error = refused("anticancer", fasta, "-o", tmp_path / "why", *QUICK, *words)
    assert isinstance(error, kind)
    assert re.search(said, str(error))
    assert not (tmp_path / "why").exists()


def test_run_that_explained_nothing_makes_way_for_another(fasta: Path, tmp_path: Path) -> None:
    out = tmp_path / "why"
    refused("anticancer", tmp_path / "peptide.fasta", "-o", out, *QUICK)  # no such file
    assert run("anticancer", fasta, "-o", out, *QUICK, "--class", "anticancer").exit_code == 0
    assert {one["class"] for one in lines(out)} == {"anticancer"}


def test_standard_input_never_passes_for_what_is_there(tmp_path: Path) -> None:
    words = ["explain", "anticancer", "-", "-o", str(tmp_path / "why"), *QUICK]
    assert CliRunner().invoke(cli, words, input=">a\nFLPIIAKLLS\n").exit_code == 0
    done = CliRunner().invoke(cli, words, input=">b\nGIGKFLHSAK\n")
    assert isinstance(done.exception, OutputError)
    assert "of standard input it cannot be told" in str(done.exception)
    assert [one["id"] for one in lines(tmp_path / "why")] == ["a"]
    done = CliRunner().invoke(cli, [*words, "--overwrite"], input=">b\nGIGKFLHSAK\n")
    assert done.exit_code == 0
    assert [one["id"] for one in lines(tmp_path / "why")] == ["b"]


def test_records_left_out_are_listed(tmp_path: Path) -> None:
    source, out = tmp_path / "some.fasta", tmp_path / "why"
    source.write_text(">a\nFLPIIAKLLS\n>b\nXXXX\n")
    assert run("anticancer", source, "-o", out, "--on-error", "skip", *QUICK).exit_code == 0
    assert (out / "skipped.tsv").read_text() == "id\treason\nb\thas only unknown residues (X)\n"
    assert json.loads((out / "summary.json").read_text())["n_skipped"] == 1


def test_labels_that_cannot_be_used_are_told_and_other_labels_are_another_run(tmp_path: Path) -> None:
    rows = zip("abc", PEPTIDES, ("anticancer", "neither", "bitter"), strict=True)
    source, out = tmp_path / "some.csv", tmp_path / "why"
    source.write_text("id,sequence,label\n" + "".join(f"{','.join(row)}\n" for row in rows))
    words = ("anticancer", source, "-o", out, "--dimensions", *QUICK)
    done = run(*words, "--labels", "auto")
    assert "labels are not used: 'c' is 'bitter', and 1 of 3 sequences have none" in done.stderr
    assert "labels: auto there, none asked for" in str(refused(*words))
    source.write_text("id,sequence,label\na,FLPIIAKLLS,neither\nb,GIGKFLHSAK,neither\n")
    assert "dimensions left out: of 2 sequences; allowed: 3 or more" in run(*words, "--overwrite").stderr


def test_folder_of_something_else_is_left_alone(fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for words in ((), ("--overwrite",)):
        error = refused("anticancer", fasta, "-o", tmp_path, *QUICK, *words)
        assert isinstance(error, OutputError)
        assert "holds something else (notes.txt)" in str(error)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_empty_input_and_feature_behind_the_end_are_errors(fasta: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.fasta"
    empty.write_text("")
    assert isinstance(refused("anticancer", empty, "-o", tmp_path / "a", *QUICK), InputError)
    gff = tmp_path / "f.gff"
    gff.write_text("##gff-version 3\np1\tx\tHelix\t5\t40\t.\t.\t.\t\n")
    error = refused("anticancer", fasta, "-o", tmp_path / "b", "--features", gff, *QUICK)
    assert re.search(r"f\.gff, line 2: 'Helix' of 'p1' is at 5 to 40, but the sequence has 13", str(error))
    assert not (tmp_path / "b" / "residues.tsv").exists()


def test_ids_become_safe_file_names_that_differ(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    source = tmp_path / "odd.fasta"
    source.write_text(">../../etc|a\nFLPIIAKLLS\n>..:..:etc|A\nFLPIIAKLLA\n>...\nFLPIIAKLLG\n")
    out = tmp_path / "why"
    assert run("anticancer", source, "-o", out, "--no-check").exit_code == 0
    names = sorted(p.name for p in (out / "pictures").glob("*.svg"))
    assert len({name.lower() for name in names}) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.svg", name) for name in names)


def test_listed_methods_are_all_there_are() -> None:
    done = run("--list")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(registry.names("explainer"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0, 5, 6, 0, 0, 3, 0], [(2, 4), (6, 7)]),
        ([-1, -1, -1], []),
        ([np.nan, 4, np.nan, 1, 0, 0], [(1, 2)]),
        ([np.nan], []),
        ([1, 1, 1, 1], []),
    ],
)
def test_strongest_stretches(values: list[float], expected: list[tuple[int, int]]) -> None:
    assert [(s.start, s.end) for s in stretches.strongest(np.array(values, dtype=float))] == expected
