"""Nearest homologues of sequences among others, with phmmer of HMMER 3 (Eddy 2011).

phmmer makes each query a profile (BLOSUM62) and compares it with every target; an E-value is the number of
targets that would score as high by chance among as many unrelated ones. It runs in this process through
PyHMMER (Larralde & Zeller 2023).

A peptide of a few residues is compared like any other, but its own copy may score too low to stand out from
chance: among 6,000 targets, most copies of six residues are missed and nearly all of nine are found.

doi:10.1371/journal.pcbi.1002195, doi:10.1093/bioinformatics/btad214
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sortilin.errors import MissingDependencyError
from sortilin.interfaces import OnProgress
from sortilin.sequences.relatives import Pair

if TYPE_CHECKING:
    from pyhmmer.easel import Alphabet, DigitalSequence

MAX_E_VALUE = 1e-3
"""A common limit of homology: one unrelated best hit in a thousand queries."""

STAGE = "homology search"
"""What a progress callback is told is being done."""

WINDOW = 5000
"""Residues that are compared at a time; longer sequences are cut. One protein in a thousand is longer.

HMMER takes 24 bytes for each pair of residues of an alignment, 0.6 GB here and 28 GB for two titins, and
refuses targets of more than 100,000 residues.
"""

_STEP = WINDOW // 2
"""From one window to the next, so that a homologous stretch of half a window stands whole in one."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A homologue.

    Attributes:
        target: Its index among the targets.
        e_value: Targets expected to score as high by chance; 0 below about 1e-300.
        score: Bits.
    """

    target: int
    e_value: float
    score: float


def best_hits(
    queries: Sequence[str],
    targets: Sequence[str],
    *,
    max_e_value: float = MAX_E_VALUE,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[Hit | None]:
    """The nearest homologue of each query: lowest E-value, then highest score, then lowest index.

    A query's result depends on the query and on the targets as a set, and on nothing else: not on other
    queries, not on threads.

    Args:
        queries: Cleaned sequences (20 letters and X, length >= 1).
        targets: Cleaned sequences.
        max_e_value: Largest E-value of a homologue, among all targets.
        threads: Queries searched at a time, each with up to 0.6 GB where both sequences are long; None
            or 0 for one a core.
        on_progress: Called after each query.

    Returns:
        One entry a query; None where no target is a homologue.

    Raises:
        MissingDependencyError: PyHMMER is not installed.
    """
    found = _search(queries, targets, max_e_value, threads, on_progress)
    return [min(hits, key=_rank, default=None) for hits in found]


def neighbours(
    queries: Sequence[str],
    targets: Sequence[str],
    *,
    max_e_value: float = MAX_E_VALUE,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> list[list[Hit]]:
    """All homologues of each query, the nearest first, each target once.

    Args:
        queries: Cleaned sequences (20 letters and X, length >= 1).
        targets: Cleaned sequences.
        max_e_value: Largest E-value of a homologue, among all targets.
        threads: Queries searched at a time; None or 0 for one a core.
        on_progress: Called after each query.

    Raises:
        MissingDependencyError: PyHMMER is not installed.
    """
    found = _search(queries, targets, max_e_value, threads, on_progress)
    return [sorted(hits, key=_rank) for hits in found]


def similar_pairs(
    sequences: Sequence[str],
    *,
    max_e_value: float = MAX_E_VALUE,
    min_coverage: float | None = None,
    threads: int | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Pair]:
    """Pairs of sequences of which one finds the other, whatever their identity; a pair may come twice.

    The identity is that of the hit's best domain: columns with equal residues over all columns of its
    alignment, gaps among them.

    Args:
        sequences: Cleaned sequences (20 letters and X, length >= 1).
        max_e_value: Largest E-value, among all sequences.
        min_coverage: Smallest share of both sequences that the alignment spans, above 0 and at most 1; None
            for any.
        threads: Queries searched at a time; None or 0 for one a core.
        on_progress: Called after each query.

    Raises:
        MissingDependencyError: PyHMMER is not installed.
    """
    for query, found in enumerate(_found(sequences, sequences, max_e_value, threads, on_progress)):
        for hit in found:
            target = int(hit.name)
            if target != query:
                alignment = hit.best_domain.alignment
                lengths = len(sequences[query]), len(sequences[target])
                if min_coverage is not None and _coverage(alignment, *lengths) < min_coverage:
                    continue
                n_equal, n_columns = _equal(alignment)
                ends = min(query, target), max(query, target)
                yield Pair(*ends, n_equal, n_equal / n_columns, hit.evalue)


def _equal(alignment: Any) -> tuple[int, int]:
    """Columns with equal residues, and all; HMMER writes uncertain ones in lower case, and gaps apart."""
    query, target = str(alignment.hmm_sequence).upper(), str(alignment.target_sequence).upper()
    return sum(a == b for a, b in zip(query, target, strict=True)), len(query)


def _coverage(alignment: Any, n_query: int, n_target: int) -> float:
    """Share of the sequence that is spanned less; of one that was cut, of a window."""
    of_query = alignment.hmm_to - alignment.hmm_from + 1
    of_target = alignment.target_to - alignment.target_from + 1
    return float(min(of_query / min(n_query, WINDOW), of_target / min(n_target, WINDOW)))


def _rank(hit: Hit) -> tuple[float, float, int]:
    return hit.e_value, -hit.score, hit.target


def _search(
    queries: Sequence[str],
    targets: Sequence[str],
    max_e_value: float,
    threads: int | None,
    on_progress: OnProgress | None,
) -> Iterator[Iterable[Hit]]:
    """Hits of each query in turn, in no order, each target once: the best of its windows."""
    for found in _found(queries, targets, max_e_value, threads, on_progress):
        best: dict[int, Hit] = {}
        for of_window in found:
            hit = Hit(int(of_window.name), of_window.evalue, of_window.score)
            best[hit.target] = min(best.get(hit.target, hit), hit, key=_rank)
        yield best.values()


def _found(
    queries: Sequence[str],
    targets: Sequence[str],
    max_e_value: float,
    threads: int | None,
    on_progress: OnProgress | None,
) -> Iterator[list[Any]]:
    """PyHMMER's hits of each query in turn, of all its windows."""
    results = _window_results(queries, targets, max_e_value, threads)
    by_query = itertools.groupby(results, key=lambda result: result[0])
    for n_done, (_, windows) in enumerate(by_query, 1):
        found = [hit for _, hits in windows for hit in hits]
        if on_progress is not None:
            on_progress(STAGE, n_done, len(queries))
        yield found


def _window_results(
    queries: Sequence[str], targets: Sequence[str], max_e_value: float, threads: int | None
) -> Iterator[tuple[int, Iterable[Any]]]:
    """Index of the query and PyHMMER's hits of each window of it, in the order of the queries."""
    try:
        from pyhmmer import easel
        from pyhmmer.hmmer import phmmer
    except ImportError:
        raise MissingDependencyError("homology search", "pyhmmer", "train") from None
    if not targets:  # PyHMMER would have no E-value
        yield from ((number, ()) for number in range(len(queries)))
        return
    letters = easel.Alphabet.amino()
    block = easel.DigitalSequenceBlock(letters, _windows(targets, letters))
    searches = list(_windows(queries, letters))
    found = phmmer(
        searches,
        block,
        cpus=threads or os.cpu_count() or 1,
        E=max_e_value,
        Z=len(targets),  # windows are not counted, so that cutting a target changes no other one's E-value
    )
    for search, top in zip(searches, found, strict=True):
        yield int(search.name), top.reported


def _windows(sequences: Sequence[str], letters: Alphabet) -> Iterator[DigitalSequence]:
    """PyHMMER's sequences, each with the index of the one that it is cut from as its name."""
    from pyhmmer.easel import TextSequence

    for number, sequence in enumerate(sequences):
        for start in range(0, max(len(sequence) - _STEP, 1), _STEP):
            window = sequence[start : start + WINDOW]
            yield TextSequence(name=str(number), sequence=window).digitize(letters)
