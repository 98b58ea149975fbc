"""What the command line says beside its results: notes and progress, on standard error only."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress


_EPOCH = re.compile(r"epoch \d+ of \d+.*")


def note(message: str) -> None:
    """One line for the person, on standard error."""
    click.echo(message, err=True)


def warn(message: str) -> None:
    """One line about something that changes what a result means."""
    click.echo(f"warning: {message}", err=True)


@contextmanager
def progress(*, quiet: bool = False) -> Iterator[OnProgress]:
    """A progress callback: bars on a terminal, one line a finished stage elsewhere, or silence."""
    if quiet:
        yield lambda _stage, _done, _total: None
    elif sys.stderr.isatty():
        with _bars() as callback:
            yield callback
    else:
        yield _line


def _line(stage: str, done: int, total: int) -> None:
    if done and done == total:
        note(f"{stage}: {done}/{total}")


@contextmanager
def _bars() -> Iterator[OnProgress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=False) as bars:
        tasks: dict[str, Any] = {}

        def callback(stage: str, done: int, total: int) -> None:
            bar = _EPOCH.sub("epochs", stage)  # one bar for all epochs of a training
            if bar not in tasks:
                tasks[bar] = bars.add_task(stage, total=total or None)
            bars.update(tasks[bar], description=stage, completed=done, total=total or None)

        yield callback


@contextmanager
def counter(label: str, *, quiet: bool = False) -> Iterator[Any]:
    """A running count for work of unknown length: call with the number of new items."""
    if quiet or not sys.stderr.isatty():
        yield lambda _n: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description} {task.completed:,.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda n: bars.advance(task, n)
