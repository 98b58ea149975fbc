"""Every registered descriptor set: what it says of a sequence depends on that sequence alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import tiny
from sortilin import registry
from sortilin.interfaces import Descriptor, FloatArray

VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in registry.names("features")),
    ("peptide", {"dipeptides": True}),
]
RESIDUES = st.text(tiny.RESIDUES + "X", min_size=1, max_size=130)
SEQUENCES = (
    *("M", "X", "MK", "XX", "MKVLA", "XMKVX", "MKXXXXXXXXXXXXXXXXXXVL", "X" * 60),
    *(letter * length for letter in tiny.RESIDUES for length in (1, 60)),
    *tiny.random_sequences(1, 60, longest=400),
    *tiny.random_sequences(2, 20, longest=120, letters=tiny.RESIDUES + "XXXXX"),
    *tiny.random_sequences(3, 1, shortest=35_000, longest=35_000),
)


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: "+".join([v[0], *v[1]]))
def descriptor(request: pytest.FixtureRequest) -> Descriptor:
    name, options = request.param
    variant = registry.get("features", name)
    made: Descriptor = variant(variant.Config(**options))
    return made


@pytest.fixture(scope="module")
def table(descriptor: Descriptor) -> FloatArray:
    return descriptor.transform(SEQUENCES)


def assert_same_bits(found: FloatArray, expected: FloatArray) -> None:
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def test_table_has_a_row_a_sequence_and_a_column_a_name(descriptor: Descriptor, table: FloatArray) -> None:
    assert table.shape == (len(SEQUENCES), len(descriptor.feature_names))
    assert table.dtype == np.float32
    assert np.isfinite(table).all()


def test_names_differ_and_fit_a_table(descriptor: Descriptor) -> None:
    assert len(set(descriptor.feature_names)) == len(descriptor.feature_names)
    assert all(name.isprintable() and name.strip() == name != "" for name in descriptor.feature_names)


def test_row_alone_is_the_row_in_the_batch(descriptor: Descriptor, table: FloatArray) -> None:
    alone = np.concatenate([descriptor.transform([sequence]) for sequence in SEQUENCES])
    assert_same_bits(alone, table)


def test_row_is_the_same_in_any_order(descriptor: Descriptor, table: FloatArray) -> None:
    order = np.random.default_rng(0).permutation(len(SEQUENCES))
    assert_same_bits(descriptor.transform([SEQUENCES[i] for i in order]), table[order])


@settings(max_examples=40, deadline=None)
@given(sequences=st.lists(RESIDUES, min_size=1, max_size=6))
def test_row_of_any_sequences_is_finite_and_its_own(descriptor: Descriptor, sequences: list[str]) -> None:
    together = descriptor.transform(sequences)
    assert np.isfinite(together).all()
    assert_same_bits(np.concatenate([descriptor.transform([s]) for s in sequences]), together)


def test_made_anew_says_the_same(descriptor: Descriptor, table: FloatArray) -> None:
    again = type(descriptor)(getattr(descriptor, "config", None))
    assert again.feature_names == descriptor.feature_names
    assert_same_bits(again.transform(SEQUENCES), table)


def test_no_sequences_give_no_rows(descriptor: Descriptor) -> None:
    assert_same_bits(descriptor.transform([]), np.empty((0, len(descriptor.feature_names)), np.float32))


def test_unknown_option_is_refused(descriptor: Descriptor) -> None:
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        descriptor.Config(no_such_option=1)


def test_config_cannot_be_changed(descriptor: Descriptor) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        descriptor.Config().anything = 1
