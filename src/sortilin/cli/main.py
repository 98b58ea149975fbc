"""The command `sortilin`: its commands, and the one place where an error becomes an exit code.

Exit codes: 0 done, 1 an error with a message, 2 wrong usage, 3 a limit was reached (`audit --fail-above`),
130 interrupted, 143 terminated.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType
from typing import Any, NoReturn

import click

from sortilin import __version__
from sortilin.cli.audit import audit
from sortilin.cli.backbones import backbones
from sortilin.cli.benchmark import benchmark
from sortilin.cli.calibrate import calibrate
from sortilin.cli.datasets import datasets
from sortilin.cli.dedupe import dedupe
from sortilin.cli.describe import describe
from sortilin.cli.embed import embed
from sortilin.cli.evaluate import evaluate
from sortilin.cli.explain import explain
from sortilin.cli.merge import merge
from sortilin.cli.models import models
from sortilin.cli.motifs import motifs
from sortilin.cli.predict import predict
from sortilin.cli.serve import serve, worker
from sortilin.cli.shards import shards
from sortilin.cli.split import split
from sortilin.cli.store import store
from sortilin.cli.train import train
from sortilin.cli.tune import tune
from sortilin.errors import SortilinError

INTERRUPTED = 130
TERMINATED = 143


class _Commands(click.Group):
    """Commands whose reader may leave early: click itself would exit with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of a pipe (head, less) went away, as it may. Nothing more can be written to it.
            _silence_output()
            return 0


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  sortilin predict proteins.fasta                        where in the cell
  sortilin predict peptides.fa.gz --model anticancer -o out.tsv
  cat x.fasta | sortilin predict - -o out.html
  sortilin train --task custom --data my.csv -o runs/mine
  sortilin predict new.fasta --model runs/mine
""",
)
@click.version_option(__version__, "-V", "--version", prog_name="sortilin")
def cli() -> None:
    """What a protein or peptide is for, from its sequence alone."""


for _command in (
    predict,
    describe,
    embed,
    shards,
    merge,
    train,
    tune,
    benchmark,
    calibrate,
    evaluate,
    explain,
    motifs,
    audit,
    dedupe,
    split,
    models,
    datasets,
    backbones,
    store,
    serve,
    worker,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; the console script."""
    # As an exception, so that temporary files are removed on the way out.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = cli(standalone_mode=False) or 0
        sys.stdout.flush()
        sys.exit(code)
    except SortilinError as error:
        _stop(f"error: {error}", 1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _stop("interrupted", INTERRUPTED)
    except OSError as error:
        # Files have errors of their own; what is left is standard output on a full disk.
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            raise
        _silence_output()
        _stop(f"error: standard output cannot be written: {error.strerror}", 1)


def _silence_output() -> None:
    """Nothing more can be written; Python would try again at its end and print a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(TERMINATED)


def _stop(message: str, code: int) -> NoReturn:
    click.echo(f"sortilin: {message}", err=True)
    sys.exit(code)
