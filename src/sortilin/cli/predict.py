"""`sortilin predict`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from sortilin.cli import _console
from sortilin.cli._adding import adding_options
from sortilin.cli._scaled import Scaled, check_folder, run_in_parts, scale_options
from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from sortilin.adding import Adding
    from sortilin.predictor import Predictor
    from sortilin.results import Prediction, RunSummary

STANDARD_OUTPUT = "-"
_MAX_SKIPPED_SHOWN = 10


@click.command(
    epilog="""\b
Examples:
  sortilin predict proteins.fasta                             a table on a terminal, TSV into a pipe
  sortilin predict peptides.fa.gz --model anticancer -o out.tsv
  sortilin predict table.csv -o page.html                     a column named "sequence"
  sortilin predict new.fasta --model runs/mine --vectors new.h5
  sortilin predict proteins.fasta --coverage 0.9 --per-class
  sortilin predict 'shards/*.fasta.zst' --engine ray -o out        then: sortilin merge out -o out.tsv
  cat x.fasta | sortilin predict - --model runs/mine -o - --format jsonl
"""
)
@click.argument("source")
@click.option(
    "--model", "-m", default="localization", show_default=True, help="A bundled model or a model folder."
)
@click.option("--output", "-o", help="File to write; the ending chooses the format. '-' is standard output.")
@click.option("--format", "format_name", help="tsv, jsonl, html or parquet, whatever the ending.")
@vectors_options
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a record that cannot be predicted, or leave it out and list it.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    show_default="one a core, at most 8",
    help="Batches that are worked on at a time; the results are the same.",
)
@adding_options
@scale_options
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
def predict(source: str, *, output: str | None, format_name: str | None, quiet: bool, **options: Any) -> None:
    """Predict the class of each sequence in SOURCE.

    SOURCE is FASTA, or a CSV or TSV table with a column "sequence", plain or compressed (.gz, .bz2,
    .xz, .zst); '-' is standard input. Rows come in the order of the records. Beside an output file
    stand OUT.meta.json (model, version, checksums, counts) and, if records were left out,
    OUT.skipped.tsv. With --on-error skip, that also goes for a sequence that the model cannot read,
    such as one that is too long for its language model.

    With --engine ray or --shard, SOURCE may also be a folder, a quoted pattern of names, Parquet, or an
    address as s3://bucket/shards; the output is a folder of parts, and the same command goes on where it
    was stopped (see docs/scale.md).

    With --coverage 0.9 each row has a set of classes that holds the true one of nine in ten sequences
    like those of training (see docs/trust.md). Sequences unlike them carry the flag far_from_training.
    """
    scaled = Scaled.take(options)
    if scaled.is_in_parts:
        _in_parts(source, output, format_name, scaled, options, quiet=quiet)
        return
    from sortilin import predictor
    from sortilin.adding import Adding

    if output is not None and output != STANDARD_OUTPUT:
        from sortilin.report import format_for

        format_name = format_for(output, format_name)
    loaded = predictor.load(**{name: options[name] for name in ("model", "threads", "vectors", "table")})
    adding = Adding(loaded, options["coverage"], options["nearest"], _set_options(options))
    run = _Run(loaded, source, options["on_error"], adding, quiet=quiet)
    if output is not None and output != STANDARD_OUTPUT:
        run.to_file(Path(output), str(format_name))
    else:
        run.to_standard_output(format_name, as_table=output is None and sys.stdout.isatty())


def _set_options(options: dict[str, Any]) -> dict[str, Any]:
    return {"kind": options["score"]} | {name: options[name] for name in ("per_class", "never_empty")}


def _in_parts(
    source: str,
    output: str | None,
    format_name: str | None,
    scaled: Scaled,
    options: dict[str, Any],
    *,
    quiet: bool,
) -> None:
    from sortilin import registry
    from sortilin.scale.predicting import PredictJob

    if format_name is not None:
        raise click.UsageError("--format is for one file; parts are Parquet, and `sortilin merge` writes any")
    endings = [ending for name in registry.names("format") for ending in registry.get("format", name).endings]
    folder = check_folder(output, endings)
    # A job of an array has the threads that it is given; a worker on Ray one, since there are several.
    threads = options["threads"] if scaled.share or options["threads"] else 1
    job = PredictJob(
        options["model"],
        options["on_error"],
        threads,
        options["coverage"],
        _set_options(options),
        options["nearest"],
        tuple(options["vectors"]),
        options["table"],
    )
    run_in_parts(job, source, folder, scaled, cores=threads, quiet=quiet)


class _Run:
    """One run over one source: reading, predicting, counting, and where the rows go."""

    def __init__(self, model: Predictor, source: str, on_error: str, adding: Adding, *, quiet: bool) -> None:
        from sortilin.prediction_run import PredictionRun

        self.model, self.source, self.on_error, self.quiet = model, source, on_error, quiet
        self.run, self.adding = PredictionRun(model, source, on_error, adding), adding
        self.title = f"{model.task}: {source}"
        self._has_log = True

    def to_file(self, path: Path, format_name: str) -> None:
        from sortilin.report import SkippedLog, check_outputs, open_output, write_meta

        check_outputs(path, source=self.source)
        with SkippedLog(path) as log:
            self.run.left_out.tell = lambda skipped: log.add(skipped.record, skipped.id, skipped.reason)
            with open_output(path) as stream:
                summary = self._write(stream, format_name)
            write_meta(path, summary, stream.sha256)
        self._tell(f"{path}: ")

    def to_standard_output(self, format_name: str | None, *, as_table: bool) -> None:
        self._has_log = False
        if as_table and format_name is None:
            from rich.console import Console

            from sortilin.report._terminal import TerminalTable

            table = TerminalTable(self.model.classes, self.title, Console(), self.adding.columns)
            for batch in self._batches(shows_count=False):
                table.write(batch)
            table.finish(self.run.summary())
            self._warn()
            return
        self._write(sys.stdout.buffer, format_name or "tsv")
        sys.stdout.buffer.flush()
        self._tell("")

    def _write(self, stream: BinaryIO, format_name: str) -> RunSummary:
        from itertools import chain

        from sortilin import registry

        # The first batch before the writer, so that a faulty source leaves no header in a pipe.
        batches = self._batches(shows_count=True)
        first = next(batches)
        more = {"extra": self.adding.columns} if self.adding.columns else {}
        writer = registry.get("format", format_name)(
            stream, classes=self.model.classes, title=self.title, **more
        )
        for batch in chain([first], batches):
            writer.write(batch)
        summary = self.run.summary()
        writer.finish(summary)
        return summary

    def _batches(self, *, shows_count: bool) -> Iterator[list[Prediction]]:
        from sortilin.sequences import read_sequences

        read = read_sequences(self.source, on_error=self.on_error, report=self.run.report)  # type: ignore[arg-type]
        with _console.counter("predicting", quiet=self.quiet or not shows_count) as advance:
            for batch in self.run.batches(read):
                advance(len(batch))
                yield batch

    def _tell(self, where: str) -> None:
        if self.quiet:
            self._warn()
            return
        from sortilin.results import count_classes

        of_class = count_classes(self.run.counts, self.model.classes)
        counts = ", ".join(f"{name} {n:,}" for name, n in of_class.items())
        _console.note(f"{where}{sum(self.run.counts.values()):,} predicted ({counts})")
        self._warn()

    def _warn(self) -> None:
        """What was changed and left out. Left-out records are named even if quiet: no rows tell of them."""
        from sortilin.adding import words_of_far
        from sortilin.report import escape
        from sortilin.summary import words_of_shortening

        if not self.quiet:
            if self.run.n_far:
                _console.warn(words_of_far(self.run.n_far, sum(self.run.counts.values())))
            if n := self.adding.n_left_out:
                _console.warn(f"left out of the references of --nearest, since they cannot be read: {n:,}")
            if self.run.n_shortened:
                kept = self.model.kept_when_shortened
                _console.warn(words_of_shortening(self.run.n_shortened, kept))
            for warning in self.run.report.warnings:
                _console.warn(warning)
        elif self.run.report.n_skipped and not self._has_log:
            _console.warn(f"left out: {self.run.report.n_skipped} of {self.run.report.n_records} records")
        n_shown = _MAX_SKIPPED_SHOWN if self._has_log else len(self.run.report.skipped)
        if self.quiet and self._has_log:
            return
        for skipped in self.run.report.skipped[:n_shown]:
            _console.note(f"  record {skipped.record} ({escape(skipped.id)}): {skipped.reason}")
        if (n_more := self.run.report.n_skipped - n_shown) > 0:
            _console.note(f"  and {n_more:,} more")
