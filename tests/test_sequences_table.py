from __future__ import annotations

import io

import pytest

from sortilin.errors import FormatError
from sortilin.sequences import ReadReport, SequenceRecord, read_sequences

OPEN_QUOTE = "peptides.csv is no sound table after at least 1 record"
EXPECTED = "expected '>' (FASTA) or a header line with a column named 'sequence' (CSV, TSV)"


def read(text: str, *, labels: str = "none", report: ReadReport | None = None) -> list[SequenceRecord]:
    source = io.BytesIO(text.encode())
    return list(read_sequences(source, name="peptides.csv", labels=labels, report=report))


@pytest.mark.parametrize(
    "text",
    [
        "id,sequence\na,MKV\nb,MLL\n",
        "\ufeffid,sequence\r\na,MKV\r\nb,MLL\r\n",
        "ID\tSequence\na\tMKV\nb\tMLL",
        "Accession;Length;Protein\na;3;MKV\nb;3;MLL\n",
        'name,note,"SEQ"\na,"x, y",mkv\n\nb,"two\nlines",MLL\n,,\n',
        "\n# from a sheet\nsequence,entry\nMKV,a\nMLL,b\n",
        "id,sequence\ra,MKV\rb,MLL\r",
        "protein,id,Protein Sequence\nlysozyme,a,MKV\nrenin,b,MLL\n",
    ],
)
def test_tables_in_many_dialects(text: str) -> None:
    assert read(text) == [SequenceRecord("a", "MKV"), SequenceRecord("b", "MLL")]


def test_rows_without_an_id_column_are_numbered() -> None:
    report = ReadReport()
    assert [record.id for record in read("sequence\nMKV\nMLL\n", report=report)] == ["seq1", "seq2"]
    assert report.warnings == []


def test_empty_id_cells_are_numbered_and_warned_of() -> None:
    report = ReadReport()
    records = read("id,sequence\na,MKV\n,MLL\n", report=report)
    assert [record.id for record in records] == ["a", "seq2"]
    assert report.warnings == ["no id, named seq<N> by place: 1 record"]


def test_label_and_split_columns() -> None:
    text = "id,set,target,seq\na,Train,Nucleus,MKV\nb,validation,Cell.membrane,MLL\nc,,1,MWW\n"
    assert [(r.label, r.split) for r in read(text, labels="column")] == [
        ("Nucleus", "train"),
        ("Cell.membrane", "val"),
        ("1", None),
    ]
    assert {(r.label, r.split) for r in read(text)} == {(None, None)}


@pytest.mark.parametrize("text", ["0,MKV\n1,MLL\n", "\n# peptides\n0\tMKV\r\n1\tMLL\r\n", "+0;MKV\n1;MLL"])
def test_lines_of_label_and_sequence_need_no_header(text: str) -> None:
    records = read(text, labels="auto")
    assert [(r.id, r.sequence) for r in records] == [("seq1", "MKV"), ("seq2", "MLL")]
    assert [r.label for r in records] == [records[0].label, "1"]
    assert records[0].label in {"0", "+0"}


@pytest.mark.parametrize(
    "line", ["0,mkv", "0,MKV1", "0,M", "0,MKV,MLL", "1.5,MKV", "x,MKV", ",MKV", "0,LABEL"]
)
def test_other_lines_are_no_table_without_a_header(line: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(f"{line}\n0,MKV\n")
    assert EXPECTED in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "id,sequence\na,MKV\nb,MLL,x\n",
            'peptides.csv, record 2 ("b"), line 3 has 3 cells, the header line 2',
        ),
        (
            "\nid,sequence\na,MKV\nb,MLL,x\n",
            'peptides.csv, record 2 ("b"), line 4 has 3 cells, the header line 2',
        ),
        ("id,sequence\n", "peptides.csv holds no records"),
        ("sequence,Sequence\nMKV,MLL\n", "peptides.csv has 2 columns named 'sequence'; rename all but one"),
        (
            'id,sequence\na,MKV\nb,"MLL\nc,MWW\n',
            f"{OPEN_QUOTE}: unexpected end of data (is a quote left open?)",
        ),
        (
            "a,MKVLLAWGHKLAVWGHKLAVWGHKLAVWGHKLAVWGHKLAV\n",
            f"peptides.csv, line 1 holds 'a,MKVLLAWGHKLAVWGHKLAVWGHKLAVWGHKLAVW...'; {EXPECTED}",
        ),
    ],
)
def test_faulty_tables_are_named(text: str, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(text)
    assert str(caught.value) == message


def test_a_row_too_long_can_be_skipped() -> None:
    source = io.BytesIO(b"id,sequence\na,MKV,x\nb,MLL\nc\n")
    report = ReadReport()
    records = list(read_sequences(source, on_error="skip", report=report))
    assert [record.id for record in records] == ["b"]
    assert [skipped.reason for skipped in report.skipped] == [
        "line 2 has 3 cells, the header line 2",
        "has no residues",
    ]
