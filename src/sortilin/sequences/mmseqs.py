"""Searches with MMseqs2 (Steinegger & Söding 2017), a program that is called where it is installed.

doi:10.1038/nbt.3988
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sortilin.sequences import programs
from sortilin.sequences.homology import Hit
from sortilin.sequences.relatives import Pair

PROGRAM = "mmseqs"
INSTALL = "conda install -c conda-forge -c bioconda mmseqs2, brew install mmseqs2 or apt install mmseqs2"
MAX_SENSITIVITY = 7.5
"""The most sensitive search that the program offers; 1 is the fastest."""

_COLUMNS = "query,target,fident,alnlen,evalue,bits"
_SEARCH = {
    "-s": f"{MAX_SENSITIVITY:g}",
    "--max-seqs": "2000",  # homologues a query, beyond which its farthest ones are left out
    "--alignment-mode": "3",  # with identities
    "--dbtype": "1",  # proteins; else a peptide of A, C, G and T may be taken for DNA
    "--format-output": _COLUMNS,
}
_NEAR = {
    **_SEARCH,
    "-s": "2",  # near copies share many words
    "--mask": "0",  # also where both repeat a few residues
}
_LOCAL = 0.4
"""Identity of a local alignment may be so much lower than what counts for near copies."""

_NO_WORDS = "No k-mer could be extracted"
"""What the program says, and fails, where every sequence is too short (below 14 residues) or too plain."""

_Found = tuple[int, int, float, int, float, float]
"""Number of the query and of the target, then identity, columns, E-value and bits."""


def find() -> str | None:
    """Path of the program; None if it is not installed."""
    return shutil.which(PROGRAM)


def version(program: str) -> str:
    """What the program says of itself ("15-6f452").

    Raises:
        SortilinError: It cannot be run, or fails.
    """
    return programs.run([program, "version"], named=f"{program} version").strip()


def similar_pairs(
    program: str,
    sequences: Sequence[str],
    *,
    max_e_value: float,
    min_coverage: float | None = None,
    sensitivity: float = MAX_SENSITIVITY,
    threads: int | None = None,
) -> Iterator[Pair]:
    """Pairs of sequences of which one finds the other, whatever their identity; a pair may come twice.

    The identity is that of the local alignment: columns with equal residues over all columns, gaps among
    them.

    Args:
        program: Path of MMseqs2.
        sequences: Cleaned sequences (20 letters and X, length >= 1).
        max_e_value: Largest E-value, among all sequences.
        min_coverage: Smallest share of both sequences that the alignment spans, above 0 and at most 1; None
            for any.
        sensitivity: From 1, the fastest, to `MAX_SENSITIVITY`.
        threads: Threads of the program; None or 0 for one a core.

    Raises:
        SortilinError: The program cannot be run, or fails.
    """
    options = {**_SEARCH, "-e": f"{max_e_value:g}", "-s": f"{sensitivity:g}"}
    if min_coverage is not None:
        options |= {"-c": f"{min_coverage:g}", "--cov-mode": "0"}  # 0: of both
    for query, target, identity, n_columns, e_value, _ in _search(program, sequences, None, options, threads):
        if query != target:
            first, second = sorted((query, target))
            n_equal = round(identity * n_columns)  # it has three decimals; nident is always 0
            yield Pair(first, second, n_equal, identity, e_value)


def best_hits(
    program: str,
    queries: Sequence[str],
    targets: Sequence[str],
    *,
    max_e_value: float,
    threads: int | None = None,
) -> list[Hit | None]:
    """The nearest homologue of each query: lowest E-value, then highest score, then lowest index.

    Args:
        program: Path of MMseqs2.
        queries: Cleaned sequences (20 letters and X, length >= 1).
        targets: Cleaned sequences.
        max_e_value: Largest E-value, among all targets.
        threads: Threads of the program; None or 0 for one a core.

    Raises:
        SortilinError: The program cannot be run, or fails.
    """
    best: list[Hit | None] = [None] * len(queries)
    if not queries or not targets:
        return best
    options = {**_SEARCH, "-e": f"{max_e_value:g}"}
    for query, target, _, _, e_value, bits in _search(program, queries, targets, options, threads):
        held = best[query]
        if held is None or (e_value, -bits, target) < (held.e_value, -held.score, held.target):
            best[query] = Hit(target, e_value, bits)
    return best


def candidates(
    program: str, sequences: Sequence[str], *, min_identity: float, threads: int | None = None
) -> Iterator[tuple[int, int]]:
    """Pairs of numbers, the smaller first, of sequences that may be near copies; a pair may come twice.

    Args:
        program: Path of MMseqs2.
        sequences: Cleaned sequences of at least some tens of residues; shorter ones it does not find.
        min_identity: Share of the shorter one's residues that are equal in near copies, 0 to 1.
        threads: Threads of the program; None or 0 for one a core.

    Raises:
        SortilinError: The program cannot be run, or fails.
    """
    options = {**_NEAR, "--min-seq-id": f"{max(min_identity - _LOCAL, 0):.3f}"}
    for query, target, *_ in _search(program, sequences, None, options, threads):
        if query != target:
            yield (query, target) if query < target else (target, query)


def _search(
    program: str,
    queries: Sequence[str],
    targets: Sequence[str] | None,
    options: Mapping[str, str],
    threads: int | None,
) -> Iterator[_Found]:
    """All hits of queries among targets; among themselves where there are none."""
    with tempfile.TemporaryDirectory(prefix="sortilin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        query_path, hits = folder / "queries.fasta", folder / "hits.tsv"
        query_path.write_text(_fasta(queries))
        target_path = query_path
        if targets is not None:
            target_path = folder / "targets.fasta"
            target_path.write_text(_fasta(targets))
        files = [str(path) for path in (query_path, target_path, hits, folder / "work")]
        given = {**options, "--threads": str(threads or os.cpu_count() or 1)}
        said = [program, "easy-search", *files, *(word for pair in given.items() for word in pair)]
        if _NO_WORDS in programs.run(said, named=" ".join(said[:2]), but=_NO_WORDS):
            return
        with hits.open() as lines:
            for line in lines:
                query, target, share, n_columns, e_value, bits = line.split("\t")
                yield int(query), int(target), float(share), int(n_columns), float(e_value), float(bits)


def _fasta(sequences: Sequence[str]) -> str:
    return "".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences))
