"""Discriminative motif discovery: STREME where it is installed, else the method of this package."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sortilin import __version__, seeding
from sortilin.errors import ConfigError, InputError
from sortilin.interfaces import OnProgress
from sortilin.motifs import _builtin, streme
from sortilin.motifs.config import MotifConfig
from sortilin.motifs.motif import Motif
from sortilin.motifs.shuffling import shuffled
from sortilin.sequences.record import counted

MIN_HELD_OUT = 5
"""Sequences of either set that the held-out part must have, as in STREME."""

UNLIKE_LENGTHS = 1.25
"""Ratio of the mean lengths from which they are spoken of."""


@dataclass(frozen=True)
class Discovery:
    """What a search found.

    Attributes:
        motifs: The significant ones, the smallest p-value first.
        rejected: Those that were tried and are not significant, likewise.
        method: "builtin" or "streme".
        program: What computed it, with its version.
        positives: Distinct positives searched.
        controls: Distinct controls searched; shuffled positives where none were given.
        is_shuffled: There was no control.
        warnings: What a reader of the p-values must know.
    """

    motifs: tuple[Motif, ...]
    rejected: tuple[Motif, ...]
    method: str
    program: str
    positives: tuple[str, ...]
    controls: tuple[str, ...]
    is_shuffled: bool
    warnings: tuple[str, ...]

    @property
    def n_positives(self) -> int:
        """Distinct positives searched."""
        return len(self.positives)

    @property
    def n_controls(self) -> int:
        """Distinct controls searched."""
        return len(self.controls)


def discover(
    positives: Sequence[str],
    controls: Sequence[str] | None,
    config: MotifConfig,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> list[Motif]:
    """The significant motifs of the positives, the smallest p-value first; see `search`."""
    return list(search(positives, controls, config, seed=seed, on_progress=on_progress).motifs)


def search(
    positives: Sequence[str],
    controls: Sequence[str] | None,
    config: MotifConfig,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> Discovery:
    """Search motifs that stand in positives more often than in controls.

    A sequence counts once, however often it is given, and with one site or several alike. The order of the
    sequences changes nothing.

    Args:
        positives: Cleaned sequences.
        controls: Cleaned sequences; None or empty to shuffle the positives.
        config: Options.
        seed: Seed of the split, of shuffling, and of drawing from larger sets.
        on_progress: Called as (stage, done, total).

    Raises:
        InputError: There are too few sequences for a held-out part.
        ConfigError: STREME is asked for and not installed.
        SortilinError: STREME fails.
    """
    program = _program(config)
    wanted, repeats = _distinct(positives, config, seed, "positives")
    if controls:
        against, more = _distinct(controls, config, seed, "controls")
    else:
        draws = seeding.generator(seed, "motifs", "shuffle")
        against, more = shuffled(wanted, kmer=config.shuffle_kmer, draws=draws), []
    for name, sequences in (("positives", wanted), ("controls", against)):
        _check_held_out(name, len(sequences), config.holdout)
    if program is None:
        tried = _builtin.found(wanted, against, config, seed=seed, on_progress=on_progress)
    else:
        tried = streme.found(program, wanted, against, config, seed=seed)
    return Discovery(
        motifs=tuple(motif for motif in tried if motif.e_value <= config.p_threshold),
        rejected=tuple(motif for motif in tried if not motif.e_value <= config.p_threshold),
        method="builtin" if program is None else "streme",
        program=f"sortilin {__version__}" if program is None else f"STREME {streme.version(program)}",
        positives=tuple(wanted),
        controls=tuple(against),
        is_shuffled=not controls,
        warnings=(*repeats, *more, *_warnings(wanted, against)),
    )


def _program(config: MotifConfig) -> str | None:
    """Path of STREME, or None for the method of this package."""
    if config.method == "builtin":
        return None
    program = streme.find()
    if program is None and config.method == "streme":
        raise ConfigError(
            "method 'streme' needs the program streme of the MEME suite, which is not on the PATH; "
            "install it (https://meme-suite.org), or choose method 'builtin'"
        )
    return program


def _distinct(
    sequences: Sequence[str], config: MotifConfig, seed: int, name: str
) -> tuple[list[str], list[str]]:
    """Each sequence once, of large sets a random part; and what to say of it.

    Sorted, so that the order in which sequences are given decides nothing.
    """
    kept, said = sorted(set(sequences)), []
    if len(kept) < len(sequences):
        said.append(f"{name}: {counted(len(sequences) - len(kept), 'repeat')} left out")
    if len(kept) > config.max_sequences:
        draws = seeding.generator(seed, "motifs", "draw", name)
        chosen = np.sort(draws.permutation(len(kept))[: config.max_sequences])
        said.append(f"{name}: {config.max_sequences:,} of {len(kept):,} drawn at random")
        kept = [kept[i] for i in chosen]
    return kept, said


def _check_held_out(name: str, n: int, holdout: float) -> None:
    if _builtin.n_held_out(n, holdout) >= MIN_HELD_OUT:
        return
    needed = math.ceil((MIN_HELD_OUT - 0.5) / holdout)
    raise InputError(
        f"motif discovery holds back {holdout:.0%} of the {n} distinct {name} for its p-values, which is "
        f"{_builtin.n_held_out(n, holdout)}; at least {MIN_HELD_OUT} are needed: give {needed} sequences or "
        "more, or hold back a larger share (at most 50%)"
    )


def _warnings(positives: Sequence[str], controls: Sequence[str]) -> list[str]:
    said = []
    lengths = [sum(map(len, sequences)) / len(sequences) for sequences in (positives, controls)]
    if max(lengths) > UNLIKE_LENGTHS * min(lengths):
        said.append(
            f"positives have {lengths[0]:.0f} residues on average, controls {lengths[1]:.0f}: the longer "
            "ones hold any pattern more often, by chance alone"
        )
    n_both = len(set(positives) & set(controls))
    if n_both:
        said.append(f"positives and controls share {counted(n_both, 'sequence')}")
    return said
