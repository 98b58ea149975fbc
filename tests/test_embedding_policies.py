"""Length policies and pooling, against sums by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from sortilin import registry
from sortilin.embedding import EmbeddingConfig, policies, pooling
from sortilin.embedding.pooling import PieceState, cls_place, pool, state_of
from sortilin.errors import ConfigError, UnknownNameError
from sortilin.language_models import Vocabulary

WHOLE = policies.parse("whole")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"


def sequence_of(length: int) -> str:
    return (LETTERS * (length // len(LETTERS) + 1))[:length]


def rows(*values: float) -> NDArray[np.float32]:
    """(L, 2): each value, and a hundred times it."""
    return np.array([[value, 100 * value] for value in values], dtype=np.float32)


def test_whole_leaves_every_sequence_as_it_is() -> None:
    assert WHOLE.pieces("MKV") == ["MKV"]
    assert WHOLE.flag(100_000) == ""


def test_head_tail_keeps_the_first_and_the_last_residues() -> None:
    policy = policies.parse("head-tail:3,2")
    assert policy.pieces("ACDEF") == ["ACDEF"]
    assert policy.pieces("ACDEFG") == ["ACDFG"]
    assert (policy.flag(5), policy.flag(6)) == ("", "shortened_to:5")


def test_head_tail_may_keep_one_end_only() -> None:
    assert policies.parse("head-tail:3,0").pieces("ACDEFG") == ["ACD"]
    assert policies.parse("head-tail:0,2").pieces("ACDEFG") == ["FG"]


def test_head_tail_is_that_of_the_localization_benchmark_by_default() -> None:
    sequence = sequence_of(2_345)
    assert policies.parse("head-tail").pieces(sequence) == [sequence[:1_900] + sequence[-100:]]
    assert policies.parse("head-tail").name == "head-tail:1900,100"


@pytest.mark.parametrize(("size", "overlap"), [(1, 0), (2, 0), (2, 1), (5, 0), (5, 4), (7, 1), (7, 4)])
@pytest.mark.parametrize("length", [1, 4, 5, 6, 7, 13, 30])
def test_windows_cover_every_residue(length: int, size: int, overlap: int) -> None:
    policy = policies.Windows(size, overlap)
    sequence = sequence_of(length)
    pieces, starts = policy.pieces(sequence), policy.starts(length)
    assert all(sequence.startswith(piece, start) for piece, start in zip(pieces, starts, strict=True))
    assert {len(piece) for piece in pieces} == {min(size, length)}
    covered = {start + i for start, piece in zip(starts, pieces, strict=True) for i in range(len(piece))}
    assert covered == set(range(length))
    assert len(set(starts)) == len(starts)
    assert all(b - a <= size - overlap for a, b in itertools.pairwise(starts))


def test_windows_average_where_they_overlap() -> None:
    policy = policies.Windows(3, 1)
    assert policy.starts(6) == [0, 2, 3]
    joined = policy.join([rows(1, 1, 1), rows(5, 5, 5), rows(9, 9, 9)], 6)
    np.testing.assert_allclose(joined, rows(1, 1, 3, 7, 7, 9))
    assert joined.dtype == np.float32


def test_one_window_is_the_whole_sequence() -> None:
    assert policies.Windows(9, 3).pieces("MKV") == ["MKV"]
    assert policies.Windows(9, 3).flag(9) == ""
    assert policies.Windows(9, 3).flag(10) == "windows:2"


@pytest.mark.parametrize("text", ["whole", "head-tail:7,2", "windows:10,3"])
def test_name_of_a_policy_makes_it_again(text: str) -> None:
    assert policies.parse(text).name == text


def test_unknown_policy_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown length policy 'window'; did you mean 'windows'"):
        policies.parse("window")


@pytest.mark.parametrize(
    "text", ["whole:1,2", "head-tail:5", "windows:a,b", "windows:1,2,3", "windows:-5,1", "head-tail:"]
)
def test_policy_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read; allowed: whole, head-tail:FIRST,LAST"):
        policies.parse(text)


@pytest.mark.parametrize("text", ["windows:10,10", "windows:0,0", "head-tail:0,0"])
def test_policy_with_numbers_that_are_not_allowed(text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        policies.parse(text)


# Pooling


def vocabulary(family: str) -> Vocabulary:
    found: Vocabulary = registry.get("language_model", family).vocabulary()
    return found


@pytest.mark.parametrize(
    ("family", "place"),
    [("esm2", 0), ("protbert", 0), ("protalbert", 0), ("protxlnet", -1), ("prott5", None)],
)
def test_place_of_the_summary_token(family: str, place: int | None) -> None:
    assert cls_place(vocabulary(family)) == place


def test_t5_has_no_summary_token() -> None:
    with pytest.raises(
        ConfigError, match=r"prott5 has no summary token.*no pooling 'cls'; allowed: mean, max, none"
    ):
        pooling.check_cls(vocabulary("prott5"), "prott5")


@pytest.mark.parametrize("family", ["esm2", "protxlnet", "prott5"])
def test_special_tokens_are_left_out(family: str) -> None:
    words = vocabulary(family)
    n_special = len(words.before) + len(words.after)
    hidden = np.full((3 + n_special, 2), 1e6, dtype=np.float32)
    first = len(words.before)
    hidden[first : first + 3] = rows(1, 2, 6)
    state = state_of(hidden, words, "mean")
    np.testing.assert_array_equal(pool([state], WHOLE, "mean", 3), [3, 300])
    np.testing.assert_array_equal(pool([state], WHOLE, "max", 3), [6, 600])
    np.testing.assert_array_equal(pool([state], WHOLE, "none", 3), rows(1, 2, 6))


def test_cls_is_the_models_own() -> None:
    hidden = rows(*range(6))
    np.testing.assert_array_equal(state_of(hidden, vocabulary("esm2"), "cls").cls, hidden[0])
    np.testing.assert_array_equal(state_of(hidden, vocabulary("protxlnet"), "cls").cls, hidden[-1])


def test_windows_are_joined_before_pooling() -> None:
    states = [PieceState(rows(1, 1, 1), rows(2)[0]), PieceState(rows(5, 5, 5), rows(4)[0])]
    policy = policies.Windows(3, 2)
    np.testing.assert_allclose(pool(states, policy, "none", 4), rows(1, 3, 3, 5))
    np.testing.assert_allclose(pool(states, policy, "mean", 4), [3, 300])
    np.testing.assert_allclose(pool(states, policy, "max", 4), [5, 500])
    np.testing.assert_allclose(pool(states, policy, "cls", 4), [3, 300])


def test_vectors_of_residues_have_memory_of_their_own() -> None:
    hidden = rows(*range(5))
    found = pool([state_of(hidden, vocabulary("esm2"), "none")], WHOLE, "none", 3)
    hidden[:] = 0
    np.testing.assert_array_equal(found, rows(1, 2, 3))


# The configuration


def test_policy_is_recorded_with_its_numbers() -> None:
    assert EmbeddingConfig(backbone="esm2_t6", length_policy="windows").length_policy == "windows:1000,200"


def test_vectors_of_residues_need_all_residues() -> None:
    with pytest.raises(ConfigError, match="leaves residues out; allowed: whole, windows"):
        EmbeddingConfig(backbone="esm2_t6", pooling="none", length_policy="head-tail")
    assert EmbeddingConfig(backbone="esm2_t6", pooling="none", length_policy="windows").pooling == "none"


@pytest.mark.parametrize(
    "wrong", [{"pooling": "sum"}, {"layer": -2}, {"precision": "int8"}, {"engine": "jax"}, {"size": 1}]
)
def test_wrong_option_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        EmbeddingConfig.model_validate({"backbone": "esm2_t6", **wrong})
