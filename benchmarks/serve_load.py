"""The web server under load: visitors at once, then the same beside a queued proteome.

    python benchmarks/serve_load.py [--visitors 50] [--proteins 10] [--seconds 60] [--proteome 20000]

`sortilin serve` with one worker, in processes of its own on loopback. Each visitor submits proteins
(generated, of the lengths of a proteome: median 375) by the REST API, waits for the answer, and submits again
at once. Three rounds: one visitor alone, all visitors, all visitors while a worker runs the proteome. Printed
are requests, faults, the median and the 99th percentile of the time to the answer, and the server's memory.

Bars, exit code 1 if one is missed: no fault; the median beside the proteome at most 3 times the median
without it; memory of the server within 10 % from a quarter of a round to its end; below 1 GB with both
bundled models. The cold start to the first answer is printed too. Needs `pip install '.[serve]'`.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import requests

ALLOWED_SLOWDOWN = 3.0
ALLOWED_GROWTH = 1.10
MAX_MEMORY_MB = 1_024
LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
MEDIAN_LENGTH, SPREAD = 375, 0.7
"""Of a log-normal distribution, as the lengths of a proteome have it."""


@dataclass
class Round:
    """What one round of visits came to."""

    name: str
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Seconds to the answer."""
        return float(np.median(self.seconds))

    @property
    def growth(self) -> float:
        """Memory at the end over memory after a quarter."""
        return self.memory_mb[-1] / self.memory_mb[len(self.memory_mb) // 4]


def proteins(n: int, seed: int) -> str:
    """FASTA of generated proteins."""
    draws = np.random.default_rng(seed)
    lengths = np.clip(draws.lognormal(np.log(MEDIAN_LENGTH), SPREAD, n), 30, 3_000).astype(int)
    return "".join(f">p{i}\nM{''.join(draws.choice(LETTERS, length))}\n" for i, length in enumerate(lengths))


class Server:
    """`sortilin serve` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.log = (folder / "log").open("w+")
        command = [
            sys.executable,
            "-m",
            "sortilin",
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(folder / "data"),
        ]
        settings = {"SORTILIN_SERVE_REQUESTS_PER_MINUTE": "1000000", "OMP_NUM_THREADS": "1"}
        started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=os.environ | settings)
        self.address = self._address(folder / "log")
        requests.post(f"{self.address}/api/v1/jobs", json={"fasta": ">a\nMKTAYIAKQRQISFVKSHFSRQ"}, timeout=60)
        self.cold_start = time.monotonic() - started

    def _address(self, log: Path) -> str:
        while self.process.poll() is None:
            if found := re.search(r"sortilin is at (\S+)", log.read_text()):
                return found[1]
            time.sleep(0.01)
        raise SystemExit(log.read_text())

    def memory_mb(self) -> tuple[float, float]:
        """Resident megabytes of the server and of its workers."""
        task = Path(f"/proc/{self.process.pid}/task")
        children = [int(pid) for path in task.glob("*/children") for pid in path.read_text().split()]
        return _rss(self.process.pid), sum(map(_rss, children))

    def close(self) -> None:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.log.close()


def _rss(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def visits(server: Server, name: str, visitors: int, n_proteins: int, seconds: float) -> Round:
    """All visitors at once, for a time."""
    found, ends = Round(name), time.monotonic() + seconds
    given = [proteins(n_proteins, seed) for seed in range(visitors)]

    def visit(text: str) -> None:
        with requests.Session() as session:
            while time.monotonic() < ends:
                started = time.monotonic()
                try:
                    answer = session.post(f"{server.address}/api/v1/jobs", json={"fasta": text}, timeout=120)
                    if answer.status_code != 200 or len(answer.json()["predictions"]) != n_proteins:
                        found.faults.append(f"{answer.status_code}: {answer.text[:100]}")
                except (requests.RequestException, ValueError, KeyError) as error:
                    found.faults.append(repr(error)[:200])
                found.seconds.append(time.monotonic() - started)

    threads = [threading.Thread(target=visit, args=(text,)) for text in given]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found.memory_mb.append(server.memory_mb()[0])
        time.sleep(0.5)
    return found


def main() -> None:
    """Run, print, compare with the bars."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--proteins", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--proteome", type=int, default=20_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            rounds, worker = measured(server, asked)
        finally:
            server.close()
    print(f"cold start to the first answer {server.cold_start:.1f} s; worker's memory {worker:.0f} MB\n")
    print(f"{'round':28}{'requests':>9}{'faults':>7}{'median s':>9}{'p99 s':>7}{'MB':>6}{'growth':>7}")
    for r in rounds:
        p99 = np.percentile(r.seconds, 99)
        print(
            f"{r.name:28}{len(r.seconds):9,}{len(r.faults):7}{r.median:9.3f}{p99:7.2f}"
            f"{max(r.memory_mb):6.0f}{r.growth:7.3f}"
        )
    judge(rounds, worker)


def measured(server: Server, asked: argparse.Namespace) -> tuple[list[Round], float]:
    """The three rounds, and the worker's memory in the last."""
    shape = (asked.proteins, asked.seconds)
    alone = visits(server, "one visitor", 1, asked.proteins, asked.seconds / 4)
    together = visits(server, f"{asked.visitors} visitors", asked.visitors, *shape)
    body = {"fasta": proteins(asked.proteome, 10**6), "title": "proteome"}
    job = requests.post(f"{server.address}/api/v1/jobs", json=body, timeout=120).json()
    beside = visits(server, f"{asked.visitors} beside a proteome", asked.visitors, *shape)
    state = requests.get(job["links"]["self"], timeout=60).json()
    print(f"the proteome: {state['status']}, {state['n_done']:,} of {state['n']:,} done")
    return [alone, together, beside], server.memory_mb()[1]


def judge(rounds: list[Round], worker: float) -> None:
    """Say what was missed, and exit."""
    _, together, beside = rounds
    slowdown = beside.median / together.median
    print(f"\nmedian beside the proteome: {slowdown:.2f} times (allowed {ALLOWED_SLOWDOWN})")
    faults = [fault for r in rounds for fault in r.faults]
    missed = [
        *([f"{len(faults)} faults, the first {faults[0]}"] if faults else []),
        *(["the proteome starves the visitors"] if slowdown > ALLOWED_SLOWDOWN else []),
        *([f"memory grows: {r.name}" for r in rounds[1:] if r.growth > ALLOWED_GROWTH]),
        *(["more than 1 GB"] if max(beside.memory_mb) > MAX_MEMORY_MB or worker > MAX_MEMORY_MB else []),
    ]
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
