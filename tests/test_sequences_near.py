"""Near copies: identity over the shorter one, and a filter by words that loses none of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import tiny
from sortilin.errors import ConfigError, InputError
from sortilin.sequences import mmseqs, near
from sortilin.sequences.near import Like
from sortilin.sequences.words import WordIndex, n_equal_needed, plan

pytest.importorskip("pyopal")

PROTEIN = tiny.random_sequences(11, 1, shortest=300, longest=300)[0]


def found(
    sequences: list[str], like: Like | None = None, side: list[bool] | None = None
) -> set[tuple[int, int]]:
    across = None if side is None else np.array(side)
    return {(p.first, p.second) for p in near.pairs(sequences, like or Like(), side=across)}


def mutated(sequence: str, rng: np.random.Generator, *, n_changed: int = 0, n_inserted: int = 0) -> str:
    letters = list(sequence)
    for place in rng.choice(len(letters), n_changed, replace=False):
        letters[place] = rng.choice([r for r in tiny.RESIDUES if r != letters[place]])
    for place in rng.choice(len(letters), n_inserted, replace=False):
        letters.insert(int(place), str(rng.choice(list(tiny.RESIDUES))))
    return "".join(letters)


@pytest.mark.parametrize(("n_changed", "is_near"), [(1, True), (3, True), (4, False)])
def test_identity_is_over_the_shorter_one(n_changed: int, is_near: bool) -> None:
    """30 residues cut out of 300: 27 equal ones are 0.9."""
    letters = list(PROTEIN[100:130])
    for place in range(4, 4 + 6 * n_changed, 6):
        letters[place] = "W" if letters[place] != "W" else "C"
    pairs = list(near.pairs([PROTEIN, "".join(letters)], Like()))
    assert [(p.first, p.second) for p in pairs] == [(0, 1)] * is_near
    if is_near:
        assert pairs[0].n_equal == 30 - n_changed
        assert pairs[0].identity == pytest.approx(1 - n_changed / 30)


def test_coverage_of_the_longer_one_rules_fragments_out() -> None:
    parts = [PROTEIN, PROTEIN[50:], PROTEIN[100:130]]
    assert found(parts) == {(0, 1), (0, 2), (1, 2)}
    assert found(parts, Like(min_coverage=0.8)) == {(0, 1)}


def test_few_equal_residues_are_chance() -> None:
    short = PROTEIN[40:46]
    assert found([PROTEIN, short]) == set()
    assert found([PROTEIN, short], Like(min_equal=1)) == {(0, 1)}


def test_only_pairs_across_two_sides() -> None:
    rng = np.random.default_rng(1)
    family = [PROTEIN, *(mutated(PROTEIN, rng, n_changed=5) for _ in range(3))]
    assert len(found(family)) == 6
    assert found(family, side=[False, True, False, True]) == {(0, 1), (0, 3), (1, 2), (2, 3)}


def test_longer_ones_are_passed_over_where_only_peptides_are_asked_for() -> None:
    peptide = PROTEIN[:40]
    parts = [PROTEIN, peptide, peptide[:30]]
    assert found(parts, Like(max_residues=100)) == {(1, 2)}


@pytest.mark.parametrize("min_identity", [0.9, 0.8, 0.6])
def test_filter_loses_nothing_that_aligning_all_finds(
    min_identity: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    parents = tiny.random_sequences(4, 25, shortest=8, longest=120)
    children = [
        mutated(one, rng, n_changed=int(len(one) * rng.uniform(0, 0.3)), n_inserted=int(rng.integers(0, 2)))
        for one in parents
        for _ in range(3)
    ]
    fragments = [one[3 : 3 + max(7, len(one) // 2)] for one in parents]
    sequences = list(dict.fromkeys([*parents, *children, *fragments]))
    filtered = found(sequences, Like(min_identity))
    monkeypatch.setattr(near, "plan", lambda *_: None)
    every = found(sequences, Like(min_identity))
    assert len(every) > 40
    assert filtered == every


def test_greedy_joins_the_longest_that_joined_nobody() -> None:
    """A chain: the middle one joins the longest, so that the last, which is near the middle alone, stays."""
    far = list(PROTEIN[:100])
    for place in range(5, 5 + 3 * 8, 3):
        far[place] = "W" if far[place] != "W" else "C"
    middle, last = "".join(far), list(far)
    for place in range(40, 40 + 3 * 8, 3):
        last[place] = "W" if last[place] != "W" else "C"
    sequences = ["".join(last)[:98], middle[:99], PROTEIN[:100]]
    assert found(sequences) == {(0, 1), (1, 2)}
    joined = [(pair.first, pair.second) for pair in near.greedy(sequences, Like())]
    assert joined == [(1, 2)]


def test_more_than_may_be_aligned_is_refused() -> None:
    rng = np.random.default_rng(9)
    variants = list(dict.fromkeys(mutated(PROTEIN, rng, n_changed=3) for _ in range(20)))
    assert len(list(near.pairs(variants, Like(), most_cells=10**9))) == 190
    with pytest.raises(InputError) as caught:
        list(near.pairs(variants, Like(), most_cells=10**6))
    assert str(caught.value).startswith(
        "too many of 20 sequences are alike, so that more than 1,000,000 pairs"
    )


def test_order_changes_nothing() -> None:
    rng = np.random.default_rng(5)
    sequences = [PROTEIN, *(mutated(PROTEIN, rng, n_changed=k) for k in (1, 5, 20, 40))]
    before = {frozenset((sequences[a], sequences[b])) for a, b in found(sequences)}
    turned = sequences[::-1]
    assert {frozenset((turned[a], turned[b])) for a, b in found(turned)} == before


@pytest.mark.slow
def test_mmseqs_chooses_the_same_pairs_of_longer_sequences() -> None:
    program = mmseqs.find()
    if program is None:
        pytest.skip("MMseqs2 is not installed: no `mmseqs` on the PATH")
    rng = np.random.default_rng(6)
    parents = tiny.random_sequences(7, 12, shortest=110, longest=250)
    short = [one[:60] for one in parents[:3]]  # too short for a good E-value among others; aligned without it
    sequences = [
        *parents,
        *(mutated(one, rng, n_changed=len(one) // 15, n_inserted=1) for one in parents),
        *short,
    ]
    pairs = {(p.first, p.second) for p in near.pairs(sequences, Like(), program=program)}
    assert pairs == found(sequences)
    assert len(pairs) >= len(parents) + len(short)


def test_progress_ends_with_all() -> None:
    told: list[tuple[str, int, int]] = []
    list(near.pairs([PROTEIN, "MKV"], Like(), on_progress=lambda *now: told.append(now)))
    assert told == [("comparing sequences", 2, 2)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"min_identity": 0.0}, "identity is 0.0; allowed: above 0, up to 1"),
        ({"min_identity": 90}, "identity is 90; allowed: above 0, up to 1"),
        ({"min_coverage": 1.5}, "coverage is 1.5; allowed: 0 to 1"),
    ],
)
def test_shares_out_of_range_are_refused(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Like(**given)  # type: ignore[arg-type]
    assert str(caught.value) == message


# words


def test_needed_residues_are_rounded_up_but_not_beyond() -> None:
    assert [n_equal_needed(n, 0.9) for n in (5, 10, 11, 20, 30)] == [5, 9, 10, 18, 27]


@pytest.mark.parametrize("min_identity", [0.9, 0.7])
def test_plan_never_asks_for_more_words_than_must_be_left(min_identity: float) -> None:
    """Whatever residues differ: words that stay whole in the worst case, by trying all places of a few."""
    n = 14
    planned = plan(n, min_identity)
    assert planned is not None
    k, n_shared = planned
    n_unequal = n - n_equal_needed(n, min_identity)
    worst = min(
        sum(not set(range(start, start + k)) & set(places) for start in range(n - k + 1))
        for places in itertools.combinations(range(n), n_unequal)
    )
    assert 0 < n_shared <= worst


def test_index_counts_places_whose_word_is_held() -> None:
    index = WordIndex.of(["AAAAC", "ACDEF", "WWWWW", "AA"], 3)
    # AAA at two places and AAC, which the first holds; the second holds ACD
    assert index.n_shared("AAAACD").tolist() == [3, 1, 0, 0]
    assert index.n_shared("MK").tolist() == [0, 0, 0, 0]
