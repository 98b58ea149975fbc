"""Vectors that were made before, by `sortilin embed` or another program, as features.

A sequence's row is found by the sequence itself, so that order and ids do not matter; formats are those of
`vectors.open_vectors`. A model of such features predicts only where vectors are given.

Axis letters: N sequences, F features.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, PositiveInt

from sortilin.errors import ConfigError, FormatError, InputError
from sortilin.interfaces import FloatArray
from sortilin.sequences import SequenceRecord, read_sequences

if TYPE_CHECKING:
    from sortilin.vectors import VectorFile

MADE_BY = ("checkpoint", "revision", "layer", "pooling", "length_policy")
"""What a file may say of how its vectors were made, and what must not differ between files."""

WHOSE = ("hub_id", "licence", "citation")
"""What a file may say of whose work its vectors are, for the card of a model."""

_Found = tuple[FloatArray | None, str]
"""The vector of a sequence; or None, and why the one that a file has cannot be used ("" if it has none)."""

_NEEDS_TABLE = (
    "; if they go by ids there, name the file of their sequences too, with --table FILE (in a configuration: "
    "features.options.table)"
)
_NAMED = 3
_SHOWN = 20


def _as_tuple(value: Any) -> Any:
    return (str(value),) if isinstance(value, str | Path) else value


class VARIANT:
    """A row of a file for each sequence; as many features as the vectors are wide."""

    class Config(BaseModel):
        """Options.

        Attributes:
            vectors: Files of vectors, or one; of a sequence that stands in several the first counts.
            table: FASTA file or table with the sequences of all of them, in the order of their rows or
                with the ids that they go by; needed where the files do not name sequences themselves.
            layer: The layer, of files that hold several.
            width: F; told by the files where it is not given.
            made_by: What the files must not contradict (`MADE_BY`); a model remembers that of the files
                that it was trained on.
        """

        model_config = ConfigDict(frozen=True, extra="forbid")
        vectors: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
        table: str | None = None
        layer: int | None = None
        width: PositiveInt | None = None
        made_by: dict[str, str] = {}

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or self.Config()
        self._lock = threading.Lock()  # files are read by one thread at a time
        self._files: list[VectorFile] = []
        self._width = self.config.width
        self._made_by = dict(self.config.made_by)
        self._whose: dict[str, str] = {}
        self._of_table: dict[str, _Found] | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """v1, v2, ...; none before the first row was read, unless the width is an option."""
        return tuple(f"v{number}" for number in range(1, (self._width or 0) + 1))

    def transform(self, sequences: Sequence[str]) -> FloatArray:
        """Cleaned sequences → (N, F) float32.

        Raises:
            ConfigError: No file is named, or files hold vectors of different kinds.
            InputError: A sequence has no vector, or a file cannot be read.
        """
        if not sequences:
            return np.empty((0, self._width or 0), dtype=np.float32)
        with self._lock:
            rows = self._rows(sequences)
        return np.stack(rows).astype(np.float32, copy=False)

    def recorded(self) -> dict[str, Any]:
        """What a model says of its features: width, kind and origin of the vectors, not where they lie."""
        remembered = self.Config(width=self._width, made_by=self._made_by)
        names = [Path(path).name for path in self.config.vectors]
        return {"config": remembered.model_dump(mode="json"), "files": names, "origin": dict(self._whose)}

    def fingerprints(self) -> dict[str, str]:
        """File → SHA-256 of its content; of a folder of its files' names and sizes."""
        named = [*self.config.vectors, *([self.config.table] if self.config.table else [])]
        return {path: _fingerprint(Path(path)) for path in named}

    def _rows(self, sequences: Sequence[str]) -> list[FloatArray]:
        self._open()
        found: dict[int, FloatArray] = {}
        reasons: dict[int, str] = {}
        for places, part in self._parts(sequences, found):
            for at, (vector, reason) in zip(places, part, strict=True):
                if vector is not None:
                    found[at] = self._checked(vector)
                elif reason:
                    reasons[at] = reason
        if len(found) < len(sequences):
            raise InputError(self._lack(sequences, found, reasons))
        return [found[at] for at in range(len(sequences))]

    def _parts(
        self, sequences: Sequence[str], found: Mapping[int, Any]
    ) -> Iterator[tuple[list[int], list[_Found]]]:
        """File by file: places of the sequences that still lack a vector; each's vector, or why not."""
        if self._of_table is not None:
            yield list(range(len(sequences))), [self._of_table.get(s, (None, "")) for s in sequences]
            return
        for file in self._files:
            places = [at for at in range(len(sequences)) if at not in found]
            if places:
                asked = [_without_id(sequences[at], at) for at in places]
                matched = file.match(asked)
                reasons = [matched.mismatched.get(record.id, "") for record in asked]
                yield places, list(zip(matched.vectors, reasons, strict=True))

    def _open(self) -> None:
        """Open the files, once."""
        if self._files:
            return
        if not self.config.vectors:
            raise ConfigError(self._no_files())
        from sortilin.vectors import open_vectors

        files = []
        for path in self.config.vectors:
            file = open_vectors(path, table=self.config.table, layer=self.config.layer)
            _refuse_bare(file, path)
            self._note(file.description, path)
            files.append(file)
        if self.config.table is not None:
            self._of_table = _by_sequence(files, self.config.table)
            for file in files:
                file.close()
        self._files = files

    def _note(self, description: Mapping[str, str], path: str) -> None:
        """Remember how a file's vectors were made and by whom, and refuse those of another kind."""
        self._whose |= {key: description[key] for key in WHOSE if description.get(key)}
        for key in MADE_BY:
            said = description.get(key)
            if said is None:
                continue
            if (known := self._made_by.setdefault(key, said)) != said:
                raise ConfigError(
                    f"{path} holds vectors with {key} {said}, expected {known}: vectors of two kinds are not "
                    "mixed, and a model takes those of the kind that it was trained on"
                )

    def _checked(self, vector: FloatArray) -> FloatArray:
        self._width = self._width or len(vector)
        if len(vector) != self._width:
            raise FormatError(
                f"{self._named()}: a vector of {len(vector)} numbers, expected {self._width}, as the others "
                "or those that the model was trained on"
            )
        return vector

    def _named(self) -> str:
        return ", ".join(self.config.vectors)

    def _no_files(self) -> str:
        kind = ", ".join(f"{key} {value}" for key, value in self._made_by.items())
        of_model = f" of width {self._width}{f' ({kind})' if kind else ''}" if self._width else ""
        return (
            f"features 'precomputed' look vectors{of_model} up in files, and none is given: name them with "
            "--vectors FILE, as `sortilin embed` writes them; in a configuration, with "
            "features.options.vectors"
        )

    def _lack(self, sequences: Sequence[str], found: Mapping[int, Any], reasons: Mapping[int, str]) -> str:
        lacking = [at for at in range(len(sequences)) if at not in found]
        shown = [
            _short(sequences[at]) + (f": {reasons[at]}" if at in reasons else "") for at in lacking[:_NAMED]
        ]
        more = "; ..." if len(lacking) > _NAMED else ""
        return (
            f"{len(lacking):,} of {len(sequences):,} sequences have no vector in {self._named()} "
            f"({'; '.join(shown)}{more}): make them with `sortilin embed`, and name all files of vectors"
            f"{'' if self.config.table else _NEEDS_TABLE}"
        )


def _without_id(sequence: str, at: int) -> SequenceRecord:
    """A record that is found by its sequence alone: no file has its id."""
    return SequenceRecord(f"\0{at}", sequence)


def _fingerprint(path: Path) -> str:
    try:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.is_file())
            listed = "\n".join(f"{file.name} {file.stat().st_size}" for file in files)
            return hashlib.sha256(listed.encode()).hexdigest()
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None


def _refuse_bare(file: VectorFile, path: str) -> None:
    """Refuse rows of which nobody knows whose they are: batches of sequences come in another order."""
    try:
        file.match([])
    except FormatError:
        raise FormatError(
            f"{path} has {len(file):,} rows without ids or sequences: name the file that they stand beside, "
            "with --table FILE (in a configuration: features.options.table)"
        ) from None


def _by_sequence(files: Sequence[VectorFile], table: str) -> dict[str, _Found]:
    """The vectors of all sequences of a table, found by their ids too; the first file that has one counts."""
    records = list(read_sequences(table))
    found: dict[str, _Found] = {}
    for file in files:
        matched = file.match(records)
        for record, vector in zip(records, matched.vectors, strict=True):
            known, reason = found.get(record.sequence, (None, ""))
            if known is None:
                found[record.sequence] = vector, matched.mismatched.get(record.id, reason)
    return found


def _short(sequence: str) -> str:
    return sequence if len(sequence) <= _SHOWN else f"{sequence[:_SHOWN]}... ({len(sequence):,} residues)"
