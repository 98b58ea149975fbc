"""Labels in the habits of the field: in the header, in a column, or in the file's name.

biotrainer  >P1 TARGET=Nucleus SET=train VALIDATION=True
deeploc     >P1 Nucleus-U, >P2 Cell.membrane-M test
pipe        >P1|Nucleus, >P2|1|testing, >P3|Nucleus|Cytosol where a sequence has several classes
column      a table's column `label`, and `set` or `split`: train, val, test, or fold-1, fold-2, ...
filename    nucleus.fasta: one file for each class
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath

from sortilin.errors import LabelError, UnknownNameError, escape_controls
from sortilin.sequences.entries import Entry, Origin
from sortilin.sequences.table import LABEL_COLUMNS

Label = tuple[str | None, str | None]
"""A label and a split, each as far as the source says."""

Labeller = Callable[[Entry], Label]
"""Takes the label of an entry; raises LabelError, without the place, if it has none."""

Chooser = Callable[[Sequence[Entry], Origin], Labeller]
"""Chooses how a source is labelled, from its first entries."""

SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
}
"""Spelling of a split, lower case → the split."""

FOLD = "fold-"
"""Begins a split that is a fold of a cross-validation: "fold-1", "fold-2", ..."""

_FOLD = re.compile(rf"{FOLD}([1-9]\d{{0,2}})", re.IGNORECASE)
_MAX_SHOWN = 60
_COMPRESSION_ENDINGS = {".gz", ".bgz", ".bz2", ".xz", ".zst"}
_TEXT_ENDINGS = {".fasta", ".fas", ".fa", ".faa", ".fsa", ".mpfa", ".pep", ".seq", ".txt", ".csv", ".tsv"}
_TARGET = re.compile(r"(?:^|\s)TARGET=(\S+)")
_SET = re.compile(r"(?:^|\s)SET=(\S+)")
_VALIDATION = re.compile(r"(?:^|\s)VALIDATION=True\b")
_DEEPLOC = re.compile(r"(\S+)-[MSU](?:\s+(test))?")
_PIPE = re.compile(rf"[^|]+\|([^|]+(?:\|[^|]*?)*?)(?:\|({'|'.join(SPLITS)}))?", re.IGNORECASE)
_PIPE_ALONE = re.compile(rf"[^|]+\|[^|]+(?:\|(?:{'|'.join(SPLITS)}))?", re.IGNORECASE)
_DATABASE_ID = re.compile(r"(?:sp|tr|gi|gb|emb|dbj|ref|pdb|lcl|pir|prf|gnl|bbs|pat)\|", re.IGNORECASE)


def _biotrainer(entry: Entry) -> Label | None:
    target = _TARGET.search(entry.description)
    if target is None:
        return None
    named = _SET.search(entry.description)
    if _VALIDATION.search(entry.description):
        return target[1], "val"
    return target[1], _split(named[1]) if named else None


def _deeploc(entry: Entry) -> Label | None:
    match = _DEEPLOC.fullmatch(entry.description)
    return (match[1], match[2]) if match else None


def _pipe(entry: Entry) -> Label | None:
    match = _PIPE.fullmatch(entry.header)
    if match is None or _DATABASE_ID.match(entry.header):
        return None
    return match[1].strip(), _split(match[2] or "")


HEADER_HABITS: Mapping[str, Callable[[Entry], Label | None]] = {
    "biotrainer": _biotrainer,
    "deeploc": _deeploc,
    "pipe": _pipe,
}

_EXPECTED = {
    "biotrainer": ">id TARGET=label",
    "deeploc": ">id label-M",
    "pipe": ">id|label",
}

LABEL_HABITS = ("auto", *HEADER_HABITS, "column", "filename", "none")
"""Every way to say where labels stand; "auto" decides by the first records."""


def chooser(habit: str) -> Chooser:
    """How to choose the labeller of a source, for one of `LABEL_HABITS`.

    Raises:
        UnknownNameError: There is no such habit.
    """
    if habit not in LABEL_HABITS:
        raise UnknownNameError("label habit", habit, LABEL_HABITS)
    if habit in HEADER_HABITS:
        return lambda _first, origin: _by_header(habit, origin)
    choices: dict[str, Chooser] = {
        "auto": _detected,
        "column": lambda _first, origin: _by_column(origin),
        "filename": lambda _first, origin: fixed(label_of_file(origin)),
        "none": lambda _first, _origin: fixed(None),
    }
    return choices[habit]


def fixed(label: str | None) -> Labeller:
    """The same label for every record."""
    return lambda _: (label, None)


def as_given(entry: Entry) -> Label:
    """What the entry brought along, if anything."""
    return entry.label, entry.split


def label_of_file(origin: Origin) -> str:
    """The file's name without folder and endings: "data/Cell.membrane.fasta.gz" → "Cell.membrane".

    Raises:
        LabelError: The source has no file name.
    """
    if origin.path is None:
        raise LabelError(f"{origin.name} has no file name to take a label from; write class=- instead of -")
    path = PurePath(origin.path)
    for endings in (_COMPRESSION_ENDINGS, _TEXT_ENDINGS):
        if path.suffix.lower() in endings:
            path = path.with_suffix("")
    return path.name


def _by_header(habit: str, origin: Origin) -> Labeller:
    if origin.columns is not None:
        raise LabelError(f"{origin.name} is a table, so it has no headers for '{habit}'; use 'column'")
    take = HEADER_HABITS[habit]

    def labeller(entry: Entry) -> Label:
        label = take(entry)
        if label is None:
            raise LabelError(
                f"has no label in its header {_shown(entry)}; '{habit}' expects '{_EXPECTED[habit]}'"
            )
        return label

    return labeller


def _by_column(origin: Origin) -> Labeller:
    if origin.columns is None:
        raise LabelError(
            f"{origin.name} is FASTA, so it has no label column; choose from: {_header_choices()}"
        )
    column = next((name for name in LABEL_COLUMNS if name in origin.columns), None)
    if column is None:
        columns = escape_controls(", ".join(origin.columns))
        raise LabelError(
            f"{origin.name} has no label column; its columns are: {columns}; "
            f"one of them must be called: {', '.join(LABEL_COLUMNS)}"
        )

    def labeller(entry: Entry) -> Label:
        if not entry.label:
            raise LabelError(f"has no label in column '{column}'")
        return entry.label, _split(entry.split or "")

    return labeller


def _detected(first: Sequence[Entry], origin: Origin) -> Labeller:
    if origin.columns is not None:
        return _by_column(origin)
    misfits = []
    for habit, take in HEADER_HABITS.items():
        misfit = next((n for n, entry in enumerate(first, 1) if take(entry) is None), None)
        if misfit is None and _is_sure(habit, first):
            return _by_header(habit, origin)
        misfits.append((misfit or 1, habit))
    raise LabelError(_undetected(first, origin, *max(misfits)))


def _is_sure(habit: str, first: Sequence[Entry]) -> bool:
    """Whether a habit that fits all is meant: headers with several fields throughout may be other things."""
    return habit != "pipe" or any(_PIPE_ALONE.fullmatch(entry.header) for entry in first)


def _undetected(first: Sequence[Entry], origin: Origin, misfit: int, habit: str) -> str:
    tried = ", ".join(f"{name} ('{_EXPECTED[name]}')" for name in HEADER_HABITS)
    message = f"{origin.name}: no label in the headers; tried {tried}; record 1 is {_shown(first[0])}"
    if misfit == 1:
        return message
    return f"{message} and fits {habit}, but record {misfit} does not: {_shown(first[misfit - 1])}"


def _split(text: str) -> str | None:
    if not text:
        return None
    if _FOLD.fullmatch(text):
        return text.lower()
    if text.lower() not in SPLITS:
        raise LabelError(f"has the unknown split {text!r}; allowed: {', '.join(SPLITS)}, {FOLD}1, ...")
    return SPLITS[text.lower()]


def _shown(entry: Entry) -> str:
    header = f">{entry.header}"
    return repr(header if len(header) <= _MAX_SHOWN else header[: _MAX_SHOWN - 3] + "...")


def _header_choices() -> str:
    return ", ".join([*HEADER_HABITS, "filename"])
