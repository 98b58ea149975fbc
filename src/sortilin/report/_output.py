"""Files that appear complete or not at all, and the two that stand beside an output.

    OUT                the predictions
    OUT.meta.json      where they came from, and OUT's SHA-256
    OUT.skipped.tsv    the records that were left out, if there were any

An output that is a pipe or a device (`/dev/null`) is written straight, and has no files beside it.
"""

from __future__ import annotations

import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sortilin import registry
from sortilin.errors import ConfigError, OutputError
from sortilin.report._columns import escape
from sortilin.report._stream import OutputStream, compression_of, writing
from sortilin.report._summary import summary_record, to_json
from sortilin.results import RunSummary

SKIPPED_COLUMNS = ("record", "id", "reason")
FLAG_COLUMNS = ("id", "length", "flag")
_NAME_SHOWN = 40  # characters of the name that the temporary one repeats; names end at 255 bytes


def meta_path(path: Path | str) -> Path:
    """`OUT.meta.json` beside the output."""
    return Path(f"{path}.meta.json")


def skipped_path(path: Path | str) -> Path:
    """`OUT.skipped.tsv` beside the output."""
    return Path(f"{path}.skipped.tsv")


def format_for(path: Path | str, explicit: str | None = None) -> str:
    """Name of the format for an output file: the explicit one, else the one its ending chooses.

    Raises:
        UnknownNameError: There is no format of the explicit name.
        ConfigError: The ending belongs to no format, or compresses a format that has none compressed.
    """
    name = Path(path).name.lower()
    if explicit is not None:
        _refuse_packing(path, explicit)
        return explicit
    endings = {n: tuple(registry.get("format", n).endings) for n in registry.names("format")}
    for format_name, own in endings.items():
        if name.endswith(own):
            return format_name
    allowed = ", ".join(ending for own in endings.values() for ending in own)
    raise ConfigError(f"{path}: the ending chooses no output format; allowed: {allowed}")


def _refuse_packing(path: Path | str, format_name: str) -> None:
    """A name that ends in .gz would be compressed; not every format can be read that way."""
    endings = tuple(registry.get("format", format_name).endings)
    packing = compression_of(Path(path))
    if packing and not any(ending.endswith(packing) for ending in endings):
        allowed = ", ".join(endings)
        raise ConfigError(f"{path}: {format_name} output is not compressed; allowed: {allowed}")


def check_outputs(path: Path | str, *, source: str) -> None:
    """Refuse, before any work, an output whose files cannot be written or would replace what is read.

    Args:
        path: The output that is to be written.
        source: What is read, as given.

    Raises:
        OutputError: The output is the source, or it or `OUT.meta.json` cannot be written.
    """
    output = Path(path)
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise OutputError(f"{path}: is the file that is read; choose another name for the output")
    for place in (output, meta_path(output)):
        with writing(place):
            _refuse_folder(place)
            if not _is_special(output):
                _check_place(place, place.resolve())


@contextmanager
def open_output(path: Path | str) -> Iterator[OutputStream]:
    """A binary stream to a file that gets its name only when the block ends without an exception.

    The file grows under a hidden name in the same folder; on any exception, an interrupt too, that one
    is deleted, and what stood under the final name before stays. A link is kept and its target
    replaced. Names that end in .gz, .bz2, .xz or .zst are compressed.

    Raises:
        OutputError: The folder does not exist or cannot be written to, the path is a folder, the disk
            is full, ...
    """
    given = Path(path)
    with writing(given):  # a name that is too long fails at the first look
        _refuse_folder(given)
        is_special = _is_special(given)
    with (_straight if is_special else _aside)(given) as stream:
        yield stream


@contextmanager
def _straight(given: Path) -> Iterator[OutputStream]:
    with writing(given):
        file = io.FileIO(given, "wb")
    with _completed(OutputStream(file, given), is_file=False) as stream:
        yield stream


@contextmanager
def _aside(given: Path) -> Iterator[OutputStream]:
    target = given.resolve()
    _check_place(given, target)
    partial = target.with_name(f".{target.name[:_NAME_SHOWN]}.partial-{secrets.token_hex(4)}")
    try:
        with writing(given):
            file = io.FileIO(partial, "xb")
        with _completed(OutputStream(file, given), is_file=True) as stream:
            yield stream
        with writing(given):
            _keep_mode(target, partial)
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _completed(stream: OutputStream, *, is_file: bool) -> Iterator[OutputStream]:
    try:
        yield stream
        stream.complete(is_file=is_file)
    except BaseException:
        stream.abandon()
        raise


def _is_special(path: Path) -> bool:
    """True for what must be written to rather than replaced: a pipe, a device, a socket."""
    return path.exists() and not path.is_file()


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; give a file name, such as {path / 'predictions.tsv'}")


def _check_place(given: Path, target: Path) -> None:
    folder = target.parent
    if not folder.exists():
        raise OutputError(f"{given}: the folder '{given.parent}' does not exist; create it first")
    if not folder.is_dir():
        raise OutputError(f"{given}: '{given.parent}' is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{given}: no permission to write in the folder '{given.parent}'")
    if target.exists() and not os.access(target, os.W_OK):
        raise OutputError(f"{given}: exists and is write-protected; choose another name")


def _keep_mode(target: Path, partial: Path) -> None:
    if target.exists():
        partial.chmod(stat.S_IMODE(target.stat().st_mode))


def write_meta(path: Path | str, summary: RunSummary, output_sha256: str) -> None:
    """Write `OUT.meta.json`, atomically: the summary, and the output's name, SHA-256 and size.

    Args:
        path: The output, complete already.
        summary: Where its predictions came from.
        output_sha256: `OutputStream.sha256` of the output.
    """
    output = Path(path)
    if _is_special(output):
        return
    described = {"name": output.name, "sha256": output_sha256, "bytes": output.stat().st_size}
    text = to_json(summary_record(summary) | {"output": described}, indent=2)
    with open_output(meta_path(output)) as stream:
        stream.write(f"{text}\n".encode())


class _Log:
    """A table beside an output, there only if it has a row.

    A context manager. It gets its name when the block ends without an exception, else it is deleted. One that
    an earlier run left under that name is replaced or, if this run has no row, removed.
    """

    def __init__(self, output: Path | str, path: Path, columns: tuple[str, ...]) -> None:
        self.path, self._columns = path, columns
        self._has_place = not _is_special(Path(output))
        self._stack = ExitStack()
        self._stream: OutputStream | None = None

    def _write(self, *cells: str) -> None:
        if not self._has_place:
            return
        if self._stream is None:
            self._stream = self._stack.enter_context(open_output(self.path))
            self._write_line(self._stream, self._columns)
        self._write_line(self._stream, cells)

    @staticmethod
    def _write_line(stream: OutputStream, cells: tuple[str, ...]) -> None:
        stream.write(("\t".join(map(escape, cells)) + "\n").encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if error is None and self._stream is None and self._has_place:
            with writing(self.path):
                self.path.unlink(missing_ok=True)


class SkippedLog(_Log):
    """`OUT.skipped.tsv`: record, id and reason of what was left out, written as it comes.

    A context manager. The file exists only if there is at least one record in it; it gets its name when
    the block ends without an exception, else it is deleted. One that an earlier run left under that
    name is replaced or, if this run skipped nothing, removed.

    Args:
        path: The output that the log stands beside.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, skipped_path(path), SKIPPED_COLUMNS)
        self.n_records = 0

    def add(self, record: int, record_id: str, reason: str) -> None:
        """Note one record that was left out.

        Args:
            record: Its number in the input, from 1.
            record_id: Its id, as read.
            reason: Why, for a person.
        """
        self.n_records += 1
        self._write(str(record), record_id, reason)


class FlagLog(_Log):
    """`OUT.flags.tsv`: what a length policy did to which sequence; likewise.

    Args:
        path: The output that the log stands beside.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, Path(f"{path}.flags.tsv"), FLAG_COLUMNS)

    def add(self, record_id: str, length: int, flag: str) -> None:
        """Note one sequence."""
        self._write(record_id, str(length), flag)
