"""A set split into parts or folds, and its files: biotrainer's FASTA, a table, and a summary.

sequences.csv     id, sequence, label, split (train, val, test; fold-1, fold-2, ...) and cluster
sequences.fasta   `>id TARGET=label SET=train VALIDATION=False`; where there are folds, a file for each,
                  `fold-1.fasta`, with that fold as SET=test
summary.json      how it was split, and how balanced classes are

Axis letters: N sequences, P parts.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import sortilin
from sortilin import files
from sortilin.errors import ConfigError, InputError, LabelError, OutputError
from sortilin.experiment import balance, splits
from sortilin.experiment.balance import Balance, Reached
from sortilin.experiment.data import LabelledSet
from sortilin.experiment.split_config import GIVEN, HOMOLOGY, RANDOM, STRATIFIED, SplitConfig
from sortilin.experiment.splits import VALIDATION, Parting
from sortilin.interfaces import IntArray, OnProgress
from sortilin.results import SEVERAL
from sortilin.sequences import SequenceRecord, dealing
from sortilin.sequences.labels import FOLD

FORMAT, FORMAT_VERSION = "sortilin-split", 1
SUMMARY, TABLE, FASTA = "summary.json", "sequences.csv", "sequences.fasta"
TRAIN, TEST = "train", "test"
NAMES = {2: (TRAIN, TEST), 3: (TRAIN, VALIDATION, TEST)}
"""Names of parts, by how many there are."""

_TOTAL = 1e-6


@dataclass(frozen=True, slots=True)
class Sizes:
    """Into what a set is split: folds, or parts.

    Attributes:
        folds: Number of folds; 0 for parts.
        parts: Shares for training and test, or for training, validation and test; empty for folds.
    """

    folds: int = 0
    parts: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.folds:
            if not 2 <= self.folds <= 50:
                raise ConfigError(f"folds is {self.folds}; allowed: 2 to 50")
            return
        if len(self.parts) not in NAMES or min(self.parts) <= 0 or abs(sum(self.parts) - 1) > _TOTAL:
            found = ", ".join(f"{share:g}" for share in self.parts) or "none"
            raise ConfigError(
                f"parts are {found}; allowed: two (train, test) or three (train, val, test) shares above 0 "
                "whose sum is 1, as 0.8,0.1,0.1"
            )


@dataclass(frozen=True, slots=True)
class SplitSet:
    """A set and the part of each of its records.

    Attributes:
        records: N records.
        names: P names of the parts.
        part: (N,) number of each record's part.
        clusters: (N,) cluster of each record; None where none were searched.
        reached: How balanced it is.
        seed: Of the split.
        n_repeats: Records whose sequence stands in another part too.
    """

    records: tuple[SequenceRecord, ...]
    names: tuple[str, ...]
    part: IntArray
    clusters: IntArray | None
    reached: Reached
    seed: int
    n_repeats: int

    @property
    def is_folded(self) -> bool:
        """Whether its parts are folds of a cross-validation."""
        return self.names[0].startswith(FOLD)

    @property
    def balance(self) -> Balance:
        """Sequences of each class in each part."""
        found = self.reached.folds if self.is_folded else self.reached.holdout
        assert found is not None
        return found

    def lines(self) -> list[str]:
        """For a terminal."""
        said = [*self.reached.sentences(), self.balance.sentence(), "", *self.balance.lines()]
        if self.n_repeats:
            said += ["", self._about_repeats()]
        return said

    def _about_repeats(self) -> str:
        return (
            f"{self.n_repeats:,} records have a sequence that stands in another part as well; leave repeats "
            "out (sortilin dedupe --identity 1), or use --split homology, which keeps them together."
        )


def split(
    records: Sequence[SequenceRecord],
    name: str,
    config: SplitConfig,
    sizes: Sizes,
    *,
    seed: int,
    on_progress: OnProgress | None = None,
) -> SplitSet:
    """Split records; those without labels count as one class.

    Args:
        records: N records, some of them labelled or none.
        name: What an error calls them.
        config: How they are split. Of kind given, their own marks count and not `sizes`.
        sizes: Into what.
        seed: Of the split.
        on_progress: Called as (stage, done, total).

    Raises:
        InputError: There are fewer than two records.
        LabelError: Only some have labels, a class cannot stand in each part, or marks are lacking.
        SortilinError: Homologues cannot be searched.
    """
    labelled = _labelled(records, name)
    parted = splits.parting(config, labelled, on_progress)
    names, part = _given(name, parted) if config.kind == GIVEN else _parts(labelled, parted, sizes, seed)
    if config.kind != GIVEN:
        _check(labelled, parted, names, part)
    return SplitSet(
        tuple(records),
        names,
        part,
        parted.groups,
        _reached(config, labelled, parted, names, part, sizes),
        seed,
        _n_repeats(labelled.sequences, part),
    )


def _labelled(records: Sequence[SequenceRecord], name: str) -> LabelledSet:
    if len(records) < 2:
        raise InputError(f"{name} holds {len(records)} record{'s' * (len(records) != 1)}; a split needs two")
    labels = [SEVERAL.join(sorted((record.label or "").split(SEVERAL))) for record in records]
    if any(labels) and not all(labels):
        missing = records[labels.index("")]
        raise LabelError(f"{name}: record '{missing.id}' has no label, and others have; label all, or none")
    classes = tuple(sorted(set(labels)))
    y = np.array([classes.index(label) for label in labels], dtype=np.int64)
    marks = tuple(record.split or "" for record in records)
    sequences = tuple(record.sequence for record in records)
    return LabelledSet(
        name, sequences, y, tuple(c or "unlabelled" for c in classes), marks=marks if any(marks) else ()
    )


def _given(name: str, parted: Parting) -> tuple[tuple[str, ...], IntArray]:
    # What is not marked is for training; of several test sets, as test1, one is made.
    marks = [TEST if mark.startswith(TEST) else mark or TRAIN for mark in parted.marks]
    names = tuple(parted.fold_names) or tuple(mark for mark in (TRAIN, VALIDATION, TEST) if mark in marks)
    unknown = sorted(set(marks) - set(names))
    if unknown:
        raise LabelError(
            f"split {GIVEN}: {name} marks rows as {', '.join(unknown)}; allowed: {TRAIN}, {VALIDATION} and "
            f"{TEST}, or {FOLD}1, {FOLD}2, ...: name the parts of a dataset that count, as acp:train"
        )
    return names, np.array([names.index(mark) for mark in marks], dtype=np.int64)


def _parts(
    labelled: LabelledSet, parted: Parting, sizes: Sizes, seed: int
) -> tuple[tuple[str, ...], IntArray]:
    part = np.zeros(len(labelled), dtype=np.int64)
    if sizes.folds:
        _check_members(labelled, parted, sizes.folds)
        for number, (_, held_out) in enumerate(splits.folds(labelled.y, parted, sizes.folds, seed)):
            part[held_out] = number
        return tuple(f"{FOLD}{number}" for number in range(1, sizes.folds + 1)), part
    names = NAMES[len(sizes.parts)]
    _check_members(labelled, parted, len(names))
    if parted.groups is not None:
        return names, dealing.deal(labelled.y, parted.groups, sizes.parts, seed)
    everything = np.arange(len(labelled))
    rest, test = _hold_out(labelled, everything, parted, sizes.parts[-1], seed)
    part[test] = len(names) - 1
    if VALIDATION in names:
        share = sizes.parts[1] / (sizes.parts[0] + sizes.parts[1])
        _, validation = _hold_out(labelled, rest, parted, share, seed)
        part[validation] = 1
    return names, part


def _hold_out(
    labelled: LabelledSet, rows: IntArray, parted: Parting, share: float, seed: int
) -> dealing.Split:
    """The rows that are left, and those held out of them.

    Raises:
        LabelError: One of the two would hold fewer rows than it needs: one of each class, unless by chance.
    """
    n_out = math.ceil(len(rows) * share)
    n_each = np.bincount(labelled.y[rows], minlength=len(labelled.classes))
    needed = 1 if parted.kind == RANDOM else len(labelled.classes)
    if min(n_out, len(rows) - n_out) < needed:
        raise LabelError(
            f"{share:.0%} of {len(rows)} sequences of {labelled.name} are {n_out}, and both sides of a "
            f"{parted.kind} split need {needed} or more; use shares that are more even, or add sequences"
        )
    if parted.kind == STRATIFIED and n_each.min() < 2:
        c = int(n_each.argmin())
        raise LabelError(
            f"class '{labelled.classes[c]}': other parts leave {n_each[c]} of its sequences in "
            f"{labelled.name} for two parts; use more even shares, add sequences, or --split {RANDOM}"
        )
    left, out = splits.hold_out(labelled.y[rows], parted, share, seed)
    return rows[left], rows[out]


def _check_members(labelled: LabelledSet, parted: Parting, n_parts: int) -> None:
    """Refuse what no split of any size could do; a split by chance may do with less."""
    if len(labelled) < n_parts:
        raise LabelError(f"{labelled.name} holds {len(labelled)} sequences, fewer than the {n_parts} parts")
    if parted.kind == HOMOLOGY:
        assert parted.groups is not None
        lacking = dealing.shortage(labelled.y, parted.groups, n_parts)
        if lacking is not None:
            raise splits.undealt(labelled, parted, lacking[0], f"each of {n_parts} parts to hold one")
    if parted.kind == STRATIFIED:
        c = int(np.bincount(labelled.y).argmin())
        if (n := int((labelled.y == c).sum())) < n_parts:
            raise LabelError(
                f"class '{labelled.classes[c]}' has {n} sequences in {labelled.name}, fewer than the "
                f"{n_parts} parts; use fewer parts, leave the class out, or --split {RANDOM}"
            )


def _check(labelled: LabelledSet, parted: Parting, names: Sequence[str], part: IntArray) -> None:
    """Refuse a part without a class; one by chance may lack one."""
    if parted.kind == RANDOM:
        return
    for number, name in enumerate(names):
        present = np.bincount(labelled.y[part == number], minlength=len(labelled.classes))
        if not present.all():
            raise splits.undealt(labelled, parted, int(present.argmin()), f"{name} to hold one")


def _reached(
    config: SplitConfig,
    labelled: LabelledSet,
    parted: Parting,
    names: Sequence[str],
    part: IntArray,
    sizes: Sizes,
) -> Reached:
    rows = [np.flatnonzero(part == number) for number in range(len(names))]
    is_folded = names[0].startswith(FOLD)
    shares = [1 / len(names)] * len(names) if is_folded else list(sizes.parts)
    if config.kind == GIVEN and not is_folded:
        shares = [len(here) / len(labelled) for here in rows]
    found = balance.balance(labelled.y, labelled.classes, rows, names, shares)
    return balance.with_clusters(config, parted, found if is_folded else None, None if is_folded else found)


def _n_repeats(sequences: Sequence[str], part: IntArray) -> int:
    parts_of: dict[str, set[int]] = {}
    for sequence, number in zip(sequences, part.tolist(), strict=True):
        parts_of.setdefault(sequence, set()).add(number)
    n_of = Counter(sequences)
    return sum(n_of[sequence] for sequence, parts in parts_of.items() if len(parts) > 1)


# --- files


def check_place(out: Path, *, overwrite: bool) -> None:
    """Refuse a place that holds something, unless it is a split and may be replaced.

    Raises:
        OutputError: It does.
    """
    if out.is_file():
        raise OutputError(f"{out} is a file; a split needs a folder of its own")
    if out.resolve() == Path.cwd():
        raise OutputError(f"{out} is the current folder; a split needs one of its own, as {Path('split')}")
    if not out.is_dir() or not (found := sorted(path.name for path in out.iterdir())):
        return
    if not overwrite:
        raise OutputError(f"{out} exists and is not empty: choose another name, or pass --overwrite")
    others = [name for name in found if not _is_ours(name)]
    if SUMMARY not in found or others:
        raise OutputError(
            f"{out} holds more than a split ({', '.join(others[:3]) or 'no ' + SUMMARY}), so it is not "
            "overwritten: choose another name"
        )


def _is_ours(name: str) -> bool:
    return name in (SUMMARY, TABLE, FASTA) or re.fullmatch(rf"{FOLD}\d+\.fasta", name) is not None


def write(found: SplitSet, out: Path, *, source: str, command: str = "") -> list[Path]:
    """Write the files of a split as a whole folder, in place of one that `check_place` lets go.

    Raises:
        InputError: An id or a label holds a space, which a FASTA header cannot.
        OutputError: The folder cannot be written.
    """
    contents = {TABLE: _table(found), **_fastas(found)}
    contents[SUMMARY] = json.dumps(_summary(found, source, command, list(contents)), indent=1) + "\n"
    partial = out.with_name(f".{out.name}.partial-{uuid.uuid4().hex[:8]}")
    try:
        for name, text in contents.items():
            files.replace(partial / name, text.encode())
        if out.is_dir():
            shutil.rmtree(out)
        partial.rename(out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return [out / name for name in contents]


def _table(found: SplitSet) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("id", "sequence", "label", "split", "cluster"))
    for row, record in enumerate(found.records):
        cluster = "" if found.clusters is None else str(int(found.clusters[row]) + 1)
        name = found.names[found.part[row]]
        rows.writerow((record.id, record.sequence, record.label or "", name, cluster))
    return text.getvalue()


def _fastas(found: SplitSet) -> dict[str, str]:
    """File name → content."""
    for record in found.records:
        for what, text in (("id", record.id), ("label", record.label or "")):
            if re.search(r"\s", text):
                raise InputError(
                    f"the {what} '{text}' holds a space, which the header of a FASTA file cannot: write '_' "
                    "or '.' in its place"
                )
    names = [found.names[number] for number in found.part]
    if not found.is_folded:
        return {FASTA: "".join(_headed(found.records, names))}
    return {
        f"{fold}.fasta": "".join(_headed(found.records, [TEST if n == fold else TRAIN for n in names]))
        for fold in found.names
    }


def _headed(records: Sequence[SequenceRecord], names: Sequence[str]) -> Iterator[str]:
    """Headers of biotrainer; rows for validation are training rows with a mark."""
    for record, name in zip(records, names, strict=True):
        target = f" TARGET={record.label}" if record.label else ""
        set_ = TRAIN if name == VALIDATION else name
        yield f">{record.id}{target} SET={set_} VALIDATION={name == VALIDATION}\n{record.sequence}\n"


def _summary(found: SplitSet, source: str, command: str, names: Sequence[str]) -> dict[str, Any]:
    record = found.reached.record()
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "sortilin_version": sortilin.__version__,
        "command": command,
        "source": source,
        "n": len(found.records),
        "seed": found.seed,
        "split": record["config"],
        "tool": record["tool"],
        "n_clusters": record["n_clusters"],
        "largest_cluster": record["largest_cluster"],
        "n_repeats_across": found.n_repeats,
        "balance": found.balance.record(),
        "files": list(names),
    }
