"""Groups of homologues: what must stand on one side of a split, if the other side is to say something of it.

Two sequences are linked if one finds the other at an E-value of at most 0.001 with 30 % or more equal
residues; on request only if the alignment spans enough of both. MMseqs2 searches where it is installed, else
phmmer. The two need not agree: they score, filter and align in other ways. Among 1,243 proteins of the
localization data MMseqs2 left 1,047 groups and phmmer 1,020.

An E-value says little of a peptide, whose own copy may score no higher than chance. So peptides are also
linked by identity over the shorter one (see `peptides`).

A group is all that hangs together by links. Two of its members need not be alike: proteins that share
domains in turn make long chains and large groups.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sortilin.errors import ConfigError, UnknownNameError
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import homology, mmseqs, peptides
from sortilin.sequences.relatives import Pairs, Relatives

MIN_IDENTITY = 0.3
"""Equal residues in the alignment of two homologues; below lies the twilight zone (Rost 1999).

doi:10.1093/protein/12.2.85
"""

AUTO, MMSEQS, BUILTIN = "auto", "mmseqs", "builtin"
TOOLS = (AUTO, MMSEQS, BUILTIN)
"""What searches: MMseqs2 where it is installed and else phmmer; MMseqs2; phmmer."""

Links = Iterable[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Groups:
    """Which sequences belong together.

    Attributes:
        labels: (N,) group of each sequence, counted from 0 in the order of their first members.
        tool: What compared them, with versions.
        relatives: All that the search has found of the sequences, also what is too far for a link.
    """

    labels: IntArray
    tool: str
    relatives: Relatives

    @property
    def n(self) -> int:
        """Number of groups."""
        return len(np.unique(self.labels))

    @property
    def largest(self) -> int:
        """Sequences in the largest group; 0 if there is none."""
        return int(np.bincount(self.labels).max(initial=0))


@dataclass(frozen=True, slots=True)
class Search:
    """How homologues are searched.

    Attributes:
        tool: One of `TOOLS`.
        min_coverage: Smallest share of both sequences that an alignment spans, above 0 and at most 1; None
            for any.
        sensitivity: Of MMseqs2, from 1 to 7.5; phmmer has no such setting.
    """

    tool: str = AUTO
    min_coverage: float | None = None
    sensitivity: float = mmseqs.MAX_SENSITIVITY

    def program(self) -> str | None:
        """Path of MMseqs2; None where phmmer searches.

        Raises:
            ConfigError: An option is not allowed, or MMseqs2 is asked for and not installed.
        """
        if self.tool not in TOOLS:
            raise UnknownNameError("search tool", self.tool, TOOLS)
        if self.min_coverage is not None and not 0 < self.min_coverage <= 1:
            raise ConfigError(f"min_coverage is {self.min_coverage}; allowed: above 0, and 1 at most")
        if not 1 <= self.sensitivity <= mmseqs.MAX_SENSITIVITY:
            raise ConfigError(f"sensitivity is {self.sensitivity}; allowed: 1 to {mmseqs.MAX_SENSITIVITY:g}")
        program = None if self.tool == BUILTIN else mmseqs.find()
        if self.tool == MMSEQS and program is None:
            raise ConfigError(
                f"MMseqs2 is not installed: there is no program '{mmseqs.PROGRAM}' on the PATH; install it "
                f"({mmseqs.INSTALL}), or search with phmmer: --tool {BUILTIN}"
            )
        return program


def groups(
    sequences: Sequence[str],
    *,
    min_identity: float = MIN_IDENTITY,
    min_identity_short: float = peptides.MIN_IDENTITY,
    max_e_value: float = homology.MAX_E_VALUE,
    search: Search | None = None,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Groups:
    """Groups of homologues; equal sequences are always in one.

    The order of the sequences changes nothing but the numbers of the groups.

    Args:
        sequences: N cleaned sequences (20 letters and X, length >= 1).
        min_identity: Smallest share of equal residues in an alignment with a good E-value, 0 to 1.
        min_identity_short: Smallest share of the shorter peptide's residues, 0 to 1.
        max_e_value: Largest E-value of a homologue.
        search: What searches, and how; MMseqs2 where it is installed by default.
        threads: Threads of the search; None or 0 for one a core.
        on_progress: Called as (stage, done, total).

    Raises:
        ConfigError: An identity is not between 0 and 1, or the E-value not above 0; the search's options are
            not allowed, or it asks for MMseqs2 and that is not installed.
        MissingDependencyError: Neither MMseqs2 nor PyHMMER is there, or PyOpal is not and there are
            peptides.
        SortilinError: MMseqs2 failed.
    """
    _check(min_identity, min_identity_short, max_e_value)
    search = search or Search()
    program = search.program()  # before anything long
    distinct = sorted(set(sequences))  # one order for all, so that no tool can depend on it
    tools, found = [], [Pairs.of(())]
    has_peptides = sum(len(sequence) <= peptides.MAX_RESIDUES for sequence in distinct) > 1
    if has_peptides:
        peptides.require()  # before the long search
    if len(distinct) > 1:
        pairs, named = _homologues(distinct, search, max_e_value, program, threads, on_progress)
        found.append(pairs)
        tools.append(named)
    links = [pairs.taken(pairs.identity >= min_identity).numbers() for pairs in found]
    if has_peptides:
        alike = peptides.similar_pairs(distinct, min_identity=min_identity_short, on_progress=on_progress)
        found.append(Pairs.of(alike))
        links.append(found[-1].numbers())
        tools.append(f"Opal (PyOpal {_version('pyopal')})")
    place = {sequence: number for number, sequence in enumerate(distinct)}
    number = np.array([place[sequence] for sequence in sequences], dtype=np.int64)
    group = np.array(_connected(len(distinct), links), dtype=np.int64)
    relatives = Relatives(number, Pairs.joined(found).ranked())
    return Groups(_numbered(group[number].tolist()), " and ".join(tools), relatives)


def _check(min_identity: float, min_identity_short: float, max_e_value: float) -> None:
    for name, value in (("min_identity", min_identity), ("min_identity_short", min_identity_short)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value}; allowed: 0 to 1")
    if not max_e_value > 0:
        raise ConfigError(f"max_e_value is {max_e_value}; allowed: above 0")


def _homologues(
    sequences: Sequence[str],
    search: Search,
    max_e_value: float,
    program: str | None,
    threads: int | None,
    on_progress: OnProgress | None,
) -> tuple[Pairs, str]:
    """Pairs of homologues of any identity, and what found them."""
    if program is None:
        in_process = homology.similar_pairs(
            sequences,
            max_e_value=max_e_value,
            min_coverage=search.min_coverage,
            threads=threads,
            on_progress=on_progress,
        )
        return Pairs.of(in_process), f"phmmer (PyHMMER {_version('pyhmmer')})"
    tell = on_progress or (lambda _stage, _done, _total: None)
    tool = f"MMseqs2 {mmseqs.version(program)}"
    tell(homology.STAGE, 0, 1)
    found = mmseqs.similar_pairs(
        program,
        sequences,
        max_e_value=max_e_value,
        min_coverage=search.min_coverage,
        sensitivity=search.sensitivity,
        threads=threads,
    )
    pairs = Pairs.of(found)
    tell(homology.STAGE, 1, 1)
    return pairs, tool


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # the search itself says that it is missing
        return "unknown"


def _connected(n: int, links: Iterable[Links]) -> list[int]:
    """A member of each one's group, the same for all of the group (union-find)."""
    above = list(range(n))

    def root(node: int) -> int:
        while above[node] != node:
            above[node] = node = above[above[node]]
        return node

    for pairs in links:
        for first, second in pairs:
            above[root(first)] = root(second)
    return [root(node) for node in range(n)]


def _numbered(names: Sequence[int]) -> IntArray:
    """0 for the first name, 1 for the next new one, ..."""
    number: dict[int, int] = {}
    return np.array([number.setdefault(name, len(number)) for name in names], dtype=np.int64)
