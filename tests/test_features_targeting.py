"""Signals that textbook sequences show, and windows and motifs against plain loops."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from sortilin.features._encoding import EncodedBatch
from sortilin.features._windows import longest_run, sliding_sums
from sortilin.features.targeting import MOTIFS, VARIANT
from sortilin.sequences import read_sequences

EXAMPLES = Path(__file__).parents[1] / "examples" / "proteins.fasta"
PROTEINS = {record.id: record.sequence for record in read_sequences(EXAMPLES)}
INSULIN, LYSOZYME, MATING_FACTOR = (PROTEINS[name] for name in ("P01308", "P00698", "P01149"))
SOD2, COX4 = PROTEINS["P04179"], PROTEINS["P04037"]
GAPDH, ENOLASE, ALCOHOL_DEHYDROGENASE = (PROTEINS[name] for name in ("P04406", "P00924", "P06525"))

SHOWS = {
    "nls_monopartite": ("PKKKRKV", "PKTKRTV"),  # SV40 large T antigen; its mutant K128T (Kalderon 1984)
    "nls_pat7": ("PKKKRKV", "PKTTTKV"),
    "nls_bipartite": ("KRPAATKKAGQAKKKK", "KRPAATKAGQAKLL"),  # nucleoplasmin
    "nes_leucine_rich": ("ELALKLAGLDINK", "ELALKAAGADANK"),  # cAMP-dependent protein kinase inhibitor
    "rg_repeat": ("GGRGGFGG", "GGAGGFGG"),
    "rs_repeat": ("GRSRSRSP", "GRSGRSGP"),
    "zinc_finger_c2h2": ("FQCRICMRNFSRSDHLTTHIRTH", "FQARICMRNFSRSDHLTTHIRTH"),  # Zif268, finger 2
    "homeobox_helix": ("IKIWFQNRRMKW", "IKIWSQNRRMKW"),  # Antennapedia
    "er_retention": ("AVKDEL", "AVKDELA"),  # protein disulfide isomerase
    "dilysine": ("FSKKTN", "FSKKTNAAA"),
    "peroxisome_skl": ("GGKSKL", "GGKSKLA"),  # luciferase
    "prenylation_caax": ("GCMSCKCVLS", "GCMSCKSVLS"),  # H-Ras
    "n_glycosylation": ("AANGSA", "AANPSA"),
    "dibasic": ("EAKREA", "EAKAREA"),
    "cysteine_pair": ("GCAACG", "GCACG"),
    "myristoylation": ("MGSSKSKPK", "AMGSSKSKPK"),  # Src
    "poly_q": ("AQQQQA", "AQQQAQ"),
    "poly_s": ("ASSSSA", "ASSSAS"),
    "poly_acid": ("AEDEDEA", "AEDEDA"),
    "presequence_r2": ("MLSRAVCGTSRQLAPVL", "LSRAVCGTSRQLAPVL"),  # SOD2
}
"""Motif → a sequence that shows it, and a near one that does not."""

targeting = VARIANT()


def described(sequence: str) -> dict[str, float]:
    (row,) = targeting.transform([sequence])
    return dict(zip(targeting.feature_names, row.tolist(), strict=True))


def plain_count(name: str, sequence: str) -> int:
    return sum(1 for _ in re.finditer(MOTIFS[name].replace(r"\n", ""), sequence))


def counts(name: str, sequences: list[str]) -> list[float]:
    return list(EncodedBatch.of(sequences).motif_counts(re.compile(MOTIFS[name], re.MULTILINE)))


def test_every_motif_has_an_example() -> None:
    assert set(SHOWS) == set(MOTIFS)


@pytest.mark.parametrize("name", MOTIFS)
def test_motif_is_seen_in_its_example_only(name: str) -> None:
    with_motif, without = SHOWS[name]
    assert described(with_motif)[f"motif_{name}"] == pytest.approx(np.log(2), abs=1e-6)
    assert described(without)[f"motif_{name}"] == 0


@pytest.mark.parametrize("name", MOTIFS)
def test_motif_never_crosses_two_sequences(name: str) -> None:
    whole = SHOWS[name][0]
    for place in range(1, len(whole)):
        parts = [whole[:place], whole[place:]]
        assert counts(name, parts) == [plain_count(name, part) for part in parts]
        found = targeting.transform(["MA", *parts, "AV"])
        alone = [targeting.transform([part])[0] for part in parts]
        assert np.array_equal(found[1:3], alone)


@settings(deadline=None)
@given(sequences=st.lists(st.text("MKRDELCHGSPANFWQ", min_size=1, max_size=60), min_size=1, max_size=5))
def test_motifs_are_counted_as_in_each_sequence_alone(sequences: list[str]) -> None:
    for name in MOTIFS:
        assert counts(name, sequences) == [plain_count(name, sequence) for sequence in sequences]


@pytest.mark.parametrize("motif", ["er_retention", "peroxisome_skl", "dilysine", "prenylation_caax"])
def test_signal_of_the_c_terminus_counts_there_only(motif: str) -> None:
    signal = SHOWS[motif][0]
    assert described(ENOLASE + signal)[f"motif_{motif}"] > 0
    assert described(signal + "AGAGAGT")[f"motif_{motif}"] == 0


def test_signal_peptides_have_a_hydrophobic_core_and_a_cleavage_site() -> None:
    for secreted in (INSULIN, LYSOZYME, MATING_FACTOR):
        found = described(secreted)
        for cytosolic in (GAPDH, ENOLASE, ALCOHOL_DEHYDROGENASE):
            assert found["core_hydropathy"] > described(cytosolic)["core_hydropathy"]
            assert found["hydrophobic_run"] > described(cytosolic)["hydrophobic_run"]
        assert found["cleavage_site"] == 1
        assert 0 <= found["cleavage_distance"] < 12
    assert described(INSULIN)["n_region_charge"] == 1  # MALWMR before LLPLLALLA
    assert described("MALWMR")["cleavage_site"] == 0


def test_core_is_the_most_hydrophobic_stretch_of_nine() -> None:
    found = described("MKRDE" + "L" * 9 + "DEKRST" * 8)
    assert found["core_start"] == 5
    assert found["core_hydropathy"] == pytest.approx(3.8, abs=1e-6)
    assert found["n_region_charge"] == 0
    assert found["hydrophobic_run"] == 9


def test_presequences_are_amphipathic_basic_and_without_early_acid() -> None:
    cox4, sod2 = described(COX4), described(SOD2)
    for cytosolic in (ENOLASE, ALCOHOL_DEHYDROGENASE):
        found = described(cytosolic)
        assert min(cox4["moment_first"], sod2["moment_first"]) > found["moment_first"]
        assert min(cox4["charge_first25"], sod2["charge_first25"]) > found["charge_first25"]
    # The first strand of GAPDH is as amphipathic and basic as a presequence; its acids come early.
    for cytosolic in (ENOLASE, ALCOHOL_DEHYDROGENASE, GAPDH):
        assert min(cox4["first_acid"], sod2["first_acid"]) > described(cytosolic)["first_acid"]
        assert cox4["arginine_first40"] > described(cytosolic)["arginine_first40"]
    assert cox4["first_acid"] == COX4.index("E")
    assert described("MLSLRQSIRFFK")["first_acid"] == 60


def test_nuclear_proteins_have_dense_basic_patches() -> None:
    nuclear = [described(PROTEINS[name])["basic_high_9"] for name in ("Q05066", "P03069", "Q00958")]
    cytosolic = [described(p)["basic_high_9"] for p in (GAPDH, ENOLASE, ALCOHOL_DEHYDROGENASE)]
    assert min(nuclear) > max(cytosolic)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    widths=st.lists(st.integers(1, 45), min_size=1, max_size=3),
    seed=st.integers(0, 1000),
)
def test_window_extremes_are_those_of_a_plain_loop(lengths: list[int], widths: list[int], seed: int) -> None:
    values = np.random.default_rng(seed).integers(-50, 50, sum(lengths), dtype=np.int32)
    found = EncodedBatch.of(["A" * length for length in lengths]).window_extremes(values, widths)
    for width, (low, high) in zip(widths, found, strict=True):
        for i, own in enumerate(np.split(values, np.cumsum(lengths)[:-1])):
            sums = [own[start : start + width].sum() for start in range(max(len(own) - width + 1, 1))]
            assert (low[i], high[i]) == (min(sums), max(sums))


@given(
    rows=st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(st.sampled_from([0.0, 1.0]), min_size=12, max_size=12), min_size=n)
    ),
    width=st.integers(1, 12),
)
@settings(deadline=None)
def test_runs_and_sums_are_those_of_a_plain_loop(rows: list[list[float]], width: int) -> None:
    table = np.array(rows)
    texts = ["".join("1" if v else "0" for v in row) for row in rows]
    assert longest_run(table).tolist() == [max(map(len, text.split("0"))) for text in texts]
    expected = [[sum(row[i : i + width]) for i in range(12 - width + 1)] for row in rows]
    assert sliding_sums(table, width).tolist() == expected


def test_extreme_windows_of_a_known_chain() -> None:
    found = described("K" * 7 + "G" * 30 + "D" * 7)
    assert (found["charge_high_7"], found["charge_low_7"]) == (7, -7)
    assert (found["charge_high_31"], found["charge_low_31"]) == (7, -7)
    assert found["hydropathy_high_19"] == pytest.approx(-0.4 * 19, abs=1e-5)


@given(sequence=st.text(tiny.RESIDUES, min_size=1, max_size=200))
@settings(deadline=None)
def test_terminal_compositions_are_plain_counts(sequence: str) -> None:
    found = described(sequence)
    for prefix, stretch in (("first20", sequence[:20]), ("last60", sequence[-60:]), ("fraction", sequence)):
        for letter in tiny.RESIDUES:
            expected = stretch.count(letter) / len(stretch)
            assert found[f"{prefix}_{letter}"] == pytest.approx(expected, abs=1e-6)
