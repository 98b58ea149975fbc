"""Shards → parts, each with about the same number of residues; the same input always gives the same parts.

A part is cut by bytes, and bytes of plain FASTA are residues but for the headers: one titin among peptides
takes the room of a thousand of them, and holds no worker up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sortilin.errors import ConfigError, FormatError, MissingDependencyError
from sortilin.scale.inputs import Kind, Shard
from sortilin.scale.places import place_of
from sortilin.sequences.table import SEQUENCE_COLUMNS

MIN_PART_BYTES, MAX_PART_BYTES = 1 << 17, 1 << 25
N_PARTS = 4_000
"""About as many parts are made of a large input: enough that failures and unlike workers cost little."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is done in one go.

    Attributes:
        number: From 0, in the order of the input.
        shard: Name of the shard.
        address: Where the shard is.
        kind: How it is cut.
        start: First byte, or first row group.
        stop: Behind the last one; a FASTA record belongs where its first byte is.
    """

    number: int
    shard: str
    address: str
    kind: Kind
    start: int
    stop: int

    @property
    def name(self) -> str:
        """What messages call it."""
        where = {"fasta": f", bytes {self.start:,} to {self.stop:,}"}.get(self.kind, "")
        if self.kind == "parquet":
            where = f", row groups {self.start} to {self.stop - 1}"
        return f"{self.address}{where}"

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


def part_bytes_for(shards: Sequence[Shard]) -> int:
    """The size of parts for an input, if nobody chooses another."""
    total = sum(shard.n_bytes for shard in shards)
    return min(max(total // N_PARTS, MIN_PART_BYTES), MAX_PART_BYTES)


def plan(shards: Sequence[Shard], part_bytes: int) -> list[Part]:
    """The parts of an input.

    Args:
        shards: In order.
        part_bytes: About how large a part is, in bytes of the input, at least 1.

    Raises:
        ConfigError: `part_bytes` is less than 1.
        FormatError: A Parquet file is damaged, or has no column of sequences.
    """
    if part_bytes < 1:
        raise ConfigError(f"a part must have at least 1 byte, got {part_bytes}")
    cuts = ((shard, cut) for shard in shards for cut in _cuts(shard, part_bytes))
    return [
        Part(number, shard.name, shard.address, shard.kind, start, stop)
        for number, (shard, (start, stop)) in enumerate(cuts)
    ]


def _cuts(shard: Shard, part_bytes: int) -> Iterator[tuple[int, int]]:
    if shard.kind == "fasta":
        n_parts = max(round(shard.n_bytes / part_bytes), 1)
        ends = [shard.n_bytes * n // n_parts for n in range(n_parts + 1)]
        yield from pairwise(ends)
    elif shard.kind == "parquet":
        yield from _row_groups(shard, part_bytes)
    elif shard.kind == "whole":
        yield 0, shard.n_bytes


def _row_groups(shard: Shard, part_bytes: int) -> Iterator[tuple[int, int]]:
    """Runs of row groups; one alone may be larger than asked for."""
    sizes = _sequence_bytes(shard)
    start, held = 0, 0
    for group, n_bytes in enumerate(sizes):
        if held and held + n_bytes > part_bytes:
            yield start, group
            start, held = group, 0
        held += n_bytes
    if start < len(sizes):
        yield start, len(sizes)


def _sequence_bytes(shard: Shard) -> list[int]:
    """Bytes of sequences in each row group."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingDependencyError("Parquet input", "pyarrow", "parquet") from error
    with place_of(shard.address).open() as stream:
        try:
            about = pyarrow.parquet.ParquetFile(stream).metadata
        except (OSError, pyarrow.ArrowException) as error:
            raise FormatError(
                f"{shard.address} cannot be read as Parquet: {error}; is it cut short?"
            ) from None
        names = [about.schema.column(at).path for at in range(about.num_columns)]
        column = next((at for at, name in enumerate(names) if name.lower() in SEQUENCE_COLUMNS), None)
        if column is None:
            raise FormatError(
                f"{shard.address} has no column of sequences; it has {', '.join(names)}; allowed names: "
                f"{', '.join(SEQUENCE_COLUMNS)}"
            )
        return [
            about.row_group(g).column(column).total_uncompressed_size for g in range(about.num_row_groups)
        ]
