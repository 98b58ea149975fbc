"""What an embedder did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sortilin.sequences.record import counted


@dataclass(slots=True)
class EmbeddingReport:
    """Counts over all calls of one embedder.

    Attributes:
        n_sequences: Sequences asked for.
        n_known: Those whose vector was there already: in the store, or of an equal sequence before.
        n_computed: Distinct sequences that were computed.
        n_failed: Distinct sequences that got no vector.
        n_residues: Residues of those computed.
        seconds: Spent on computing, the loading of the model left out.
        n_splits: Batches that were split because memory was short.
        flags: What the length policy did ("shortened_to:2000") → sequences with a vector, computed or not.
        engine: What computed; empty while nothing was.
    """

    n_sequences: int = 0
    n_known: int = 0
    n_computed: int = 0
    n_failed: int = 0
    n_residues: int = 0
    seconds: float = 0.0
    n_splits: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    engine: str = ""

    @property
    def warnings(self) -> list[str]:
        """One line for each thing that a person should know."""
        lines = []
        if self.n_splits:
            lines.append(f"memory was short: batches split in two: {self.n_splits:,}")
        shortened = {flag: n for flag, n in self.flags.items() if flag.startswith("shortened_to")}
        for flag, n in shortened.items():
            kept = int(flag.partition(":")[2])
            lines.append(f"middle left out, {kept:,} residues kept: {counted(n, 'sequence')}")
        return lines
