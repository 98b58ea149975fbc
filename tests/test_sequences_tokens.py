"""Residues as tokens: each its own number, pads a number of their own, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from sortilin.sequences import tokens

cleaned = st.text(alphabet=tokens.RESIDUES, min_size=1, max_size=40)


def test_residues_are_numbered_in_alphabetical_order_and_x_comes_last() -> None:
    assert tokens.encode("ACDEFGHIKLMNPQRSTVWY").tolist() == list(range(1, 21))
    assert tokens.encode("X").tolist() == [21]
    assert set(tokens.RESIDUES) == set(tiny.RESIDUES) | {"X"}
    assert tokens.N_TOKENS == 22


@pytest.mark.parametrize("text", ["ACDEFGHIKLMNPQRSTVWYX", "M"])
def test_tokens_are_integers_one_a_residue(text: str) -> None:
    found = tokens.encode(text)
    assert found.dtype == np.int64
    assert found.shape == (len(text),)


@given(st.lists(cleaned, min_size=1, max_size=6))
def test_padded_rows_hold_their_sequence_and_then_pads(sequences: list[str]) -> None:
    table = tokens.pad(sequences)
    assert table.dtype == np.int64
    assert table.shape == (len(sequences), max(map(len, sequences)))
    for row, sequence in zip(table, sequences, strict=True):
        letters = [tokens.RESIDUES[token - 1] for token in row[: len(sequence)]]
        assert "".join(letters) == sequence
        assert (row[: len(sequence)] != tokens.PAD).all()
        assert (row[len(sequence) :] == tokens.PAD).all()
