"""`sortilin explain`."""

from __future__ import annotations

import hashlib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console
from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sortilin.explain.opened import Opened
    from sortilin.explain.run import Asked, Done
    from sortilin.explain.settings import Settings


def _listed(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
    """Print the methods and stop."""
    if not is_asked or context.resilient_parsing:
        return
    from sortilin import registry

    names = registry.names("explainer")
    width = max(map(len, names))
    for name in names:
        click.echo(f"{name:{width}}  {registry.get('explainer', name).title}")
    context.exit()


@click.command(
    epilog="""\b
Examples:
  sortilin explain localization proteins.fasta -o why
  sortilin explain localization proteins.fasta -o why --features uniprot.gff --class secreted
  sortilin explain runs/bilstm proteins.fasta -o why --method integrated_gradients,occlusion
  sortilin explain anticancer peptides.fasta -o why --method mutagenesis --class anticancer
"""
)
@click.argument("model")
@click.argument("source")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--method",
    "methods",
    multiple=True,
    help="Methods, with commas between or repeated.  [default: occlusion, integrated_gradients and "
    "attention, where the model has them]",
)
@click.option(
    "--class",
    "label",
    default="predicted",
    show_default=True,
    help="The class to explain: predicted, all, or one by name.",
)
@click.option("--baseline", help="What integrated gradients compare with: mean, unknown or zero.")
@click.option(
    "--features",
    type=click.Path(path_type=Path),
    help="Features to draw beside: GFF3, or UniProt's GFF, JSON, text or table.",
)
@click.option(
    "--pictures",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Draw so many sequences, the first ones; 0 for none.",
)
@click.option(
    "--check/--no-check",
    default=True,
    show_default=True,
    help="Measure on at most 100 sequences whether the explanations are true.",
)
@click.option(
    "--dimensions/--no-dimensions",
    default=None,
    help="Explain the dimensions of the features over all sequences.  [default: for embeddings]",
)
@click.option(
    "--top", type=click.IntRange(min=1), default=10, show_default=True, help="Dimensions in the short table."
)
@click.option(
    "--shuffles", type=click.IntRange(min=1), default=10, show_default=True, help="Of each dimension."
)
@click.option(
    "--dimension-baseline",
    type=click.Choice(["mean", "zero"]),
    default="mean",
    show_default=True,
    help="What dimensions are compared with.",
)
@click.option(
    "--attention-maps/--no-attention-maps",
    default=None,
    help="Draw the mean attention of the classes from both ends.  [default: where the model has attention]",
)
@click.option("--labels", default="none", show_default=True, help="Where true classes stand in SOURCE.")
@vectors_options
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a record that cannot be explained, or leave it out and list it.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    show_default="one a core, at most 8",
    help="Batches that are predicted at a time; the results are the same.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=42, show_default=True, help="Of all random orders."
)
@click.option("--overwrite", is_flag=True, help="Replace another run in the folder.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_listed, help="List the methods."
)
def explain(
    model: str,
    source: str,
    *,
    output: Path,
    vectors: tuple[str, ...],
    table: str | None,
    threads: int | None,
    overwrite: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Explain what MODEL predicts for each sequence in SOURCE, residue by residue.

    The folder holds a table with a row a residue, all figures as JSON, a picture of each of the first
    sequences, and a page that says how to read it and whether it is true. The same command again goes on
    where an interrupted run was. SOURCE is FASTA or a table, as for `sortilin predict`. Pictures need
    `pip install 'sortilin[figures]'`, gradients `pip install 'sortilin[train]'`.
    """
    from sortilin.explain import run
    from sortilin.explain.opened import open_model

    settings = _settings(options)
    opened = open_model(model, vectors=vectors, table=table, threads=threads)
    asked = _asked(opened, source, options)
    with _console.progress(quiet=quiet) as tell:
        done = run.run(opened, asked, output, settings, overwrite=overwrite, on_progress=tell)
    if not quiet:
        _told(done, output)


def _settings(options: Mapping[str, Any]) -> Settings:
    from sortilin.explain.settings import Settings

    methods = tuple(name.strip() for given in options["methods"] for name in given.split(",") if name.strip())
    names = ("label", "baseline", "pictures", "check", "seed")
    return Settings(methods=methods, **{name: options[name] for name in names})


def _asked(opened: Opened, source: str, options: Mapping[str, Any]) -> Asked:
    from sortilin.explain import annotations as feature_files
    from sortilin.explain.run import Asked
    from sortilin.sequences import ReadReport, read_sequences

    report, given = ReadReport(), options["features"]
    return Asked(
        records=read_sequences(source, on_error=options["on_error"], labels=options["labels"], report=report),
        source=source,
        digest=_digest(source),
        report=report,
        on_error=options["on_error"],
        labels=options["labels"],
        features=None if given is None else feature_files.read(given),
        features_digest=None if given is None else _digest(str(given)),
        command=shlex.join(["sortilin", *sys.argv[1:]]),
        sections=_sections(opened, options),
    )


def _digest(path: str) -> str | None:
    """SHA-256 of a file; None for what is no file."""
    if not Path(path).is_file():
        return None
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sections(opened: Opened, options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name → options of what is explained over all sequences."""
    from sortilin.errors import ConfigError
    from sortilin.explain.parts import ATTENTION, DIMENSIONS
    from sortilin.explain.sections import is_default, why_not

    found: dict[str, dict[str, Any]] = {}
    given = {
        DIMENSIONS: (
            "--dimensions",
            options["dimensions"],
            {
                "seed": options["seed"],
                "top": options["top"],
                "shuffles": options["shuffles"],
                "baseline": options["dimension_baseline"],
            },
        ),
        ATTENTION: ("--attention-maps", options["attention_maps"], {}),
    }
    for name, (option, is_wanted, its_options) in given.items():
        if is_wanted is False or (is_wanted is None and not is_default(name, opened)):
            continue
        reason = why_not(name, opened)
        if reason is None:
            found[name] = its_options
        elif is_wanted:
            raise ConfigError(f"{option}: {reason}")
    return found


def _told(done: Done, output: Path) -> None:
    for warning in done.warnings:
        _console.warn(warning)
    found = done.summary
    if done.was_complete:
        _console.note(f"{output} holds this run already: {found['n_sequences']:,} sequences explained")
        return
    counts = ", ".join(f"{name} {n:,}" for name, n in found["predicted"].items())
    kept = f", {done.n_kept:,} of them by an earlier run" if done.n_kept else ""
    skipped = f"; left out: {found['n_skipped']:,}" if found["n_skipped"] else ""
    _console.note(f"{found['n_sequences']:,} explained{kept} ({counts}){skipped}")
    for name, one in found["completeness"].items():
        low, high = one["interval"]
        _console.note(
            f"{name}: completeness error below {one['tolerance']:.0%} for {one['n_within']:,} of "
            f"{one['n']:,} "
            f"({one['share']:.1%}, 95 % interval {low:.1%} to {high:.1%})"
        )
    _console.note(f"report: {output / 'report.html'}")
