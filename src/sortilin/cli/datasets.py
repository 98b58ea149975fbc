"""`sortilin datasets`: the public data that models are trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.datasets import Status


@click.group(
    epilog="""\b
Examples:
  sortilin datasets list
  sortilin datasets fetch psl
  SORTILIN_DATA_DIR=/data sortilin datasets path acp
"""
)
def datasets() -> None:
    """List, fetch or find the public datasets.

    Files are downloaded to the user's cache and checked by SHA-256. With SORTILIN_DATA_DIR set they
    are read from that folder instead, and checked as well.
    """


@datasets.command("list")
@click.option("--long", "-l", is_flag=True, help="Source, licence and citation as well.")
def list_datasets(*, long: bool) -> None:
    """Name, size and state of each dataset."""
    from sortilin import datasets as registry

    for name in registry.names():
        dataset, state = registry.get(name), registry.status(name)
        counts = ", ".join(f"{label} {n:,}" for label, n in dataset.counts.items())
        ready = _state(state)
        click.echo(f"{name}\t{dataset.n:,} sequences\t{ready}\t{dataset.title}")
        if long:
            for field, value in (
                ("classes", counts or "none"),
                ("splits", ", ".join(dataset.splits) or "none"),
                ("about", dataset.description),
                ("source", dataset.source),
                ("licence", dataset.license),
                ("cite", dataset.citation),
                ("folder", str(state.folder)),
            ):
                click.echo(f"    {field + ':':9} {value}")


def _state(state: Status) -> str:
    """One word for a dataset's files: ready, damaged, missing from the user's folder, or not fetched."""
    if state.is_ready:
        return "ready"
    if "damaged" in state.files.values():
        return "damaged"
    return "missing from SORTILIN_DATA_DIR" if state.is_own_folder else "not fetched"


@datasets.command("fetch")
@click.argument("names", nargs=-1, required=True)
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def fetch(names: tuple[str, ...], *, quiet: bool) -> None:
    """Download the datasets NAMES, or 'all', and print where they are."""
    from sortilin import datasets as registry

    wanted = registry.names() if names == ("all",) else names
    for name in wanted:
        registry.get(name)
    for name in wanted:
        with _console.progress(quiet=quiet) as on_progress:
            folder = registry.fetch(name, on_progress)
        click.echo(f"{name}\t{folder}")


@datasets.command("path")
@click.argument("name")
def path(name: str) -> None:
    """Print the folder of the dataset NAME; its files are there and whole, or it is an error."""
    from sortilin import datasets as registry

    click.echo(registry.path(name))
