"""`sortilin motifs`."""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sortilin.cli import _console

if TYPE_CHECKING:
    from sortilin.cli._sequence_sets import TwoSets
    from sortilin.interfaces import OnProgress
    from sortilin.motifs import Agreement, Motif, MotifConfig
    from sortilin.motifs.folder import Run


@click.command(
    epilog="""\b
Examples:
  sortilin motifs anticancer.fasta --control other.fasta -o motifs
  sortilin motifs acp:train --label anticancer -o motifs
  sortilin motifs peptides.csv --label toxic --max-width 8 --motifs 10 -o motifs
  sortilin motifs acp:train --label anticancer --control shuffled -o motifs
  sortilin motifs acp:train --label anticancer --attention runs/lstm -o motifs
"""
)
@click.argument("positive")
@click.option("--output", "-o", required=True, type=click.Path(path_type=Path), help="Folder of the results.")
@click.option("--control", "-c", help="File or dataset to compare with, or shuffled.")
@click.option("--label", help="The class that is positive; the rest of POSITIVE is the control.")
@click.option("--labels", default="auto", show_default=True, help="Where labels stand in files.")
@click.option(
    "--method",
    type=click.Choice(["auto", "streme", "builtin"]),
    default="auto",
    show_default=True,
    help="STREME where it is installed, always, or never.",
)
@click.option("--motifs", "n_motifs", type=int, default=5, show_default=True, help="Motifs wanted at most.")
@click.option("--min-width", type=int, default=3, show_default=True, help="Narrowest motif, in residues.")
@click.option("--max-width", type=int, default=15, show_default=True, help="Widest motif, at most 30.")
@click.option(
    "--p-threshold", type=float, default=0.05, show_default=True, help="Largest E-value of a significant one."
)
@click.option(
    "--holdout", type=float, default=0.2, show_default=True, help="Share kept back for the p-values."
)
@click.option(
    "--patience", type=int, default=3, show_default=True, help="End after so many in a row without success."
)
@click.option(
    "--max-sequences", type=int, default=5000, show_default=True, help="Larger sets are drawn down to this."
)
@click.option(
    "--shuffle-kmer",
    type=click.IntRange(1, 2),
    default=1,
    show_default=True,
    help="Without a control: shuffling keeps residues (1) or pairs of neighbours (2).",
)
@click.option("--attention", "model", help="A model whose attention is compared with the sites.")
@click.option(
    "--permutations",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Behind each p-value of --attention.",
)
@click.option("--no-logos", is_flag=True, help="Draw no logos; needs no extra packages.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=42,
    show_default=True,
    help="Seed of split, shuffles, permutations.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Stop at a faulty record, or leave it out and count it.",
)
@click.option("--json", "as_json", is_flag=True, help="All figures as JSON instead of the table.")
@click.option("--quiet", "-q", is_flag=True, help="No progress and no notes; the table only.")
def motifs(
    positive: str,
    *,
    output: Path,
    model: str | None,
    no_logos: bool,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Find motifs that stand in POSITIVE more often than in a control.

    The control is that of --control, else what of POSITIVE is of another class than --label, else shuffled
    positives.

    POSITIVE is a file (FASTA, CSV or TSV) or a dataset (name or name:split). The folder holds motifs.tsv,
    motifs.meme, sites.tsv, motifs.json, logos as PNG and SVG, and report.html. Logos need
    `pip install 'sortilin[figures]'`.
    """
    from sortilin import files
    from sortilin.cli import _sequence_sets
    from sortilin.motifs import folder, logos

    seed, n_permutations = options.pop("seed"), options.pop("permutations")
    sources = [positive, options.pop("control"), options.pop("label")]
    reading = {name: options.pop(name) for name in ("labels", "on_error")}
    config = _config(options)
    if not no_logos:
        logos.require()
    files.claim(output)
    with _console.progress(quiet=quiet) as tell:
        sets = _sequence_sets.read(*sources, **reading, on_progress=tell)
        run = _searched(sets, config, seed, model, n_permutations, tell)
        results = folder.write(run, output, with_logos=not no_logos)
    click.echo(json.dumps(results, indent=1, allow_nan=False) if as_json else _table(run))
    if not quiet:
        for warning in (*sets.warnings, *run.discovery.warnings):
            _console.warn(warning)
        _console.note(f"report: {output / 'report.html'}")


def _config(options: dict[str, Any]) -> MotifConfig:
    from pydantic import ValidationError

    from sortilin.component import explain
    from sortilin.errors import ConfigError
    from sortilin.motifs import MotifConfig

    try:
        return MotifConfig(**options)
    except ValidationError as error:
        raise ConfigError(explain(error)) from None


def _searched(
    sets: TwoSets, config: MotifConfig, seed: int, model: str | None, n_permutations: int, tell: OnProgress
) -> Run:
    """Motifs, and their agreement with a model's attention, which is asked for first: it may have none."""
    from sortilin.motifs import search
    from sortilin.motifs.folder import Run
    from sortilin.predictor import load

    positives = [record.sequence for record in sets.positives]
    controls = [record.sequence for record in sets.controls]
    loaded = None if model is None else load(model, threads=None)
    weights = [] if loaded is None else loaded.attention(positives)
    found = search(positives, controls, config, seed=seed, on_progress=tell)
    named = sets.named_controls or f"shuffled {sets.named_positives}"
    run = Run(found, sets.positives, sets.named_positives, named, config, seed, _command())
    if loaded is None:
        return run
    return replace(
        run,
        model=model,
        n_permutations=n_permutations,
        n_trained_on=int(loaded.was_trained_on(positives).sum()),
        agreements=_agreements(found.motifs, weights, positives, seed, n_permutations),
    )


def _agreements(
    found: Sequence[Motif], weights: Sequence[Any], positives: Sequence[str], seed: int, n_permutations: int
) -> dict[str, Agreement]:
    """By name of the motif; without those of whose sites the model looked at none."""
    from sortilin.errors import InputError
    from sortilin.motifs import agreement

    compared = {}
    for motif in found:
        try:
            compared[motif.name] = agreement(
                weights, motif.mask(positives), seed=seed, n_permutations=n_permutations
            )
        except InputError as reason:
            _console.warn(f"{motif.name}: attention cannot be compared: {reason}")
    return compared


def _command() -> str:
    return shlex.join(["sortilin", *sys.argv[1:]])


def _table(run: Run) -> str:
    """The motifs for a terminal, the smallest p-value first."""
    from sortilin.motifs.tables import held

    found = run.discovery
    if not found.motifs:
        best = min((m.p_value for m in found.rejected if not math.isnan(m.p_value)), default=None)
        closest = "" if best is None else f"; the smallest p-value is {best:.2g}"
        return f"no significant motif: {len(found.rejected)} tried{closest}"
    has_held_out = any(motif.held_out is not None for motif in found.motifs)
    header = ["motif", "p-value", "E-value", *["held out"] * has_held_out, "all sequences", "pattern"]
    header[-1:-1] = ["attention", "by chance", "p"] if run.agreements else []
    rows = [header]
    for motif in found.motifs:
        row = [motif.name, f"{motif.p_value:.2g}", f"{motif.e_value:.2g}"]
        row += [held(motif.held_out) if motif.held_out else ""] if has_held_out else []
        row += [held(motif.counts), *(_attention(run.agreements.get(motif.name)) if run.agreements else [])]
        rows.append([*row, motif.pattern])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _attention(found: Agreement | None) -> list[str]:
    if found is None:
        return ["", "", ""]
    by_chance = f"{round(found.null_mean, 3) + 0.0:.3f} ± {found.null_sd:.3f}"  # without a sign at zero
    return [f"{found.statistic:+.3f}", by_chance, f"{found.p_value:.2g}"]
