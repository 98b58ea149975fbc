"""What is known of a checkpoint before a file of it is read."""

from __future__ import annotations

from dataclasses import dataclass

MAIN = "main"
"""Revision of a checkpoint that is pinned on first use: its commit is recorded when it is fetched."""

RANDOM = "random"
"""How the revision of a model with random weights begins; no fetched file has such a revision."""

FOLDER = "sha256:"
"""How the revision of a local folder begins."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One trained protein language model.

    Attributes:
        name: Public short name ("esm2_t6"); of one that is not in the tables its hub id, or the name of its
            folder without the path, so that a copy elsewhere is the same.
        family: The file of this folder that holds its rules ("esm2").
        hub_id: Repository on the hub, or the absolute path of a local folder.
        revision: Commit hash (40 hexadecimal digits); "main" while one that is pinned on first use is not
            fetched; "sha256:..." of a local folder; "random-..." with random weights.
        width: D, numbers a residue.
        n_layers: Layers of the encoder.
        n_parameters: Numbers in the encoder as it is loaded: without pooling layer and without the head
            that predicts masked residues.
        download_bytes: Size of the files that are fetched; 0 where it is not known.
        licence: Licence of the weights, as its authors state it.
        citation: Authors, title, year and DOI.
        most_residues: Longest sequence that it can take (learned positions less special tokens); None: any.
        trained_residues: Longest sequence in pretraining; None where it is not known.
        half_precision: It was published in half precision.
    """

    name: str
    family: str
    hub_id: str
    revision: str
    width: int
    n_layers: int
    n_parameters: int
    download_bytes: int
    licence: str
    citation: str
    most_residues: int | None
    trained_residues: int | None
    half_precision: bool

    @property
    def origin(self) -> str:
        """Where it comes from, for others to read: its hub id, or the name of its folder without the path."""
        return self.name if self.revision.startswith(FOLDER) else self.hub_id
