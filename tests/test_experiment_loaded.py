"""The data of an experiment: several datasets as one, repeats, contradictions, and copies of test sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin import datasets
from sortilin.datasets import catalog
from sortilin.errors import ConfigError, LabelError
from sortilin.experiment import ExperimentConfig, data, loaded, run
from sortilin.experiment.config import Copies
from sortilin.experiment.data import LabelledSet

CLASSES = ("neither", "antimicrobial", "anticancer")
GIVES_WAY = {"neither": "antimicrobial"}
PEPTIDE = "GLFDIVKKVVGALGSLWKRQ"


def union(*rows: tuple[str, int, str]) -> LabelledSet:
    """Rows of (sequence, class, dataset)."""
    sequences, y, names = zip(*rows, strict=True)
    return LabelledSet(
        "toy", sequences, np.array(y), CLASSES, stands_in=tuple(frozenset({name}) for name in names)
    )


def test_sequence_of_two_datasets_is_one_row_that_stands_in_both() -> None:
    merged, n_repeats, n_contradictions = union(
        ("MKV", 2, "acp"), ("MKL", 0, "acp"), ("MKV", 2, "acp-hard"), ("MKV", 2, "acp-hard")
    ).merged({})
    assert merged.sequences == ("MKV", "MKL")
    assert merged.stands_in == (frozenset({"acp", "acp-hard"}), frozenset({"acp"}))
    assert (n_repeats, n_contradictions) == (2, 0)


def test_class_that_says_less_gives_way() -> None:
    rows = union(("MKV", 0, "acp"), ("MKV", 1, "acp-hard"), ("MKL", 1, "acp-hard"), ("MKL", 0, "acp"))
    merged, n_repeats, n_contradictions = rows.merged(GIVES_WAY)
    assert merged.y.tolist() == [1, 1]
    assert (n_repeats, n_contradictions) == (2, 0)


def test_contradiction_of_two_datasets_is_left_out() -> None:
    rows = union(("MKV", 2, "acp"), ("MKV", 1, "acp-hard"), ("MKL", 0, "acp"))
    merged, n_repeats, n_contradictions = rows.merged(GIVES_WAY)
    assert merged.sequences == ("MKL",)
    assert (n_repeats, n_contradictions) == (0, 1)
    assert rows.distinct()[1] == 2


def test_contradiction_within_a_dataset_is_an_error() -> None:
    rows = union(("MKV", 2, "acp"), ("MKV", 0, "acp"))
    with pytest.raises(LabelError) as caught:
        rows.merged(GIVES_WAY)
    assert str(caught.value) == (
        "toy: one sequence has two classes, 'anticancer' and 'neither': MKV; keep one of them, or neither"
    )


def test_order_of_the_datasets_changes_no_class() -> None:
    rows = [("MKV", 0, "acp"), ("MKL", 2, "acp"), ("MKV", 1, "acp-hard"), ("MKL", 1, "acp-hard")]
    forth, back = (union(*order).merged(GIVES_WAY)[0] for order in (rows, rows[::-1]))
    assert dict(zip(forth.sequences, forth.y, strict=True)) == dict(zip(back.sequences, back.y, strict=True))


def test_copies_in_the_named_dataset_go_and_others_stay() -> None:
    rows = union((PEPTIDE, 2, "acp"), (PEPTIDE[1:], 2, "acp-hard"), ("W" * 20, 1, "acp-hard"))
    test = union((PEPTIDE, 2, "acp"))
    left, n = loaded.without_copies(rows, [test], Copies(of=("acp-hard",)))
    assert (left.sequences, n) == ((PEPTIDE, "W" * 20), 1)
    left, n = loaded.without_copies(rows, [test], Copies())
    assert (left.sequences, n) == (("W" * 20,), 2)


def test_copies_of_nothing_or_of_a_stranger_are_refused() -> None:
    rows = union((PEPTIDE, 2, "acp"), ("MKV", 1, "acp-hard"))
    with pytest.raises(ConfigError) as caught:
        loaded.without_copies(rows, [], Copies())
    assert str(caught.value) == (
        "leave_out_copies: there is no test set whose copies could be left out; give tests"
    )
    with pytest.raises(ConfigError) as caught:
        loaded.without_copies(rows, [rows], Copies(of=("psl",)))
    assert str(caught.value) == (
        "leave_out_copies.of: 'psl' is none of the datasets trained on; choose from: acp, acp-hard"
    )


@pytest.fixture
def make_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Puts a made-up dataset in the catalog: (label, sequence) of each row, and its split."""
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(tmp_path))

    def entered(name: str, rows: list[tuple[str, str]], split: str | None = None) -> None:
        (tmp_path / name).mkdir()
        path = tmp_path / name / "rows.csv"
        path.write_text("sequence,label\n" + "".join(f"{sequence},{label}\n" for label, sequence in rows))
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        file = datasets.RemoteFile(f"{name}/rows.csv", "", sha256, len(rows), split=split)
        labels = {label: label for label in tiny.PLANTED}
        toy = datasets.Dataset(name, name, "", "", "", f"cite {name}", "table", (file,), labels)
        monkeypatch.setitem(catalog.CATALOG, name, toy)

    return entered


def test_experiment_on_two_datasets_says_what_it_left_out(
    make_up: Callable[..., None], tmp_path: Path
) -> None:
    first, second, test = tiny.labelled(1, 20), tiny.labelled(2, 10), tiny.labelled(3, 4)
    contradicted = ("greasy" if first[3][0] != "greasy" else "basic", first[3][1])
    make_up("one", first)
    make_up("two", [*second, first[0], contradicted, test[0], (test[1][0], test[1][1][:-1])])
    make_up("three", test)
    values: dict[str, Any] = {
        "task": "custom",
        "data": ["one", "two"],
        "tests": "three",
        "leave_out_copies": {"of": "two"},
        "features": {"name": "composition"},
        "classifier": {"name": "boosting", "options": {"rounds": 5}},
        "seed": 1,
        "folds": 3,
        "holdout": 0,
        "baselines": False,
    }
    folder, outcome = run(ExperimentConfig.model_validate(values), tmp_path / "model")
    assert outcome.data.name == "one, two"
    assert outcome.data.citation == "cite one; cite two"
    assert len(outcome.data) == 60 + 30 - 1
    assert outcome.data.stands_in[0] == frozenset({"one", "two"})
    measured = json.loads((folder.path / "metrics.json").read_text())
    assert measured["left_out"] == {"repeats": 1, "copies_of_tests": 2, "contradictions": 1}
    assert "because two datasets contradict each other: 1." in folder.card
    assert "Rows of two that were left out because a test set holds them or a near copy" in folder.card
    assert [row["part"] for row in measured["tests"]] == ["whole"]


def test_task_with_two_datasets_takes_both_by_default(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (shared_data / "acp_hard").is_dir():
        pytest.skip(f"{shared_data} holds no acp_hard")
    monkeypatch.setenv("SORTILIN_DATA_DIR", str(shared_data))
    found = data.load("activity", [])
    assert found.name == "acp:train, acp-hard"
    assert found.class_counts == {"neither": 1479, "antimicrobial": 689, "anticancer": 487 + 689}
    merged, n_repeats, n_contradictions = found.merged(GIVES_WAY)
    assert (len(merged), n_repeats, n_contradictions) == (len(found) - n_repeats - 2, n_repeats, 1)
