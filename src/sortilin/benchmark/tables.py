"""The paper's tables with ours beside them, and whether the published figures agree with each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sortilin.benchmark.measure import Split, TestSet

FOLDS = "folds"
"""What a published table is on: the cross-validation, or a test set by its name."""

ROUNDING, ROUNDING_OF_FOLDS = 0.002, 0.005
"""Published values have three decimals; an accuracy made of two of them may be off by so much, one that is a
mean over folds by a little more."""


@dataclass(frozen=True, slots=True)
class Ours:
    """What of a benchmark stands beside published tables.

    Attributes:
        split: Its data.
        tests: Its test sets.
        rows: Models that were run.
        not_run: Models that were not.
    """

    split: Split
    tests: Sequence[TestSet]
    rows: Sequence[Mapping[str, Any]]
    not_run: Sequence[Mapping[str, Any]]


def beside(table: Mapping[str, Any], ours: Ours) -> list[dict[str, Any]]:
    """Each published table whose sequences are among ours.

    Returns:
        A record a table: `id`, `title`, `on`, `columns`, `n`, `share` of the positive class, `rows` with the
        published values and, where a model here stands for the row, its name and figures or why it was not
        run, and `notes` on what of the published figures does not agree.
    """
    found = []
    for published in table.get("tables", ()):
        counts = _counts(published["on"], ours)
        if counts is None:
            continue
        share = counts[1] / sum(counts) if len(counts) == 2 else None
        rows = [_row(row, table, published["on"], ours, share) for row in published["rows"]]
        found.append(
            {
                **{key: published[key] for key in ("id", "title", "on")},
                "columns": table["columns"],
                "n": sum(counts),
                "share": share,
                "rows": rows,
                "notes": list(
                    _notes(rows, share, ROUNDING_OF_FOLDS if published["on"] == FOLDS else ROUNDING)
                ),
            }
        )
    return found


def _counts(on: str, ours: Ours) -> list[int] | None:
    """Sequences of each class that a table is on; None for a test set that is not scored here."""
    if on == FOLDS:
        return list(ours.split.whole.class_counts.values())
    test = next((test for test in ours.tests if test.name == on), None)
    return None if test is None else list(test.data.class_counts.values())


def _row(
    row: Mapping[str, Any], table: Mapping[str, Any], on: str, ours: Ours, share: float | None
) -> dict[str, Any]:
    stands_for = row.get("row")
    values = dict(zip(table["columns"], row.get("values") or table["rows"][stands_for], strict=True))
    mine = next((r for r in ours.rows if stands_for and r["published"] == stands_for), None)
    lacking = next((r for r in ours.not_run if stands_for and r["published"] == stands_for), None)
    return {
        "name": row["name"],
        "published": values,
        "stands_for": stands_for,
        "model": mine and mine["name"],
        "ours": mine and _figures(mine, on, table["columns"]),
        "not_run": lacking and {key: lacking[key] for key in ("name", "reason", "command")},
        "accuracies": arithmetic(values, share) if share is not None else None,
    }


def _figures(row: Mapping[str, Any], on: str, columns: Sequence[str]) -> dict[str, Any] | None:
    """Column → value, with the spread over folds, or the interval on a test set; None if not measured so."""
    if on == FOLDS:
        folds = row.get("folds")
        return folds and {c: {"value": folds["mean"][c], "spread": folds["spread"][c]} for c in columns}
    part = (row.get("tests") or {}).get(on, {}).get("whole")
    if not part:
        return None
    metrics, bounds = part["evaluation"]["metrics"], part["intervals"]
    return {c: {"value": metrics[c], "interval": bounds.get(c)} for c in columns}


def arithmetic(values: Mapping[str, float], share: float) -> dict[str, float] | None:
    """The accuracy that a sensitivity and a specificity give, as printed and exchanged.

    Args:
        values: `sensitivity` and `specificity`, 0 to 1.
        share: Of the positives, 0 to 1.
    """
    if "sensitivity" not in values or "specificity" not in values:
        return None
    sn, sp = values["sensitivity"], values["specificity"]
    return {"printed": sn * share + sp * (1 - share), "exchanged": sp * share + sn * (1 - share)}


def are_exchanged(row: Mapping[str, Any]) -> bool:
    """Whether sensitivity and specificity give the accuracy beside them only if they change places."""
    given = row["accuracies"]
    if given is None:
        return False
    off = {how: abs(value - row["published"]["accuracy"]) for how, value in given.items()}
    return bool(off["exchanged"] <= ROUNDING < off["printed"])


def _notes(rows: Sequence[Mapping[str, Any]], share: float | None, tolerance: float) -> Iterator[str]:
    positives = "" if share is None else f"{100 * share:.0f} % positives"
    for row in rows:
        given = row["accuracies"]
        if given is None or share is None:
            continue
        was, accuracy = row["published"], row["published"]["accuracy"]
        sn, sp = was["sensitivity"], was["specificity"]
        if are_exchanged(row):
            yield (
                f"{row['name']}: SN {sn:.3f} and SP {sp:.3f} stand exchanged; only then do they give the "
                f"accuracy of {accuracy:.3f} on {positives}: "
                f"{sp:.3f}·{share:.2f} + {sn:.3f}·{1 - share:.2f} = {given['exchanged']:.3f}."
            )
        elif abs(given["printed"] - accuracy) > tolerance:
            yield (
                f"{row['name']}: SN and SP do not give the accuracy of {accuracy:.3f} on {positives}: "
                f"{given['printed']:.3f} as printed, {given['exchanged']:.3f} exchanged."
            )
