"""STREME of the MEME suite (Bailey 2021), a program that is called where it is installed.

doi:10.1093/bioinformatics/btab203
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sortilin import seeding
from sortilin.errors import SortilinError
from sortilin.motifs._corpus import Corpus, scoring_table
from sortilin.motifs._enrichment import Counts
from sortilin.motifs._refinement import best_threshold
from sortilin.motifs.config import MotifConfig
from sortilin.motifs.meme import MemeMotif, read_meme
from sortilin.motifs.motif import Motif
from sortilin.sequences import programs

PROGRAM = "streme"
RESULT = "streme.txt"
_MAX_SEED = 2**31 - 1


def find() -> str | None:
    """Path of the program; None if it is not installed."""
    return shutil.which(PROGRAM)


def version(program: str) -> str:
    """What the program says of itself ("5.5.7").

    Raises:
        SortilinError: It cannot be run, or fails.
    """
    return programs.run([program, "--version"]).strip()


def found(
    program: str, positives: Sequence[str], controls: Sequence[str], config: MotifConfig, *, seed: int
) -> list[Motif]:
    """All motifs that STREME reports, the smallest p-value first.

    Matrices and p-values are STREME's. Its text does not give the score that makes a window a site, so that
    here it is the one that parts positives and controls best, over all sequences.

    Args:
        program: Path of STREME.
        positives: Distinct cleaned sequences.
        controls: Distinct cleaned sequences.
        config: Options.
        seed: Seed of STREME's split.

    Raises:
        SortilinError: The program cannot be run, fails, or writes no result.
        FormatError: Its result cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="sortilin-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files = {"--p": folder / "positives.fasta", "--n": folder / "controls.fasta"}
        for path, sequences in zip(files.values(), (positives, controls), strict=True):
            path.write_text("".join(f">s{number}\n{sequence}\n" for number, sequence in enumerate(sequences)))
        options: dict[str, object] = {
            **files,
            "--oc": folder / "out",
            "--minw": config.min_width,
            "--maxw": config.max_width,
            "--nmotifs": config.n_motifs,
            "--hofract": config.holdout,
            "--seed": seeding.child_seed(seed, "streme") % _MAX_SEED,
            "--verbosity": 1,
        }
        said = programs.run([program, "--protein", *(str(word) for pair in options.items() for word in pair)])
        result = folder / "out" / RESULT
        if not result.is_file():
            raise SortilinError(f"{program} wrote no {RESULT}; its last lines: {programs.last_lines(said)}")
        reported = read_meme(result)
    motifs = [_motif(one, len(reported), positives, controls) for one in reported]
    return sorted(motifs, key=lambda motif: (math.isnan(motif.p_value), motif.p_value))


def _motif(one: MemeMotif, n_tried: int, positives: Sequence[str], controls: Sequence[str]) -> Motif:
    """With a threshold and counts; of p-value and E-value, STREME's text gives one."""
    p_value = one.e_value / n_tried if math.isnan(one.p_value) else one.p_value
    log_odds = np.log2(np.maximum(one.matrix, 1e-6) / np.maximum(one.background, 1e-6))
    scores = []
    for sequences in (positives, controls):
        corpus = Corpus.of(sequences)
        scores.append(corpus.best(corpus.scores(scoring_table(log_odds))))
    threshold, _ = best_threshold(*scores) or (math.inf, 0.0)
    n_with = [int((best >= threshold).sum()) for best in scores]
    return Motif(
        name=one.name,
        matrix=one.matrix,
        background=one.background,
        n_sites=one.n_sites or 0,
        n_distinct=None,
        p_value=p_value,
        e_value=p_value * n_tried,
        threshold=threshold,
        held_out=None,
        counts=Counts(n_with[0], len(positives), n_with[1], len(controls)),
    )
