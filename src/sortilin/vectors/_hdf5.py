"""HDF5: one dataset a sequence, as biotrainer, bio_embeddings and ProtTrans write it.

Written is biotrainer's layout (1.4.0, embedders/services/embedding_service): the dataset's name is the
SHA-256 of the sequence, "_" and its length; its attribute `original_id` is the id. bio_embeddings (0.1.6)
names by MD5 of the sequence, or by number, with the same attribute; ProtTrans (Embedding/prott5_embedder)
by the header, with "_" for slashes and dots.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, MissingDependencyError, OutputError
from sortilin.vectors._matching import biotrainer_key
from sortilin.vectors._sources import Source, is_digest
from sortilin.vectors._writers import VectorRow, Writer

ID, IDS, N_IDS = "original_id", "original_ids", "n_original_ids"
_MOST_ID_BYTES = 60_000
"""HDF5 keeps attributes of at most 64 KiB."""


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MissingDependencyError("HDF5 files of vectors", "h5py", "plm") from error
    return h5py


class Hdf5Source(Source):
    """The datasets of a file, also those in groups: a slash in an id makes a group."""

    def __init__(self, path: Path) -> None:
        h5py = _h5py()
        try:
            self._file = h5py.File(path, "r")
            names: list[str] = []
            self._file.visit(names.append)
            described = {str(name): str(value) for name, value in self._file.attrs.items()}
        except (OSError, RuntimeError) as error:
            raise FormatError(
                f"{path} cannot be read as HDF5: {error}; is it damaged or cut short?"
            ) from None
        self._dataset_type = h5py.Dataset
        groups = {name.rpartition("/")[0] for name in names}
        super().__init__(path, [name for name in names if name not in groups])
        self.description = described

    def digests(self) -> Mapping[str, int]:
        """Names that are digests."""
        return {name: at for at, name in enumerate(self.names) if is_digest(name)}

    def called(self) -> Iterator[tuple[int, Iterable[str]]]:
        """The attribute `original_id`, or the name."""
        for at, name in enumerate(self.names):
            yield at, self._ids(name)

    def is_of_a_sequence(self, at: int) -> bool:
        """Whether the name is a digest."""
        return is_digest(self.names[at])

    def read(self, at: int) -> NDArray[Any]:
        """The whole dataset."""
        dataset = self._file.get(self.names[at])
        if not isinstance(dataset, self._dataset_type):
            raise FormatError(f"'{self.names[at]}' is no dataset")
        try:
            return np.asarray(dataset[()])
        except (OSError, RuntimeError, TypeError) as error:
            raise FormatError(f"dataset '{self.names[at]}' cannot be read: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _ids(self, name: str) -> list[str]:
        attributes = self._file[name].attrs
        if IDS in attributes:
            return list(map(str, json.loads(attributes[IDS])))
        if ID in attributes:
            return [_text(attributes[ID])]
        return [name]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


class Hdf5Writer(Writer):
    """One dataset a distinct sequence; of several ids the first is its `original_id`, all are listed."""

    def __init__(self, path: Path, description: Mapping[str, str]) -> None:
        self._file = _h5py().File(path, "w")
        self._file.attrs.update(dict(description))

    def add(self, row: VectorRow) -> None:
        """Write a vector, or add an id to the one that is there.

        Raises:
            OutputError: The sequence was written before, with another vector.
        """
        name = biotrainer_key(row.sequence)
        if name not in self._file:
            self._file.create_dataset(name, data=row.vector)
            self._file[name].attrs[ID] = row.id
            return
        dataset = self._file[name]
        if not np.array_equal(dataset[()], row.vector):
            earlier = dataset.attrs[ID]
            raise OutputError(
                f"'{row.id}' has the sequence of '{earlier}' and another vector; "
                "HDF5 files have one a sequence"
            )
        dataset.attrs[N_IDS] = int(dataset.attrs.get(N_IDS, 1)) + 1
        ids = json.dumps([*json.loads(dataset.attrs.get(IDS, json.dumps([dataset.attrs[ID]]))), row.id])
        if len(ids) <= _MOST_ID_BYTES:
            dataset.attrs[IDS] = ids

    def finish(self) -> None:
        """Close the file."""
        self._file.close()

    def abandon(self) -> None:
        """Close the file as far as it got."""
        self._file.close()
