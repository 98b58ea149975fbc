"""Agreement with another FASTA parser, Biopython's."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path

import pytest
from Bio.SeqIO.FastaIO import SimpleFastaParser
from hypothesis import given, settings
from hypothesis import strategies as st

from sortilin.sequences import SequenceRecord, clean, read_sequences

LETTERS = "ACDEFGHIKLMNPQRSTVWYacdefghiklmnpqrstvwyUXux"
bodies = st.text(LETTERS, min_size=1, max_size=200).map(lambda body: f"M{body}W")  # never DNA
descriptions = st.lists(st.text("abcXYZ019|=[]()é", min_size=1, max_size=8), max_size=3)


@st.composite
def fasta_files(draw: st.DrawFn) -> str:
    end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = [""] * draw(st.integers(0, 2))
    for number, body in enumerate(draw(st.lists(bodies, min_size=1, max_size=6))):
        lines.append(" ".join([f">id{number}", *draw(descriptions)]))
        for line in textwrap.wrap(body, draw(st.integers(1, 80))):
            lines += [line, *[""] * draw(st.integers(0, 1))]
    return end.join(lines) + draw(st.sampled_from(["", end, end * 2]))


def by_biopython(text: str) -> list[tuple[str, str, str]]:
    parsed = []
    for title, raw in SimpleFastaParser(io.StringIO(text, newline=None)):
        record_id, _, description = title.partition(" ")
        parsed.append((record_id, description, clean(raw)[0]))
    return parsed


def as_tuples(records: list[SequenceRecord]) -> list[tuple[str, str, str]]:
    return [(record.id, record.description, record.sequence) for record in records]


@settings(deadline=None)
@given(fasta_files())
def test_agrees_with_biopython_on_any_layout(text: str) -> None:
    assert as_tuples(list(read_sequences(io.BytesIO(text.encode())))) == by_biopython(text)


@pytest.mark.parametrize("name", ["blind", "cyto", "mito", "nucleus", "other", "secreted"])
def test_agrees_with_biopython_on_localization_files(shared_data: Path, name: str) -> None:
    path = shared_data / "psl" / f"{name}.fasta"
    records = list(read_sequences(path))
    assert as_tuples(records) == by_biopython(path.read_text())


@pytest.mark.parametrize("name", ["Test_1_N", "Test_1_P", "Train_N", "Train_P"])
def test_agrees_with_biopython_on_peptide_files(shared_data: Path, name: str) -> None:
    path = shared_data / "acp_ml" / f"{name}.fasta"
    assert as_tuples(list(read_sequences(path))) == by_biopython(path.read_text())
