"""Clusters of near copies with CD-HIT (Li & Godzik 2006), a program that is called where it is installed.

doi:10.1093/bioinformatics/btl158
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sortilin.errors import ConfigError
from sortilin.sequences import programs

PROGRAM = "cd-hit"
LEAST_IDENTITY = 0.4
"""The program clusters proteins down to this identity."""

SHORTEST = 4
"""Fewest residues of a sequence that the program does not leave out."""

_WORDS = ((0.7, 5), (0.6, 4), (0.5, 3), (LEAST_IDENTITY, 2))
"""Smallest identity → length of words that the program's guide recommends from there on."""

_MEMBER = re.compile(r"\d+aa, >(\d+)\.\.\. (?:\*|at (?:.*/)?([\d.]+)%)")


def find() -> str | None:
    """Path of the program; None if it is not installed."""
    return shutil.which(PROGRAM)


def clusters(
    program: str, sequences: Sequence[str], *, min_identity: float, threads: int | None = None
) -> Iterator[list[tuple[int, float]]]:
    """Clusters, each as numbers of its sequences with their identity to the first, which represents them.

    Args:
        program: Path of CD-HIT.
        sequences: Different cleaned sequences (20 letters and X) of at least `SHORTEST` residues.
        min_identity: Share of the shorter one's residues, `LEAST_IDENTITY` to 1.
        threads: Threads of the program; None or 0 for all cores.

    Raises:
        ConfigError: The identity is below what the program can do.
        SortilinError: The program cannot be run, or fails.
    """
    if min_identity < LEAST_IDENTITY:
        raise ConfigError(
            f"identity is {min_identity}; CD-HIT clusters from {LEAST_IDENTITY} on; use the method 'builtin'"
        )
    if not sequences:
        return
    shortest = min(map(len, sequences))
    with tempfile.TemporaryDirectory(prefix="sortilin-", ignore_cleanup_errors=True) as name:
        source, out = Path(name) / "in.fasta", Path(name) / "out"
        source.write_text("".join(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences)))
        options = {
            "-i": str(source),
            "-o": str(out),
            "-c": f"{min_identity:g}",
            "-n": str(max(min(_word(min_identity), shortest - 2), 2)),
            "-l": str(shortest - 1),  # it leaves out what is not longer
            "-d": "0",
            "-M": "0",
            "-T": str(threads or 0),
        }
        programs.run([program, *(word for pair in options.items() for word in pair)])
        yield from _parsed(out.with_suffix(".clstr").read_text())


def _word(min_identity: float) -> int:
    return next(k for least, k in _WORDS if min_identity >= least)


def _parsed(text: str) -> Iterator[list[tuple[int, float]]]:
    for part in text.split(">Cluster ")[1:]:
        members = [
            (int(number), float(share) / 100 if share else 1.0) for number, share in _MEMBER.findall(part)
        ]
        first = next(place for place, line in enumerate(part.splitlines()[1:]) if line.endswith("*"))
        members.insert(0, members.pop(first))
        yield members
