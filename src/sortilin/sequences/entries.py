"""A record as a file holds it, before the residue policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple


class Entry(NamedTuple):
    """One record as written.

    Attributes:
        id: Its id; "" if its place is empty, None if the source has no place for ids.
        description: The rest of a FASTA header.
        raw: The sequence as written, line ends removed.
        label: The table's label cell; None if there is no such column.
        split: The table's split cell; None if there is no such column.
        fault: What is wrong with the record's form; "" if nothing.
        flags: Flags that the record brought along.
    """

    id: str | None
    description: str
    raw: str
    label: str | None = None
    split: str | None = None
    fault: str = ""
    flags: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """The FASTA header without its ">"."""
        return f"{self.id} {self.description}".rstrip()


@dataclass(frozen=True, slots=True)
class Origin:
    """Where entries come from, and in what form.

    Attributes:
        name: What messages call it.
        path: Path or name that a label can be taken from; None for a stream without one.
        columns: The table's column names, lower case; None for FASTA.
    """

    name: str
    path: str | None = None
    columns: tuple[str, ...] | None = None


Parsed = tuple[Origin, Iterator[Entry]]
