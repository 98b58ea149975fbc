"""Results on disk: one folder a model, so that a killed run goes on and a model can be added later.

OUT/benchmark.yaml               the resolved configuration
OUT/split.json                   data, seed and the rows of the split: equal for all models
OUT/models/NAME/result.json      one model: its held-out probabilities, time, options, curves
OUT/models/NAME/fold-K.json      one fold of its cross-validation
OUT/models/NAME/training/        checkpoints, curves and TensorBoard events of a network
OUT/model/                       the best one, trained again on all data: a model folder
OUT/results.json, table.tsv, report.html, figures/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sortilin import files
from sortilin.errors import ConfigError

CONFIG, SPLIT, RESULTS, MODEL = "benchmark.yaml", "split.json", "results.json", "model"


def identity(*parts: Any) -> str:
    """SHA-256 of plain values: equal parts, equal identity."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Folder:
    """The folder of one benchmark.

    Attributes:
        path: Where it lies.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, split: Mapping[str, Any]) -> None:
        """Make the folder, or take it up again.

        Args:
            split: Whatever must be equal for all models, as plain values.

        Raises:
            ConfigError: It holds results on another split.
            OutputError: It cannot be written, or the disk is full.
        """
        files.claim(self.path)
        here = self._read(self.path / SPLIT)
        if here is None:
            self._write(self.path / SPLIT, split)
            return
        wanted = json.loads(json.dumps(split))
        differing = [key for key in {**here, **wanted} if here.get(key) != wanted.get(key)]
        if differing:
            faults = ", ".join(_difference(key, here.get(key), wanted.get(key)) for key in differing)
            raise ConfigError(
                f"{self.path} holds results of another configuration ({faults}): choose another folder"
            )

    def of_model(self, name: str) -> Path:
        """The folder of one model."""
        return self.path / "models" / name

    def load(self, name: str, what: str, wanted: str) -> dict[str, Any] | None:
        """A result that is there; None if it has to be computed.

        Raises:
            ConfigError: It was made with other options.
        """
        path = self.of_model(name) / f"{what}.json"
        found = self._read(path)
        if found is None:
            return None
        if found.get("identity") != wanted:
            raise ConfigError(
                f"{path} was made with other options or by another version of sortilin: give the model "
                f"another name, or remove {path.parent} to compute it again"
            )
        return found

    def peek(self, name: str, what: str) -> dict[str, Any]:
        """A result that is there, whatever it was made with; empty if there is none."""
        return self._read(self.of_model(name) / f"{what}.json") or {}

    def save(self, name: str, what: str, wanted: str, result: Mapping[str, Any]) -> dict[str, Any]:
        """Write a result of a model; it is returned with its identity."""
        path = self.of_model(name) / f"{what}.json"
        saved = {"identity": wanted, **result}
        self._write(path, saved)
        return saved

    def write(self, name: str, values: Mapping[str, Any]) -> None:
        """Write a JSON file beside the models."""
        self._write(self.path / name, values)

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} cannot be read ({error}): remove it to compute it again") from None
        return values

    @staticmethod
    def _write(path: Path, values: Mapping[str, Any]) -> None:
        files.replace(path, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())


def _difference(key: str, here: Any, wanted: Any) -> str:
    """Words for one differing value; long ones by name only."""
    if max(len(str(here)), len(str(wanted))) > 80:
        return f"other {key}"
    return f"{key}: {here} there, {wanted} here"
