"""Who leaks from whom, as a table."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sortilin.audit.findings import AlikePair, Audit
from sortilin.audit.sets import AuditedSet
from sortilin.errors import escape_controls

COLUMNS = (
    "set",
    "row",
    "id",
    "label",
    "with",
    "with_row",
    "with_id",
    "with_label",
    "kind",
    "identity",
    "e_value",
    "sequence",
    "with_sequence",
)


def tsv(audit: Audit) -> bytes:
    """A line a pair: each copy and near copy, and of homologues the nearest; rows count from 1."""
    return "".join(f"{line}\n" for line in _lines(audit)).encode()


def _lines(audit: Audit) -> Iterator[str]:
    sets = {one.name: one for one in audit.sets}
    yield "\t".join(COLUMNS)
    for pair in audit.pairs:
        yield "\t".join(map(escape_controls, _cells(pair, sets[pair.test], sets[pair.other])))


def _cells(pair: AlikePair, mine: AuditedSet, theirs: AuditedSet) -> tuple[str, ...]:
    return (
        pair.test,
        str(pair.row + 1),
        mine.id_of(pair.row),
        mine.label_of(pair.row) or "",
        pair.other,
        str(pair.other_row + 1),
        theirs.id_of(pair.other_row),
        theirs.label_of(pair.other_row) or "",
        pair.kind,
        "" if math.isnan(pair.identity) else f"{pair.identity:.4f}",
        "" if math.isnan(pair.e_value) else f"{pair.e_value:.3g}",
        mine.sequences[pair.row],
        theirs.sequences[pair.other_row],
    )
