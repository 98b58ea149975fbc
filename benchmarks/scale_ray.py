"""Runs on a local Ray cluster of two nodes beside the plain run: equal bytes, lost workers and nodes, speed.

    python benchmarks/scale_ray.py                      both that follow
    python benchmarks/scale_ray.py faults               1,000,000 sequences; a worker and a node are killed
    python benchmarks/scale_ray.py overhead             both runs on two cores, in turns
    python benchmarks/scale_ray.py faults --sequences 20000 --small 5000

`faults` predicts generated peptides with the plain command, then on the cluster, where it kills (SIGKILL) one
worker when three tenths of the parts are done and one node at six tenths, and compares the merged table
with the plain one, byte for byte and sorted. It runs fewer sequences before, on such a cluster, and prints
the peak memory of every kind of process for both. `overhead` starts the command anew in each round, plain
and on Ray in turns; the ratio is of whole runs, with their start and the making of one table.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from ray.cluster_utils import Cluster

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
COMMAND = [str(Path(sys.executable).with_name("sortilin"))]
_MB = 1 << 20
OVERHEAD_BAR, GROWTH_BAR = 1.3, 1.2
"""What a run on Ray may take of the plain one's time, and a process of the memory that it had with fewer.

Ray's control store, some 50 MB, keeps a few KB a part of its own.
"""


def generate(path: Path, n: int, seed: int) -> None:
    """Random peptides of 8 to 20 residues."""
    draws = random.Random(seed)
    with path.open("w") as stream:
        for number in range(n):
            letters = "".join(draws.choices(RESIDUES, k=draws.randint(8, 20)))
            stream.write(f">pep{number:07} generated\n{letters}\n")


def sortilin(*arguments: str) -> subprocess.Popen[bytes]:
    """The command, begun."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen([*COMMAND, *arguments, "--quiet"], env=environment)


def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait for a command, which must do well."""
    if process.wait():
        sys.exit(f"{process.args!r} ended with {process.returncode}")


@contextmanager
def two_nodes(folder: Path) -> Iterator[tuple[Cluster, Any]]:
    """A cluster of two nodes with one core each, and its second node."""
    options = {"num_cpus": 1, "object_store_memory": 100 * _MB, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=options | {"temp_dir": str(folder)})
    del options["include_dashboard"]
    try:
        second = cluster.add_node(wait=True, **options)
        yield cluster, second
    finally:
        cluster.shutdown()  # type: ignore[no-untyped-call]


class Watch:
    """Peak memory of all processes of a run, by what they are; asked for every second."""

    def __init__(self, root: int) -> None:
        self._root, self._stop = root, threading.Event()
        self.peaks: dict[str, dict[int, float]] = {}
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(1.0):
            for process in psutil.process_iter(["pid", "cmdline", "name"]):
                kind = self._kind(process)
                if kind is not None:
                    peak = _peak_mb(process.pid)
                    mine = self.peaks.setdefault(kind, {})
                    mine[process.pid] = max(mine.get(process.pid, 0.0), peak)

    def _kind(self, process: psutil.Process) -> str | None:
        line = " ".join(process.info["cmdline"] or [])
        if process.pid == self._root:
            return "driver"
        for word, kind in (("MapWorker", "worker"), ("raylet/raylet", "raylet"), ("gcs_server", "gcs")):
            if word in line:
                return kind
        return "other of Ray" if line.startswith("ray::") or "/ray/" in line else None

    def summary(self) -> dict[str, float]:
        """Kind of process → the most that one of them held, in MB."""
        return {kind: max(peaks.values()) for kind, peaks in sorted(self.peaks.items())}


def _peak_mb(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) / 1024


def n_done(folder: Path) -> int:
    """Parts that are done."""
    return len(list(folder.glob("parts/part-*.json")))


def kill_at(folder: Path, n_parts: int, share: float, what: Callable[[], None], process: Any) -> None:
    """Wait until a share of the parts is done, then kill something."""
    while n_done(folder) < share * n_parts:
        if process.poll() is not None:
            sys.exit("the run ended before anything was killed: give it more --sequences")
        time.sleep(0.2)
    print(f"  {n_done(folder)} of {n_parts} parts done: killing", flush=True)
    what()


def kill_worker() -> None:
    """SIGKILL to one process that holds a model."""
    workers = [
        p for p in psutil.process_iter(["cmdline"]) if "MapWorker" in " ".join(p.info["cmdline"] or [])
    ]
    print(f"  a worker of {len(workers)}: process {workers[0].pid}", flush=True)
    workers[0].send_signal(signal.SIGKILL)


def on_cluster(source: Path, output: Path, args: Any, temp: Path, *, kills: bool) -> dict[str, Any]:
    """A run on two nodes, and what it took."""
    print(f"two nodes, {source.name}{', with kills' if kills else ''}", flush=True)
    with two_nodes(temp) as (cluster, second):
        started = time.monotonic()
        process = sortilin(
            "predict",
            str(source),
            "-m",
            args.model,
            "--engine",
            "ray",
            "--ray-address",
            cluster.address,
            "-o",
            str(output),
        )
        with Watch(process.pid) as watch:
            if kills:
                while not (output / "run.json").exists():
                    time.sleep(0.2)
                n_parts = json.loads((output / "run.json").read_text())["n_parts"]
                kill_at(output, n_parts, 0.3, kill_worker, process)
                kill_at(
                    output, n_parts, 0.6, lambda: cluster.remove_node(second, allow_graceful=False), process
                )
                print("  the second node is gone", flush=True)
            ended(process)
        seconds = time.monotonic() - started
    manifest = json.loads((output / "manifest.json").read_text())
    return {
        "seconds": seconds,
        "peaks_mb": watch.summary(),
        "workers": manifest["workers"],
        "totals": manifest["totals"],
    }


def sha256(path: Path, *, in_order: bool = True) -> str:
    """Of a table, or of its sorted rows."""
    if in_order:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    return hashlib.sha256(b"\n".join(sorted(path.read_bytes().splitlines()))).hexdigest()


def _kept(path: Path, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a run came to; with --work, one that is there from an interrupted start is not made again."""
    if not path.exists():
        path.write_text(json.dumps(run()))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _plain_run(source: Path, work: Path, args: Any) -> dict[str, Any]:
    print(f"plain run of {args.sequences:,}", flush=True)
    started = time.monotonic()
    plain = sortilin("predict", str(source), "-m", args.model, "-o", str(work / "plain.tsv"))
    with Watch(plain.pid) as watch:
        ended(plain)
    return {"seconds": time.monotonic() - started, "peaks_mb": watch.summary()}


def faults(args: Any, work: Path) -> dict[str, Any]:
    """The same bytes in spite of a killed worker and a killed node; memory at two sizes."""
    found: dict[str, Any] = {"n": args.sequences, "model": args.model, "seed": args.seed}
    source, small = work / "all.fasta", work / "small.fasta"
    generate(source, args.sequences, args.seed)
    generate(small, args.small, args.seed)
    found["plain"] = _kept(work / "plain.json", lambda: _plain_run(source, work, args))
    small_run = work / "small.json"
    found["small"] = _kept(
        small_run, lambda: on_cluster(small, work / "out-small", args, work / "ray-a", kills=False)
    )
    found["killed"] = on_cluster(source, work / "out", args, work / "ray-b", kills=True)
    started = time.monotonic()
    ended(sortilin("merge", str(work / "out"), "-o", str(work / "merged.tsv")))
    found["merge_seconds"] = time.monotonic() - started
    found["same_bytes"] = sha256(work / "plain.tsv") == sha256(work / "merged.tsv")
    found["same_sorted"] = sha256(work / "plain.tsv", in_order=False) == sha256(
        work / "merged.tsv", in_order=False
    )
    print(f"same bytes: {found['same_bytes']}; sorted: {found['same_sorted']}")
    for kind, peak in found["killed"]["peaks_mb"].items():
        before = found["small"]["peaks_mb"].get(kind)
        at_small = f"{before or float('nan'):,.0f} MB at {args.small:,}"
        print(f"  peak of a {kind}: {at_small}, {peak:,.0f} MB at {args.sequences:,}")
    growth = {k: v / found["small"]["peaks_mb"].get(k, v) for k, v in found["killed"]["peaks_mb"].items()}
    found["missed"] = [f"memory of a {kind}" for kind, ratio in growth.items() if ratio > GROWTH_BAR]
    found["missed"] += [] if found["same_bytes"] else ["the same bytes"]
    return found


def overhead(args: Any, work: Path) -> dict[str, Any]:
    """Seconds of both runs on two cores, in turns."""
    source = work / "all.fasta"
    generate(source, args.sequences, args.seed)
    generate(work / "one.fasta", 1, args.seed)
    rounds = []
    for number in range(args.rounds):
        seconds = {}
        for way in ("plain", "ray"):
            for size in ("one", "all"):
                output = work / f"{way}-{size}-{number}"
                started = time.monotonic()
                _run_once(way, work / f"{size}.fasta", output, args)
                seconds[f"{way}_{size}"] = time.monotonic() - started
        same = sha256(work / f"plain-all-{number}.tsv") == sha256(work / f"ray-all-{number}.tsv")
        ratio = seconds["ray_all"] / seconds["plain_all"]
        print(
            f"round {number + 1}: plain {seconds['plain_all']:.1f} s, Ray {seconds['ray_all']:.1f} s, "
            f"ratio {ratio:.3f} (one sequence: {seconds['plain_one']:.1f} s, {seconds['ray_one']:.1f} s), "
            f"same bytes: {same}",
            flush=True,
        )
        rounds.append(seconds | {"ratio": ratio, "same_bytes": same})
    ratios = [one["ratio"] for one in rounds]
    ends = f"{min(ratios):.3f} to {max(ratios):.3f}"
    print(f"ratio: median {statistics.median(ratios):.3f} ({ends}), n = {args.sequences:,}")
    missed = ["overhead"] if statistics.median(ratios) > OVERHEAD_BAR else []
    missed += [] if all(one["same_bytes"] for one in rounds) else ["the same bytes"]
    return {"n": args.sequences, "model": args.model, "seed": args.seed, "rounds": rounds, "missed": missed}


def _run_once(way: str, source: Path, output: Path, args: Any) -> None:
    table = f"{output}.tsv"
    if way == "plain":
        ended(sortilin("predict", str(source), "-m", args.model, "--threads", "2", "-o", table))
        return
    ended(
        sortilin(
            "predict", str(source), "-m", args.model, "--engine", "ray", "--workers", "2", "-o", str(output)
        )
    )
    ended(sortilin("merge", str(output), "-o", table))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["faults", "overhead"], help="default: both")
    parser.add_argument("--sequences", type=int, help="default: 1,000,000 for faults, 200,000 for overhead")
    parser.add_argument("--small", type=int, default=100_000, help="of the smaller run of faults")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", default="anticancer")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--json", type=Path, help="file for all figures")
    parser.add_argument("--work", type=Path, help="folder for what is made; a temporary one by default")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    given = args.sequences
    for what, run, usual in (("faults", faults, 1_000_000), ("overhead", overhead, 200_000)):
        if args.what in (None, what):
            args.sequences = given or usual
            with tempfile.TemporaryDirectory(prefix="sortilin-scale-") as temporary:
                work = args.work or Path(temporary)
                work.mkdir(parents=True, exist_ok=True)
                found[what] = run(args, work)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")
    missed = [name for record in found.values() for name in record["missed"]]
    if missed:
        sys.exit(f"missed: {', '.join(missed)}")


if __name__ == "__main__":
    main()
