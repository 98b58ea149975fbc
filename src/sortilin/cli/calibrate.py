"""`sortilin calibrate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sortilin.cli import _console
from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from sortilin.artifact import ModelFolder
    from sortilin.experiment.recalibrate import Source


@click.command(
    epilog="""\b
Examples:
  sortilin calibrate runs/mine --method isotonic -o runs/mine-isotonic
  sortilin calibrate localization --labelled measured.csv -o runs/localization-here
"""
)
@click.argument("model")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option(
    "--method",
    help="logistic, temperature, platt, isotonic, beta, dirichlet or none.  [default: the model's own]",
)
@click.option(
    "--labelled",
    multiple=True,
    help="Labelled file (FILE or CLASS=FILE) or dataset to calibrate on, in place of the model's own "
    "held-out scores; training sequences in it are left out; may be repeated.",
)
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in files.")
@vectors_options
@click.option("--seed", type=int, default=42, show_default=True, help="Seed of folds and resamples.")
@click.option("--overwrite", is_flag=True, help="Replace the model folder if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No notes; the figures only.")
def calibrate(  # noqa: PLR0913 - an argument an option
    model: str,
    *,
    output: Path,
    method: str | None,
    labelled: tuple[str, ...],
    labels: str,
    vectors: tuple[str, ...],
    table: str | None,
    seed: int,
    overwrite: bool,
    quiet: bool,
) -> None:
    """Calibrate MODEL, a bundled model or a model folder, anew, without training it.

    Probabilities and prediction sets are fitted on the held-out scores that the model keeps or, with
    --labelled, on sequences of your own that it was not trained on. All else stays: the same classes come
    out in nearly all cases, with other probabilities. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.errors import ConfigError
    from sortilin.experiment import card_trust, recalibrate
    from sortilin.experiment.run import check_free
    from sortilin.predictor import load

    check_free(output.absolute(), overwrite=overwrite)
    loaded = load(model, threads=None, vectors=vectors, table=table)
    if loaded.decider is not None:
        raise ConfigError(f"'{model}' gives several classes to a sequence: it cannot be calibrated anew")
    if labelled:
        from sortilin.experiment import data

        found = data.load(loaded.task, labelled, labels=labels, classes=loaded.classes)
        source = recalibrate.of_labelled(loaded, found, seed=seed)
    else:
        source = recalibrate.own(loaded.model)
    folder, measured = recalibrate.recalibrate(
        loaded.model, output.absolute(), source, method=method, seed=seed
    )
    click.echo("\n\n".join([_head(folder, source), *card_trust.sections(measured)]))
    if not quiet:
        _console.note(f"wrote {output}; next: sortilin predict FILE --model {output} --coverage 0.9")


def _head(folder: ModelFolder, source: Source) -> str:
    method = folder.description["calibration"]["method"]
    left = f" {source.n_known} training sequences were left out." if source.n_known else ""
    return f"{folder.description['task']}: calibrated by {method} on {source.of}.{left}"
