"""A large file → shards, which workers read side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from sortilin import files
from sortilin.errors import ConfigError, OutputError
from sortilin.report import open_output
from sortilin.scale.inputs import LIST
from sortilin.sequences.entries import Entry
from sortilin.sequences.parsing import parsed
from sortilin.sequences.source import Source

COMPRESSIONS = ("none", "gz", "zst")
DEFAULT_RESIDUES = 10_000_000


def cut(
    source: Source,
    folder: Path,
    *,
    n_residues: int = DEFAULT_RESIDUES,
    compression: str = "zst",
    on_shard: Callable[[int, int], None],
) -> int:
    """Write the records of a file, as they are, to shards of about equal numbers of residues.

    Records keep ids, descriptions and letters; labels of a table are not written. The list of shards appears
    when all are there.

    Args:
        source: FASTA or a table, plain or compressed.
        folder: Where shards are written; empty, or not there.
        n_residues: Letters a shard, at least 1; a longer record is a shard of its own.
        compression: One of `COMPRESSIONS`.
        on_shard: Called with shards and records written so far.

    Returns:
        How many shards.

    Raises:
        ConfigError: An option is not allowed, or the folder is not empty.
        InputError: The source cannot be read.
        OutputError: A shard cannot be written.
    """
    if n_residues < 1:
        raise ConfigError(f"a shard must have at least 1 residue, got {n_residues}")
    if compression not in COMPRESSIONS:
        raise ConfigError(f"shards are compressed by one of {', '.join(COMPRESSIONS)}, not '{compression}'")
    if folder.is_dir() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; shards need a folder of their own")
    files.claim(folder)
    ending = ".fasta" + ("" if compression == "none" else f".{compression}")
    written: list[dict[str, object]] = []
    n_records = 0
    with parsed(source, None) as (_, entries):
        for shard, own in groupby(_numbered(entries, n_residues), key=itemgetter(0)):
            path = folder / f"shard-{shard:05}{ending}"
            n_in_it = _write(path, map(itemgetter(1), own))
            n_records += n_in_it
            written.append({"name": path.name, "n_records": n_in_it, "n_bytes": path.stat().st_size})
            on_shard(len(written), n_records)
    record = {"format_version": 1, "source": str(source), "n_records": n_records, "shards": written}
    files.replace(folder / LIST, json.dumps(record, indent=1).encode())
    return len(written)


def _numbered(entries: Iterator[Entry], n_residues: int) -> Iterator[tuple[int, Entry]]:
    """The entries, each with the number of its shard."""
    shard, n_in_it = 0, 0
    for entry in entries:
        if n_in_it and n_in_it + len(entry.raw) > n_residues:
            shard, n_in_it = shard + 1, 0
        n_in_it += len(entry.raw)
        yield shard, entry


def _write(path: Path, entries: Iterator[Entry]) -> int:
    n_records = 0
    with open_output(path) as stream:
        for entry in entries:
            if entry.fault:
                raise OutputError(f"{path}: record {n_records + 1} of the shard {entry.fault}")
            stream.write(f">{entry.header if entry.id else entry.description}\n{entry.raw}\n".encode())
            n_records += 1
    return n_records
