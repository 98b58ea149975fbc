"""A file or folder on local disk or in object storage, under one set of names.

Object storage is what `pyarrow.fs` knows by the address (s3, gs, abfs, hdfs), or what fsspec has a package
for.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Self, cast

from sortilin import files
from sortilin.errors import InputError, MissingDependencyError, OutputError
from sortilin.report._stream import writing

SEPARATOR = "://"
N_READERS = 16
"""Files that are looked at side by side: object storage answers slowly, and to many at a time."""
_WILDCARDS = frozenset("*?[")


class Place(ABC):
    """A file or a folder, which need not be there.

    Attributes:
        address: As messages call it; what `place_of` makes it from again, on another machine too.
    """

    address: str

    @property
    def name(self) -> str:
        """The last part of the address."""
        return PurePosixPath(self.address).name

    @abstractmethod
    def child(self, name: str) -> Self:
        """What is called so in this folder."""

    @abstractmethod
    def is_folder(self) -> bool:
        """Whether it is one that is there."""

    @abstractmethod
    def n_bytes(self) -> int | None:
        """Size of the file; None where there is none."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """The file, to be read from anywhere.

        Raises:
            InputError: It is missing or cannot be read.
        """

    @abstractmethod
    def below(self) -> list[str]:
        """Names of the files in this folder and its folders, relative to it, in order."""

    def matching(self, pattern: str) -> list[str]:
        """Names of the files that a pattern fits, relative to this folder, in order.

        A star does not cross a slash.
        """
        wanted = pattern.split("/")
        return [
            name
            for name in self.below()
            if len(parts := name.split("/")) == len(wanted) and all(map(fnmatch, parts, wanted))
        ]

    @abstractmethod
    def write(self, content: bytes) -> None:
        """Replace the file as a whole.

        Raises:
            OutputError: It cannot be written.
        """

    @abstractmethod
    def remove(self) -> None:
        """Remove the file, if it is there."""

    @contextmanager
    @abstractmethod
    def filled(self) -> Iterator[Path]:
        """A local path under which the file is to be written as a whole; it is here when the block ends.

        Raises:
            OutputError: It cannot be written.
        """

    def read(self) -> bytes | None:
        """The file's content; None where there is none.

        Raises:
            InputError: It cannot be read.
        """
        if self.n_bytes() is None:
            return None
        with self.open() as stream:
            return stream.read()


class LocalPlace(Place):
    """On a file system of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = str(path)

    def child(self, name: str) -> Self:
        """What is called so in this folder."""
        return type(self)(self.path / name)

    def is_folder(self) -> bool:
        """Whether it is one that is there."""
        return self.path.is_dir()

    def n_bytes(self) -> int | None:
        """Size of the file; None where there is none."""
        try:
            return self.path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise InputError(f"{self.address} cannot be read: {error.strerror or error}") from None

    def open(self) -> BinaryIO:
        """The file, to be read from anywhere."""
        from sortilin.sequences.source import open_file

        return open_file(self.path, self.address)

    def below(self) -> list[str]:
        """Names of the files in this folder and its folders, relative to it, in order."""
        found, seen = [], set()
        for folder, folders, names in os.walk(self.path, followlinks=True):
            seen.add(os.path.realpath(folder))
            folders[:] = [one for one in folders if os.path.realpath(Path(folder) / one) not in seen]
            here = Path(folder).relative_to(self.path)
            found += [(here / name).as_posix() for name in names if (Path(folder) / name).is_file()]
        return sorted(found)

    def matching(self, pattern: str) -> list[str]:
        """Names of the files that a pattern fits, relative to this folder, in order."""
        found = (path for path in self.path.glob(pattern) if path.is_file())
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def write(self, content: bytes) -> None:
        """Replace the file as a whole."""
        files.replace(self.path, content)

    def remove(self) -> None:
        """Remove the file, if it is there."""
        with writing(self.path):
            self.path.unlink(missing_ok=True)

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """The path itself; who writes there writes under another name first."""
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        yield self.path


class RemotePlace(Place):
    """In object storage; an object appears whole or not at all.

    Args:
        address: With its protocol.
        system: A file system of pyarrow.
        path: What the file system calls it.
    """

    def __init__(self, address: str, system: Any, path: str) -> None:
        self.address, self._system, self._path = address, system, path

    def child(self, name: str) -> Self:
        """What is called so in this folder."""
        base, mark, options = self.address.partition("?")
        return type(self)(
            f"{base.rstrip('/')}/{name}{mark}{options}", self._system, f"{self._path.rstrip('/')}/{name}"
        )

    @property
    def name(self) -> str:
        """The last part of the address, without options."""
        return PurePosixPath(self._path).name

    def is_folder(self) -> bool:
        """Whether it is one that is there."""
        return bool(self._info().is_file is False and self._info().type != _types().NotFound)

    def n_bytes(self) -> int | None:
        """Size of the file; None where there is none."""
        info = self._info()
        return int(info.size) if info.is_file else None

    def open(self) -> BinaryIO:
        """The file, to be read from anywhere."""
        if self.n_bytes() is None:
            raise InputError(f"{self.address}: there is no such file")
        try:
            return cast(BinaryIO, self._system.open_input_file(self._path))
        except OSError as error:
            raise InputError(f"{self.address} cannot be read: {error}") from None

    def below(self) -> list[str]:
        """Names of the files in this folder and its folders, relative to it, in order."""
        from pyarrow.fs import FileSelector

        base = self._path.rstrip("/") + "/"
        try:
            found = self._system.get_file_info(FileSelector(self._path, recursive=True, allow_not_found=True))
        except OSError as error:
            raise InputError(f"{self.address} cannot be read: {error}") from None
        return sorted(info.path.removeprefix(base) for info in found if info.is_file)

    def write(self, content: bytes) -> None:
        """Replace the object."""
        self._send(io.BytesIO(content))

    def _send(self, content: BinaryIO) -> None:
        try:
            try:
                self._fill(content)
            except FileNotFoundError:  # a system that has folders; in object storage they need not be made
                self._system.create_dir(str(PurePosixPath(self._path).parent), recursive=True)
                content.seek(0)
                self._fill(content)
        except OSError as error:
            raise OutputError(f"{self.address}: cannot be written: {error}") from None

    def _fill(self, content: BinaryIO) -> None:
        with self._system.open_output_stream(self._path) as stream:
            shutil.copyfileobj(content, stream, 1 << 20)

    def remove(self) -> None:
        """Remove the object, if it is there."""
        try:
            if self._info().is_file:
                self._system.delete_file(self._path)
        except OSError as error:
            raise OutputError(f"{self.address}: cannot be removed: {error}") from None

    @contextmanager
    def filled(self) -> Iterator[Path]:
        """A temporary file, which is sent when it is complete."""
        with tempfile.TemporaryDirectory(prefix="sortilin-part-", ignore_cleanup_errors=True) as folder:
            local = Path(folder) / self.name
            yield local
            if not local.exists():
                return
            with local.open("rb") as source:
                self._send(source)

    def _info(self) -> Any:
        try:
            return self._system.get_file_info(self._path)
        except OSError as error:
            raise InputError(f"{self.address} cannot be read: {error}") from None


def place_of(address: str | Path) -> Place:
    """The place of a path or of an address such as s3://bucket/folder.

    Raises:
        InputError: Nothing here knows the protocol, or the address is not well-formed.
        MissingDependencyError: The package that knows it is not installed.
    """
    text = str(address)
    if SEPARATOR not in text:
        return LocalPlace(Path(text))
    if text.startswith("file://"):
        return LocalPlace(Path(text.removeprefix("file://")))
    system, path = _system_of(text)
    return RemotePlace(text, system, path)


def _system_of(address: str) -> tuple[Any, str]:
    try:
        import pyarrow
        import pyarrow.fs
    except ImportError as error:
        raise MissingDependencyError("object storage", "pyarrow", "parquet") from error
    try:
        system, path = pyarrow.fs.FileSystem.from_uri(address)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, ValueError) as error:
        return _by_fsspec(address, error)
    except OSError as error:
        raise InputError(f"{address} cannot be reached: {error}") from None
    return system, path


def _by_fsspec(address: str, cause: Exception) -> tuple[Any, str]:
    protocol = address.partition(SEPARATOR)[0]
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError(f"'{protocol}' addresses", "fsspec", "scale") from error
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    if protocol not in fsspec.available_protocols():
        raise InputError(f"{address}: nothing reads '{protocol}' addresses: {cause}")
    try:
        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:  # of the package that fsspec needs for this protocol; it names it
        raise InputError(f"{address}: {error}") from None
    return PyFileSystem(FSSpecHandler(system)), path


def _types() -> Any:
    from pyarrow.fs import FileType

    return FileType


def has_wildcards(address: str) -> bool:
    """Whether an address is a pattern of names; in object storage "?" begins options instead."""
    if SEPARATOR in address:
        return bool((_WILDCARDS - {"?"}) & set(address.partition("?")[0]))
    return bool(_WILDCARDS & set(address)) and not Path(address).exists()


def split_pattern(address: str) -> tuple[str, str]:
    """A pattern → the folder above its first wildcard, and the pattern below it."""
    protocol, mark, rest = address.partition(SEPARATOR) if SEPARATOR in address else ("", "", address)
    rest, asked, options = rest.partition("?") if mark else (rest, "", "")
    parts = rest.split("/")
    at = next(at for at, part in enumerate(parts) if _WILDCARDS & set(part))
    folder = "/".join(parts[:at]) or ("/" if rest.startswith("/") else ".")
    return f"{protocol}{mark}{folder}{asked}{options}", "/".join(parts[at:])


def absolute(address: str) -> str:
    """An address that means the same in another folder."""
    return address if SEPARATOR in address else str(Path(address).absolute())
