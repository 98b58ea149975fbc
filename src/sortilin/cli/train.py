"""`sortilin train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console, _splitting
from sortilin.cli._vectors import vectors_options

if TYPE_CHECKING:
    from sortilin.experiment import ExperimentConfig


@click.command(
    epilog="""\b
Examples:
  sortilin train configs/localization-svm.yaml -o runs/svm
  sortilin train --task localization --classifier svm -o runs/svm
  sortilin train --task localization --model bilstm -o runs/bilstm
  sortilin train --task custom --data mine.csv --features peptide -o runs/mine
  sortilin train --task custom --data mine.csv --model esm2_t6+mlp -o runs/mine
  sortilin train --task custom --data mine.csv --vectors mine.h5 -o runs/mine
  sortilin train --task custom --data kinase=kinases.fa --data other=rest.fa -o runs/kinase
"""
)
@click.argument("config", required=False, type=click.Path(path_type=Path))
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Model folder to write.")
@click.option("--task", help="localization, activity, anticancer, or custom for your own classes.")
@click.option(
    "--data",
    multiple=True,
    help="Dataset (name or name:split) or labelled file (FILE or CLASS=FILE); may be repeated.",
)
@click.option("--labels", help="Where labels stand in files: auto, biotrainer, deeploc, pipe, ...")
@click.option("--test", "tests", multiple=True, help="Dataset or file to score once at the end.")
@click.option(
    "--model",
    help="Features and classifier by one name: svm, boosting, lstm, bilstm, attention-lstm, lstm-cnn, "
    "cnn-bilstm-attention; or BACKBONE+HEAD, a language model and a head on its vectors: esm2_t6+mlp.",
)
@click.option(
    "--features",
    help="Descriptor set: targeting, peptide, paper71, composition, length, embedding, precomputed.",
)
@click.option("--classifier", help="svm, boosting, linear, head, neural, ensemble or calibrated.")
@vectors_options
@click.option("--folds", type=int, help="Folds of the cross-validation.  [default: 5]")
@click.option("--holdout", type=float, help="Share of one hold-out split; 0 for none.  [default: 0.2]")
@click.option(
    "--homology/--no-homology",
    default=None,
    help="Cross-validate the model once more, on folds that split no group of homologues.",
)
@click.option(
    "--audit/--no-audit",
    default=None,
    help="Say first on the card what test sets share with the training set.  [default: audit]",
)
@click.option(
    "--multi-label/--one-label",
    default=None,
    help="A sequence may have several classes, written Nucleus|Cytosol.  [default: one-label]",
)
@_splitting.split_options
@click.option(
    "--calibration",
    help="How scores become probabilities: logistic, temperature, platt, isotonic, beta, dirichlet or none.  "
    "[default: logistic]",
)
@click.option("--seed", type=int, help="Seed of all splits and fits.  [default: 42]")
@click.option("--overwrite", is_flag=True, help="Replace the model folder if it exists.")
@click.option("--quiet", "-q", is_flag=True, help="No progress; the card only.")
def train(config: Path | None, *, output: Path, overwrite: bool, quiet: bool, **options: Any) -> None:
    """Train, calibrate and measure a model, and write its folder.

    CONFIG is a YAML file; options on the command line win over it. Without one, --task is needed. The
    folder holds the model, its card, the resolved configuration and all figures, and serves at once
    as `sortilin predict --model FOLDER`. A network keeps checkpoints and curves in FOLDER.training, so
    that the same command goes on after an interruption. Networks learn on several GPUs, or nodes, below
    `accelerate launch -m`. Needs `pip install 'sortilin[train]'`.
    """
    from sortilin.experiment import run
    from sortilin.experiment.run_together import together

    def work() -> str:
        resolved = _resolved(config, options)
        with _console.progress(quiet=quiet) as on_progress:
            return run(resolved, output, overwrite=overwrite, on_progress=on_progress)[0].card

    done = together(work)
    if done is None:  # a process that only trained along
        return
    card, shared = done
    click.echo(card)
    if not quiet:
        if shared:
            _console.note(shared)
        _console.note(f"wrote {output}; next: sortilin predict FILE --model {output}")


def _resolved(config: Path | None, options: dict[str, Any]) -> ExperimentConfig:
    """Defaults < file < command line."""
    from sortilin import registry
    from sortilin.component import Component
    from sortilin.errors import ConfigError
    from sortilin.experiment import presets
    from sortilin.experiment.config import DEFAULT_SEED, default_features, read_config, validated
    from sortilin.interfaces import FEATURES

    given = {key: value for key, value in options.items() if value not in (None, ())}
    for name in ("features", "classifier"):
        if name in given:
            given[name] = {"name": given[name]}
    if "model" in given and ("classifier" in given or config is not None):
        raise ConfigError("--model names features and classifier; leave out --classifier and CONFIG with it")
    if split := _splitting.take(given):
        given["split"] = split
    _take_vectors(given, is_whole=config is None and "model" not in given)
    if config is not None:
        return read_config(config, **given)
    if "task" not in given:
        raise ConfigError("what to train: give a configuration file, or --task with its options")
    model = presets.get(given.pop("model", "boosting"), given["task"])
    classifier = given.get("classifier", model.classifier.model_dump())
    defaults: dict[str, Any] = {"classifier": classifier, "seed": DEFAULT_SEED}
    if registry.get("classifier", classifier["name"]).takes == FEATURES:
        features = model.features or Component(name=default_features(given["task"]))
        defaults["features"] = features.model_dump()
    return validated({**defaults, **given}, "command line")


def _take_vectors(given: dict[str, Any], *, is_whole: bool) -> None:
    """Put files of vectors where the configuration has them; without any other word, a head is trained."""
    from sortilin.errors import ConfigError

    files = {key: given.pop(key) for key in ("vectors", "table") if key in given}
    if not files:
        return
    if "vectors" not in files:
        raise ConfigError("--table names the sequences of --vectors; give these too, or leave it out")
    given["features"] = {**given.get("features", {"name": "precomputed"}), "options": files}
    if is_whole:
        given.setdefault("classifier", {"name": "head"})
