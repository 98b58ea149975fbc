"""Every pair of models: who is better on the same sequences, and whether that may be chance."""

from __future__ import annotations

from typing import Any

from sortilin.report._columns import escape
from sortilin.report.benchmark import _words as words
from sortilin.report.benchmark._results import Results, ends, is_cross_validated, number, title_of

TOPIC = "pairs"
FILE = "pairs.tsv"
MOST_SHOWN = 60
"""Pairs of a table; of more, those with the best models are shown, and all stand in `pairs.tsv`."""

SIGNIFICANT = 0.05

COLUMNS = (
    *("first", "second", "metric", "n", "difference", "low", "high", "p_value", "p_holm"),
    *("first_only", "second_only", "mcnemar_mid_p", "mcnemar_exact_p", "mcnemar_p_holm"),
    *("folds_difference", "folds_low", "folds_high", "folds_p_value", "folds_p_holm"),
)


def pairs(results: Results) -> dict[str, Any] | None:
    """What the page says of the pairs; None where there are none."""
    found = results.get("pairs")
    if not found:
        return None
    rows = [_row(results, *records) for records in _records(found)]
    return {
        "metric": words.in_sentence(found["metric"]),
        "n": found["n"],
        "n_pairs": found["n_pairs"],
        "n_folds": results.get("folds") if is_cross_validated(results) and found["folds"] else None,
        "rows": rows[:MOST_SHOWN],
        "n_left_out": max(len(rows) - MOST_SHOWN, 0),
        "summary": _summary(found),
    }


def _records(found: Results) -> list[tuple[Results, Results, Results | None]]:
    """Of each pair: the bootstrap's record, McNemar's and that of the folds."""
    folds = found["folds"] or [None] * len(found["differences"])
    return list(zip(found["differences"], found["mcnemar"], folds, strict=True))


def _row(results: Results, drawn: Results, counted: Results, folds: Results | None) -> dict[str, str]:
    return {
        "first": title_of(results, drawn["first"]),
        "second": title_of(results, drawn["second"]),
        "difference": words.signed(number(drawn["difference"])),
        "span": words.span(ends(drawn["low"], drawn["high"])),
        "p_value": words.p_value(number(drawn["adjusted"])),
        "alone": f"{counted['first_only']:,} and {counted['second_only']:,}",
        "mcnemar": words.p_value(number(counted["adjusted"])),
        "folds": words.signed(number(folds["difference"])) if folds else "",
        "folds_span": words.span(ends(folds["low"], folds["high"])) if folds else "",
        "folds_p": words.p_value(number(folds["adjusted"])) if folds else "",
    }


def _summary(found: Results) -> str:
    """How many pairs are told apart by each test, after the correction."""
    tests = {
        "the paired bootstrap": found["differences"],
        "McNemar's test": found["mcnemar"],
        "the corrected t-test over folds": found["folds"],
    }
    told = [f"{_n_told_apart(records)} by {name}" for name, records in tests.items() if records]
    return (
        f"Of {words.count(found['n_pairs'], 'pair')} of models, told apart with p < {SIGNIFICANT} after "
        f"Holm's correction: {words.listed(told)}."
    )


def _n_told_apart(records: list[Results]) -> int:
    return sum((p := number(one["adjusted"])) is not None and p < SIGNIFICANT for one in records)


def tsv(results: Results) -> str:
    """`pairs.tsv`: a row for each pair, with all digits; see `COLUMNS`. A cell is empty where unknown."""
    lines = ["\t".join(COLUMNS)]
    for drawn, counted, folds in _records(results["pairs"]):
        cells = [drawn[key] for key in ("first", "second", "metric", "n", "difference", "low", "high")]
        cells += [drawn["p_value"], drawn["adjusted"], counted["first_only"], counted["second_only"]]
        cells += [counted["p_value"], counted["exact"], counted["adjusted"]]
        of_folds = ("difference", "low", "high", "p_value", "adjusted")
        cells += [folds[key] if folds else None for key in of_folds]
        lines.append("\t".join(map(_plain, cells)))
    return "".join(f"{line}\n" for line in lines)


def _plain(value: object) -> str:
    if value is None:
        return ""
    return escape(value) if isinstance(value, str) else repr(value)
