"""Motifs as files: MEME format both ways, STREME and its output, tables, logos."""

from __future__ import annotations

import csv
import io
import itertools
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny
from planting import background, planted
from sortilin.errors import ConfigError, FormatError, OutputError, SortilinError
from sortilin.motifs import Counts, Motif, MotifConfig, logo, read_meme, search, streme, tables, write_meme
from sortilin.motifs.logos import drawn
from sortilin.motifs.meme import parse_meme
from sortilin.sequences import SequenceRecord

STREME_HEADER = """\
********************************************************************************
STREME - Sensitive, Thorough, Rapid, Enriched Motif Elicitation
********************************************************************************
MEME version 5.5.7 (Release date: Wed Jun 19 13:59:04 2024 -0700)

For further information on how to interpret these results please access https://meme-suite.org/meme.
********************************************************************************

ALPHABET= ACDEFGHIKLMNPQRSTVWY

strands: +

Background letter frequencies
A 0.0825 C 0.0138 D 0.0545 E 0.0672 F 0.0386 G 0.0707 H 0.0227 I 0.0591 K 0.058 L 0.0966 M 0.0241
N 0.0406 P 0.0474 Q 0.0393 R 0.0553 S 0.0663 T 0.0535 V 0.0686 W 0.011 Y 0.0292

"""


def rows(word: str, share: float = 0.81) -> str:
    rest = (1 - share) / 19
    return "\n".join(
        " ".join(f"{share if residue == letter else rest:.6f}" for residue in tiny.RESIDUES)
        for letter in word
    )


def result(*motifs: tuple[str, str, str]) -> str:
    """STREME's text: name, word and significance of each motif."""
    blocks = [
        f"MOTIF {name} STREME-{number}\nletter-probability matrix: alength= 20 w= {len(word)} nsites= 50 "
        f"{significance}\n {rows(word)}\n\n"
        for number, (name, word, significance) in enumerate(motifs, 1)
    ]
    end = "*" * 80 + "\nCOMMAND:\tstreme --protein\n" + "*" * 80 + "\n"
    return STREME_HEADER + "".join(blocks) + end


def made(name: str = "1-KWLF", word: str = "KWLF", e_value: float = 2.5e-7) -> Motif:
    matrix = np.array([[float(cell) for cell in line.split()] for line in rows(word).splitlines()])
    return Motif(
        name=name,
        matrix=matrix / matrix.sum(axis=1, keepdims=True),
        background=np.full(20, 0.05),
        n_sites=31,
        n_distinct=12,
        p_value=e_value / 5,
        e_value=e_value,
        threshold=9.0,
        held_out=Counts(8, 20, 1, 40),
        counts=Counts(40, 100, 9, 200),
    )


# MEME format


def test_motifs_come_back_from_meme_format(tmp_path: Path) -> None:
    first, second = made(), made("2-GG", "GGCXA".replace("X", "Y"), math.nan)
    write_meme([first, second], tmp_path / "motifs.meme")
    found = read_meme(tmp_path / "motifs.meme")
    assert [one.name for one in found] == ["1-KWLF", "2-GG"]
    for one, motif in zip(found, (first, second), strict=True):
        np.testing.assert_allclose(one.matrix, motif.matrix, atol=2e-6)
        np.testing.assert_allclose(one.background, motif.background, atol=2e-6)
        assert one.n_sites == 31
    assert found[0].e_value == pytest.approx(2.5e-7)
    assert math.isnan(found[1].e_value)


def test_no_motifs_make_a_file_without_motifs(tmp_path: Path) -> None:
    write_meme([], tmp_path / "motifs.meme")
    assert read_meme(tmp_path / "motifs.meme") == []


def test_columns_follow_the_alphabet_of_the_file() -> None:
    letters = tiny.RESIDUES[::-1]
    cells = " ".join("0.81" if letter == "K" else "0.01" for letter in letters)
    text = f"MEME version 4\n\nALPHABET= {letters}\n\nMOTIF m\nletter-probability matrix: w= 1\n{cells}\n"
    [motif] = parse_meme(text, "x.meme")
    assert tiny.RESIDUES[motif.matrix[0].argmax()] == "K"
    assert motif.n_sites is None
    assert motif.background == pytest.approx(np.full(20, 0.05))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MOTIF m\n", "x.meme: no line 'MEME version ...'"),
        ("MEME version 5\nALPHABET= ACGT\n", "its alphabet is 'ACGT'; allowed: the 20 residues"),
        ("MEME version 5\nletter-probability matrix: w= 1\n", "line 2: a matrix without a line 'MOTIF name'"),
        (
            "MEME version 5\nMOTIF m\nletter-probability matrix: w= 3\n" + rows("KK"),
            "motif m: 2 rows of its matrix; expected 3",
        ),
        ("MEME version 5\nMOTIF m\nletter-probability matrix: w= 1\n0.5 0.5\n", "row 1: 2 numbers"),
        (
            "MEME version 5\nMOTIF m\nletter-probability matrix: w= 1\n" + "0.2 " * 20,
            "must be probabilities of sum 1",
        ),
    ],
)
def test_faulty_meme_format_is_refused(text: str, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        parse_meme(text, "x.meme")


# STREME


@pytest.fixture
def sets() -> tuple[list[str], list[str]]:
    return planted(1, background(2, 60), 0.6, ("K", "W", "L", "F"))[0], background(3, 90)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, code: int = 0) -> Path:
    """A `streme` on the PATH that writes this result, and its arguments to a file."""
    (folder / "result.txt").write_text(text)
    path = folder / "streme"
    path.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        f"here = pathlib.Path({str(folder)!r})\n"
        "if '--version' in sys.argv:\n"
        "    print('5.5.7')\n"
        "    sys.exit(0)\n"
        "(here / 'arguments').write_text(' '.join(sys.argv[1:]))\n"
        "given = dict(zip(sys.argv, sys.argv[1:]))\n"
        "shutil.copy(given['--p'], here / 'p.fasta')\n"
        f"if {code}:\n"
        "    print('FATAL: no memory')\n"
        f"    sys.exit({code})\n"
        "out = pathlib.Path(given['--oc'])\n"
        "out.mkdir()\n"
        "shutil.copy(here / 'result.txt', out / 'streme.txt')\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return path


def test_streme_is_run_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[list[str], list[str]]
) -> None:
    text = result(("1-KWLF", "KWLF", "E= 1.2e-005"), ("2-GGG", "GGG", "E= 3.4e+000"))
    program(tmp_path, monkeypatch, text)
    found = search(*sets, MotifConfig(max_width=9, n_motifs=2), seed=4)
    assert (found.method, found.program) == ("streme", "STREME 5.5.7")
    [motif], [rejected] = found.motifs, found.rejected
    assert (motif.name, rejected.name) == ("1-KWLF", "2-GGG")
    assert motif.e_value == pytest.approx(1.2e-5)
    assert motif.p_value == pytest.approx(0.6e-5)  # of two motifs
    assert motif.consensus == "KWLF"
    assert motif.held_out is None
    assert motif.counts.positives == 36
    assert motif.counts == motif.counted(found.positives, found.controls)
    words = (tmp_path / "arguments").read_text().split()
    given = dict(itertools.pairwise(words))
    assert "--protein" in words
    assert [given[name] for name in ("--minw", "--maxw", "--nmotifs", "--hofract")] == ["3", "9", "2", "0.2"]
    assert (tmp_path / "p.fasta").read_text().count(">") == 60


def test_streme_p_values_are_taken_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[list[str], list[str]]
) -> None:
    program(tmp_path, monkeypatch, result(("1-KWLF", "KWLF", "P= 0.001"), ("2-GGG", "GGG", "S= 0.1")))
    found = search(*sets, MotifConfig(method="streme"), seed=4)
    assert [(motif.p_value, motif.e_value) for motif in found.motifs] == [(0.001, 0.002)]
    assert [math.isnan(motif.p_value) for motif in found.rejected] == [True]


def test_streme_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[list[str], list[str]]
) -> None:
    program(tmp_path, monkeypatch, "", code=3)
    with pytest.raises(SortilinError, match="exit code 3; its last lines: FATAL: no memory"):
        search(*sets, MotifConfig(), seed=4)


def test_streme_result_that_is_cut_short_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[list[str], list[str]]
) -> None:
    text = result(("1-KWLF", "KWLF", "E= 1e-5"))
    program(tmp_path, monkeypatch, text[: text.index("MOTIF") + 300])
    with pytest.raises(FormatError, match="motif 1-KWLF"):
        search(*sets, MotifConfig(), seed=4)


def test_builtin_method_is_taken_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sets: tuple[list[str], list[str]]
) -> None:
    program(tmp_path, monkeypatch, "", code=3)
    assert streme.find() is not None
    config = MotifConfig(method="builtin", max_width=6, n_motifs=1, patience=1)
    assert search(*sets, config, seed=4).method == "builtin"


# Tables


def test_sites_are_listed_by_motif_with_positions_from_one() -> None:
    records = [SequenceRecord("a", "GGKWLFG"), SequenceRecord("b", "GGG"), SequenceRecord("c", "KWLFKWLF")]
    found = list(csv.DictReader(io.StringIO(tables.sites_tsv([made()], records)), delimiter="\t"))
    assert [(row["id"], row["start"], row["end"], row["site"]) for row in found] == [
        ("a", "3", "6", "KWLF"),
        ("c", "1", "4", "KWLF"),
        ("c", "5", "8", "KWLF"),
    ]
    assert float(found[0]["score"]) == pytest.approx(4 * math.log2(0.81 / 0.05), abs=1e-3)


def test_table_of_motifs_has_counts_of_both_parts() -> None:
    [row] = csv.DictReader(io.StringIO(tables.motifs_tsv([made()], {})), delimiter="\t")
    assert [row[name] for name in ("held_out_positives", "held_out_n_controls", "positives", "controls")] == [
        *("8", "40", "40", "9")
    ]
    assert (row["pattern"], row["n_distinct"]) == ("KWLF", "12")
    assert "attention_p_value" not in row


# Words of a motif


def test_consensus_and_pattern_leave_out_what_says_little() -> None:
    uniform = np.full(20, 0.05)
    either = np.where(np.isin(list(tiny.RESIDUES), ["I", "L"]), 0.46, 0.08 / 18)
    motif = made()
    shown = replace(motif, matrix=np.vstack([motif.matrix[0], uniform, either]))
    assert (shown.consensus, shown.pattern) == ("KxI", "K.[IL]")
    assert shown.information[1] == pytest.approx(0)


# Logos


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_logo_is_drawn_alike_each_time(tmp_path: Path, ending: str) -> None:
    pytest.importorskip("logomaker")
    logo(made(), tmp_path / f"a.{ending}")
    content = (tmp_path / f"a.{ending}").read_bytes()
    assert content == drawn(made())[ending]
    assert content.startswith(b"\x89PNG" if ending == "png" else b"<?xml")
    assert content != drawn(made(word="KWKK"))[ending]


def test_logo_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written to \.png or \.svg"):
        logo(made(), tmp_path / "a.gif")


def test_logo_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("logomaker")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        logo(made(), tmp_path / "file" / "a.png")
