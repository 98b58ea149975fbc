"""`sortilin train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.experiment import ExperimentConfig


@click.command(
    epilog="""\b
Examples:
  sortilin train configs/localization-svm.yaml -o runs/svm
  sortilin train --task localization --classifier svm -o runs/svm
  sortilin train --task custom --data mine.csv --features peptide -o runs/mine
  sortilin train --task custom --data kinase=kinases.fa --data other=rest.fa -o runs/kinase
"""
)
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--task", help="localization, anticancer, or custom for your own classes.")
@click.option(
    "--data",
    multiple=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", help="Where labels stand in files: auto, biotrainer, deeploc, pipe, ...")
@click.option("--test", "tests", multiple=True, help="Dataset or file to score once at the end.")
@click.option("--features", help="Descriptor set: targeting, peptide, paper71, composition, length.")
@click.option("--classifier", help="svm or boosting.")
@click.option("--folds", type=int, help="Folds of the cross-validation.  [default: 5]")
@click.option("--holdout", type=float, help="Share of one hold-out split; 0 for none.  [default: 0.2]")
@click.option("--seed", type=int, help="Seed of all splits and fits.  [default: 42]")
@click.option("--overwrite", is_flag=True, help="Replace the model folder if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; the card only.")
def train(config: Path | None, *, output: Path, overwrite: bool, quiet: bool, **options: Any) -> None:
    """Train, calibrate and measure a model, and write its folder.

    CONFIG is a YAML file; options on the command line win over it. Without one, --task is needed. The
    folder holds the model, its card, the resolved configuration and all figures, and serves at once
    as `sortilin predict --model FOLDER`. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.experiment import run

    resolved = _resolved(config, options)
    with _console.progress(quiet=quiet) as on_progress:
        folder, _ = run(resolved, output, overwrite=overwrite, on_progress=on_progress)
    click.echo(folder.card)
    if not quiet:
        _console.note(f"wrote {output}; next: sortilin predict FILE --model {output}")


def _resolved(config: Path | None, options: dict[str, Any]) -> ExperimentConfig:
    """Defaults < file < command line."""
    from sortilin.errors import ConfigError
    from sortilin.experiment.config import DEFAULT_SEED, default_features, read_config, validated

    given = {key: value for key, value in options.items() if value not in (None, ())}
    for name in ("features", "classifier"):
        if name in given:
            given[name] = {"name": given[name]}
    if config is not None:
        return read_config(config, **given)
    if "task" not in given:
        raise ConfigError("what to train: give a configuration file, or --task with its options")
    defaults = {
        "features": {"name": default_features(given["task"])},
        "classifier": {"name": "boosting"},
        "seed": DEFAULT_SEED,
    }
    return validated({**defaults, **given}, "command line")
