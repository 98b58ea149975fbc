"""The options that say how rows are split, for commands that train, search, compare and split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

KINDS = ("random", "stratified", "homology", "given")
PARAMETERS = ("identity", "coverage", "sensitivity", "tool")
HOMOLOGY = "homology"

Command = TypeVar("Command", bound=Callable[..., Any])

SPLIT = click.option(
    "--split",
    type=click.Choice(KINDS),
    help="How rows are split at every level: by chance, by chance within classes, by whole clusters of "
    "homologues, or as the data mark them.  [default: stratified]",
)


def cluster_options(command: Command) -> Command:
    """What makes two sequences homologues, for --split homology."""
    options = (
        click.option(
            "--identity", type=float, help="Of homologues: equal residues, as a share.  [default: 0.3]"
        ),
        click.option(
            "--coverage", type=float, help="Of homologues: share of both that is aligned.  [default: any]"
        ),
        click.option("--sensitivity", type=float, help="Of MMseqs2, 1 to 7.5.  [default: 7.5]"),
        click.option(
            "--tool",
            type=click.Choice(["auto", "mmseqs", "builtin"]),
            help="What searches homologues: MMseqs2, or phmmer (builtin).  [default: auto, as installed]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def split_options(command: Command) -> Command:
    """--split and what belongs to it."""
    return SPLIT(cluster_options(command))


def take(given: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of what was given: the values of `SplitConfig`; empty where none was given.

    Options of homologues alone ask for that kind.
    """
    found = {name: given.pop(name) for name in PARAMETERS if given.get(name) is not None}
    kind = given.pop("split", None)
    if kind is None and not found:
        return {}
    return {"kind": kind or HOMOLOGY, **found}
