"""Runs on Ray: as a plain run, also when workers and nodes are lost or cannot be had.

Each is a process of its own, as a person starts it: Ray changes the process that it lives in.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from scaled import SORTILIN, begun, check_same_tables, environment, fasta_of, packed, peptides, shards_of
from sortilin.embedding import EmbeddingConfig
from sortilin.errors import ConfigError
from sortilin.scale import on_ray
from sortilin.scale.embedding import EmbedJob
from sortilin.scale.jobs import Job
from sortilin.scale.on_ray import Cluster
from sortilin.scale.predicting import PredictJob
from sortilin.vectors.exchange import read_vectors
from terminal import Terminal

pytest.importorskip("ray")

MODEL = ("--model", "anticancer")
RAY = ("--engine", "ray", "--workers", 2)

CLUSTER = """
import sys
from ray.cluster_utils import Cluster

cluster = Cluster()
room = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
nodes = [cluster.add_node(**room) for _ in range(int(sys.argv[1]))]
cluster.wait_for_nodes()
print(cluster.address, flush=True)
for line in sys.stdin:
    if line.strip() == "remove":
        cluster.remove_node(nodes.pop(), allow_graceful=False)
    print("done", flush=True)
cluster.shutdown()
"""


class Nodes:
    """A cluster on this machine, one core a node, in a process of its own."""

    def __init__(self, n: int, folder: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CLUSTER, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
            env=environment(),
        )
        self.address = self._said()

    def remove(self) -> None:
        """Lose the last node with all that runs on it."""
        assert self.process.stdin is not None
        self.process.stdin.write("remove\n")
        self.process.stdin.flush()
        assert self._said() == "done"

    def _said(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:  # Ray may say something of its own first
            if line.strip() == "done" or line.startswith(("127.", "10.", "172.", "192.")):
                return line.strip()
        raise AssertionError("the cluster does not begin")

    def end(self) -> None:
        """Stop it as a whole."""
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def two_nodes() -> Iterator[Nodes]:
    nodes = Nodes(2)
    try:
        yield nodes
    finally:
        nodes.end()


def started(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SORTILIN, *map(str, args)], capture_output=True, text=True, check=False, env=environment()
    )


def fasta_in(folder: Path, n: int) -> Path:
    path = folder / "in.fasta"
    path.write_bytes(fasta_of(peptides(31, n)))
    return path


def check_as_plain(run: Terminal, source: object, folder: Path, tmp_path: Path) -> None:
    assert run("merge", folder, "-o", tmp_path / "merged.tsv").code == 0
    assert run("predict", source, *MODEL, "-o", tmp_path / "plain.tsv").code == 0
    check_same_tables(tmp_path / "plain.tsv", tmp_path / "merged.tsv")


def notes_in(folder: Path) -> list[Path]:
    return list((folder / "parts").glob("part-*.json"))


def wait_for_parts(folder: Path, process: subprocess.Popen[str], n: int) -> None:
    limit = time.monotonic() + 120
    while len(notes_in(folder)) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit, "no part is done"
        time.sleep(0.01)


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def descendants(pid: int) -> set[int]:
    """Processes below one, at any depth."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(after_name[1]), []).append(int(path.parent.name))
    found, new = set[int](), [pid]
    while new:
        below = parents.get(new.pop(), [])
        found.update(below)
        new += below
    return found


@pytest.mark.slow
def test_run_on_this_machine_is_as_a_plain_run(run: Terminal, tmp_path: Path) -> None:
    fasta, folder = fasta_in(tmp_path, 200), tmp_path / "run"
    made = started("predict", fasta, *MODEL, *RAY, "--part-size", "1K", "-o", folder)
    assert made.returncode == 0, made.stderr
    assert made.stdout == ""
    n_parts = len(notes_in(folder))
    lines = made.stderr.splitlines()
    assert (
        f"{folder}: {n_parts} parts done now, 200 sequences predicted; {n_parts} of {n_parts} parts are done"
        in lines
    )
    assert any(line.startswith("peak memory of a worker: ") for line in lines)
    # Nothing of Ray's own between what the command says.
    assert len(lines) == 4, made.stderr
    workers = json.loads((folder / "manifest.json").read_text())["workers"]
    assert sum(worker["parts"] for worker in workers) == n_parts
    assert 1 <= len(workers) <= 2
    check_as_plain(run, fasta, folder, tmp_path)


@pytest.mark.slow
def test_killed_worker_loses_nothing(run: Terminal, tmp_path: Path) -> None:
    fasta, folder = fasta_in(tmp_path, 2_000), tmp_path / "run"
    process = begun("predict", fasta, *MODEL, *RAY, "--part-size", "1K", "-o", folder)
    try:
        wait_for_parts(folder, process, 5)
        worker = json.loads(notes_in(folder)[0].read_text())["worker"]["pid"]
        assert worker in descendants(process.pid)
        os.kill(worker, signal.SIGKILL)
        _, said = process.communicate(timeout=120)
    finally:
        end(process)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    check_as_plain(run, fasta, folder, tmp_path)


@pytest.mark.slow
def test_lost_node_loses_nothing(run: Terminal, two_nodes: Nodes, tmp_path: Path) -> None:
    fasta, folder = fasta_in(tmp_path, 2_000), tmp_path / "run"
    options = ("--engine", "ray", "--ray-address", two_nodes.address, "--part-size", "1K", "-o", folder)
    process = begun("predict", fasta, *MODEL, *options)
    try:
        wait_for_parts(folder, process, 5)
        two_nodes.remove()
        _, said = process.communicate(timeout=180)
    finally:
        end(process)
    assert process.returncode == 0, said
    assert "Traceback" not in said
    check_as_plain(run, fasta, folder, tmp_path)


@pytest.mark.slow
def test_nodes_that_began_in_another_folder_find_relative_paths(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fasta_in(tmp_path, 100)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "in.fasta").write_bytes(fasta_of(peptides(77, 100)))  # not what is meant
    monkeypatch.chdir(tmp_path)
    nodes = Nodes(1, elsewhere)
    try:
        options = ("--engine", "ray", "--ray-address", nodes.address, "--part-size", "1K", "-o", "run")
        made = started("predict", "in.fasta", *MODEL, *options)
    finally:
        nodes.end()
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in elsewhere.iterdir()) == ["in.fasta"]
    check_as_plain(run, "in.fasta", Path("run"), tmp_path)


@pytest.mark.slow
def test_killed_driver_is_gone_on_from(run: Terminal, tmp_path: Path) -> None:
    fasta, folder = fasta_in(tmp_path, 2_000), tmp_path / "run"
    options = ("predict", fasta, *MODEL, *RAY, "--part-size", "1K", "-o", folder)
    process = begun(*options)
    try:
        wait_for_parts(folder, process, 5)
        process.kill()
        process.wait(60)
    finally:
        end(process)
    finished = {path.name for path in notes_in(folder)}
    assert not (folder / "manifest.json").exists()
    made = started(*options)
    assert made.returncode == 0, made.stderr
    assert "of its parts were done before" in made.stderr
    assert finished <= {path.name for path in notes_in(folder)}
    check_as_plain(run, fasta, folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str)
def test_stopped_driver_takes_its_workers_with_it(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    fasta, folder = fasta_in(tmp_path, 2_000), tmp_path / "run"
    process = begun("predict", fasta, *MODEL, *RAY, "--part-size", "1K", "-o", folder)
    try:
        wait_for_parts(folder, process, 5)
        below = descendants(process.pid)
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == code, said
    assert "Traceback" not in said
    limit = time.monotonic() + 30
    while (left := {pid for pid in below if _lives(pid)}) and time.monotonic() < limit:
        time.sleep(0.1)
    assert left == set()
    assert not (folder / "manifest.json").exists()


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
def test_corrupt_shard_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    source, folder = shards_of(tmp_path / "in", peptides(31, 90), [30, 30]), tmp_path / "run"
    (source / "cut.fasta.gz").write_bytes(packed(fasta_of(peptides(32, 300)), ".gz")[:900])
    made = started("predict", source, *MODEL, *RAY, "-o", folder)
    assert made.returncode == 1
    assert f"{source / 'cut.fasta.gz'}: compressed file ends early" in made.stderr
    assert "1 of 4 parts failed" in made.stderr
    assert "Traceback" not in made.stderr
    assert len(notes_in(folder)) == 3
    assert not (folder / "manifest.json").exists()


@pytest.mark.slow
def test_folder_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    fasta, folder = fasta_in(tmp_path, 200), tmp_path / "run"
    folder.mkdir()
    assert (
        started("predict", fasta, *MODEL, "--shard", "1/500", "--part-size", "1K", "-o", folder).returncode
        == 0
    )
    for path in folder.rglob("part-*"):
        path.unlink()
    (folder / "parts").rmdir()
    (folder / "parts").write_text("a file in its place")
    made = started("predict", fasta, *MODEL, *RAY, "--part-size", "1K", "-o", folder)
    assert made.returncode == 1
    assert f"{folder}/parts" in made.stderr
    assert "cannot be written" in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no Ray cluster answers at 127.0.0.1:1"),
        ("nonsense", "no Ray cluster answers at nonsense"),
        ("ray://127.0.0.1:1", "no Ray cluster answers at ray://127.0.0.1:1"),
    ],
)
def test_address_without_a_cluster_is_told(tmp_path: Path, address: str, message: str) -> None:
    fasta = fasta_in(tmp_path, 20)
    made = started("predict", fasta, *MODEL, *RAY, "--ray-address", address, "-o", tmp_path / "run")
    assert made.returncode == 1, made.stderr
    assert message in made.stderr
    assert "Traceback" not in made.stderr
    assert len(made.stderr.splitlines()) == 1, made.stderr


@pytest.mark.slow
def test_worker_larger_than_any_node_is_told(tmp_path: Path) -> None:
    fasta = fasta_in(tmp_path, 20)
    made = started("predict", fasta, *MODEL, *RAY, "--threads", 999, "-o", tmp_path / "run")
    assert made.returncode == 1, made.stderr
    assert "no node of the Ray cluster has room for a worker of 999 cores; the nodes have" in made.stderr
    assert "Traceback" not in made.stderr


@pytest.mark.slow
def test_worker_with_gpus_where_there_are_none_is_told(tmp_path: Path) -> None:
    fasta = fasta_in(tmp_path, 20)
    options = ("--worker-gpus", "99", "-o", tmp_path / "run")
    made = started("predict", fasta, *MODEL, *RAY, *options)
    assert made.returncode == 1, made.stderr
    assert "no node of the Ray cluster has room for a worker of 1 cores and 99 GPUs" in made.stderr


@pytest.mark.slow
def test_run_on_ray_goes_on_with_what_an_array_job_did(run: Terminal, tmp_path: Path) -> None:
    """What a job of an array did, a run on Ray takes as done, and the other way about."""
    fasta, folder = fasta_in(tmp_path, 200), tmp_path / "run"
    assert run("predict", fasta, *MODEL, "--shard", "1/2", "--part-size", "1K", "-o", folder).code == 0
    n_before = len(notes_in(folder))
    made = started("predict", fasta, *MODEL, *RAY, "-o", folder)
    assert made.returncode == 0, made.stderr
    assert f"{n_before} of its parts were done before" in made.stderr
    check_as_plain(run, fasta, folder, tmp_path)


def test_missing_package_names_the_extra(
    run: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    made = run("predict", fasta_in(tmp_path, 20), *MODEL, *RAY, "-o", tmp_path / "run")
    assert made.code == 1
    assert "sortilin[scale]" in made.err
    assert "the engine 'ray' needs ray" in made.err


@pytest.mark.slow
def test_vectors_from_a_cluster_are_those_of_a_plain_run(run: Terminal, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    np = pytest.importorskip("numpy")
    from hub import files_of

    backbone, fasta = tmp_path / "esm2_t6", fasta_in(tmp_path, 40)
    backbone.mkdir()
    for name, content in files_of("esm2").items():
        (backbone / name).write_bytes(content)
    options = ("-b", backbone, "--runtime", "torch", "--threads", 1)
    plain, folder = tmp_path / "plain.npz", tmp_path / "run"
    for command in (
        ("embed", fasta, *options, "--no-store", "-o", plain),
        ("embed", fasta, *options, *RAY, "--part-size", "300", "-o", folder),
    ):
        made = started(*command)
        assert made.returncode == 0, made.stderr
    assert len(notes_in(folder)) > 2
    assert run("merge", folder, "-o", tmp_path / "merged.npz").code == 0
    letters = [sequence for _, sequence in peptides(31, 40)]
    one, other = (read_vectors(path, letters).vectors for path in (plain, tmp_path / "merged.npz"))
    for before, after in zip(one, other, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


# --- how many workers


NODES = [
    {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 2.0}},
    {"Alive": True, "Resources": {"CPU": 5.0}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


@pytest.mark.parametrize(
    ("job", "asked", "workers", "gpus"),
    [
        (PredictJob("anticancer"), Cluster(), 21, 0),
        (PredictJob("anticancer"), Cluster(cores=4), 5, 0),
        (PredictJob("anticancer"), Cluster(workers=3), 3, 0),
        (EmbedJob(EmbeddingConfig(backbone="esm2_t6")), Cluster(), 2, 1),
        (EmbedJob(EmbeddingConfig(backbone="esm2_t6")), Cluster(gpus=0.5), 4, 0.5),
        (EmbedJob(EmbeddingConfig(backbone="esm2_t6")), Cluster(gpus=0), 21, 0),
        (EmbedJob(EmbeddingConfig(backbone="esm2_t6")), Cluster(cores=10), 1, 1),
    ],
)
def test_workers_fill_the_nodes_and_take_gpus_where_they_can_use_them(
    monkeypatch: pytest.MonkeyPatch, job: Job, asked: Cluster, workers: int, gpus: float
) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: NODES))
    found = on_ray._with_room(asked, job, n_parts=100)
    assert (found.workers, found.gpus) == (workers, gpus)
    assert on_ray._with_room(asked, job, n_parts=1).workers == 1


def test_worker_without_room_is_told_what_the_nodes_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: NODES))
    with pytest.raises(ConfigError, match=r"of 4 cores and 3 GPUs; the nodes have 16 cores, 2 GPUs; 5"):
        on_ray._with_room(Cluster(cores=4, gpus=3), PredictJob("anticancer"), n_parts=100)
