"""Positives and controls from files and datasets, for commands that compare two sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress
    from sortilin.sequences import ReadReport, SequenceRecord
    from sortilin.sequences.policy import OnError


SHUFFLED = "shuffled"
"""In place of a control: none is read, and who compares shuffles the positives."""


@dataclass(frozen=True)
class TwoSets:
    """Positives, and the controls they are compared with.

    Attributes:
        positives: Records.
        controls: Records; empty where none were given, or shuffled ones are asked for.
        named_positives: What the positives are, for a person: "acp:train, anticancer".
        named_controls: What the controls are.
        warnings: What reading changed and left out.
    """

    positives: Sequence[SequenceRecord]
    controls: Sequence[SequenceRecord]
    named_positives: str
    named_controls: str
    warnings: Sequence[str]


def read(
    source: str,
    control: str | None,
    label: str | None,
    *,
    labels: str,
    on_error: OnError,
    on_progress: OnProgress | None = None,
) -> TwoSets:
    """Read both sets.

    Args:
        source: A file or a dataset (name or name:split) with the positives.
        control: The same with the controls; where they have labels, those of other classes than `label`.
            "shuffled" for none, unless that is a file.
        label: The class that is positive; the rest of `source` is the control, unless another is given. None
            where all of `source` is positive.
        labels: Where labels stand in files, one of `LABEL_HABITS`.
        on_error: What becomes of a faulty record.
        on_progress: Called while a dataset is downloaded.

    Raises:
        LabelError: A dataset is given without `label`, or no record has that class.
        InputError, DatasetError: A source cannot be read.
    """
    from sortilin.sequences import ReadReport, read_sequences

    report, of_controls = ReadReport(), ReadReport()
    is_shuffled = control == SHUFFLED and not Path(SHUFFLED).exists()
    is_read = control is not None and not is_shuffled
    records = _records(source, label is not None, labels, on_error, report, on_progress)
    against: Sequence[SequenceRecord] = []
    if is_read and label is not None and _has_labels(control or "", labels, on_error):
        against = list(read_sequences(control or "", labels=labels, on_error=on_error, report=of_controls))
    elif is_read:
        against = _records(control or "", False, labels, on_error, of_controls, on_progress)
    if label is None:
        _refuse_classes(source, records)
        warnings = [*report.warnings, *of_controls.warnings]
        return TwoSets(records, against, source, control or "" if is_read else "", warnings)
    positives = [record for record in records if record.label == label]
    if not positives:
        raise _no_such_class(source, label, records)
    if is_shuffled:
        return TwoSets(positives, [], f"{source}, {label}", "", report.warnings)
    if control is not None:
        others = [record for record in against if record.label != label]
        warnings = [*report.warnings, *of_controls.warnings]
        return TwoSets(positives, others, f"{source}, {label}", control, warnings)
    rest = [record for record in records if record.label != label]
    if not rest:
        from sortilin.errors import LabelError

        raise LabelError(f"{source}: all {len(positives)} records are '{label}'; give a control of its own")
    return TwoSets(positives, rest, f"{source}, {label}", f"{source}, other than {label}", report.warnings)


def _has_labels(source: str, labels: str, on_error: OnError) -> bool:
    """Whether a control file says what its sequences are; standard input can be read only once."""
    from sortilin.errors import LabelError
    from sortilin.experiment.data import is_dataset
    from sortilin.sequences import read_sequences

    if source == "-" or is_dataset(source):
        return False
    try:
        next(iter(read_sequences(source, labels=labels, on_error=on_error)))
    except LabelError:
        if labels != "auto":
            raise
        return False
    return True


def _records(
    source: str,
    is_labelled: bool,
    labels: str,
    on_error: OnError,
    report: ReadReport,
    on_progress: OnProgress | None,
) -> list[SequenceRecord]:
    from sortilin import datasets
    from sortilin.experiment.data import is_dataset
    from sortilin.sequences import read_labelled, read_sequences

    if is_dataset(source):
        name, _, split = source.partition(":")
        return datasets.load(name, split or None, on_progress=on_progress)
    if is_labelled:
        return read_labelled([source], labels=labels, on_error=on_error, report=report)
    return list(read_sequences(source, on_error=on_error, report=report))


def _refuse_classes(source: str, records: Sequence[SequenceRecord]) -> None:
    """A dataset of several classes is no set of positives."""
    from sortilin.errors import LabelError

    classes = sorted({record.label for record in records if record.label is not None})
    if len(classes) > 1:
        raise LabelError(f"{source} holds several classes; choose one with --label: {', '.join(classes)}")


def _no_such_class(source: str, label: str, records: Sequence[SequenceRecord]) -> Exception:
    from sortilin.errors import UnknownNameError

    counts = Counter(record.label for record in records if record.label is not None)
    return UnknownNameError(f"class of {source}", label, counts)
