"""`sortilin benchmark`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console, _splitting
from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from sortilin.benchmark import BenchmarkConfig
    from sortilin.benchmark.config import ModelSpec

_CELL = len("-0.812 (-0.790 to 0.834)")

_ON = ("holdout", "folds")
"""What models are scored on."""

_KEEP_LAST = 100
"""Residues read of the end of a longer sequence; fewer where few are read at all."""


@click.command(
    epilog="""\b
Examples:
  sortilin benchmark localization --models svm,boosting -o runs/psl
  sortilin benchmark localization --models bilstm --max-residues 500 --epochs 8 -o runs/psl
  sortilin benchmark custom --data my.csv --models svm,boosting,lstm -o runs/mine
  sortilin benchmark localization --models boosting,esm2_t6+mlp -o runs/psl
  sortilin benchmark anticancer -o runs/acp
  sortilin benchmark anticancer --models svm,cnn-attention -o runs/acp
  sortilin benchmark custom --data my.csv --vectors my.h5 --models svm,head -o runs/mine
  sortilin benchmark configs/benchmark-localization.yaml -o runs/psl
"""
)
@click.argument("what", metavar="TASK|CONFIG")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the results.")
@click.option(
    "--models",
    help="svm, boosting, lstm, bilstm, attention-lstm, lstm-cnn, cnn-bilstm-attention, cnn-attention, or "
    "BACKBONE+HEAD as esm2_t6+mlp; with commas.  [default: svm,boosting; those of the file; all of the paper "
    "for anticancer]",
)
@click.option(
    "--data",
    multiple=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", help="Where labels stand in files: auto, biotrainer, deeploc, pipe, ...")
@click.option(
    "--test",
    "tests",
    multiple=True,
    help="Dataset or file that every model scores once, after learning from all the data; may be repeated.",
)
@vectors_options
@click.option(
    "--split",
    multiple=True,
    type=click.Choice([*_ON, *_splitting.KINDS]),
    help="What all models are scored on: holdout or folds; and how rows are split: random, stratified, "
    "homology or given. Give it twice for both.  [default: holdout and stratified]",
)
@_splitting.cluster_options
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
    command line win. anticancer alone, without --data or --vectors, is the second paper's benchmark: folds of
    its training set, both test sets, all its models. Results are kept per model: run the same command again
    after an interruption, or with further models, and only what is missing is computed. The folder holds
    report.html, table.tsv, results.json, figures as PNG and SVG, and the best model trained on all data, in
    model/. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.benchmark import run

    config = _resolved(what, options)
    command = shlex.join(["sortilin", *sys.argv[1:]])
    with _console.progress(quiet=quiet) as on_progress:
        results = run(config, output, command=command, on_progress=on_progress)
    click.echo("\n".join([*_split_lines(results), _table(results)]))
    if not quiet:
        _console.note(f"best by {results['metric']}: {results['best']}; report: {output / 'report.html'}")


def _resolved(what: str, options: dict[str, Any]) -> BenchmarkConfig:
    """Defaults < file < command line."""
    from sortilin.errors import ConfigError

    given = {k: v for k, v in options.items() if v is not None and v is not False and v != ()}
    _take_split(given)
    networks: dict[str, Any] = {}
    if "max_residues" in given:
        n = given.pop("max_residues")
        networks |= {"max_residues": n, "keep_last": min(_KEEP_LAST, n // 4)}
    if "epochs" in given:
        networks["training"] = {"epochs": given.pop("epochs")}
    for flag in ("baselines", "cross_validation"):
        if given.pop(f"no_{flag}", False):
            given[flag] = False
    config = _of_task_or_file(what, given, networks, _taken_vectors(given))
    if networks and not any(_is_network(spec, config.task) for spec in config.models):
        names = ", ".join(spec.name for spec in config.models)
        raise ConfigError(f"--epochs and --max-residues are for networks; none is among the models: {names}")
    return config


def _take_split(given: dict[str, Any]) -> None:
    """Put what rows are scored, and how they are split, where the configuration has them."""
    from sortilin.errors import ConfigError

    named = given.pop("split", ())
    on, kinds = ([name for name in named if (name in _ON) == is_on] for is_on in (True, False))
    if len(on) > 1 or len(kinds) > 1:
        raise ConfigError(
            f"--split {' --split '.join(named)}: allowed is one of {', '.join(_ON)}, and one of "
            f"{', '.join(_splitting.KINDS)}"
        )
    if on:
        given["split"] = on[0]
    options = {name: given.pop(name) for name in _splitting.PARAMETERS if name in given}
    if split := _splitting.take({"split": kinds[0] if kinds else None, **options}):
        given["split_by"] = split


def _taken_vectors(given: dict[str, Any]) -> dict[str, Any]:
    """Take the files of vectors out of what was given."""
    from sortilin.errors import ConfigError

    files: dict[str, Any] = {key: given.pop(key) for key in ("vectors", "table") if key in given}
    if files and "vectors" not in files:
        raise ConfigError("--table names the sequences of --vectors; give these too, or leave it out")
    return files


def _of_task_or_file(
    what: str, given: dict[str, Any], networks: dict[str, Any], vectors: dict[str, Any]
) -> BenchmarkConfig:
    from sortilin import registry
    from sortilin.benchmark.config import ModelSpec, default_path, read_config, validated
    from sortilin.errors import UnknownNameError
    from sortilin.experiment.config import DEFAULT_SEED, checked

    is_task = what in registry.names("task")
    path = default_path(what) if is_task and "data" not in given and not vectors else Path(what)
    if path is None or (is_task and path == Path(what)):
        models = "svm,head" if vectors else "svm,boosting"
        defaults = {"task": what, "models": models, "seed": DEFAULT_SEED, "networks": networks}
        config = validated({**defaults, **given}, "command line")
        return _with_vectors(config, vectors)
    if path.suffix not in (".yaml", ".yml") and not path.exists():
        raise UnknownNameError("task", what, [*registry.names("task"), "or the path of a YAML file"])
    names = given.pop("models", None)
    config = read_config(path, **given)
    specs = {spec.name: spec for spec in config.models}
    if names is not None:  # those of the file keep their options
        asked = [name.strip() for name in names.split(",")]
        specs = {name: specs.get(name) or checked(ModelSpec, {"name": name}, "--models") for name in asked}
    config = _with_vectors(config.model_copy(update={"models": tuple(specs.values())}), vectors)
    chosen = tuple(_with_options(spec, config.task, networks) for spec in config.models)
    return config.model_copy(update={"models": chosen})


def _with_vectors(config: BenchmarkConfig, vectors: dict[str, Any]) -> BenchmarkConfig:
    """Models of features read the vectors in place of their own; a classifier's name alone is one on them."""
    from sortilin.component import Component
    from sortilin.errors import ConfigError

    if not vectors:
        return config
    features = Component(name="precomputed", options=vectors)
    found = tuple(_on_vectors(spec, config.task, features) for spec in config.models)
    if not any(spec.features == features for spec in found):
        names = ", ".join(spec.name for spec in found)
        raise ConfigError(f"--vectors are for models of features (svm, boosting, head, ...); found {names}")
    return config.model_copy(update={"models": found})


def _on_vectors(spec: ModelSpec, task: str, features: Any) -> ModelSpec:
    from sortilin import registry
    from sortilin.component import Component
    from sortilin.experiment import presets
    from sortilin.interfaces import FEATURES

    name = spec.preset or spec.name
    if spec.classifier is not None or name in presets.NAMES:
        takes = spec.classifier.name if spec.classifier else presets.get(name, task).classifier.name
        is_free = spec.features is None or spec.features.name == features.name
        if not is_free or registry.get("classifier", takes).takes != FEATURES:
            return spec
        return spec.model_copy(update={"features": features})
    if name in registry.names("classifier") and registry.get("classifier", name).takes == FEATURES:
        classifier = Component(name=name, options=spec.options)
        return spec.model_copy(update={"features": features, "classifier": classifier, "options": {}})
    return spec


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
    """The comparison for a terminal: models first, the best of them on top; all with intervals and n."""
    metric = results["metric"]
    names = [metric, *(m for m in ("macro_f1", "accuracy", "roc_auc", "mcc") if m != metric)]
    rows = sorted(results["models"], key=lambda r: -(r["evaluation"]["metrics"][metric] or 0))
    width = max(len(row["title"]) for row in [*rows, *results["not_run"]])
    lines = [f"n = {rows[0]['evaluation']['n']}, in brackets 95 % intervals", _header(names, width)]
    lines += [_line(row, row, names, width) for row in rows]
    lines += [
        f"{row['title']:{width}}  not run: {row['reason']}; first: {row['command']}"
        for row in results["not_run"]
    ]
    return "\n".join([*lines, *_pair_lines(results), *_test_lines(results, width)])


def _split_lines(results: dict[str, Any]) -> list[str]:
    """What the split comes to, the difference to a stratified one first; nothing where it is that."""
    from sortilin.report.benchmark import split_lines

    found = split_lines(results)
    return [*found, ""] if found else []


def _header(names: Sequence[str], width: int) -> str:
    return f"{'':{width}}" + "".join(f"  {name:<{_CELL}}" for name in names)


def _line(row: dict[str, Any], found: dict[str, Any], names: Sequence[str], width: int) -> str:
    """A model with its figures.

    Args:
        row: The model.
        found: What was measured of it: `evaluation` and `intervals`.
        names: Metrics.
        width: Of the titles.
    """
    cells = (_cell(found["evaluation"]["metrics"][m], found["intervals"].get(m)) for m in names)
    text = f"{row['title']:{width}}" + "".join(f"  {cell:<{_CELL}}" for cell in cells)
    return f"{text}{'  (baseline)' * row['is_baseline']}".rstrip()


def _cell(value: float | None, interval: Sequence[float | None] | None) -> str:
    from sortilin.experiment.markdown import cell

    if value is None:
        return ""
    low, high = interval or (None, None)
    return cell(value, None if low is None or high is None else (low, high))


def _pair_lines(results: dict[str, Any]) -> list[str]:
    """How many pairs of models are told apart."""
    from sortilin.report.benchmark import pairs

    found = pairs(results)
    return ["", found["summary"], "Each pair: pairs.tsv and report.html."] if found else []


def _test_lines(results: dict[str, Any], width: int) -> list[str]:
    """A table for each test set and each part of it."""
    lines: list[str] = []
    for test in results["tests"]:
        new = test["n"] - test["n_known"]
        parts = {"whole": f"{test['name']}, {test['n']} sequences"}
        if 0 < new < test["n"]:
            parts["new"] = f"{test['name']}, {new} sequences that do not stand in training"
        for part, heading in parts.items():
            lines += ["", heading, *_part_lines(results, test["name"], part, width)]
    return lines


def _part_lines(results: dict[str, Any], test: str, part: str, width: int) -> list[str]:
    scored = [(row, row["tests"][test][part]) for row in results["models"]]
    metric = results["metric"]
    scored.sort(key=lambda pair: -(pair[1]["evaluation"]["metrics"][metric] or 0))
    names = list(scored[0][1]["intervals"])
    return [_header(names, width), *(_line(row, found, names, width) for row, found in scored)]
