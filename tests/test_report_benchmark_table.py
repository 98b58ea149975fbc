"""What is read of a benchmark's results, how it is put in words, and `table.tsv`."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import pytest

from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._palette import CLASS_COLOURS, class_colour, text_on
from sortilin.report.benchmark._results import contenders_first, number, table_metrics
from sortilin.report.benchmark._table import tsv

CLASSES = ("cytosol", "secreted", "nucleus")
FIVE = ("macro_f1", "accuracy", "roc_auc", "precision", "recall")


def evaluation(score: float, classes: Sequence[str] = CLASSES) -> dict[str, Any]:
    """Ten sequences of each class, of which `score` tenths are found; the rest go to the next class."""
    n_right, n = round(10 * score), len(classes)
    confusion = [[0] * n for _ in classes]
    for c in range(n):
        confusion[c][c] = n_right
        confusion[c][(c + 1) % n] += 10 - n_right
    metrics = dict.fromkeys(FIVE, score) | {"mcc": score - 0.1, "log_loss": 1 - score}
    if n == 2:
        metrics |= {"sensitivity": score, "specificity": score}
    per_class = {"precision": score, "recall": score, "f1": score, "roc_auc": score, "support": 10.0}
    return {
        "n": 10 * n,
        "classes": list(classes),
        "metrics": metrics,
        "per_class": {name: dict(per_class) for name in classes},
        "confusion": confusion,
    }


def model(name: str, score: float, classes: Sequence[str] = CLASSES, **changes: Any) -> dict[str, Any]:
    """A row of the results."""
    return {
        "name": name,
        "title": name.upper(),
        "is_baseline": False,
        "published": None,
        "evaluation": evaluation(score, classes),
        "intervals": {metric: [score - 0.05, score + 0.05] for metric in FIVE},
        "against_best": {
            "best": "lstm",
            "difference": score - 0.8,
            "low": -0.3,
            "high": -0.1,
            "p_value": 0.02,
        },
        "seconds": 75.4,
        "n_parameters": None,
        "options": {
            "features": "paper71",
            "training": {"learning_rate": 0.001, "schedule": {"warmup": None}},
        },
        "chosen": {},
        "curves": None,
    } | changes


def curves(n_epochs: int = 4) -> dict[str, Any]:
    """Losses that fall and scores that rise."""
    epochs = list(range(1, n_epochs + 1))
    falling, rising = [1 / e for e in epochs], [1 - 1 / (e + 1) for e in epochs]
    return {
        "epoch": epochs,
        "train_loss": falling,
        "valid_loss": [1.1 * v for v in falling],
        "train_accuracy": rising,
        "valid_accuracy": rising,
        "valid_macro_f1": rising,
        "learning_rate": [0.001] * n_epochs,
        "seconds": [1.5] * n_epochs,
        "best_epoch": n_epochs,
    }


def make_results(classes: Sequence[str] = CLASSES, **changes: Any) -> dict[str, Any]:
    """Results with every part: two models, one baseline, three published rows."""
    best = model(
        "lstm", 0.8, classes, against_best=None, published="LSTM", n_parameters=1234567, curves=curves()
    )
    rows = [
        model("length", 0.3, classes, is_baseline=True),
        model("svm", 0.6, classes, published="SVM"),
        best,
    ]
    pooled = evaluation(0.7, classes)
    blind = {
        "id": "SEQ01",
        "label": classes[0],
        "probability": 0.81,
        "confidence": "High",
        "raw_label": classes[1],
        "raw_probability": 0.55,
        "published_label": classes[0],
        "published_confidence": "Medium",
    }
    return {
        "format": "sortilin-benchmark",
        "format_version": 1,
        "sortilin_version": "0.3.0",
        "created": "2026-11-21T03:40:11+00:00",
        "command": "sortilin benchmark localization --out runs/b",
        "seconds": 8123.4,
        "task": "localization",
        "title": "Subcellular localization",
        "classes": list(classes),
        "metric": "macro_f1",
        "seed": 42,
        "split": "holdout",
        "holdout": 0.2,
        "folds": 5,
        "data": {
            "name": "psl",
            "n": 150,
            "class_counts": dict.fromkeys(classes, 50),
            "n_repeats": 2,
            "sha256": "5d" * 32,
            "citation": "Li M., doi:10.0000/none",
            "n_train": 120,
            "n_holdout": 10 * len(classes),
        },
        "machine": {"python": "3.11.7", "cores": 2, "accelerator": None, "versions": {"torch": "2.13.0"}},
        "choices": [{"point": "truncation", "paper": "first 2,400", "ours": "first 1,900"}],
        "exploration": exploration(classes),
        "models": rows,
        "best": "lstm",
        "published": {
            "source": "Li, Table 1",
            "columns": list(FIVE),
            "rows": {"SVM": [0.658, 0.659, 0.766, 0.662, 0.667], "LSTM": [0.726, 0.708, None, 0.719, 0.736]},
        },
        "cross_validation": {
            "model": "lstm",
            "folds": [evaluation(0.7, classes), evaluation(0.7, classes)],
            "mean": dict.fromkeys(FIVE, 0.7),
            "spread": dict.fromkeys(FIVE, 0.0123),
            "pooled": pooled,
        },
        "blind": {
            "model": "lstm",
            "rows": [blind, blind | {"id": "SEQ02", "published_label": classes[1]}],
            "agreement": {"labels": 1, "labels_and_confidence": 0, "of": 2, "published_by": "ESM2-T33 + MLP"},
        },
    } | changes


def exploration(classes: Sequence[str] = CLASSES) -> dict[str, Any]:
    """Lengths, correlations, isoelectric points and motifs, few of each."""
    return {
        "lengths": {"training": [11, 50, 300, 400, 13100], "blind": [80, 90]},
        "correlation": {
            "names": ["length", "gravy", "x"],
            "matrix": [[1, -0.5, None], [-0.5, 1, None], [None] * 3],
        },
        "isoelectric_point": {name: [4.5, 6.0, 7.5, 9.0] for name in classes},
        "motifs": {"names": ["ends in KDEL", "nuclear"], "share": {name: [0.0, 0.25] for name in classes}},
    }


def read(results: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tsv(results)), delimiter="\t", quoting=csv.QUOTE_NONE))


# table.tsv


def test_table_holds_models_best_first_then_baselines_then_published() -> None:
    rows = read(make_results())
    assert [(row["source"], row["name"]) for row in rows] == [
        ("sortilin", "lstm"),
        ("sortilin", "svm"),
        ("sortilin", "length"),
        ("published", "SVM"),
        ("published", "LSTM"),
    ]
    assert [row["is_baseline"] for row in rows] == ["false", "false", "true", "", ""]
    assert [row["is_best"] for row in rows] == ["true", "false", "false", "", ""]


def test_table_values_are_those_of_the_results_with_all_digits() -> None:
    results = make_results()
    results["models"][1]["evaluation"]["metrics"]["accuracy"] = 0.1 + 0.2
    svm = next(row for row in read(results) if row["name"] == "svm")
    assert float(svm["accuracy"]) == 0.1 + 0.2
    assert (float(svm["macro_f1"]), float(svm["macro_f1_low"])) == (0.6, 0.6 - 0.05)
    assert float(svm["difference"]) == pytest.approx(-0.2)
    assert (svm["compared_with"], svm["difference_low"], svm["p_value"]) == ("lstm", "-0.3", "0.02")
    assert svm["published_row"] == "SVM"
    assert float(svm["macro_f1_minus_published"]) == pytest.approx(0.6 - 0.658)
    assert (svm["mcc"], svm["seconds"], svm["n_parameters"]) == ("0.5", "75.4", "")


def test_table_cell_of_what_is_undefined_is_empty() -> None:
    results = make_results()
    metrics = results["models"][2]["evaluation"]["metrics"]
    metrics["roc_auc"], metrics["precision"] = None, math.nan
    results["models"][2]["intervals"]["recall"] = [None, None]
    best, published = (next(r for r in read(results) if r["name"] == name) for name in ("lstm", "LSTM"))
    assert best["roc_auc"] == best["precision"] == best["recall_low"] == best["difference"] == ""
    assert best["roc_auc_minus_published"] == published["roc_auc"] == published["seconds"] == ""
    assert best["n_parameters"] == "1234567"


def test_table_without_published_rows_has_no_columns_of_differences_to_them() -> None:
    rows = read(make_results(published=None))
    assert {row["source"] for row in rows} == {"sortilin"}
    assert not any(name.endswith("_minus_published") for name in rows[0])


def test_table_titles_cannot_break_a_line() -> None:
    results = make_results(models=[model("a", 0.5, title='"x"\ty\nz')], best="a", published=None)
    assert [row["title"] for row in read(results)] == ['%22x"%09y%0Az']


def test_metrics_of_two_classes_begin_with_the_benchmarks_own_and_end_with_the_published() -> None:
    published = {
        "source": "",
        "columns": ["accuracy", "sensitivity", "unknown"],
        "rows": {"A": [0.9, 0.8, 0.7]},
    }
    results = make_results(("no", "yes"), metric="mcc", published=published)
    assert table_metrics(results) == ("mcc", *FIVE, "sensitivity")
    assert next(r for r in read(results) if r["name"] == "A")["sensitivity"] == "0.8"


def test_models_without_the_metric_come_last() -> None:
    results = make_results()
    results["models"][2]["evaluation"]["metrics"]["macro_f1"] = None
    assert [m["name"] for m in contenders_first(results)] == ["svm", "lstm", "length"]


# Words


@pytest.mark.parametrize("value", [None, math.nan, math.inf, True, "0.5"])
def test_number_is_none_for_what_is_none(value: object) -> None:
    assert number(value) is None


def test_numbers_read_as_a_person_writes_them() -> None:
    minus = words.MINUS
    assert words.decimals(None) == words.UNDEFINED
    assert [words.decimals(v) for v in (0.73849, -0.0001, -0.25)] == ["0.738", "0.000", f"{minus}0.250"]
    assert [words.signed(v) for v in (0.0123, -0.5, 0.0001)] == ["+0.012", f"{minus}0.500", "0.000"]
    assert [words.p_value(p) for p in (0.0, 0.0009, 0.0123)] == ["<0.001", "<0.001", "0.012"]
    assert [words.duration(s) for s in (0.04, 59.9, 59.96, 812.1, 3600, 8123.4)] == [
        *("0.0 s", "59.9 s", "1 min 00 s", "13 min 32 s", "1 h 00 min", "2 h 15 min")
    ]
    assert words.span((-0.3, 0.1)) == f"{minus}0.300 to 0.100"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_tick_labels_are_short_and_differ() -> None:
    names = ["compartment number 10", "compartment number 11", "x" * 90, "x" * 90, "a\nb", "nucleus"]
    for n_lines in (1, 2):
        labels = words.tick_labels(names, 15, n_lines)
        assert len(set(labels)) == len(names)
        lines = [line.split(" (")[0] for label in labels for line in label.split("\n")]
        assert max(map(len, lines)) <= 15
        assert max(label.count("\n") for label in labels) < n_lines
    assert "10" in words.tick_labels(names, 15, 1)[0]
    assert words.tick_labels([""]) == [""]


def test_file_names_are_safe_and_differ() -> None:
    names = words.file_names(["a/b", "a b", "../..", "A_B", "x" * 300, "Café"])
    assert len({name.lower() for name in names}) == 6
    assert names[:4] == ["a_b", "a_b_2", "model", "A_B_3"]
    assert all(name.isascii() and len(name) < 80 and "/" not in name for name in names)


# Colours


def test_class_colours_are_twenty_and_begin_again() -> None:
    assert len(set(CLASS_COLOURS)) == 20
    assert class_colour(21) == class_colour(1)


def test_text_stands_out_from_its_cell() -> None:
    assert text_on(1, 1, 1) == "#1c2328"
    assert text_on(0.03, 0.19, 0.42) == "#ffffff"
