"""All against all with MMseqs2 (Steinegger & Söding 2017), a program that is called where it is installed.

doi:10.1038/nbt.3988
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sortilin.errors import SortilinError
from sortilin.sequences.relatives import Pair

PROGRAM = "mmseqs"

_SEARCH = {
    "-s": "7.5",  # the most sensitive
    "--max-seqs": "2000",  # homologues a query, beyond which its farthest ones are left out
    "--alignment-mode": "3",  # with identities
    "--dbtype": "1",  # proteins; else a peptide of A, C, G and T may be taken for DNA
    "--format-output": "query,target,fident,alnlen,evalue",
}
_NO_WORDS = "No k-mer could be extracted"
"""What the program says, and fails, where every sequence is too short (below 14 residues) or too plain."""

_LAST_LINES = 5
"""So many of the last lines of a failed program are quoted."""


def find() -> str | None:
    """Path of the program; None if it is not installed."""
    return shutil.which(PROGRAM)


def version(program: str) -> str:
    """What the program says of itself ("15-6f452").

    Raises:
        SortilinError: It cannot be run, or fails.
    """
    return _run([program, "version"]).strip()


def similar_pairs(
    program: str,
    sequences: Sequence[str],
    *,
    max_e_value: float,
    threads: int | None = None,
) -> Iterator[Pair]:
    """Pairs of sequences of which one finds the other, whatever their identity; a pair may come twice.

    The identity is that of the local alignment: columns with equal residues over all columns, gaps among
    them.

    Args:
        program: Path of MMseqs2.
        sequences: Cleaned sequences (20 letters and X, length >= 1).
        max_e_value: Largest E-value, among all sequences.
        threads: Threads of the program; None or 0 for one a core.

    Raises:
        SortilinError: The program cannot be run, or fails.
    """
    with tempfile.TemporaryDirectory(prefix="sortilin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        fasta, hits = folder / "sequences.fasta", folder / "hits.tsv"
        fasta.write_text("".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences)))
        options = {**_SEARCH, "-e": f"{max_e_value:g}", "--threads": str(threads or os.cpu_count() or 1)}
        files = [str(path) for path in (fasta, fasta, hits, folder / "work")]
        words = [program, "easy-search", *files, *(word for pair in options.items() for word in pair)]
        if _NO_WORDS in _run(words, but=_NO_WORDS):
            return
        with hits.open() as lines:
            for line in lines:
                query, target, share, n_columns, e_value = line.split("\t")
                if query != target:
                    first, second = sorted((int(query), int(target)))
                    identity = float(share)
                    n_equal = round(identity * int(n_columns))  # it has three decimals; nident is always 0
                    yield Pair(first, second, n_equal, identity, float(e_value))


def _run(command: Sequence[str], but: str | None = None) -> str:
    """Run the program and return all that it says.

    If it fails, what it says last is part of the error; if it says `but`, that is no error.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the words are ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SortilinError(f"{command[0]} cannot be run: {error.strerror or error}") from None
    if done.returncode and (but is None or but not in done.stdout):
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        last = "; ".join(said[-_LAST_LINES:]) or "it said nothing"
        raise SortilinError(
            f"{' '.join(command[:2])} failed with exit code {done.returncode}; its last lines: {last}"
        )
    return done.stdout
