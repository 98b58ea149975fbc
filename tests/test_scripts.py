"""The scripts behind `make`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "scripts" / "bench"
PART = "VALUE = 1\n"
MAIN = 'import sys\nif __name__ == "__main__":\n    print("ran", __file__)\n    sys.exit({code})\n'


def bench(folder: Path, **codes: int) -> subprocess.CompletedProcess[str]:
    """What is said of benchmarks that end with these codes."""
    if shutil.which("bash") is None:
        pytest.skip("needs bash")
    for name in ("scripts", "benchmarks", "bin"):
        (folder / name).mkdir()
    shutil.copy(BENCH, folder / "scripts" / "bench")
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "benchmarks" / "part.py").write_text(PART)
    for name, code in codes.items():
        (folder / "benchmarks" / f"{name}.py").write_text(MAIN.format(code=code))
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(folder / "scripts" / "bench")]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": path}
    )


def test_all_benchmarks_run_and_those_that_failed_are_named(tmp_path: Path) -> None:
    done = bench(tmp_path, a=0, b=1, c=0, d=3)
    assert done.returncode == 1
    ran = [line.split("/")[-1] for line in done.stdout.splitlines() if line.startswith("ran ")]
    assert ran == ["a.py", "b.py", "c.py", "d.py"]
    assert done.stderr.splitlines() == [
        "missed its bar, or could not run: benchmarks/b.py (exit code 1)",
        "missed its bar, or could not run: benchmarks/d.py (exit code 3)",
    ]


def test_benchmarks_that_all_meet_their_bars(tmp_path: Path) -> None:
    done = bench(tmp_path, a=0, b=0)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "all bars met"
