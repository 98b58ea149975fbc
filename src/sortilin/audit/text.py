"""An audit as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sortilin.audit import sentences
from sortilin.audit.findings import Audit, Conflict, Overlap, Within
from sortilin.audit.sentences import identity_words, percent
from sortilin.audit.shortcuts import Shortcut
from sortilin.sequences import peptides

MOST_CONFLICTS = 5
_MOST_RESIDUES = 40


def of(audit: Audit) -> str:
    """The whole report but the pairs."""
    parts = [
        "Summary",
        *(f"- {sentence}" for sentence in audit.summary()),
        "",
        "Sets",
        *_table(
            ["set", "rows", "different", "repeats", "near copies within", "length", "median"], _sets(audit)
        ),
    ]
    if audit.overlaps:
        parts += ["", "Shared with another set: rows of the first, each column with those before it"]
        parts += _table(_overlap_header(audit), [_overlap(audit, one) for one in audit.overlaps])
    if audit.conflicts:
        parts += ["", f"Sequences with more than one label: {len(audit.conflicts)}"]
        parts += [_conflict(audit, one) for one in audit.conflicts[:MOST_CONFLICTS]]
        n_more = len(audit.conflicts) - MOST_CONFLICTS
        parts += [f"  and {n_more} more (--json lists all)"] if n_more > 0 else []
    if audit.shortcuts:
        parts += ["", "Shortcuts: MCC of a model that sees one thing alone (0 is chance)"]
        parts += _table(
            ["sees", f"{audit.shortcuts[0].folds}-fold CV of training", *_tests(audit)], _shortcuts(audit)
        )
    parts += ["", f"Compared with {audit.aligner}.", *_searched(audit)]
    return "\n".join(parts)


def _searched(audit: Audit) -> Iterator[str]:
    if audit.searched_by:
        yield (
            f"Homologues: {audit.searched_by} with an E-value of at most {audit.options.max_e_value:g}; "
            f"peptides of up to {peptides.MAX_RESIDUES} residues also by {percent(peptides.MIN_IDENTITY)} or "
            "more of the shorter one's residues."
        )


def _sets(audit: Audit) -> list[list[str]]:
    return [_set(one) for one in audit.within]


def _set(one: Within) -> list[str]:
    near = "" if one.n_near is None else f"{one.n_near:,}"
    lengths = f"{one.lengths.shortest} to {one.lengths.longest}"
    return [
        one.name,
        f"{one.n:,}",
        f"{one.n_different:,}",
        f"{one.n_repeats:,}",
        near,
        lengths,
        f"{one.lengths.median:g}",
    ]


def _overlap_header(audit: Audit) -> list[str]:
    return [
        "set",
        "with",
        "rows",
        "copies",
        f"near copies, {percent(audit.options.identity)}",
        "homologues",
        "largest",
    ]


def _overlap(audit: Audit, one: Overlap) -> list[str]:
    looked = audit.within[0].n_near is not None
    return [
        one.test,
        one.other,
        f"{len(one):,}",
        f"{int(one.is_copy.sum()):,}",
        f"{int(one.is_near.sum()):,}" if looked else "",
        "" if one.is_homologous is None else f"{int(one.is_homologous.sum()):,}",
        identity_words(one.largest),
    ]


def _conflict(audit: Audit, conflict: Conflict) -> str:
    sets = {one.name: one for one in audit.sets}
    text = conflict.sequence
    shown = text if len(text) <= _MOST_RESIDUES else f"{text[: _MOST_RESIDUES - 1]}…"
    places = ", ".join(f"{name} {sets[name].id_of(row)} {label}" for name, row, label in conflict.places)
    return f"  {shown}: {places}"


def _tests(audit: Audit) -> list[str]:
    """A column a test set, and one more where something is left of it without what leaks."""
    first = audit.shortcuts[0]
    return [
        name for test in first.tests for name in (test, *([f"{test}, clean"] if test in first.clean else []))
    ]


def _shortcuts(audit: Audit) -> list[list[str]]:
    return [_shortcut(one) for one in audit.shortcuts]


def _shortcut(one: Shortcut) -> list[str]:
    cells = [one.sees, f"{one.cross_validation['mcc']:.3f} ± {one.spread['mcc']:.3f} (n = {one.n})"]
    for test, figures in one.tests.items():
        cells.append(sentences.sure(figures))
        if test in one.clean:
            cells.append(sentences.sure(one.clean[test]))
    return cells


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width: words to the left, numbers to the right."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    n_words = next((i for i, cell in enumerate(lines[-1]) if cell[:1].isdigit() or cell[:1] == "-"), 0)
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if place < n_words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
