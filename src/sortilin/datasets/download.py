"""One file from its source address into the cache: all of it, with the right checksum, or nothing.

pooch downloads to a temporary name beside the target and renames it at the end.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sortilin.datasets import _spreadsheet
from sortilin.datasets.dataset import RemoteFile
from sortilin.errors import DatasetError

if TYPE_CHECKING:
    from sortilin.interfaces import OnProgress

MIRROR_VARIABLE = "SORTILIN_DATASETS_URL"
"""Base address of a mirror that holds the same folders; the checksums stay those of the catalog."""

N_RETRIES = 2
TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 16

FIRST_SERVER_FAULT = 500
"""From here on an HTTP status says that the server failed, below that the file is not to be had."""


def address(file: RemoteFile) -> str:
    """Where a file is fetched from: its source address, or its place on the mirror."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    return f"{mirror.rstrip('/')}/{file.path}" if mirror else file.url


def download(file: RemoteFile, root: Path, on_progress: OnProgress | None = None) -> None:
    """Fetches a file to its place below `root`, replacing what stands there.

    A connection that fails or breaks is tried again, two times.

    Raises:
        DatasetError: It cannot be fetched or written, or has another checksum.
    """
    import pooch
    import requests

    url, target = address(file), root / file.path
    store = pooch.create(
        path=root,
        base_url="",
        registry={file.path: f"sha256:{file.sha256}"},
        urls={file.path: url},
        retry_if_failed=N_RETRIES,
    )
    try:
        with _silent(pooch.get_logger()):
            store.fetch(file.path, downloader=_Checked(file, on_progress))
    except requests.exceptions.RequestException as error:
        raise DatasetError(_unfetched(file, url, target, _reason(error))) from error
    except OSError as error:
        raise DatasetError(f"{target} cannot be written: {error.strerror or error}") from error


class _Checked:
    """A downloader for pooch that says what is wrong in our words, and at once where a retry is vain."""

    def __init__(self, file: RemoteFile, on_progress: OnProgress | None) -> None:
        self.file = file
        self.on_progress = on_progress

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        from pooch import HTTPDownloader, file_hash
        from requests.exceptions import HTTPError

        progress = _Progress(self.file.path, self.on_progress)
        fetch = HTTPDownloader(progressbar=progress, chunk_size=CHUNK_BYTES, timeout=TIMEOUT_S)
        try:
            fetch(url, output_file, pooch)
        except HTTPError as error:
            if error.response is None:
                raise
            error.response.close()
            if error.response.status_code >= FIRST_SERVER_FAULT:
                raise
            raise DatasetError(_refused(self.file, url, error.response.status_code)) from error
        if _spreadsheet.is_spreadsheet(Path(output_file)):
            Path(output_file).write_bytes(_spreadsheet.as_table(Path(output_file)))
        found = file_hash(output_file, alg="sha256")
        if found != self.file.sha256:
            raise DatasetError(
                f"{url} is not the file expected: its SHA-256 is {found}, expected {self.file.sha256}; "
                "it was not kept; a proxy or a login page may have answered instead, so try again later, or "
                f"{_by_hand(self.file)}"
            )


class _Progress:
    """pooch's protocol for progress bars, handed on as `on_progress(path, done, total)`."""

    def __init__(self, path: str, on_progress: OnProgress | None) -> None:
        self.path = path
        self.on_progress = on_progress
        self.total = 0
        self.done = 0

    def update(self, n_bytes: int) -> None:
        # pooch counts whole chunks, so that the last one overshoots.
        self.done = min(self.done + n_bytes, self.total) if self.total else self.done + n_bytes
        if self.on_progress is not None:
            self.on_progress(self.path, self.done, self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Stops pooch's logger, which writes every download to stderr: the library itself never prints."""
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _by_hand(file: RemoteFile) -> str:
    folder = file.path.rpartition("/")[0]
    return f"set SORTILIN_DATA_DIR to a folder that holds {file.path} (and what else is in {folder}/)"


def _unfetched(file: RemoteFile, url: str, target: Path, reason: str) -> str:
    return (
        f"cannot fetch {url} to {target}: {reason}; check the connection and try again, or {_by_hand(file)}"
    )


def _refused(file: RemoteFile, url: str, status_code: int) -> str:
    return f"cannot fetch {url}: the server answers {status_code}; {_by_hand(file)}"


def _reason(error: Exception) -> str:
    from requests import exceptions

    reasons: tuple[tuple[type[Exception], str], ...] = (
        (exceptions.SSLError, "the server's certificate was not accepted"),
        (exceptions.ProxyError, "the proxy cannot be reached"),
        (exceptions.Timeout, f"no answer within {TIMEOUT_S:.0f} s"),
        (exceptions.ChunkedEncodingError, "the connection broke before the file was whole"),
        (exceptions.ConnectionError, "the server cannot be reached"),
    )
    return next((text for kind, text in reasons if isinstance(error, kind)), str(error))
