"""What a test set shares with another set, from the one search of all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from sortilin.audit.compared import Compared
from sortilin.audit.findings import AlikePair, Overlap
from sortilin.audit.homologues import Homologues
from sortilin.audit.options import AuditOptions

COPY, NEAR, HOMOLOGUE = "copy", "near copy", "homologue"


def overlap(compared: Compared, found: Homologues, test: int, other: int, options: AuditOptions) -> Overlap:
    """What one set, by its number, shares with another; homologues where that is the training set."""
    mine, theirs = compared.sets[test], compared.sets[other]
    row_of = _first_rows(compared, other)
    alike = _alike(compared)
    n = len(mine)
    identity, nearest = np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    e_value, homologue = np.full(n, np.nan), np.full(n, -1, dtype=np.int64)
    is_copy = np.zeros(n, dtype=bool)
    n_other_label = 0
    for row, number in enumerate(compared.numbers[test].tolist()):
        near_rows = [(share, row_of[to]) for to, share in alike.get(number, ()) if to in row_of]
        if number in row_of:
            is_copy[row], identity[row], nearest[row] = True, 1.0, row_of[number]
        elif near_rows:
            identity[row], nearest[row] = max(near_rows, key=lambda one: (one[0], -one[1]))
        n_other_label += any(
            share >= options.identity and _differ(mine.label_of(row), theirs.label_of(to))
            for share, to in near_rows
        )
        best = (found.nearest or {}).get(number) if other == 0 else None
        if best is not None and best.number in row_of:
            homologue[row], e_value[row] = row_of[best.number], best.e_value
    is_near = is_copy | (identity >= options.identity)
    looked = other == 0 and found.nearest is not None
    return Overlap(
        mine.name,
        theirs.name,
        other == 0,
        mine.sequences,
        identity,
        nearest,
        is_copy,
        is_near,
        (is_near | (homologue >= 0)) if looked else None,
        homologue,
        e_value,
        n_other_label,
    )


def alike_pairs(
    compared: Compared, overlaps: Sequence[Overlap], options: AuditOptions
) -> Iterator[AlikePair]:
    """All copies and near copies of each test set's rows in the other, and of homologues the nearest."""
    place = {one.name: number for number, one in enumerate(compared.sets)}
    alike = _alike(compared)
    for one in overlaps:
        rows_of = _rows(compared, place[one.other])
        for row, number in enumerate(compared.numbers[place[one.test]].tolist()):
            for to in rows_of.get(number, ()):
                yield AlikePair(one.test, row, one.other, to, COPY, 1.0, float("nan"))
            nearer = sorted(
                ((share, to) for to, share in alike.get(number, ()) if share >= options.identity),
                reverse=True,
            )
            for share, to in nearer:
                for other_row in rows_of.get(to, ()):
                    yield AlikePair(one.test, row, one.other, other_row, NEAR, share, float("nan"))
            if one.homologue[row] >= 0 and not one.is_near[row]:
                e_value = float(one.e_value[row])
                yield AlikePair(
                    one.test, row, one.other, int(one.homologue[row]), HOMOLOGUE, float("nan"), e_value
                )


def _alike(compared: Compared) -> dict[int, list[tuple[int, float]]]:
    """Number → numbers of its near copies, with identities."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for pair in compared.near or ():
        found[pair.first].append((pair.second, pair.identity))
        found[pair.second].append((pair.first, pair.identity))
    return dict(found)


def _rows(compared: Compared, number: int) -> dict[int, list[int]]:
    """Number of a sequence → rows of a set that hold it."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, sequence in enumerate(compared.numbers[number].tolist()):
        rows[sequence].append(row)
    return dict(rows)


def _first_rows(compared: Compared, number: int) -> dict[int, int]:
    return {sequence: rows[0] for sequence, rows in _rows(compared, number).items()}


def _differ(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one != other
