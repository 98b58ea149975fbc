"""The paper's 71 features against Biopython, plain regular expressions and plain counting."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import tiny
from sortilin.features.paper71 import VARIANT
from sortilin.sequences import read_sequences

protparam = pytest.importorskip("Bio.SeqUtils.ProtParam")

PROTEINS = st.text(tiny.RESIDUES, min_size=1, max_size=150)
MOTIFS = {
    "motif_mito_M.{5,10}R": r"M.{5,10}R",
    "motif_nls_K.{2,4}K": r"K.{2,4}K",
    "motif_KDEL": r"KDEL$",
}
SPLIT = [1, 20, 20, 20, 2, 3, 5]
"""Columns of each kind: length, composition, first 50, last 50, pI and weight, motifs, the rest."""

paper71 = VARIANT()


def described(sequence: str) -> dict[str, float]:
    (row,) = paper71.transform([sequence])
    return dict(zip(paper71.feature_names, row.tolist(), strict=True))


def part(prefix: str, sequence: str) -> list[float]:
    return [value for name, value in described(sequence).items() if name.startswith(prefix)]


def protein_analysis(sequence: str) -> Any:
    return protparam.ProteinAnalysis(sequence)


def assert_as_protparam(sequence: str, found: dict[str, float]) -> None:
    analysis = protein_analysis(sequence)
    assert found["isoelectric_point"] == pytest.approx(analysis.isoelectric_point(), abs=1e-3)
    assert found["molecular_weight"] == pytest.approx(analysis.molecular_weight(), rel=1e-6)
    assert found["aromaticity"] == pytest.approx(analysis.aromaticity(), abs=1e-6)
    assert found["gravy"] == pytest.approx(analysis.gravy(), abs=1e-5)
    assert found["hydropathy_mean"] == found["gravy"]


def test_columns_are_71_in_the_order_of_the_paper() -> None:
    names = paper71.feature_names
    kinds = np.split(np.array(names), np.cumsum(SPLIT)[:-1])
    assert len(names) == sum(SPLIT) == 71
    assert [kind[0] for kind in kinds] == [
        *("length", "fraction_A", "first50_A", "last50_A", "isoelectric_point"),
        *("motif_mito_M.{5,10}R", "hydropathy_mean"),
    ]
    for kind, prefix in zip(kinds[1:4], ("fraction_", "first50_", "last50_"), strict=True):
        assert [name.removeprefix(prefix) for name in kind] == list(tiny.RESIDUES)
    assert names[61:] == (
        *("isoelectric_point", "molecular_weight", *MOTIFS),
        *("hydropathy_mean", "net_charge", "aromaticity", "gravy", "aliphatic_index"),
    )


@settings(deadline=None)
@given(sequence=PROTEINS)
@example(sequence="K")
@example(sequence="D" * 40)
@example(sequence="R" * 40)
def test_chemistry_is_that_of_biopython(sequence: str) -> None:
    assert_as_protparam(sequence, described(sequence))


def test_chemistry_of_real_proteins_is_that_of_biopython(shared_data: Path) -> None:
    records = list(read_sequences(shared_data / "psl" / "secreted.fasta"))[::25]
    sequences = [record.sequence for record in records if "X" not in record.sequence]
    for sequence, row in zip(sequences, paper71.transform(sequences).tolist(), strict=True):
        assert_as_protparam(sequence, dict(zip(paper71.feature_names, row, strict=True)))


@settings(deadline=None)
@given(sequences=st.lists(st.text("MKRDEL", min_size=1, max_size=30), min_size=1, max_size=5))
@example(sequences=["MAAAAAR", "MAAAAR", "MAAAAAAAAAAR", "MAAAAAAAAAAAR"])
@example(sequences=["KAAK", "KAK", "KAAAAK", "KAAAAAK", "KDEL", "KDELA", "DEL"])
@example(sequences=["MAAA", "AAAR", "KA", "AK", "KD", "EL"])
def test_motifs_are_those_of_plain_expressions(sequences: list[str]) -> None:
    table = paper71.transform(sequences)
    for name, pattern in MOTIFS.items():
        expected = [float(re.search(pattern, sequence) is not None) for sequence in sequences]
        assert table[:, paper71.feature_names.index(name)].tolist() == expected


@settings(deadline=None)
@given(sequence=PROTEINS)
def test_charge_and_aliphatic_index_are_plain_counts(sequence: str) -> None:
    found = described(sequence)
    n = {letter: sequence.count(letter) for letter in tiny.RESIDUES}
    assert found["net_charge"] == n["K"] + n["R"] + n["H"] - n["D"] - n["E"]
    aliphatic = n["A"] + 2 * n["V"] + 2.9 * (n["I"] + n["L"])
    assert found["aliphatic_index"] == pytest.approx(aliphatic / len(sequence), abs=1e-6)
    assert found["length"] == len(sequence)


@settings(deadline=None)
@given(sequence=PROTEINS)
def test_compositions_are_plain_counts(sequence: str) -> None:
    for prefix, stretch in (("fraction", sequence), ("first50", sequence[:50]), ("last50", sequence[-50:])):
        expected = [stretch.count(letter) / len(stretch) for letter in tiny.RESIDUES]
        assert part(prefix, sequence) == pytest.approx(expected, abs=1e-6)


@given(sequence=st.text(tiny.RESIDUES, min_size=1, max_size=50))
@settings(deadline=None)
def test_ends_of_a_sequence_shorter_than_50_are_the_whole(sequence: str) -> None:
    assert part("first50", sequence) == part("last50", sequence) == part("fraction", sequence)


@settings(deadline=None)
@given(sequence=st.text(tiny.RESIDUES + "XXX", min_size=1, max_size=80).filter(lambda s: s.strip("X")))
@example(sequence="MAAXAAAR")
@example(sequence="KDXEL")
@example(sequence="X" * 60 + "MK")
def test_unknown_residues_are_taken_out_first(sequence: str) -> None:
    assert described(sequence) == described(sequence.replace("X", ""))
