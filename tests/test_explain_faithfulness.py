"""Deletion and insertion curves, agreement and sensitivity, on a model whose ground is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin.errors import ConfigError
from sortilin.explain import faithfulness
from sortilin.explain.attribution import Attribution
from sortilin.explain.opened import Opened
from sortilin.interfaces import DoubleArray

SEED = 4


class _Counts:
    """Log-odds of "yes": how many W there are, less two; or, if it is blind, nothing of the sequence."""

    classes = ("no", "yes")
    name = "counter"
    has_attention = False

    def __init__(self, weight: float = 1.0) -> None:
        self._weight = weight
        tokens = {"max_residues": None, "keep_last": 0}
        self.model = SimpleNamespace(description={"tokens": tokens, "classifier": {"name": "none"}})

    def proba_of_cleaned(self, sequences: Sequence[str]) -> DoubleArray:
        odds = np.array([self._weight * s.count("W") - 2 for s in sequences])
        p = 1 / (1 + np.exp(-odds))
        return np.column_stack([1 - p, p])


def opened(weight: float = 1.0) -> Opened:
    return Opened(_Counts(weight))  # type: ignore[arg-type]


def sequences(n: int = 12) -> list[str]:
    rng = np.random.default_rng(1)
    return [tiny.random_sequence(rng, 40, tiny.RESIDUES + "W" * 5) for _ in range(n)]


def attributed(values_of: Any, method: str = "occlusion", n: int = 12) -> list[Attribution]:
    return [
        Attribution(id=f"s{row}", sequence=s, method=method, label="yes", values=values_of(s))
        for row, s in enumerate(sequences(n))
    ]


def truth(sequence: str) -> DoubleArray:
    return np.array([float(letter == "W") for letter in sequence])


def lies(sequence: str) -> DoubleArray:
    return -truth(sequence)


def test_true_attributions_gain_on_random_order_and_false_ones_lose() -> None:
    true, false = (faithfulness.curves(opened(), attributed(of), seed=SEED) for of in (truth, lies))
    for gain in (true.deletion_gain, true.insertion_gain):
        assert gain.value > 0.5
        assert gain.low <= gain.value <= gain.high
        assert gain.low > 0
        assert gain.n == 12
    assert false.deletion_gain.high < 0
    assert false.insertion_gain.high < 0
    assert sum(true.gains) / 12 == pytest.approx(true.deletion_gain.value + true.insertion_gain.value)


def test_curves_begin_and_end_where_nothing_and_all_is_hidden() -> None:
    found = faithfulness.curves(opened(), attributed(truth), seed=SEED)
    whole = float(np.mean([s.count("W") - 2 for s in sequences()]))
    assert found.shares == pytest.approx(np.arange(11) / 10)
    for falling in (found.deletion, found.random_deletion):
        assert falling[0] == pytest.approx(whole)
        assert falling[-1] == pytest.approx(-2)
        assert list(falling) == sorted(falling, reverse=True)
    for rising in (found.insertion, found.random_insertion):
        assert rising[0] == pytest.approx(-2)
        assert rising[-1] == pytest.approx(whole)
    assert found.method == "occlusion"


def test_first_tenth_of_the_deletion_curve_is_what_is_hidden_by_hand() -> None:
    only = attributed(truth, n=1)
    found = faithfulness.curves(opened(), only, seed=SEED)
    n_w = only[0].sequence.count("W")
    assert found.deletion[1] == pytest.approx(n_w - min(4, n_w) - 2)
    assert found.insertion[1] == pytest.approx(min(4, n_w) - 2)


def test_equal_values_say_nothing_wherever_the_model_looks() -> None:
    """A model that goes by the start: residues of equal values hidden from the start on would seem true."""
    model = opened()
    starts = ["W" * 8 + sequence[8:].replace("W", "A") for sequence in sequences()]
    flat = [
        replace(a, sequence=s, values=np.zeros(len(s)))
        for a, s in zip(attributed(truth), starts, strict=True)
    ]
    found = faithfulness.curves(model, flat, seed=SEED)
    for gain in (found.deletion_gain, found.insertion_gain):
        assert gain.low < 0 < gain.high
    true = [replace(a, values=truth(a.sequence)) for a in flat]
    assert faithfulness.curves(model, true, seed=SEED).deletion_gain.low > 0


def test_overlap_of_equal_values_is_that_of_chance() -> None:
    flat = attributed(lambda s: np.zeros(len(s)))
    rising = attributed(lambda s: np.arange(len(s), 0, -1.0))
    for other in (flat, rising):
        found = faithfulness.agreement(flat, other, names=("flat", "other"), seed=SEED)
        assert found.overlap.value == pytest.approx(0.1)


def test_curves_do_not_depend_on_order_and_residues_not_looked_at_stay() -> None:
    given = attributed(truth)
    forth, back = (faithfulness.curves(opened(), a, seed=SEED) for a in (given, given[::-1]))
    assert forth.deletion == pytest.approx(back.deletion)
    assert forth.gains == pytest.approx(back.gains[::-1])
    assert forth.deletion_gain.value == pytest.approx(back.deletion_gain.value)
    half = [replace(a, values=np.where(np.arange(40) < 20, a.values, np.nan)) for a in given]
    left = float(np.mean([s[20:].count("W") - 2 for s in sequences()]))
    assert faithfulness.curves(opened(), half, seed=SEED).deletion[-1] == pytest.approx(left)


def test_curves_are_of_one_method_and_of_models_that_predict_changes() -> None:
    both = [*attributed(truth), *attributed(truth, "saliency")]
    with pytest.raises(ConfigError, match=r"one method; found 2: \['occlusion', 'saliency'\]"):
        faithfulness.curves(opened(), both, seed=SEED)
    with pytest.raises(ConfigError, match="one method; found 0"):
        faithfulness.curves(opened(), [], seed=SEED)
    model = opened()
    model.predictor.model.description["features"] = {"name": "precomputed"}  # type: ignore[index]
    with pytest.raises(ConfigError, match="no deletion and insertion curves: its vectors are looked up"):
        faithfulness.curves(model, attributed(truth), seed=SEED)


def test_agreement_is_spearmans_correlation_and_the_shared_tenth() -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(5)
    noisy = attributed(lambda s: truth(s) + rng.normal(0, 0.5, len(s)))
    other = attributed(lambda s: truth(s) + rng.normal(0, 0.5, len(s)).round(1), "mutagenesis")
    found = faithfulness.agreement(noisy, other, names=("a", "b"), seed=SEED)
    expected = [
        scipy_stats.spearmanr(a.values, b.values).statistic for a, b in zip(noisy, other, strict=True)
    ]
    assert found.spearman.value == pytest.approx(np.mean(expected))
    assert (found.first, found.second, found.spearman.n) == ("a", "b", 12)
    same = faithfulness.agreement(noisy, noisy, names=("a", "a"), seed=SEED)
    assert (same.spearman.value, same.overlap.value) == pytest.approx((1, 1))
    assert faithfulness.agreement(
        noisy, [replace(a, values=-a.values) for a in noisy], names=("a", "-a"), seed=SEED
    ).spearman.value == pytest.approx(-1)


def test_what_has_no_correlation_is_left_out_and_counted_so() -> None:
    flat = attributed(lambda s: np.zeros(len(s)))
    found = faithfulness.agreement(flat, attributed(truth), names=("flat", "true"), seed=SEED)
    assert found.spearman.n == 0
    assert math.isnan(found.spearman.value)
    assert found.overlap.n == 12


def test_agreement_is_of_the_same_sequences_and_classes() -> None:
    given = attributed(truth)
    with pytest.raises(ConfigError, match="the same sequences and classes, in one order"):
        faithfulness.agreement(given, given[::-1], names=("a", "b"), seed=SEED)


def test_signed_method_is_compared_with_one_that_is_not_by_size() -> None:
    by_method = {
        "occlusion": attributed(lies),
        "mutagenesis": attributed(truth, "mutagenesis"),
        "saliency": attributed(truth, "saliency"),
    }
    found = {(a.first, a.second): a.spearman.value for a in faithfulness.agreements(by_method, seed=SEED)}
    assert found["occlusion", "mutagenesis"] == pytest.approx(-1)
    assert found["occlusion", "saliency"] == pytest.approx(1)
    assert found["mutagenesis", "saliency"] == pytest.approx(1)


def test_model_of_shuffled_labels_is_told_from_one_that_explains() -> None:
    found = faithfulness.against_shuffled(opened(), opened(0.0), lambda _: attributed(truth), seed=SEED)
    assert found.explains
    assert found.shuffled.value == pytest.approx(0, abs=1e-9)
    assert found.difference.low > 0
    assert found.difference.value == pytest.approx(found.model.value - found.shuffled.value)
    same = faithfulness.against_shuffled(opened(), opened(), lambda _: attributed(truth), seed=SEED)
    assert not same.explains


def test_sensitivity_to_the_seed_is_of_two_models_or_more() -> None:
    one, two = opened(), opened()
    ground = {id(one): truth, id(two): lies}
    found = faithfulness.to_seed(
        {"seed 1": one, "seed 2": two}, lambda model: attributed(ground[id(model)]), seed=SEED
    )
    assert [(a.first, a.second) for a in found] == [("seed 1", "seed 2")]
    assert found[0].spearman.value == pytest.approx(-1)
    with pytest.raises(ConfigError, match="two models or more; found 1"):
        faithfulness.to_seed({"seed 1": one}, lambda _: attributed(truth), seed=SEED)


def test_interval_of_a_mean_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    hits = 0
    for trial in range(200):
        found = faithfulness.mean_of(rng.normal(3, 1, 60).tolist(), seed=trial)
        hits += found.low <= 3 <= found.high
    assert 178 <= hits <= 199  # 0.95 of 200, by more than four standard errors
