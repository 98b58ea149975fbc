"""`sortilin split`, and --split of other commands: files, the way back, both sides of a benchmark, errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import tiny
from sortilin import benchmark
from sortilin.audit.reading import by_split, read
from sortilin.benchmark.config import validated
from sortilin.cli import train, tune
from sortilin.cli.benchmark import _resolved
from sortilin.cli.main import cli
from sortilin.errors import ConfigError, InputError, LabelError, OutputError, SortilinError
from sortilin.experiment import run, split_files, splits
from sortilin.experiment.data import load_parts
from sortilin.experiment.split_config import SplitConfig
from sortilin.sequences import SequenceRecord, clusters, mmseqs
from sortilin.sequences.clusters import Groups
from sortilin.sequences.relatives import Relatives
from test_experiment import TRAINING, config
from test_experiment_splits import group_of
from test_sequences_clusters import mutated

LINEAR = {"name": "linear", "options": {"c": [1.0]}}


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clusters without a search."""

    def groups(sequences: Any, **_: Any) -> Groups:
        return Groups(group_of(sequences), "a search 1.0", Relatives.none(len(sequences)))

    monkeypatch.setattr(clusters, "groups", groups)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tiny.write_table(tmp_path / "x.csv", TRAINING)


def called(*words: str | Path) -> str:
    """What a command prints; its errors are raised."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def table_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "sequences.csv").open() as stream:
        return list(csv.DictReader(stream))


# --- files


@pytest.mark.usefixtures("planted")
def test_parts_stand_in_fasta_table_and_summary(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    said = called("split", table, "-o", out, "--split", "homology", "--parts", "0.6,0.2,0.2", "-q")
    rows = table_of(out)
    assert [row["sequence"] for row in rows] == [sequence for _, sequence in TRAINING]
    parts_of: dict[str, set[str]] = {}
    for row in rows:
        parts_of.setdefault(row["cluster"], set()).add(row["split"])
    assert all(len(parts) == 1 for parts in parts_of.values())
    first = rows[0]
    is_val = first["split"] == "val"
    header = f">p0 TARGET={first['label']} SET={'train' if is_val else first['split']} VALIDATION={is_val}\n"
    assert (out / "sequences.fasta").read_text().startswith(header + first["sequence"])
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["n"], summary["n_clusters"], summary["seed"]) == (90, 30, 42)
    counted = {
        part: {name: sum(r["split"] == part and r["label"] == name for r in rows) for name in counts}
        for part, counts in summary["balance"]["parts"].items()
    }
    assert counted == summary["balance"]["parts"]
    assert set(counted) == {"train", "val", "test"}
    assert "a search 1.0 left 30 clusters" in said
    assert "Largest deviation: " in said
    n = counted["train"]
    assert f"train  {n['acidic']:<6}  {n['basic']:<5}  {n['greasy']:<6}  {sum(n.values())}" in said


@pytest.mark.parametrize("kind", ["random", "stratified", "homology"])
@pytest.mark.usefixtures("planted")
def test_folds_read_back_are_the_same(kind: str, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    called("split", table, "-o", out, "--split", kind, "--folds", "3", "--seed", "5", "-q")
    labelled, tests = load_parts("custom", [str(out / "sequences.csv")])
    assert tests is None
    back = splits.folds(labelled.y, splits.parting(SplitConfig(kind="given"), labelled), 3, 0)
    groups = group_of(labelled.sequences)
    parted = splits.Parting(kind, groups if kind == "homology" else None)
    for (_, held_out), (_, expected) in zip(back, splits.folds(labelled.y, parted, 3, 5), strict=True):
        assert held_out.tolist() == expected.tolist()
    of_first, tested = load_parts("custom", [str(out / "fold-1.fasta")])
    assert tested is not None
    assert list(tested.sequences) == [labelled.sequences[i] for i in back[0][1]]
    assert len(of_first) + len(tested) == 90


def test_parts_read_back_are_the_same(table: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "split", tmp_path / "again"
    called("split", table, "-o", out, "--parts", "0.7,0.1,0.2", "-q")
    for name in ("sequences.csv", "sequences.fasta"):
        training, tested = load_parts("custom", [str(out / name)])
        assert tested is not None
        expected = {row["sequence"]: row["split"] for row in table_of(out)}
        assert dict.fromkeys(tested.sequences, "test") == {s: p for s, p in expected.items() if p == "test"}
        assert all(expected[s] == mark for s, mark in zip(training.sequences, training.marks, strict=True))
    called("split", out / "sequences.fasta", "-o", again, "--split", "given", "-q")
    assert [row["split"] for row in table_of(again)] == [row["split"] for row in table_of(out)]


def test_training_on_given_folds_measures_on_them(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "split"
    called("split", table, "-o", out, "--folds", "3", "-q")
    asked = config(out / "sequences.csv", classifier=LINEAR, split="given", holdout=0)
    _, outcome = run(asked, tmp_path / "model")
    fold = outcome.rows[0].cross_validation.fold
    assert [f"fold-{number + 1}" for number in fold] == [row["split"] for row in table_of(out)]


def test_folds_are_one_set_to_the_audit(table: Path, tmp_path: Path) -> None:
    called("split", table, "-o", tmp_path / "out", "--folds", "3", "-q")
    one = read(str(tmp_path / "out" / "sequences.csv"))
    assert by_split(one) == [one]


def test_repeats_across_parts_are_told(tmp_path: Path) -> None:
    rows = [*TRAINING[:30], *TRAINING[:6]]
    said = called("split", tiny.write_table(tmp_path / "x.csv", rows), "-o", tmp_path / "out", "-q")
    assert "records have a sequence that stands in another part as well; leave repeats out" in said


def test_real_search_keeps_families_together(search_tool: str, tmp_path: Path) -> None:
    rows = [(label, mutated(s, 0.1, seed)) for seed in range(3) for label, s in TRAINING[:15]]
    data = tiny.write_table(tmp_path / "x.csv", rows)
    tool = "builtin" if search_tool == "phmmer" else "mmseqs"
    called("split", data, "-o", tmp_path / "out", "--split", "homology", "--tool", tool, "--folds", "3", "-q")
    found = [row["split"] for row in table_of(tmp_path / "out")]
    assert all(len({found[n], found[n + 15], found[n + 30]}) == 1 for n in range(15))


# --- errors


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["--parts", "0.8,0.3"], ConfigError, "parts are 0.8, 0.3; allowed: two"),
        (["--parts", "a,b"], ConfigError, "parts 'a,b' are no numbers"),
        (["--folds", "1"], ConfigError, "folds is 1; allowed: 2 to 50"),
        (["--folds", "5", "--holdout", "0.2"], ConfigError, "--folds and --holdout: choose one"),
        (["--holdout", "1"], ConfigError, "holdout is 1; allowed: above 0 and below 1"),
        (["--identity", "0"], ConfigError, "identity: "),
        (["--coverage", "1.2"], ConfigError, "coverage: "),
        (["--split", "random", "--coverage", "0.5"], ConfigError, "coverage: for kind homology only"),
        (["--split", "given"], LabelError, "marks no rows; mark them in the header"),
        (["--split", "given", "--folds", "3"], ConfigError, "leave out --folds"),
    ],
)
def test_what_cannot_be_is_told(
    words: list[str], kind: type[SortilinError], message: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind) as caught:
        called("split", table, "-o", tmp_path / "out", *words)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("counts", "words", "message"),
    [
        ((4, 4, 4), ["--holdout", "0.1"], "10% of 12 sequences of x are 2, and both sides of a stratified"),
        ((4, 4), ["--holdout", "0.95", "--split", "random"], "both sides of a random split need 1 or more"),
        ((4, 4), ["--folds", "20", "--split", "random"], "x holds 8 sequences, fewer than the 20 parts"),
        ((40, 40, 4), ["--parts", "0.1,0.1,0.8"], "other parts leave 1 of its sequences in x for two parts"),
    ],
)
def test_parts_too_small_are_told(
    counts: tuple[int, ...], words: list[str], message: str, tmp_path: Path
) -> None:
    classes, n = "abc"[: len(counts)], iter(range(sum(counts)))
    rng = np.random.default_rng(5)
    rows = [
        f">s{next(n)} TARGET={name}\n{tiny.random_sequence(rng, 30)}\n"
        for name, count in zip(classes, counts, strict=True)
        for _ in range(count)
    ]
    (tmp_path / "x.fasta").write_text("".join(rows))
    with pytest.raises(LabelError) as caught:
        called("split", tmp_path / "x.fasta", "-o", tmp_path / "out", *words)
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_current_folder_is_no_place_for_a_split(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(OutputError, match="is the current folder; a split needs one of its own"):
        called("split", table, "-o", ".")


def test_given_names_its_test_sets_test_and_refuses_other_parts() -> None:
    rows = [tiny.random_sequence(np.random.default_rng(n), 30) for n in range(5)]

    def split(*marks: str) -> list[str]:
        records = [
            SequenceRecord(f"s{n}", sequence, label="ab"[n % 2], split=mark)
            for n, (sequence, mark) in enumerate(zip(rows, marks, strict=True))
        ]
        given = SplitConfig(kind="given")
        found = split_files.split(records, "x", given, split_files.Sizes(folds=2), seed=1)
        return [found.names[part] for part in found.part]

    assert split("train", "test1", "test2", "", "val") == ["train", "test", "test", "train", "val"]
    with pytest.raises(LabelError, match=r"x marks rows as blind; allowed: train, val and test, or fold-1"):
        split("train", "test1", "blind", "", "val")


@pytest.mark.usefixtures("planted")
def test_class_in_too_few_clusters_is_named(table: Path, tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"class 'acidic': its 30 sequences .* stand in 10 clusters"):
        called("split", table, "-o", tmp_path / "out", "--split", "homology", "--folds", "11")


def test_missing_mmseqs_is_told(table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmseqs, "find", lambda: None)
    with pytest.raises(ConfigError, match=r"MMseqs2 is not installed.*--tool builtin"):
        called("split", table, "-o", tmp_path / "out", "--tool", "mmseqs")


def test_folder_that_holds_something_is_not_replaced(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    called("split", table, "-o", out, "-q")
    with pytest.raises(OutputError, match="is not empty: choose another name, or pass --overwrite"):
        called("split", table, "-o", out, "-q")
    called("split", table, "-o", out, "--folds", "3", "--overwrite", "-q")
    names = sorted(path.name for path in out.iterdir())
    assert names == ["fold-1.fasta", "fold-2.fasta", "fold-3.fasta", "sequences.csv", "summary.json"]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds more than a split \(notes.txt\)"):
        called("split", table, "-o", out, "--overwrite", "-q")
    assert (out / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_label_with_a_space_is_refused(tmp_path: Path) -> None:
    rows = [(label.replace("acidic", "cell wall"), sequence) for label, sequence in TRAINING]
    data = tiny.write_table(tmp_path / "x.csv", rows)
    with pytest.raises(InputError, match="the label 'cell wall' holds a space"):
        called("split", data, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --- options of other commands


@pytest.mark.parametrize("command", [train, tune])
def test_options_of_clusters_stand_over_those_of_a_file(command: Any, tmp_path: Path) -> None:
    kept = {"kind": "homology", "identity": 0.5, "tool": "builtin"}
    (tmp_path / "x.yaml").write_text(json.dumps({**config("x.csv").model_dump(mode="json"), "split": kept}))

    def resolved(**options: Any) -> Any:
        return command._resolved(tmp_path / "x.yaml", options).split

    assert resolved(coverage=0.4) == SplitConfig(**kept, coverage=0.4)
    assert resolved(split="homology", identity=0.9) == SplitConfig(**{**kept, "identity": 0.9})
    assert resolved(split="random") == SplitConfig(kind="random")


@pytest.mark.parametrize("name", ["split", "split_by"])
def test_options_of_clusters_stand_over_those_of_a_benchmark_file(name: str, tmp_path: Path) -> None:
    kept, path = {"kind": "homology", "identity": 0.5}, tmp_path / "x.yaml"
    path.write_text(json.dumps({"task": "localization", "seed": 1, "models": ["svm"], name: kept}))
    assert _resolved(str(path), {"coverage": 0.4}).split_by == SplitConfig(**kept, coverage=0.4)
    on_folds = _resolved(str(path), {"split": ("folds",)})
    assert (on_folds.split, on_folds.split_by) == ("folds", SplitConfig(**kept))


def test_train_and_tune_take_the_options() -> None:
    plain: dict[str, Any] = {"task": "anticancer", "data": (), "tests": ()}
    assert train._resolved(None, plain).split == SplitConfig()
    asked = train._resolved(None, {**plain, "split": "homology", "coverage": 0.5}).split
    assert asked == SplitConfig(kind="homology", coverage=0.5)
    assert train._resolved(None, {**plain, "identity": 0.5}).split.kind == "homology"
    searched = tune._resolved(None, {**plain, "model": "boosting", "split": "homology"})
    assert searched.split == searched.experiment.split == SplitConfig(kind="homology")


def test_benchmark_takes_what_is_scored_and_how_rows_are_split() -> None:
    def resolved(*names: str, **more: Any) -> tuple[str, str]:
        found = _resolved("localization", {"models": "svm", "split": names, **more})
        return found.split, found.split_by.kind

    assert resolved() == ("holdout", "stratified")
    assert resolved("homology") == ("holdout", "homology")
    assert resolved("folds", "homology") == ("folds", "homology")
    assert resolved("folds", identity=0.5) == ("folds", "homology")
    with pytest.raises(ConfigError, match="allowed is one of holdout, folds, and one of random"):
        resolved("homology", "random")


def test_kind_may_stand_for_the_split_of_a_benchmark_file() -> None:
    values: dict[str, Any] = {"task": "custom", "models": ["svm"], "seed": 1}
    short = validated({**values, "split": "homology"}, "test")
    assert (short.split, short.split_by.kind) == ("holdout", "homology")
    assert validated(short.model_dump(mode="json"), "test") == short
    assert validated({**values, "split": "folds"}, "test").split_by == SplitConfig()


# --- both sides of a benchmark


@pytest.fixture
def bench(table: Path) -> dict[str, Any]:
    return {
        "task": "custom",
        "data": [str(table)],
        "models": [{"name": "linear", "features": {"name": "composition"}, "classifier": LINEAR}],
        "seed": 3,
        "folds": 3,
        "resamples": 40,
        "baselines": False,
        "cross_validation": False,
    }


@pytest.mark.parametrize("on", ["holdout", pytest.param("folds", marks=pytest.mark.slow)])
@pytest.mark.usefixtures("planted")
def test_benchmark_by_homology_has_both_sides(on: str, bench: dict[str, Any], tmp_path: Path) -> None:
    asked = validated({**bench, "split": on, "split_by": "homology"}, "test")
    plain = validated({**bench, "split": on}, "test")
    results = benchmark.run(asked, tmp_path / "both")
    stratified = benchmark.run(plain, tmp_path / "plain")
    (both,) = results["split_kinds"]["models"]
    (ours,), (theirs,) = results["models"], stratified["models"]
    for name, sides in both["metrics"].items():
        assert sides["homology"]["value"] == ours["evaluation"]["metrics"][name]
        assert sides["stratified"]["value"] == theirs["evaluation"]["metrics"][name]
        expected = sides["homology"]["value"] - sides["stratified"]["value"]
        assert sides["difference"]["value"] == pytest.approx(expected)
        assert sides["difference"]["low"] <= sides["difference"]["high"]
    value = both["metrics"]["macro_f1"]["difference"]["value"]
    shown = f"{abs(value):.3f}"
    report = (tmp_path / "both" / "report.md").read_text().split("\n\n")
    assert report[1].startswith("Split by homology instead of stratified, macro-F1 of ")
    assert shown in report[1]
    page = (tmp_path / "both" / "report.html").read_text()
    assert "<strong>Split by homology instead of stratified, macro-F1 of " in page
    assert 'id="kinds"' in page
    with (tmp_path / "both" / "splits.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    assert len(rows) == 3 * len(both["metrics"])
    assert (tmp_path / "both" / "figures" / "splits.svg").exists()
    assert "split_kinds" not in stratified


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
def test_hold_out_of_a_benchmark_cuts_no_cluster_and_goes_on(
    bench: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    asked = validated({**bench, "split": "homology"}, "test")
    benchmark.run(asked, out)
    held_out = json.loads((out / "split.json").read_text())["held_out"]
    groups = group_of([sequence for _, sequence in TRAINING])
    assert not set(groups[held_out]) & set(np.delete(groups, held_out))
    from sortilin.experiment import validate

    def never(*_: Any) -> Any:
        raise AssertionError("it was fitted already")

    monkeypatch.setattr(validate, "fitted", never)
    benchmark.run(asked, out)  # both sides lie in the folder
    with pytest.raises(ConfigError, match="holds results of another configuration"):
        benchmark.run(validated({**bench, "split": "holdout"}, "test"), out)


@pytest.mark.slow
@pytest.mark.usefixtures("planted")
def test_terminal_says_the_difference_first(table: Path, tmp_path: Path) -> None:
    said = called(
        *("benchmark", "custom", "--data", table, "--models", "boosting", "--split", "homology", "-q"),
        *("--no-baselines", "--no-cross-validation", "-o", tmp_path / "out"),
    ).splitlines()
    assert said[0].startswith("Split by homology instead of stratified, macro-F1 of boosted trees")
    assert "(95\N{NO-BREAK SPACE}% intervals, n = " in said[0]


def test_rows_marked_as_test_are_not_split_by_homology(bench: dict[str, Any], tmp_path: Path) -> None:
    lines = [f"p{n},{label},{s},{'test' if n % 5 == 0 else 'train'}" for n, (label, s) in enumerate(TRAINING)]
    data = tmp_path / "marked.csv"
    data.write_text("\n".join(["id,label,sequence,split", *lines]) + "\n")
    asked = validated({**bench, "data": [str(data)], "split": "homology"}, "test")
    with pytest.raises(ConfigError, match=r"marks rows as test, so they are held out.*use split given"):
        benchmark.run(asked, tmp_path / "out")
