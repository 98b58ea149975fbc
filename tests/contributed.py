"""What the tests of contrib/ share: sequences in several files, and running what stands there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tiny

CONTRIB = Path(__file__).parents[1] / "contrib"
SORTILIN = Path(sys.executable).with_name("sortilin")
MODEL = "anticancer"
N_FILES, N_EACH = 4, 60

Ran = subprocess.CompletedProcess[str]


def write_shards(folder: Path) -> Path:
    """A folder of several files, since a small one alone is a single part."""
    folder.mkdir()
    peptides = tiny.random_sequences(0, N_FILES * N_EACH, shortest=8, longest=40)
    for n in range(N_FILES):
        mine = enumerate(peptides[n * N_EACH : (n + 1) * N_EACH])
        (folder / f"{n}.fasta").write_text("".join(f">p{n}_{at}\n{peptide}\n" for at, peptide in mine))
    return folder


def sequences_of(folder: Path) -> list[str]:
    """All sequences in a folder of shards, in order."""
    text = "".join(path.read_text() for path in sorted(folder.iterdir()))
    return re.findall(r"^[A-Z]+$", text, re.MULTILINE)


def table_of_one_run(folder: Path) -> str:
    """What `sortilin predict` writes of all shards in one file."""
    whole = folder.parent / "whole.fasta"
    whole.write_text("".join(path.read_text() for path in sorted(folder.iterdir())))
    ran = execute([SORTILIN, "predict", whole, "--model", MODEL, "-q", "-o", "-"], folder.parent)
    assert ran.returncode == 0, ran.stderr
    assert len(ran.stdout.splitlines()) == N_FILES * N_EACH + 1
    return ran.stdout


def execute(words: list[Any], folder: Path, bin_folder: Path | None = None, **variables: object) -> Ran:
    """Run a command with `sortilin` on the PATH and one thread a process."""
    path = os.pathsep.join(
        [*([str(bin_folder)] if bin_folder else []), str(SORTILIN.parent), os.environ["PATH"]]
    )
    known = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    env = known | {"PATH": path, "OMP_NUM_THREADS": "1"} | {k: str(v) for k, v in variables.items()}
    return subprocess.run(
        [str(word) for word in words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def program(folder: Path, name: str, script: str) -> Path:
    """A program of a few lines that stands for another; its folder goes on the PATH."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/bash\n{script}\n")
    path.chmod(0o755)
    return path.parent


def snakemake_at() -> Path:
    """Where Snakemake is; skips where it is not.

    It needs an environment of its own, since it wants other versions of packages than sortilin does.
    SORTILIN_SNAKEMAKE names its `snakemake`; else it is looked for on the PATH.
    """
    named = os.environ.get("SORTILIN_SNAKEMAKE") or shutil.which("snakemake")
    if not named:
        pytest.skip("needs Snakemake: none on the PATH, and SORTILIN_SNAKEMAKE names none")
    return Path(named)
