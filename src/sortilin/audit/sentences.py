"""What an audit says, in plain sentences: the gravest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from sortilin.audit.findings import Audit, Overlap
from sortilin.audit.shortcuts import Shortcut
from sortilin.sequences.record import counted

MOST_CLASSES_NAMED = 6


def of(audit: Audit) -> list[str]:
    """All sentences of an audit."""
    return [
        *(_with_training(audit, overlap) for overlap in audit.with_training),
        *_between_tests(audit),
        *_conflicts(audit),
        *_repeats(audit),
        *(shortcut(one) for one in audit.shortcuts),
        *_balance(audit),
        *audit.notes,
    ]


def percent(share: float) -> str:
    """A share in percent, without a decimal that says nothing: 0.9 → "90 %", 0.125 → "12.5 %"."""
    return f"{share * 100:.3g} %"


def _with_training(audit: Audit, found: Overlap) -> str:
    n, n_different, held = len(found), found.n_different(), found.n_different(found.is_copy)
    what = "sequences" if n == n_different else "different sequences"
    rows = "" if n == n_different else f" ({int(found.is_copy.sum()):,} of {n:,} rows)"
    said = (
        f"Of {found.test}, {held:,} of {n_different:,} {what}{rows} {'stands' if held == 1 else 'stand'} in "
        f"{found.other}, letter for letter"
    )
    further = []
    if _looked_for_near(audit):
        near = found.n_different(found.is_near)
        further.append(
            f"with near copies (identity of {percent(audit.options.identity)} or more) it is {near:,}"
        )
    if found.is_homologous is not None:
        further.append(f"with homologues {found.n_different(found.is_homologous):,}")
    said += f"; {', '.join(further)}" if further else ""
    if found.n_other_label:
        n_other = found.n_other_label
        said += f"; {counted(n_other, 'row')} {_has(n_other)} a near copy of another label"
    return f"{said}."


def _looked_for_near(audit: Audit) -> bool:
    return audit.within[0].n_near is not None


def _has(n: int) -> str:
    return "has" if n == 1 else "have"


def _between_tests(audit: Audit) -> Iterator[str]:
    for found in audit.overlaps:
        if not found.is_training:
            shared = counted(found.n_different(found.is_copy), "sequence")
            said = f"{found.other} and {found.test} share {shared}"
            if _looked_for_near(audit):
                said += f", with near copies {found.n_different(found.is_near):,} of {found.test}"
            yield f"{said}."


def _conflicts(audit: Audit) -> Iterator[str]:
    if all(one.labels is None for one in audit.sets):
        yield "No labels are known, so conflicts of labels, class balance and shortcuts were not looked at."
        return
    within = sum(conflict.is_within for conflict in audit.conflicts)
    across = sum(conflict.is_across for conflict in audit.conflicts)
    if within:
        yield f"{counted(within, 'sequence')} {_has(within)} two labels within one set."
    if across:
        yield f"{counted(across, 'sequence')} {_has(across)} one label in one set and another in another."
    if not audit.conflicts:
        yield "No sequence has two labels."


def _repeats(audit: Audit) -> Iterator[str]:
    for one in audit.within:
        if one.n_repeats:
            yield f"{one.name} holds {counted(one.n_repeats, 'repeat')} of a sequence."
    training = audit.within[0]
    if training.n_near:
        yield (
            f"Within {training.name} {training.n_near:,} of {training.n_different:,} sequences have a near "
            "copy, so that folds which do not keep them together leak."
        )


def shortcut(found: Shortcut) -> str:
    """What one shortcut scores, with chance beside it."""
    value, spread = found.cross_validation["mcc"], found.spread["mcc"]
    said = (
        f"A model that sees {found.sees} alone has MCC {value:.3f} ± {spread:.3f} in {found.folds}-fold "
        f"cross-validation of training (n = {found.n}; chance is 0)"
    )
    tests = [
        f"{sure(figures)} on {name}"
        + (f" (without what leaks {sure(found.clean[name])})" if name in found.clean else "")
        for name, figures in found.tests.items()
    ]
    return said + "".join(f", {test}" for test in tests) + "."


def sure(figures: Mapping[str, float]) -> str:
    """The MCC of a test set with its interval and n: "0.741 (0.676 to 0.799; n = 495)"."""
    value, low, high = (figures[name] for name in ("mcc", "mcc_low", "mcc_high"))
    n = f"n = {figures['n']:.0f}"
    return f"{value:.3f} ({n})" if math.isnan(low) else f"{value:.3f} ({low:.3f} to {high:.3f}; {n})"


def _balance(audit: Audit) -> Iterator[str]:
    said = []
    for one in audit.within:
        if one.class_counts:
            shown = sorted(one.class_counts.items(), key=lambda item: (-item[1], item[0]))[
                :MOST_CLASSES_NAMED
            ]
            counts = ", ".join(f"{name} = {n:,} ({percent(n / one.n)})" for name, n in shown)
            n_more = len(one.class_counts) - len(shown)
            said.append(f"{one.name}: {counts}" + (f" and {counted(n_more, 'more class')}" if n_more else ""))
    if said:
        yield f"Classes in {'; in '.join(said)}."


def identity_words(value: float) -> str:
    """An identity for a table; empty where there is none."""
    return "" if math.isnan(value) else f"{value:.3f}"
