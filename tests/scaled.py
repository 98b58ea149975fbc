"""Inputs for runs in parts, and what a merged result has in common with that of a plain run."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

import tiny

HEEDS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""A program that is started in the background may be told to ignore it, and what it starts with it."""

SORTILIN = (sys.executable, "-c", f"{HEEDS}from sortilin.cli.main import main; main()")
_DATE = re.compile(rb"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?([+]00:00| UTC)?)?")

Named = tuple[str, str]
"""A header, without ">", and a sequence."""


def peptides(seed: int, n: int, *, shortest: int = 5, longest: int = 50) -> list[Named]:
    """Records p0, p1, ... with random sequences that nobody takes for DNA."""
    found = tiny.random_sequences(seed, n, shortest=shortest, longest=longest)
    return [(f"p{at} number {at}", f"W{sequence}") for at, sequence in enumerate(found)]


def fasta_of(records: Iterable[Named]) -> bytes:
    """FASTA, a line a sequence."""
    return "".join(f">{header}\n{sequence}\n" for header, sequence in records).encode()


def packed(content: bytes, ending: str) -> bytes:
    """Compressed as the ending of a name says."""
    if ending.endswith(".gz"):
        return gzip.compress(content, mtime=0)
    if ending.endswith(".zst"):
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        return bytes(zstd.compress(content))
    return content


def shards_of(
    folder: Path, records: Sequence[Named], sizes: Sequence[int], endings: Sequence[str] = (".fasta",)
) -> Path:
    """A folder with shards of so many records, packed in turn; the last one has the rest."""
    folder.mkdir(parents=True)
    ends = [*np.cumsum(sizes).tolist(), len(records)]
    for at, (start, stop) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        ending = endings[at % len(endings)]
        (folder / f"shard-{at:03}{ending}").write_bytes(packed(fasta_of(records[start:stop]), ending))
    return folder


def parquet_of(path: Path, records: Sequence[Named], *, group: int, ids: bool = True) -> Path:
    """A Parquet file with so many rows in a row group."""
    import pyarrow
    import pyarrow.parquet

    columns: dict[str, Any] = {"sequence": [sequence for _, sequence in records]}
    if ids:
        columns = {"id": [header.split()[0] for header, _ in records], **columns}
    schema = pyarrow.schema([(name, pyarrow.string()) for name in columns])
    pyarrow.parquet.write_table(pyarrow.table(columns, schema=schema), path, row_group_size=group)
    return path


def parts_in(folder: Path) -> list[str]:
    """Names of all that stands where the parts are."""
    return sorted(entry.name for entry in (folder / "parts").iterdir())


def hidden_in(folder: Path) -> list[str]:
    """Files that were begun under another name and left, locks apart."""
    return [str(path) for path in folder.rglob(".*") if path.is_file() and not path.name.startswith(".lock-")]


def times_in(folder: Path) -> dict[str, int]:
    """When each file of the parts was written."""
    return {entry.name: entry.stat().st_mtime_ns for entry in (folder / "parts").iterdir()}


def meta_of(path: Path, *, same_bytes: bool = True) -> dict[str, Any]:
    """What stands beside an output, but for what differs between any two runs."""
    record: dict[str, Any] = json.loads(Path(f"{path}.meta.json").read_text())
    record.pop("date")
    record.pop("source")
    output = record.pop("output")
    return record | ({"sha256": output["sha256"]} if same_bytes else {})


def skipped_of(path: Path) -> str | None:
    """The list of records left out; None if there is none."""
    listed = Path(f"{path}.skipped.tsv")
    return listed.read_text() if listed.exists() else None


def check_same_tables(plain: Path, merged: Path) -> None:
    """Both files hold the same predictions, and what stands beside them says the same."""
    is_exact = not merged.name.endswith((".html", ".parquet"))
    if merged.name.endswith(".parquet"):
        import pyarrow.parquet

        left, right = (pyarrow.parquet.read_table(path) for path in (plain, merged))
        _check_equal(str(right.schema), str(left.schema), "columns")
        _check_equal(right.to_pydict(), left.to_pydict(), "rows")
    else:
        left, right = (_undated(path) for path in (plain, merged))
        _check_equal(right.splitlines(), left.splitlines(), "lines")
        assert right == left
    skipped, expected = ((skipped_of(path) or "").splitlines() for path in (merged, plain))
    _check_equal(skipped, expected, "list of records left out")
    about, wanted = (meta_of(path, same_bytes=is_exact) for path in (merged, plain))
    for key in about | wanted:
        _check_equal(about.get(key), wanted.get(key), f"meta.json, {key}")


def _undated(path: Path) -> bytes:
    content = path.read_bytes()
    return _DATE.sub(b"", content) if path.name.endswith(".html") else content


def _check_equal(found: Any, expected: Any, what: str) -> None:
    """`assert`, with the first difference in the message: pytest explains asserts of test files only."""
    if isinstance(found, list) and isinstance(expected, list):
        unlike = ((a, b) for a, b in zip_longest(found, expected) if a != b)
        found, expected = next(unlike, (None, None))
    assert found == expected, f"{what}: in parts {found!r}, in a plain run {expected!r}"


def environment() -> dict[str, str]:
    """Of a process of its own: no cluster of somebody else's, one thread."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"OMP_NUM_THREADS": "1"}


def begun(*args: object) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [*SORTILIN, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
