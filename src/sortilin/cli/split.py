"""`sortilin split`: a set split into parts or folds, as files."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console, _splitting

if TYPE_CHECKING:
    from sortilin.experiment.split_files import Sizes

_HOLDOUT = 0.2


@click.command(
    epilog="""\b
Examples:
  sortilin split mine.fasta -o split --split homology --holdout 0.2
  sortilin split psl -o folds --split homology --folds 5 --identity 0.3 --coverage 0.5
  sortilin split mine.csv -o split --parts 0.8,0.1,0.1
  sortilin train --task custom --data split/sequences.fasta --split given -o runs/mine
"""
)
@click.argument("source", metavar="FILE|DATASET")
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the split's files."
)
@_splitting.split_options
@click.option("--folds", type=int, help="Split into so many folds.")
@click.option("--holdout", type=float, help="Hold out such a share as test.  [default: 0.2]")
@click.option("--parts", help="Shares for train,test or for train,val,test; as 0.8,0.1,0.1.")
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in a file.")
@click.option("--seed", type=int, help="Seed of the split.  [default: 42]")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a faulty record, or leave it out.",
)
@click.option("--overwrite", is_flag=True, help="Replace a split that is there.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; the balance only.")
def split(source: str, *, output: Path, overwrite: bool, quiet: bool, **options: Any) -> None:
    """Split a set into training and test rows, or folds, and write them.

    The folder holds the records with biotrainer's SET= in FASTA, and as a table (id, sequence, label, split,
    cluster); `--split given` reads either back. Folds have a FASTA file each, with that fold as SET=test. How
    many sequences of each class stand in each part is printed, and stands in summary.json. By homology no
    cluster stands in two parts.
    """
    from sortilin.audit.reading import read
    from sortilin.experiment import split_files
    from sortilin.experiment.config import DEFAULT_SEED, checked
    from sortilin.experiment.split_config import SplitConfig

    given = {name: value for name, value in options.items() if value is not None}
    config = checked(SplitConfig, _splitting.take(given), "command line: split")
    sizes = _sizes(given, is_given=config.kind == "given")
    split_files.check_place(output, overwrite=overwrite)
    with _console.progress(quiet=quiet) as on_progress:
        one = read(source, labels=given["labels"], on_error=given["on_error"], on_progress=on_progress)
        seed = given.get("seed", DEFAULT_SEED)
        found = split_files.split(one.records, one.name, config, sizes, seed=seed, on_progress=on_progress)
    for warning in one.warnings:
        _console.warn(f"{one.name}: {warning}")
    if one.unlabelled is not None:
        _console.warn(f"{one.name}: split without labels: {one.unlabelled}")
    command = shlex.join(["sortilin", *sys.argv[1:]])
    split_files.write(found, output, source=source, command=command)
    click.echo("\n".join(found.lines()))
    if not quiet:
        _console.note(f"wrote {output}")


def _sizes(given: dict[str, Any], *, is_given: bool) -> Sizes:
    from sortilin.errors import ConfigError
    from sortilin.experiment.split_files import Sizes

    named = [name for name in ("folds", "holdout", "parts") if name in given]
    if len(named) > 1:
        raise ConfigError(f"--{' and --'.join(named)}: choose one of them")
    if named and is_given:
        raise ConfigError(f"--split given takes the parts from the data; leave out --{named[0]}")
    if "folds" in given:
        if not given["folds"]:
            raise ConfigError("folds is 0; allowed: 2 to 50")
        return Sizes(folds=given["folds"])
    if "parts" in given:
        return Sizes(parts=_shares(given["parts"]))
    share = given.get("holdout", _HOLDOUT)
    if not 0 < share < 1:
        raise ConfigError(f"holdout is {share:g}; allowed: above 0 and below 1")
    return Sizes(parts=(1 - share, share))


def _shares(text: str) -> tuple[float, ...]:
    from sortilin.errors import ConfigError

    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError:
        raise ConfigError(f"parts '{text}' are no numbers with commas, as 0.8,0.1,0.1") from None
