"""Trials in a database that several machines reach: its URL, its driver, what it says when it refuses.

A plain `postgresql://` takes the driver that is installed. psycopg comes first, since it reads what other
PostgreSQL programs read (`~/.pgpass`, services, certificates); pg8000, which the extra brings, is pure Python
under a BSD licence.
"""

from __future__ import annotations

import importlib.util
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sortilin.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from sqlalchemy.engine import URL, Connection

POSTGRES = "postgresql"
DRIVERS = ("psycopg", "pg8000", "psycopg2")
"""For PostgreSQL, in the order in which they are tried."""

_EXTRA = "train"
_SPELLINGS = ("postgres", POSTGRES)
_SQLITE_WAIT_S = 60
_SERVER_WAIT_S = 30
_ADVISORY_LOCK = 0x50_72_74_6C
"""Any number that no other program takes for its own."""
_LOCK_RETRY_S = 0.2
_OPTIONAL = ("allow", "prefer")
_REQUIRED = "require"
_VERIFIED = ("verify-ca", "verify-full")


def opened(place: str) -> RDBStorage:
    """The storage of a URL.

    Raises:
        ConfigError: It is none, or cannot be reached.
        MissingDependencyError: No driver of PostgreSQL is installed.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy import event

    with _refusals(place):
        url, arguments = engine_of(place)
        kept = RDBStorage(
            url.render_as_string(hide_password=False),
            # A connection that a firewall or a restart has cut is replaced before it is used.
            engine_kwargs={"connect_args": arguments, "pool_pre_ping": True},
        )
        if url.get_backend_name() == POSTGRES:
            # Times of signs of life are compared: no summer time, whatever the server is set to.
            event.listen(kept.engine, "connect", _speak_utc)
            kept.engine.dispose()
    return kept


@contextmanager
def alone(place: str) -> Iterator[None]:
    """Hold back other workers that open the same database, while its tables and the study are made.

    Only on PostgreSQL: there two workers that make the same table fail. The lock ends with the connection.
    """
    from sqlalchemy import create_engine, func, pool, select

    if not (is_url(place) and place.startswith(_SPELLINGS)):
        yield
        return
    with _refusals(place):
        url, arguments = engine_of(place)
        connection: Connection = create_engine(
            url, connect_args=arguments, poolclass=pool.NullPool, isolation_level="AUTOCOMMIT"
        ).connect()
    with connection:
        with _refusals(place):
            # Not one long statement: pg8000 gives up on an answer after _SERVER_WAIT_S.
            while not connection.scalar(select(func.pg_try_advisory_lock(_ADVISORY_LOCK))):
                time.sleep(_LOCK_RETRY_S)
        yield


def engine_of(place: str) -> tuple[URL, dict[str, Any]]:
    """A URL with its driver, and what that is called with.

    Raises:
        MissingDependencyError: No driver of PostgreSQL is installed.
        ArgumentError: It is no URL.
    """
    from sqlalchemy.engine import make_url

    scheme, _, rest = place.partition("://")
    url = make_url(f"{POSTGRES}://{rest}" if scheme in _SPELLINGS else place)
    if url.get_backend_name() == "sqlite":
        return url, {"timeout": _SQLITE_WAIT_S}
    if url.get_backend_name() != POSTGRES:
        return url, {}
    if url.drivername == POSTGRES:
        url = url.set(drivername=f"{POSTGRES}+{_installed()}")
    if url.get_driver_name() == "pg8000":
        return _for_pg8000(url)
    return url, {"connect_timeout": _SERVER_WAIT_S}


def _installed() -> str:
    for name in DRIVERS:
        if importlib.util.find_spec(name) is not None:
            return name
    raise MissingDependencyError("a storage in PostgreSQL", "pg8000", _EXTRA)


def _for_pg8000(url: URL) -> tuple[URL, dict[str, Any]]:
    """What libpq would read from the URL and the environment, as pg8000 takes it."""
    arguments: dict[str, Any] = {"timeout": _SERVER_WAIT_S}
    query = dict(url.query)
    if mode := str(query.pop("sslmode", "")):
        arguments["ssl_context"] = _tls(mode)
    if folder := str(query.pop("host", "")):  # of the server's Unix socket
        arguments["unix_sock"] = f"{folder}/.s.PGSQL.{url.port or 5432}"
    if url.password is None and (password := os.environ.get("PGPASSWORD")):
        url = url.set(password=password)
    return url.set(query=query), arguments


def _tls(mode: str) -> ssl.SSLContext | bool | None:
    """What pg8000 is given; None encrypts where the server can, and checks no certificate."""
    if mode == "disable":
        return False
    if mode in _OPTIONAL:
        return None
    if mode not in (_REQUIRED, *_VERIFIED):
        allowed = ", ".join(("disable", *_OPTIONAL, _REQUIRED, *_VERIFIED))
        raise ConfigError(f"storage: sslmode '{mode}' is not allowed; choose from: {allowed}")
    context = ssl.create_default_context()
    if mode != "verify-full":
        context.check_hostname = False
    if mode == _REQUIRED:
        context.verify_mode = ssl.CERT_NONE
    return context


def _speak_utc(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SET TIME ZONE 'UTC'")
    cursor.close()
    connection.commit()


@contextmanager
def _refusals(place: str) -> Iterator[None]:
    """Turn what a database, its driver or its URL refuse into an error without the password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except ImportError as error:
        raise ConfigError(f"storage {shown(place)} needs a driver that is not installed: {error}") from None
    except (ValueError, TypeError, OSError, SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        said = _without_password(reason(error), place)
        raise ConfigError(f"storage {shown(place)} cannot be opened: {said}") from None


def is_url(place: str) -> bool:
    """Whether a storage is a database, rather than the path of a journal."""
    return "://" in place


def shown(place: str) -> str:
    """A URL without its password; a path as it is."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if not is_url(place):
        return place
    try:
        url = make_url(place)
        hidden = dict.fromkeys(_secrets(url), "...")
        return url.update_query_dict(hidden).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return f"'{place.partition('://')[0]}://…'"


def _without_password(said: str, place: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(place)
    except (ArgumentError, ValueError):
        return "it is no URL of a database"  # what was said may quote it
    for password in filter(None, (url.password, *map(str, _secrets(url).values()))):
        said = said.replace(str(password), "***")
    return said


def _secrets(url: URL) -> dict[str, Any]:
    """Passwords that stand behind the question mark, as libpq and pg8000 take them too."""
    return {name: value for name, value in url.query.items() if "password" in name.lower()}


def reason(error: BaseException) -> str:
    """What a database said, in one line."""
    inner = error.__cause__ or error.__context__ or error
    original = getattr(inner, "orig", None) or inner
    if isinstance(cause := getattr(original, "__cause__", None), OSError):
        return cause.strerror or str(cause)  # "Connection refused", which pg8000 hides behind its own words
    fields = original.args[0] if getattr(original, "args", ()) else None
    # pg8000 hands on the fields of the server's message; M is its text.
    said = str(fields.get("M", fields) if isinstance(fields, Mapping) else original).strip()
    return " ".join(said.split("\n")[0].split())[:200]
