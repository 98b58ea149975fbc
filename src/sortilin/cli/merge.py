"""`sortilin merge`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress
    from sortilin.scale.finished import FinishedRun


@click.command(
    epilog="""\b
Examples:
  sortilin predict proteins.fasta --shard 1/2 -o out && sortilin predict proteins.fasta --shard 2/2 -o out
  sortilin merge out -o predictions.tsv
  sortilin merge s3://bucket/out -o predictions.parquet
  sortilin merge job1 job2 job3 -o vectors.h5           folders of one run, each with some of its parts
"""
)
@click.argument("folders", nargs=-1, required=True)
@click.option(
    "--output",
    "-o",
    required=True,
    help="File to write; the ending chooses the format, as for predict or embed.",
)
@click.option("--format", "format_name", help="tsv, jsonl, html or parquet, whatever the ending.")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    help="Stop at an id that an earlier record has, or leave the record out and list it.  [default: as "
    "the run]",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
def merge(
    folders: tuple[str, ...], *, output: str, format_name: str | None, on_error: str | None, quiet: bool
) -> None:
    """Make one file of the parts in FOLDERS.

    The file has what a run of one process would have written: rows in the order of the input, ids that
    differ, OUT.meta.json and OUT.skipped.tsv beside it. All parts must be done, and be as they were
    written.
    """
    from sortilin.scale.finished import check_apart, finished

    path = Path(output)
    run = finished(folders, on_error=on_error)
    _check_kind(run, path, format_name)
    check_apart(run, path)
    with _console.progress(quiet=quiet) as on_progress:
        if run.description.kind == "embed":
            _merge_vectors(run, path, on_progress, quiet=quiet)
        else:
            _merge_predictions(run, path, format_name, on_progress, quiet=quiet)


def _check_kind(run: FinishedRun, path: Path, format_name: str | None) -> None:
    """Refuse a file of vectors for predictions, and the other way round."""
    from sortilin.errors import ConfigError
    from sortilin.vectors.exchange import WRITERS

    is_of_vectors = path.suffix.lower() in WRITERS
    where = ", ".join(run.addresses)
    if run.description.kind == "embed":
        if format_name is not None or not is_of_vectors:
            what = f"--format {format_name}" if format_name is not None else path.name
            raise ConfigError(
                f"{where} holds vectors, and {what} is for predictions; allowed: {', '.join(WRITERS)}"
            )
    elif format_name is None and is_of_vectors and path.suffix.lower() != ".parquet":
        raise ConfigError(f"{where} holds predictions, and {path.name} is for vectors; name a .tsv file, say")


def _merge_predictions(
    run: FinishedRun, path: Path, format_name: str | None, on_progress: OnProgress, *, quiet: bool
) -> None:
    from sortilin.adding import words_of_far
    from sortilin.report import format_for
    from sortilin.results import count_classes
    from sortilin.scale import merging

    name = format_for(path, format_name)
    summary = merging.merge_predictions(run, path, name, on_progress=on_progress)
    if not quiet:
        of_class = count_classes(summary.details["counts"], run.description.notes["classes"])
        counts = ", ".join(f"{name} {n:,}" for name, n in of_class.items())
        _console.note(f"{path}: {summary.n_predicted:,} predicted ({counts})")
        if n_far := summary.details["n_far"]:
            _console.warn(words_of_far(n_far, summary.n_predicted))
        for warning in summary.details["warnings"]:
            _console.warn(warning)


def _merge_vectors(run: FinishedRun, path: Path, on_progress: OnProgress, *, quiet: bool) -> None:
    from sortilin.cli.embed import check_ending
    from sortilin.errors import InputError
    from sortilin.scale import merging

    check_ending(path)
    n_rows = merging.merge_vectors(run, path, on_progress=on_progress)
    if n_rows and not quiet:
        _console.note(f"{path}: {n_rows:,} vectors")
    if run.n_failed:
        n_all, is_none = n_rows + run.n_failed, "" if n_rows else f"; {path} is not written"
        text = f"no vector: {run.n_failed:,} of {n_all:,} sequences, listed in {path}.skipped.tsv{is_none}"
        if run.on_error == "fail":
            raise InputError(text)
        _console.warn(text)
