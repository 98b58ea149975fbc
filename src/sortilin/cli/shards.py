"""`sortilin shards`."""

from __future__ import annotations

from pathlib import Path

import click

from sortilin.cli import _console
from sortilin.cli._scaled import CountType


@click.command(
    epilog="""\b
Examples:
  sortilin shards uniref50.fasta.gz -o shards
  sortilin shards proteins.fasta -o shards --residues 2M --compression gz
  sortilin predict shards --engine ray -o out
"""
)
@click.argument("source")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--residues",
    type=CountType(),
    default="10M",
    show_default=True,
    help="Letters a shard; a longer record is a shard of its own.",
)
@click.option(
    "--compression",
    type=click.Choice(["none", "gz", "zst"]),
    default="zst",
    show_default=True,
    help="Of shards.",
)
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; errors only.")
def shards(source: str, *, output: Path, residues: int, compression: str, quiet: bool) -> None:
    """Cut SOURCE into shards, which several workers can read side by side.

    SOURCE is FASTA or a table, plain or compressed, or '-'. Plain FASTA need not be cut: parts of it are
    read from their middle. Records are written as they are, ids and descriptions with them. The folder
    gets a list of its shards, so that a missing or shortened one is found before a run begins.
    """
    from sortilin.scale.cutting import cut

    with _console.counter("shards", quiet=quiet) as advance:
        n_shards = cut(
            source,
            output,
            n_residues=residues,
            compression=compression,
            on_shard=lambda _shards, _records: advance(1),
        )
    if not quiet:
        _console.note(f"{output}: {n_shards:,} shards")
