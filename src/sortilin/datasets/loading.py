"""Datasets as records: labels as classes, splits as published, ids that stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sortilin.datasets import catalog, store
from sortilin.datasets.dataset import Dataset, RemoteFile
from sortilin.errors import DatasetError, FormatError, InputError, UnknownNameError
from sortilin.sequences import SequenceRecord, clean, read_sequences

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress


def load(
    name: str, split: str | None = None, *, on_progress: OnProgress | None = None
) -> list[SequenceRecord]:
    """All records of a dataset, or of one of its splits; files that are missing are downloaded.

    Ids are the FASTA ids for `psl` and `psl-blind`, split and line number for `acp` ("train-0001"),
    split and name for `acp-ml` ("train-repoPDA770"), where names are used again in another split, and the
    file's name and row number for `acp-hard` ("anticp2_main_train-0001").

    Args:
        name: Name of the dataset.
        split: One of its splits; None for all records.
        on_progress: Called while files are downloaded.

    Returns:
        Cleaned records in file order, with label (a class name; None in `psl-blind`) and split set.

    Raises:
        UnknownNameError: There is no such dataset or split.
        DatasetError: The files are not there and cannot be fetched, or the dataset has no splits.
    """
    dataset = catalog.get(name)
    _check_split(dataset, split)
    folder = store.fetch(name, on_progress)
    chosen = [file for file in dataset.files if split in (None, file.split)]
    return [record for file in chosen for record in _records(dataset, file, folder)]


def _check_split(dataset: Dataset, split: str | None) -> None:
    if split is None or split in dataset.splits:
        return
    if not dataset.splits:
        raise DatasetError(
            f"dataset '{dataset.name}' has no splits, so none is called '{split}'; leave it out"
        )
    raise UnknownNameError(f"split of {dataset.name}", split, dataset.splits)


def _records(dataset: Dataset, file: RemoteFile, folder: Path) -> Iterator[SequenceRecord]:
    path = folder / Path(file.path).name
    if dataset.layout == "lines":
        return _from_lines(path, dataset, file)
    if dataset.layout == "table":
        return _from_table(path, dataset, file)
    if dataset.layout == "fasta-pipe":
        return _from_pipe(path, dataset, file)
    return (replace(record, label=file.label, split=file.split) for record in read_sequences(path))


def _from_lines(path: Path, dataset: Dataset, file: RemoteFile) -> Iterator[SequenceRecord]:
    """One `label,SEQUENCE` a line; the files are called .fasta, which they are not."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        written, _, raw = line.partition(",")
        if written not in dataset.labels:
            raise FormatError(f"{path}, line {number}: expected 'label,SEQUENCE', found {line[:60]!r}")
        try:
            sequence, flags = clean(raw)
        except InputError as fault:
            raise type(fault)(f"{path}, line {number}: {fault}") from None
        label = dataset.labels[written]
        yield SequenceRecord(f"{file.split}-{number:04d}", sequence, "", label, file.split, flags)


def _from_table(path: Path, dataset: Dataset, file: RemoteFile) -> Iterator[SequenceRecord]:
    """CSV with the columns `sequence` and `label`; a row is named by split or file, and number."""
    for number, record in enumerate(read_sequences(path, labels="column"), 1):
        label = dataset.labels.get(record.label or "")
        if label is None:
            raise FormatError(
                f"{path}, row {number}: unknown label {record.label!r}; allowed: {', '.join(dataset.labels)}"
            )
        record_id = f"{file.split or path.stem}-{number:04d}"
        yield replace(record, id=record_id, label=label, split=file.split)


def _from_pipe(path: Path, dataset: Dataset, file: RemoteFile) -> Iterator[SequenceRecord]:
    """FASTA with `>name|label`; the label is taken off the id, so that the id gives nothing away."""
    for record in read_sequences(path, labels="pipe"):
        record_id = f"{file.split}-{record.id.partition('|')[0]}"
        label = dataset.labels.get(record.label or "")
        if label is None:
            raise FormatError(f"{path}, '{record.id}': unknown label; allowed: {', '.join(dataset.labels)}")
        yield replace(record, id=record_id, label=label, split=file.split)
