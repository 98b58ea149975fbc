"""A search as a folder of files.

motifs.tsv       a row for each significant motif
motifs.meme      their matrices in MEME minimal format, for Tomtom, FIMO and their like
sites.tsv        where they stand among the positives
motifs.json      all figures, the rejected motifs too, and how they were made
logos/NAME.png   and .svg, a logo each
report.html      all of it on one page
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sortilin import __version__
from sortilin.files import replace
from sortilin.motifs import logos, tables
from sortilin.motifs.attention import Agreement
from sortilin.motifs.config import MotifConfig
from sortilin.motifs.discovery import Discovery
from sortilin.motifs.meme import to_meme
from sortilin.sequences import SequenceRecord

FORMAT, FORMAT_VERSION = "sortilin-motifs", 1
LOGOS = "logos"


@dataclass(frozen=True)
class Run:
    """A search with what it was given, as reports tell of it.

    Attributes:
        discovery: What was found.
        records: The positives as given, repeats included.
        positives: What the positives are, for a person.
        controls: What the controls are.
        config: Options.
        seed: Seed of all.
        command: The command line; empty where there was none.
        model: Name of the model whose attention was compared; None for none.
        n_permutations: Behind each agreement.
        n_trained_on: Positives that the model was trained on.
        agreements: Name of a motif → how attention agrees with its sites.
    """

    discovery: Discovery
    records: Sequence[SequenceRecord]
    positives: str
    controls: str
    config: MotifConfig
    seed: int
    command: str = ""
    model: str | None = None
    n_permutations: int = 0
    n_trained_on: int = 0
    agreements: Mapping[str, Agreement] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All figures, as `motifs.json` holds them."""
        found = self.discovery
        attention = {
            "model": self.model,
            "n_permutations": self.n_permutations,
            "n_positives_trained_on": self.n_trained_on,
        }
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "version": __version__,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self.command,
            "seed": self.seed,
            "config": self.config.model_dump(mode="json"),
            "method": found.method,
            "program": found.program,
            "positives": {"source": self.positives, **_of(found.positives)},
            "controls": {"source": self.controls, "is_shuffled": found.is_shuffled, **_of(found.controls)},
            "warnings": list(found.warnings),
            "n_tried": len(found.motifs) + len(found.rejected),
            "motifs": [tables.record(motif, self.agreements.get(motif.name)) for motif in found.motifs],
            "rejected": [tables.record(motif) for motif in found.rejected],
            "attention": None if self.model is None else attention,
        }


def write(run: Run, out: Path, *, with_logos: bool = True) -> dict[str, Any]:
    """Write the folder; the page comes last. Logos of an earlier search in it are removed.

    Args:
        run: The search.
        out: The folder, made where it does not exist.
        with_logos: Draw logos; else neither matplotlib nor logomaker is needed.

    Returns:
        Content of `motifs.json`.

    Raises:
        MissingDependencyError: What draws logos is not installed.
        OutputError: A file cannot be written.
    """
    from sortilin.report._motifs_page import build_page

    motifs, results = run.discovery.motifs, run.as_dict()
    pictures = {motif.name: logos.drawn(motif) for motif in motifs} if with_logos else {}
    replace(out / "motifs.tsv", tables.motifs_tsv(motifs, run.agreements).encode())
    replace(out / "motifs.meme", to_meme(motifs).encode())
    replace(out / "sites.tsv", tables.sites_tsv(motifs, run.records).encode())
    for old in (out / LOGOS).glob("*-*.*g"):
        if old.suffix in logos.ENDINGS:
            old.unlink()
    for name, pictured in pictures.items():
        for kind, content in pictured.items():
            replace(out / LOGOS / f"{name}.{kind}", content)
    replace(out / "motifs.json", (json.dumps(results, indent=1, allow_nan=False) + "\n").encode())
    drawings = {name: pictured["svg"] for name, pictured in pictures.items()}
    chemistry = [(kind, residues, colour) for kind, (residues, colour) in logos.CHEMISTRY.items()]
    replace(out / "report.html", build_page(results, drawings, chemistry).encode())
    return results


def _of(sequences: Sequence[str]) -> dict[str, Any]:
    lengths = [len(sequence) for sequence in sequences]
    return {"n": len(sequences), "mean_length": round(math.fsum(lengths) / len(lengths), 1)}
