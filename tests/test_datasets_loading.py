"""Datasets as records: made-up files for the forms, the real ones where they are at hand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sortilin import datasets
from sortilin.datasets import catalog
from sortilin.datasets.dataset import Layout
from sortilin.errors import DatasetError, FormatError, InputError, UnknownNameError
from sortilin.sequences import SequenceRecord

ACTIVITY = {"0": "not_anticancer", "1": "anticancer"}
MakeUp = Callable[..., None]


@pytest.fixture
def make_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MakeUp:
    """Puts a made-up dataset "toy" in the catalog: (content, class of the file, split) of each file."""
    (tmp_path / "toy").mkdir()
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(tmp_path))

    def entered(layout: Layout, *files: tuple[str, str | None, str | None]) -> None:
        entries = []
        for number, (content, label, split) in enumerate(files, 1):
            path = tmp_path / "toy" / f"{number}.fasta"
            path.write_bytes(content.encode())
            sha256 = hashlib.sha256(content.encode()).hexdigest()
            entries.append(datasets.RemoteFile(f"toy/{path.name}", "", sha256, 0, {}, label, split))
        labels = {} if layout == "fasta" else ACTIVITY
        toy = datasets.Dataset("toy", "Toy", "", "", "", "", layout, tuple(entries), labels)
        monkeypatch.setitem(catalog.CATALOG, "toy", toy)

    return entered


def test_fasta_takes_the_class_of_its_file(make_up: MakeUp) -> None:
    make_up("fasta", (">sp|P1|A_B Some protein\nMKV\n", "cytosol", None), (">b\nMKU\n", "nucleus", None))
    assert datasets.load("toy") == [
        SequenceRecord("sp|P1|A_B", "MKV", "Some protein", "cytosol"),
        SequenceRecord("b", "MKC", "", "nucleus", flags=("U>C:1",)),
    ]


def test_lines_are_numbered_and_labelled(make_up: MakeUp) -> None:
    make_up("lines", ("0,MKV\r\n1,glw\r\n", None, "train"), ("1,GLXW\n", None, "test1"))
    assert datasets.load("toy") == [
        SequenceRecord("train-0001", "MKV", "", "not_anticancer", "train"),
        SequenceRecord("train-0002", "GLW", "", "anticancer", "train"),
        SequenceRecord("test1-0001", "GLXW", "", "anticancer", "test1", ("unknown:1",)),
    ]


def test_pipe_leaves_the_label_out_of_the_id(make_up: MakeUp) -> None:
    make_up("fasta-pipe", (">p1|0\nMKV\n", None, "train"), (">p1|1\nGLW\n", None, "test1"))
    assert datasets.load("toy") == [
        SequenceRecord("train-p1", "MKV", "", "not_anticancer", "train"),
        SequenceRecord("test1-p1", "GLW", "", "anticancer", "test1"),
    ]


def test_split_gives_its_records_alone(make_up: MakeUp) -> None:
    make_up("lines", ("0,MKV\n", None, "train"), ("1,GLW\n", None, "test1"))
    assert [record.id for record in datasets.load("toy", "test1")] == ["test1-0001"]


def test_unknown_split_offers_the_nearest(make_up: MakeUp) -> None:
    make_up("lines", ("0,MKV\n", None, "train"), ("1,GLW\n", None, "test1"))
    with pytest.raises(UnknownNameError) as caught:
        datasets.load("toy", "test")
    assert str(caught.value) == (
        "unknown split of toy 'test'; did you mean 'test1'? choose from: test1, train"
    )


def test_split_of_a_dataset_without_splits_is_refused(make_up: MakeUp) -> None:
    make_up("fasta", (">a\nMKV\n", "cytosol", None))
    with pytest.raises(DatasetError) as caught:
        datasets.load("toy", "train")
    assert str(caught.value) == "dataset 'toy' has no splits, so none is called 'train'; leave it out"


def test_line_without_a_label_is_named(make_up: MakeUp, tmp_path: Path) -> None:
    make_up("lines", ("0,MKV\n2,GLW\n", None, "train"))
    with pytest.raises(FormatError) as caught:
        datasets.load("toy")
    where = tmp_path / "toy" / "1.fasta"
    assert str(caught.value) == f"{where}, line 2: expected 'label,SEQUENCE', found '2,GLW'"


def test_line_with_a_faulty_sequence_is_named(make_up: MakeUp, tmp_path: Path) -> None:
    make_up("lines", ("0,MK1V\n", None, "train"))
    with pytest.raises(InputError) as caught:
        datasets.load("toy")
    where = tmp_path / "toy" / "1.fasta"
    assert str(caught.value).startswith(f"{where}, line 1: position 3: letter '1' is not a residue")


def test_unknown_label_in_a_header_is_named(make_up: MakeUp, tmp_path: Path) -> None:
    make_up("fasta-pipe", (">p1|2\nMKV\n", None, "train"))
    with pytest.raises(FormatError) as caught:
        datasets.load("toy")
    assert str(caught.value) == f"{tmp_path / 'toy' / '1.fasta'}, 'p1|2': unknown label; allowed: 0, 1"


@pytest.fixture
def real(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published files; skips where they are not at hand."""
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", datasets.names())
def test_published_data_are_what_the_catalog_says(name: str) -> None:
    dataset, records = datasets.get(name), datasets.load(name)
    assert len(records) == dataset.n
    assert len({record.id for record in records}) == dataset.n
    assert Counter(record.label for record in records if record.label) == dataset.counts
    by_split = Counter(record.split for record in records)
    assert by_split == Counter({file.split: 0 for file in dataset.files}) + Counter(
        split for file in dataset.files for split in [file.split] * file.n
    )


@pytest.mark.usefixtures("real")
def test_published_psl_counts_and_letters() -> None:
    records = datasets.load("psl")
    counts = Counter(record.label for record in records)
    assert counts == {"cytosol": 2463, "secreted": 1236, "mitochondrion": 1023, "nucleus": 2736}
    assert sum(bool(record.flags) for record in records) == 59
    assert len({record.sequence for record in records}) == len(records)


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(
    ("split", "n", "n_anticancer"), [("train", 1966, 487), ("test1", 495, 135), ("test2", 256, 99)]
)
def test_published_acp_counts(split: str, n: int, n_anticancer: int) -> None:
    records = datasets.load("acp", split)
    assert len(records) == n
    assert sum(record.label == "anticancer" for record in records) == n_anticancer
    assert records[0].id == f"{split}-0001"


@pytest.mark.usefixtures("real")
def test_published_acp_test2_stands_in_train() -> None:
    train = {record.sequence for record in datasets.load("acp", "train")}
    test2 = {record.sequence for record in datasets.load("acp", "test2")}
    assert (len(test2), len(test2 & train)) == (255, 175)
