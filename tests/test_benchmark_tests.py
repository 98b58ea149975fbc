"""Test sets in a benchmark: scored once, beside published tables, and what a network sees of them."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import printed
from sortilin import benchmark, language_models
from sortilin.benchmark import baselines, lacking, projection, published, representations, tables, tested
from sortilin.benchmark.config import default_path, read_config, resolve, validated
from sortilin.benchmark.measure import Split
from sortilin.benchmark.measure import TestSet as ScoredSet
from sortilin.cli.benchmark import _resolved, _table
from sortilin.component import Component
from sortilin.errors import ConfigError, LabelError
from sortilin.experiment import validate
from sortilin.experiment.data import LabelledSet
from sortilin.report.benchmark import _inside, _paper, _tests
from sortilin.sequences import read_labelled
from test_report_benchmark_page import Parsed
from tiny import RESIDUES, random_sequence, write_table

pytestmark = pytest.mark.slow  # each test trains several models, or runs a language model

if TYPE_CHECKING:
    from hub import Hub

pytest.importorskip("sklearn")
pytest.importorskip("torch")
pytest.importorskip("pyopal")

YES, NO = "active", "idle"
NETWORK: dict[str, Any] = {
    "name": "network",
    "title": "small network",
    "classifier": {
        "name": "neural",
        "options": {
            "backbone": {"name": "onehot", "options": {"embedding": 8}},
            "head": {"name": "cnn_attention", "options": {"channels": [8, 8], "hidden": 4, "kernel": 3}},
            "training": {"epochs": 3, "learning_rate": 0.01},
        },
    },
}
SVM_OPTIONS = {"c": [1.0], "gamma": ["scale"]}
SVM: dict[str, Any] = {
    "name": "svm",
    "features": {"name": "composition"},
    "classifier": {"name": "svm", "options": SVM_OPTIONS},
}
MARKED: dict[str, Any] = {**SVM, "name": "svm-length", "features": {"name": "length"}, "baseline": True}


def peptides(seed: int, n: int) -> list[tuple[str, str]]:
    """(label, sequence); the positives hold KWKLFK."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n):
        sequence = random_sequence(rng, int(rng.integers(12, 26)), RESIDUES)
        place = int(rng.integers(0, len(sequence) - 6))
        planted = f"{sequence[:place]}KWKLFK{sequence[place + 6 :]}"
        rows.append((YES, planted) if number % 2 else (NO, sequence))
    return rows


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Training data and two test sets; a third of the first test set stands in training."""
    folder = tmp_path_factory.mktemp("sets")
    train, fresh = peptides(1, 60), peptides(2, 24)
    rows = {"train": train, "mixed": [*train[:8], *fresh[:16]], "new": fresh[16:]}
    return {name: str(write_table(folder / f"{name}.csv", found)) for name, found in rows.items()}


def config(sets: dict[str, str], **over: Any) -> benchmark.BenchmarkConfig:
    values = {
        "task": "custom",
        "data": [sets["train"]],
        "tests": [sets["mixed"], sets["new"]],
        "models": [SVM, NETWORK, MARKED],
        "split": "folds",
        "folds": 3,
        "seed": 4,
        "resamples": 40,
        "cross_validation": False,
    }
    return validated({**values, **over}, "test")


@pytest.fixture(scope="module")
def finished(
    sets: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], list[int]]:
    """A whole run with its report, and how many rows each fit learned from; UMAP is left out."""
    out, learned = tmp_path_factory.mktemp("runs") / "acp", []
    inner = validate.fitted

    def spy(spec: Any, problem: Any, *rest: Any) -> Any:
        learned.append(len(problem.y))
        return inner(spec, problem, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(validate, "fitted", spy)
        patch.setattr(projection, "lacking", lambda: "pip install umap")
        return out, benchmark.run(config(sets), out, command="sortilin benchmark x"), learned


def row_of(results: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in results["models"] if row["name"] == name)


# --- a whole run


def test_every_model_scores_each_test_set_whole_and_without_what_it_knows(
    finished: tuple[Path, dict[str, Any], list[int]], sets: dict[str, str]
) -> None:
    out, results, _ = finished
    assert [(t["name"], t["n"], t["n_known"]) for t in results["tests"]] == [
        (sets["mixed"], 24, 8),
        (sets["new"], 8, 0),
    ]
    assert len(results["models"]) == 7
    for row in results["models"]:
        mixed, new = (row["tests"][sets[name]] for name in ("mixed", "new"))
        assert (mixed["whole"]["evaluation"]["n"], mixed["new"]["evaluation"]["n"]) == (24, 16)
        assert (new["whole"]["evaluation"]["n"], new["new"]) == (8, None)
        stored = json.loads((out / "models" / row["name"] / "tests.json").read_text())
        called = np.array(stored["probabilities"][sets["mixed"]]).argmax(axis=1)
        truth = np.array([label == YES for label, _ in [*peptides(1, 60)[:8], *peptides(2, 24)[:16]]])
        is_right = called == (truth if results["classes"][1] == YES else ~truth)
        assert mixed["whole"]["evaluation"]["metrics"]["accuracy"] == pytest.approx(is_right.mean())
        assert mixed["new"]["evaluation"]["metrics"]["accuracy"] == pytest.approx(is_right[8:].mean())
        assert set(mixed["whole"]["intervals"]) >= {
            *("accuracy", "sensitivity", "specificity"),
            *("mcc", "roc_auc", "pr_auc"),
        }


def test_models_learn_from_training_rows_alone(finished: tuple[Path, dict[str, Any], list[int]]) -> None:
    _, _, learned = finished
    assert max(learned) == 60
    assert {n for n in learned if n > 40} == {60}  # folds of 40, and the fits on all rows


def test_baselines_stand_apart_and_are_never_the_best(
    finished: tuple[Path, dict[str, Any], list[int]], sets: dict[str, str]
) -> None:
    _, results, _ = finished
    flags = {row["name"]: row["is_baseline"] for row in results["models"]}
    assert flags == {
        **dict.fromkeys(("majority", "length", "composition", "neighbour", "svm-length"), True),
        **dict.fromkeys(("svm", "network"), False),
    }
    assert results["best"] in ("svm", "network")
    majority = row_of(results, "majority")
    assert majority["evaluation"]["metrics"]["mcc"] == 0
    assert majority["tests"][sets["new"]]["whole"]["evaluation"]["metrics"]["roc_auc"] == 0.5


def test_means_over_folds_stand_beside_the_pooled_folds(
    finished: tuple[Path, dict[str, Any], list[int]],
) -> None:
    _, results, _ = finished
    for row in results["models"]:
        assert row["evaluation"]["n"] == 60
        pooled, mean = row["evaluation"]["metrics"]["accuracy"], row["folds"]["mean"]["accuracy"]
        assert mean == pytest.approx(pooled)  # three folds of twenty
        assert row["folds"]["spread"]["accuracy"] >= 0


def test_audit_is_in_the_results_and_at_the_top_of_the_page(
    finished: tuple[Path, dict[str, Any], list[int]],
) -> None:
    out, results, _ = finished
    said = " ".join(results["audit"]["summary"])
    assert "8 of 24" in said
    assert "length alone" in said
    page = (out / "report.html").read_text()
    assert page.index('id="audit"') < page.index('id="comparison"') < page.index('id="tests"')


def test_attention_is_compared_with_motifs_by_a_number_and_a_null(
    finished: tuple[Path, dict[str, Any], list[int]], sets: dict[str, str]
) -> None:
    out, results, _ = finished
    found = results["attention"]
    assert found["model"] == "network"
    assert found["n_positives"] == 30
    by_name = {test["test"]: test for test in found["tests"]}
    assert by_name[sets["mixed"]]["n_positives"] == 8  # of twelve, four stand in training
    for test in found["tests"]:
        for peptide in test["peptides"]:
            assert len(peptide["weights"]) == len(peptide["sequence"])
            assert sum(peptide["weights"]) == pytest.approx(1, abs=1e-3)
        for agreement in test["agreement"]:
            assert 0 < agreement["p_value"] <= 1
    view = _inside.attention(results)
    assert view is not None
    assert (out / "report.md").read_text().count("## ") >= 6


def test_table_of_test_sets_has_a_row_for_each_model_and_part(
    finished: tuple[Path, dict[str, Any], list[int]], sets: dict[str, str]
) -> None:
    out, results, _ = finished
    with (out / "tests.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == 3 * 7
    assert {(row["test"], row["part"], row["n"]) for row in rows} == {
        (sets["mixed"], "whole", "24"),
        (sets["mixed"], "new", "16"),
        (sets["new"], "whole", "8"),
    }
    (row,) = [r for r in rows if (r["name"], r["test"], r["part"]) == ("svm", sets["mixed"], "new")]
    found = row_of(results, "svm")["tests"][sets["mixed"]]["new"]
    assert float(row["mcc"]) == found["evaluation"]["metrics"]["mcc"]
    assert [float(row["mcc_low"]), float(row["mcc_high"])] == found["intervals"]["mcc"]


def test_page_has_the_sections_of_test_sets_and_its_tables_are_whole(
    finished: tuple[Path, dict[str, Any], list[int]],
) -> None:
    out, results, _ = finished
    page = (out / "report.html").read_text()
    parsed = Parsed(page)
    assert printed.bare(printed.of_html(page)) == []
    assert printed.bare((out / "report.md").read_text()) == []
    ids = [section["id"] for section in parsed.all("section")]
    assert ids[:6] == ["audit", "comparison", "pairs", "tests", "representation", "attention"]
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        rows = re.findall(r"<tr.*?</tr>", table, re.DOTALL)
        cells = [re.findall(r"<t[hd](?: colspan=\"(\d+)\")?[ >]", row) for row in rows]
        assert len({sum(int(n or 1) for n in found) for found in cells}) == 1
    assert "Not drawn: UMAP is not installed; first pip install umap" in parsed.text
    names = {path.stem for path in (out / "figures").glob("*.png")}
    assert "tests" in names
    shown = [t for t in results["attention"]["tests"] if t["peptides"]]
    assert len([name for name in names if name.startswith("attention_")]) == len(shown) > 0


def test_second_run_computes_nothing(
    finished: tuple[Path, dict[str, Any], list[int]],
    sets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, results, _ = finished
    monkeypatch.setattr(validate, "fitted", lambda *_: pytest.fail("something was fitted"))
    monkeypatch.setattr(projection, "lacking", lambda: "pip install umap")
    monkeypatch.setattr(sys.modules["sortilin.benchmark.run"].report, "write", lambda _results, _out: [])
    again = benchmark.run(config(sets), out)
    assert again["models"] == results["models"]
    assert again["attention"] == results["attention"]


def test_other_test_sets_in_the_same_folder_are_refused(
    finished: tuple[Path, dict[str, Any], list[int]], sets: dict[str, str]
) -> None:
    out, _, _ = finished
    with pytest.raises(ConfigError, match=r"tests.json was made with other options"):
        benchmark.run(config(sets, tests=[sets["new"]]), out)


def test_terminal_shows_each_part_of_each_test_set(
    finished: tuple[Path, dict[str, Any], list[int]],
) -> None:
    _, results, _ = finished
    text = _table(results)
    assert "mixed.csv, 24 sequences" in text
    assert "mixed.csv, 16 sequences that do not stand in training" in text
    assert text.count("pr_auc") == 3
    assert text.count("(baseline)") == 4 * 5


# --- bad input


def test_class_of_a_test_set_that_training_lacks_is_named(sets: dict[str, str], tmp_path: Path) -> None:
    path = write_table(tmp_path / "other.csv", [("other", "ACDEFGHIKLMN")])
    with pytest.raises(LabelError, match="other"):
        benchmark.run(config(sets, tests=[str(path)]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"tests": ["a.csv", "b.csv", "a.csv"]}, "'a.csv' stands there twice"),
        ({"models": [MARKED]}, "all are baselines; at least one has to be a model"),
    ],
)
def test_impossible_configurations_are_refused(
    sets: dict[str, str], over: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        config(sets, **over)


# --- the nearest peptide


def test_too_few_for_motifs_lose_nothing_else(tmp_path: Path) -> None:
    files = {
        name: str(write_table(tmp_path / f"{name}.csv", peptides(seed, n)))
        for name, seed, n in (("train", 1, 30), ("mixed", 2, 12), ("new", 3, 8))
    }
    found = benchmark.run(config(files, cross_validation=False), tmp_path / "out")
    assert found["attention"] is None
    assert (tmp_path / "out" / "report.html").is_file()


def test_plane_of_a_class_for_each_row_is_left_out() -> None:
    vectors = np.random.default_rng(1).normal(size=(projection.FEWEST + 2, 4)).astype(np.float32)
    assert projection.of(vectors, np.arange(len(vectors)), seed=1) is None


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (",", "--models: name: letters, digits"),
        ("svm,", "--models: name: letters, digits"),
        ("svm-composition", "all models are baselines .svm-composition.; at least one has to be a model"),
    ],
)
def test_models_of_the_command_line_are_checked(names: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        benchmark.run(_resolved("anticancer", {"models": names}), tmp_path / "out")


def test_nearest_peptide_is_found_within_a_longer_one_and_weighed_by_identity() -> None:
    known = np.array(["ACDEFGHIKLMNPQ", "WWWWWWYYYYYY", "KRKRKRKR"], dtype=object)
    asked = np.array(["DEFGHIKL", "WWWWWWYYYYYA"], dtype=object)
    table = baselines.nearest_peptide(known, np.array([1, 0, 0]), asked, 2)
    assert table[0] == pytest.approx([0, 1])  # all of it is found
    frequency = np.array([2 / 3, 1 / 3])
    assert table[1] == pytest.approx(11 / 12 * np.array([1, 0]) + 1 / 12 * frequency)


def test_proteins_get_a_search_by_e_value() -> None:
    assert baselines.on_folds(["A" * 30, "A" * 40, "A" * 500])[-1] == "neighbour"
    assert baselines.on_folds(["A" * 300, "A" * 40, "A" * 500])[-1] == "homologue"


# --- what a network makes of sequences


def test_representations_are_those_of_the_network_whatever_stands_beside() -> None:
    import torch

    from sortilin.sequences import tokens

    spec = Component(**NETWORK["classifier"])
    classifier: Any = spec.build("classifier")
    rows = peptides(3, 24)
    x = np.array([sequence for _, sequence in rows], dtype=object)
    classifier.fit(x, np.array([label == YES for label, _ in rows], dtype=np.int64), n_classes=2, seed=1)
    seen = representations.of(classifier, x)
    assert (seen.before.shape, seen.after.shape, len(seen.attention)) == ((24, 8), (24, 4), 24)
    alone = representations.of(classifier, x[5:6])
    assert alone.after[0] == pytest.approx(seen.after[5], abs=1e-6)
    batch = torch.from_numpy(tokens.pad(x[:3].tolist()))
    with torch.inference_mode():
        logits, weights = classifier._network.attention(batch)
        last = classifier._network.head.classifier[-1]
        again = last(torch.from_numpy(seen.after[:3]))
    assert again.numpy().ravel() == pytest.approx((logits[:, 1] - logits[:, 0]).numpy(), abs=1e-5)
    for row, found in enumerate(seen.attention[:3]):
        assert found == pytest.approx(weights[row, : len(x[row])].numpy(), abs=1e-6)
    assert not classifier._network.head._forward_pre_hooks


def test_representations_are_read_as_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = [
        representations.Seen(
            rng.random((n, 5)).astype(np.float32),
            rng.random((n, 2)).astype(np.float32),
            tuple(rng.random(length).astype(np.float32) for length in range(3, 3 + n)),
        )
        for n in (4, 2)
    ]
    representations.save(tmp_path, ["one", "two"], parts)
    found = representations.load(tmp_path)
    assert list(found) == ["one", "two"]
    for part, again in zip(parts, found.values(), strict=True):
        assert np.array_equal(part.before, again.before)
        assert np.array_equal(part.after, again.after)
        assert all(np.array_equal(a, b) for a, b in zip(part.attention, again.attention, strict=True))
    assert representations.load(tmp_path / "none") == {}


def test_plane_keeps_classes_apart_that_are_apart_and_is_the_same_for_a_seed() -> None:
    pytest.importorskip("umap")
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    vectors = (rng.normal(size=(40, 6)) + 8 * y[:, None]).astype(np.float32)
    first, second = (projection.of(vectors, y, seed=3) for _ in range(2))
    assert first == second
    assert first is not None
    assert first["silhouette"] > 0.6
    assert first["silhouette_plane"] > 0.6
    assert first["trustworthiness"] > 0.8
    shuffled = projection.of(vectors, rng.permutation(y), seed=3)
    assert shuffled is not None
    assert shuffled["silhouette"] < 0.2
    assert projection.of(vectors[:4], y[:4], seed=3) is None


@pytest.mark.parametrize("mode", ["frozen", "full"])
def test_language_model_s_own_vectors_are_what_is_seen_before_the_head(
    hub: Hub, sets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    from hub import WIDTH

    hub.publish("esm2_t6")
    language_models.fetch("esm2_t6")
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(projection, "lacking", lambda: "pip install umap")
    monkeypatch.setattr(sys.modules["sortilin.benchmark.run"].report, "write", lambda _results, _out: [])
    head = {"options": {"channels": [8, 8], "hidden": 4, "kernel": 3}}
    options = {"mode": mode, "head": head, "training": {"epochs": 1}}
    model = {"name": "tuned", "preset": "esm2_t6+cnn_attention", "options": options}
    out = tmp_path / "out"
    results = benchmark.run(config(sets, models=[model], baselines=False, folds=2), out)
    assert results["not_run"] == []
    assert (results["representation"]["model"], results["attention"]["model"]) == ("tuned", "tuned")
    seen = representations.load(out / "models" / "tuned")
    assert seen[sets["new"]].before.shape == (8, WIDTH)
    assert [len(weights) for weights in seen[sets["new"]].attention] == [
        len(record.sequence) for record in read_labelled([sets["new"]])
    ]


# --- published tables


def anticancer() -> dict[str, Any]:
    found = published.of("anticancer", ())
    assert found is not None
    return found


def labelled(name: str, n_negatives: int, n_positives: int) -> LabelledSet:
    y = np.repeat([0, 1], [n_negatives, n_positives])
    return LabelledSet(name, ("ACDEFG",) * len(y), y, ("not_anticancer", "anticancer"))


def of_the_paper(rows: list[dict[str, Any]], not_run: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The paper's tables beside some rows, on sets of the published sizes."""
    train = labelled("acp:train", 1479, 487)
    split = Split(train, np.arange(len(train)), np.arange(len(train)), 5, 42)
    tests = [
        ScoredSet(name, labelled(name, *counts), np.zeros(sum(counts), dtype=bool))
        for name, counts in (("acp:test1", (360, 135)), ("acp:test2", (157, 99)))
    ]
    return tables.beside(anticancer(), tables.Ours(split, tests, rows, not_run))


def test_published_tables_are_those_of_the_paper() -> None:
    table = anticancer()
    assert published.of("anticancer", ("acp:train",)) == table
    assert published.of("anticancer", ("mine.csv",)) is None
    assert [(t["id"], len(t["rows"])) for t in table["tables"]] == [
        ("II", 4),
        ("III", 6),
        ("IV", 6),
        ("V", 4),
        ("VI", 3),
    ]
    found = {
        t["id"]: {r["name"]: list(r["published"].values()) for r in t["rows"]} for t in of_the_paper([], [])
    }
    assert found["II"]["ESM2_t30_150M_UR50D"] == [0.927, 0.75, 0.98, 0.786]
    assert found["III"]["ACP-ESM2"] == [0.931, 0.866, 0.955, 0.825]
    assert found["IV"]["MACPpred"] == [0.894, 0.882, 0.918, 0.777]
    assert found["V"]["Remove ESM"] == [0.865, 0.801, 0.873, 0.653]
    assert found["VI"]["Kernel 5"] == found["V"]["ACP-ESM2"] == found["II"]["ESM2_t33_650M_UR50D"]


def test_exchanged_columns_of_acp_ml_are_told_with_the_arithmetic() -> None:
    by_id = {table["id"]: table for table in of_the_paper([], [])}
    assert by_id["III"]["share"] == pytest.approx(135 / 495)
    (row,) = [row for row in by_id["III"]["rows"] if row["name"] == "ACP-ML"]
    assert tables.are_exchanged(row)
    assert row["accuracies"]["exchanged"] == pytest.approx(0.908, abs=5e-4)
    (note,) = [note for note in by_id["III"]["notes"] if note.startswith("ACP-ML")]
    assert "0.829·0.27 + 0.938·0.73 = 0.908" in note
    assert "stand exchanged" in note
    exchanged = {row["name"] for row in by_id["IV"]["rows"] if tables.are_exchanged(row)}
    assert exchanged == {"ACPred", "MACPpred", "ACP-ML"}
    for table in by_id.values():
        for row in table["rows"]:
            if row["name"].startswith("ACP-ESM2"):
                assert not tables.are_exchanged(row)


def test_model_stands_beside_its_row_and_no_other() -> None:
    folds = {
        "mean": dict(
            zip(("accuracy", "sensitivity", "specificity", "mcc"), (0.9, 0.8, 0.95, 0.7), strict=True)
        ),
        "spread": dict.fromkeys(("accuracy", "sensitivity", "specificity", "mcc"), 0.01),
    }
    mine = {"name": "mine", "published": "ACP-ESM2 without ESM", "folds": folds}
    found = [
        (t["id"], row["name"], row["ours"])
        for t in of_the_paper([mine], [])
        for row in t["rows"]
        if row["model"]
    ]
    assert [(i, n) for i, n, _ in found] == [("V", "Remove ESM")]
    assert found[0][2]["mcc"] == {"value": 0.7, "spread": 0.01}


@pytest.fixture
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_models, "locate", lambda _name: None)


@pytest.mark.usefixtures("no_weights")
def test_row_without_weights_is_not_run_and_says_why_and_what_brings_them() -> None:
    pytest.importorskip("transformers")
    path = default_path("anticancer")
    assert path is not None
    its = read_config(path)
    named = {spec.name: resolve(its, spec) for spec in its.models}
    commands = lacking.commands(named)
    assert set(commands) == {name for name in named if name.startswith("esm2_")}
    counterpart = named["esm2_t33-full"].published
    record = lacking.record(named["esm2_t33-full"], commands["esm2_t33-full"], counterpart)
    assert record["reason"] == "weights of facebook/esm2_t33_650M_UR50D not available"
    assert record["command"] == "sortilin backbones fetch esm2_t33"
    shown = {"models": [], "tables": of_the_paper([], [record])}
    view = _paper.tables(shown)
    assert view is not None
    rows = {row["name"]: row for table in view for row in table["rows"]}
    full = rows["ESM2_t33_650M_UR50D"]
    assert full["ours"] is None
    assert full["why"] == "not run: weights of facebook/esm2_t33_650M_UR50D not available"
    assert full["command"] == "sortilin backbones fetch esm2_t33"
    assert full["published"] == ["0.942", "0.810", "0.982", "0.832"]
    assert rows["Remove ESM"]["why"] == "no model of this benchmark stands for it"


@pytest.mark.usefixtures("no_weights")
def test_benchmark_whose_models_all_lack_weights_is_refused(sets: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    its = config(sets, models=["esm2_t6+cnn_attention", MARKED])
    message = r"none of the models can be run \(esm2_t6\+cnn_attention\): first sortilin backbones fetch"
    with pytest.raises(ConfigError, match=message):
        benchmark.run(its, tmp_path / "out")


def test_test_sets_are_ranked_models_first() -> None:
    def scored(mcc: float) -> dict[str, Any]:
        part = {"evaluation": {"n": 4, "metrics": {"mcc": mcc}}, "intervals": {"mcc": [mcc, mcc]}}
        return {"t": {"whole": part, "new": None}}

    results = {
        "metric": "mcc",
        "tests": [{"name": "t", "n": 4, "n_known": 0, "class_counts": {"a": 2, "b": 2}}],
        "models": [
            {"title": name, "name": name, "is_baseline": is_baseline, "tests": scored(value)}
            for name, is_baseline, value in (("low", False, 0.1), ("base", True, 0.9), ("high", False, 0.5))
        ],
    }
    views = _tests.tests(results)
    assert views is not None
    assert [row["title"] for row in views[0]["rows"]] == ["high", "low", "base"]
    assert views[0]["heading"] == "t, whole: 4 sequences"


def test_metrics_of_more_than_two_classes_leave_out_those_of_two() -> None:
    assert "pr_auc" in tested.metrics_of(("no", "yes"), "mcc")
    assert "pr_auc" not in tested.metrics_of(("a", "b", "c"), "macro_f1")


# --- the command line


def test_task_alone_is_the_paper_s_benchmark() -> None:
    found = _resolved("anticancer", {"models": None, "data": (), "tests": ()})
    assert (found.data, found.tests) == (("acp:train",), ("acp:test1", "acp:test2"))
    assert (found.split, found.folds, found.seed) == ("folds", 5, 42)
    assert {"cnn-attention", "esm2_t33-full", "svm-composition"} <= {spec.name for spec in found.models}
    some = _resolved("anticancer", {"models": "svm,cnn-attention", "data": (), "tests": ()})
    assert [spec.name for spec in some.models] == ["svm", "cnn-attention"]
    assert some.models[1].published == "ACP-ESM2 without ESM"
    assert some.tests == found.tests


def test_task_with_other_data_is_a_plain_benchmark(sets: dict[str, str]) -> None:
    found = _resolved("anticancer", {"data": (sets["train"],), "tests": (sets["new"],)})
    assert [spec.name for spec in found.models] == ["svm", "boosting"]
    assert (found.split, found.tests) == ("holdout", (sets["new"],))


def test_file_in_configs_is_what_the_task_alone_runs() -> None:
    path = default_path("anticancer")
    assert path is not None
    in_configs = Path(__file__).parents[1] / "configs" / "benchmark-anticancer.yaml"
    assert in_configs.read_text() == path.read_text()


def test_vectors_take_the_place_of_features(sets: dict[str, str]) -> None:
    given = {"data": (sets["train"],), "vectors": ("v.h5",), "table": "t.csv"}
    found = _resolved("custom", {**given, "models": "svm,head,lstm"})
    by_name = {spec.name: spec for spec in found.models}
    for name in ("svm", "head"):
        features = by_name[name].features
        assert features is not None
        assert features.name == "precomputed"
        assert features.options == {"vectors": ("v.h5",), "table": "t.csv"}
    assert by_name["head"].classifier == Component(name="head")
    assert by_name["lstm"].features is None
    assert [spec.name for spec in _resolved("custom", dict(given)).models] == ["svm", "head"]


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"table": "t.csv"}, "--table names the sequences of --vectors"),
        ({"vectors": ("v.h5",), "models": "lstm"}, "--vectors are for models of features"),
    ],
)
def test_vectors_that_nothing_reads_are_refused(
    sets: dict[str, str], over: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        _resolved("custom", {"data": (sets["train"],), **over})


def test_vectors_are_read_from_files(sets: dict[str, str], tmp_path: Path) -> None:
    from click.testing import CliRunner

    from sortilin.cli.main import cli

    records = [record for name in ("train", "new") for record in read_labelled([sets[name]])]
    counts = {
        f"r{number}": np.array([record.sequence.count(letter) for letter in RESIDUES], dtype=np.float32)
        for number, record in enumerate(records)
    }
    np.savez(tmp_path / "v.npz", **counts)  # type: ignore[arg-type]
    lines = ["id,sequence", *(f"r{n},{record.sequence}" for n, record in enumerate(records))]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    options = [
        "--vectors",
        str(tmp_path / "v.npz"),
        "--table",
        str(tmp_path / "t.csv"),
        "--models",
        "boosting",
    ]
    options += ["--test", sets["new"], "--folds", "3", "--no-baselines", "--no-cross-validation"]
    result = CliRunner().invoke(
        cli, ["benchmark", "custom", "--data", sets["train"], *options, "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["models"][0]["options"]["features"] == "precomputed"
    assert stored["models"][0]["tests"][sets["new"]]["whole"]["evaluation"]["n"] == 8
