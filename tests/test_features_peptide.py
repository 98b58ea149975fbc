"""What is known of well-known peptides, and pairs and moments against plain formulas."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from sortilin.features._encoding import ALPHABET, EncodedBatch
from sortilin.features._scales import EISENBERG, TRIAD_GROUPS, group_codes
from sortilin.features._windows import hydrophobic_moment
from sortilin.features.peptide import VARIANT
from sortilin.sequences import read_sequences

EXAMPLES = Path(__file__).parents[1] / "examples" / "peptides.fasta"
RECORDS = list(read_sequences(EXAMPLES, labels="biotrainer"))
PEPTIDES = st.text(tiny.RESIDUES + "X", min_size=1, max_size=60)

peptide = VARIANT()


def described(sequence: str) -> dict[str, float]:
    (row,) = peptide.transform([sequence])
    return dict(zip(peptide.feature_names, row.tolist(), strict=True))


def group_of(letter: str) -> int:
    return next(number for number, letters in enumerate(TRIAD_GROUPS) if letter in letters)


def plain_moment(stretch: str, width: int, degrees: float) -> float:
    """Eisenberg et al. 1984, equation 2, with X as 0."""
    values = [0.0 if letter == "X" else float(EISENBERG[ALPHABET.index(letter)]) for letter in stretch]
    angles = [math.radians(degrees) * n for n in range(len(values))]
    along = math.fsum(h * math.cos(a) for h, a in zip(values, angles, strict=True))
    across = math.fsum(h * math.sin(a) for h, a in zip(values, angles, strict=True))
    return math.hypot(along, across) / width


@settings(deadline=None)
@given(sequence=PEPTIDES, width=st.integers(1, 30), degrees=st.sampled_from([100.0, 160.0]))
def test_moment_is_that_of_the_formula(sequence: str, width: int, degrees: float) -> None:
    (found,) = hydrophobic_moment(EncodedBatch.of([sequence]).head(60), width, degrees)
    padded = sequence.ljust(60, "X")
    expected = [plain_moment(padded[i : i + width], width, degrees) for i in range(60 - width + 1)]
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


@settings(deadline=None)
@given(sequences=st.lists(PEPTIDES, min_size=1, max_size=4), gap=st.integers(1, 4))
def test_pairs_are_those_of_a_plain_loop(sequences: list[str], gap: int) -> None:
    codes = group_codes(TRIAD_GROUPS)
    found = EncodedBatch.of(sequences).pair_counts(codes, len(TRIAD_GROUPS), gap)
    expected = np.zeros_like(found).reshape(len(sequences), 7, 7)
    for i, sequence in enumerate(sequences):
        for first, second in zip(sequence, sequence[gap:], strict=False):
            if "X" not in (first, second):
                expected[i, group_of(first), group_of(second)] += 1
    assert np.array_equal(found, expected.reshape(found.shape))


@settings(deadline=None)
@given(sequence=st.text(tiny.RESIDUES, min_size=2, max_size=50))
def test_dipeptides_are_plain_counts(sequence: str) -> None:
    with_pairs = VARIANT(VARIANT.Config(dipeptides=True))
    assert with_pairs.feature_names[: len(peptide.feature_names)] == peptide.feature_names
    found = dict(zip(with_pairs.feature_names, with_pairs.transform([sequence])[0].tolist(), strict=True))
    pairs = [a + b for a, b in pairwise(sequence)]
    expected = {f"dipeptide_{a}{b}": pairs.count(a + b) / len(pairs) for a in ALPHABET for b in ALPHABET}
    assert {name: found[name] for name in found if name.startswith("dipeptide")} == pytest.approx(expected)


def test_membrane_active_peptides_are_basic_and_hormones_are_not() -> None:
    charge = {record.id: described(record.sequence)["net_charge"] for record in RECORDS}
    amidated = "P82387_aurein-1.2"  # its one positive charge is at the C terminus, which is not seen
    active = [charge[r.id] for r in RECORDS if r.label == "anticancer" and r.id != amidated]
    hormones = [charge[name] for name in ("P01308_insulin-B", "P01275_glucagon", "P01275_GLP-1")]
    assert min(active) > max(hormones)


def test_helix_and_strand_are_told_apart_by_their_moments() -> None:
    helix = described("LKKLLKLLKKLLKLLKKL")  # Leu and Lys on two sides of a helix (DeGrado & Lear 1985)
    strand = described("LKLKLKLKLKLKLKLKLK")
    assert helix["moment_alpha_18"] > 3 * helix["moment_beta_18"]
    assert strand["moment_beta_18"] > 3 * strand["moment_alpha_18"]


def test_entropy_is_zero_in_a_repeat_and_largest_with_all_residues() -> None:
    assert described("A" * 20)["entropy"] == 0
    assert described(tiny.RESIDUES)["entropy"] == pytest.approx(math.log2(20), abs=1e-6)


def test_affinity_for_the_interface_is_the_sum_of_the_published_values() -> None:
    found = described("WLK")  # Wimley & White 1996: -1.85, -0.56, 0.99 kcal/mol
    assert found["interface_sum"] == pytest.approx(-1.42, abs=1e-6)
    assert found["interface"] == pytest.approx(-1.42 / 3, abs=1e-6)


def test_charges_of_the_ends_are_those_of_their_residues() -> None:
    found = described("KKRAAGGGGGDEE")
    assert (found["charge_first5"], found["charge_last5"]) == (3, -3)
    assert (found["charge_first10"], found["net_charge"]) == (3, 0)
