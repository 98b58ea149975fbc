"""What is known of a public dataset without having it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Layout = Literal["fasta", "fasta-pipe", "lines", "table"]
"""How a file holds its records: plain FASTA, FASTA with `>id|label`, one `label,SEQUENCE` a line, or a CSV
table with the columns `sequence` and `label`."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a dataset.

    Attributes:
        path: Where it stands below the data folder, with "/" ("psl/cyto.fasta").
        url: Source address, at a pinned commit. A spreadsheet (.xlsx) is written as a table once it is
            fetched.
        sha256: Checksum of its bytes, of a spreadsheet those of the table; 64 hexadecimal digits.
        n: Records in it.
        counts: Class → records; empty if the file has no labels.
        label: The class of all its records, if the file itself does not say.
        split: The split of all its records; None if the dataset has no splits.
    """

    path: str
    url: str
    sha256: str
    n: int
    counts: Mapping[str, int] = field(default_factory=dict)
    label: str | None = None
    split: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A published set of sequences.

    Attributes:
        name: Public name.
        title: One line for lists.
        description: What it holds, and what to know before it is used.
        source: The repository that it comes from.
        license: Its terms, as far as the source states them.
        citation: What to cite.
        layout: How its files hold their records.
        files: All files, in the order in which `load` reads them.
        labels: Label as written → class; empty if each file holds one class, or none.
    """

    name: str
    title: str
    description: str
    source: str
    license: str
    citation: str
    layout: Layout
    files: tuple[RemoteFile, ...]
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Records in all files."""
        return sum(file.n for file in self.files)

    @property
    def counts(self) -> dict[str, int]:
        """Class → records in all files; empty if the dataset has no labels."""
        total: Counter[str] = Counter()
        for file in self.files:
            total.update(file.counts)
        return dict(total)

    @property
    def splits(self) -> tuple[str, ...]:
        """Names of its splits, in order; empty if it has none."""
        return tuple(dict.fromkeys(file.split for file in self.files if file.split))
