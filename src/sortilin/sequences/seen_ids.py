"""Duplicate ids among any number of records, in constant memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import TracebackType

from sortilin.errors import InputError

MAX_IDS_IN_MEMORY = 50_000

_MAX_KEY_LENGTH = 64
_HASH_BYTES = 16  # of a billion long ids, two share a hash with a chance below 1e-20
_SETUP = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -4000",  # KiB; the rest is on disk, so that memory does not grow
    "CREATE TABLE seen (key BLOB PRIMARY KEY, record INTEGER) WITHOUT ROWID",
    "BEGIN",
)


class SeenIds:
    """Remembers ids, and the number of the record that had each first.

    The first ids are held in memory; beyond `max_in_memory` all move to a temporary SQLite database,
    which is gone when it is closed, and also when the process dies.

    Args:
        max_in_memory: Ids that are held in memory.
    """

    def __init__(self, max_in_memory: int = MAX_IDS_IN_MEMORY) -> None:
        self._max_in_memory = max_in_memory
        self._in_memory: dict[str, int] = {}
        self._on_disk: _IdsOnDisk | None = None

    def add(self, record_id: str, record: int) -> int | None:
        """The number of an earlier record with this id; None, and the id is remembered, if it is new.

        Raises:
            InputError: There is no room for the temporary database.
        """
        if self._on_disk is not None:
            return self._on_disk.add(record_id, record)
        earlier = self._in_memory.setdefault(record_id, record)
        if earlier != record:
            return earlier
        if len(self._in_memory) > self._max_in_memory:
            self._on_disk = _IdsOnDisk(self._in_memory)
            self._in_memory = {}
        return None

    def close(self) -> None:
        """Forget all ids and remove the temporary database."""
        self._in_memory = {}
        if self._on_disk is not None:
            self._on_disk.close()
            self._on_disk = None

    def __enter__(self) -> SeenIds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _IdsOnDisk:
    def __init__(self, first: Mapping[str, int]) -> None:
        import sqlite3

        self._fault = sqlite3.OperationalError
        # An empty name asks SQLite for a private file that it removes itself. The records of one
        # source may be drawn by another thread than the one that opened it.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            for statement in _SETUP:
                self._database.execute(statement)
            self._cursor = self._database.cursor()
            for record_id, record in first.items():
                self.add(record_id, record)
        except BaseException:
            self.close()  # nobody else holds it yet
            raise

    def add(self, record_id: str, record: int) -> int | None:
        key = _key(record_id)
        try:
            self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (key, record))
        except self._fault as error:
            raise InputError(
                f"cannot keep the ids of {record} records apart: {error}; "
                "set TMPDIR to a folder with more room"
            ) from error
        return None if self._cursor.rowcount else self._first(key)

    def _first(self, key: str | bytes) -> int:
        self._cursor.execute("SELECT record FROM seen WHERE key = ?", (key,))
        row: tuple[int] = self._cursor.fetchone()
        return row[0]

    def close(self) -> None:
        self._database.close()


def _key(record_id: str) -> str | bytes:
    """Short ids as they are: in a file they are often in order, which a database likes; long ones hashed."""
    if len(record_id) <= _MAX_KEY_LENGTH and record_id.isascii():
        return record_id
    return hashlib.blake2b(record_id.encode(errors="surrogatepass"), digest_size=_HASH_BYTES).digest()
