from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.errors import ResidueError
from sortilin.sequences import clean
from sortilin.sequences.nucleotides import nucleotide_kind
from sortilin.sequences.residues import ALLOWED, GAPS, READ_AS_UNKNOWN, RESIDUES

WRITABLE = RESIDUES + RESIDUES.lower() + "UOBZJXuobzjx" + GAPS + " \t\r\n"


def n_by_change(flags: tuple[str, ...]) -> dict[str, int]:
    return {change: int(n) for change, n in (flag.split(":") for flag in flags)}


@pytest.mark.parametrize(
    ("raw", "sequence", "flags"),
    [
        ("MKV", "MKV", ()),
        ("mkV", "MKV", ()),
        (" M K\tV\r\n", "MKV", ()),
        ("MUUK", "MCCK", ("U>C:2",)),
        ("mOk", "MKK", ("O>K:1",)),
        ("ABZJX", "AXXXX", ("unknown:4",)),
        ("A-C.D~", "ACD", ("gaps:3",)),
        ("MKV*", "MKV", ("stop:1",)),
        ("MKV*--", "MKV", ("gaps:2", "stop:1")),
        ("u-O.bMk*", "CKXMK", ("U>C:1", "O>K:1", "unknown:1", "gaps:2", "stop:1")),
    ],
)
def test_clean_follows_the_policy(raw: str, sequence: str, flags: tuple[str, ...]) -> None:
    assert clean(raw) == (sequence, flags)


@pytest.mark.parametrize(
    ("raw", "position", "letter"),
    [
        ("MKVA7", 5, "'7'"),
        ("M K\nV7", 4, "'7'"),
        ("--7M", 3, "'7'"),
        ("MK*V", 3, "'*'"),
        ("MK**", 3, "'*'"),
        ("MK*-*", 3, "'*'"),
        ("MK>seq2", 3, "'>'"),
        ("MK\x00V", 3, r"'\x00'"),
        ("MKß", 3, "'ß'"),
        ("MK\u0131", 3, "'\u0131'"),
        ("MK\xa0V", 3, r"'\xa0'"),
        ("MK?", 3, "'?'"),
    ],
)
def test_clean_names_the_first_foreign_letter(raw: str, position: int, letter: str) -> None:
    with pytest.raises(ResidueError) as caught:
        clean(raw)
    assert str(caught.value) == f"position {position}: letter {letter} is not a residue; allowed: {ALLOWED}"


def test_allowed_letters_are_spelled_out() -> None:
    assert ALLOWED == (
        "ACDEFGHIKLMNPQRSTVWY, U and O (read as C and K), B Z J X (unknown), gaps and a final *"
    )


@pytest.mark.parametrize("raw", ["", "  \n", "*", "---", "-.~*", " - * "])
def test_clean_refuses_no_residues(raw: str) -> None:
    with pytest.raises(ResidueError, match=r"^has no residues$"):
        clean(raw)


@pytest.mark.parametrize("raw", ["X", "xX-", "BZJ*"])
def test_clean_refuses_only_unknown_residues(raw: str) -> None:
    with pytest.raises(ResidueError, match=r"^has only unknown residues \(X\)$"):
        clean(raw)


@settings(deadline=None)
@given(st.text(WRITABLE), st.sampled_from(["", "*", "*\n"]))
def test_clean_keeps_its_promises(body: str, end: str) -> None:
    raw = f"{body}A{end}"  # one known residue
    sequence, flags = clean(raw)
    assert set(sequence) <= set(RESIDUES + "X")
    again, flags_again = clean(sequence)
    assert again == sequence
    assert n_by_change(flags_again) == ({"unknown": sequence.count("X")} if "X" in sequence else {})
    written = Counter(raw.upper())
    counts = n_by_change(flags)
    assert counts.get("U>C", 0) == written["U"]
    assert counts.get("O>K", 0) == written["O"]
    assert counts.get("unknown", 0) == sum(written[c] for c in READ_AS_UNKNOWN) == sequence.count("X")
    assert counts.get("gaps", 0) == sum(written[c] for c in GAPS)
    assert counts.get("stop", 0) == written["*"]
    n_whitespace = sum(written[c] for c in " \t\r\n")
    assert len(sequence) == len(raw) - n_whitespace - counts.get("gaps", 0) - counts.get("stop", 0)


@settings(deadline=None)
@given(st.text(max_size=50))
def test_clean_gives_residues_or_a_reason(raw: str) -> None:
    try:
        sequence, _ = clean(raw)
    except ResidueError as error:
        assert str(error)  # noqa: PT017 - either outcome is right, a third is not
    else:
        assert sequence.strip("X")
        assert set(sequence) <= set(RESIDUES + "X")


@pytest.mark.parametrize(
    ("sequences", "kind"),
    [
        (["ATGGCGTGCAATGGCGTGCAATGGCGTGCAATGG"], "DNA"),
        (["atggcgtgcaatggcgtgcaNNNatggcgtgcaatgg"], "DNA"),
        (["AUGGCGUGCAAUGGCGUGCAAUGGCGUGCAAUGG"], "RNA"),
        (["ATGGCGTGCAATGG", "ATGGCGTGCAATGGCGTG-CA\n*"], "DNA"),
        (["ATGGCGTGCAATGGCGTGCA", "MKV", "ATGGCGTGCAATGGCGTGCA"], None),
        (["ATGGCGTGCAATGGCGTRCAATGGCGTGCAATGG"], "DNA"),
        (["ATGGCGTGCAATGGCGTGCAATGGCGTGCA", "RYKMSWBDHVNATGGCGTGCAATGG" + "ACGT" * 22], "DNA"),
        (["AUGGCGUGCAAUGGCGUGYAAUGGCGUGCAAUGG"], "RNA"),
        (["ACGTACGTACGTACGTACGTACGTACGYRKM"], None),
        (["ACGTACGTACGTACGTACGTACGTACGYRK"], "DNA"),
        (["ACGTACGTACGTACGTACGTACGTACGTAE"], None),
        (["ATGGCGTGCA"], None),
        (["GSGTGAGSGTGAGSGTGAGSGTGAGSGTGAGSGTGA"], None),
        (["ATGGCGTGCAATGGCGTGCAATGGCGTGCA", "MKV"], None),
        (["KRAGTKRAGTKRAGTKRAGTKRAGTKRAGTKRAGT"], None),
        (["GAGAGAGAGAGAGAGAGAGAGAGAGAGAGAGAGAGA"], None),
        (["GNNNNANNNNGNNNNANNNNGNNNNANNNNGNNNNA"], None),
        ([], None),
        (["", "-"], None),
    ],
)
def test_nucleotides_are_told_from_peptides(sequences: list[str], kind: str | None) -> None:
    assert nucleotide_kind(sequences, min_letters=30) == kind
