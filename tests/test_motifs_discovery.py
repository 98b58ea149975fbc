"""Motif discovery: what is planted is found, what is not there is not, and p-values mean what they say."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import tiny
from planting import COLUMNS, OTHER_COLUMNS, background, likeness, matrix, planted
from sortilin import datasets
from sortilin.errors import ConfigError, InputError
from sortilin.motifs import Motif, MotifConfig, discover, search, streme
from sortilin.motifs._corpus import N_RESIDUES, Corpus, scoring_table
from sortilin.motifs._enrichment import enrichment, fisher
from sortilin.motifs._refinement import PSEUDOCOUNT, Refiner
from sortilin.motifs._words import Shape, shapes
from sortilin.motifs.motif import apart
from sortilin.motifs.shuffling import shuffled

CONFIG = MotifConfig(method="builtin", max_width=8, patience=2)
ONE = MotifConfig(method="builtin", max_width=10, n_motifs=1, patience=1)
TWO = MotifConfig(method="builtin", max_width=10, n_motifs=2)


# Fisher's exact test


def test_fisher_gives_the_value_of_the_lady_tasting_tea() -> None:
    assert fisher(3, 4, 1, 4) == pytest.approx(17 / 70)  # Fisher 1935, The Design of Experiments


def test_fisher_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(1)
    for _ in range(50):
        n_positives, n_controls = map(int, rng.integers(1, 60, 2))
        a, c = int(rng.integers(0, n_positives + 1)), int(rng.integers(0, n_controls + 1))
        table = [[a, c], [n_positives - a, n_controls - c]]
        expected = stats.fisher_exact(table, alternative="greater").pvalue
        assert fisher(a, n_positives, c, n_controls) == pytest.approx(expected, rel=1e-9)


def test_enrichment_is_the_likelihood_ratio_statistic() -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.chi2_contingency(
        [[9, 4], [11, 56]], correction=False, lambda_="log-likelihood"
    ).statistic
    assert enrichment(9, 20, 4, 60) == pytest.approx(expected)
    assert enrichment(1, 20, 4, 60) == 0  # rarer among positives


# Windows and words


def test_scores_of_windows_are_those_of_a_plain_sum() -> None:
    sequences = [*tiny.random_sequences(3, 6, shortest=1, longest=12), "AXA"]
    table = np.random.default_rng(4).normal(size=(3, N_RESIDUES))
    corpus = Corpus.of(sequences)
    scores = corpus.scores(scoring_table(table))
    for row, sequence in enumerate(sequences):
        for start in range(len(sequence)):
            word = sequence[start : start + 3]
            plain = sum(table[j, tiny.RESIDUES.index(r)] for j, r in enumerate(word) if r != "X")
            found = scores[corpus.starts[row] + start]
            assert found == pytest.approx(plain) if len(word) == 3 else found < -1000


def test_words_are_counted_once_a_sequence() -> None:
    corpus = Corpus.of(["KALKAL", "KVL", "KXL", "LAK", "K"])
    shape = Shape("residues", (0, 2))
    key = tiny.RESIDUES.index("K") * 20 + tiny.RESIDUES.index("L")
    words, n_sequences = shape.counts(corpus)
    assert n_sequences[words == key].tolist() == [3]
    assert n_sequences.sum() == len(["K.L", "A.K", "L.A"]) + len(["K.L"]) + len(["K.L"]) + len(["L.K"])


def test_shapes_fit_the_widest_motif() -> None:
    assert max(shape.span for shape in shapes(6)) == 6
    assert {shape.span for shape in shapes(3)} == {3}


def test_own_site_does_not_count_for_a_sequence() -> None:
    sequences = tiny.random_sequences(5, 8, shortest=15, longest=20)
    corpus, uniform = Corpus.of(sequences), np.full(N_RESIDUES, 1 / N_RESIDUES)
    refiner = Refiner(corpus, Corpus.of(background(6, 20)), uniform, (3, 10))
    words = [sequence[2:8] for sequence in sequences]
    places = corpus.starts + 2
    codes = corpus.codes[places[:, None] + np.arange(6)]
    counts = np.array([[sum(w[j] == r for w in words) for r in tiny.RESIDUES] for j in range(6)], dtype=float)
    table = scoring_table(np.log2(refiner.probabilities(counts) / uniform))
    found = refiner._without_own(table, counts, places, codes)[places]
    for row, word in enumerate(words):
        others = [other for number, other in enumerate(words) if number != row]
        share = [
            (sum(other[j] == residue for other in others) + PSEUDOCOUNT / 20) / (len(others) + PSEUDOCOUNT)
            for j, residue in enumerate(word)
        ]
        assert found[row] == pytest.approx(np.log2(np.array(share) * 20).sum())


def test_sites_do_not_overlap_and_the_best_comes_first() -> None:
    scores = np.array([1.0, 5.0, 4.0, 0.0, 3.0, 3.0, -1.0])
    assert apart(scores, 1.0, 2).tolist() == [1, 4]


# Recovery


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("columns", [COLUMNS, OTHER_COLUMNS], ids=["width-8", "width-6"])
def test_planted_motif_is_found(share: float, columns: tuple[str, ...]) -> None:
    positives, _ = planted(1, background(2, 200), share, columns)
    controls = background(3, 400)
    [motif] = discover(positives, controls, ONE, seed=5)
    assert motif.e_value < 0.01
    assert likeness(motif.matrix, matrix(columns)) > 0.95
    assert motif.counts.positives >= 0.9 * share * 200
    assert motif.counts.controls <= 8


def test_sites_are_where_they_were_planted() -> None:
    positives, starts = planted(1, background(2, 200), 0.5)
    [motif] = discover(positives, background(3, 400), ONE, seed=5)
    masks = motif.mask(positives)
    assert [len(mask) for mask in masks] == [len(sequence) for sequence in positives]
    hits = [masks[row][start : start + 8].sum() >= 4 for row, start in enumerate(starts) if start is not None]
    assert np.mean(hits) > 0.9
    for site in motif.sites(positives):
        assert site.start + motif.width <= len(positives[site.row])
        assert site.score >= motif.threshold


def test_two_planted_motifs_are_both_found() -> None:
    positives, _ = planted(1, background(2, 200), 0.5)
    positives, _ = planted(4, positives[::-1], 0.5, OTHER_COLUMNS)
    motifs = discover(positives, background(3, 400), TWO, seed=5)
    assert len(motifs) == 2
    for columns in (COLUMNS, OTHER_COLUMNS):
        assert max(likeness(motif.matrix, matrix(columns)) for motif in motifs) > 0.9


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is() -> None:
    n_found = sum(
        bool(discover(background(100 + seed, 60), background(200 + seed, 120), CONFIG, seed=seed))
        for seed in range(10)
    )
    assert n_found <= 1  # of ten searches, each with an error rate of at most 0.05


def test_motif_is_found_against_shuffled_positives() -> None:
    positives, _ = planted(1, background(2, 200), 0.5)
    found = search(positives, None, ONE, seed=5)
    assert found.is_shuffled
    assert likeness(found.motifs[0].matrix, matrix()) > 0.9


# What does not change it


@pytest.fixture(scope="module")
def sets() -> tuple[list[str], list[str]]:
    return planted(1, background(2, 120), 0.6)[0], background(3, 200)


def figures(motifs: list[Motif]) -> list[tuple[str, float, float]]:
    return [(motif.name, motif.p_value, motif.threshold) for motif in motifs]


def test_order_and_repeats_change_nothing(sets: tuple[list[str], list[str]]) -> None:
    positives, controls = sets
    first = search(positives, controls, ONE, seed=1)
    again = search([*positives[::-1], *positives[:9]], [*controls[7:], *controls[:7]], ONE, seed=1)
    assert figures(list(first.motifs)) == figures(list(again.motifs))
    assert any("9 repeats left out" in warning for warning in again.warnings)


def test_p_value_is_that_of_the_held_out_counts(sets: tuple[list[str], list[str]]) -> None:
    found = search(*sets, CONFIG, seed=1)
    tried = [*found.motifs, *found.rejected]
    for motif in tried:
        assert motif.held_out is not None
        assert motif.p_value == motif.held_out.p_value
        assert motif.e_value == pytest.approx(motif.p_value * len(tried))
        assert (motif.held_out.n_positives, motif.held_out.n_controls) == (24, 40)
    assert all(motif.e_value <= 0.05 for motif in found.motifs)
    assert all(motif.e_value > 0.05 for motif in found.rejected)


def test_widths_are_kept(sets: tuple[list[str], list[str]]) -> None:
    for low, high in ((4, 5), (9, 10)):
        config = MotifConfig(method="builtin", min_width=low, max_width=high, n_motifs=1, patience=1)
        found = search(*sets, config, seed=1)
        assert all(low <= motif.width <= high for motif in (*found.motifs, *found.rejected))


def test_short_and_unknown_residues_do_no_harm(sets: tuple[list[str], list[str]]) -> None:
    positives, controls = sets
    odd = ["K", "AC", "XAX", "X" * 20 + "A"]
    found = search([*positives, *odd], [*controls, *odd], ONE, seed=1)
    assert found.motifs
    assert any("share 4 sequences" in warning for warning in found.warnings)
    assert not {len(positives) + row for row in range(4)} & {
        site.row for site in found.motifs[0].sites([*positives, *odd])
    }


def test_large_sets_are_drawn_down(sets: tuple[list[str], list[str]]) -> None:
    config = MotifConfig(method="builtin", n_motifs=1, patience=1, max_sequences=50)
    found = search(*sets, config, seed=1)
    assert (found.n_positives, found.n_controls) == (50, 50)
    assert any("50 of 120 drawn" in warning for warning in found.warnings)


def test_unlike_lengths_are_spoken_of(sets: tuple[list[str], list[str]]) -> None:
    longer = [sequence + "G" * 20 for sequence in sets[1]]
    found = search(sets[0], longer, ONE, seed=1)
    assert any("residues on average" in warning for warning in found.warnings)


# Shuffling


@pytest.mark.parametrize("kmer", [1, 2])
def test_shuffled_sequences_keep_their_words(kmer: int) -> None:
    sequences = tiny.random_sequences(1, 30, shortest=1, longest=80, letters="AKLW")
    found = shuffled(sequences, kmer=kmer, draws=np.random.default_rng(2))

    def words(sequence: str) -> Counter[str]:
        return Counter(sequence[i : i + kmer] for i in range(len(sequence) - kmer + 1))

    assert [words(sequence) for sequence in found] == [words(sequence) for sequence in sequences]
    assert sum(one != other for one, other in zip(found, sequences, strict=True)) > 20
    if kmer == 2:
        assert [one[0] + one[-1] for one in found] == [one[0] + one[-1] for one in sequences]


def test_shuffled_pairs_reach_every_order_equally() -> None:
    draws = np.random.default_rng(3)
    found = Counter(shuffled(["ABACADA"] * 600, kmer=2, draws=draws))
    every = {"A" + "".join(f"{letter}A" for letter in order) for order in itertools.permutations("BCD")}
    assert set(found) == every
    assert min(found.values()) > 60  # of 100 expected


# Errors


def test_too_few_sequences_are_refused() -> None:
    with pytest.raises(InputError, match=r"20% of the 12 distinct positives.*which is 2; at least 5.*23 seq"):
        discover(background(1, 12), background(2, 100), CONFIG, seed=1)
    with pytest.raises(InputError, match="3 distinct controls"):
        discover(background(1, 50), background(2, 3), CONFIG, seed=1)


def test_streme_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streme, "find", lambda: None)
    with pytest.raises(ConfigError, match=r"not on the PATH.*choose method 'builtin'"):
        discover(background(1, 50), None, MotifConfig(method="streme"), seed=1)


def test_widths_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"narrowest motif \(8\) is wider than the widest \(5\)"):
        MotifConfig(min_width=8, max_width=5)


# Real peptides


@pytest.mark.slow
def test_motifs_of_anticancer_peptides(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    records = datasets.load("acp", "train")
    positives = [record.sequence for record in records if record.label == "anticancer"]
    controls = [record.sequence for record in records if record.label != "anticancer"]
    found = discover(positives, controls, MotifConfig(method="builtin"), seed=42)
    assert len(found) >= 2
    assert found[0].e_value < 1e-10
    helix = discover(positives, None, MotifConfig(method="builtin", n_motifs=1), seed=42)[0]
    assert set("KL") <= set(helix.consensus)  # amphipathic, as in magainins and cecropins
