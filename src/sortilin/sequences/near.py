"""Near copies: pairs of sequences of which the shorter one is nearly all in the longer one.

Identity is that of CD-HIT (Li & Godzik 2006, doi:10.1093/bioinformatics/btl158): equal residues in the
alignment over the length of the shorter sequence. So a fragment is a copy of what it is cut from, and a
peptide is not lost in a protein. Aligned as in `peptides`: globally with free ends, BLOSUM62, 11 for a gap
and 1 for each further residue in it. Opal aligns (in the way of Rognes 2011, doi:10.1186/1471-2105-12-221)
what shares enough words (see `words`). Where MMseqs2 is given, it chooses among sequences of more than
`peptides.MAX_RESIDUES` residues what is aligned, which is faster for many; shorter ones it would miss, since
it wants at least 14 residues and a good E-value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import IntArray, OnProgress
from sortilin.sequences import mmseqs, peptides
from sortilin.sequences.words import WordIndex, n_equal_needed, plan

MIN_IDENTITY = 0.9
STAGE = "comparing sequences"
_STEP = 100
"""Sequences between two calls of a progress callback."""


@dataclass(frozen=True, slots=True)
class Like:
    """When two different sequences are near copies.

    Attributes:
        min_identity: Smallest share of the shorter one's residues that are equal, above 0 and up to 1.
        min_equal: Fewer equal residues are chance, whatever their share.
        min_coverage: Smallest share of the longer one's residues that the alignment spans, 0 to 1; with 0
            a fragment is a near copy.
        max_residues: Only pairs whose longer one has at most so many residues; None for all.
    """

    min_identity: float = MIN_IDENTITY
    min_equal: int = peptides.MIN_EQUAL
    min_coverage: float = 0.0
    max_residues: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.min_identity <= 1:
            raise ConfigError(f"identity is {self.min_identity}; allowed: above 0, up to 1")
        if not 0 <= self.min_coverage <= 1:
            raise ConfigError(f"coverage is {self.min_coverage}; allowed: 0 to 1")

    def holds(self, n_equal: int, shorter: int) -> bool:
        """Whether so many equal residues are enough for a shorter one of so many residues."""
        return n_equal >= max(self.min_equal, n_equal_needed(shorter, self.min_identity))


@dataclass(frozen=True, slots=True)
class NearPair:
    """Two near copies.

    Attributes:
        first: Number of the one that comes first.
        second: Number of the other.
        n_equal: Equal residues in their alignment.
        identity: Share of the shorter one's residues that are equal, 0 to 1.
    """

    first: int
    second: int
    n_equal: int
    identity: float


def pairs(
    sequences: Sequence[str],
    like: Like,
    *,
    side: NDArray[np.bool_] | None = None,
    program: str | None = None,
    most_cells: int | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[NearPair]:
    """Pairs of near copies among N different sequences, each pair once, in no particular order.

    Args:
        sequences: N different cleaned sequences (20 letters and X, length >= 1).
        like: When two are near copies.
        side: (N,) of two sides, of which only pairs across are looked for; None for all pairs.
        program: Path of MMseqs2, if it is to choose what is aligned among longer sequences.
        most_cells: Pairs of residues that are aligned at most; None for no limit.
        on_progress: Called now and then.

    Raises:
        MissingDependencyError: PyOpal is not installed.
        InputError: More would have to be aligned, as among thousands of variants of one protein.
        SortilinError: MMseqs2 failed.
    """
    peptides.require()
    search = _Search.of(sequences, like, side, program)
    tell = on_progress or (lambda _stage, _done, _total: None)
    n_cells = 0
    for place in range(len(search.order)):
        candidates = search.candidates(place)
        n_cells += len(search.texts[place]) * int(search.lengths[candidates].sum())
        if most_cells is not None and n_cells > most_cells:
            raise InputError(
                f"too many of {len(sequences):,} sequences are alike, so that more than {most_cells:,} pairs "
                "of residues would have to be aligned"
            )
        yield from search.aligned(place, candidates)
        if (place + 1) % _STEP == 0 or place + 1 == len(search.order):
            tell(STAGE, place + 1, len(search.order))


def greedy(
    sequences: Sequence[str],
    like: Like,
    *,
    program: str | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[NearPair]:
    """Who joins whose cluster, from the longest sequence to the shortest; each joins one at most.

    Only with those that have joined nobody is anyone compared. Of several the longest is joined; of two as
    long, the one that is first by alphabet.

    Args:
        sequences: N different cleaned sequences (20 letters and X, length >= 1).
        like: When two are near copies.
        program: Path of MMseqs2, if it is to choose what is aligned among longer sequences.
        on_progress: Called now and then.

    Yields:
        `first` is who joins, `second` whom.

    Raises:
        MissingDependencyError: PyOpal is not installed.
        SortilinError: MMseqs2 failed.
    """
    peptides.require()
    search = _Search.of(sequences, like, None, program)
    tell = on_progress or (lambda _stage, _done, _total: None)
    n = len(search.order)
    place_of = {int(number): place for place, number in enumerate(search.order)}
    stands_alone = np.zeros(n, dtype=bool)
    for place in range(n - 1, -1, -1):
        candidates = search.candidates(place)
        mine = int(search.order[place])
        found = search.aligned(place, candidates[stands_alone[candidates]])
        others = {(pair.first if pair.second == mine else pair.second): pair for pair in found}
        if others:
            joined = max(others, key=place_of.__getitem__)
            yield NearPair(mine, joined, others[joined].n_equal, others[joined].identity)
        else:
            stands_alone[place] = True
        if (n - place) % _STEP == 0 or place == 0:
            tell(STAGE, n - place, n)


@dataclass(frozen=True, slots=True)
class _Search:
    """All against all in order of length, so that who asks is always the shorter one.

    Attributes:
        like: When two are near copies.
        order: Number of each sequence, from the shortest to the longest.
        texts: The sequences in that order.
        lengths: Of each of them.
        side: Of each of them.
        chosen: Place → longer ones that MMseqs2 found; None where it was not asked.
        aligner: Opal.
        targets: Its database of `texts`.
        indexes: Word length → index of `texts`, made when first needed.
    """

    like: Like
    order: IntArray
    texts: Sequence[str]
    lengths: IntArray
    side: NDArray[np.bool_] | None
    chosen: Mapping[int, set[int]] | None
    aligner: Any
    targets: Any
    indexes: dict[int, WordIndex] = field(default_factory=dict)

    @classmethod
    def of(
        cls, sequences: Sequence[str], like: Like, side: NDArray[np.bool_] | None, program: str | None
    ) -> _Search:
        from pyopal import Aligner, Database

        by_alphabet = sorted(range(len(sequences)), key=sequences.__getitem__, reverse=True)
        order = np.array(sorted(by_alphabet, key=lambda n: len(sequences[n])), dtype=np.int64)
        texts = [sequences[n] for n in order.tolist()]
        return cls(
            like=like,
            order=order,
            texts=texts,
            lengths=np.array([len(text) for text in texts], dtype=np.int64),
            side=None if side is None else side[order],
            chosen=None if program is None else _chosen(program, texts, like.min_identity),
            aligner=Aligner("BLOSUM62", gap_open=peptides.GAP_OPEN, gap_extend=peptides.GAP_EXTEND),
            targets=Database(texts),
        )

    def aligned(self, place: int, candidates: IntArray) -> Iterator[NearPair]:
        """The near copies of one sequence among some that are as long or longer."""
        shorter = len(self.texts[place])
        if not len(candidates):
            return
        some = self.targets.extract(candidates.tolist())
        for hit in self.aligner.align(self.texts[place], some, mode="full", algorithm="ov"):
            n_equal = hit.alignment.count("M")
            spans = hit.target_end - hit.target_start + 1
            if self.like.holds(n_equal, shorter) and spans >= self.like.min_coverage * hit.target_length:
                other = int(self.order[candidates[hit.target_index]])
                first, second = sorted((int(self.order[place]), other))
                yield NearPair(first, second, n_equal, n_equal / shorter)

    def candidates(self, place: int) -> IntArray:
        """Places of the sequences, as long or longer, that may be near copies of one."""
        shorter, n = int(self.lengths[place]), len(self.texts)
        if shorter < self.like.min_equal:
            return np.empty(0, dtype=np.int64)
        planned = plan(shorter, self.like.min_identity)
        if self.chosen is not None and shorter > peptides.MAX_RESIDUES:
            keep = np.zeros(n, dtype=bool)
            keep[list(self.chosen.get(place, ()))] = True
        elif planned is None:
            keep = np.ones(n, dtype=bool)
        else:
            k, n_shared = planned
            if k not in self.indexes:
                self.indexes[k] = WordIndex.of(self.texts, k)
            keep = self.indexes[k].n_shared(self.texts[place]) >= n_shared
        keep[: place + 1] = False
        if self.like.max_residues is not None:
            keep &= self.lengths <= self.like.max_residues
        if self.side is not None:
            keep &= self.side != self.side[place]
        return np.flatnonzero(keep)


def _chosen(program: str, texts: Sequence[str], min_identity: float) -> dict[int, set[int]]:
    """Place of the shorter → places of the longer ones that MMseqs2 finds, of those that it can find."""
    start = next((i for i, text in enumerate(texts) if len(text) > peptides.MAX_RESIDUES), len(texts))
    found: dict[int, set[int]] = defaultdict(set)
    if len(texts) - start > 1:
        for first, second in mmseqs.candidates(program, texts[start:], min_identity=min_identity):
            found[start + first].add(start + second)
    return found
