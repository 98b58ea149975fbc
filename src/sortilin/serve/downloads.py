"""Results as files: TSV, JSON Lines, Parquet, FASTA by class, and a paragraph for the methods section.

Tables for spreadsheets are written so that no id is taken for a formula.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import BinaryIO

import sortilin
from sortilin import registry
from sortilin.errors import ConfigError
from sortilin.report._columns import escape
from sortilin.results import Prediction, RunSummary
from sortilin.serve.models import Models
from sortilin.serve.store import Job, JobStore
from sortilin.serve.table import Table

TYPES = {
    "tsv": "text/tab-separated-values; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "fasta": "text/x-fasta; charset=utf-8",
    "methods": "text/plain; charset=utf-8",
}
ENDINGS = {"methods": "txt"}

_BATCH = 1_000
_FORMULAS = ("=", "+", "-", "@")
"""First characters that make a spreadsheet take a cell for a formula."""


def file_name(job: Job, kind: str, prediction: str = "") -> str:
    """A name for the file; of a visitor's words only what is harmless in one."""
    words = "".join(c if c.isascii() and c.isalnum() else "-" for c in job.title).strip("-")[:40]
    parts = [words or "sortilin", job.model, *([_plain(prediction)] if prediction else [])]
    parts += ["methods"] if kind == "methods" else []
    return f"{'-'.join(map(_plain, parts))}.{ENDINGS.get(kind, kind)}"


def _plain(text: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in text)


def write(kind: str, job: Job, table: Table, models: Models) -> BinaryIO:
    """A table of all rows, in a file that is gone when it is closed; memory does not grow with them.

    Args:
        kind: tsv, jsonl or parquet.
        job: The job.
        table: Its rows.
        models: For the summary.

    Raises:
        ConfigError: There is no such kind.
        MissingDependencyError: Parquet without pyarrow.
    """
    if kind not in ("tsv", "jsonl", "parquet"):
        raise ConfigError(f"there is no download '{kind[:20]}'; choose from: {', '.join(TYPES)}")
    stream: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    extra = table.overview().get("extra", [])
    more = {"extra": extra} if extra else {}
    writer = registry.get("format", kind)(stream, classes=job.classes, title=job.title or job.model, **more)
    for batch in _batches(table.all()):
        writer.write([_harmless(p) for p in batch] if kind == "tsv" else batch)
    writer.finish(_summary(job, models))
    stream.seek(0)
    return stream


def fasta(job: Job, table: Table, store: JobStore, prediction: str = "") -> Iterator[bytes]:
    """The sequences with what was predicted in their headers; all, or those of one class.

    Raises:
        ConfigError: The model has no such class.
    """
    if prediction and prediction not in job.classes:
        raise ConfigError(f"there is no class '{prediction[:40]}'; choose from: {', '.join(job.classes)}")
    return _fasta(table, store, job, prediction)


def _fasta(table: Table, store: JobStore, job: Job, prediction: str) -> Iterator[bytes]:
    part = io.StringIO()
    for record, p in zip(store.records(job.name), table.all(), strict=True):
        if prediction and prediction not in p.labels:
            continue
        part.write(f">{escape(p.id)} {p.label} {p.probability:.3f} {p.confidence}\n")
        for start in range(0, len(record.sequence), 60):
            part.write(record.sequence[start : start + 60] + "\n")
        if part.tell() > 2**16:
            yield part.getvalue().encode()
            part = io.StringIO()
    yield part.getvalue().encode()


def methods(job: Job, models: Models) -> str:
    """A paragraph for a methods section, with version, model, checksum and citation."""
    about = models.describe(job.model)
    day = datetime.fromtimestamp(job.created, UTC).date().isoformat()
    changes = "; ".join(job.warnings)
    return (
        f"{job.n:,} protein sequences ({job.n_residues:,} residues) were classified on {day} with sortilin "
        f"{sortilin.__version__}, model '{job.model}' "
        f"(SHA-256 {job.checksum}), trained on {about['trained_on']}, into {len(job.classes)} classes: "
        f"{', '.join(job.classes)}. Probabilities are calibrated on held-out data; the class reported is the "
        f"most probable one; confidence is High from 0.75, Medium from 0.50, Low below."
        f"{f' Of the input: {changes}.' if changes else ''}\n\nTask and data: {about['citation']}\n"
    )


def _harmless(p: Prediction) -> Prediction:
    """An id that a spreadsheet would compute gets an apostrophe in front, which spreadsheets do not show."""
    return replace(p, id=f"'{p.id}") if p.id.startswith(_FORMULAS) else p


def _batches(rows: Iterator[Prediction]) -> Iterator[list[Prediction]]:
    batch: list[Prediction] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def _summary(job: Job, models: Models) -> RunSummary:
    model = models.get(job.model)
    return RunSummary(
        version=sortilin.__version__,
        model=job.model,
        model_checksum=job.checksum,
        task=model.task,
        date=datetime.fromtimestamp(job.created, UTC).isoformat(timespec="seconds"),
        source=job.source or "pasted text",
        n_predicted=job.n,
        n_skipped=len(job.skipped),
        changes=job.changes,
    )
