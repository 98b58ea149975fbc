"""A run that is under way: what belongs to it, and the batches that it has explained.

OUT/.parts/identity.json        what the run is of; another run is refused
OUT/.parts/00000-DIGEST.jsonl   the explanations of a batch, named by its records; whole or not there
OUT/.parts/00000-DIGEST.tsv     its substitutions, where there are any
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sortilin.errors import OutputError
from sortilin.files import replace
from sortilin.sequences import SequenceRecord

FOLDER, IDENTITY = ".parts", "identity.json"
META, SUMMARY, RESIDUES, LINES, SUBSTITUTIONS = (
    "meta.json",
    "summary.json",
    "residues.tsv",
    "explanations.jsonl",
    "substitutions.tsv",
)
PAGE, PICTURES, DIMENSIONS, ATTENTION, SKIPPED = (
    "report.html",
    "pictures",
    "dimensions",
    "attention",
    "skipped.tsv",
)
OURS = {
    FOLDER,
    META,
    SUMMARY,
    RESIDUES,
    LINES,
    SUBSTITUTIONS,
    PAGE,
    PICTURES,
    DIMENSIONS,
    ATTENTION,
    SKIPPED,
    ".lock",
}
"""All that a run writes into its folder."""


class Parts:
    """The batches of a run, in its folder.

    Args:
        out: The folder of the run; made if it does not exist.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out / FOLDER

    def begin(self, identity: Mapping[str, Any], *, overwrite: bool) -> bool:
        """Make the folder, or go on in it.

        Returns:
            Whether the run is complete already.

        Raises:
            OutputError: It holds another run or something else.
        """
        there = self._there()
        if there is not None and overwrite:
            self._clear()
            there = None
        if there is None:
            shutil.rmtree(self.folder, ignore_errors=True)  # batches without an identity could be any run's
            replace(self.folder / IDENTITY, _text(identity))
            return False
        _refuse_other(self.out, there, identity)
        if identity["sequences"] is None:
            raise OutputError(
                f"{self.out} holds a run, and of standard input it cannot be told whether it is of the same "
                "sequences: choose another folder, pass --overwrite, or give a file"
            )
        return not (self.folder / IDENTITY).exists()

    def _there(self) -> Mapping[str, Any] | None:
        """Identity of the run in the folder; None where nothing has been explained yet."""
        names = {p.name for p in self.out.iterdir()} if self.out.is_dir() else set()
        is_begun = (self.folder / IDENTITY).exists() and any(self.folder.glob("*.jsonl"))
        if not names - {".lock", FOLDER} and not is_begun:
            return None
        others = sorted(names - OURS)
        if others:
            raise OutputError(
                f"{self.out} holds something else ({', '.join(others[:3])}): choose another folder"
            )
        try:
            if (self.folder / IDENTITY).exists():
                found: Mapping[str, Any] = json.loads((self.folder / IDENTITY).read_text(encoding="utf-8"))
            else:
                meta = json.loads((self.out / META).read_text(encoding="utf-8"))
                found = meta["details"]["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            raise OutputError(f"{self.out} holds no run of explain: choose another folder") from None
        return found

    def _clear(self) -> None:
        for name in sorted(OURS - {".lock"}):
            path = self.out / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def path(self, number: int, records: Sequence[SequenceRecord]) -> Path:
        """File of a batch, whether it is there or not."""
        digest = hashlib.sha256()
        for record in records:
            digest.update(f"{record.id}\0{record.sequence}\0".encode())
        return self.folder / f"{number:05d}-{digest.hexdigest()[:16]}.jsonl"

    def keep(self, path: Path, lines: str, substitutions: str) -> None:
        """Keep a batch; its explanations get their name last."""
        if substitutions:
            replace(path.with_suffix(".tsv"), substitutions.encode())
        replace(path, lines.encode())

    def lines(self, paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
        """The explanations of batches, in order."""
        for path in paths:
            with path.open(encoding="utf-8") as stream:
                yield from map(json.loads, stream)

    def end(self) -> None:
        """Drop the batches: all that they hold stands in the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _text(identity: Mapping[str, Any]) -> bytes:
    return (json.dumps(identity, indent=1, ensure_ascii=False) + "\n").encode()


def _refuse_other(out: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    flat_there, flat_asked = dict(_flat(there)), dict(_flat(asked))
    keys = [k for k in {**flat_there, **flat_asked} if flat_there.get(k) != flat_asked.get(k)]
    if keys:
        said = "; ".join(f"{k}: {flat_there.get(k)} there, {flat_asked.get(k)} asked for" for k in keys[:3])
        raise OutputError(f"{out} holds another run ({said}): choose another folder, or pass --overwrite")


def _flat(record: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value
