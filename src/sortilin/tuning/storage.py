"""Where trials are kept: a journal, which is a file, or a database by its URL."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.errors import ConfigError, OutputError
from sortilin.locks import FileLock

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_JOURNAL_START = b'{"op_code"'
_SQLITE_WAIT_S = 60


def opened(storage: str) -> BaseStorage:
    """The storage of a path or a URL.

    Raises:
        ConfigError: It is none, or cannot be reached.
        OutputError: It cannot be written.
    """
    return _database(storage) if "://" in storage else _journal(Path(storage))


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


def _database(url: str) -> BaseStorage:
    from optuna.exceptions import StorageInternalError
    from optuna.storages import RDBStorage
    from sqlalchemy.exc import SQLAlchemyError

    engine = {"connect_args": {"timeout": _SQLITE_WAIT_S}} if url.startswith("sqlite") else {}
    try:
        with without_warnings():
            return RDBStorage(url, engine_kwargs=engine)
    except ImportError as error:
        raise ConfigError(f"storage {_shown(url)} needs a driver that is not installed: {error}") from None
    except (ValueError, SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        raise ConfigError(f"storage {_shown(url)} cannot be opened: {_reason(error)}") from None


def _shown(url: str) -> str:
    """A URL without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"'{url.partition('://')[0]}://…'"


def _reason(error: BaseException) -> str:
    """What a database said, in one line."""
    inner = error.__cause__ or error.__context__ or error
    said = str(getattr(inner, "orig", None) or inner).strip()
    return " ".join(said.split("\n")[0].split())[:200]


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a storage or the system refuses to write into an `OutputError`."""
    from optuna.exceptions import StorageInternalError

    try:
        yield
    except StorageInternalError as error:
        raise OutputError(f"the trials cannot be kept: {_reason(error)}; start again to go on") from None
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
