"""Labels as people write them → classes."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sortilin.errors import LabelError
from sortilin.sequences import SequenceRecord

MIN_CLASSES = 2
MIN_SEQUENCES_IN_CLASS = 2
"""One sequence cannot stand both in training and in validation."""


def resolve(classes: Sequence[str], aliases: Mapping[str, str], raw_label: str) -> str:
    """The class that a label means, whatever its case; blanks, "_" and "-" within it count as one.

    Args:
        classes: Class names of the task.
        aliases: Other spellings, lower case → class.
        raw_label: A label as read.

    Raises:
        LabelError: It means no class; the message names the classes, and the nearest spelling.
    """
    meanings = {_key(alias): name for alias, name in aliases.items()}
    meanings |= {_key(name): name for name in classes}
    key = _key(raw_label)
    if key in meanings:
        return meanings[key]
    near = difflib.get_close_matches(key, meanings, n=1)
    hint = f"; did you mean '{meanings[near[0]]}'?" if near else ";"
    what = f"unknown label '{raw_label}'" if key else "empty label"
    raise LabelError(f"{what}{hint} choose from: {', '.join(classes)}")


def classes_of(records: Iterable[SequenceRecord]) -> tuple[str, ...]:
    """The classes of labelled records, sorted.

    Raises:
        LabelError: A record has no label, there are fewer than two classes, a class has a single
            sequence, or two classes differ only in their spelling.
    """
    counts: Counter[str] = Counter()
    for record in records:
        if not record.label:
            raise LabelError(f"record '{record.id}' has no label; every record needs one")
        counts[record.label] += 1
    classes = tuple(sorted(counts))
    if len(classes) < MIN_CLASSES:
        found = f"all {counts[classes[0]]} records are '{classes[0]}'" if classes else "there are no records"
        raise LabelError(f"{found}; a task needs at least {MIN_CLASSES} classes")
    _check_spellings(classes)
    _check_sizes(counts)
    return classes


def _check_spellings(classes: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in classes:
        twin = seen.setdefault(_key(name), name)
        if twin != name:
            raise LabelError(f"classes '{twin}' and '{name}' differ only in spelling; write them alike")


def _check_sizes(counts: Mapping[str, int]) -> None:
    small = [f"'{name}' ({n})" for name, n in sorted(counts.items()) if n < MIN_SEQUENCES_IN_CLASS]
    if small:
        raise LabelError(
            f"too few sequences of class {', '.join(small)}; each needs at least {MIN_SEQUENCES_IN_CLASS}: "
            "add more, or leave it out"
        )


def _key(label: str) -> str:
    # A leading "-" stays: "-1" is another label than "1".
    return label.strip().lower().replace(" ", "-").replace("_", "-")
