"""A whole labelled set, from one or more sources."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sortilin.errors import DuplicateIdError, LabelError, escape_controls
from sortilin.sequences.entries import Entry, Origin
from sortilin.sequences.labels import Chooser, Labeller, chooser, fixed, label_of_file
from sortilin.sequences.policy import OnError
from sortilin.sequences.reading import read_with
from sortilin.sequences.record import ReadReport, SequenceRecord
from sortilin.sequences.source import STANDARD_INPUT


def read_labelled(
    sources: Sequence[str | os.PathLike[str]],
    *,
    labels: str = "auto",
    on_error: OnError = "fail",
    report: ReadReport | None = None,
) -> list[SequenceRecord]:
    """All records of one or more sources, each with a label as read.

    With "auto" the first records of each file decide between the header habits and a label column; if
    none of several files has labels inside, each file's name is the label of its records.

    Ids must differ within a file. An id that an earlier file holds gets its file's name in front
    ("negative:seq7"), which the report counts.

    Args:
        sources: Paths, "-" for standard input, or `class=path`, which gives all records of that file
            the class.
        labels: Where labels stand in files without a given class, one of `LABEL_HABITS`.
        on_error: What becomes of a faulty record: "fail" raises, "skip" leaves it out.
        report: Filled with what was changed and left out, over all sources.

    Raises:
        LabelError: A record has no label, or it cannot be told where labels stand.
        InputError: As `read_sequences` raises it.
    """
    report = ReadReport() if report is None else report
    named = [_class_and_path(source) for source in ([sources] if isinstance(sources, str) else sources)]
    n_plain = sum(label is None for label, _ in named)
    choose = _WithinOrByName(chooser(labels)) if labels == "auto" and n_plain > 1 else chooser(labels)
    read: list[SequenceRecord] = []
    ids: set[str] = set()
    for label, path in named:
        chosen = choose if label is None else _given(label)
        for record in read_with(path, choose=chosen, on_error=on_error, report=report):
            if record.label is None:
                shown = escape_controls(path)
                raise LabelError(f"{shown} has no class; write class={shown}, or choose where labels stand")
            read.append(_distinct(record, ids, path, report))
    return read


@dataclass(slots=True)
class _WithinOrByName:
    """Of several files, either all have labels inside, or each is named by its class."""

    choose: Chooser
    n_within: int = 0
    none_within: LabelError | None = None

    def __call__(self, first: Sequence[Entry], origin: Origin) -> Labeller:
        try:
            labeller = self.choose(first, origin)
            self.n_within += 1
        except LabelError as error:
            self.none_within = self.none_within or error
            labeller = fixed(label_of_file(origin))
        if self.n_within and self.none_within is not None:
            raise LabelError(f"{self.none_within}; but another file has labels inside") from None
        return labeller


def _given(label: str) -> Chooser:
    return lambda _first, _origin: fixed(label)


def _class_and_path(source: str | os.PathLike[str]) -> tuple[str | None, str]:
    path = os.fspath(source)
    label, equals, labelled_path = path.partition("=")
    if not equals or not isinstance(source, str) or Path(path).exists():
        return None, path
    if not label.strip() or not labelled_path:
        raise LabelError(f"'{escape_controls(source)}' is neither a file nor class=path")
    return label.strip(), labelled_path


def _distinct(record: SequenceRecord, ids: set[str], path: str, report: ReadReport) -> SequenceRecord:
    if record.id in ids:
        prefix = "stdin" if path == STANDARD_INPUT else label_of_file(Origin(path, path))
        report.n_renamed += 1
        record = replace(record, id=f"{prefix}:{record.id}")
    if record.id in ids:
        place, shown = map(escape_controls, (path, record.id))
        raise DuplicateIdError(f"{place}: id '{shown}' stands in two files of one name; rename one")
    ids.add(record.id)
    return record
