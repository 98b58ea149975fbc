"""The curves of a run for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sortilin.errors import OutputError


class Events:
    """The curves for TensorBoard, where it is installed: one file for each start of a run."""

    def __init__(self) -> None:
        self.writer: Any = None

    def add(self, workspace: Path, record: Mapping[str, float]) -> None:
        """Write an epoch; those after it, of a run that was killed, no longer count.

        Raises:
            OutputError: It cannot be written.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        folder, epoch = workspace / "tensorboard", int(record["epoch"])
        try:
            if self.writer is None:
                self.writer = SummaryWriter(folder, purge_step=epoch)
            for name, value in record.items():
                if name != "epoch":
                    self.writer.add_scalar(name.replace("_", "/", 1), value, epoch)
            self.writer.flush()
        except OSError as error:
            raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from None

    def close(self) -> None:
        """Close the file, if one was begun."""
        if self.writer is not None:
            self.writer.close()
