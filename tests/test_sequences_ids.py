from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.errors import DuplicateIdError, InputError
from sortilin.sequences import (
    ReadReport,
    SequenceRecord,
    read_sequences,
    records_from_strings,
    seen_ids,
)
from sortilin.sequences.seen_ids import SeenIds


def write_peptides(path: Path, n: int) -> Path:
    path.write_text("".join(f">pep{i}\nMKVLAWGHKLA\n" for i in range(n)))
    return path


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "é", "x" * 100, "y" * 100, "x" * 16]), max_size=60),
    st.integers(1, 10),
)
def test_ids_are_found_again_in_memory_and_on_disk(ids: list[str], max_in_memory: int) -> None:
    first: dict[str, int] = {}
    with SeenIds(max_in_memory) as seen:
        for number, record_id in enumerate(ids, 1):
            expected = first.get(record_id)
            assert seen.add(record_id, number) == expected
            first.setdefault(record_id, number)


@pytest.mark.parametrize("max_in_memory", [1, 4, 5, 6, 100])
def test_duplicates_across_the_limit_are_skipped_in_order(tmp_path: Path, max_in_memory: int) -> None:
    ids = ["a", "b", "a", "c", "d", "e", "f", "b", "g", "f"]
    path = tmp_path / "peptides.fasta"
    path.write_text("".join(f">{i}\nMKV\n" for i in ids))
    report = ReadReport()
    records = read_sequences(path, on_error="skip", report=report, max_ids_in_memory=max_in_memory)
    assert [record.id for record in records] == ["a", "b", "c", "d", "e", "f", "g"]
    assert [(skipped.record, skipped.id, skipped.reason) for skipped in report.skipped] == [
        (3, "a", "has the id of record 1; ids must differ"),
        (8, "b", "has the id of record 2; ids must differ"),
        (10, "f", "has the id of record 7; ids must differ"),
    ]


@pytest.mark.parametrize("max_in_memory", [1, 100])
def test_a_duplicate_fails(tmp_path: Path, max_in_memory: int) -> None:
    path = tmp_path / "peptides.fasta"
    path.write_text(">P0A7\nMKV\n>P1\nMK\n>P0A7 again\nMKL\n")
    with pytest.raises(DuplicateIdError) as caught:
        list(read_sequences(path, name="peptides.fasta", max_ids_in_memory=max_in_memory))
    assert str(caught.value) == 'peptides.fasta, record 3 ("P0A7") has the id of record 1; ids must differ'


def test_the_id_of_a_record_left_out_is_free(tmp_path: Path) -> None:
    path = tmp_path / "peptides.fasta"
    path.write_text(">P1\nMK7\n>P1\nMKL\n")
    assert [record.sequence for record in read_sequences(path, on_error="skip")] == ["MKL"]


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for variable in ("TMPDIR", "SQLITE_TMPDIR"):
        monkeypatch.setenv(variable, str(scratch))
    monkeypatch.setattr(seen_ids, "_SETUP", (*seen_ids._SETUP[:-1], "PRAGMA cache_size = 2", "BEGIN"))
    path = write_peptides(tmp_path / "peptides.fasta", 3_000)
    assert sum(1 for _ in read_sequences(path, max_ids_in_memory=10)) == 3_000
    assert not list(scratch.iterdir())
    records = read_sequences(path, max_ids_in_memory=10)
    for _ in range(2_000):
        next(records)
    records.close()  # type: ignore[attr-defined]
    assert not list(scratch.iterdir())


def test_the_database_is_closed_when_a_record_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(seen_ids._IdsOnDisk, "close", lambda ids: closed.append(ids._database.close()))
    path = tmp_path / "peptides.fasta"
    path.write_text(">a\nMKV\n>b\nMKV\n>c\nMK7\n")
    with pytest.raises(InputError):
        list(read_sequences(path, max_ids_in_memory=1))
    assert len(closed) == 1


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen_ids, "_SETUP", (*seen_ids._SETUP, "PRAGMA max_page_count = 3"))
    peptides = (SequenceRecord(f"a rather long id {n}", "MKV") for n in range(100_000))
    with pytest.raises(InputError) as caught:
        list(records_from_strings(peptides))
    assert str(caught.value).startswith("cannot keep the ids of ")
    assert str(caught.value).endswith("is full; set TMPDIR to a folder with more room")


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    def peak_bytes(n: int) -> int:
        path = write_peptides(tmp_path / f"{n}.fasta", n)
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_sequences(path, max_ids_in_memory=500)) == n
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak_bytes(1_000)  # imports
    assert peak_bytes(20_000) < peak_bytes(2_000) + 200_000
