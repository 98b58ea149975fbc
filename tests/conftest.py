"""Fixtures that many tests share."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sortilin.sequences import mmseqs

if TYPE_CHECKING:
    from hub import Hub
    from terminal import Terminal


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the published data; skips where it is not at hand."""
    named = os.environ.get("SORTILIN_DATA_DIR")
    folder = Path(named) if named else Path(__file__).parents[1].parent / "shared" / "data"
    if not (folder / "psl" / "cyto.fasta").is_file():
        pytest.skip(f"the published data are not in {folder}; set SORTILIN_DATA_DIR to test with them")
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Weights that a test draws without a seed of its own are the same in every run."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(params=[pytest.param("mmseqs", marks=pytest.mark.slow), "phmmer"])
def search_tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The tool that homologues are searched with, once each; skips where it is not installed."""
    pytest.importorskip("pyopal")
    tool: str = request.param
    if tool == "phmmer":
        pytest.importorskip("pyhmmer")
        monkeypatch.setattr(mmseqs, "find", lambda: None)
    elif mmseqs.find() is None:
        pytest.skip("MMseqs2 is not installed: no `mmseqs` on the PATH")
    return tool


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hugging Face hub on this machine, with an empty cache; skips without the packages of `plm`."""
    for package in ("huggingface_hub", "transformers", "sentencepiece"):
        pytest.importorskip(package)
    from hub import serving

    with serving(monkeypatch, tmp_path / "hf-home") as found:
        yield found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Terminal]:
    """The command, to be called with its words."""
    from terminal import Terminal

    before = signal.getsignal(signal.SIGTERM)
    yield Terminal(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own with little room; skips where none can be mounted."""
    folder = Path(tempfile.mkdtemp())
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        folder.rmdir()
        pytest.skip(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)
        shutil.rmtree(folder, ignore_errors=True)
