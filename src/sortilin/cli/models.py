"""`sortilin models`: what can be predicted with."""

from __future__ import annotations

import json
import sys

import click


@click.group(
    epilog="""\b
Examples:
  sortilin models list
  sortilin models show localization
  sortilin models show runs/mine --json
"""
)
def models() -> None:
    """List the bundled models, or show one."""


@models.command("list")
def list_models() -> None:
    """Name, classes and quality of each bundled model; TSV into a pipe.

    The value is the mean over the folds of a cross-validation of n sequences, the spread its standard
    deviation.
    """
    from sortilin import artifact, bundled

    header = ("name", "task", "classes", "made_of", "metric", "value", "spread", "n", "size_mb")
    rows = []
    for name in bundled.names():
        folder = artifact.read(bundled.PRETRAINED / name)
        rows.append((name, *_row(folder.description), f"{_megabytes(folder.path):.1f}"))
    _print_table(header, rows)


def _row(description: object) -> tuple[str, ...]:
    from sortilin import registry
    from sortilin.results import Quality

    assert isinstance(description, dict)
    metric = registry.get("task", description["task"]).metric
    made_of = f"{description['classifier']['name']} on {description['features']['name']}"
    found = Quality.of(description, metric)
    spread = "" if found.spread is None else f"{found.spread:.3f}"
    figures = (metric, f"{found.value:.3f}", spread, str(found.n))
    return description["task"], ", ".join(description["classes"]), made_of, *figures


def _megabytes(path: object) -> float:
    from pathlib import Path

    return sum(file.stat().st_size for file in Path(str(path)).iterdir()) / 1e6


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


@models.command("show")
@click.argument("model")
@click.option("--json", "as_json", is_flag=True, help="Print model.json instead of the card.")
def show(model: str, *, as_json: bool) -> None:
    """Print the card of MODEL, a bundled model or a model folder."""
    from sortilin import artifact, bundled

    folder = artifact.read(bundled.locate(model))
    if as_json:
        click.echo(json.dumps({**folder.description, "checksum": folder.checksum}, indent=2))
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(folder.card))
    else:
        click.echo(folder.card)
