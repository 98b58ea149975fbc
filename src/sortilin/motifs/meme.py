"""Motifs in the MEME minimal format, which Tomtom, FIMO and their like read.

Format: https://meme-suite.org/meme/doc/meme-format.html
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sortilin.errors import FormatError
from sortilin.files import replace
from sortilin.interfaces import DoubleArray
from sortilin.motifs._corpus import N_RESIDUES
from sortilin.motifs.motif import Motif
from sortilin.sequences.residues import RESIDUES

_HEADER = re.compile(r"^letter-probability matrix:(.*)$")
_FIELD = re.compile(r"(\w+)=\s*(\S+)")
_FREQUENCY = re.compile(r"\b([A-Z])\s+([0-9.eE+-]+)")
_ROUNDING = 0.03
"""A row may miss 1 by so much: programs write few decimals. It is brought to 1."""


@dataclass(frozen=True, eq=False)
class MemeMotif:
    """A motif as a file in MEME format holds it.

    Attributes:
        name: Its identifier.
        matrix: (W, 20) probabilities, columns in the order of `residues.RESIDUES`, each row of sum 1.
        background: (20,) probabilities of the file; uniform where it gives none.
        n_sites: Sites that it was made from; None where the file does not say.
        e_value: After "E="; NaN where the file does not say.
        p_value: After "P="; NaN where the file does not say.
    """

    name: str
    matrix: DoubleArray
    background: DoubleArray
    n_sites: int | None
    e_value: float
    p_value: float


def write_meme(motifs: Sequence[Motif], path: str | os.PathLike[str]) -> None:
    """Write motifs in MEME minimal format, whole or not at all.

    Raises:
        OutputError: The file cannot be written.
    """
    replace(Path(path), to_meme(motifs).encode())


def to_meme(motifs: Sequence[Motif]) -> str:
    """Motifs as a text in MEME minimal format, with six decimals; the background is that of the first."""
    background = motifs[0].background if motifs else np.full(N_RESIDUES, 1 / N_RESIDUES)
    frequencies = " ".join(f"{r} {p:.6f}" for r, p in zip(RESIDUES, background, strict=True))
    lines = ["MEME version 5", "", f"ALPHABET= {RESIDUES}", ""]
    lines += ["Background letter frequencies", frequencies, ""]
    for motif in motifs:
        significance = "" if math.isnan(motif.e_value) else f" E= {motif.e_value:.3g}"
        lines += [
            f"MOTIF {motif.name}",
            f"letter-probability matrix: alength= {N_RESIDUES} w= {motif.width} nsites= {motif.n_sites}"
            + significance,
            *(" ".join(f"{p:.6f}" for p in row) for row in motif.matrix),
            "",
        ]
    return "\n".join(lines)


def read_meme(path: str | os.PathLike[str]) -> list[MemeMotif]:
    """The motifs of a file in MEME format, or in the output of a program that holds it, as STREME's.

    Raises:
        FormatError: It cannot be read, is of another alphabet than proteins, or a matrix is faulty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} cannot be read: {error}") from None
    return parse_meme(text, str(path))


def parse_meme(text: str, place: str) -> list[MemeMotif]:
    """The motifs of a text in MEME format.

    Args:
        text: Content of a file.
        place: What messages call it.

    Raises:
        FormatError: As `read_meme` raises it.
    """
    lines = text.splitlines()
    if not any(line.startswith("MEME version") for line in lines):
        raise FormatError(f"{place}: no line 'MEME version ...'; this is not the MEME motif format")
    order = _column_order(lines, place)
    background = _background(lines)
    return list(_motifs(lines, order, background, place))


def _column_order(lines: Sequence[str], place: str) -> list[int]:
    """Column of each residue of `RESIDUES` in the file's matrices."""
    letters = next((line.partition("=")[2].strip() for line in lines if line.startswith("ALPHABET=")), None)
    if letters is None:  # a block that spells the alphabet out, whose core letters are sorted
        return list(range(N_RESIDUES))
    if sorted(letters) != sorted(RESIDUES):
        raise FormatError(f"{place}: its alphabet is '{letters[:40]}'; allowed: the 20 residues {RESIDUES}")
    return [letters.index(residue) for residue in RESIDUES]


def _background(lines: Sequence[str]) -> DoubleArray:
    """(20,) frequencies below the line that announces them, until a motif begins."""
    found: dict[str, float] = {}
    starts = [n for n, line in enumerate(lines) if line.startswith("Background letter frequencies")]
    for line in lines[starts[0] + 1 :] if starts else []:
        if line.startswith("MOTIF") or len(found) >= N_RESIDUES:
            break
        found |= {letter: float(share) for letter, share in _FREQUENCY.findall(line)}
    if not set(RESIDUES) <= set(found):
        return np.full(N_RESIDUES, 1 / N_RESIDUES)
    shares = np.array([found[residue] for residue in RESIDUES])
    normalised: DoubleArray = shares / shares.sum()
    return normalised


def _motifs(
    lines: Sequence[str], order: list[int], background: DoubleArray, place: str
) -> Iterator[MemeMotif]:
    name = ""
    for number, line in enumerate(lines):
        if line.startswith("MOTIF "):
            name = line.split()[1] if len(line.split()) > 1 else ""
        elif header := _HEADER.match(line):
            if not name:
                raise FormatError(
                    f"{place}, line {number + 1}: a matrix without a line 'MOTIF name' above it"
                )
            fields = dict(_FIELD.findall(header[1]))
            matrix = _matrix(lines[number + 1 :], fields, f"{place}, motif {name}")[:, order]
            yield MemeMotif(
                name,
                matrix,
                background,
                n_sites=round(float(fields["nsites"])) if "nsites" in fields else None,
                e_value=float(fields.get("E", "nan")),
                p_value=float(fields.get("P", "nan")),
            )


def _matrix(lines: Sequence[str], fields: dict[str, str], place: str) -> DoubleArray:
    """(W, 20) in the file's order of columns, each row brought to sum 1."""
    width = int(fields["w"]) if "w" in fields else None
    rows: list[list[float]] = []
    for line in lines:
        if rows and len(rows) == width:
            break
        if not line.strip() and not rows:
            continue
        try:
            row = [float(cell) for cell in line.split()]
        except ValueError:
            break
        if not row:
            break
        rows.append(row)
    if not rows or (width is not None and len(rows) != width):
        raise FormatError(f"{place}: {len(rows)} rows of its matrix; expected {width or 'at least one'}")
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != N_RESIDUES), None)
    if wrong is not None:
        raise FormatError(
            f"{place}, row {wrong}: {len(rows[wrong - 1])} numbers; a protein motif has {N_RESIDUES}"
        )
    matrix = np.array(rows)
    sums = matrix.sum(axis=1, keepdims=True)
    if (matrix < 0).any() or (abs(sums - 1) > _ROUNDING).any():
        raise FormatError(f"{place}: its rows must be probabilities of sum 1")
    normalised: DoubleArray = matrix / sums
    return normalised
