"""`sortilin predict`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.predictor import Predictor
    from sortilin.results import Prediction, RunSummary
    from sortilin.sequences import ReadReport

STANDARD_OUTPUT = "-"
_MAX_SKIPPED_SHOWN = 10


@click.command(
    epilog="""\b
Examples:
  sortilin predict proteins.fasta                             a table on a terminal, TSV into a pipe
  sortilin predict peptides.fa.gz --model anticancer -o out.tsv
  sortilin predict table.csv -o page.html                     a column named "sequence"
  cat x.fasta | sortilin predict - --model runs/mine -o - --format jsonl
"""
)
@click.argument("source")
@click.option(
    "--model", "-m", default="localization", show_default=True, help="A bundled model or a model folder."
)
@click.option("--output", "-o", help="File to write; the ending chooses the format. '-' is standard output.")
@click.option("--format", "format_name", help="tsv, jsonl, html or parquet, whatever the ending.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a record that cannot be predicted, or leave it out and list it.",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of the model.  [default: one a core]")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
def predict(
    source: str,
    *,
    model: str,
    output: str | None,
    format_name: str | None,
    on_error: str,
    threads: int | None,
    quiet: bool,
) -> None:
    """Predict the class of each sequence in SOURCE.

    SOURCE is FASTA, or a CSV or TSV table with a column "sequence", plain or compressed (.gz, .bz2,
    .xz, .zst); '-' is standard input. Rows come in the order of the records. Beside an output file
    stand OUT.meta.json (model, version, checksums, counts) and, if records were left out,
    OUT.skipped.tsv.
    """
    from sortilin import predictor

    if output is not None and output != STANDARD_OUTPUT:
        from sortilin.report._output import format_for

        format_name = format_for(output, format_name)
    loaded = predictor.load(model, threads=threads)
    run = _Run(loaded, source, on_error, quiet=quiet)
    if output is not None and output != STANDARD_OUTPUT:
        run.to_file(Path(output), str(format_name))
    else:
        run.to_standard_output(format_name, as_table=output is None and sys.stdout.isatty())


class _Run:
    """One run over one source: reading, predicting, counting, and where the rows go."""

    def __init__(self, model: Predictor, source: str, on_error: str, *, quiet: bool) -> None:
        from sortilin.sequences import ReadReport

        self.model, self.source, self.on_error, self.quiet = model, source, on_error, quiet
        self.report: ReadReport = ReadReport()
        self.counts: Counter[str] = Counter()
        self.title = f"{model.task}: {source}"

    def to_file(self, path: Path, format_name: str) -> None:
        from sortilin import registry
        from sortilin.report._output import SkippedLog, open_output, write_meta

        with SkippedLog(path) as log:
            self.report.on_skip = lambda skipped: log.add(skipped.record, skipped.id, skipped.reason)
            with open_output(path) as stream:
                writer = registry.get("format", format_name)(
                    stream, classes=self.model.classes, title=self.title
                )
                summary = self._drain(writer.write)
                writer.finish(summary)
            write_meta(path, summary, stream.sha256)
        self._tell(f"{path}: ")

    def to_standard_output(self, format_name: str | None, *, as_table: bool) -> None:
        if as_table and format_name is None:
            from rich.console import Console

            from sortilin.report._terminal import TerminalTable

            table = TerminalTable(self.model.classes, self.title, Console())
            table.finish(self._drain(table.write))
            self._warn()
            return
        from sortilin import registry

        stream = sys.stdout.buffer
        writer = registry.get("format", format_name or "tsv")(
            stream, classes=self.model.classes, title=self.title
        )
        writer.finish(self._drain(writer.write))
        stream.flush()
        self._tell("")

    def _drain(self, write: Callable[[list[Prediction]], None]) -> RunSummary:
        from sortilin.sequences import read_sequences

        records = read_sequences(self.source, on_error=self.on_error, report=self.report)  # type: ignore[arg-type]
        with _console.counter("predicting", quiet=self.quiet) as advance:
            for batch in self.model.predict_batches(records):
                write(batch)
                self.counts.update(prediction.label for prediction in batch)
                advance(len(batch))
        return self._summary()

    def _summary(self) -> RunSummary:
        from sortilin.summary import summarize

        return summarize(self.model, self.source, self.report, self.counts, on_error=self.on_error)

    def _tell(self, where: str) -> None:
        if self.quiet:
            return
        counts = ", ".join(f"{name} {self.counts[name]:,}" for name in self.model.classes)
        _console.note(f"{where}{sum(self.counts.values()):,} predicted ({counts})")
        self._warn()

    def _warn(self) -> None:
        if self.quiet:
            return
        for warning in self.report.warnings:
            _console.warn(warning)
        for skipped in self.report.skipped[:_MAX_SKIPPED_SHOWN]:
            _console.note(f"  record {skipped.record} ({skipped.id}): {skipped.reason}")
        n_more = self.report.n_skipped - _MAX_SKIPPED_SHOWN
        if n_more > 0:
            _console.note(f"  and {n_more:,} more")
