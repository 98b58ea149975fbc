"""Who works in the folder of a run: one run at a time, or one array job of each number.

On local disk that is a lock, which ends with its process. Object storage has none: a sign of life stands
there, renewed while the run goes on, and a run that has given none for some time is taken for dead.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from sortilin import files
from sortilin.errors import ConfigError, SortilinError
from sortilin.scale.folder import RunFolder
from sortilin.scale.local import Share
from sortilin.scale.places import LocalPlace, Place

SIGN_EVERY_S = 30.0
DEAD_AFTER_S = 150.0
_SETTLE_S = 1.0


@contextmanager
def held(folder: RunFolder, share: Share | None) -> Iterator[None]:
    """Hold a folder for a run, or for one array job of it.

    Raises:
        ConfigError: The same run, or the same job, is working there.
        OutputError: The folder cannot be written.
    """
    name = "whole" if share is None else f"{share.number}-of-{share.of}"
    what = "another run" if share is None else f"another job {share.number}/{share.of}"
    if not isinstance(folder.place, LocalPlace):
        with _signed(folder.place, name, what):
            yield
        return
    files.claim(folder.place.path)
    with files.locked(folder.place.path, f".lock-{name}", what=what):
        yield


@contextmanager
def _signed(folder: Place, name: str, what: str) -> Iterator[None]:
    place, token = folder.child(f".running-{name}.json"), secrets.token_hex(8)
    _check_nobody(place, folder.address, what)
    _sign(place, token)
    time.sleep(_SETTLE_S)
    if _token(place) != token:  # another one began at the same moment, and signed behind us
        raise ConfigError(f"{what} has just begun in {folder.address}: wait for it, or choose another folder")
    stop = Event()
    thread = Thread(target=_keep_signing, args=(place, token, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(SortilinError):
            place.remove()


def _check_nobody(place: Place, address: str, what: str) -> None:
    content = place.read()
    if content is None:
        return
    with suppress(ValueError, KeyError, TypeError):
        found = json.loads(content)
        age = time.time() - float(found["at"])
        if age < DEAD_AFTER_S:
            raise ConfigError(
                f"{what} is working in {address} (host {found['host']}, process {found['pid']}, last sign of "
                f"life {max(age, 0):.0f} s ago): wait for it, or choose another folder"
            )


def _token(place: Place) -> str | None:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(place.read() or b"")["token"])
    return None


def _sign(place: Place, token: str) -> None:
    about = {"token": token, "host": socket.gethostname(), "pid": os.getpid(), "at": time.time()}
    place.write(json.dumps(about).encode())


def _keep_signing(place: Place, token: str, stop: Event) -> None:
    while not stop.wait(SIGN_EVERY_S):
        with suppress(SortilinError):  # the next sign may get through; results are written by others
            _sign(place, token)
