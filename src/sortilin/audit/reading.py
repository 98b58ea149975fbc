"""Sets from files, datasets and folders, and what is left of them as a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sortilin import datasets
from sortilin.audit.sets import AuditedSet
from sortilin.errors import InputError, LabelError
from sortilin.interfaces import OnProgress
from sortilin.sequences import ReadReport, SequenceRecord, read_sequences
from sortilin.sequences.excerpt import as_fasta, excerpt
from sortilin.sequences.labels import FOLD, SPLITS
from sortilin.sequences.policy import OnError
from sortilin.sequences.source import STANDARD_INPUT

TRAINING = "train"
_COMPRESSED = (".gz", ".bgz", ".bz2", ".xz", ".zst")


@dataclass(frozen=True, slots=True)
class ReadSet:
    """A set as read.

    Attributes:
        name: What it is called: the file's name without folder and endings, or the dataset and split.
        source: Where it comes from.
        records: Its records.
        skipped: Numbers, from 1, of the source's records that were left out as faulty.
        unlabelled: Why it has no labels; None if it has, or none were asked for.
        warnings: What reading changed and left out.
        is_part: Whether other sets come from the same source.
    """

    name: str
    source: str
    records: tuple[SequenceRecord, ...]
    skipped: frozenset[int] = frozenset()
    unlabelled: str | None = None
    warnings: tuple[str, ...] = ()
    is_part: bool = False

    @property
    def audited(self) -> AuditedSet:
        """The same as the audit takes it."""
        return AuditedSet.of_records(self.name, self.records)

    @property
    def file_name(self) -> str:
        """Name of a file that holds some of it."""
        if self._is_copied:
            path = Path(self.source)
            return path.stem if path.suffix.lower() in _COMPRESSED else path.name
        return f"{self.name.replace(':', '-').replace('/', '-')}.fasta"

    @property
    def _is_copied(self) -> bool:
        return not self.is_part and self.source != STANDARD_INPUT and not _is_dataset(self.source)

    def without(self, keep: Sequence[bool]) -> bytes:
        """The content of a file with the records that are kept: in the source's format if that is one file.

        A dataset, one split of a file, and standard input become FASTA.

        Raises:
            InputError: The source has changed since it was read.
        """
        if not self._is_copied:
            return as_fasta(record for record, is_kept in zip(self.records, keep, strict=True) if is_kept)
        kept = iter(keep)
        n = len(self.records) + len(self.skipped)
        return excerpt(self.source, [number not in self.skipped and next(kept) for number in range(1, n + 1)])


def read(
    source: str,
    *,
    labels: str = "auto",
    on_error: OnError = "fail",
    on_progress: OnProgress | None = None,
) -> ReadSet:
    """One set, from a dataset (`name`, `name:split`) or a file.

    With labels "auto" a file without labels is read without them, and it is said why; standard input, which
    cannot be read a second time, is.

    Raises:
        InputError: A file cannot be read, or labels are asked for that are not there.
        DatasetError: A dataset cannot be had.
    """
    if _is_dataset(source):
        name, _, split = source.partition(":")
        return ReadSet(source, source, tuple(datasets.load(name, split or None, on_progress=on_progress)))
    if labels != "auto":
        return _read_file(source, labels, on_error)
    if source == STANDARD_INPUT:
        return _read_file(source, "none", on_error, "it cannot be searched for them; name where they stand")
    try:
        return _read_file(source, "auto", on_error)
    except LabelError as missing:
        return _read_file(source, "none", on_error, str(missing))


def _read_file(source: str, labels: str, on_error: OnError, unlabelled: str | None = None) -> ReadSet:
    skipped: set[int] = set()
    report = ReadReport(on_skip=lambda record: skipped.add(record.record))
    records = tuple(read_sequences(source, labels=labels, on_error=on_error, report=report))
    return ReadSet(_name(source), source, records, frozenset(skipped), unlabelled, tuple(report.warnings))


def merged(sets: Sequence[ReadSet]) -> AuditedSet:
    """Several sources as one set; labels count only if all have them."""
    records = [record for one in sets for record in one.records]
    return AuditedSet.of_records(" + ".join(one.name for one in sets), records)


def distinct_names(sets: Sequence[ReadSet]) -> list[ReadSet]:
    """The same, called by their sources where two files have one name."""
    names = Counter(one.name for one in sets)
    return [one if names[one.name] == 1 else replace(one, name=one.source) for one in sets]


def of_folder(folder: Path) -> list[str]:
    """The training file of a folder, then its test files, by their names ("Train.fasta", "Test1.fasta").

    Raises:
        InputError: Not exactly one file's name begins with "train", or none's with "test" or "val".
    """
    names = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    training = [path for path in names if path.name.lower().startswith(TRAINING)]
    tests = [
        path for path in names if path.name.lower().startswith(tuple(set(SPLITS) - {TRAINING, "training"}))
    ]
    if len(training) != 1 or not tests:
        found = ", ".join(path.name for path in names[:8]) or "nothing"
        raise InputError(
            f"{folder} needs one file whose name begins with 'train' and others that begin with 'test' or "
            f"'val'; it holds {found}; name the files instead"
        )
    return [str(path) for path in (*training, *tests)]


def by_split(one: ReadSet) -> list[ReadSet]:
    """The splits that the records of a source name, training first; the set itself if it names folds or none.

    Raises:
        InputError: It names splits, and none of them is for training.
    """
    splits = list(dict.fromkeys(record.split or TRAINING for record in one.records))
    if len(splits) < 2 or all(split.startswith(FOLD) for split in splits):
        return [one]
    if TRAINING not in splits:
        raise InputError(
            f"{one.name} has the splits {', '.join(splits)}, and no split 'train' to compare with"
        )
    splits.sort(key=lambda split: split != TRAINING)
    return [
        ReadSet(
            f"{one.name}:{split}",
            one.source,
            tuple(record for record in one.records if (record.split or TRAINING) == split),
            unlabelled=one.unlabelled,
            warnings=one.warnings if number == 0 else (),
            is_part=True,
        )
        for number, split in enumerate(splits)
    ]


def _is_dataset(source: str) -> bool:
    return not Path(source).exists() and source.partition(":")[0] in datasets.names()


def _name(source: str) -> str:
    if source == STANDARD_INPUT:
        return "standard input"
    path = Path(source)
    path = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
    return path.stem
