"""A file of sequences explained into a folder, batch by batch: in constant memory, and a run can go on.

Each batch is kept under `OUT/.parts` when it is done. At the end the batches are put together; see `folder`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sortilin import files
from sortilin.errors import InputError
from sortilin.explain import folder, lines, settings, shown, signals
from sortilin.explain.annotations import Features
from sortilin.explain.attribution import Attribution
from sortilin.explain.lines import Line
from sortilin.explain.opened import Opened
from sortilin.explain.parts import PICTURES, SUMMARY, Parts
from sortilin.explain.settings import Settings
from sortilin.explain.signals import Signal
from sortilin.interfaces import Explainer, OnProgress
from sortilin.results import Prediction
from sortilin.sequences import ReadReport, SequenceRecord
from sortilin.sequences.record import counted

FORMAT, FORMAT_VERSION = "sortilin-explanations", 1

MAX_BATCH, MAX_BATCH_RESIDUES, MAX_BATCH_MUTATED = 32, 16_000, 2_000
"""Sequences and residues of a batch: what an interrupted run loses at most. Mutagenesis takes longest."""

_NAME_SHOWN = 80


@dataclass(frozen=True)
class Asked:
    """What is explained, and what a run says of where it came from.

    Attributes:
        records: Cleaned records; drawn once.
        source: What they were read from, as given.
        digest: SHA-256 of the source; None for standard input.
        report: Filled by reading.
        on_error: "fail" or "skip", for records that the model cannot read.
        labels: Where the true classes were read from.
        features: Features of the sequences from a file; None for none.
        features_digest: SHA-256 of that file.
        command: The command line; empty where there was none.
        sections: Whole-set explanations that are added: name → options.
    """

    records: Iterable[SequenceRecord]
    source: str
    digest: str | None = None
    report: ReadReport = field(default_factory=ReadReport)
    on_error: str = "fail"
    labels: str = "none"
    features: Features | None = None
    features_digest: str | None = None
    command: str = ""
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """A run that is complete.

    Attributes:
        summary: Content of `summary.json`.
        n_kept: Sequences that an earlier run had explained.
        was_complete: Whether there was nothing left to do.
        warnings: What changes the meaning of the results.
    """

    summary: Mapping[str, Any]
    n_kept: int
    was_complete: bool
    warnings: tuple[str, ...] = ()


def run(
    opened: Opened,
    asked: Asked,
    out: Path,
    options: Settings,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Done:
    """Explain all records into a folder, or go on where an interrupted run of the same was.

    Raises:
        ConfigError: A method cannot explain the model, there is no such class, or another run is at work.
        InputError: There is no record, the model cannot read one, or a feature ends behind its sequence.
        MissingDependencyError: Pictures are asked for, and matplotlib is not installed.
        OutputError: The folder holds another run or something else, or cannot be written.
    """
    made = settings.explainers(options, opened, may_be_none=bool(asked.sections))
    classes = settings.labels(options, opened)
    if options.pictures:
        from sortilin.report.explain import require

        require()
    files.claim(out)
    with files.locked(out):
        parts = Parts(out)
        identity = _identity(opened, asked, settings.resolved(options, made))
        if parts.begin(identity, overwrite=overwrite):
            return Done(json.loads((out / SUMMARY).read_text(encoding="utf-8")), 0, was_complete=True)
        worker = _Worker(opened, asked, made, classes, options, parts, on_progress)
        paths = worker.paths()
        summary = folder.write(
            folder.Whole(opened, asked, made, options, identity, parts, paths, on_progress)
        )
        parts.end()
    warnings = (*_warnings(asked, options, worker), *summary["notes"])
    return Done(summary, worker.n_kept, was_complete=False, warnings=warnings)


def _identity(opened: Opened, asked: Asked, options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model": opened.predictor.model.checksum,
        "vectors": opened.predictor.vector_files(),
        "sequences": asked.digest,
        "on_error": asked.on_error,
        "labels": asked.labels,
        "features": asked.features_digest,
        "settings": json.loads(json.dumps(options)),
        "sections": json.loads(json.dumps(asked.sections)),
    }


class _Worker:
    """The batches of a run: those that are there are kept, the others made."""

    def __init__(
        self,
        opened: Opened,
        asked: Asked,
        made: Mapping[str, Explainer],
        classes: tuple[str, ...] | None,
        options: Settings,
        parts: Parts,
        on_progress: OnProgress | None,
    ) -> None:
        self.opened, self.asked, self.made, self.classes = opened, asked, made, classes
        self.options, self.parts = options, parts
        self.tell: OnProgress = on_progress or (lambda _stage, _done, _total: None)
        self.n_kept = self.n_done = 0
        self._names: dict[str, str] = {}

    def paths(self) -> list[Path]:
        """Files of all batches, in order."""
        found = []
        limit = MAX_BATCH_MUTATED if "mutagenesis" in self.made else MAX_BATCH_RESIDUES
        for number, batch in enumerate(_batches(self.asked.records, limit)):
            self._name(batch)
            path = self.parts.path(number, batch)
            given = {r.id: self.asked.features.of(r) for r in batch} if self.asked.features else {}
            if path.exists():
                self.n_kept += len(batch)
            else:
                self._explain(batch, given, path)
            found.append(path)
            self.n_done += len(batch)
            self.tell("explaining", self.n_done, 0)
        if not found:
            raise InputError(f"{self.asked.source}: holds no sequence")
        self.tell("explaining", self.n_done, self.n_done)
        return found

    def _name(self, batch: Sequence[SequenceRecord]) -> None:
        """File names of the sequences that are drawn; two that would be one to a file system get a number."""
        taken = {name.lower() for name in self._names.values()}
        for record in batch[: max(self.options.pictures - self.n_done, 0)]:
            stem = re.sub(r"[^A-Za-z0-9._-]+", "_", record.id).lstrip(".")[:_NAME_SHOWN] or "sequence"
            name, number = stem, 1
            while name.lower() in taken:
                number += 1
                name = f"{stem}-{number}"
            taken.add(name.lower())
            self._names[record.id] = name

    def _explain(
        self, batch: Sequence[SequenceRecord], given: Mapping[str, list[Signal]], path: Path
    ) -> None:
        failed: list[tuple[SequenceRecord, str]] = []
        note = (lambda record, why: failed.append((record, why))) if self.asked.on_error == "skip" else None
        stream = self.opened.predictor.predict_batches(batch, on_failure=note)
        predictions = {p.id: p for part in stream for p in part}
        pairs = [
            (record, label)
            for record in batch
            if record.id in predictions
            for label in self.classes or lines.labels_of(predictions[record.id])
        ]
        found = self._attributions(pairs)
        text, table = [], []
        by_pair = zip(*found, strict=True) if found else ((),) * len(pairs)
        for (record, label), attributions in zip(pairs, by_pair, strict=True):
            line = lines.line_of(
                record,
                predictions[record.id],
                attributions,
                label=label,
                known=signals.find(record.sequence),
                given=given.get(record.id),
            )
            self._draw(line, attributions, predictions[record.id])
            text.append(lines.encoded(line))
            table += [folder.substitution_rows(one) for one in attributions if one.substitutions is not None]
        text += [json.dumps({"id": record.id, "skipped": why}) + "\n" for record, why in failed]
        self.parts.keep(path, "".join(text), "".join(table))

    def _attributions(self, pairs: Sequence[tuple[SequenceRecord, str]]) -> list[list[Attribution]]:
        """One list a method, each in the order of the pairs."""
        if not pairs:
            return [[] for _ in self.made]
        records, labels = [record for record, _ in pairs], [label for _, label in pairs]
        return [list(one.explain(self.opened, records, labels)) for one in self.made.values()]

    def _draw(self, line: Line, attributions: Sequence[Attribution], prediction: Prediction) -> None:
        if prediction.id not in self._names or not attributions:
            return
        from sortilin.report.explain import pictures

        name = self._names[prediction.id]
        if len(self.classes or lines.labels_of(prediction)) > 1:
            name += "." + re.sub(r"[^A-Za-z0-9_-]+", "_", str(line["class"]))
        for picture in pictures(shown.of(line, attributions, self.made), name):
            for kind, content in (("svg", picture.svg), ("png", picture.png)):
                files.replace(self.parts.out / PICTURES / f"{picture.name}.{kind}", content)
        line["picture"] = f"{PICTURES}/{name}.svg"


def _batches(records: Iterable[SequenceRecord], max_residues: int) -> Iterator[list[SequenceRecord]]:
    """Cut by count and by residues; a single longer sequence is a batch of its own."""
    batch: list[SequenceRecord] = []
    n_residues = 0
    for record in records:
        if batch and (len(batch) == MAX_BATCH or n_residues + len(record.sequence) > max_residues):
            yield batch
            batch, n_residues = [], 0
        batch.append(record)
        n_residues += len(record.sequence)
    if batch:
        yield batch


def _warnings(asked: Asked, options: Settings, worker: _Worker) -> Iterator[str]:
    yield from asked.report.warnings
    if asked.features is not None and (unused := asked.features.unused()):
        some = ", ".join(unused[:3]) + (", ..." if len(unused) > 3 else "")
        yield (
            f"{asked.features.path}: none of the sequences has {counted(len(unused), 'id')} of it ({some})"
        )
    if options.label == settings.ALL and len(worker.opened.classes) == 2:
        yield "of two classes, what speaks for one speaks against the other: one of them says all"
