"""What a source consists of: one file, the files of a folder, or those that a pattern of names fits."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Literal

from sortilin.errors import FormatError, InputError
from sortilin.scale import places
from sortilin.scale.places import N_READERS, Place
from sortilin.sequences.parsing import BYTE_ORDER_MARK, is_fasta
from sortilin.sequences.source import COMPRESSIONS, STANDARD_INPUT

Kind = Literal["fasta", "parquet", "whole", "empty"]
"""Plain FASTA is cut anywhere between records, Parquet between row groups; tables and what is compressed are
read from their beginning and are one part each."""

ENDINGS = (".fasta", ".fa", ".faa", ".fas", ".pep", ".csv", ".tsv", ".parquet")
PACKED = tuple(f".{kind}" for kind in COMPRESSIONS.values())
LIST = "shards.json"
"""In a folder that `sortilin shards` made: what its shards are."""

_BLOCK = 1 << 16
_PARQUET = b"PAR1"


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the input.

    Attributes:
        name: Relative to the source; its base name, where the source is one file.
        address: Where it is.
        kind: How it can be cut.
        n_bytes: Its size.
        digest: Of its size and of what stands at its beginning, middle and end: tells a file that was changed
            without reading all of it.
    """

    name: str
    address: str
    kind: Kind
    n_bytes: int
    digest: str

    @property
    def identity(self) -> dict[str, Any]:
        """What it has in common with a copy of it elsewhere."""
        return {key: value for key, value in asdict(self).items() if key != "address"}


def find(source: str) -> list[Shard]:
    """The shards of a source, in the order of their names.

    Args:
        source: A file, a folder, or a pattern of names; on local disk or in object storage.

    Raises:
        InputError: There are none, one cannot be read, or one that the folder's list names is missing.
    """
    if source == STANDARD_INPUT:
        raise InputError(
            "standard input cannot be read in parts: give a file, a folder or a pattern of names"
        )
    if places.has_wildcards(source):
        return _of_pattern(source)
    place = places.place_of(source)
    if place.is_folder():
        return _of_folder(place)
    return [shard_of(place, place.name)]


def shard_of(place: Place, name: str) -> Shard:
    """Look at one file.

    Raises:
        InputError: It is missing or cannot be read.
    """
    with place.open() as stream:
        stream.seek(0, 2)
        n_bytes = stream.tell()
        head = _block(stream, 0)
        digest = hashlib.blake2b(f"{n_bytes}".encode() + head, digest_size=16)
        digest.update(_block(stream, n_bytes // 2))
        digest.update(_block(stream, max(n_bytes - _BLOCK, 0)))
    return Shard(name, place.address, _kind(head), n_bytes, digest.hexdigest())


def _of_pattern(source: str) -> list[Shard]:
    address, pattern = places.split_pattern(source)
    folder = places.place_of(address)
    if not folder.is_folder():
        raise InputError(f"{source}: there is no folder '{address}'")
    names = folder.matching(pattern)
    if not names:
        raise InputError(f"{source}: no file has a name that fits")
    return _shards_of(folder, names)


def _of_folder(folder: Place) -> list[Shard]:
    listed = folder.child(LIST).read()
    if listed is not None:
        return _listed(folder, listed)
    names = [name for name in folder.below() if _is_meant(name)]
    if not names:
        allowed = ", ".join(ENDINGS)
        raise InputError(f"{folder.address}: the folder has no file that ends in {allowed}, or these packed")
    return _shards_of(folder, names)


def _shards_of(folder: Place, names: Sequence[str]) -> list[Shard]:
    with ThreadPoolExecutor(N_READERS) as pool:
        return list(pool.map(lambda name: shard_of(folder.child(name), name), names))


def _is_meant(name: str) -> bool:
    base = name.rpartition("/")[2].lower()
    for ending in PACKED:
        base = base.removesuffix(ending)
    return base.endswith(ENDINGS) and not base.startswith(".")


def _listed(folder: Place, content: bytes) -> list[Shard]:
    """The shards that the list names; each must be there as it was written."""
    where = folder.child(LIST).address
    try:
        sizes = {str(one["name"]): int(one["n_bytes"]) for one in json.loads(content)["shards"]}
    except (ValueError, KeyError, TypeError):
        raise FormatError(f"{where} is damaged; make the shards again") from None
    there = set(folder.below())
    for name in sizes:
        if name not in there:
            raise InputError(f"{folder.address}: shard {name} is missing, which {LIST} names")
    found = _shards_of(folder, list(sizes))
    for shard in found:
        if shard.n_bytes != sizes[shard.name]:
            raise InputError(
                f"{shard.address} has {shard.n_bytes:,} bytes; {LIST} says {sizes[shard.name]:,}: was it cut "
                "short?"
            )
    return found


def _block(stream: BinaryIO, start: int) -> bytes:
    stream.seek(start)
    return stream.read(_BLOCK)


def _kind(head: bytes) -> Kind:
    if not head:
        return "empty"
    if head.startswith(_PARQUET):
        return "parquet"
    if any(head.startswith(magic) for magic in COMPRESSIONS):
        return "whole"
    for line in head.removeprefix(BYTE_ORDER_MARK).splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            return "fasta" if is_fasta(line) else "whole"
    return "whole"  # a long comment, or nothing but blank lines: reading it will tell
