"""What an audit looks for, and with what."""

from __future__ import annotations

from dataclasses import dataclass

from sortilin.errors import ConfigError, MissingDependencyError, UnknownNameError
from sortilin.sequences import homology, mmseqs, near, peptides

ALIGNERS = ("auto", "mmseqs", "builtin")
"""MMseqs2 where it is installed, always, or never."""

DEFAULT_SEED = 42
DEFAULT_FOLDS = 5


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What an audit looks for.

    Attributes:
        identity: Near copies share at least so many of the shorter one's residues, above 0 and up to 1.
        coverage: Smallest share of the longer one's residues that their alignment spans, 0 to 1.
        limit: Pairs down to this identity are found too, for a limit that is lower than `identity`.
        aligner: One of `ALIGNERS`.
        homologues: Whether homologues of test sequences are searched in training.
        max_e_value: Largest E-value of a homologue.
        shortcuts: Whether models of length alone and of composition alone are measured.
        folds: Folds of their cross-validation.
        seed: Its seed, and that of their fits.
        threads: Threads of searches; None or 0 for one a core.
        most_cells: Pairs of residues that are aligned for near copies at most; None for no limit.
        needs_aligner: Whether it is an error if near copies cannot be found, because the aligner is missing
            or there is more to align; else copies alone are found, and it is said.
    """

    identity: float = near.MIN_IDENTITY
    coverage: float = 0.0
    limit: float | None = None
    aligner: str = "auto"
    homologues: bool = True
    max_e_value: float = homology.MAX_E_VALUE
    shortcuts: bool = True
    folds: int = DEFAULT_FOLDS
    seed: int = DEFAULT_SEED
    threads: int | None = None
    most_cells: int | None = None
    needs_aligner: bool = True

    def __post_init__(self) -> None:
        if self.aligner not in ALIGNERS:
            raise UnknownNameError("aligner", self.aligner, ALIGNERS)
        if self.limit is not None and not 0 < self.limit <= 1:
            raise ConfigError(f"the limit of identity is {self.limit}; allowed: above 0, up to 1")
        if not self.max_e_value > 0:
            raise ConfigError(f"the largest E-value is {self.max_e_value}; allowed: above 0")
        if self.folds < 2:
            raise ConfigError(f"folds is {self.folds}; allowed: 2 and more")
        _ = self.like

    @property
    def like(self) -> near.Like:
        """What is searched for: near copies, or all down to the limit if that is lower."""
        floor = self.identity if self.limit is None else min(self.identity, self.limit)
        return near.Like(floor, min_coverage=self.coverage)

    def program(self) -> str | None:
        """Path of MMseqs2 if it is to be used.

        Raises:
            ConfigError: It is asked for and not installed.
        """
        found = None if self.aligner == "builtin" else mmseqs.find()
        if found is None and self.aligner == "mmseqs":
            raise ConfigError(
                "aligner 'mmseqs' needs MMseqs2, and no `mmseqs` is on the PATH; "
                "install it, or choose 'builtin'"
            )
        return found

    def lacks_aligner(self) -> str | None:
        """What is missing for near copies, in a sentence; None if nothing is.

        Raises:
            MissingDependencyError: PyOpal is not installed, and is needed.
        """
        try:
            peptides.require()
        except MissingDependencyError as missing:
            if self.needs_aligner:
                raise
            return str(missing)
        return None
