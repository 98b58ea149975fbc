"""`sortilin tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console, _splitting

if TYPE_CHECKING:
    from sortilin.tuning import Tuned, Tuning
    from sortilin.tuning.study import Finished


@click.command(
    epilog="""\b
Examples:
  sortilin tune configs/tune-svm.yaml -o runs/tune-svm
  sortilin tune --task localization --model bilstm --trials 40 -o runs/tune-bilstm
  sortilin tune --task custom --data mine.csv --model boosting -o runs/tune-mine
  sortilin tune configs/tune-bilstm.yaml -o runs/a --study bilstm --storage postgresql://me@host/trials
  sortilin train runs/tune-svm/best.yaml -o runs/svm
"""
)
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the search.")
@click.option("--task", help="localization, activity, anticancer, or custom for your own classes.")
@click.option("--model", help="svm, boosting, lstm, bilstm, attention-lstm, lstm-cnn, ...")
@click.option(
    "--data",
    multiple=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", help="Where labels stand in files: auto, biotrainer, deeploc, pipe, ...")
@click.option("--trials", type=int, help="Combinations to try.  [default: all of a grid, else 30]")
@click.option("--metric", help="What is best.  [default: the task's own metric]")
@click.option(
    "--storage",
    help="Journal file, or database (sqlite:///FILE, postgresql://...), that several workers share.  "
    "[default: journal.log in the folder]",
)
@click.option("--study", help="Name of the search in the storage.  [default: the name of the folder]")
@_splitting.split_options
@click.option("--seed", type=int, help="Seed of all splits, fits and draws.  [default: 42]")
@click.option("--quiet", "-q", is_flag=True, help="No progress; the result only.")
def tune(
    config: Path | None,
    *,
    output: Path,
    storage: str | None,
    study: str | None,
    quiet: bool,
    **options: Any,
) -> None:
    """Search for the best options of a model, and write the experiment that has them.

    CONFIG is what `train` takes, with a mapping `tune`; options on the command line win over it. Without
    one, --task and --model are needed. Only training rows are looked at: those of the hold-out stay unseen.
    A search that was cut short goes on with the same command. The same command on several machines works
    together on one --storage and --study. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.tuning import run

    tuning = _resolved(config, options)
    with _console.progress(quiet=quiet) as on_progress:
        tuned = run(tuning, output, storage=storage, study=study, on_progress=on_progress)
    click.echo(_report(tuning, tuned))
    if not quiet:
        for trial in tuned.elsewhere:
            _console.note(f"not ended yet: {trial}")
        _console.note(f"wrote {tuned.best_path}; next: sortilin train {tuned.best_path} -o FOLDER")


def _resolved(config: Path | None, options: dict[str, Any]) -> Tuning:
    """Defaults < file < command line."""
    from sortilin.errors import ConfigError
    from sortilin.experiment import presets
    from sortilin.experiment.config import DEFAULT_SEED
    from sortilin.experiment.split_config import over
    from sortilin.tuning import read, resolved

    given = {key: value for key, value in options.items() if value not in (None, ())}
    values: dict[str, Any] = {"seed": DEFAULT_SEED, **(read(config) if config is not None else {})}
    if config is None and not {"task", "model"} <= given.keys():
        raise ConfigError("what to tune: give a configuration file, or --task and --model")
    if split := _splitting.take(given):
        values["split"] = over(split, values.get("split"))
    searched = {key: given.pop(key) for key in ("trials", "metric") if key in given}
    model = given.pop("model", None)
    values |= given
    if model is not None:
        preset = presets.get(model, str(values.get("task", "")))
        features = preset.features and preset.features.model_dump()
        values |= {"features": features, "classifier": preset.classifier.model_dump()}
    section = values.get("tune") or {}
    if searched and isinstance(section, dict):
        values["tune"] = {**section, **searched}
    return resolved(values, str(config) if config is not None else "command line")


def _report(tuning: Tuning, tuned: Tuned) -> str:
    """The best trial and its options."""
    best = tuned.best
    lines = [
        (
            f"best of {len(tuned.trials)} trials: {tuning.tune.metric} {_value(tuning, best)} "
            f"(trial {best.number})"
        )
    ]
    lines += [f"  {path}: {value}" for path, value in best.options.items()]
    if tuned.split is not None:
        lines += ["", *tuned.split.lines()]
    return "\n".join(lines)


def _value(tuning: Tuning, best: Finished) -> str:
    """The value with its spread over folds, or its interval on one split, and the sequences behind it."""
    value = f"{best.value:.3f}"
    n = "" if best.n is None else f", n = {best.n}"
    if best.interval is not None:
        low, high = best.interval
        return f"{value} ({low:.3f} to {high:.3f}){n}"
    spread = "" if best.spread is None else f" ± {best.spread:.3f} over {tuning.tune.folds} folds"
    return f"{value}{spread}{n}"
