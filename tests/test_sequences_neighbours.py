"""Neighbours by words of a reduced alphabet: planted relatives are found, and by-hand scores are met."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from sortilin.sequences import neighbours
from sortilin.sequences.neighbours import COLUMNS, GROUPS, Neighbours, reduced

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
FREQUENCIES = {
    **{"A": 0.074, "R": 0.052, "N": 0.045, "D": 0.054, "C": 0.025, "Q": 0.034, "E": 0.054, "G": 0.074},
    **{"H": 0.026, "I": 0.068, "L": 0.099, "K": 0.058, "M": 0.025, "F": 0.047, "P": 0.039, "S": 0.057},
    **{"T": 0.051, "W": 0.013, "Y": 0.032, "V": 0.073},
}
"""Of the blocks that BLOSUM62 was counted from (Henikoff & Henikoff 1992)."""


def random_sequences(seed: int, n: int, length: int = 200) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(RESIDUES), size=length)) for _ in range(n)]


def mutated(sequence: str, share: float, seed: int) -> str:
    rng = np.random.default_rng(seed)
    changed = rng.random(len(sequence)) < share
    return "".join(
        str(rng.choice(list(RESIDUES))) if c else r for r, c in zip(sequence, changed, strict=True)
    )


KNOWN = random_sequences(1, 60)
CLASSES = np.arange(60) % 3


@pytest.fixture(scope="module")
def known() -> Neighbours:
    return Neighbours.of(KNOWN, CLASSES, n_classes=3)


def test_every_residue_is_in_one_group_and_x_in_none() -> None:
    assert sorted("".join(GROUPS)) == sorted(RESIDUES)
    assert reduced(RESIDUES + "X").tolist() == [
        next(i for i, group in enumerate(GROUPS) if residue in group) for residue in RESIDUES
    ] + [len(GROUPS)]


def test_scores_of_groups_are_those_of_blosum62() -> None:
    align = pytest.importorskip("Bio.Align", reason="Biopython has BLOSUM62")
    blosum = align.substitution_matrices.load("BLOSUM62")
    pairs = np.array(
        [
            [
                sum(FREQUENCIES[a] * FREQUENCIES[b] * 2 ** (blosum[a][b] / 2) for a in g for b in h)
                for h in GROUPS
            ]
            for g in GROUPS
        ]
    )
    single = np.array([sum(FREQUENCIES[a] for a in group) for group in GROUPS])
    expected = 10 * np.log2(pairs / pairs.sum() / np.outer(single, single) * single.sum() ** 2)
    assert np.array(neighbours._SCORES) == pytest.approx(expected, abs=0.51)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5])
def test_relative_is_the_nearest(known: Neighbours, share: float) -> None:
    for number in (0, 17, 59):
        target, bits = known.search(mutated(KNOWN[number], share, seed=number))
        assert target[bits.argmax()] == number
        assert len(set(target)) == len(target)
        others = bits[target != number]
        assert bits.max() > 5 + (others.max() if len(others) else 0)


def test_unrelated_sequences_score_little(known: Neighbours) -> None:
    for sequence in random_sequences(9, 30):
        _, bits = known.search(sequence)
        assert (bits < 20).all()


def test_relative_with_a_gap_is_found_on_both_sides_of_it(known: Neighbours) -> None:
    whole = KNOWN[4]
    gapped = whole[:90] + random_sequences(3, 1, 20)[0] + whole[90:]
    target, bits = known.search(gapped)
    (with_gap,) = bits[target == 4]
    target, bits = known.search(whole[:90])
    (half,) = bits[target == 4]
    assert with_gap > 1.3 * half


def test_own_entry_is_passed_over_and_nothing_else(known: Neighbours) -> None:
    target, bits = known.search(KNOWN[7])
    assert target[bits.argmax()] == 7
    without, its_bits = known.search(KNOWN[7], own=7)
    assert 7 not in without
    rest = target != 7
    assert set(target[rest]) <= set(without)
    again = dict(zip(without.tolist(), its_bits.tolist(), strict=True))
    assert all(again[t] == b for t, b in zip(target[rest].tolist(), bits[rest].tolist(), strict=True))


def test_features_say_which_class_the_nearest_have(known: Neighbours) -> None:
    sequences = [mutated(KNOWN[number], 0.3, seed=number) for number in range(12)]
    table = known.features(sequences).reshape(12, 3, len(COLUMNS))
    assert known.n_columns == 9
    for row, number in enumerate(range(12)):
        nearest, everything, lead = table[row].T
        c = CLASSES[number]
        assert nearest.argmax() == c
        assert lead[c] > 0
        assert (np.delete(lead, c) < 0).all()
        assert (everything >= nearest - 1e-6).all()
        target, bits = known.search(sequences[row])
        assert nearest[c] == pytest.approx(np.log1p(bits[CLASSES[target] == c].max()), rel=1e-6)
        assert everything[c] == pytest.approx(np.log1p(bits[CLASSES[target] == c].sum()), rel=1e-6)


def test_features_do_not_depend_on_company_or_order(known: Neighbours) -> None:
    sequences = [*KNOWN[:5], *random_sequences(4, 5)]
    together = known.features(sequences)
    assert np.array_equal(known.features(sequences[::-1])[::-1], together)
    assert np.array_equal(np.vstack([known.features([s]) for s in sequences]), together)


def test_order_of_the_known_sequences_changes_no_relative() -> None:
    order = np.random.default_rng(5).permutation(60)
    shuffled = Neighbours.of([KNOWN[i] for i in order], CLASSES[order], n_classes=3)
    sequences = [mutated(KNOWN[number], 0.4, seed=number) for number in range(6)]
    expected = Neighbours.of(KNOWN, CLASSES, n_classes=3).features(sequences)
    found = shuffled.features(sequences)
    for row in range(6):  # the chance hits at the edge of what is looked at may be others
        nearest = len(COLUMNS) * CLASSES[row]
        assert found[row, nearest] == pytest.approx(expected[row, nearest], abs=1e-6)


def test_restored_from_its_arrays_it_is_the_same(known: Neighbours) -> None:
    again = Neighbours.restored(known.arrays(), n_classes=3)
    sequences = [*KNOWN[:3], *random_sequences(4, 3), "ACD"]
    assert np.array_equal(again.features(sequences), known.features(sequences))
    assert known.arrays()["groups"].nbytes == 60 * 200 / 2


@pytest.mark.parametrize("length", [20, 21])
def test_two_residues_take_a_byte(length: int) -> None:
    index = Neighbours.of([KNOWN[0][:length]], np.array([0]), n_classes=2)
    groups = index.arrays()["groups"]
    assert groups.dtype == np.uint8
    assert len(groups) == (length + 1) // 2
    again = Neighbours.restored(index.arrays(), n_classes=2)
    assert np.array_equal(again.features(KNOWN[:1]), index.features(KNOWN[:1]))


def test_arrays_hold_groups_and_not_residues() -> None:
    within = str.maketrans({residue: group[0] for group in GROUPS for residue in group})
    one = Neighbours.of([KNOWN[0]], np.array([0]), n_classes=2).arrays()
    other = Neighbours.of([KNOWN[0].translate(within)], np.array([0]), n_classes=2).arrays()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("sequence", ["A", "ACDEF", "X" * 40, "XACXDEXFG" * 5, "A" * 3000])
def test_sequence_with_little_to_go_by_has_no_neighbours_to_speak_of(
    known: Neighbours, sequence: str
) -> None:
    target, bits = known.search(sequence)
    assert (bits < 20).all()
    assert np.isfinite(known.features([sequence])).all()
    if len(sequence) < 6 or "X" in sequence:
        assert target.tolist() == []


def test_sequences_shorter_than_a_word_can_be_known() -> None:
    index = Neighbours.of(["A", "CC", KNOWN[0], "ACDEF"], np.array([0, 1, 0, 1]), n_classes=2)
    target, _ = index.search(KNOWN[0])
    assert target.tolist() == [2]
    assert Neighbours.of(["A"], np.array([0]), n_classes=2).search("ACDEFGHIKL")[0].tolist() == []


def test_words_at_the_ends_of_all_known_sequences_are_found() -> None:
    index = Neighbours.of(KNOWN[:2], CLASSES[:2], n_classes=3)
    for number, part in ((0, KNOWN[0][:40]), (1, KNOWN[1][-40:])):
        target, _ = index.search(part)
        assert number in target


def test_extension_is_the_best_stretch_without_gaps() -> None:
    one, other = random_sequences(6, 2, 60)
    other = other[:20] + one[20:45] + other[45:]
    index = Neighbours.of([other], np.array([0]), n_classes=2)
    query = reduced(one)
    pairs = [neighbours._MATRIX[a, b] for a, b in zip(query, reduced(other), strict=True)]
    scores = np.array(pairs) + neighbours._bias(query)
    best = max(sum(scores[i:j]) for i in range(60) for j in range(i + 1, 61)) / 10
    found = index._extended(query, np.array([30]), index._starts[:1] + 30)
    assert found.tolist() == pytest.approx([best])


def test_common_words_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Neighbours.of([KNOWN[0], KNOWN[0], KNOWN[1]], np.array([0, 0, 1]), n_classes=2)
    assert set(index.search(KNOWN[0])[0]) >= {0, 1}
    monkeypatch.setattr(neighbours, "COMMONEST", 1)
    assert index.search(KNOWN[0])[0].tolist() == []
    assert index.search(KNOWN[1])[0].tolist() == [2]


def test_what_a_query_repeats_says_little_of_kinship() -> None:
    rng = np.random.default_rng(8)
    tract, other_tract = ("".join(rng.choice(list("SSSSTKKR"), size=60)) for _ in range(2))
    known, query = (
        first + middle + last
        for first, middle, last in zip(
            random_sequences(31, 2, 70), (tract, other_tract), random_sequences(32, 2, 70), strict=True
        )
    )
    index = Neighbours.of([known, *KNOWN], np.zeros(61, dtype=int), n_classes=2)
    assert 0 not in index.search(query)[0]
    shared = random_sequences(33, 1, 60)[0]
    index = Neighbours.of([known[:70] + shared + known[130:], *KNOWN], np.zeros(61, dtype=int), n_classes=2)
    assert 0 in index.search(query[:70] + shared + query[130:])[0]


def test_correction_for_composition_is_by_hand_that_of_the_surroundings() -> None:
    query = reduced("ACDWWWWWGH")
    bias = neighbours._bias(query)
    expected = neighbours._MATRIX[:, :-1] @ np.array(neighbours._FREQUENCIES)
    for place in range(10):
        others = np.delete(query, place)  # all lie within reach
        around = neighbours._MATRIX[query[place], others].mean()
        assert bias[place] == round(expected[query[place]] - around)
    assert sum(neighbours._FREQUENCIES) == pytest.approx(1)


def test_few_queries_are_searched_as_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = [mutated(KNOWN[number], 0.4, seed=number) for number in range(6)]
    few = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    found = few.features(sequences)
    assert few._index is None
    monkeypatch.setattr(neighbours, "FEW_RESIDUES", 0)
    many = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    assert np.array_equal(many.features(sequences), found)
    assert many._index is not None


def test_one_query_after_another_gets_the_index() -> None:
    index = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    tables = []
    for number in range(neighbours.FEW_SEARCHES):
        tables.append(index.features([KNOWN[number]]))
        assert index._index is None
    tables.append(index.features([KNOWN[neighbours.FEW_SEARCHES]]))
    assert index._index is not None
    n = neighbours.FEW_SEARCHES + 1
    assert np.array_equal(np.vstack(tables), index.features(KNOWN[:n]))


def test_index_is_made_once_whatever_searches_beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "FEW_RESIDUES", 0)
    made: list[str] = []
    inner = neighbours._Seed.of

    def counted(pattern: str, *rest: Any) -> Any:
        made.append(pattern)
        return inner(pattern, *rest)

    monkeypatch.setattr(neighbours._Seed, "of", counted)
    index = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    parts = [KNOWN[:5], KNOWN[5:10], KNOWN[10:15], KNOWN[15:20]]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(index.features, parts))
    assert sorted(made) == sorted(neighbours.SEEDS)
    assert np.array_equal(np.vstack(tables), index.features(KNOWN[:20]))


def test_neighbours_nearer_than_asked_for_are_passed_over(known: Neighbours) -> None:
    near = mutated(KNOWN[2], 0.1, seed=1)
    target, bits = known.search(near)
    assert bits[target == 2] > 100
    others = np.zeros(3)
    np.maximum.at(others, CLASSES[target[target != 2]], bits[target != 2])
    everything, distant = known.features_of_strangers([near], most_bits=100)
    assert distant.reshape(3, 3)[:, 0] == pytest.approx(np.log1p(others), rel=1e-6)
    assert np.array_equal(everything, known.features([near]))
    assert np.array_equal(known.features_of_strangers([near], most_bits=1e4)[1], everything)


def test_chance_grows_with_what_is_known() -> None:
    many = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    few = Neighbours.of(KNOWN[:15], CLASSES[:15], n_classes=3)
    of_many, of_few = (
        bits[target == 3] for target, bits in (index.search(KNOWN[3]) for index in (many, few))
    )
    assert of_few - of_many == pytest.approx(2)  # bits: four times as many residues


def test_more_classes_than_a_byte_counts_are_kept() -> None:
    index = Neighbours.of(KNOWN, np.arange(60) + 250, n_classes=310)
    again = Neighbours.restored(index.arrays(), n_classes=310)
    assert np.array_equal(again.features(KNOWN[:9]), index.features(KNOWN[:9]))
    assert again.features(KNOWN[8:9]).reshape(310, 3)[:, 0].argmax() == 258


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": np.full(60, 3)}, "do not fit each other or 3 classes"),
        ({"classes": np.full(60, -1)}, "do not fit each other or 3 classes"),
        ({"classes": np.zeros(59, dtype=int)}, "do not fit each other or 3 classes"),
        ({"lengths": np.full((30, 2), 200)}, "do not fit each other or 3 classes"),
        ({"lengths": np.zeros(60, dtype=int)}, "do not fit each other or 3 classes"),
        ({"lengths": np.empty(0), "classes": np.empty(0)}, "do not fit each other or 3 classes"),
        ({"groups": np.zeros(5, dtype=np.uint8)}, "the residues of its neighbours do not fit their lengths"),
        ({"groups": np.full(6000, 0xFF, dtype=np.uint8)}, "the residues of its neighbours do not fit"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(known: Neighbours, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Neighbours.restored({**known.arrays(), **change}, n_classes=3)


def test_matches_of_a_query_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Neighbours.of(KNOWN, CLASSES, n_classes=3)
    monkeypatch.setattr(neighbours, "MOST_MATCHES", 30)
    target, bits = index.search(KNOWN[5])
    assert target[bits.argmax()] == 5
