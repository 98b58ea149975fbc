"""Install the package into a new virtual environment and predict there, without torch and without network.

    python scripts/check_install.py [--keep FOLDER]

Fails if the environment takes 250 MB or more, holds a package that only training needs, or cannot
predict the examples while every network connection is refused.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_MEGABYTES = 250
NOT_IN_BASE = (
    "torch",
    "accelerate",
    "scikit-learn",
    "pandas",
    "scipy",
    "lightgbm",
    "matplotlib",
    "onnx",
    "optuna",
    "pyarrow",
    "pyhmmer",
    "tensorboard",
    "transformers",
)

REFUSE_NETWORK = """\
import socket
def refuse(*_args, **_options):
    raise OSError("no network in this check")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
"""
"""Loaded by every Python of the new environment at its start."""


def main() -> None:
    """Make the environment, look at it, predict in it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help="make the environment here and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch, "venv")
        python = install(folder)
        n_megabytes = size(folder) / 1e6
        print(f"installed size: {n_megabytes:.0f} MB (bar {MAX_MEGABYTES})")
        check(n_megabytes < MAX_MEGABYTES, "the environment is too large")
        installed = {
            line.partition("==")[0].lower() for line in run(python, "-m", "pip", "freeze").splitlines()
        }
        check(not installed & set(NOT_IN_BASE), f"the base install brings {installed & set(NOT_IN_BASE)}")
        site_packages = next(folder.glob("lib/python*/site-packages"))
        (site_packages / "refuse_network.pth").write_text("import refuse_network\n")
        (site_packages / "refuse_network.py").write_text(REFUSE_NETWORK)
        predict(python)


def install(folder: Path) -> Path:
    """A new environment with the package, as a user installs it; its Python."""
    print(f"installing into {folder}")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), str(ROOT))
    return python


def predict(python: Path) -> None:
    """Predict the examples with both models from another folder, and count the rows."""
    sortilin = python.with_name("sortilin")
    for file_name, model in (("proteins.fasta", "localization"), ("peptides.fasta", "anticancer")):
        fasta = ROOT / "examples" / file_name
        table = run(sortilin, "predict", str(fasta), "--model", model).splitlines()
        n_records = fasta.read_text().count(">")
        print(f"{model}: {len(table) - 1} of {n_records} examples predicted, without network")
        check(len(table) == n_records + 1, "rows are missing")


def size(folder: Path) -> int:
    """Bytes of all files below a folder, links not followed."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def run(program: Path, *arguments: str) -> str:
    """Standard output of a program that must succeed; started where no source tree is in the way."""
    with tempfile.TemporaryDirectory() as elsewhere:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [str(program), *arguments]
        return subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, cwd=elsewhere, env=environment
        ).stdout


def check(is_true: bool, message: str) -> None:
    """Stop with a message if something does not hold."""
    if not is_true:
        sys.exit(f"check_install: {message}")


if __name__ == "__main__":
    main()
