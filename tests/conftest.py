"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the published data; skips where it is not at hand."""
    named = os.environ.get("SORTILIN_DATA_DIR")
    folder = Path(named) if named else Path(__file__).parents[1].parent / "shared" / "data"
    if not (folder / "psl" / "cyto.fasta").is_file():
        pytest.skip(f"the published data are not in {folder}; set SORTILIN_DATA_DIR to test with them")
    return folder
