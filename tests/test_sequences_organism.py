"""The organism in a header: as UniProt and NCBI write it, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sortilin.experiment import data
from sortilin.sequences.organism import organism


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Insulin OS=Homo sapiens OX=9606 GN=INS PE=1 SV=1", "Homo sapiens"),
        ("Eumenitin-R OS=Eumenes rubrofemoratus PE=1 SV=1", "Eumenes rubrofemoratus"),
        (
            "MICOS OS=Saccharomyces cerevisiae (strain ATCC 204508 / S288c) GN=MIC60",
            "Saccharomyces cerevisiae",
        ),
        ("VRN1 OS=Oryza sativa subsp. japonica GN=X", "Oryza sativa subsp. japonica"),
        ("OS=Mus musculus", "Mus musculus"),
        ("insulin preproprotein [Homo sapiens]", "Homo sapiens"),
        ("kinase [Candida albicans SC5314] ", "Candida albicans SC5314"),
        ("protein [EC:1.2.3.4]", ""),
        ("ATPase [2Fe-2S] cluster", ""),
        ("CHAOS=Homo sapiens", ""),
        ("TARGET=Nucleus SET=train", ""),
        ("", ""),
    ],
)
def test_organism_is_what_the_header_names(description: str, expected: str) -> None:
    assert organism(description) == expected


def test_organisms_of_data_follow_the_sequences(tmp_path: Path) -> None:
    path = tmp_path / "nucleus.fasta"
    path.write_text(">a x OS=Homo sapiens GN=A\nMKTA\n>b\nMKTV\n>c x OS=Mus musculus\nMKTA\n")
    other = tmp_path / "cytosol.fasta"
    other.write_text(">d y OS=Homo sapiens (Human) OX=9606\nMKWW\n>e [Danio rerio]\nMKYY\n")
    found, _ = data.load_parts("localization", [f"nucleus={path}", f"cytosol={other}"])
    assert found.organisms == ("Homo sapiens", "", "Mus musculus", "Homo sapiens", "Danio rerio")
    assert found.organism_counts == {"Homo sapiens": 2, "Danio rerio": 1, "Mus musculus": 1}
    once, n_repeats = found.distinct()
    assert n_repeats == 1
    assert once.organisms == ("Homo sapiens", "", "Homo sapiens", "Danio rerio")


def test_every_protein_of_the_localization_data_has_one(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    counts = data.load("localization", []).organism_counts
    assert (len(counts), sum(counts.values())) == (468, 7458)
    assert next(iter(counts.items())) == ("Homo sapiens", 1754)
