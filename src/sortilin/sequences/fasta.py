"""FASTA → entries, by dnaio's parser."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import cast

from sortilin.sequences.entries import Entry


def fasta_entries(stream: io.BufferedReader) -> Iterator[Entry]:
    """The records of a FASTA stream in UTF-8, whatever the locale.

    Wrapped lines are joined, blank lines and lines that start with "#" are left out.
    """
    from dnaio.readers import FastaReader

    # dnaio's own record class allows ASCII headers only.
    reader = FastaReader(stream, sequence_class=_entry)
    reader._file.reconfigure(encoding="utf-8")
    return cast(Iterator[Entry], iter(reader))


def _entry(header: str, sequence: str, _qualities: None) -> Entry:
    parts = header.split(None, 1)
    return Entry(parts[0] if parts else "", parts[1] if len(parts) == 2 else "", sequence)
