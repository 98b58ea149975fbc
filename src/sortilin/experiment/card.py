"""The card of a model folder: for whom, from what, how good, and where it ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sortilin import registry
from sortilin.results import Evaluation

if TYPE_CHECKING:
    from sortilin.experiment.run import Outcome, Row

_INTENDED_USE = (
    "Research: to rank and sort sequences, and to choose what to test at the bench. "
    "Not for clinical decisions."
)

HEADLINE = ("macro_f1", "accuracy", "roc_auc", "precision", "recall", "mcc", "ece")
BINARY_HEADLINE = ("mcc", "accuracy", "sensitivity", "specificity", "roc_auc", "macro_f1", "ece")

TITLES = {
    "macro_f1": "macro-F1",
    "accuracy": "accuracy",
    "roc_auc": "ROC-AUC",
    "precision": "precision",
    "recall": "recall",
    "mcc": "MCC",
    "ece": "ECE",
    "sensitivity": "SN",
    "specificity": "SP",
    "f1": "F1",
    "support": "n",
}


def headline(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the metrics that a table shows first."""
    return BINARY_HEADLINE if len(classes) == 2 else HEADLINE


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    escaped = ([cell.replace("|", "\\|") for cell in cells] for cells in lines)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in escaped)


def render(outcome: Outcome) -> str:
    """The card as Markdown."""
    task = registry.get("task", outcome.config.task)
    parts = [
        f"# {outcome.config.task}: {outcome.rows[0].model}",
        f"{task.title}. Classes: {', '.join(outcome.data.classes)}.",
        "## Intended use",
        _INTENDED_USE,
        "## Limits",
        _limits(outcome, task.limits),
        "## Training data",
        _data(outcome),
        "## Measured",
        _measured(outcome),
        "## How it was made",
        _made(outcome),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _limits(outcome: Outcome, limits: Sequence[str]) -> str:
    lengths = [len(s) for s in outcome.data.sequences]
    lines = [*limits]
    lines.append(
        f"Trained on lengths {min(lengths)} to {max(lengths)}; others are predicted and flagged "
        "`shorter_than_trained` or `longer_than_trained`."
    )
    if _is_network(outcome):
        policy = outcome.config.classifier.build("classifier").config.length_policy
        if policy.max_residues is not None:
            lines.append(
                f"Reads {policy.max_residues:,} residues at most: of a longer sequence the first "
                f"{policy.max_residues - policy.keep_last:,} and the last {policy.keep_last:,}."
            )
    lines.append("The folds below are stratified by class, not by homology: expect less on new families.")
    return "\n".join(f"- {line}" for line in lines)


def _data(outcome: Outcome) -> str:
    labelled = outcome.data
    counts = ", ".join(f"{name} {n}" for name, n in labelled.class_counts.items())
    lines = [
        f"`{labelled.name}`: {len(labelled)} sequences ({counts}).",
        f"SHA-256 `{labelled.fingerprint}`.",
    ]
    if outcome.n_repeats:
        lines.append(f"Repeats of a sequence that were left out: {outcome.n_repeats}.")
    if labelled.citation:
        lines.append(f"Cite: {labelled.citation}")
    return " ".join(lines)


def _measured(outcome: Outcome) -> str:
    config, rows = outcome.config, outcome.rows
    names = headline(outcome.data.classes)
    how = (
        f"{config.folds}-fold stratified cross-validation (seed {config.seed}), mean ± standard deviation "
        f"over folds, n = {len(outcome.data)}; any search runs inside the training folds, and each fold is "
        f"calibrated on {'rows that its network set aside' if _is_network(outcome) else 'the others'}:"
    )
    parts = [
        how,
        table(["model", *_titles(names)], [_fold_cells(row, names) for row in rows]),
    ]
    held = [row for row in rows if row.holdout]
    if held:
        evaluation = held[0].holdout
        assert evaluation is not None
        parts += [
            f"One stratified hold-out of {config.holdout:.0%} (seed {config.seed}, n = {evaluation.n}):",
            table(["model", *_titles(names)], [[r.model, *_cells(r.holdout, names)] for r in held]),
        ]
    parts += [
        "Per class, all held-out folds together:",
        per_class_table(rows[0].cross_validation.pooled),
        "Confusion of the held-out folds (row = true, column = predicted):",
        confusion_table(rows[0].cross_validation.pooled),
    ]
    if outcome.tests:
        parts += ["Test sets, scored once with the final model:", test_table(outcome, names)]
    return "\n\n".join(parts)


def _is_network(outcome: Outcome) -> bool:
    return outcome.config.features is None


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES[name] for name in names]


def _fold_cells(row: Row, names: Sequence[str]) -> list[str]:
    folds = row.cross_validation
    return [row.model, *(f"{folds.mean(name):.3f} ± {folds.spread(name):.3f}" for name in names)]


def _cells(evaluation: Evaluation | None, names: Sequence[str]) -> list[str]:
    return [f"{evaluation.metrics[name]:.3f}" if evaluation else "" for name in names]


def per_class_table(evaluation: Evaluation) -> str:
    """Precision, recall, F1, ROC-AUC and count of each class."""
    names = ("precision", "recall", "f1", "roc_auc")
    rows = [
        [name, *(f"{values[metric]:.3f}" for metric in names), f"{values['support']:.0f}"]
        for name, values in evaluation.per_class.items()
    ]
    return table(["class", *_titles(names), "n"], rows)


def confusion_table(evaluation: Evaluation) -> str:
    """Counts; row = true class, column = predicted class."""
    rows = [
        [name, *map(str, counts)]
        for name, counts in zip(evaluation.classes, evaluation.confusion, strict=True)
    ]
    return table(["true", *evaluation.classes], rows)


def test_table(outcome: Outcome, names: Sequence[str]) -> str:
    """Each test set whole, and without the sequences that the model was trained on."""
    rows = [
        [
            test.name,
            test.part,
            str(test.evaluation.n),
            *_cells(test.evaluation, names),
        ]
        for test in outcome.tests
    ]
    return table(["test set", "part", "n", *_titles(names)], rows)


def _made(outcome: Outcome) -> str:
    chosen = _options(outcome.chosen)
    parts = [
        f"`sortilin train config.yaml` with the `config.yaml` beside this card, in {outcome.seconds:.0f} s.",
        f"Chosen inside the training data: {chosen}." if chosen else "",
        "Probabilities are calibrated by logistic regression on "
        + ("rows that the training set aside." if _is_network(outcome) else "held-out scores."),
        "All figures stand in `metrics.json`.",
    ]
    return " ".join(part for part in parts if part)


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in options.items()
    )
