"""Searches on a tiny set: the best is found, a kill changes nothing, and held-out rows stay unseen."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import tiny
from sortilin import registry, tuning
from sortilin.cli.tune import tune as command
from sortilin.errors import ConfigError, LabelError, OutputError, TrainingError, UnknownNameError
from sortilin.experiment import data, read_config, validate
from sortilin.experiment.validate import Problem
from sortilin.locks import FileLock
from sortilin.tuning import Tuned, space
from sortilin.tuning.objective import Value
from sortilin.tuning.run import _problem, training_rows
from sortilin.tuning.study import Trials

CONFIGS = Path(__file__).parents[1] / "configs"


def _labelled(seed: int, n_a_class: int) -> list[tuple[str, str]]:
    """As `tiny.labelled`, but hard enough that options matter."""
    rng = np.random.default_rng(seed)
    return [
        (label, tiny.random_sequence(rng, int(rng.integers(20, 50)), tiny.RESIDUES + planted))
        for _ in range(n_a_class)
        for label, planted in tiny.PLANTED.items()
    ]


ROWS = _labelled(1, 30)

SVM = {"name": "svm", "options": {}}
BOOSTING = {"name": "boosting", "options": {"rounds": 4, "smallest_leaf": 4}}
NEURAL = {
    "name": "neural",
    "options": {
        "backbone": {"name": "onehot", "options": {"embedding": 6}},
        "head": {"name": "lstm", "options": {"hidden": 8}},
        "validation": 0.2,
        "training": {"epochs": 3, "batch_size": 16, "learning_rate": 0.02},
    },
}
GRID = {"c": [[0.001], [1.0]], "gamma": [["scale"], [0.05]]}
RATES = {"learning_rate": {"low": 0.01, "high": 0.5, "log": True}, "leaves": [4, 8]}
LEARNED = {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "head.options.hidden": [4, 8]}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_table(tmp_path_factory.mktemp("data") / "tiny.csv", ROWS)


def values(table: Path, classifier: dict[str, Any], /, **tune: Any) -> dict[str, Any]:
    features = None if classifier["name"] == "neural" else {"name": "composition"}
    return {
        "task": "custom",
        "data": str(table),
        "features": features,
        "classifier": classifier,
        "seed": 7,
        "folds": 3,
        "baselines": False,
        "tune": tune,
    }


def search(out: Path, given: dict[str, Any], storage: str | None = None) -> Tuned:
    return tuning.run(tuning.resolved(given, "test"), out, storage=storage)


def rows_of(out: Path) -> list[dict[str, str]]:
    """`trials.tsv` without the seconds."""
    with (out / "trials.tsv").open() as stream:
        return [
            {k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(stream, delimiter="\t")
        ]


# --- what is searched


def test_grid_of_svm_is_tried_in_order_and_its_best_is_kept(tmp_path: Path, table: Path) -> None:
    stages: list[tuple[str, int, int]] = []
    given = values(table, SVM, space=GRID)
    found = tuning.run(
        tuning.resolved(given, "test"), tmp_path, on_progress=lambda *stage: stages.append(stage)
    )
    tried = [(trial.options["c"], trial.options["gamma"]) for trial in found.trials]
    assert tried == [([c], [g]) for c in (0.001, 1.0) for g in ("scale", 0.05)]
    assert found.best.value == max(trial.value or 0 for trial in found.trials)
    best = read_config(tmp_path / "best.yaml")
    assert best.classifier.options == found.best.options
    assert (best.seed, best.features and best.features.name) == (7, "composition")
    rows = rows_of(tmp_path)
    assert [row["number"] for row in rows] == ["0", "1", "2", "3"]
    assert {row["state"] for row in rows} == {"complete"}
    assert [float(row["value"]) for row in rows] == [trial.value for trial in found.trials]
    assert stages[-1][0].startswith("trial 3 of 4: macro_f1 ")
    assert ("trials", 4, 4) in stages


def test_value_is_that_of_a_cross_validation_of_the_training_rows(tmp_path: Path, table: Path) -> None:
    given = values(table, SVM, space={"c": [[1.0]], "gamma": [["scale"]]}, metric="mcc")
    found = search(tmp_path, given)
    resolved = tuning.resolved(given, "test")
    rows = training_rows(resolved)
    problem = _problem(resolved, rows, lambda *_: None)
    spec = space.configured(resolved.experiment.classifier, found.best.options)
    assert found.best.value == pytest.approx(validate.cross_validate(spec, problem).mean("mcc"), abs=1e-12)


def test_smaller_is_better_of_a_loss(tmp_path: Path, table: Path) -> None:
    found = search(tmp_path, values(table, SVM, space=GRID, metric="log_loss"))
    assert found.best.value == min(trial.value or 9 for trial in found.trials)


def test_network_is_tuned_and_its_best_experiment_reads(tmp_path: Path, table: Path) -> None:
    given = values(table, NEURAL, trials=3, space={**LEARNED, "training.batch_size": [8, 16]})
    found = search(tmp_path, given)
    assert len(found.trials) == 3
    best = read_config(tmp_path / "best.yaml").classifier
    assert best.options["head"] == {
        "name": "lstm",
        "options": {"hidden": found.best.options["head.options.hidden"]},
    }
    assert best.options["training"] == {
        "epochs": 3,
        "batch_size": found.best.options["training.batch_size"],
        "learning_rate": found.best.options["training.learning_rate"],
    }
    assert registry.get("classifier", "neural").Config(**best.options)
    # Curves stay, checkpoints of trials that have ended do not.
    assert sorted(p.name for p in tmp_path.glob("trials/*/fold-1/curves.csv")) == ["curves.csv"] * 3
    assert not list(tmp_path.glob("trials/**/*.pt"))


@pytest.mark.slow
def test_best_experiment_of_a_network_trains(tmp_path: Path, table: Path) -> None:
    from sortilin.experiment import run

    search(tmp_path / "tune", values(table, NEURAL, trials=1, space=LEARNED))
    folder, _ = run(read_config(tmp_path / "tune" / "best.yaml"), tmp_path / "model")
    assert folder.description["classifier"]["name"] == "neural"


def test_trial_below_the_median_is_pruned_and_has_no_value(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_TRIALS", 1)
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_STEPS", 0)
    rates = {"training.learning_rate": [0.02, 1e-7], "training.epochs": [6]}
    found = search(tmp_path, values(table, NEURAL, sampler="grid", pruner="median", space=rates))
    good, bad = found.trials
    assert (good.state, bad.state) == ("complete", "pruned")
    assert bad.value is None
    assert bad.note.startswith("pruned after epoch ")
    assert rows_of(tmp_path)[1]["value"] == ""
    assert found.best.number == 0


def test_folds_prune_what_has_no_epochs(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_TRIALS", 1)
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_STEPS", 0)
    worse = {"c": [[1.0], [1e-6]], "gamma": [[0.05], [1e-9]]}
    found = search(tmp_path, values(table, SVM, pruner="median", metric="log_loss", space=worse))
    assert "pruned after fold 2" in {trial.note for trial in found.trials}


def test_trial_that_diverges_counts_and_the_search_goes_on(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variant = registry.get("classifier", "svm")
    fit = variant.fit

    def diverging(self: Any, *args: Any, **options: Any) -> None:
        if self.config.c == (1.0,):
            raise TrainingError("the loss became nan")
        fit(self, *args, **options)

    monkeypatch.setattr(variant, "fit", diverging)
    found = search(tmp_path, values(table, SVM, space=GRID))
    assert [trial.note for trial in found.trials] == ["", "", *["diverged: the loss became nan"] * 2]
    assert found.best.number < 2


def test_search_without_a_single_value_says_so(tmp_path: Path, table: Path) -> None:
    given = values(table, SVM, space=GRID, timeout_minutes=1e-9)
    with pytest.raises(TrainingError, match=r"none of 0 trials came to its end.*more time"):
        search(tmp_path, given)


# --- what it may see


def test_held_out_rows_are_never_seen(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[str] = set()
    variant = registry.get("classifier", "neural")
    fit, scores = variant.fit, variant.scores

    def spied_fit(self: Any, x: Any, *args: Any, **options: Any) -> None:
        seen.update(x)
        fit(self, x, *args, **options)

    def spied_scores(self: Any, x: Any) -> Any:
        seen.update(x)
        return scores(self, x)

    monkeypatch.setattr(variant, "fit", spied_fit)
    monkeypatch.setattr(variant, "scores", spied_scores)
    given = values(table, NEURAL, trials=1, space=LEARNED) | {"holdout": 0.3}
    search(tmp_path, given)
    labelled = data.load("custom", [str(table)])
    problem = Problem(labelled.y, labelled.y, labelled.classes, 3, 7)
    train, held_out = validate.hold_out_rows(problem, 0.3)
    assert seen == {labelled.sequences[row] for row in train}
    assert not seen & {labelled.sequences[row] for row in held_out}


def test_all_training_rows_are_searched_where_the_data_have_test_rows(tmp_path: Path) -> None:
    lines = ["id,set,label,sequence"]
    lines += [f"p{n},{'test' if n < 30 else 'train'},{c},{s}" for n, (c, s) in enumerate(ROWS)]
    (tmp_path / "split.csv").write_text("\n".join(lines) + "\n")
    rows = training_rows(tuning.resolved(values(tmp_path / "split.csv", SVM, space=GRID), "test"))
    assert set(rows.sequences) == {sequence for _, sequence in ROWS[30:]}


def test_sequence_that_stands_twice_is_searched_once(tmp_path: Path) -> None:
    path = tiny.write_table(tmp_path / "twice.csv", [*ROWS, *ROWS[:20]])
    given = values(path, SVM, space=GRID) | {"holdout": 0}
    rows = training_rows(tuning.resolved(given, "test"))
    assert len(rows) == len(ROWS)


# --- going on


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


def test_search_that_ended_at_any_write_goes_on_as_if_it_had_not(tmp_path: Path, table: Path) -> None:
    given = values(table, BOOSTING, trials=12, folds=2, space=RATES)  # TPE looks back from the 11th on
    search(tmp_path / "whole", given)
    writes = (tmp_path / "whole" / "journal.log").read_text().splitlines(keepends=True)
    for n in [*range(6), *range(len(writes) - 8, len(writes))]:
        out = tmp_path / str(n)
        shutil.copytree(tmp_path / "whole", out)
        (out / "journal.log").write_text("".join(writes[:n]))
        search(out, given)
        assert rows_of(out) == rows_of(tmp_path / "whole"), n


SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from sortilin import tuning
{patch}
given, out = json.loads(sys.argv[1]), Path(sys.argv[2])
tuning.run(tuning.resolved(given, "test"), out)
"""
IN_A_FIT = """
from sortilin.training import loop
save, count = loop._Run._save, iter(range(100))
def killing(self):
    save(self)
    if next(count) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
loop._Run._save = killing
"""
BETWEEN_REPORT_AND_CHECKPOINT = """
from sortilin.tuning.study import Trials
report, count = Trials.report, iter(range(100))
def killing(self, claim, value, step):
    answer = report(self, claim, value, step)
    if next(count) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer
Trials.report = killing
"""


def started(given: dict[str, Any], out: Path, patch: str = "") -> subprocess.Popen[str]:
    code = SCRIPT.format(patch=patch)
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(given), str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("patch", [IN_A_FIT, BETWEEN_REPORT_AND_CHECKPOINT], ids=["fit", "report"])
def test_search_that_was_killed_goes_on_as_if_it_had_not(tmp_path: Path, table: Path, patch: str) -> None:
    given = values(table, NEURAL, trials=4, pruner="median", space=LEARNED)
    killed = started(given, tmp_path / "killed", patch)
    assert killed.wait() == -signal.SIGKILL
    assert killed.stderr is not None
    killed.stderr.close()
    n_before = len(rows_of(tmp_path / "killed"))
    assert n_before < 4
    search(tmp_path / "killed", given)
    search(tmp_path / "whole", given)
    assert rows_of(tmp_path / "killed") == rows_of(tmp_path / "whole")


@pytest.mark.slow
def test_pruned_trial_whose_end_was_not_noted_is_pruned_again(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_TRIALS", 1)
    monkeypatch.setattr("sortilin.tuning.draws.FIRST_STEPS", 0)
    rates = {"training.learning_rate": [0.02, 1e-7], "training.epochs": [6]}
    given = values(table, NEURAL, sampler="grid", pruner="median", space=rates)
    search(tmp_path / "whole", given)
    with pytest.MonkeyPatch.context() as patched:
        finish = Trials.finish

        def killing(self: Any, claim: Any, value: Value | None, **options: Any) -> None:
            if claim.number == 1:
                raise Killed
            finish(self, claim, value, **options)

        patched.setattr(Trials, "finish", killing)
        with pytest.raises(Killed):
            search(tmp_path / "again", given)
    search(tmp_path / "again", given)
    assert rows_of(tmp_path / "again") == rows_of(tmp_path / "whole")


def test_entry_cut_short_in_the_journal_is_written_again(tmp_path: Path, table: Path) -> None:
    given = values(table, SVM, space=GRID)
    search(tmp_path / "whole", given)
    search(tmp_path / "cut", given | {"tune": given["tune"] | {"trials": 2}})
    with (tmp_path / "cut" / "journal.log").open("ab") as stream:
        stream.write(b'{"op_code":4,"worker_id":"x","stu')
    search(tmp_path / "cut", given)
    assert rows_of(tmp_path / "cut") == rows_of(tmp_path / "whole")


def test_more_trials_go_on_where_fewer_ended(tmp_path: Path, table: Path) -> None:
    few, many = (values(table, BOOSTING, trials=n, space=RATES) for n in (2, 4))
    search(tmp_path / "a", few)
    search(tmp_path / "a", many)
    search(tmp_path / "b", many)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")
    assert yaml.safe_load((tmp_path / "a" / "tune.yaml").read_text())["tune"]["trials"] == 4


def test_resolved_search_makes_the_same_trials(tmp_path: Path, table: Path) -> None:
    search(tmp_path / "a", values(table, BOOSTING, trials=3, space=RATES))
    search(tmp_path / "b", tuning.read(tmp_path / "a" / "tune.yaml"))
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


# --- several workers


def workers(n: int, given: dict[str, Any], outs: list[Path], storage: str | None = None) -> None:
    code = SCRIPT.replace("out)\n", f"out, storage={storage!r})\n").format(patch="")
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, json.dumps(given), str(out)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for out in outs
    ]
    assert [worker.wait() for worker in running] == [0] * n


def test_two_workers_of_a_folder_make_all_trials_once(tmp_path: Path, table: Path) -> None:
    given = values(table, BOOSTING, trials=7, space=RATES, sampler="random")
    workers(2, given, [tmp_path / "a", tmp_path / "a"])
    search(tmp_path / "b", given)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")


def test_two_folders_share_a_database(tmp_path: Path, table: Path) -> None:
    given = values(table, BOOSTING, trials=6, space=RATES, sampler="random")
    storage = f"sqlite:///{tmp_path}/trials.db"
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    first = search(tmp_path / "one" / "t", given | {"tune": given["tune"] | {"trials": 3}}, storage)
    second = search(tmp_path / "two" / "t", given, storage)
    assert len(first.trials) == 3
    assert len(second.trials) == 6
    assert second.elsewhere == ()
    search(tmp_path / "alone", given)
    assert rows_of(tmp_path / "two" / "t") == rows_of(tmp_path / "alone")


def test_trial_of_another_folder_is_left_alone(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = values(table, BOOSTING, trials=3, space=RATES)
    storage = str(tmp_path / "shared.log")
    (tmp_path / "two").mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(registry.get("classifier", "boosting"), "fit", _raise_killed)
        with pytest.raises(Killed):
            search(tmp_path / "t", given, storage)
    found = search(tmp_path / "two" / "t", given, storage)
    assert [trial.number for trial in found.trials] == [1, 2]
    assert found.elsewhere[0].startswith("trial 0 (")
    assert [trial.number for trial in search(tmp_path / "t", given, storage).trials] == [0, 1, 2]


def _raise_killed(*_args: Any, **_options: Any) -> None:
    raise Killed


def test_lock_is_free_when_its_process_has_been_killed(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom sortilin.locks import FileLock\n"
        "FileLock(Path(sys.argv[1])).acquire(); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    lock = FileLock(tmp_path / "lock")
    assert not lock.try_acquire()
    holder.kill()
    holder.communicate()
    assert lock.try_acquire()
    lock.release()


# --- what is refused


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": 8}, "seed: 7 there, 8 now"),
        ({"holdout": 0.0}, "data: other sequences or labels"),
        ({"tune": {"space": GRID, "folds": 2}}, "tune.folds: 3 there, 2 now"),
        ({"tune": {"space": GRID, "metric": "mcc"}}, 'tune.metric: "macro_f1" there, "mcc" now'),
        (
            {"tune": {"space": {**GRID, "c": [[0.5]]}}},
            r"tune.space.c: \[\[0.001\], \[1.0\]\] there, \[\[0.5\]\]",
        ),
        ({"tune": {"space": dict(reversed(GRID.items()))}}, r'tune.order: \["c", "gamma"\] there'),
    ],
)
def test_other_search_in_the_same_folder_is_refused(
    tmp_path: Path, table: Path, change: dict[str, Any], text: str
) -> None:
    given = values(table, SVM, space=GRID, trials=1)
    search(tmp_path, given)
    before = (tmp_path / "tune.yaml").read_text()
    with pytest.raises(ConfigError, match=text):
        search(tmp_path, given | change)
    assert (tmp_path / "tune.yaml").read_text() == before


def test_other_data_are_refused_in_a_shared_storage(tmp_path: Path, table: Path) -> None:
    storage = str(tmp_path / "shared.log")
    (tmp_path / "two").mkdir()
    search(tmp_path / "t", values(table, SVM, space=GRID, trials=1), storage)
    other = tiny.write_table(tmp_path / "other.csv", _labelled(2, 30))
    with pytest.raises(ConfigError, match="study 't' in the storage belongs to another search; data: other"):
        search(tmp_path / "two" / "t", values(other, SVM, space=GRID, trials=1), storage)


@pytest.mark.parametrize(
    ("tune", "error", "text"),
    [
        (
            {"space": {"cc": [[1.0]]}},
            UnknownNameError,
            "unknown option of classifier 'svm' in tune.space 'cc'",
        ),
        (
            {"space": {"c": [[-1.0]]}},
            ConfigError,
            r"tune.space, c: \[-1.0\] is not allowed: .*greater than 0",
        ),
        (
            {"space": {"c": {"low": 1, "high": 2}}},
            ConfigError,
            "a grid needs lists of choices; c has a range",
        ),
        ({"space": {"c": [[1.0], [1.0]]}}, ConfigError, "c has the choice '.1.0.' twice"),
        ({"space": {"c": 3}}, ConfigError, "c needs a list of choices, or a range"),
        ({"space": {"c": []}}, ConfigError, "c has no choices"),
        ({"space": {}}, ConfigError, "space: Dictionary should have at least 1 item"),
        ({"space": GRID, "trials": 9}, ConfigError, "the grid has 4 combinations, fewer than the 9 trials"),
        ({"space": GRID, "trials": 0}, ConfigError, "trials: Input should be greater than 0"),
        ({"space": GRID, "metric": "macro-f1"}, UnknownNameError, "'macro-f1'; did you mean 'macro_f1'"),
        ({"space": GRID, "metric": "sensitivity"}, UnknownNameError, "unknown metric 'sensitivity'"),
        (
            {"space": GRID, "sampler": "cmaes"},
            ConfigError,
            "sampler: Input should be 'tpe', 'random' or 'grid'",
        ),
        ({"space": GRID, "fold": 3}, ConfigError, "tune: fold: Extra inputs are not permitted"),
        (
            {"space": GRID, "folds": 30},
            LabelError,
            "tune.folds = 30: class 'acidic' has 24 sequences in the train",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, table: Path, tune: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        search(tmp_path / "out", values(table, SVM, **tune))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        ({"training.lerning_rate": [0.1]}, "did you mean 'training.learning_rate'"),
        ({"head.options.kernels": [[3]]}, "unknown option .*'head.options.kernels'.*head.options.hidden"),
        ({"head.options.hidden": [8, 0]}, "head.options.hidden: 0 is not allowed: head 'lstm': hidden"),
        ({"training.learning_rate": {"low": 0, "high": 1}}, r"training.learning_rate: 0.0 is not allowed"),
        ({"training.learning_rate": {"low": 0, "high": 1, "log": True}}, "low must be above 0 where log"),
        ({"training.learning_rate": {"low": 2, "high": 1}}, "low must be less than high"),
        ({"training.batch_size": {"low": 1.5, "high": 4, "int": True}}, "must be whole numbers where int"),
        ({"head.name": ["lstm", "lsmt"]}, "head.name: 'lsmt' is not allowed: unknown head 'lsmt'"),
    ],
)
def test_option_that_a_network_does_not_have_is_refused(table: Path, paths: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        tuning.resolved(values(table, NEURAL, space=paths), "test")


def test_folder_with_something_else_is_refused(tmp_path: Path, table: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds something else \(notes.txt\)"):
        search(tmp_path, values(table, SVM, space=GRID))
    with pytest.raises(OutputError, match="is a file"):
        search(tmp_path / "notes.txt", values(table, SVM, space=GRID))
    with pytest.raises(OutputError, match="cannot be written"):
        search(tmp_path / "notes.txt" / "out", values(table, SVM, space=GRID))


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        ("{tmp}/nowhere/journal.log", "the folder '.*nowhere' does not exist"),
        ("{tmp}/notes.txt", "is no journal of Optuna"),
        ("sqlite:///{tmp}/nowhere/t.db", "cannot be opened: unable to open database file"),
        ("nosql://me:secret@host/t", r"storage nosql://me:\*\*\*@host/t cannot be opened"),
    ],
)
def test_storage_that_cannot_be_used_is_refused(tmp_path: Path, table: Path, storage: str, text: str) -> None:
    (tmp_path / "notes.txt").write_text("mine\nalone")
    with pytest.raises((ConfigError, OutputError), match=text) as caught:
        search(tmp_path / "out", values(table, SVM, space=GRID), storage.format(tmp=tmp_path))
    assert "secret" not in str(caught.value)
    assert (tmp_path / "notes.txt").read_text() == "mine\nalone"


# --- spaces


def test_default_spaces_hold_only_options_that_are_there() -> None:
    from sortilin.experiment import presets

    for name in presets.NAMES:
        spec = presets.get(name, "localization").classifier
        paths = space.default_space(spec)
        space.check(spec, paths)
        assert ("head.options.kernels" in paths) == (name in ("lstm-cnn", "cnn-bilstm-attention"))
    svm = tuning.resolved(
        {"task": "localization", "seed": 1, "features": {"name": "paper71"}, "classifier": SVM}, "test"
    )
    assert (svm.tune.sampler, svm.tune.n_trials, svm.tune.metric) == ("grid", 15, "macro_f1")
    network = tuning.resolved(
        {"task": "localization", "seed": 1, "classifier": {"name": "neural"}}, "test"
    ).tune
    assert (network.sampler, network.pruner, network.folds, network.n_trials) == ("tpe", "median", 1, 30)


@pytest.mark.parametrize("choice", [3, "x", None, True, 0.5, [3, 5, 7], {"a": [1]}])
def test_choice_comes_back_as_it_was(choice: Any) -> None:
    domain = ("other", choice)
    assert space.decoded(domain, space.encoded(choice)) == choice


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("tune-*.yaml")), ids=lambda p: p.stem)
def test_configurations_of_the_repository_read(path: Path) -> None:
    assert tuning.resolved(tuning.read(path), str(path)).tune.metric == "macro_f1"


# --- command line


def test_command_tunes_and_says_what_to_run_next(tmp_path: Path, table: Path) -> None:
    config = tmp_path / "tune.yaml"
    config.write_text(yaml.safe_dump(values(table, SVM, space=GRID)))
    out = tmp_path / "out"
    found = CliRunner().invoke(
        command, [str(config), "-o", str(out), "--trials", "2"], catch_exceptions=False
    )
    assert found.exit_code == 0
    assert found.stdout.startswith("best of 2 trials: macro_f1 0.")
    assert "  c: [0.001]" in found.stdout
    assert f"next: sortilin train {out / 'best.yaml'}" in found.stderr


def test_command_takes_a_model_by_name(tmp_path: Path, table: Path) -> None:
    args = ["--task", "custom", "--data", str(table), "--model", "svm", "--trials", "1", "-q"]
    found = CliRunner().invoke(command, [*args, "-o", str(tmp_path / "out")], catch_exceptions=False)
    assert found.stderr == ""
    assert read_config(tmp_path / "out" / "best.yaml").features is not None


def test_command_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    out = ["-o", str(tmp_path / "out")]
    with pytest.raises(ConfigError, match="what to tune: give a configuration file, or --task and --model"):
        CliRunner().invoke(command, ["--task", "custom", *out], catch_exceptions=False)
    with pytest.raises(UnknownNameError, match="unknown model 'bilsm'; did you mean 'bilstm'"):
        CliRunner().invoke(
            command, ["--task", "localization", "--model", "bilsm", *out], catch_exceptions=False
        )
