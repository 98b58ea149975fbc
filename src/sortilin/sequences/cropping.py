"""How much of a long sequence a model looks at.

The localization benchmark's code (Li) keeps the first 1,900 and the last 100 residues of a sequence
beyond 2,000: what targets a protein mostly stands at its ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from sortilin.errors import ConfigError


@dataclass(frozen=True, slots=True)
class LengthPolicy:
    """Which residues are kept.

    Attributes:
        max_residues: Longer sequences lose their middle; None keeps all whole.
        keep_last: Residues kept from the end of a longer one; the others are its first.

    Raises:
        ConfigError: More would be kept of the end than is kept in all.
    """

    max_residues: int | None = 2_000
    keep_last: int = 100

    def __post_init__(self) -> None:
        if self.max_residues is not None and not 0 <= self.keep_last < self.max_residues:
            raise ConfigError(
                f"keep_last is {self.keep_last}; allowed: 0 to max_residues - 1, here {self.max_residues - 1}"
            )

    def shortens(self, length: int) -> bool:
        """Whether a sequence of so many residues loses some."""
        return self.max_residues is not None and length > self.max_residues

    def apply(self, sequence: str) -> str:
        """The residues that are looked at, in order."""
        if self.max_residues is None or not self.shortens(len(sequence)):
            return sequence
        return sequence[: self.max_residues - self.keep_last] + sequence[len(sequence) - self.keep_last :]
