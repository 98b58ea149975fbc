"""The rows of a result: written once as a whole, then sorted, filtered and shown in pages.

SQLite, so that a page of a million rows costs what a page costs.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sortilin.errors import OutputError
from sortilin.results import Prediction, count_classes
from sortilin.serve.store import NoSuchJobError

SORTABLE = ("position", "id", "length", "prediction", "probability")
"""Columns that rows are sorted by, beside the probability of each class."""

LENGTH_BINS = 24
PROBABILITY_BINS = 20

OPINIONS = ("spread", "disagreement")
"""Optional columns of models of several members: how far these are apart."""

_IS_PREDICTED = "(prediction = ? OR instr('|' || prediction || '|', '|' || ? || '|') > 0)"
"""A class stands alone, or among several that are joined."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows are asked for, and in what order.

    Attributes:
        sort: A column of `SORTABLE`, or `p_` and a class.
        descending: The other way round.
        search: Part of an id.
        prediction: Only rows of this class.
        flagged: Only rows with a flag.
        offset: Rows before the first that is wanted.
        limit: At most so many.
    """

    sort: str = "position"
    descending: bool = False
    search: str = ""
    prediction: str = ""
    flagged: bool = False
    offset: int = 0
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Found:
    """Rows of a query.

    Attributes:
        n: How many there are in all.
        rows: Position from 1, and prediction.
    """

    n: int
    rows: list[tuple[int, Prediction]]


class Writer:
    """Rows into a file that gets its name when all are there.

    Args:
        path: The file's name.
        classes: In the order of the columns.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self.path, self.classes = path, tuple(classes)
        self._partial = path.with_name(f".{path.name}.partial-{uuid.uuid4().hex[:8]}")
        self._n = 0
        columns = ", ".join(f"p{i} REAL" for i in range(len(classes)))
        with _faults(path):
            self._file = sqlite3.connect(self._partial, isolation_level=None, check_same_thread=False)
            for pragma in ("journal_mode = OFF", "synchronous = OFF"):  # nobody reads it before it is whole
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute(
                "CREATE TABLE rows (position INTEGER PRIMARY KEY, id TEXT, length INTEGER, prediction TEXT, "
                f"probability REAL, flags TEXT, answers TEXT, {columns}, opinions TEXT)"
            )
            self._file.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
            self._file.execute("BEGIN")

    def write(self, predictions: Iterable[Prediction]) -> None:
        """Append rows, in order.

        Raises:
            OutputError: There is no room.
        """
        marks = ", ".join("?" * (8 + len(self.classes)))
        with _faults(self.path):
            self._file.executemany(f"INSERT INTO rows VALUES ({marks})", map(self._row, predictions))  # noqa: S608 - of our own words

    def _row(self, p: Prediction) -> tuple[Any, ...]:
        self._n += 1
        values = [p.probabilities[c] for c in self.classes]
        flags, answers = "\n".join(p.flags), json.dumps(dict(p.answers)) if p.answers else ""
        opinions = "" if p.spread is None else json.dumps({name: getattr(p, name) for name in OPINIONS})
        return (self._n, p.id, p.length, p.label, p.probability, flags, answers, *values, opinions)

    def finish(self) -> None:
        """Give the file its name.

        Raises:
            OutputError: There is no room.
        """
        with _faults(self.path):
            for key, value in _overview(self._file, self.classes).items():
                self._file.execute("INSERT INTO meta VALUES (?, ?)", (key, json.dumps(value)))
            self._file.execute("COMMIT")
            for column in ("prediction", "probability"):
                self._file.execute(f"CREATE INDEX by_{column} ON rows ({column})")
            self._file.close()
            self._partial.replace(self.path)

    def discard(self) -> None:
        """Leave nothing behind; after `finish` it does nothing."""
        with suppress(sqlite3.Error):
            self._file.close()
        self._partial.unlink(missing_ok=True)


def _overview(file: sqlite3.Connection, classes: Sequence[str]) -> dict[str, Any]:
    """Counts for the plots, so that no page reads all rows."""
    n, shortest, longest = file.execute("SELECT count(*), min(length), max(length) FROM rows").fetchone()
    labels = Counter(dict(file.execute("SELECT prediction, count(*) FROM rows GROUP BY prediction")))
    width = max(1, -(-(longest - shortest + 1) // LENGTH_BINS)) if n else 1
    lengths = dict(
        file.execute(
            "SELECT (length - ?) / ? AS bin, count(*) FROM rows GROUP BY bin", (shortest or 0, width)
        )
    )
    probabilities = {
        c: dict(
            file.execute(
                f"SELECT min(CAST(p{place} * ? AS INTEGER), ?) AS bin, count(*) FROM rows "  # noqa: S608 - of our own words
                f"WHERE {_IS_PREDICTED} GROUP BY bin",
                (PROBABILITY_BINS, PROBABILITY_BINS - 1, c, c),
            )
        )
        for place, c in enumerate(classes)
    }
    flagged = file.execute("SELECT count(*) FROM rows WHERE flags != ''").fetchone()[0]
    apart = file.execute("SELECT 1 FROM rows WHERE opinions != '' LIMIT 1").fetchone()
    return {
        "n": n,
        "counts": count_classes(labels, classes),
        "has_several": not set(labels) <= set(classes),
        "lengths": {
            "first": shortest or 0,
            "width": width,
            "counts": [lengths.get(i, 0) for i in range(max(lengths, default=0) + 1)],
        },
        "probabilities": {c: [probabilities[c].get(i, 0) for i in range(PROBABILITY_BINS)] for c in classes},
        "n_flagged": flagged,
        "extra": list(OPINIONS) if apart else [],
    }


class Table:
    """The rows of a finished job.

    Args:
        path: The file.
        classes: In the order of the columns.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self.path, self.classes = path, tuple(classes)

    def overview(self) -> Mapping[str, Any]:
        """Counts of classes, lengths, probabilities and flags."""
        with self._opened() as file:
            return {key: json.loads(value) for key, value in file.execute("SELECT key, value FROM meta")}

    def find(self, query: Query) -> Found:
        """A page of rows."""
        where, values = self._where(query)
        order = self._column(query.sort)
        way = "DESC" if query.descending else "ASC"
        with self._opened() as file:
            n = file.execute(f"SELECT count(*) FROM rows {where}", values).fetchone()[0]  # noqa: S608 - of our own words
            rows = file.execute(
                f"SELECT * FROM rows {where} ORDER BY {order} {way}, position LIMIT ? OFFSET ?",  # noqa: S608 - of our own words
                (*values, query.limit, query.offset),
            ).fetchall()
        return Found(n, [(row[0], self._prediction(row)) for row in rows])

    def row(self, position: int) -> Prediction | None:
        """The row at a position, from 1; None if there is none."""
        with self._opened() as file:
            row = file.execute("SELECT * FROM rows WHERE position = ?", (position,)).fetchone()
        return None if row is None else self._prediction(row)

    def all(self, prediction: str = "") -> Iterator[Prediction]:
        """All rows in order, or those of one class; in bounded memory."""
        where, values = self._where(Query(prediction=prediction))
        with self._opened() as file:
            for row in file.execute(f"SELECT * FROM rows {where} ORDER BY position", values):  # noqa: S608 - of our own words
                yield self._prediction(row)

    def _prediction(self, row: Sequence[Any]) -> Prediction:
        _, record_id, length, label, _, flags, answers, *rest = row
        n_classes = len(self.classes)
        probabilities, opinions = rest[:n_classes], "".join(rest[n_classes:])  # older files have no opinions
        return Prediction(
            record_id,
            length,
            label,
            dict(zip(self.classes, probabilities, strict=True)),
            tuple(flags.split("\n")) if flags else (),
            json.loads(answers) if answers else {},
            **(json.loads(opinions) if opinions else {}),
        )

    def _where(self, query: Query) -> tuple[str, tuple[Any, ...]]:
        parts: list[str] = []
        values: list[Any] = []
        if query.search:
            parts.append("instr(lower(id), lower(?)) > 0")
            values.append(query.search)
        if query.prediction:
            several = self.overview().get("has_several", False)
            parts.append(_IS_PREDICTED if several else "prediction = ?")
            values += [query.prediction] * (1 + several)
        if query.flagged:
            parts.append("flags != ''")
        return (f"WHERE {' AND '.join(parts)}" if parts else ""), tuple(values)

    def _column(self, sort: str) -> str:
        """A column's name; nothing of what a visitor sends stands in the query itself."""
        if sort.startswith("p_") and sort[2:] in self.classes:
            return f"p{self.classes.index(sort[2:])}"
        return sort if sort in SORTABLE else "position"

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        address = f"file:{_quoted(self.path)}?mode=ro&immutable=1"
        try:  # a download is read on by whichever thread is free
            file = sqlite3.connect(address, uri=True, check_same_thread=False)
        except sqlite3.OperationalError:
            if self.path.exists():
                raise
            raise NoSuchJobError("the job was deleted") from None
        with closing(file):
            yield file


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path.absolute()))


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    """SQLite's errors of a full disk as the project's own."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise OutputError(f"{path} cannot be written: {error}") from None
