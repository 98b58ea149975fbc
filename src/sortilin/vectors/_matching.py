"""Which vector of a file belongs to which record: by sequence where the file tells, else by id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import FormatError, escape_controls
from sortilin.sequences.record import CHANGES, SequenceRecord
from sortilin.vectors._sources import AMBIGUOUS, Source
from sortilin.vectors.kind import key_of

FloatArray = NDArray[np.float32]
_NAMED = 3
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class MatchedVectors:
    """The vectors of records, and what did not fit.

    Attributes:
        vectors: (D,) or (L, D) float32 each, finite, in the order of the records; None where there is none.
        width: D; 0 if no record has a vector.
        n_matched: Records that have one.
        unmatched: Ids of the records that the file does not know.
        mismatched: Id of a record → why the vector that the file has for it cannot be its own.
        description: What the file says of how its vectors were made.
        names: What the file calls its vectors.
        used: Which of them records asked for, by place.
    """

    vectors: list[FloatArray | None]
    width: int
    n_matched: int
    unmatched: tuple[str, ...]
    mismatched: Mapping[str, str]
    description: Mapping[str, str]
    names: Sequence[str] = field(repr=False)
    used: frozenset[int] = field(repr=False)

    @property
    def unused(self) -> tuple[str, ...]:
        """What the file calls the vectors that no record asked for."""
        return tuple(name for at, name in enumerate(self.names) if at not in self.used)

    def matrix(self) -> FloatArray:
        """The (N, D) vectors of all records.

        Raises:
            FormatError: A record has none, or one a residue; the message names the first of them.
        """
        lacking = [*self.mismatched, *self.unmatched]
        if lacking:
            reasons = [f"{name}: {reason}" for name, reason in self.mismatched.items()]
            shown = [*reasons, *(f"{name}: not in the file" for name in self.unmatched)][:_NAMED]
            more = "; ..." if len(lacking) > _NAMED else ""
            raise FormatError(
                f"{len(lacking)} of {len(self.vectors)} records have no vector ({'; '.join(shown)}{more})"
            )
        found = [values for values in self.vectors if values is not None]
        if any(values.ndim != 1 for values in found):
            raise FormatError("the vectors are those of residues, (L, D); a matrix needs one a sequence")
        return np.stack(found) if found else np.zeros((0, 0), np.float32)


@dataclass(slots=True)
class _Outcome:
    vectors: list[FloatArray | None]
    width: int = 0
    unmatched: list[str] = field(default_factory=list)
    mismatched: dict[str, str] = field(default_factory=dict)


def match(source: Source, records: Sequence[SequenceRecord | str], *, per_residue: bool) -> MatchedVectors:
    """Find the vector of each record.

    Raises:
        FormatError: The file's rows stand in the order of a table, and their number is not that of the
            records.
    """
    asked = [_as_record(record, number) for number, record in enumerate(records, 1)]
    places, faults = _in_order(source, asked) if source.in_order else _by_name(source, asked)
    outcome = _Outcome([None] * len(asked), mismatched=faults)
    # In the order of the file, and each vector once; the first one read decides on the width.
    read: tuple[int, FloatArray | str] = (AMBIGUOUS, "")
    for at, number in sorted((at, number) for number, at in places.items()):
        record = asked[number]
        if read[0] != at:
            read = at, _read(source, at)
        _settle(outcome, number, record, read[1], per_residue=per_residue)
    found = {number for number, values in enumerate(outcome.vectors) if values is not None}
    outcome.unmatched = [
        record.id
        for number, record in enumerate(asked)
        if number not in found and record.id not in outcome.mismatched
    ]
    return MatchedVectors(
        outcome.vectors,
        outcome.width,
        len(found),
        tuple(outcome.unmatched),
        outcome.mismatched,
        source.description,
        source.names,
        frozenset(places.values()),
    )


def _as_record(record: SequenceRecord | str, number: int) -> SequenceRecord:
    if isinstance(record, SequenceRecord):
        return record
    shown = record if len(record) <= _SHOWN else f"{record[:_SHOWN]}..."
    return SequenceRecord(f"sequence {number} ({shown})", record)


def _in_order(source: Source, records: Sequence[SequenceRecord]) -> tuple[dict[int, int], dict[str, str]]:
    if len(source.names) != len(records):
        raise FormatError(
            f"{source.path} has {len(source.names):,} rows without ids for {len(records):,} records; "
            "give the table that its rows stand beside, or a file with ids or sequences"
        )
    return {number: number for number in range(len(records))}, {}


def _by_name(source: Source, records: Sequence[SequenceRecord]) -> tuple[dict[int, int], dict[str, str]]:
    """Record → place, and id → what is wrong."""
    digests = source.by_digest
    places: dict[int, int] = {}
    for number, record in enumerate(records if digests else ()):
        at = next((digests[digest] for digest in digests_of(record.sequence) if digest in digests), None)
        if at is not None:
            places[number] = at
    if len(places) == len(records):
        return places, {}
    ids, faults = source.by_id, dict[str, str]()
    by_id: dict[int, int] = {}
    for number, record in enumerate(records):
        if number not in places:
            found = [ids[name] for name in _names_of(record) if name in ids]
            at = next((place for place in found if place != AMBIGUOUS), AMBIGUOUS)
            if at == AMBIGUOUS and found:
                faults[record.id] = "several vectors of the file have this id"
            elif found and source.is_of_a_sequence(at) and not _was_changed(record):
                faults[record.id] = "the file has this id for another sequence"
            elif found:
                by_id[number] = at
    shared = _shared(by_id, records)
    for number in shared:
        faults[records[number].id] = "several records with unlike sequences answer to one id of the file"
    return places | {number: at for number, at in by_id.items() if number not in shared}, faults


def digests_of(sequence: str) -> Iterator[str]:
    """A sequence as files call it: this package's key, biotrainer's, and the MD5 of bio_embeddings."""
    yield key_of(sequence)
    yield biotrainer_key(sequence)
    yield hashlib.md5(sequence.encode(), usedforsecurity=False).hexdigest()


def biotrainer_key(sequence: str) -> str:
    """SHA-256 of the sequence, "_" and its length: a name in biotrainer's files (1.4.0, utilities)."""
    return hashlib.sha256(f"{sequence}_{len(sequence)}".encode()).hexdigest()


def _names_of(record: SequenceRecord) -> Iterator[str]:
    """What a record may be called: its header or id; ProtTrans has "_" for slashes and dots."""
    for name in (f"{record.id} {record.description}".rstrip(), record.id):
        yield name
        yield name.replace("/", "_").replace(".", "_")


def _was_changed(record: SequenceRecord) -> bool:
    """Whether the residue policy changed its letters, so that no digest of the original can fit."""
    return any(flag.rpartition(":")[0] in CHANGES for flag in record.flags)


def _shared(by_id: Mapping[int, int], records: Sequence[SequenceRecord]) -> set[int]:
    """Records that were led to one place by their ids though their sequences differ."""
    asking: dict[int, set[str]] = {}
    for number, at in by_id.items():
        asking.setdefault(at, set()).add(records[number].sequence)
    return {number for number, at in by_id.items() if len(asking[at]) > 1}


def _read(source: Source, at: int) -> FloatArray | str:
    """Values as float32, or why they cannot be used."""
    try:
        values = source.read(at)
    except FormatError as error:
        return str(error)
    if values.dtype.kind not in "fiu":
        return f"it holds {values.dtype}, not numbers"
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    return values if np.isfinite(values).all() else "it holds values that are not finite"


def _settle(
    outcome: _Outcome,
    number: int,
    record: SequenceRecord,
    read: FloatArray | str,
    *,
    per_residue: bool,
) -> None:
    values = read if isinstance(read, str) else _shaped(read, len(record.sequence), per_residue=per_residue)
    if not isinstance(values, str) and outcome.width not in {0, values.shape[-1]}:
        values = f"it is {values.shape[-1]} wide, others {outcome.width}"
    if isinstance(values, str):
        outcome.mismatched[record.id] = escape_controls(values)
        return
    outcome.width = values.shape[-1]
    outcome.vectors[number] = values


def _shaped(values: FloatArray, n_residues: int, *, per_residue: bool) -> FloatArray | str:
    """(D,) or (L, D), or why it is neither."""
    if per_residue:
        if values.ndim == 1 and n_residues == 1:  # ProtTrans drops axes of length 1
            values = values[None]
        if values.ndim != 2:
            return f"it has shape {values.shape}; vectors of residues are (L, D)"
        if len(values) != n_residues:
            return f"it has vectors of {len(values):,} residues, the sequence has {n_residues:,}"
        return values
    if values.ndim == 2 and len(values) == 1:
        values = values[0]
    if values.ndim != 1 or not len(values):
        return f"it has shape {values.shape}, as vectors of residues have; asked for is one a sequence, (D,)"
    return values
