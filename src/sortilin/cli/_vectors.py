"""The options that name files of vectors, for every command that reads sequences with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def vectors_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--vectors` and `--table`."""
    table = click.option(
        "--table",
        help="FASTA file or table with the sequences of --vectors, where these do not name them: in the "
        "order of their rows, or with their ids.",
    )
    vectors = click.option(
        "--vectors",
        multiple=True,
        help="File with a vector of each sequence, as `sortilin embed` writes it, for models of such vectors "
        "(.h5, .npz, .parquet, .csv, .pt, ...); may be repeated.",
    )
    return vectors(table(command))
