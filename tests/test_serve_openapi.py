"""Whatever the OpenAPI document allows, and much that it does not, is no reason to fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from served import served, settings_of

pytestmark = pytest.mark.slow


def test_no_request_makes_the_server_fail(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, requests_per_minute=10**6, small_sequences=3, max_length=2_000)
    with served(settings) as server:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{server.api}/openapi.json"),
                *("--checks", "not_a_server_error", "--max-examples", "40", "--seed", "42", "--no-color"),
                *("--suppress-health-check", "all"),
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
            timeout=600,
        )
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]
