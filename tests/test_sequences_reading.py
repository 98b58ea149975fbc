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
        b"# comment\n#\n>a first\nMKVL\n>b\nMWW\n",
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


@pytest.mark.parametrize("comment", ["# another", "  # another", "\u2028# another", "#" + "x" * 100])
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_a_comment_inside_a_record_is_refused(comment: str, on_error: str) -> None:
    message = message_of(f"# first\n>a\nMKV\n{comment}\nLLL\n".encode(), FormatError, on_error=on_error)
    shown = comment.strip() if len(comment) < 40 else "#" + "x" * 36 + "..."
    assert message == (
        f"peptides.fasta, line 4 holds {shown!r}: a line that starts with '#' inside a record; "
        "comments may stand before the first '>' only"
    )


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 5])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_comment_is_found_in_a_trickle(n_bytes: int, end: str) -> None:
    class Trickle(io.BytesIO):
        def read1(self, _size: int | None = -1) -> bytes:
            return self.read(n_bytes)

    lines = [">a #1", "MKV", ">b", "", "MLL", " \xa0# no", "MKV"]
    content = end.join(lines).encode()
    with pytest.raises(
        FormatError, match=r", line 6 holds '#.*: a line that starts with '#' inside a record"
    ):
        list(read_sequences(Trickle(content)))
    lines[5] = "M"
    assert len(list(read_sequences(Trickle(end.join(lines).encode())))) == 2


@pytest.mark.parametrize("blank", ["\u2028", "\xa0", "\u3000", "\x1d"])
def test_an_id_ends_at_a_space_or_tab_only(blank: str) -> None:
    content = f">a{blank}1 \t x{blank}y\nMKV\n>a{blank}2\tz\nMLL\n".encode()
    assert read(content) == [
        SequenceRecord(f"a{blank}1", "MKV", f"x{blank}y"),
        SequenceRecord(f"a{blank}2", "MLL", "z"),
    ]


STEERING = "a\x1b[31m\x07\x9b1"
STEERING_SHOWN = "a%1B[31m%07%C2%9B1"


def test_control_characters_in_an_id_are_escaped_in_messages() -> None:
    content = f">{STEERING}\nMK7\n>b{STEERING}\nMKV\n".encode()
    assert message_of(content, ResidueError).startswith(f'peptides.fasta, record 1 ("{STEERING_SHOWN}"), pos')
    report = ReadReport()
    assert [record.id for record in read(content, on_error="skip", report=report)] == [f"b{STEERING}"]
    assert [skipped.id for skipped in report.skipped] == [STEERING_SHOWN]
    nothing_left = message_of(content.split(b">b")[0], InputError, on_error="skip")
    assert f'record 1 ("{STEERING_SHOWN}"): position 3' in nothing_left


def test_control_characters_in_a_name_are_escaped_in_messages() -> None:
    with pytest.raises(FormatError, match=r"^x%1B\[0m is empty$"):
        list(read_sequences(io.BytesIO(b""), name="x\x1b[0m"))
    with pytest.raises(FormatError, match=r"^x%1B\[0m holds no records$"):
        list(records_from_strings([], name="x\x1b[0m"))
    with pytest.raises(InputError, match=r"^no%1B/x: there is no folder 'no%1B'$"):
        list(read_sequences("no\x1b/x"))


def test_control_characters_of_a_foreign_object_are_escaped_in_messages() -> None:
    class Foreign:
        def __repr__(self) -> str:
            return "two\nlines\x1b[2J"

    report = ReadReport()
    foreign: Any = [Foreign(), "MKV"]
    assert len(list(records_from_strings(foreign, on_error="skip", report=report))) == 1
    assert report.skipped[0].reason == "is two%0Alines%1B[2J; expected a string or a record"


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


@pytest.mark.parametrize("code", "RYKMSWBDHV")
def test_dna_with_ambiguity_codes_is_refused(code: str) -> None:
    dna = f"{DNA}{code}{DNA}"
    assert message_of(f">a\n{dna}\n".encode(), NucleotideError).startswith("peptides.fasta looks like DNA: ")
    assert message_of(f">a\nMKVL\n>b\n{dna}\n".encode(), NucleotideError) == (
        'peptides.fasta, record 2 ("b") looks like DNA; translate it first'
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


def test_record_that_is_taken_back_counts_as_left_out() -> None:
    streamed: list[Skipped] = []
    report = ReadReport(on_skip=streamed.append)
    given = list(read(b">a\nMKU\n>bad\n?\n>c\nMUUX\n>d\nMKU\n", on_error="skip", report=report))
    assert (report.n_kept, report.n_skipped, report.changes["U>C"]) == (3, 1, 4)
    report.take_back(given[1], Skipped(3, "c", "is too long"))
    report.take_back(given[0], Skipped(1, "a", "is too long"))
    assert (report.n_kept, report.n_skipped) == (1, 3)
    assert (report.changes, report.records_changed) == ({"U>C": 1}, {"U>C": 1})
    assert [skipped.id for skipped in report.skipped] == ["a", "bad", "c"]
    assert [skipped.id for skipped in streamed] == ["bad", "c", "a"]
    assert report.warnings[-1] == "left out: 3 records of 4"


def test_the_first_of_all_that_is_left_out_stay_in_memory_whenever_it_is_known() -> None:
    report = ReadReport()
    (given,) = read(b">ok\nMKV\n" + b">bad\n?\n" * 1_500, on_error="skip", report=report)
    report.take_back(given, Skipped(1, "ok", "is too long"))
    assert [skipped.record for skipped in report.skipped] == list(range(1, 1_001))
    assert report.n_skipped == 1_501


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
