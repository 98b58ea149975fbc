"""Output files appear complete or not at all; errors say what to do."""

from __future__ import annotations

import bz2
import errno
import gc
import gzip
import hashlib
import io
import json
import lzma
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from sortilin import registry
from sortilin.errors import ConfigError, OutputError, UnknownNameError
from sortilin.report import (
    SkippedLog,
    format_for,
    meta_path,
    open_output,
    skipped_path,
    write_meta,
)
from sortilin.results import Prediction, RunSummary

SUMMARY = RunSummary(
    version="0.1.0",
    model="localization-light",
    model_checksum="9f2c" * 16,
    task="localization",
    date="2026-03-14T09:26:53+00:00",
    source="proteins.fasta",
    n_predicted=2,
    n_skipped=1,
    changes=MappingProxyType({"U>C": 1}),
    details={"seconds": np.float64(1.5), "model_path": Path("models/x"), "sizes": np.array([1, 2])},
)


def _names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_open_output_names_the_file_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with open_output(path) as stream:
        stream.write(b"abc")
        (partial,) = _names(tmp_path)
        assert partial.startswith(".out.tsv.partial-")
    assert _names(tmp_path) == ["out.tsv"]
    assert path.read_bytes() == b"abc"
    assert stream.sha256 == hashlib.sha256(b"abc").hexdigest()
    assert stream.n_bytes == 3


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, OutputError])
def test_open_output_failure_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "out.tsv"
    path.write_bytes(b"old")
    with pytest.raises(error), open_output(path) as stream:  # noqa: PT012 - the failure comes midway
        stream.write(b"new" * 1_000_000)
        raise error
    assert _names(tmp_path) == ["out.tsv"]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", registry.names("format"))
def test_format_failing_midway_leaves_no_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    good = Prediction("a", 3, "x", {"x": 0.6, "y": 0.4})
    with pytest.raises(RuntimeError, match="model broke"), open_output(path) as stream:  # noqa: PT012
        out = registry.get("format", name)(stream, classes=("x", "y"), title="")
        out.write([good] * 50_000)
        raise RuntimeError("model broke")
    del out
    gc.collect()  # a Parquet writer would now write its footer: it must not raise
    assert _names(tmp_path) == []


def test_open_output_error_of_the_body_is_not_relabelled(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_output(tmp_path / "out.tsv"):
        (tmp_path / "absent.fasta").read_bytes()


def test_open_output_replaces_and_keeps_the_mode(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with open_output(path) as stream:
        stream.write(b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_open_output_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with open_output(tmp_path / "out.tsv"):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.tsv").stat().st_mode) == 0o640


def test_open_output_follows_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    link = tmp_path / "out.tsv"
    link.symlink_to(tmp_path / "there" / "real.tsv")
    with open_output(link) as stream:
        stream.write(b"abc")
    assert link.is_symlink()
    assert (tmp_path / "there" / "real.tsv").read_bytes() == b"abc"


def test_open_output_device_is_written_not_replaced(tmp_path: Path) -> None:
    with open_output("/dev/null") as stream:
        stream.write(b"abc")
    write_meta("/dev/null", SUMMARY, stream.sha256)
    with SkippedLog("/dev/null") as log:
        log.add(1, "a", "because")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert not meta_path("/dev/null").exists()
    assert not skipped_path("/dev/null").exists()
    assert log.n_records == 1


def test_open_output_long_name_has_a_temporary_one_that_fits(tmp_path: Path) -> None:
    path = tmp_path / ("ß" * 120 + ".tsv")
    with open_output(path) as stream:
        stream.write(b"abc")
    assert path.read_bytes() == b"abc"


def test_open_output_full_device_says_so() -> None:
    with pytest.raises(OutputError) as caught, open_output("/dev/full") as stream:
        stream.write(b"abc")
    expected = "/dev/full: cannot be written: the disk is full; free some space or choose another place"
    assert str(caught.value) == expected


@pytest.mark.parametrize("ending", ["tsv", "tsv.gz", "parquet"])
def test_open_output_disk_full_leaves_nothing(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.FileIO):
        def write(self, _: object, /) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(io, "FileIO", FullDisk)
    path = tmp_path / f"out.{ending}"
    with pytest.raises(OutputError, match="the disk is full"), open_output(path) as stream:  # noqa: PT012
        out = registry.get("format", format_for(path))(stream, classes=("x",), title="")
        out.write([Prediction("a", 3, "x", {"x": 1.0})] * 50_000)
        out.finish(SUMMARY)
    del out
    gc.collect()
    assert _names(tmp_path) == []


def test_open_output_short_writes_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.FileIO):
        def write(self, content: bytes, /) -> int:  # type: ignore[override]
            return super().write(content[:1000])

    monkeypatch.setattr(io, "FileIO", Pipe)
    content = os.urandom(123_456)
    with open_output(tmp_path / "out") as stream:
        stream.write(content)
    assert (tmp_path / "out").read_bytes() == content


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "{folder}: is a folder; give a file name, such as {folder}/predictions.tsv"),
        (
            "absent/out.tsv",
            "{folder}/absent/out.tsv: the folder '{folder}/absent' does not exist; create it first",
        ),
        ("file/out.tsv", "{folder}/file/out.tsv: '{folder}/file' is a file, not a folder"),
        (
            "n" * 300,
            "{folder}/" + "n" * 300 + ": cannot be written: the name is too long; choose a shorter one",
        ),
    ],
)
def test_open_output_impossible_place_says_why(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError) as caught, open_output(tmp_path / name):
        pass
    assert str(caught.value) == message.format(folder=tmp_path)


@pytest.mark.parametrize("is_there", [True, False])
def test_open_output_no_permission_says_where(
    is_there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.tsv"
    if is_there:
        path.write_bytes(b"old")
    refused = path if is_there else tmp_path
    monkeypatch.setattr(os, "access", lambda place, _: place != refused)
    with pytest.raises(OutputError) as caught, open_output(path):
        pass
    assert str(caught.value) == (
        f"{path}: exists and is write-protected; choose another name"
        if is_there
        else f"{path}: no permission to write in the folder '{tmp_path}'"
    )


def test_open_output_any_other_refusal_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> io.FileIO:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(io, "FileIO", refuse)
    with pytest.raises(OutputError) as caught, open_output(tmp_path / "out.tsv"):
        pass
    assert str(caught.value) == f"{tmp_path}/out.tsv: cannot be written: Input/output error"


def _unzstd(content: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd.decompress(content)


@pytest.mark.parametrize(
    ("ending", "unpack"),
    [(".gz", gzip.decompress), (".bz2", bz2.decompress), (".xz", lzma.decompress), (".zst", _unzstd)],
)
def test_open_output_compresses_by_name(
    ending: str, unpack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    content = b"id\tlength\n" + b"P01308\t110\n" * 100_000
    packed = []
    for name in ("one", "two"):
        path = tmp_path / f"{name}.tsv{ending}"
        with open_output(path) as stream:
            for start in range(0, len(content), 70_000):
                stream.write(content[start : start + 70_000])
        packed.append(path.read_bytes())
        assert stream.sha256 == hashlib.sha256(packed[-1]).hexdigest()
        assert stream.n_bytes == len(packed[-1])
    assert packed[0] == packed[1]  # neither the name nor the time is in it
    assert unpack(packed[0]) == content


def test_write_meta_describes_output_and_run(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with open_output(path) as stream:
        stream.write(b"abc")
    write_meta(path, SUMMARY, stream.sha256)
    assert _names(tmp_path) == ["out.tsv", "out.tsv.meta.json"]
    found = json.loads(meta_path(path).read_text(encoding="utf-8"))
    assert found == {
        "format_version": 1,
        "version": "0.1.0",
        "model": "localization-light",
        "model_checksum": "9f2c" * 16,
        "task": "localization",
        "date": "2026-03-14T09:26:53+00:00",
        "source": "proteins.fasta",
        "n_predicted": 2,
        "n_skipped": 1,
        "changes": {"U>C": 1},
        "details": {"seconds": 1.5, "model_path": "models/x", "sizes": [1, 2]},
        "output": {"name": "out.tsv", "sha256": hashlib.sha256(b"abc").hexdigest(), "bytes": 3},
    }


def test_write_meta_refuses_what_json_has_no_place_for(tmp_path: Path) -> None:
    (tmp_path / "out.tsv").write_bytes(b"")
    summary = RunSummary("0", "m", "c", "t", "d", "s", 0, 0, {}, {"odd": object()})
    with pytest.raises(TypeError, match="a run's summary holds a object, which JSON has no place for"):
        write_meta(tmp_path / "out.tsv", summary, "")
    assert _names(tmp_path) == ["out.tsv"]


def test_skipped_log_is_written_only_if_needed(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    skipped_path(path).write_text("from an earlier run")
    with SkippedLog(path) as log:
        pass
    assert log.n_records == 0
    assert _names(tmp_path) == []


def test_skipped_log_lists_records_in_order(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with SkippedLog(path) as log:
        log.add(3, "empty\tone", "holds no residue")
        log.add(9, "dna", "looks like DNA")
        assert not log.path.exists()
    assert log.n_records == 2
    assert skipped_path(path).read_text(encoding="utf-8") == (
        "record\tid\treason\n3\tempty%09one\tholds no residue\n9\tdna\tlooks like DNA\n"
    )
    assert _names(tmp_path) == ["out.tsv.skipped.tsv"]


def test_skipped_log_failure_leaves_the_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    skipped_path(path).write_text("from an earlier run")
    with pytest.raises(KeyboardInterrupt), SkippedLog(path) as log:  # noqa: PT012
        log.add(3, "a", "holds no residue")
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), SkippedLog(path):
        raise KeyboardInterrupt
    assert skipped_path(path).read_text() == "from an earlier run"
    assert _names(tmp_path) == ["out.tsv.skipped.tsv"]


def test_format_for_takes_the_ending_in_any_case() -> None:
    assert format_for("Results.TSV.GZ") == "tsv"
    assert format_for(Path("a.b/page.html")) == "html"


def test_format_for_explicit_name_wins() -> None:
    assert format_for("table.txt", "jsonl") == "jsonl"
    assert format_for("table.txt.gz", "jsonl") == "jsonl"


@pytest.mark.parametrize("name", ["out.xlsx", "out", "out.gz", "tsv"])
def test_format_for_unknown_ending_lists_the_allowed(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        format_for(name)
    text = str(caught.value)
    assert text.startswith(f"{name}: the ending chooses no output format; allowed: ")
    for ending in (".tsv", ".tsv.gz", ".jsonl", ".parquet", ".html"):
        assert ending in text.split("allowed: ")[1].split(", ")


def test_format_for_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown format 'tvs'; did you mean 'tsv'"):
        format_for("out.tsv", "tvs")


def test_format_for_explicit_format_that_is_not_compressed() -> None:
    with pytest.raises(ConfigError) as caught:
        format_for("out.gz", "parquet")
    assert str(caught.value) == "out.gz: parquet output is not compressed; allowed: .parquet"
