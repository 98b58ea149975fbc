"""Where trials are kept: a journal, which is a file, or a database by its URL."""

from __future__ import annotations

import os
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import ConfigError, OutputError
from sortilin.locks import FileLock
from sortilin.tuning import database

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

PATIENCE_S = 120.0
"""A database may be away for so long, as in a restart, before a worker gives up."""
RETRY_S = 2.0
CUT_OFF = (ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror)
"""What pg8000 lets through as the system says it."""

_JOURNAL_START = b'{"op_code"'


def opened(storage: str) -> BaseStorage:
    """The storage of a path or a URL.

    Raises:
        ConfigError: It is none, or cannot be reached.
        MissingDependencyError: Its driver is not installed.
        OutputError: It cannot be written.
    """
    if not database.is_url(storage):
        return _journal(Path(storage))
    with without_warnings():
        return database.opened(storage)


def close(kept: BaseStorage) -> None:
    """Close the connections of a storage; it opens new ones if it is used again."""
    from optuna.storages import RDBStorage

    if isinstance(kept, RDBStorage):
        kept.remove_session()
        kept.engine.dispose()


def _journal(path: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path = path.absolute()
    lock: Any = FileLock(path.with_name(f"{path.name}.lock"))
    with writing(path):
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder '{path.parent}' does not exist; create it first")
        with lock:
            _mend(path)
        try:
            with without_warnings():
                return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        except (ValueError, KeyError, TypeError):
            raise ConfigError(f"{path} is no journal of Optuna, or is damaged: choose another file") from None


def _mend(path: Path) -> None:
    """Cut off an entry whose writing was cut short: the next one would be appended to its line."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content.startswith(_JOURNAL_START) and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a storage or the system refuses to write into an `OutputError`."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (StorageInternalError, SQLAlchemyError, *CUT_OFF) as error:
        raise OutputError(
            f"the trials cannot be kept: {database.reason(error)}; start again to go on"
        ) from None
    except OSError as error:
        where = error.filename or path
        raise OutputError(f"{where}: cannot be written: {error.strerror or error}") from None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Optuna warns of what is experimental in some of its versions."""
    from optuna.exceptions import ExperimentalWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        yield
