"""Cold start of the command line against `import numpy`, side by side in one run.

    python benchmarks/cold_start.py [ROUNDS]

Bars: `sortilin --help` at most 3 times, a one-sequence `predict` at most 10 times. Exit code 1 if not.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SORTILIN = Path(sys.executable).with_name("sortilin")
ONE_PROTEIN = """\
>P01308 Insulin
MALWMRLLPLLALLALWGPDPAAAFVNQHLCGSHLVEALYLVCGERGFFYTPKTRREAED
LQVGQVELGGGPGAGSLQPLALEGSLQKRGIVEQCCTSICSLYQLENYCN
"""
BARS = {"sortilin --help": 3.0, "sortilin predict, one sequence": 10.0}


def seconds(command: list[str]) -> float:
    """Wall time of one fresh process."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    """Interleave the commands, print medians and ratios."""
    n_rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    with tempfile.TemporaryDirectory() as folder:
        fasta = Path(folder, "one.fasta")
        fasta.write_text(ONE_PROTEIN)
        commands = {
            "python -c 'import numpy'": [sys.executable, "-c", "import numpy"],
            "sortilin --help": [str(SORTILIN), "--help"],
            "sortilin predict, one sequence": [
                str(SORTILIN),
                "predict",
                str(fasta),
                "-o",
                os.devnull,
                "--format",
                "tsv",
            ],
        }
        for command in commands.values():
            seconds(command)  # compiled modules and the page cache are warm for all alike
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(n_rounds):
            for name, command in commands.items():
                times[name].append(seconds(command))
    report(times)


def report(times: dict[str, list[float]]) -> None:
    """Medians, ratios round by round, and whether the bars are met."""
    base = next(iter(times))
    is_met = True
    print(f"{'command':34} {'median ms':>10} {'ratio':>7} {'bar':>5}")
    for name, values in times.items():
        ratio = median(a / b for a, b in zip(values, times[base], strict=True))
        bar = BARS.get(name)
        is_met &= bar is None or ratio <= bar
        print(f"{name:34} {1000 * median(values):10.0f} {ratio:7.2f} {bar or '':>5}")
    sys.exit(0 if is_met else 1)


if __name__ == "__main__":
    main()
