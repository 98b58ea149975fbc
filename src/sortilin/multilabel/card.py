"""The card of a model of several classes a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sortilin import registry
from sortilin.evaluation import multilabel
from sortilin.evaluation.multilabel import Intervals, MultiLabelEvaluation
from sortilin.experiment import card_features
from sortilin.experiment.markdown import between, cell, table
from sortilin.multilabel.outcome import Measured, Outcome, Scored
from sortilin.summary import limits_of

TITLES: Mapping[str, str] = {
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "jaccard": "Jaccard",
    "exact_match": "exact match",
    "hamming_loss": "Hamming loss",
    "macro_mcc": "macro MCC",
    "roc_auc": "ROC-AUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "mcc": "MCC",
}

_INTENDED_USE = (
    "Research: to rank and sort sequences, and to choose what to test at the bench. "
    "Not for clinical decisions."
)
_MOST_LABELS = 12
_MOST_ORGANISMS = 5


def render(outcome: Outcome, described: Mapping[str, Any]) -> str:
    """The card as Markdown.

    Args:
        outcome: What the experiment found.
        described: The content of `model.json`.
    """
    task = registry.get("task", outcome.config.task)
    uses = getattr(task, "not_for", ())
    parts = [
        f"# {outcome.config.task}: {outcome.rows[0].model}",
        f"{task.title}. A sequence may have several classes. Classes: {', '.join(outcome.data.classes)}.",
        "## Intended use",
        _INTENDED_USE,
        *(["## What it must not be used for", "\n".join(f"- {use}" for use in uses)] if uses else []),
        "## Limits",
        _limits(outcome),
        "## Training data",
        _data(outcome),
        *card_features.section(described),
        "## How it decides",
        _decides(outcome),
        "## Measured",
        _measured(outcome),
        "## How it was made",
        _made(outcome),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _limits(outcome: Outcome) -> str:
    lengths = [len(s) for s in outcome.data.sequences]
    lines = [
        *limits_of(outcome.config.task, several=True),
        "A class that nobody looked for in a protein counts as absent: what is called wrong may be unknown.",
        (
            f"Trained on lengths {min(lengths)} to {max(lengths)}; others are predicted and flagged "
            "`shorter_than_trained` or `longer_than_trained`."
        ),
        "The folds below are stratified by class, not by homology: expect less on new families."
        if outcome.grouped is None and outcome.parted.groups is None
        else "Folds split no cluster of homologues: figures are those of new families."
        if outcome.grouped is None
        else "For new families, read the row of the folds grouped by homology.",
    ]
    if outcome.tests:
        lines.append(
            "Test sets were not audited: `sortilin audit` says what they share with the training set."
        )
    return "\n".join(f"- {line}" for line in lines)


def _data(outcome: Outcome) -> str:
    labelled = outcome.data
    counts = ", ".join(f"{name} {n}" for name, n in labelled.class_counts.items())
    lines = [
        (
            f"`{labelled.name}`: {len(labelled)} sequences ({counts}), {labelled.n_several} of them with "
            f"several classes. SHA-256 `{labelled.fingerprint}`."
        )
    ]
    if outcome.n_repeats:
        lines.append(
            f"Repeats of a sequence that were left out: {outcome.n_repeats}; sequences that have the classes "
            f"of several rows: {outcome.n_joined}."
        )
    if outcome.n_copies is not None:
        lines.append(f"Rows left out because a test set holds them or a near copy: {outcome.n_copies}.")
    organisms = list(labelled.organism_counts.items())
    if organisms:
        most = ", ".join(f"{name} {n}" for name, n in organisms[:_MOST_ORGANISMS])
        lines.append(f"Headers name {len(organisms)} organisms, most often {most}.")
    if labelled.citation:
        lines.append(f"Cite: {labelled.citation}")
    named = list(labelled.label_counts.items())
    rows = [[label, str(n), f"{n / len(labelled):.1%}"] for label, n in named[:_MOST_LABELS]]
    if len(named) > _MOST_LABELS:
        n = sum(count for _, count in named[_MOST_LABELS:])
        rows.append([f"{len(named) - _MOST_LABELS} others", str(n), f"{n / len(labelled):.1%}"])
    return f"{' '.join(lines)}\n\n{table(['label', 'n', 'share'], rows)}"


def _decides(outcome: Outcome) -> str:
    decider = outcome.decider
    how = (
        "Each class has a probability of its own, a logistic regression of its score on held-out folds "
        "(Platt scaling); they need not sum to 1. A class is predicted from its threshold on; where none "
        "reaches its own, the most probable class is. Thresholds have the largest MCC on held-out folds: "
        "here those of all folds, and below, in each fold, those of the other folds."
    )
    folds = [its.thresholds for its in outcome.rows[0].measured.deciders]
    rows = [
        [
            name,
            f"{decider.thresholds[c]:.3f}",
            f"{min(f[c] for f in folds):.3f} to {max(f[c] for f in folds):.3f}",
        ]
        for c, name in enumerate(outcome.data.classes)
    ]
    return f"{how}\n\n{table(['class', 'threshold', 'in the folds'], rows)}"


def _measured(outcome: Outcome) -> str:
    config, first, names = outcome.config, outcome.rows[0].measured, multilabel.METRICS
    parts = [
        (
            f"{config.folds}-fold cross-validation, {_how(outcome)} (seed {config.seed}), "
            f"mean ± standard deviation over folds, n = {len(outcome.data)}; calibration and thresholds of a "
            "fold are those of the others. Less is better in Hamming loss alone:"
        ),
        table(
            ["model", *_titles(names)],
            [[row.model, *_fold_cells(row.measured, names)] for row in outcome.rows],
        ),
    ]
    parts += _balance(outcome)
    if outcome.grouped is not None:
        parts += _grouped(outcome)
    held = [row for row in outcome.rows if row.holdout is not None]
    if held:
        assert held[0].holdout is not None
        parts += [
            (
                f"One such hold-out of {config.holdout:.0%} (seed {config.seed}, n = "
                f"{held[0].holdout.evaluation.n}), with {_level()} intervals:"
            ),
            set_table([(row.model, row.holdout) for row in held if row.holdout is not None], "model"),
        ]
    parts += [
        (
            f"All held-out folds together (n = {first.pooled.n}), with {_level()} intervals (Wilson's for "
            "exact match, precision and recall, bootstrap over sequences for the others):"
        ),
        table(
            ["metric", "value", f"{_level()} interval"],
            [
                [TITLES[name], f"{first.pooled.metrics[name]:.3f}", between(first.intervals.metrics[name])]
                for name in names
            ],
        ),
        "Per class, all held-out folds together:",
        per_class_table(first.pooled, first.intervals),
    ]
    if outcome.tests:
        parts += [
            f"Test sets, scored once with the final model, with {_level()} intervals:",
            set_table([(f"{test.name}, {test.part}", test) for test in outcome.tests], "test set"),
        ]
    return "\n\n".join(parts)


def _how(outcome: Outcome) -> str:
    if outcome.parted.groups is None:
        return "iteratively stratified by class"
    return (
        f"{len(np.unique(outcome.parted.groups)):,} clusters of homologues dealt out whole "
        f"({outcome.parted.tool}) and classes balanced as far as they allow"
    )


def _balance(outcome: Outcome) -> list[str]:
    """Sequences of each class in each fold, where whole clusters were dealt out."""
    if outcome.parted.groups is None:
        return []
    fold, y = outcome.rows[0].measured.fold, outcome.data.y
    rows = [
        [str(number + 1), str(int((fold == number).sum())), *map(str, y[fold == number].sum(axis=0))]
        for number in range(outcome.config.folds)
    ]
    return ["Sequences of each class in the folds:", table(["fold", "n", *outcome.data.classes], rows)]


def _grouped(outcome: Outcome) -> list[str]:
    assert outcome.grouped is not None
    groups, names = outcome.grouped.groups, multilabel.METRICS
    return [
        (
            "The model on as many folds grouped by homology, which is what to expect on new families. "
            f"{groups.tool} left {groups.n:,} groups, the largest of {groups.largest:,} sequences; no group "
            "stands in two folds:"
        ),
        table(
            ["folds", *_titles(names)],
            [
                ["stratified", *_fold_cells(outcome.rows[0].measured, names)],
                ["grouped by homology", *_fold_cells(outcome.grouped.measured, names)],
            ],
        ),
    ]


def set_table(sets: Sequence[tuple[str, Scored]], what: str) -> str:
    """One row a scored set, with intervals; `what` stands above their names."""
    names = multilabel.METRICS
    return table(
        [what, "n", *_titles(names)],
        [
            [
                name,
                str(found.evaluation.n),
                *(cell(found.evaluation.metrics[m], found.intervals.metrics[m]) for m in names),
            ]
            for name, found in sets
        ],
    )


def per_class_table(evaluation: MultiLabelEvaluation, intervals: Intervals) -> str:
    """Metrics of each class against the rest, with intervals, and how often it is there and predicted."""
    rows = [
        [
            name,
            *(cell(values[metric], intervals.per_class[name][metric]) for metric in multilabel.PER_CLASS),
            f"{values['support']:.0f}",
            f"{values['called']:.0f}",
        ]
        for name, values in evaluation.per_class.items()
    ]
    return table(["class", *_titles(multilabel.PER_CLASS), "n", "predicted"], rows)


def _fold_cells(found: Measured, names: Sequence[str]) -> list[str]:
    return [f"{found.mean(name):.3f} ± {found.spread(name):.3f}" for name in names]


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES[name] for name in names]


def _level() -> str:
    return f"{multilabel.LEVEL:.0%}"


def _made(outcome: Outcome) -> str:
    chosen = ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in outcome.chosen.items()
    )
    parts = [
        f"`sortilin train config.yaml` with the `config.yaml` beside this card, in {outcome.seconds:.0f} s.",
        f"Chosen inside the training data: {chosen}." if chosen else "",
        "All figures stand in `metrics.json`.",
    ]
    return " ".join(part for part in parts if part)
