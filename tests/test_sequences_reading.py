from __future__ import annotations

import io
from typing import Any

import pytest

from sortilin.errors import (
    FormatError,
    InputError,
    NucleotideError,
    ResidueError,
    SortilinError,
    UnknownNameError,
)
from sortilin.sequences import ReadReport, SequenceRecord, Skipped, read_sequences, records_from_strings
from sortilin.sequences.residues import ALLOWED

NUCLEOTIDES = "are nucleotides; sortilin reads proteins, so translate it first"
DNA = "ATGGCGTGCAATGGCGTGCAATGGCGTGCAATGG"


def not_a_residue(letter: str) -> str:
    return f"letter {letter!r} is not a residue; allowed: {ALLOWED}"


def read(content: bytes, **options: Any) -> list[SequenceRecord]:
    return list(read_sequences(io.BytesIO(content), name="peptides.fasta", **options))


def message_of(content: bytes, error: type[SortilinError] = InputError, **options: Any) -> str:
    with pytest.raises(error) as caught:
        read(content, **options)
    assert type(caught.value) is error
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        b">a first\nMK\nVL\n>b\nMWW\n",
        b"\xef\xbb\xbf>a first\r\nMKVL\r\n>b\r\nMWW",
        b"\n\n  >a first\n M K\tVL \n\n\n>b\nMW\n\nW\n\n",
        b"# comment\n>a first\nMKVL\n# another\n>b\nMWW\n",
        b">a first\rMKVL\r>b\rMWW\r",
        b"> a   first\nmkvl\n>b\nmww\n",
        b">a\tfirst\nMKVL\n>b\nMWW\n",
    ],
)
def test_fasta_in_many_layouts(content: bytes) -> None:
    assert read(content) == [SequenceRecord("a", "MKVL", "first"), SequenceRecord("b", "MWW")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b">a\nMKV\n>P0A7 x\nMKVA7\n",
            f"""peptides.fasta, record 2 ("P0A7"), position 5: {not_a_residue("7")}""",
        ),
        (
            b">a\nMK\nV*A\n",
            f"""peptides.fasta, record 1 ("a"), position 4: {not_a_residue("*")}""",
        ),
        (b">a\n>b\nMKV\n", 'peptides.fasta, record 1 ("a") has no residues'),
        (b">a\nMKV\n>b", 'peptides.fasta, record 2 ("b") has no residues'),
        (b">a\nMKV\n>\n--\n", 'peptides.fasta, record 2 ("seq2") has no residues'),
        (b">a\nXXX\n", 'peptides.fasta, record 1 ("a") has only unknown residues (X)'),
        (
            b">" + b"A" * 100 + b"\n",
            f'peptides.fasta, record 1 ("{"A" * 57}...") has no residues',
        ),
    ],
)
def test_faulty_records_are_named(content: bytes, message: str) -> None:
    assert message_of(content, ResidueError) == message


def test_dna_and_rna_files_are_refused() -> None:
    for on_error in ("fail", "skip"):
        content = f">a\n{DNA}\n>b\n{DNA}\n".encode()
        assert message_of(content, NucleotideError, on_error=on_error) == (
            f"peptides.fasta looks like DNA: all letters of its first 2 records {NUCLEOTIDES}"
        )
    rna = DNA.replace("T", "U").lower()
    assert message_of(f">a\n{rna}\n".encode(), NucleotideError).startswith(
        "peptides.fasta looks like RNA: all letters of its first record are"
    )


def test_short_peptides_of_nucleotide_letters_are_read() -> None:
    assert [record.sequence for record in read(b">a\nGATC\n>b\nAAGG\n")] == ["GATC", "AAGG"]


def test_a_dna_record_among_proteins_is_faulty() -> None:
    content = f">a\nMKV\n>b\n{DNA}{DNA}\n>c\n{DNA}\n".encode()
    message = 'peptides.fasta, record 2 ("b") looks like DNA; translate it first'
    assert message_of(content, NucleotideError) == message
    assert [record.id for record in read(content, on_error="skip")] == ["a", "c"]


def test_faulty_records_can_be_skipped() -> None:
    content = b">a\nMK7\n>b U\nMUV\n>c\n\n>b\nMKV\n>d\nxMOBU-*\n"
    streamed: list[Skipped] = []
    report = ReadReport(on_skip=streamed.append)
    records = read(content, on_error="skip", report=report)
    assert records == [
        SequenceRecord("b", "MCV", "U", flags=("U>C:1",)),
        SequenceRecord("d", "XMKXC", flags=("U>C:1", "O>K:1", "unknown:2", "gaps:1", "stop:1")),
    ]
    assert report.skipped == streamed
    assert streamed == [
        Skipped(1, "a", f"position 3: letter '7' is not a residue; allowed: {ALLOWED}", "peptides.fasta"),
        Skipped(3, "c", "has no residues", "peptides.fasta"),
        Skipped(4, "b", "has the id of record 2; ids must differ", "peptides.fasta"),
    ]
    assert (report.n_records, report.n_kept, report.n_skipped) == (5, 2, 3)
    assert report.changes == {"U>C": 2, "O>K": 1, "unknown": 2, "gaps": 1, "stop": 1}
    assert report.records_changed["U>C"] == 2
    assert report.warnings == [
        "U (selenocysteine) read as C: 2 in 2 records",
        "O (pyrrolysine) read as K: 1 in 1 record",
        "B, J, X, Z (unknown) read as X: 2 in 1 record",
        "gaps removed: 1 in 1 record",
        "final * removed: 1 in 1 record",
        "left out: 3 records of 5",
    ]


def test_no_record_left_is_refused() -> None:
    assert message_of(b">a\nMK?\n>b\n\n", InputError, on_error="skip") == (
        "peptides.fasta: none of its 2 records can be used; "
        f"""record 1 ("a"): position 3: letter '?' is not a residue; allowed: {ALLOWED}"""
    )


def test_only_the_first_skipped_records_stay_in_memory() -> None:
    streamed: list[Skipped] = []
    report = ReadReport(on_skip=streamed.append)
    read(b">ok\nMKV\n" + b">bad\n?\n" * 1_500, on_error="skip", report=report)
    assert (len(report.skipped), len(streamed), report.n_skipped) == (1_000, 1_500, 1_500)


def test_records_without_an_id_are_numbered_and_warned_of() -> None:
    report = ReadReport()
    assert [record.id for record in read(b">\nMKV\n>b\nMKV\n>  \nMLL\n", report=report)] == [
        "seq1",
        "b",
        "seq3",
    ]
    assert report.warnings == ["no id, named seq<N> by place: 2 records"]


def test_on_error_must_be_known() -> None:
    with pytest.raises(UnknownNameError, match="unknown on_error 'ignore'; choose from: fail, skip"):
        read(b">a\nMKV\n", on_error="ignore")


def test_strings_become_records() -> None:
    given = SequenceRecord("P1", "MXV", "text", "1", "train", ("U>C:2", "unknown:1"))
    report = ReadReport()
    records = list(records_from_strings(["mkv", given, "MU", SequenceRecord("P2", "MX")], report=report))
    assert records == [
        SequenceRecord("seq1", "MKV"),
        given,
        SequenceRecord("seq3", "MC", flags=("U>C:1",)),
        SequenceRecord("P2", "MX", flags=("unknown:1",)),
    ]
    assert report.changes == {"U>C": 3, "unknown": 2}
    assert len(report.warnings) == 2


@pytest.mark.parametrize(
    ("sequences", "error", "message"),
    [
        (["MKV", "M7"], ResidueError, f'input, record 2 ("seq2"), position 2: {not_a_residue("7")}'),
        (["MKV", None], FormatError, 'input, record 2 ("seq2") is None; expected a string or a record'),
        ([DNA], NucleotideError, f"input looks like DNA: all letters of its first record {NUCLEOTIDES}"),
        ([], FormatError, "input holds no records"),
        ("MKV", InputError, "sequences must be a list of strings, got one string; write [sequence]"),
    ],
)
def test_faulty_strings_are_refused(sequences: Any, error: type[SortilinError], message: str) -> None:
    with pytest.raises(error) as caught:
        list(records_from_strings(sequences))
    assert str(caught.value) == message


def test_faulty_strings_can_be_skipped() -> None:
    records = records_from_strings(["", "MKV", SequenceRecord("seq2", "MW")], on_error="skip")
    assert [record.sequence for record in records] == ["MKV"]
