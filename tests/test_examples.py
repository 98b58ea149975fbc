"""The example files: what they hold, and that the table beside them says the same."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sortilin.sequences import SequenceRecord, read_sequences
from sortilin.tasks.activity import Activity
from sortilin.tasks.localization import Localization

EXAMPLES = Path(__file__).parents[1] / "examples"
CLASSES = {"proteins.fasta": Localization.classes, "peptides.fasta": Activity.classes}
RESIDUES = set("ACDEFGHIKLMNPQRSTVWY")
CHANGED = {"P07203": ("U>C:1",)}
"""A selenoprotein, so that the demo shows what the residue policy says."""

COLUMNS = ["id", "name", "species", "class", "length", "weight", "why", "reference"]


def examples(name: str) -> list[SequenceRecord]:
    return list(read_sequences(EXAMPLES / name, labels="biotrainer"))


def table() -> dict[str, dict[str, str]]:
    """Id → column → cell, over all tables of the README."""
    lines = (EXAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    return {row["id"]: row for row in named if row["id"] != "id" and set(row["id"]) != {"-"}}


@pytest.fixture(params=sorted(CLASSES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_classes_are_balanced_and_of_the_task(name: str) -> None:
    counts = Counter(record.label for record in examples(name))
    assert set(counts) == set(CLASSES[name])
    assert max(counts.values()) - min(counts.values()) <= 1
    assert sum(counts.values()) >= 12


def test_sequences_are_of_the_20_residues(name: str) -> None:
    for record in examples(name):
        assert set(record.sequence) <= RESIDUES, record.id
        assert record.flags == CHANGED.get(record.id, ())


def test_proteins_begin_with_methionine() -> None:
    assert all(record.sequence.startswith("M") for record in examples("proteins.fasta"))


def test_ids_and_sequences_differ_over_both_files() -> None:
    records = [record for name in CLASSES for record in examples(name)]
    assert len({record.id for record in records}) == len({r.sequence for r in records}) == len(records)


def test_lines_are_no_longer_than_60_residues(name: str) -> None:
    lines = (EXAMPLES / name).read_text(encoding="ascii").splitlines()
    assert all(len(line) <= 60 for line in lines if not line.startswith(">"))


def test_table_holds_the_records_and_no_others() -> None:
    assert set(table()) == {record.id for name in CLASSES for record in examples(name)}


def test_table_says_what_the_records_say(name: str) -> None:
    rows = table()
    for record in examples(name):
        row = rows[record.id]
        assert record.description == f"{row['name']}, {row['species']} TARGET={row['class']}"
        assert row["class"] == record.label
        assert int(row["length"]) == len(record.sequence)
        assert row["why"].endswith(".")
        assert "](https://" in row["reference"]


def test_weights_in_the_table_are_right(name: str) -> None:
    protparam = pytest.importorskip("Bio.SeqUtils.ProtParam")
    rows = table()
    with (EXAMPLES / name).open(encoding="ascii") as file:
        entries = list(pytest.importorskip("Bio.SeqIO").parse(file, "fasta"))
    for written in entries:
        weight = protparam.ProteinAnalysis(str(written.seq)).molecular_weight()
        assert int(rows[written.id]["weight"]) == pytest.approx(weight, abs=0.6), written.id


# CRC-64 as UniProt gives it in the entry.
@pytest.mark.parametrize(
    ("record_id", "checksum"), [("P01308", "C2C3B23B85E520E5"), ("P06525", "32550529538B9669")]
)
def test_sequences_have_the_checksum_that_uniprot_publishes(record_id: str, checksum: str) -> None:
    crc64 = pytest.importorskip("Bio.SeqUtils.CheckSum").crc64
    (record,) = (record for record in examples("proteins.fasta") if record.id == record_id)
    assert crc64(record.sequence) == f"CRC-{checksum}"


def test_insulin_b_chain_stands_in_insulin() -> None:
    (insulin,) = (record for record in examples("proteins.fasta") if record.id == "P01308")
    (chain,) = (record for record in examples("peptides.fasta") if record.id == "P01308_insulin-B")
    assert insulin.sequence[24:54] == chain.sequence
