"""What a card says of the model against its shortcuts."""

from __future__ import annotations

from sortilin.evaluation import intervals
from sortilin.evaluation.comparison import Compared, Disagreement
from sortilin.experiment.against import Against
from sortilin.experiment.markdown import TITLES, between, p_value, table


def section(found: Against, n_folds: int) -> list[str]:
    """A sentence and a table; empty where there are no shortcuts.

    Args:
        found: The comparisons.
        n_folds: Of the cross-validation.
    """
    if not found.differences:
        return []
    first = found.differences[0]
    level, metric = f"{intervals.LEVEL:.0%}", TITLES[first.metric]
    how = (
        f"{first.first} less each shortcut in {metric}, on the same held-out sequences (n = {first.n}; "
        f"paired bootstrap) and over the same {n_folds} folds (t-test corrected for overlapping training "
        f"sets, Nadeau & Bengio 2003), with {level} intervals; right by the one alone and the other alone, "
        "with McNemar's mid-p. p-values are corrected over the shortcuts (Holm):"
    )
    rows = zip(found.differences, found.folds, found.disagreements, strict=True)
    header = ["shortcut", "difference", "p", "mean difference of folds", "p", "right alone", "p"]
    return [how, table(header, [_row(*row) for row in rows])]


def _row(drawn: Compared, folds: Compared, counted: Disagreement) -> list[str]:
    return [
        drawn.second,
        _signed(drawn),
        p_value(drawn.adjusted),
        _signed(folds),
        p_value(folds.adjusted),
        f"{counted.first_only} and {counted.second_only}",
        p_value(counted.adjusted),
    ]


def _signed(one: Compared) -> str:
    return f"{one.difference:+.3f} ({between((one.low, one.high))})"
