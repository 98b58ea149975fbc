"""Write constraints.txt from what is installed in this environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
HEADER = """\
# The exact versions that CI ran with. Install with: pip install -c constraints.txt ...
# Regenerate: make constraints
"""
KEPT = ("torch==2.13.0",)
"""Pinned by hand: the build that is used where one is needed."""


def main() -> None:
    """Freeze the environment, keep the hand-made pins, write the file."""
    command = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    frozen = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    kept_names = {pin.partition("==")[0] for pin in KEPT}
    pins = [pin for pin in frozen if pin.partition("==")[0].lower() not in kept_names]
    CONSTRAINTS.write_text(HEADER + "\n".join(sorted([*KEPT, *pins], key=str.lower)) + "\n")


if __name__ == "__main__":
    main()
