"""`sortilin benchmark`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.benchmark import BenchmarkConfig
    from sortilin.benchmark.config import ModelSpec

_KEEP_LAST = 100
"""Residues read of the end of a longer sequence; fewer where few are read at all."""


@click.command(
    epilog="""\b
Examples:
  sortilin benchmark localization --models svm,boosting -o runs/psl
  sortilin benchmark localization --models bilstm --max-residues 500 --epochs 8 -o runs/psl
  sortilin benchmark custom --data my.csv --models svm,boosting,lstm -o runs/mine
  sortilin benchmark localization --models boosting,esm2_t6+mlp -o runs/psl
  sortilin benchmark configs/benchmark-localization.yaml -o runs/psl
"""
)
@click.argument("what", metavar="TASK|CONFIG")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the results.")
@click.option(
    "--models",
    help="svm, boosting, lstm, bilstm, attention-lstm, lstm-cnn, cnn-bilstm-attention, or BACKBONE+HEAD as "
    "esm2_t6+mlp; with commas.  [default: svm,boosting]",
)
@click.option(
    "--data",
    multiple=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", help="Where labels stand in files: auto, biotrainer, deeploc, pipe, ...")
@click.option(
    "--split",
    type=click.Choice(["holdout", "folds"]),
    help="What all models are scored on.  [default: holdout]",
)
@click.option("--holdout", type=float, help="Share of the held-out rows.  [default: 0.2]")
@click.option("--folds", type=int, help="Folds of the cross-validation.  [default: 5]")
@click.option("--blind", help="Unlabelled sequences for the final model; none for none.")
@click.option("--seed", type=int, help="Seed of splits, fits and resampling.  [default: 42]")
@click.option("--max-residues", type=int, help="Networks read so many residues of a longer sequence.")
@click.option("--epochs", type=int, help="Networks train for so many epochs at most.")
@click.option("--no-baselines", is_flag=True, help="Without majority, length, composition and homologue.")
@click.option("--no-cross-validation", is_flag=True, help="Stop after the comparison.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; the table only.")
def benchmark(what: str, *, output: Path, quiet: bool, **options: Any) -> None:
    """Compare models on identical splits and write one report.

    TASK is localization, activity, anticancer or custom; CONFIG is a YAML file, over which options on the
    command line win. Results are kept per model: run the same command again after an interruption, or with
    further models, and only what is missing is computed. The folder holds report.html, table.tsv,
    results.json, figures as PNG and SVG, and the best model trained on all data, in model/. Needs
    `pip install 'sortilin[train]'`.
    """
    from sortilin.benchmark import run

    config = _resolved(what, options)
    command = shlex.join(["sortilin", *sys.argv[1:]])
    with _console.progress(quiet=quiet) as on_progress:
        results = run(config, output, command=command, on_progress=on_progress)
    click.echo(_table(results))
    if not quiet:
        _console.note(f"best by {results['metric']}: {results['best']}; report: {output / 'report.html'}")


def _resolved(what: str, options: dict[str, Any]) -> BenchmarkConfig:
    """Defaults < file < command line."""
    from sortilin.errors import ConfigError

    given = {k: v for k, v in options.items() if v is not None and v is not False and v != ()}
    networks: dict[str, Any] = {}
    if "max_residues" in given:
        n = given.pop("max_residues")
        networks |= {"max_residues": n, "keep_last": min(_KEEP_LAST, n // 4)}
    if "epochs" in given:
        networks["training"] = {"epochs": given.pop("epochs")}
    for flag in ("baselines", "cross_validation"):
        if given.pop(f"no_{flag}", False):
            given[flag] = False
    config = _of_task_or_file(what, given, networks)
    if networks and not any(_is_network(spec, config.task) for spec in config.models):
        names = ", ".join(spec.name for spec in config.models)
        raise ConfigError(f"--epochs and --max-residues are for networks; none is among the models: {names}")
    return config


def _of_task_or_file(what: str, given: dict[str, Any], networks: dict[str, Any]) -> BenchmarkConfig:
    from sortilin import registry
    from sortilin.benchmark.config import ModelSpec, read_config, validated
    from sortilin.errors import UnknownNameError
    from sortilin.experiment.config import DEFAULT_SEED

    if what in registry.names("task"):
        defaults = {"task": what, "models": "svm,boosting", "seed": DEFAULT_SEED, "networks": networks}
        return validated({**defaults, **given}, "command line")
    path = Path(what)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        raise UnknownNameError("task", what, [*registry.names("task"), "or the path of a YAML file"])
    names = given.pop("models", None)
    config = read_config(path, **given)
    specs = {spec.name: spec for spec in config.models}
    if names is not None:  # those of the file keep their options
        asked = [name.strip() for name in names.split(",")]
        specs = {name: specs.get(name, ModelSpec(name=name)) for name in asked}
    models = tuple(_with_options(spec, config.task, networks) for spec in specs.values())
    return config.model_copy(update={"models": models})


def _is_network(spec: ModelSpec, task: str) -> bool:
    """Whether it is one of those that `networks` holds options for."""
    from sortilin.experiment import presets

    return spec.classifier is None and presets.get(spec.preset or spec.name, task).features is None


def _with_options(spec: ModelSpec, task: str, networks: dict[str, Any]) -> ModelSpec:
    """A network with options that win over its own."""
    from sortilin.experiment import presets

    if not _is_network(spec, task):
        return spec
    return spec.model_copy(update={"options": presets.merged(spec.options, networks)})


def _table(results: dict[str, Any]) -> str:
    """The comparison for a terminal: models first, the best of them on top."""
    metric = results["metric"]
    names = [metric, *(m for m in ("macro_f1", "accuracy", "roc_auc", "mcc") if m != metric)]
    rows = sorted(results["models"], key=lambda r: -(r["evaluation"]["metrics"][metric] or 0))
    width = max(len(row["title"]) for row in [*rows, *results["not_run"]])
    lines = [f"{'':{width}}" + "".join(f"  {name:>9}" for name in names) + "   95 % of " + metric]
    for row in rows:
        found = row["evaluation"]["metrics"]
        cells = "".join(f"  {'' if found[n] is None else format(found[n], '.3f'):>9}" for n in names)
        low, high = row["intervals"].get(metric, (None, None))
        interval = "" if low is None else f"   {low:.3f} to {high:.3f}"
        lines.append(f"{row['title']:{width}}{cells}{interval}{'   (baseline)' * row['is_baseline']}")
    lines += [f"{row['title']:{width}}  not run; first: {row['command']}" for row in results["not_run"]]
    return "\n".join(lines)
