"""Other people's programs: run one, and say what it said where it fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from sortilin.errors import SortilinError

_LAST_LINES = 5
"""So many of the last lines of a failed program are quoted."""


def run(command: Sequence[str], *, named: str | None = None, but: str | None = None) -> str:
    """Run a program and return all that it says.

    Args:
        command: Its path, then its words.
        named: What an error calls it; its path by default.
        but: Where it fails and says this, that is no error.

    Raises:
        SortilinError: It cannot be run, or fails; what it says last is part of the message.
    """
    try:
        done = subprocess.run(  # noqa: S603 - no shell; the words are ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SortilinError(f"{command[0]} cannot be run: {error.strerror or error}") from None
    if done.returncode and (but is None or but not in done.stdout):
        raise SortilinError(
            f"{named or command[0]} failed with exit code {done.returncode}; its last lines: "
            f"{last_lines(done.stdout)}"
        )
    return done.stdout


def last_lines(said: str) -> str:
    """The last lines of what a program said, in one."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return "; ".join(lines[-_LAST_LINES:]) or "it said nothing"
