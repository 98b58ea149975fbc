"""Every registered descriptor set: what it says of a sequence depends on that sequence alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import tiny
from sortilin import registry
from sortilin.interfaces import Descriptor, FloatArray
from sortilin.vectors import VectorRow, write_vectors

VECTOR_WIDTH = 3
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in registry.names("features")),
    ("peptide", {"dipeptides": True}),
]
ONLY_THOSE_GIVEN = "precomputed"
"""A descriptor set that knows no sequences but those of its files."""

RESIDUES = st.text(tiny.RESIDUES + "X", min_size=1, max_size=130)
SEQUENCES = (
    *("M", "X", "MK", "XX", "MKVLA", "XMKVX", "MKXXXXXXXXXXXXXXXXXXVL", "X" * 60),
    *(letter * length for letter in tiny.RESIDUES for length in (1, 60)),
    *tiny.random_sequences(1, 60, longest=400),
    *tiny.random_sequences(2, 20, longest=120, letters=tiny.RESIDUES + "XXXXX"),
    *tiny.random_sequences(3, 1, shortest=35_000, longest=35_000),
)


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda v: "+".join([v[0], *v[1]]))
def descriptor(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Descriptor:
    name, options = request.param
    if name == ONLY_THOSE_GIVEN:
        options = {
            "vectors": vectors_of(SEQUENCES, tmp_path_factory.mktemp("vectors")),
            "width": VECTOR_WIDTH,
        }
    if name == "embedding":
        request.getfixturevalue("random_backbone")
        options = {"length_policy": "head-tail"}
    variant = registry.get("features", name)
    made: Descriptor = variant(variant.Config(**options))
    return made


@pytest.fixture(scope="module")
def random_backbone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A language model of one layer with random weights in place of every other, and a store of its own."""
    for package in ("torch", "transformers"):
        pytest.importorskip(package)
    from sortilin import language_models
    from sortilin.embedding import Embedder

    model = language_models.from_config("esm2_t6", seed=1, n_layers=1)
    real = Embedder.of

    def of(config: Any, **options: Any) -> Embedder:
        return real(config.model_copy(update={"engine": "torch"}), **{**options, "model": model})

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_STORE", str(tmp_path_factory.mktemp("store")))
        patch.setattr(Embedder, "of", of)
        yield


def vectors_of(sequences: Sequence[str], folder: Path) -> str:
    """A file with a vector of each sequence."""
    numbers = np.random.default_rng(5).normal(size=(len(sequences), VECTOR_WIDTH)).astype(np.float32)
    rows = [VectorRow(f"p{n}", s, row) for n, (s, row) in enumerate(zip(sequences, numbers, strict=True))]
    write_vectors(folder / "vectors.npz", rows, description={})
    return str(folder / "vectors.npz")


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


def is_of_files(descriptor: Descriptor) -> bool:
    return type(descriptor).__module__.endswith(f".{ONLY_THOSE_GIVEN}")


@settings(max_examples=40, deadline=None)
@given(
    sequences=st.lists(RESIDUES, min_size=1, max_size=6),
    known=st.lists(st.sampled_from(SEQUENCES[:80]), min_size=1),
)
def test_row_of_any_sequences_is_finite_and_its_own(
    descriptor: Descriptor, sequences: list[str], known: list[str]
) -> None:
    sequences = known if is_of_files(descriptor) else sequences
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
