"""A set without near copies: by length, then greedy clusters of which the longest sequence stays.

As CD-HIT makes them (Li & Godzik 2006, doi:10.1093/bioinformatics/btl158): from the longest sequence to the
shortest, each joins the first cluster whose representative has enough equal residues over the shorter one's
length, or begins a cluster of its own. So no two of those that stay are near copies of each other.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Sequence
from dataclasses import dataclass
from subprocess import run

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, UnknownNameError
from sortilin.interfaces import OnProgress
from sortilin.sequences import cdhit, mmseqs, near

METHODS = ("auto", "cd-hit", "mmseqs", "builtin")
"""CD-HIT or else MMseqs2 where they are installed; each by name; or neither."""

SHORT, LONG, COPY, NEAR = "too short", "too long", "copy", "near copy"


@dataclass(frozen=True, slots=True)
class Rules:
    """What stays.

    Attributes:
        identity: Near copies share at least so many of the shorter one's residues, above 0 and up to 1.
        min_residues: Shorter sequences go.
        max_residues: Longer sequences go; None for no limit.
        method: One of `METHODS`.
        per_label: Whether each label is clustered by itself, so that near copies of different labels stay.
    """

    identity: float = near.MIN_IDENTITY
    min_residues: int = 1
    max_residues: int | None = None
    method: str = "auto"
    per_label: bool = False

    def __post_init__(self) -> None:
        near.Like(self.identity)
        if self.method not in METHODS:
            raise UnknownNameError("method", self.method, METHODS)
        if self.min_residues < 1:
            raise ConfigError(f"the shortest length is {self.min_residues}; allowed: 1 and more")
        if self.max_residues is not None and self.max_residues < self.min_residues:
            raise ConfigError(
                f"the longest length, {self.max_residues}, is below the shortest, {self.min_residues}"
            )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that goes.

    Attributes:
        row: Its number, from 0.
        reason: `SHORT`, `LONG`, `COPY` or `NEAR`.
        kept: The row that stays for it; None where its length is the reason.
        identity: Share of the shorter one's residues that are equal; None likewise.
    """

    row: int
    reason: str
    kept: int | None = None
    identity: float | None = None


@dataclass(frozen=True, slots=True)
class Deduped:
    """What stays of N rows, and what goes, why.

    Attributes:
        keep: (N,) whether a row stays.
        left_out: The rows that go, in order.
        conflicts: Rows that stay and stand for at least one row of another label.
        tool: What compared them, with versions.
    """

    keep: NDArray[np.bool_]
    left_out: tuple[LeftOut, ...]
    conflicts: tuple[int, ...]
    tool: str

    def n(self, reason: str) -> int:
        """Rows that go for a reason."""
        return sum(one.reason == reason for one in self.left_out)


def dedupe(
    sequences: Sequence[str],
    labels: Sequence[str] | None = None,
    rules: Rules | None = None,
    *,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Deduped:
    """Find what stays of a set.

    Of equal sequences the first row stays. Of unlike ones the order changes nothing: clusters begin with the
    longest sequence, of two as long with the one that is first by alphabet.

    Args:
        sequences: N cleaned sequences (20 letters and X, length >= 1).
        labels: N labels, to tell conflicts, and for `Rules.per_label`.
        rules: What stays.
        threads: Threads of CD-HIT or MMseqs2; None or 0 for all cores.
        on_progress: Called as (stage, done, total).

    Raises:
        ConfigError: A program is asked for and not installed, or cannot cluster at this identity.
        MissingDependencyError: PyOpal is not installed and CD-HIT is not used.
        SortilinError: A program failed.
    """
    rules = rules or Rules()
    method, program = _method(rules)
    keep = np.ones(len(sequences), dtype=bool)
    gone = _by_length(sequences, rules)
    first: dict[tuple[str, str], int] = {}  # of each sequence, and of each label where they are kept apart
    for row, sequence in enumerate(sequences):
        if row in gone:
            continue
        known = first.setdefault((labels[row] if rules.per_label and labels else "", sequence), row)
        if known != row:
            gone[row] = LeftOut(row, COPY, known, 1.0)
    for label in sorted({label for label, _ in first}):
        texts = sorted((text for its, text in first if its == label), key=lambda text: (-len(text), text))
        for member, to, identity in _greedy(texts, rules.identity, method, program, threads, on_progress):
            row = first[label, texts[member]]
            gone[row] = LeftOut(row, NEAR, first[label, texts[to]], identity)
    left_out = tuple(_followed(gone[row], gone) for row in sorted(gone))
    keep[list(gone)] = False
    return Deduped(keep, left_out, _conflicts(left_out, labels), _tool(method, program))


def _by_length(sequences: Sequence[str], rules: Rules) -> dict[int, LeftOut]:
    most = rules.max_residues
    gone = {}
    for row, sequence in enumerate(sequences):
        if len(sequence) < rules.min_residues:
            gone[row] = LeftOut(row, SHORT)
        elif most is not None and len(sequence) > most:
            gone[row] = LeftOut(row, LONG)
    return gone


def _followed(one: LeftOut, gone: dict[int, LeftOut]) -> LeftOut:
    """A copy of what is itself a near copy is one of what stays for that."""
    if one.kept is None or one.kept not in gone:
        return one
    further = gone[one.kept]
    return LeftOut(one.row, NEAR, further.kept, further.identity)


def _conflicts(left_out: Sequence[LeftOut], labels: Sequence[str] | None) -> tuple[int, ...]:
    if labels is None:
        return ()
    found = {one.kept for one in left_out if one.kept is not None and labels[one.kept] != labels[one.row]}
    return tuple(sorted(found))


def _method(rules: Rules) -> tuple[str, str | None]:
    """The method that is used, and the path of its program."""
    programs = {"cd-hit": cdhit.find, "mmseqs": mmseqs.find}
    if rules.method in programs:
        program = programs[rules.method]()
        if program is None:
            raise ConfigError(
                f"method '{rules.method}' is not on the PATH; install it, or choose another: "
                f"{', '.join(METHODS)}"
            )
        return rules.method, program
    if rules.method == "auto":
        for name, find in programs.items():
            program = find()
            if program is not None and not (name == "cd-hit" and rules.identity < cdhit.LEAST_IDENTITY):
                return name, program
    return "builtin", None


def _greedy(
    texts: Sequence[str],
    identity: float,
    method: str,
    program: str | None,
    threads: int | None,
    on_progress: OnProgress | None,
) -> list[tuple[int, int, float]]:
    """Who goes, for whom, and their identity; of different sequences in the order of clustering."""
    if method == "cd-hit" and program is not None:
        n = sum(len(text) >= cdhit.SHORTEST for text in texts)  # the longest stand in front
        found = cdhit.clusters(program, texts[:n], min_identity=identity, threads=threads)
        return [(member, one[0][0], share) for one in found for member, share in one[1:]]
    like = near.Like(identity, min_equal=1)
    found_pairs = near.greedy(texts, like, program=program, on_progress=on_progress)
    return [(pair.first, pair.second, pair.identity) for pair in found_pairs]


def _tool(method: str, program: str | None) -> str:
    if method == "cd-hit" and program is not None:
        said = run([program, "-h"], capture_output=True, text=True, check=False).stdout  # noqa: S603 - no shell
        version = re.search(r"version ([\d.]+)", said)
        return f"CD-HIT {version[1]}" if version else "CD-HIT"
    opal = f"Opal (PyOpal {importlib.metadata.version('pyopal')})"
    return opal if program is None else f"{opal} and MMseqs2 {mmseqs.version(program)}"
