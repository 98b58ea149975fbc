"""`sortilin describe`: what is in a file, before anything is predicted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.sequences import ReadReport, SequenceRecord

_FEATURE_BATCH = 1_024
_MAX_SKIPPED_SHOWN = 10


@click.command(
    epilog="""\b
Examples:
  sortilin describe proteins.fasta
  sortilin describe proteins.fasta --json
  sortilin describe proteins.fasta --features paper71 -o features.tsv
"""
)
@click.argument("source")
@click.option("--features", "descriptor_name", help="Compute this descriptor set for every sequence.")
@click.option("--output", "-o", help="TSV file for --features.  [default: standard output]")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="skip",
    show_default=True,
    help="Stop at a faulty record, or count and list it.",
)
def describe(
    source: str, *, descriptor_name: str | None, output: str | None, as_json: bool, on_error: str
) -> None:
    """Say what is in SOURCE: counts, lengths, composition, what would be changed or left out.

    With --features, a table of numbers a sequence instead: one column a feature, by name.
    """
    from sortilin.sequences import ReadReport, read_sequences

    if descriptor_name is None and output is not None:
        raise click.UsageError("--output is for the table of --features; the summary goes to standard output")
    if descriptor_name is not None and as_json:
        raise click.UsageError("--json is for the summary; --features writes TSV")
    report = ReadReport()
    records = read_sequences(source, on_error=on_error, report=report)  # type: ignore[arg-type]
    if descriptor_name is not None:
        _write_features(records, descriptor_name, output)
        for warning in report.warnings:
            _console.warn(warning)
        return
    content = _Content()
    for record in records:
        content.add(record)
    summary = content.summary(source, report)
    click.echo(json.dumps(summary, indent=2) if as_json else _text(summary))


@dataclass
class _Content:
    """Counts over a stream; memory grows with the number of different lengths only."""

    lengths: Counter[int] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)

    def add(self, record: SequenceRecord) -> None:
        self.lengths[len(record.sequence)] += 1
        self.letters.update(record.sequence)

    def summary(self, source: str, report: ReadReport) -> dict[str, Any]:
        n_residues = sum(self.letters.values())
        return {
            "source": source,
            "sequences": report.n_kept,
            "residues": n_residues,
            "length": self._quantiles(),
            "composition_percent": {
                letter: round(100 * n / n_residues, 2) for letter, n in sorted(self.letters.items())
            },
            "letters_changed": dict(report.changes),
            "records_changed": dict(report.records_changed),
            "left_out": [{"record": s.record, "id": s.id, "reason": s.reason} for s in report.skipped],
            "n_left_out": report.n_skipped,
            "warnings": report.warnings,
        }

    def _quantiles(self) -> dict[str, float]:
        n = sum(self.lengths.values())
        at = {name: round(share * (n - 1)) for name, share in _QUANTILES.items()}
        result: dict[str, float] = {}
        passed = 0
        for length in sorted(self.lengths):
            passed += self.lengths[length]
            for name, place in at.items():
                if name not in result and place < passed:
                    result[name] = length
        mean = sum(length * count for length, count in self.lengths.items()) / n
        return {**result, "mean": round(mean, 1)}


_QUANTILES = {"shortest": 0.0, "quarter": 0.25, "median": 0.5, "three_quarters": 0.75, "longest": 1.0}


def _text(summary: dict[str, Any]) -> str:
    length = summary["length"]
    composition = "  ".join(f"{a} {p:.1f}" for a, p in summary["composition_percent"].items())
    lengths = (
        f"length: {length['shortest']} to {length['longest']}, median {length['median']}, "
        f"mean {length['mean']}, middle half {length['quarter']} to {length['three_quarters']}"
    )
    shown = summary["left_out"][:_MAX_SKIPPED_SHOWN]
    lines = [
        f"{summary['source']}: {summary['sequences']:,} sequences, {summary['residues']:,} residues",
        lengths,
        f"composition in percent: {composition}",
        *(f"{warning}" for warning in summary["warnings"]),
        *(f"  record {s['record']} ({s['id']}): {s['reason']}" for s in shown),
    ]
    n_more = summary["n_left_out"] - _MAX_SKIPPED_SHOWN
    return "\n".join([*lines, f"  and {n_more:,} more"] if n_more > 0 else lines)


def _write_features(records: Iterable[SequenceRecord], descriptor_name: str, output: str | None) -> None:
    import sys

    from sortilin import registry
    from sortilin.report import open_output

    descriptor = registry.get("features", descriptor_name)()
    if output is None or output == "-":
        _write_rows(sys.stdout.buffer, records, descriptor)
        sys.stdout.buffer.flush()
        return
    with open_output(Path(output)) as stream:
        _write_rows(stream, records, descriptor)


def _write_rows(stream: Any, records: Iterable[SequenceRecord], descriptor: Any) -> None:
    from sortilin.report._columns import escape

    stream.write(("\t".join(("id", *descriptor.feature_names)) + "\n").encode())
    for batch in _batched(records):
        table = descriptor.transform([record.sequence for record in batch])
        for record, row in zip(batch, table.tolist(), strict=True):
            cells = (escape(record.id), *(f"{value:.6g}" for value in row))
            stream.write(("\t".join(cells) + "\n").encode())


def _batched(records: Iterable[SequenceRecord]) -> Iterator[list[SequenceRecord]]:
    from itertools import islice

    stream = iter(records)
    while batch := list(islice(stream, _FEATURE_BATCH)):
        yield batch
