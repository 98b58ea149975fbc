"""Some records of a file in its own format."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from sortilin.errors import InputError
from sortilin.sequences import SequenceRecord, read_sequences
from sortilin.sequences.excerpt import as_fasta, excerpt


@pytest.mark.parametrize(
    ("text", "keep", "expected"),
    [
        (
            ">a|1 of human\nmk\nVL\n\n>b|0\nMLL\n>c\tx y\nMWW\n",
            (True, False, True),
            ">a|1 of human\nmkVL\n>c x y\nMWW\n",
        ),
        (
            '# from a sheet\nid,note,sequence\na,"x, y",MKV\n\nb,,MLL\n',
            (True, True),
            'id,note,sequence\na,"x, y",MKV\nb,,MLL\n',
        ),
        ("Name\tSeq\r\na\tMKV\r\nb\tMLL\r\n", (False, True), "Name\tSeq\nb\tMLL\n"),
        ("0,MKV\r\n1,MLL\r\n0,MWW", (True, False, True), "0,MKV\n0,MWW\n"),
        ("id,sequence\na,MKV\n", (False,), "id,sequence\n"),
    ],
)
def test_kept_records_stay_as_they_are_written(
    text: str, keep: tuple[bool, ...], expected: str, tmp_path: Path
) -> None:
    plain, packed = tmp_path / "in.txt", tmp_path / "in.gz"
    plain.write_bytes(text.encode())
    packed.write_bytes(gzip.compress(text.encode()))
    assert excerpt(plain, keep).decode() == expected
    assert excerpt(packed, keep).decode() == expected


def test_another_number_of_records_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.fasta"
    path.write_text(">a\nMKV\n")
    with pytest.raises(InputError) as caught:
        excerpt(path, [True, False])
    assert str(caught.value) == f"{path} has changed since it was read: 1 record now, 2 before"


def test_standard_input_cannot_be_read_twice() -> None:
    with pytest.raises(InputError, match="standard input cannot be read twice"):
        excerpt("-", [True])


def test_fasta_keeps_labels_and_splits(tmp_path: Path) -> None:
    records = [
        SequenceRecord("a", "MKV", label="Cell membrane", split="test"),
        SequenceRecord("b", "MLL"),
        SequenceRecord("c", "MWW", label="1"),
    ]
    path = tmp_path / "out.fasta"
    path.write_bytes(as_fasta(records[::2]))
    again = list(read_sequences(path, labels="biotrainer"))
    assert [(r.id, r.sequence, r.label, r.split) for r in again] == [
        ("a", "MKV", "Cell_membrane", "test"),
        ("c", "MWW", "1", None),
    ]
    assert as_fasta(records[1:2]) == b">b\nMLL\n"
