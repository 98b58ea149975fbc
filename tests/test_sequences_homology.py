"""The search for homologues: it finds what was planted, and nothing but the pair decides."""

from __future__ import annotations

import random
import sys

import numpy as np
import pytest

from sortilin.errors import MissingDependencyError
from sortilin.sequences import homology
from sortilin.sequences.homology import Hit, best_hits, neighbours
from tiny import RESIDUES, random_sequence, random_sequences


def mutated(sequence: str, share: float, seed: int = 0) -> str:
    """The sequence with a share of its residues replaced, at random places, by any of the 20."""
    rng = random.Random(seed)
    return "".join(rng.choice(RESIDUES) if rng.random() < share else letter for letter in sequence)


def found(hits: list[Hit | None]) -> list[int | None]:
    return [None if hit is None else hit.target for hit in hits]


def parents(n: int = 12, seed: int = 0) -> list[str]:
    return random_sequences(seed, n, shortest=80, longest=250)


@pytest.mark.usefixtures("pyhmmer")
class TestSearch:
    def test_mutated_copies_find_their_parents(self) -> None:
        targets = parents()
        hits = best_hits([mutated(target, 0.4) for target in targets], targets, threads=1)
        assert found(hits) == list(range(len(targets)))
        assert all(hit is not None and hit.e_value < 1e-6 and hit.score > 30 for hit in hits)

    def test_part_of_a_target_finds_it(self) -> None:
        targets = parents()
        assert found(best_hits([target[20:70] for target in targets], targets, threads=1)) == [*range(12)]

    def test_unrelated_sequences_find_nothing(self) -> None:
        assert found(best_hits(parents(60, seed=1), parents(60, seed=2), threads=1)) == [None] * 60

    def test_limit_is_that_of_the_e_value(self) -> None:
        targets = parents()
        (hit,) = best_hits([mutated(targets[3], 0.5)], targets, threads=1)
        assert hit is not None
        assert best_hits([mutated(targets[3], 0.5)], targets, max_e_value=hit.e_value * 1.01) == [hit]
        assert best_hits([mutated(targets[3], 0.5)], targets, max_e_value=hit.e_value * 0.99) == [None]

    def test_e_value_grows_with_the_number_of_targets(self) -> None:
        targets = parents()
        (few,), (many,) = (
            best_hits([mutated(targets[0], 0.5)], targets + more, threads=1) for more in ([], parents(108, 5))
        )
        assert few is not None
        assert many is not None
        assert many.score == few.score
        assert many.e_value == pytest.approx(10 * few.e_value)

    def test_nearest_is_the_first_of_all(self) -> None:
        origin = parents()[0]
        targets = [mutated(origin, share, seed=5) for share in (0.5, 0.2, 0.0, 0.35)]
        (hits,) = neighbours([origin], [*parents(20, seed=3), *targets], threads=1)
        assert [hit.target for hit in hits] == [22, 21, 23, 20]
        e_values = [hit.e_value for hit in hits]
        assert e_values == sorted(e_values)
        assert best_hits([origin], [*parents(20, seed=3), *targets], threads=1) == [hits[0]]

    def test_score_decides_where_e_values_vanish(self) -> None:
        origin = random_sequence(np.random.default_rng(0), 1500)
        targets = [mutated(origin, 0.2), mutated(origin, 0.1), origin]
        (hits,) = neighbours([origin], targets, threads=1)
        assert [hit.target for hit in hits] == [2, 1, 0]
        assert {hit.e_value for hit in hits} == {0.0}

    def test_first_of_equal_targets_is_taken(self) -> None:
        targets = parents()
        again = [*targets, *reversed(targets)]
        assert found(best_hits(targets, again, threads=1)) == list(range(12))
        (hits,) = neighbours(targets[:1], again, threads=1)
        assert [hit.target for hit in hits] == [0, 23]

    @pytest.mark.parametrize("threads", [1, 2, 3, 0, None])
    def test_threads_order_and_company_change_nothing(self, threads: int | None) -> None:
        targets = parents(30)
        queries = [mutated(target, 0.6, seed=n) for n, target in enumerate(targets)]
        expected = neighbours(queries, targets, threads=1)
        assert sum(map(bool, expected)) > 5
        order = np.random.default_rng(1).permutation(30).tolist()
        shuffled = neighbours([queries[i] for i in order], targets, threads=threads)
        assert shuffled == [expected[i] for i in order]
        assert neighbours(queries[7:9], targets, threads=threads) == expected[7:9]

    def test_order_of_the_targets_changes_nothing_but_their_indices(self) -> None:
        targets = parents(30)
        queries = [mutated(target, 0.5) for target in targets]
        order = np.random.default_rng(1).permutation(30).tolist()
        expected = best_hits(queries, targets, threads=1)
        moved = best_hits(queries, [targets[i] for i in order], threads=1)
        back = [hit and Hit(order[hit.target], hit.e_value, hit.score) for hit in moved]
        assert back == expected

    def test_shortest_peptides_and_unknown_residues_are_searched(self) -> None:
        targets = ["GLFDI", "W", "KWKLFKKIEKVGQNIRDGIIKAGPAVAVVGQATQIAK", "A" * 40, "X" * 30, "MX" * 30]
        peptides = ["GLFDI", "W", "KWKLFKKIEKVGQNIRDGIIKAG", "KRKRK", "A" * 40, "X" * 30, "MXXXX"]
        assert found(best_hits(peptides, targets, threads=1))[:3] == [None, None, 2]

    def test_nothing_to_search_or_to_find(self) -> None:
        assert best_hits(parents(), [], threads=1) == [None] * 12
        assert neighbours(parents(), [], threads=1) == [[]] * 12
        assert best_hits([], parents(), threads=1) == []
        assert best_hits([], [], threads=1) == []

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("targets", [parents(), []])
    def test_progress_is_told_after_each_query(self, threads: int, targets: list[str]) -> None:
        calls: list[tuple[str, int, int]] = []
        best_hits(parents(), targets, threads=threads, on_progress=lambda *call: calls.append(call))
        assert calls == [("homology search", n, 12) for n in range(1, 13)]

    def test_fault_in_the_callback_ends_the_search(self) -> None:
        def stop(stage: str, n_done: int, n_total: int) -> None:
            raise InterruptedError(stage)

        with pytest.raises(InterruptedError):
            best_hits(parents(), parents(), threads=2, on_progress=stop)


@pytest.mark.usefixtures("pyhmmer")
class TestWindows:
    """Long sequences, with short windows so that the tests are quick."""

    @pytest.fixture(autouse=True)
    def short_windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(homology, "WINDOW", 200)
        monkeypatch.setattr(homology, "_STEP", 100)

    @pytest.mark.parametrize("length", [1, 100, 199, 200, 201, 299, 300, 301, 950, 1000])
    def test_windows_cover_the_sequence(self, length: int) -> None:
        from pyhmmer.easel import Alphabet

        letters = Alphabet.amino()
        sequence = random_sequence(np.random.default_rng(length), length)
        windows = [window.textize().sequence for window in homology._windows([sequence], letters)]
        assert all(100 < len(window) <= 200 for window in windows) or len(windows) == 1
        assert windows[0] + "".join(window[100:] for window in windows[1:]) == sequence

    def test_stretch_is_found_wherever_it_stands_in_both(self) -> None:
        rng = np.random.default_rng(2)
        stretch = random_sequence(rng, 100)
        targets = [*parents(5), random_sequence(rng, 340) + stretch + random_sequence(rng, 500), stretch]
        long = random_sequence(rng, 150) + mutated(stretch, 0.3) + random_sequence(rng, 444)
        hits = neighbours([parents(5)[4], long, stretch], targets, threads=2)
        assert [sorted(hit.target for hit in of_query) for of_query in hits] == [[4], [5, 6], [5, 6]]

    def test_pair_has_the_best_of_its_windows(self) -> None:
        stretch = random_sequence(np.random.default_rng(3), 60)
        target = mutated(stretch, 0.5) + "G" * 300 + stretch + "P" * 200
        (long,), (alone,) = (neighbours([stretch], [t], threads=1) for t in (target, stretch))
        assert len(long) == 1
        # A longer window costs a few bits: the stretch could stand in more places.
        assert long[0].score == pytest.approx(alone[0].score, abs=6)


@pytest.mark.slow
@pytest.mark.usefixtures("pyhmmer")
def test_sequences_as_long_as_titin_and_beyond_hmmers_limit_are_searched() -> None:
    rng = np.random.default_rng(4)
    titin, longer = random_sequence(rng, 35_000), random_sequence(rng, 101_000)
    stretch = mutated(titin[30_000:30_300], 0.3)
    targets = [*parents(3), longer, longer[:50_000] + stretch + longer[50_000:]]
    (of_titin, of_stretch) = neighbours([titin, stretch], targets, threads=2)
    assert [hit.target for hit in of_titin] == [4]
    assert [hit.target for hit in of_stretch] == [4]
    assert found(best_hits([stretch[:250]], [*parents(3), titin], threads=1)) == [3]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyhmmer", None)
    with pytest.raises(MissingDependencyError) as caught:
        best_hits(["MKT"], ["MKT"])
    assert str(caught.value) == "homology search needs pyhmmer: pip install 'sortilin[train]'"


@pytest.fixture
def pyhmmer() -> None:
    pytest.importorskip("pyhmmer")
