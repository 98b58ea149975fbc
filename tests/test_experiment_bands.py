"""Held-out predictions in bands: known neighbours and lengths fall where they belong, folds are respected."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from sortilin.evaluation import metrics
from sortilin.experiment import bands, run
from sortilin.experiment.validate import CrossValidation, Fold, Problem, assemble
from sortilin.interfaces import IntArray
from sortilin.sequences import clusters
from sortilin.sequences.relatives import Pair, Pairs, Relatives
from test_experiment import TRAINING, config
from test_experiment_grouped import planted  # noqa: F401 - a fixture
from test_sequences_clusters import mutated

NAMES = ["none found", "below 30 %", "30 to 50 %", "50 to 90 %", "90 % and more"]
CLASSES = ("a", "b")


def measured(
    fold: IntArray, y: IntArray, right: IntArray | None = None, sure: float = 3.0
) -> CrossValidation:
    """A cross-validation whose predictions are right where asked for, all as sure."""
    side = np.where(y == 1, 1.0, -1.0) * (1.0 if right is None else np.where(right, 1.0, -1.0))
    parts = [
        Fold(np.flatnonzero(fold == f), sure * side[fold == f, None], _as_it_is(), {})
        for f in np.unique(fold)
    ]
    return assemble(parts, Problem(np.zeros((len(y), 1)), y, CLASSES, len(parts), 0))


def _as_it_is() -> Any:
    """A calibration that takes scores for log-odds."""

    def probabilities(scores: Any) -> Any:
        of_one = 1 / (1 + np.exp(-scores[:, 0]))
        return np.stack([1 - of_one, of_one], axis=1)

    return probabilities


def relatives(n: int, pairs: list[tuple[int, int, float]]) -> Relatives:
    """Pairs of rows with an identity, over a hundred columns."""
    made = (Pair(min(a, b), max(a, b), round(100 * share), share, 1e-9) for a, b, share in pairs)
    return Relatives(np.arange(n), Pairs.of(made).ranked())


# --- likeness


def test_nearest_in_training_stands_in_another_fold() -> None:
    fold = np.array([0, 0, 0, 1, 1, 2])
    found = relatives(6, [(0, 1, 0.95), (0, 3, 0.6), (1, 5, 0.25), (2, 3, 0.3), (4, 3, 0.99)])
    nearest = bands.nearest_in_training(fold, found)
    assert nearest[:4].tolist() == [0.6, 0.25, 0.3, 0.6]  # 0 and 1 are held out together
    assert np.isnan(nearest[4])  # its only relative is held out with it
    assert nearest[5] == 0.25


def test_repeat_in_training_is_a_near_copy() -> None:
    found = Relatives(np.array([0, 1, 0, 2]), Pairs.of([Pair(0, 1, 40, 0.4, 1e-9)]))
    assert bands.nearest_in_training(np.array([0, 0, 1, 1]), found)[:3].tolist() == [1, 0.4, 1]
    assert np.isnan(bands.nearest_in_training(np.array([0, 1, 0, 1]), found)[3])


@pytest.mark.parametrize(
    ("identity", "place"),
    [(0.1, 1), (0.299, 1), (0.3, 2), (0.499, 2), (0.5, 3), (0.899, 3), (0.9, 4), (1.0, 4)],
)
def test_identity_falls_into_its_band(identity: float, place: int) -> None:
    found = bands.by_identity(
        measured(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])),
        relatives(4, [(0, 2, identity)]),
        np.array([0, 1, 0, 1]),
        CLASSES,
        seed=1,
    )
    assert [band.name for band in found] == NAMES
    assert [band.n for band in found] == [2 if n in (0, place) else 0 for n in range(5)]
    assert [(band.low, band.high) for band in found] == [
        (None, None),
        (0, 0.3),
        (0.3, 0.5),
        (0.5, 0.9),
        (0.9, None),
    ]


def test_figures_of_a_band_are_those_of_its_rows() -> None:
    n = 120
    fold, y = np.arange(n) % 2, np.arange(n) // 2 % 2
    near = np.arange(n) < 80
    found = relatives(n, [(a, a + 1, 0.7) for a in range(0, 80, 2)])
    right = np.where(near, np.arange(n) % 20 > 0, np.arange(n) % 2).astype(np.int64)
    folds = measured(fold, y, right)
    by_name = {band.name: band for band in bands.by_identity(folds, found, y, CLASSES, seed=1)}
    for name, inside in (("none found", ~near), ("50 to 90 %", near)):
        band = by_name[name]
        whole = metrics.evaluate(y[inside], folds.probabilities[inside], CLASSES)
        assert (band.n, band.classes) == (whole.n, dict.fromkeys(CLASSES, whole.n // 2))
        assert band.metrics is not None
        assert band.intervals is not None
        for metric in ("macro_f1", "mcc", "accuracy", "ece"):
            assert band.metrics[metric] == whole.metrics[metric]
            low, high = band.intervals[metric]
            assert low <= high
        assert band.metrics["accuracy"] == right[inside].mean()
        assert band.metrics["sensitivity"] == whole.metrics["sensitivity"]
        assert band.metrics["confidence"] == pytest.approx(1 / (1 + np.exp(-3)))
    assert by_name["none found"].is_too_sure  # half are right, and all said with 0.95
    assert not by_name["50 to 90 %"].is_too_sure
    assert by_name["below 30 %"].n == 0


@pytest.mark.parametrize(("n", "has_figures"), [(29, False), (30, True)])
def test_small_band_has_no_figures(n: int, has_figures: bool) -> None:
    y = np.arange(60) % 2
    found = relatives(60, [(row, 59, 0.4) for row in range(n)])
    fold = np.zeros(60, dtype=np.int64)
    fold[59] = 1
    band = bands.by_identity(measured(fold, y), found, y, CLASSES, seed=1)[2]
    assert band.n == n + 1  # and row 59
    band = bands.Scored(y, measured(fold, y).probabilities, CLASSES, 1).band(np.arange(60) < n, "x")
    assert (band.metrics is not None, band.intervals is not None) == (has_figures, has_figures)
    assert not band.is_too_sure
    assert sum(band.classes.values()) == n


def test_band_of_one_class_has_figures() -> None:
    y = np.repeat([0, 1], 40)
    table = measured(np.arange(80) % 2, y).probabilities
    band = bands.Scored(y, table, CLASSES, 1).band(y == 0, "x")
    assert band.metrics is not None
    assert band.metrics["accuracy"] == 1
    assert band.classes == {"a": 40, "b": 0}


# --- length


@pytest.mark.parametrize(
    ("lengths", "ends"),
    [
        (range(1, 501), (100, 200, 300, 400, 500)),
        (range(11, 61), (60,)),  # too few for two bands
        (range(11, 71), (40, 70)),
        ([50] * 200, (50,)),
        ([50] * 190 + [80] * 10, (80,)),  # the long ones are too few
        ([12, 13, 14] * 60 + [1234] * 40, (10 + 5, 1234)),
        (range(1000, 3000, 10), (1500, 2000, 2500, 2990)),  # two ends rounded to one
        ([7], (7,)),
        ([1] * 40 + [2] * 40 + [9] * 40, (1, 2, 9)),
    ],
)
def test_ends_of_lengths_are_round(lengths: Any, ends: tuple[int, ...]) -> None:
    assert bands.length_ends(np.array(list(lengths))) == ends


def test_bands_of_length_hold_each_sequence_once() -> None:
    rng = np.random.default_rng(0)
    lengths = np.rint(np.exp(rng.normal(6, 0.8, 3000))).astype(np.int64) + 5
    y, fold = rng.integers(2, size=3000), rng.integers(5, size=3000)
    found = bands.by_length(measured(fold, y), lengths, y, CLASSES, seed=1)
    assert len(found) == 5
    assert sum(band.n for band in found) == 3000
    assert (found[0].low, found[-1].high) == (lengths.min(), lengths.max())
    for band, after in itertools.pairwise(found):
        assert after.low == (band.high or 0) + 1
    for band in found:
        assert band.low is not None
        assert band.high is not None
        assert band.n == ((lengths >= band.low) & (lengths <= band.high)).sum()
        assert 300 < band.n < 900
        assert band.name == f"{band.low:,} to {band.high:,}"
    assert not any(band.is_too_sure for band in found)  # all are right


# --- a run


@pytest.mark.usefixtures("planted")
def test_bands_stand_in_card_and_figures(tmp_path: Path) -> None:
    data = tiny.write_table(tmp_path / "x.csv", TRAINING)
    folder, outcome = run(config(data, homology=True), tmp_path / "model")
    record = json.loads((folder.path / "metrics.json").read_text())["held_out"]
    assert outcome.grouped is not None
    stratified = outcome.rows[0].cross_validation.fold
    labels = outcome.grouped.groups.labels
    in_training = [
        (labels[stratified != fold] == label).any() for fold, label in zip(stratified, labels, strict=True)
    ]
    found = record["by_identity"]
    assert [band["name"] for band in found["stratified"]] == NAMES
    assert found["stratified"][0]["n"] == 90 - sum(in_training)
    assert sum(band["n"] for band in found["stratified"]) == 90
    assert [band["n"] for band in found["grouped"]] == [90, 0, 0, 0, 0]  # none near, by the rule
    whole = outcome.grouped.cross_validation.pooled.metrics
    assert found["grouped"][0]["metrics"]["accuracy"] == round(whole["accuracy"], 4)
    assert found["grouped"][0]["classes"] == {"acidic": 30, "basic": 30, "greasy": 30}
    assert [band["n"] for band in record["by_length"]] == [band.n for band in _lengths_of(outcome)]
    assert record["fewest"] == 30
    text = folder.card
    assert "\n## Far from the training data\n" in text
    assert "| folds | identity to the nearest | n | macro-F1 | accuracy | mean probability | ECE |" in text
    assert "alignment that a search 1.0 found" in text
    assert "\n| grouped by homology | none found | 90 | " in text
    assert "| grouped by homology | below 30 % |" not in text  # empty bands are left out
    assert "\n## Short and long sequences\n" in text
    assert "| residues | n | macro-F1 | accuracy | mean probability | ECE |" in text


def _lengths_of(outcome: Any) -> tuple[bands.Band, ...]:
    lengths = np.array([len(s) for s in outcome.data.sequences])
    cross = outcome.rows[0].cross_validation
    return bands.by_length(cross, lengths, outcome.data.y, outcome.data.classes, seed=7)


def test_card_says_how_to_get_them_where_nothing_was_searched(tmp_path: Path) -> None:
    two = [row for row in TRAINING if row[0] != "greasy"]
    folder, _ = run(config(tiny.write_table(tmp_path / "x.csv", two)), tmp_path / "model")
    text, record = folder.card, json.loads((folder.path / "metrics.json").read_text())
    section = text.partition("\n## Far from the training data\n\n")[2].partition("\n\n")[0]
    assert section.startswith("Not measured: homologues were not searched.")
    assert "--homology" in section
    assert "identity to the nearest" not in text
    assert record["held_out"]["by_identity"] is None
    assert sum(band["n"] for band in record["held_out"]["by_length"]) == 60
    of_two = "| residues | n | of them basic | MCC | accuracy | SN | SP | mean probability | ECE |"
    assert of_two in text
    first = record["held_out"]["by_length"][0]
    assert f"\n| {first['name']} | {first['n']} | {first['classes']['basic']} | " in text


def test_near_copies_are_found_by_a_search(search_tool: str, tmp_path: Path) -> None:
    alone = [(label, s + s[::-1] + s) for label, s in TRAINING[60:]]
    proteins = [(label, s + mutated(s, 0.9, n) + s[::-1]) for n, (label, s) in enumerate(TRAINING[:45])]
    rows = [*alone, *proteins, *((label, mutated(s, 0.05, n)) for n, (label, s) in enumerate(proteins))]
    data = tiny.write_table(tmp_path / "x.csv", rows)
    _, outcome = run(config(data, "svm", homology=True), tmp_path / "out")
    assert outcome.grouped is not None
    groups, stratified = outcome.grouped.groups, outcome.rows[0].cross_validation.fold
    nearest = bands.nearest_in_training(stratified, groups.relatives)
    for row in range(30, 75):
        copy = row + 45
        if stratified[row] != stratified[copy]:
            assert 0.9 < min(nearest[row], nearest[copy]) <= 1
    in_groups = bands.nearest_in_training(outcome.grouped.cross_validation.fold, groups.relatives)
    assert not (in_groups >= clusters.MIN_IDENTITY).any()


# --- what a model is not for, and whom it was trained on


def test_uses_that_are_ruled_out_have_a_section(tmp_path: Path) -> None:
    from sortilin.tasks.localization import Localization

    places = {"acidic": "nucleus", "basic": "cytosol", "greasy": "secreted"}
    path = tmp_path / "x.fasta"
    records = [
        f">p{n} TARGET={places[label]} OS={'Homo sapiens' if n % 3 else 'Danio rerio'}\n{sequence}\n"
        for n, (label, sequence) in enumerate(TRAINING)
    ]
    records += [f">m{n} TARGET=mitochondrion\n{'MRK' * (9 + n)}\n" for n in range(6)]
    path.write_text("".join(records))
    folder, _ = run(config(path, task="localization"), tmp_path / "model")
    section = folder.card.partition("\n## What it must not be used for\n\n")[2].partition("\n\n")[0]
    assert section.splitlines() == [f"- {use}" for use in Localization.not_for]
    assert "Headers name 2 organisms for 90 of them: Homo sapiens 60, Danio rerio 30." in folder.card
    assert "- Trained on the organisms named below: for others nothing is measured.\n" in folder.card
    record = json.loads((folder.path / "metrics.json").read_text())
    assert record["not_for"] == list(Localization.not_for)
    assert record["organisms"] == {"Homo sapiens": 60, "Danio rerio": 30}


def test_nothing_is_ruled_out_where_the_task_does_not(tmp_path: Path) -> None:
    folder, _ = run(config(tiny.write_table(tmp_path / "x.csv", TRAINING)), tmp_path / "model")
    assert "must not be used for" not in folder.card
    assert (
        "Of which organisms the training sequences are is not known: their source names none." in folder.card
    )
    record = json.loads((folder.path / "metrics.json").read_text())
    assert (record["not_for"], record["organisms"]) == ([], {})
