"""Training in several processes: the steps of one process, whichever way they are shared.

This file is also what the launched processes run: `python test_training_distributed.py CASES OUT` trains some
cases in all of them, and without arguments one process has a fault that the others have not.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import tiny
from sortilin import artifact, registry
from sortilin.cli.main import cli
from sortilin.component import Component
from sortilin.errors import ConfigError
from sortilin.experiment.run_together import together
from sortilin.interfaces import DoubleArray, IntArray, Watch
from sortilin.training import batching, launched, loop, processes
from sortilin.training.config import TrainingConfig
from sortilin.training.placed import Placed

EVERY_STEP = 1e-9
"""Minutes between checkpoints: one after each step."""

TIMES = {"seconds", "positions_per_second"}
TOLERANCE = 2e-5
"""Of figures and weights: sums are taken in another order, and Adam enlarges what that changes."""

TIMEOUT_S = 240
COPIED = ("--multi_gpu",)
SHARDED = ("--use_fsdp", "--fsdp_version", "2", "--fsdp_auto_wrap_policy", "TRANSFORMER_BASED_WRAP")


class Killed(BaseException):
    """Ends a run as a kill would."""


@dataclass(frozen=True)
class Case:
    """One training: of which network, with which options, and after how many batches it is killed.

    Attributes:
        options: Of the training loop.
        network: "lstm", "norm" (batch norm), "full" or "lora" (a small random language model).
        several: Whether an example may have several classes.
        n: Examples.
        dies_at: Number of the batch at which every process ends; 0 for none.
    """

    options: Mapping[str, Any]
    network: str = "lstm"
    several: bool = False
    n: int = 24
    dies_at: int = 0


EASY: Mapping[str, Any] = {"batch_size": 7}
CASES: Mapping[str, Case] = {
    "split batches": Case(EASY),
    "whole batches": Case({"batch_size": 4, "accumulation": 2, "class_weights": "balanced"}),
    "split accumulated": Case({"batch_size": 5, "accumulation": 3, "class_weights": "balanced"}),
    "more processes than rows": Case({"batch_size": 1, "epochs": 1}, n=9),
    "focal, averaged": Case({"batch_size": 7, "loss": "focal", "average": 0.8}),
    "several classes": Case(EASY, several=True),
    "resampled": Case({"batch_size": 7, "resampling": "oversample"}),
    "full": Case({"batch_size": 6, "accumulation": 2}, network="full"),
    "full, split accumulated": Case({"batch_size": 6, "accumulation": 3}, network="full"),
    "lora": Case({"batch_size": 6}, network="lora"),
}

IN_SHARDS = ("full", "full, split accumulated", "lora", "split batches")
"""Cases that are trained below FSDP as well."""


class Sequences:
    """Sequences as batches, up to one at which the process ends."""

    def __init__(self, inner: Any, dies_at: int) -> None:
        self.inner, self.lengths, self.targets = inner, inner.lengths, inner.targets
        self.dies_at, self.n_calls = dies_at, 0

    def batch(self, rows: IntArray) -> tuple[Tensor, ...]:
        self.n_calls += 1
        if self.n_calls == self.dies_at:
            raise Killed
        found: tuple[Tensor, ...] = self.inner.batch(rows)
        return found


def folder_of_esm2() -> Path:
    """Where the tests have put a small random language model, also for the processes that they launch."""
    return Path(os.environ["SORTILIN_TEST_ESM2"])


def made(case: Case) -> tuple[nn.Module, Callable[[list[str], IntArray], Any]]:
    """The network of a case, and what makes examples for it."""
    from sortilin.classifiers import _network

    if case.network in ("full", "lora"):
        return tuned(case.network)
    head = {
        "lstm": Component(name="lstm", options={"dropout": 0.0, "hidden": 8}),
        "norm": Component(name="light_attention", options={"dropout": 0.0, "filters": 4}),
    }[case.network]
    kind = registry.get("classifier", "neural")
    network = kind(kind.Config(head=head))._build(3, 1)
    return network, _network.SequenceExamples


def tuned(mode: str) -> tuple[nn.Module, Callable[[list[str], IntArray], Any]]:
    from sortilin import language_models
    from sortilin.classifiers import _finetuning

    model = language_models.load(str(folder_of_esm2()))
    if mode == "lora":
        language_models.add_adapter(model, rank=2, alpha=4, dropout=0.0, targets=None, seed=1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        kind = registry.get("head", "lstm")
        head = kind(kind.Config(dropout=0.0, hidden=8), width=model.checkpoint.width, n_classes=3)
    network = _finetuning.TunedNetwork(model, head, layer=-1, scale=0.3)
    if mode == "full":
        _finetuning.train_all(network, model.vocabulary)
    return network, lambda sequences, y: _finetuning.TokenExamples(sequences, y, model.vocabulary)


def zero(_logits: DoubleArray, _y: IntArray) -> dict[str, float]:
    return {"accuracy": 0.0}


def job_of(case: Case, examples_of: Callable[[list[str], IntArray], Any]) -> loop.Job:
    given = {"epochs": 2, "learning_rate": 0.01, "patience": None, "metric": "loss", "precision": "float32"}
    parts = []
    for seed, n in ((1, case.n), (2, 11)):
        rows = tiny.labelled(seed, n)[:n]
        y: Any = np.arange(n) % 3 if seed == 2 else np.minimum(np.arange(n) % 4, 2)  # one class is frequent
        if case.several:
            y = np.stack([y == 0, y < 2, y > 0], axis=1).astype(np.int64)
        parts.append(examples_of([sequence for _, sequence in rows], y))
    return loop.Job(
        examples=Sequences(parts[0], case.dies_at),
        validation=parts[1],
        config=TrainingConfig(**{**given, **case.options}),
        n_classes=3,
        score=zero,
        seed=4,
        identity="toy",
    )


@dataclass(frozen=True)
class Run:
    """Curves, weights, and how many batches were asked for."""

    history: list[dict[str, float]]
    weights: dict[str, Tensor]
    n_batches: int


def trained(case: Case, workspace: Path | None = None) -> Run:
    network, examples_of = made(case)
    job = job_of(case, examples_of)
    fit = loop.train(network, job, Watch(workspace=workspace))
    assert isinstance(job.examples, Sequences)
    return Run([dict(record) for record in fit.history], dict(network.state_dict()), job.examples.n_calls)


alone = cache(lambda name: trained(CASES[name]))


# --- what the launched processes do


def main(cases: Path, out: Path) -> None:
    """Train the cases of a file, and write what each process has of them."""
    launched.start()
    own = processes.current()
    for name, spec in json.loads(cases.read_text()).items():
        case, workspace = Case(**spec["case"]), spec["workspace"]
        place = out / f"{name}-{own.index}"
        place.mkdir(parents=True)
        try:
            run = trained(case, Path(workspace) if workspace and own.is_first else None)
        except Killed:
            continue
        told = {"history": run.history, "n_batches": run.n_batches, "n_held": held(case)}
        (place / "run.json").write_text(json.dumps(told))
        save_file({key: value.contiguous().clone() for key, value in run.weights.items()}, place / "weights")
    launched._leave()


def held(case: Case) -> int:
    """How many numbers of the network this process holds while it is trained."""
    placed = Placed(made(case)[0], TrainingConfig(precision="float32"))
    parameters: Any = list(placed.bare.parameters())
    return sum(getattr(p, "_local_tensor", p).numel() for p in parameters)


def lead_into_a_fault() -> None:
    """The first process trains; another finds that it cannot."""

    def work() -> None:
        launched.share(fail, "the language model is not on this machine")
        processes.current().summed([1.0])

    launched.run(work)


def fail(reason: str) -> None:
    raise ConfigError(reason)


def launch(*command: str, how: tuple[str, ...] = COPIED, n: int = 2) -> subprocess.Popen[str]:
    start = [sys.executable, "-m", "accelerate.commands.launch", *how, "--num_processes", str(n)]
    return subprocess.Popen(
        [*start, "--main_process_port", "0", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """With what it said; killed where it hangs."""
    try:
        said, complained = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)  # the launcher ends its processes
        process.communicate(timeout=60)
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, said, complained)


class Launched:
    """What several processes made of some cases."""

    def __init__(
        self, place: Path, cases: Mapping[str, Case], how: tuple[str, ...], workspace: Path | None
    ) -> None:
        named = {
            name: {"case": vars(case), "workspace": workspace and str(workspace / name)}
            for name, case in cases.items()
        }
        (place / "cases.json").write_text(json.dumps(named))
        self.out = place / "out"
        done = finished(launch(__file__, str(place / "cases.json"), str(self.out), how=how))
        assert done.returncode == 0, done.stderr

    def run(self, name: str, index: int = 0) -> Run:
        place = self.out / f"{name}-{index}"
        told = json.loads((place / "run.json").read_text())
        return Run(told["history"], load_file(place / "weights"), told["n_batches"])

    def n_held(self, name: str, index: int) -> int:
        n: int = json.loads((self.out / f"{name}-{index}" / "run.json").read_text())["n_held"]
        return n


@pytest.fixture(scope="module", autouse=True)
def _esm2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    pytest.importorskip("accelerate")
    pytest.importorskip("peft")
    import hub

    folder = tmp_path_factory.mktemp("esm2")
    for name, content in hub.files_of("esm2").items():
        (folder / name).write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SORTILIN_TEST_ESM2", str(folder))
        yield


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """All cases in two processes, each with a copy of the network."""
    norm = Case(EASY, network="norm")
    return Launched(tmp_path_factory.mktemp("copied"), {**CASES, "norm": norm}, COPIED, None)


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Launched:
    """Language models in two processes, each with a part of them."""
    cases = {name: CASES[name] for name in IN_SHARDS}
    return Launched(tmp_path_factory.mktemp("sharded"), cases, SHARDED, None)


def assert_alike(one: Run, other: Run) -> None:
    assert len(one.history) == len(other.history) > 0
    for mine, theirs in zip(one.history, other.history, strict=True):
        assert mine.keys() == theirs.keys()
        for key in mine.keys() - TIMES:
            assert mine[key] == pytest.approx(theirs[key], abs=TOLERANCE, rel=TOLERANCE), key
    assert one.weights.keys() == other.weights.keys()
    for key, weight in one.weights.items():
        # As a whole: Adam moves a weight that hardly matters by its full rate, whichever way rounding points.
        gap = float((weight - other.weights[key]).double().norm())
        assert gap <= TOLERANCE * (1 + float(weight.double().norm())), key


# --- the same steps


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_curves_and_weights_of_one(name: str, copied: Launched) -> None:
    assert_alike(copied.run(name), alone(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CASES, "norm"])
def test_all_processes_end_with_the_same_weights(name: str, copied: Launched) -> None:
    one, other = copied.run(name), copied.run(name, 1)
    assert one.history == other.history
    assert all(torch.equal(weight, other.weights[key]) for key, weight in one.weights.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_SHARDS)
def test_shards_have_the_curves_and_weights_of_one_process(name: str, sharded: Launched) -> None:
    assert_alike(sharded.run(name), alone(name))


@pytest.mark.slow
def test_sharded_process_holds_half_of_a_language_model_and_all_of_a_small_network(sharded: Launched) -> None:
    for name, share in (("full", 0.5), ("lora", 0.5), ("split batches", 1.0)):
        whole = sum(p.numel() for p in made(CASES[name])[0].parameters())
        for index in (0, 1):
            assert sharded.n_held(name, index) == pytest.approx(share * whole, rel=0.02)


# --- going on elsewhere


@pytest.mark.slow
@pytest.mark.parametrize("how", [COPIED, SHARDED], ids=["copied", "sharded"])
def test_run_of_one_process_goes_on_in_two(how: tuple[str, ...], tmp_path: Path) -> None:
    case = Case({**CASES["full"].options, "checkpoint_minutes": EVERY_STEP}, network="full")
    with pytest.raises(Killed):
        trained(Case(case.options, network="full", dies_at=8), tmp_path / "work" / "full")
    found = Launched(tmp_path, {"full": case}, how, tmp_path / "work").run("full")
    assert_alike(found, alone("full"))
    assert found.n_batches == 1  # one of two in the last of four steps; behind the third it was saved


@pytest.mark.slow
@pytest.mark.parametrize("how", [COPIED, SHARDED], ids=["copied", "sharded"])
def test_run_of_two_processes_goes_on_in_one(how: tuple[str, ...], tmp_path: Path) -> None:
    options = {**CASES["full"].options, "checkpoint_minutes": EVERY_STEP}
    killed = Case(options, network="full", dies_at=4)
    Launched(tmp_path, {"full": killed}, how, tmp_path / "work")
    state = torch.load(tmp_path / "work" / "full" / "checkpoint.pt", weights_only=True)
    assert (state["epoch"], state["step"]) == (1, 1)
    found = trained(Case(options, network="full"), tmp_path / "work" / "full")
    assert_alike(found, alone("full"))
    assert found.n_batches == 2


# --- the whole command


def settings(place: Path, **options: Any) -> Path:
    """A configuration of a small experiment, and its data."""
    data = tiny.write_table(place / "train.csv", tiny.labelled(1, 16))
    classifier = {
        "name": "neural",
        "options": {
            "head": {"name": "lstm", "options": {"dropout": 0.0, "hidden": 8}},
            "training": {"epochs": 2, "batch_size": 16, "precision": "float32", "learning_rate": 0.02},
        },
    }
    given = {"task": "custom", "data": [str(data)], "seed": 1, "folds": 2, "holdout": 0, "baselines": False}
    path = place / "experiment.json"  # which is YAML too
    path.write_text(json.dumps({**given, "classifier": classifier, **options}))
    return path


@pytest.mark.slow
def test_train_in_two_processes_writes_the_model_of_one(tmp_path: Path) -> None:
    config = settings(tmp_path)
    done = finished(launch("-m", "sortilin", "train", str(config), "-o", str(tmp_path / "two")))
    assert done.returncode == 0, done.stderr
    one = CliRunner().invoke(cli, ["train", str(config), "-o", str(tmp_path / "one")])
    assert one.exit_code == 0, one.output
    assert done.stdout.count("# custom: neural lstm") == 1  # one card, and each line of progress once
    assert done.stderr.count("all sequences, epoch 2 of 2") == 1
    assert "2 processes shared 3 trainings\n" in done.stderr
    models = [artifact.read(tmp_path / name) for name in ("one", "two")]
    assert models[0].array_names() == models[1].array_names()
    for name in models[0].array_names():
        mine, theirs = (model.array(name).astype(np.float64) for model in models)
        assert np.abs(mine - theirs).max(initial=0) < 1e-3, name
    figures = [json.loads((model.path / "metrics.json").read_text()) for model in models]
    mine, theirs = (found["rows"][0]["pooled"]["metrics"] for found in figures)
    assert mine == pytest.approx(theirs, abs=1e-4)


@pytest.mark.slow
def test_what_no_loop_trains_is_fitted_once(tmp_path: Path) -> None:
    data = {"classifier": {"name": "linear"}, "features": {"name": "composition"}}
    config = settings(tmp_path, **data)
    done = finished(launch("-m", "sortilin", "train", str(config), "-o", str(tmp_path / "two")))
    assert done.returncode == 0, done.stderr
    assert (
        "2 processes were started, and nothing here is trained by several: all but one waited" in done.stderr
    )
    assert done.stderr.count("fitting on all sequences: 1/1") == 1
    assert artifact.read(tmp_path / "two").description["classifier"]["name"] == "linear"


# --- faults


def errors_in(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("sortilin: error: ")]


@pytest.mark.slow
def test_fault_of_the_data_is_told_once(tmp_path: Path) -> None:
    config = settings(tmp_path)
    tiny.write_table(tmp_path / "train.csv", tiny.labelled(1, 1))
    done = finished(launch("-m", "sortilin", "train", str(config), "-o", str(tmp_path / "two")))
    assert done.returncode != 0
    (told,) = errors_in(done.stderr)
    assert "too few sequences of class" in told


@pytest.mark.slow
def test_fault_of_another_process_is_told_by_the_first() -> None:
    done = finished(launch(__file__))
    assert done.returncode != 0
    assert "TrainingError: process 2 of 2: the language model is not on this machine" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes as Linux shows them")
@pytest.mark.parametrize("victim", [0, 1], ids=["the first", "another"])
def test_killed_process_ends_the_others_with_an_error(victim: int, tmp_path: Path) -> None:
    config = settings(tmp_path)
    content = json.loads(config.read_text())
    content["classifier"]["options"]["training"] |= {"epochs": 100_000, "patience": None}
    config.write_text(json.dumps(content))
    run = launch("-m", "sortilin", "train", str(config), "-o", str(tmp_path / "two"), "-q")
    until = time.monotonic() + TIMEOUT_S
    while not list(tmp_path.glob("two.training/**/checkpoint.pt")):  # it has come to its first epoch's end
        assert run.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    os.kill(pid_of(run.pid, victim), signal.SIGKILL)
    done = finished(run)
    assert done.returncode != 0
    (told,) = errors_in(done.stderr)
    assert told.startswith("sortilin: error: one of 2 processes has ended and did not say why")


def pid_of(launcher: int, rank: int) -> int:
    """The process of a launcher that has this number."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise LookupError(rank)


# --- parts, in one process


@pytest.mark.parametrize("n_processes", [1, 2, 3, 4])
@pytest.mark.parametrize("sizes", [(5,), (1,), (4, 4), (3, 2, 1), (2, 2, 2, 2)])
def test_pieces_hold_each_row_once_and_keep_step(sizes: tuple[int, ...], n_processes: int) -> None:
    rows = np.arange(sum(sizes))
    batches = np.split(rows, np.cumsum(sizes)[:-1])
    shared = [batching.pieces(batches, rank, n_processes) for rank in range(n_processes)]
    assert sorted(row for its in shared for piece, _ in its for row in piece) == rows.tolist()
    assert len({len(its) for its in shared}) == 1
    assert all(len(piece) for piece, _ in shared[0])
    assert all(set(piece) <= set(batch) for its in shared for piece, batch in its)


def test_single_process_learns_from_whole_batches_in_order() -> None:
    batches = [np.array([3, 1]), np.array([2])]
    assert [piece.tolist() for piece, _ in batching.pieces(batches, 0, 1)] == [[3, 1], [2]]


@pytest.mark.parametrize(
    ("environment", "n"),
    [
        ({}, 1),
        ({"WORLD_SIZE": "4", "LOCAL_RANK": "0"}, 4),
        ({"WORLD_SIZE": "4"}, 1),  # a container's
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 1),  # a queue's, of a program that no launcher has started
        ({"OMPI_COMM_WORLD_SIZE": "4", "ACCELERATE_USE_CPU": "True"}, 4),
        ({"WORLD_SIZE": "many", "LOCAL_RANK": "0"}, 1),
    ],
)
def test_number_of_processes_is_the_launchers(environment: dict[str, str], n: int) -> None:
    assert launched.n_launched(environment) == n


@pytest.mark.parametrize(
    ("version", "options", "told"),
    [
        ("1", {}, "launched with version 1: give --fsdp_version 2"),
        ("2", {"average": 0.9}, r"training\.average is 0\.9, and a model that is sharded"),
    ],
)
def test_sharding_that_cannot_be_is_refused(
    version: str, options: dict[str, Any], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"WORLD_SIZE": "2", "LOCAL_RANK": "0", "ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": version}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=told):
        Placed(made(CASES["full"])[0], TrainingConfig(**options))


def test_training_that_no_process_leads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    kind = registry.get("classifier", "neural")
    sequences, y = [sequence for _, sequence in tiny.labelled(1, 4)], np.arange(12) % 3
    with pytest.raises(
        ConfigError, match="2 processes were started by a launcher, and only `sortilin train`"
    ):
        kind().fit(sequences[:12], y, n_classes=3, seed=1)


def test_work_of_one_process_is_done_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert together(lambda: 3) == (3, None)


if __name__ == "__main__":
    if sys.argv[1:]:
        main(*map(Path, sys.argv[1:]))
    else:
        # As the command does; the launcher ends all processes when one has failed.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        lead_into_a_fault()
