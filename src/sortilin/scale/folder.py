"""The folder of a run in parts.

    run.json                        what the run is: model, options, shards, size of parts
    parts/part-000000.parquet       the results of a part; not there if it has none
    parts/part-000000.json          that the part is done, and what was met in it; written last
    manifest.json                   all parts with their checksums, totals, workers; written when all are done

A part is done when its `.json` is there. Files appear whole or not at all, and a part gives the same content
whoever does it, so that it does no harm if two do.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from sortilin.errors import ConfigError, FormatError, InputError, OutputError
from sortilin.report._summary import to_json
from sortilin.scale.description import RunDescription
from sortilin.scale.places import N_READERS, LocalPlace, Place, place_of

FORMAT_VERSION = 1
RUN, PARTS, MANIFEST = "run.json", "parts", "manifest.json"
_HALF_WRITTEN_S = 600.0
"""A half-written file that is older has no writer any more."""


@dataclass(frozen=True, slots=True)
class Done:
    """A part that is done.

    Attributes:
        part: Its number.
        shard: Name of its shard.
        n_records: Records seen.
        n_rows: Results written.
        n_residues: Of the sequences with a result.
        skipped: Number in the part, id and reason of each record left out.
        failed: Numbers of those that the model could not read, rather than the reader: their ids are taken.
        is_tolerant: Whether such a record is listed and no fault of the part, even where others would be.
        unnamed: Numbers in the part of records without an id, which were named by them; True for all.
        counts: What else was counted, by kind.
        sha256: Of the file of results; "" where there is none.
        n_bytes: Its size.
        worker: Who did it: host, process, seconds, peak memory in bytes.
    """

    part: int
    shard: str
    n_records: int
    n_rows: int
    n_residues: int
    skipped: Sequence[tuple[int, str, str]] = ()
    failed: Sequence[int] = ()
    is_tolerant: bool = False
    unnamed: Sequence[int] | bool = ()
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sha256: str = ""
    n_bytes: int = 0
    worker: Mapping[str, Any] = field(default_factory=dict)

    def is_valid(self, on_error: str) -> bool:
        """Whether it is what a run would come to that fails at faulty records, or leaves them out."""
        n_tolerated = len(self.failed) if self.is_tolerant else 0
        return on_error == "skip" or len(self.skipped) == n_tolerated


class RunFolder:
    """The folder of a run, which may be in object storage.

    Args:
        address: Its path or address.
    """

    def __init__(self, address: str | Path) -> None:
        self.place = place_of(address)
        self.address = self.place.address

    def begin(self, description: RunDescription) -> None:
        """Take the folder for a run, or go on with the one that it holds.

        A shard may have been mended since, as long as no part of it is done.

        Raises:
            ConfigError: It holds another run.
            OutputError: It cannot be written.
        """
        there = self.description()
        if there is None:
            self._check_is_free()
            self._write(description)
            there = self.description()  # of an array, another job may have written at the same moment
        if there is not None and there != description:
            self._check_is_same(description, there)
            self._write(description)

    def _check_is_same(self, description: RunDescription, there: RunDescription) -> None:
        differences = description.differences(there)
        for name, parts in description.changed_shards(there):
            n_done = sum(self.done(part) is not None for part in parts)
            if n_done or not description.has_parts_of(there):
                done = f", and {n_done:,} of its {len(parts):,} parts are done" if n_done else ""
                differences.append(f"shard {name} was changed since{done}")
        if differences:
            raise ConfigError(
                f"{self.address} holds another run: {'; '.join(differences)}. Give the options of that run "
                "to go on with it, or choose another folder"
            )

    def _write(self, description: RunDescription) -> None:
        record = {"format_version": FORMAT_VERSION} | asdict(description)
        self.place.child(RUN).write(to_json(record, indent=2).encode())

    def _check_is_free(self) -> None:
        if self.place.n_bytes() is not None and not self.place.is_folder():
            raise OutputError(f"{self.address} is a file; parts need a folder")
        names = self.place.below() if self.place.is_folder() else []
        found = [name for name in names if not name.startswith(".") and "/." not in name]
        if found and self.place.child(RUN).n_bytes() is None:
            raise ConfigError(
                f"{self.address} holds {found[0]} and no {RUN}: it is no folder of a run; choose an empty one"
            )

    def description(self) -> RunDescription | None:
        """What run the folder holds; None for none.

        Raises:
            FormatError: Its description is damaged, or of a newer version.
        """
        content = self.place.child(RUN).read()
        if content is None:
            return None
        where = self.place.child(RUN).address
        try:
            record = json.loads(content)
            version = record.pop("format_version")
            if version > FORMAT_VERSION:
                raise FormatError(
                    f"{where} is of version {version}; this sortilin reads up to {FORMAT_VERSION}"
                )
            return RunDescription(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise FormatError(f"{where} is damaged") from None

    def file_of(self, part: int) -> Place:
        """Where the results of a part are."""
        return self.place.child(PARTS).child(f"part-{part:06}.parquet")

    def _note_of(self, part: int) -> Place:
        return self.place.child(PARTS).child(f"part-{part:06}.json")

    def finish(self, done: Done) -> None:
        """Note that a part is done; its results are there.

        Raises:
            OutputError: It cannot be written.
        """
        self._note_of(done.part).write(to_json(asdict(done)).encode())

    def done(self, part: int) -> Done | None:
        """What was noted of a part; None if it is not done, or its note or its file is damaged."""
        content = self._note_of(part).read()
        if content is None:
            return None
        try:
            record = json.loads(content)
            record["skipped"] = [tuple(one) for one in record["skipped"]]
            found = Done(**record)
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return found if not found.n_rows or self.file_of(part).n_bytes() == found.n_bytes else None

    def all_done(self, n_parts: int) -> dict[int, Done]:
        """Number of each part that is done → what was noted of it."""
        names = set(self.place.child(PARTS).below()) if self.place.child(PARTS).is_folder() else set()
        there = [number for number in range(n_parts) if f"part-{number:06}.json" in names]
        with ThreadPoolExecutor(N_READERS) as pool:
            found = zip(there, pool.map(self.done, there), strict=True)
            return {number: one for number, one in found if one is not None}

    def checked_file(self, done: Done) -> Place:
        """The results of a part, which are as they were written.

        Raises:
            InputError: They are missing or were changed.
        """
        place = self.file_of(done.part)
        with place.open() as stream:
            found = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        if found != done.sha256:
            raise InputError(
                f"{place.address} is not as it was written (its checksum differs); delete it and run again: "
                "only that part is done"
            )
        return place

    def tidy(self) -> None:
        """Remove what processes that were killed left half-written, on local disk; all parts are done."""
        if not isinstance(self.place, LocalPlace):
            return
        before = time.time() - _HALF_WRITTEN_S
        for path in (self.place.path / PARTS).glob(".part-*.partial-*"):
            with suppress(OSError):  # its writer may have come first
                if path.stat().st_mtime < before:
                    path.unlink()

    def write_manifest(self, description: RunDescription, parts: Mapping[int, Done]) -> None:
        """Write what the run came to; all parts are done.

        Raises:
            OutputError: It cannot be written.
        """
        in_order = [parts[number] for number in range(description.n_parts)]
        record = {
            "format_version": FORMAT_VERSION,
            "kind": description.kind,
            "version": description.version,
            "source": description.source,
            "totals": totals(in_order),
            "workers": workers(in_order),
            "parts": [_listed(one) for one in in_order],
        }
        self.place.child(MANIFEST).write(to_json(record, indent=1).encode())


def _listed(done: Done) -> dict[str, Any]:
    name = f"{PARTS}/part-{done.part:06}.parquet" if done.n_rows else None
    return {
        "part": done.part,
        "shard": done.shard,
        "file": name,
        "rows": done.n_rows,
        "bytes": done.n_bytes,
        "sha256": done.sha256,
    }


def totals(done: Sequence[Done]) -> dict[str, int]:
    """Sums over parts."""
    return {
        "parts": len(done),
        "records": sum(one.n_records for one in done),
        "rows": sum(one.n_rows for one in done),
        "residues": sum(one.n_residues for one in done),
        "skipped": sum(len(one.skipped) for one in done),
        "bytes": sum(one.n_bytes for one in done),
    }


def workers(done: Sequence[Done]) -> list[dict[str, Any]]:
    """Each process that did parts, with how many, its seconds of work and its peak memory."""
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for one in done:
        host, pid = one.worker["host"], one.worker["pid"]
        mine = found.setdefault(
            (host, pid), {"host": host, "pid": pid, "parts": 0, "seconds": 0.0, "peak_bytes": 0}
        )
        mine["parts"] += 1
        mine["seconds"] = round(mine["seconds"] + one.worker["seconds"], 3)
        mine["peak_bytes"] = max(mine["peak_bytes"], one.worker["peak_bytes"])
    return [found[key] for key in sorted(found)]
