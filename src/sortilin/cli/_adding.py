"""Options of what `predict` adds to predictions: sets of classes, and the nearest reference sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def adding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--coverage`, what belongs to it, and `--nearest`."""
    options = (
        click.option(
            "--coverage",
            type=float,
            help="Add a column `set`: classes of which the true one is one in this share of sequences like "
            "those of training, as 0.9.",
        ),
        click.option(
            "--per-class",
            is_flag=True,
            help="With --coverage: in this share of the sequences of every class.",
        ),
        click.option(
            "--score",
            type=click.Choice(["lac", "aps"]),
            help="With --coverage: how strange a class is; lac gives the smallest sets.  [default: lac]",
        ),
        click.option(
            "--never-empty",
            is_flag=True,
            help="With --coverage: an empty set gets the predicted class; covers more than asked.",
        ),
        click.option(
            "--nearest",
            metavar="FILE",
            help="Add columns `nearest` and `nearest_identity`: of the sequences in FILE, the training data "
            "say, the one that is most alike.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
