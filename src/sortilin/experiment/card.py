"""The card of a model folder: for whom, from what, how good, and where it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sortilin import registry
from sortilin.evaluation import intervals
from sortilin.evaluation.bounded import HOW
from sortilin.evaluation.metrics import ECE_BINS
from sortilin.experiment import (
    card_against,
    card_audit,
    card_bands,
    card_features,
    card_members,
    card_questions,
    card_splits,
    card_trust,
    silence,
)
from sortilin.experiment.markdown import TITLES, cell, table
from sortilin.experiment.trust import ASIDE
from sortilin.results import Evaluation
from sortilin.sequences.record import counted

if TYPE_CHECKING:
    from sortilin.experiment.bands import Interval
    from sortilin.experiment.data import LabelledSet
    from sortilin.experiment.grouped import Grouped
    from sortilin.experiment.held_out import HeldOut
    from sortilin.experiment.outcome import Outcome, Row
    from sortilin.experiment.validate import CrossValidation

_INTENDED_USE = (
    "Research: to rank and sort sequences, and to choose what to test at the bench. "
    "Not for clinical decisions."
)

__all__ = ["TITLES", "confusion_table", "headline", "per_class_table", "render", "table", "test_table"]

MOST_NAMED = 5
"""So many organisms of the training data are named, the most frequent ones."""

HEADLINE = ("macro_f1", "accuracy", "roc_auc", "precision", "recall", "mcc", "ece")
BINARY_HEADLINE = ("mcc", "accuracy", "sensitivity", "specificity", "roc_auc", "macro_f1", "ece")


def headline(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of the metrics that a table shows first."""
    return BINARY_HEADLINE if len(classes) == 2 else HEADLINE


def render(
    outcome: Outcome, found: HeldOut, described: Mapping[str, Any], *, picture: str | None = None
) -> str:
    """The card as Markdown.

    Args:
        outcome: What the experiment found.
        found: How sure its held-out figures are.
        described: The content of `model.json`.
        picture: File name of the reliability diagram beside the card; None if there is none.
    """
    task = registry.get("task", outcome.config.task)
    parts = [
        f"# {outcome.config.task}: {outcome.rows[0].model}",
        f"{task.title}. Classes: {', '.join(outcome.data.classes)}.",
        *card_audit.section(outcome, headline(outcome.data.classes)[0]),
        "## Intended use",
        _INTENDED_USE,
        *_not_for(getattr(task, "not_for", ())),
        "## Limits",
        _limits(outcome, task.limits, described),
        "## Training data",
        _data(outcome),
        *card_features.section(described),
        *card_splits.section(outcome),
        "## Measured",
        _measured(outcome, found, described),
        *card_questions.section(outcome, BINARY_HEADLINE),
        "## Far from the training data",
        card_bands.far(found.by_identity, _tool(outcome), outcome.data.classes),
        "## Short and long sequences",
        card_bands.lengths(found.by_length, outcome.data.classes, of=card_splits.named(outcome.config)),
        "## Calibration",
        _calibration(outcome, found, picture),
        *card_trust.sections(found.trust, picture and silence.PICTURE),
        "## How it was made",
        _made(outcome, described),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _not_for(uses: Sequence[str]) -> list[str]:
    """A section of its own, where the task has something to say."""
    return ["## What it must not be used for", "\n".join(f"- {use}" for use in uses)] if uses else []


def _tool(outcome: Outcome) -> str | None:
    return None if outcome.grouped is None else outcome.grouped.groups.tool


def _limits(outcome: Outcome, limits: Sequence[str], described: Mapping[str, Any]) -> str:
    lengths = [len(s) for s in outcome.data.sequences]
    lines = [*limits]
    lines.append(
        f"Trained on lengths {min(lengths)} to {max(lengths)}; others are predicted and flagged "
        "`shorter_than_trained` or `longer_than_trained`."
    )
    lines.append(
        "Trained on the organisms named below: for others nothing is measured."
        if outcome.data.organism_counts
        else "Of which organisms the training sequences are is not known: their source names none."
    )
    policy = described.get("tokens") or described.get("residues")
    if policy and policy["max_residues"] is not None:
        lines.append(
            f"Reads {policy['max_residues']:,} residues at most: of a longer sequence the first "
            f"{policy['max_residues'] - policy['keep_last']:,} and the last {policy['keep_last']:,}."
        )
    if (split := card_splits.limit(outcome.config)) is not None:
        lines.append(split)
    elif outcome.grouped is None:
        lines.append("The folds below are stratified by class, not by homology: expect less on new families.")
    else:
        lines.append(
            "All folds but those grouped by homology are stratified by class alone: for new families, read "
            "the row of the grouped ones."
        )
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
    lines += _left_out(outcome)
    lines += _organisms(labelled)
    if labelled.citation:
        lines.append(f"Cite: {labelled.citation}")
    return " ".join(lines)


def _left_out(outcome: Outcome) -> list[str]:
    found, asked, lines = outcome.left_out, outcome.config.leave_out_copies, []
    if found.n_contradictions:
        lines.append(
            "Sequences that were left out because two datasets contradict each other: "
            f"{found.n_contradictions}."
        )
    if found.n_copies is not None and asked is not None:
        lines.append(
            f"Rows{' of ' + ', '.join(asked.of) if asked.of else ''} that were left out because a test set "
            f"holds them or a near copy (at least {asked.identity * 100:.0f} % of the shorter one's "
            f"residues): {found.n_copies}."
        )
    return lines


def _organisms(labelled: LabelledSet) -> list[str]:
    counts = labelled.organism_counts
    if not counts:
        return []
    most = ", ".join(f"{name} {n}" for name, n in list(counts.items())[:MOST_NAMED])
    return [
        f"Headers name {counted(len(counts), 'organism')} for {sum(counts.values())} of them"
        + (f", most often {most}." if len(counts) > MOST_NAMED else f": {most}.")
    ]


def _measured(outcome: Outcome, found: HeldOut, described: Mapping[str, Any]) -> str:
    rows, names = outcome.rows, headline(outcome.data.classes)
    pooled = rows[0].cross_validation.pooled
    parts = [
        _how(outcome, described),
        table(["model", *_titles(names)], [_row_cells(row, names) for row in rows]),
    ]
    if outcome.grouped is not None:
        parts += _grouped(outcome.grouped, rows[0].cross_validation, names)
    parts += card_against.section(found.against, outcome.config.folds)
    parts += _hold_out(outcome, names)
    parts += [
        f"All held-out folds together (n = {pooled.n}), with {_level()} intervals ({HOW}):",
        _interval_table(pooled, found, names),
        f"Per class, all held-out folds together, with {_level()} intervals:",
        per_class_table(pooled, found.per_class),
        "Confusion of the held-out folds (row = true, column = predicted):",
        confusion_table(pooled),
    ]
    if outcome.tests:
        parts += [
            f"Test sets, scored once with the final model, with {_level()} intervals ({HOW}):",
            test_table(outcome, names),
        ]
    return "\n\n".join(parts)


def _how(outcome: Outcome, described: Mapping[str, Any]) -> str:
    config = outcome.config
    is_aside = described["calibration"]["fitted_on"] == ASIDE
    return (
        f"{card_splits.folds(config)} (seed {config.seed}), mean ± standard deviation "
        f"over folds, n = {len(outcome.data)}; any search runs inside the training folds, and each fold is "
        f"calibrated on {'rows that its network set aside' if is_aside else 'the others'}:"
    )


def _grouped(grouped: Grouped, stratified: CrossValidation, names: Sequence[str]) -> list[str]:
    groups = grouped.groups
    how = (
        "The model on as many folds grouped by homology, which is what to expect on new families "
        f"(n = {len(grouped.cross_validation.fold)}, mean ± standard deviation over folds). "
        f"{groups.tool} left {groups.n:,} groups, the largest of {groups.largest:,} sequences; no group "
        "stands in two folds:"
    )
    return [
        how,
        table(
            ["folds", *_titles(names)],
            [
                ["stratified", *_fold_cells(stratified, names)],
                ["grouped by homology", *_fold_cells(grouped.cross_validation, names)],
            ],
        ),
    ]


def _hold_out(outcome: Outcome, names: Sequence[str]) -> list[str]:
    held = [row for row in outcome.rows if row.holdout]
    if not held:
        return []
    evaluation = held[0].holdout
    assert evaluation is not None
    seed, what = outcome.config.seed, card_splits.hold_out(outcome.config)
    return [
        f"One {what} (seed {seed}, n = {evaluation.n}; {_level()} intervals):",
        table(["model", *_titles(names)], [[r.model, *_cells(r.holdout, names)] for r in held]),
    ]


def _calibration(outcome: Outcome, found: HeldOut, picture: str | None) -> str:
    """Probabilities before and after, on the same held-out folds."""
    compared = [("before", found.before), ("after", found.after)]
    rows = [
        [
            name,
            cell(values.ece, values.ece_interval),
            cell(values.brier, values.brier_interval),
            cell(values.log_loss, values.log_loss_interval),
        ]
        for name, values in compared
        if values is not None
    ]
    how = (
        f"Probabilities of all held-out folds (n = {len(outcome.data)}), before calibration (the softmax of "
        f"the scores, or of one score the sigmoid) and after, with {_level()} bootstrap intervals. ECE is "
        f"over {ECE_BINS} bins of the predicted class's probability. Less is better in all three:"
    )
    parts = [
        how,
        table(["calibration", "ECE", "Brier score", "log loss"], rows),
    ]
    if found.before is None:
        name = outcome.config.classifier.name
        parts.append(
            f"The scores of `{name}` compare classes in pairs; only calibration makes probabilities of them."
        )
    if picture is not None:
        parts.append(f"![Share of right predictions over their probability, before and after]({picture})")
    return "\n\n".join(parts)


def _level() -> str:
    return f"{intervals.LEVEL:.0%}"


def _interval_table(evaluation: Evaluation, found: HeldOut, names: Sequence[str]) -> str:
    rows = [[TITLES[name], cell(evaluation.metrics[name], found.intervals[name])] for name in names]
    return table(["metric", f"value ({_level()} interval)"], rows)


def _titles(names: Sequence[str]) -> list[str]:
    return [TITLES[name] for name in names]


def _row_cells(row: Row, names: Sequence[str]) -> list[str]:
    return [row.model, *_fold_cells(row.cross_validation, names)]


def _fold_cells(folds: CrossValidation, names: Sequence[str]) -> list[str]:
    return [f"{folds.mean(name):.3f} ± {folds.spread(name):.3f}" for name in names]


def _cells(evaluation: Evaluation | None, names: Sequence[str]) -> list[str]:
    if evaluation is None:
        return [""] * len(names)
    return [cell(evaluation.metrics[name], evaluation.intervals.get(name)) for name in names]


def per_class_table(
    evaluation: Evaluation, intervals_of: Mapping[str, Mapping[str, Interval]] | None = None
) -> str:
    """Precision, recall, F1, ROC-AUC and count of each class; behind a value its interval, if it has one.

    Args:
        evaluation: The figures.
        intervals_of: Class → metric → interval; those of the evaluation where they are not given.
    """
    names = ("precision", "recall", "f1", "roc_auc")
    rows, of_classes = [], intervals_of or evaluation.class_intervals
    for name, values in evaluation.per_class.items():
        known = of_classes.get(name, {})
        cells = [cell(values[metric], known.get(metric)) for metric in names]
        rows.append([name, *cells, f"{values['support']:.0f}"])
    return table(["class", *_titles(names), "n"], rows)


def confusion_table(evaluation: Evaluation) -> str:
    """Counts; row = true class, column = predicted class."""
    rows = [
        [name, *map(str, counts)]
        for name, counts in zip(evaluation.classes, evaluation.confusion, strict=True)
    ]
    return table(["true", *evaluation.classes], rows)


def test_table(outcome: Outcome, names: Sequence[str]) -> str:
    """Each test set whole, and without the sequences that the model was trained on; with intervals."""
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


def _made(outcome: Outcome, described: Mapping[str, Any]) -> str:
    chosen = _options(outcome.chosen)
    parts = [
        _took(outcome),
        card_members.sentence(described),
        f"Chosen inside the training data: {chosen}." if chosen else "",
        (
            f"Probabilities are calibrated ({described['calibration']['method']}) on "
            f"{described['calibration']['fitted_on']}."
        ),
        "All figures stand in `metrics.json`.",
    ]
    return " ".join(part for part in parts if part)


def _took(outcome: Outcome) -> str:
    """The command and its time, which is not that of the whole where an earlier start had measured folds."""
    measured = [row.cross_validation for row in outcome.rows]
    measured += [] if outcome.grouped is None else [outcome.grouped.cross_validation]
    n_kept = sum(folds.n_kept for folds in measured)
    behind = f", behind {counted(n_kept, 'fold')} that an earlier start had measured" if n_kept else ""
    took = f"in {outcome.seconds:.0f} s{behind}"
    return f"`sortilin train config.yaml` with the `config.yaml` beside this card, {took}."


def _options(options: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in options.items()
    )
