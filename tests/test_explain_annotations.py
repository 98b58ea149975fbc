"""Feature files as UniProt and annotators write them, and what is refused."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from sortilin.errors import FormatError, InputError
from sortilin.explain import annotations as feature_files
from sortilin.sequences import SequenceRecord

INSULIN = SequenceRecord("sp|P01308|INS_HUMAN", "M" + "A" * 109)

UNIPROT_GFF = """##gff-version 3
##sequence-region P01308 1 110
P01308\tUniProtKB\tSignal peptide\t1\t24\t.\t.\t.\tevidence=ECO:0000269|PubMed:14426955\t
P01308\tUniProtKB\tPeptide\t25\t54\t.\t.\t.\tID=PRO_0000015819;Note=Insulin%20B%20chain\t
P01308\tUniProtKB\tDisulfide bond\t31\t96\t.\t.\t.\tNote=Interchain (between B and A chains)\t
"""

UNIPROT_TEXT = """ID   INS_HUMAN               Reviewed;         110 AA.
AC   P01308; Q5EEX2;
DE   RecName: Full=Insulin;
FT   SIGNAL          1..24
FT                   /evidence="ECO:0000269|PubMed:14426955"
FT   PEPTIDE         25..54
FT                   /note="Insulin B
FT                   chain"
FT                   /id="PRO_0000015819"
FT   DISULFID        31..96
FT                   /note="Interchain (between B and A chains)"
FT   VARIANT         24
FT                   /note="A -> D (in PNDM4)"
FT   TRANSIT         1..?
SQ   SEQUENCE   110 AA;  11981 MW;  C2C3B23B85E520E5 CRC64;
     MALWMRLLPL LALLALWGPD PAAAFVNQHL
//
"""

FEATURES = [
    {"type": "Signal", "location": {"start": {"value": 1, "modifier": "EXACT"}, "end": {"value": 24}}},
    {
        "type": "Peptide",
        "location": {"start": {"value": 25}, "end": {"value": 54}},
        "description": "Insulin B chain",
    },
    {"type": "Disulfide bond", "location": {"start": {"value": 31}, "end": {"value": 96}}},
    {"type": "Transit peptide", "location": {"start": {"value": 1}, "end": {"modifier": "UNKNOWN"}}},
]
UNIPROT_JSON = json.dumps(
    {"results": [{"primaryAccession": "P01308", "uniProtkbId": "INS_HUMAN", "features": FEATURES}]}
)
PROTEINS_API = json.dumps(
    [
        {
            "accession": "P01308",
            "features": [
                {"type": "SIGNAL", "begin": "1", "end": "24"},
                {"type": "PEPTIDE", "begin": "25", "end": "54", "description": "Insulin B chain"},
                {"type": "DISULFID", "begin": "31", "end": "96"},
            ],
        }
    ]
)
UNIPROT_TABLE = (
    "Entry\tReviewed\tSignal peptide\tPeptide\tDisulfide bond\tTransit peptide\n"
    'P01308\treviewed\tSIGNAL 1..24; /evidence="ECO:0000269|PubMed:14426955"\t'
    'PEPTIDE 25..54; /note="Insulin B chain"; /id="PRO_0000015819"\t'
    'DISULFID 31..96; /note="Interchain"\tTRANSIT 1..?; /note="Mitochondrion"\n'
)

ALIKE = {
    "gff": UNIPROT_GFF,
    "json": UNIPROT_JSON,
    "proteins api": PROTEINS_API,
    "table": UNIPROT_TABLE,
    "text": UNIPROT_TEXT.replace(
        'FT   VARIANT         24\nFT                   /note="A -> D (in PNDM4)"\n', ""
    ),
}


@pytest.mark.parametrize("text", ALIKE.values(), ids=list(ALIKE))
def test_each_format_gives_the_same_features(tmp_path: Path, text: str) -> None:
    path = tmp_path / "features.any"
    path.write_text(text)
    found = feature_files.read(path).of(INSULIN)
    assert [(s.name, s.start, s.end) for s in found] == [
        ("Signal peptide", 0, 24),
        ("Peptide", 24, 54),
        ("Disulfide bond", 30, 31),
        ("Disulfide bond", 95, 96),
    ]
    assert found[1].detail == "Insulin B chain"


def test_single_place_and_note_over_two_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "P01308.txt.gz"
    path.write_bytes(gzip.compress(UNIPROT_TEXT.encode()))
    found = {s.name: s for s in feature_files.read(path).of(SequenceRecord("INS_HUMAN", "M" * 110))}
    assert (found["Natural variant"].start, found["Natural variant"].end) == (23, 24)
    assert found["Natural variant"].detail == "A -> D (in PNDM4)"


def test_places_along_another_isoform_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("ID   A_HUMAN\nAC   P1;\nFT   VAR_SEQ         P1-2:3..5\nFT   CHAIN           2..9\n//\n")
    found = feature_files.read(path).of(SequenceRecord("P1", "M" * 10))
    assert [(s.name, s.start, s.end) for s in found] == [("Chain", 1, 9)]


def test_ids_that_no_sequence_has_are_told(tmp_path: Path) -> None:
    path = tmp_path / "f.gff"
    path.write_text(UNIPROT_GFF + "other\tx\tDomain\t1\t5\t.\t.\t.\t\n")
    features = feature_files.read(path)
    assert len(features) == 5
    assert features.unused() == ["P01308", "other"]
    assert features.of(SequenceRecord("stranger", "MAAA")) == []
    features.of(SequenceRecord("P01308", "M" * 110))
    assert features.unused() == ["other"]


def test_feature_behind_the_end_says_where_and_what(tmp_path: Path) -> None:
    path = tmp_path / "f.gff"
    path.write_text("##gff-version 3\np1\tx\tDomain\t3\t12\t.\t.\t.\t\n")
    with pytest.raises(InputError, match=r"f\.gff, line 2: 'Domain' of 'p1' is at 3 to 12.* has 10 residues"):
        feature_files.read(path).of(SequenceRecord("p1", "M" * 10))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id,sequence\np1,MAAA\n", "is no file of features; allowed: GFF3"),
        ("", "is no file of features"),
        ("##gff-version 3\np1 x Domain 3 12\n", "line 2: has 1 columns; GFF3 has 9"),
        ("##gff-version 3\np1\tx\tDomain\tthree\t12\t.\t.\t.\t\n", "line 2: start 'three' and end '12'"),
        ("##gff-version 3\np1\tx\tDomain\t9\t2\t.\t.\t.\t\n", "line 2: a feature at 9 to 2"),
        ("##gff-version 3\np1\tx\tDomain\t0\t2\t.\t.\t.\t\n", "places begin at 1"),
        ('{"results": [', "is no JSON"),
        ('[{"features": [{"type": "SIGNAL"}], "accession": "P1"}]', "entry P1: a feature without type"),
        ('[{"features": []}]', "an entry has no accession"),
        ('{"results": 5}', "holds no UniProt entries"),
        (
            '[{"accession": "P1", "features": [{"type": "SITE", "begin": "~1", "end": "2.5"}]}]',
            "entry P1: a feature at '~1' to '2.5', which are no whole numbers",
        ),
        ("Entry\tSignal peptide\nP1\n", "line 2: has 1 columns, the header has 2"),
    ],
)
def test_damaged_file_is_refused_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "f.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=words.replace("(", r"\(")):
        feature_files.read(path)


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.gff"):
        feature_files.read(tmp_path / "nothing.gff")
