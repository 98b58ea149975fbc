"""The command as a person at a terminal runs it, in the tests' own process."""

from __future__ import annotations

import io
import sys
from typing import NamedTuple

import pytest

from sortilin.cli.main import main


class Result(NamedTuple):
    code: int
    out: str
    err: str


class Terminal:
    """Runs the command in this process, as the console script does."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.patch, self.capture = patch, capture

    def __call__(self, *args: object, stdin: bytes = b"") -> Result:
        self.patch.setattr(sys, "argv", ["sortilin", *map(str, args)])
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        self.capture.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        return Result(int(caught.value.code or 0), *self.capture.readouterr())
