"""`sortilin backbones`: the protein language models that vectors come from."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from pathlib import Path

    from sortilin.language_models import Checkpoint

FIELDS = (
    *("name", "hub_id", "revision", "width", "n_layers", "n_parameters", "download_bytes", "licence"),
    *("citation", "most_residues", "trained_residues", "half_precision"),
)


@click.group(
    epilog="""\b
Examples:
  sortilin backbones list
  sortilin backbones fetch esm2_t6
  HF_HOME=/models sortilin backbones path esm2_t6
"""
)
def backbones() -> None:
    """List, fetch or find protein language models.

    Their files stand in the cache of the Hugging Face hub (HF_HOME), where other programs find them too.
    """


@backbones.command(
    "list",
    epilog="""\b
Examples:
  sortilin backbones list
  sortilin backbones list --json
""",
)
@click.option("--json", "as_json", is_flag=True, help="All that is known of each, as JSON.")
def list_backbones(*, as_json: bool) -> None:
    """Name, size and licence of each backbone, and whether it is fetched; TSV into a pipe."""
    from sortilin import language_models as registry

    found = {name: (registry.checkpoint(name), registry.locate(name)) for name in registry.names()}
    if as_json:
        click.echo(json.dumps([_record(*each) for each in found.values()], indent=2))
        return
    header = ("name", "hub_id", "width", "layers", "parameters", "download_mb", "licence", "fetched")
    _print_table(header, [_row(*each) for each in found.values()])


def _record(checkpoint: Checkpoint, folder: Path | None) -> dict[str, object]:
    known: dict[str, object] = {field: getattr(checkpoint, field) for field in FIELDS}
    return {**known, "folder": folder and str(folder)}


def _row(checkpoint: Checkpoint, folder: Path | None) -> tuple[str, ...]:
    return (
        checkpoint.name,
        checkpoint.hub_id,
        str(checkpoint.width),
        str(checkpoint.n_layers),
        str(checkpoint.n_parameters),
        f"{checkpoint.download_bytes / 1e6:.0f}" if checkpoint.download_bytes else "",
        checkpoint.licence,
        "yes" if folder else "no",
    )


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if not sys.stdout.isatty():
        for row in (header, *rows):
            click.echo("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*header, box=None, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


@backbones.command(
    "fetch",
    epilog="""\b
Examples:
  sortilin backbones fetch esm2_t6 prott5
  sortilin backbones fetch facebook/esm2_t6_8M_UR50D@main
""",
)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def fetch(names: tuple[str, ...], *, quiet: bool) -> None:
    """Download the backbones NAME, check their files, and print where they are.

    NAME is one of the list, or the hub id of any encoder, with @REVISION if it is to be a certain one.
    """
    from sortilin import language_models as registry

    for name in names:
        registry.locate(name)
    for name in names:
        with _console.progress(quiet=quiet) as on_progress:
            folder = registry.fetch(name, on_progress=on_progress)
        click.echo(f"{name}\t{folder}")


@backbones.command(
    "path",
    epilog="""\b
Examples:
  sortilin backbones path esm2_t6
""",
)
@click.argument("name")
def path(name: str) -> None:
    """Print the folder of the backbone NAME; its files are there, or it is an error."""
    from sortilin import language_models as registry

    click.echo(registry.path(name))
