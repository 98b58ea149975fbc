"""Which columns of a table are a vector's, and keys of the sequences in a column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sortilin.errors import FormatError, ResidueError
from sortilin.sequences import clean
from sortilin.vectors.kind import key_of

_NUMBERED = re.compile(r"(.*?)(\d+)")


def numbered(columns: Sequence[str], path: Path) -> list[str]:
    """The columns that are numbered through ("0", "1", ... or "dim_1", "dim_2", ...), in that order.

    Raises:
        FormatError: There are several such groups.
    """
    groups: dict[str, dict[int, str]] = {}
    for column in columns:
        found = _NUMBERED.fullmatch(column.strip())
        if found:
            groups.setdefault(found[1], {})[int(found[2])] = column
    whole = {
        prefix: group
        for prefix, group in groups.items()
        if len(group) > 1 and sorted(group) == list(range(min(group), min(group) + len(group)))
    }
    if len(whole) > 1:
        shown = ", ".join(f"'{next(iter(group.values()))}', ..." for group in whole.values())
        raise FormatError(f"{path} has several groups of numbered columns ({shown}); one vector is expected")
    return [group[number] for group in whole.values() for number in sorted(group)]


def sequence_keys(sequences: Iterable[str]) -> list[str]:
    """The key of each sequence, cleaned as any sequence that is read; "" where it is none."""
    return [_key(sequence) for sequence in sequences]


def _key(sequence: str) -> str:
    try:
        return key_of(clean(sequence)[0])
    except ResidueError:
        return ""
