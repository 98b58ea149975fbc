"""Every pair of a benchmark's models: records, page, `pairs.tsv`, and the correction over all of them."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
import pytest

from sortilin.benchmark import compare, pairs
from sortilin.evaluation import comparison, metrics
from sortilin.report.benchmark import _pairs

CLASSES = ["no", "yes"]


def rows(*, folds: bool) -> tuple[list[dict[str, Any]], Any]:
    """Three models of 120 sequences: one good, two that guess."""
    rng = np.random.default_rng(1)
    y = np.arange(120) % 2
    found = []
    for name, share in (("poor", 0.1), ("good", 0.9), ("other", 0.1)):
        said = np.where(rng.random(120) < share, y, rng.integers(2, size=120))
        table = np.where(np.eye(2)[said] == 1, 0.8, 0.2)
        record: dict[str, Any] = {
            "name": name,
            "title": name.upper(),
            "probabilities": table.tolist(),
            "evaluation": compare.plain(metrics.evaluate(y, table, CLASSES)),
        }
        if folds:
            parts = [np.arange(120) % 4 == number for number in range(4)]
            values = [metrics.evaluate(y[p], table[p], CLASSES).metrics["accuracy"] for p in parts]
            record["folds"] = {"values": {"accuracy": values}}
        found.append(record)
    return found, y


def compared(*, folds: bool) -> dict[str, Any]:
    models, y = rows(folds=folds)
    found = pairs.compared(
        models, y, CLASSES, metric="accuracy", n_folds=4 if folds else None, seed=1, resamples=100
    )
    assert found is not None
    return found


def test_every_pair_is_compared_best_first() -> None:
    found = compared(folds=True)
    names = [(one["first"], one["second"]) for one in found["differences"]]
    assert len(names) == found["n_pairs"] == 3
    assert [first for first, _ in names[:2]] == ["good", "good"]
    assert [(one["first"], one["second"]) for one in found["mcnemar"]] == names
    assert [(one["first"], one["second"]) for one in found["folds"]] == names
    for kind in ("differences", "mcnemar", "folds"):
        expected = comparison.holm([one["p_value"] for one in found[kind]])
        assert [one["adjusted"] for one in found[kind]] == pytest.approx(expected)
    assert found["differences"][0]["adjusted"] < 0.05
    assert found["differences"][2]["adjusted"] > 0.05


def test_enough_is_drawn_for_the_correction() -> None:
    """The least p-value that the resamples can give has to survive Holm's factor."""
    found = compared(folds=False)
    assert found["resamples"] >= 100 * found["n_pairs"]
    assert 2 / (found["resamples"] + 1) * found["n_pairs"] < 0.05


def test_one_model_has_no_pairs_and_a_holdout_no_folds() -> None:
    models, y = rows(folds=False)
    how: dict[str, Any] = {"metric": "accuracy", "n_folds": None, "seed": 1, "resamples": 10}
    assert pairs.compared(models[:1], y, CLASSES, **how) is None
    assert compared(folds=False)["folds"] is None


@pytest.mark.parametrize("folds", [True, False])
def test_page_and_table_hold_every_pair(folds: bool) -> None:
    models, _ = rows(folds=folds)
    results: dict[str, Any] = {"pairs": compared(folds=folds), "models": models, "folds": 4, "split": "folds"}
    view = _pairs.pairs(results)
    assert view is not None
    assert [row["first"] for row in view["rows"][:2]] == ["GOOD", "GOOD"]
    assert view["n_folds"] == (4 if folds else None)
    assert view["summary"].startswith(
        "Of 3 pairs of models, told apart with p < 0.05 after Holm's correction: 2 by the paired bootstrap"
    )
    table = list(csv.DictReader(io.StringIO(_pairs.tsv(results)), delimiter="\t"))
    assert len(table) == 3
    for row, one in zip(table, results["pairs"]["differences"], strict=True):
        assert float(row["difference"]) == one["difference"]
        assert float(row["p_holm"]) == one["adjusted"]
        assert (row["folds_p_value"] == "") != folds


def test_tests_against_the_best_are_corrected() -> None:
    tests: list[dict[str, Any]] = [{"p_value": 0.02}, {"p_value": None}, {"p_value": 0.03}]
    compare.correct(tests)
    assert [test["adjusted"] for test in tests] == [pytest.approx(0.04), None, pytest.approx(0.04)]


def test_report_without_pairs_says_nothing() -> None:
    assert _pairs.pairs({"models": []}) is None
