from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from xopen import xopen

from sortilin.errors import FormatError, InputError, NoRecordsError, SortilinError
from sortilin.sequences import SequenceRecord, read_sequences

N = 3_000
BODY = "".join(
    f">pep{i} a peptide\nMKV{'ACDEFGHIKLMNPQRSTVWY'[i % 20 :]}\n{'WYHK'[i % 4 :]}\n" for i in range(N)
).encode()
EXPECTED = "expected '>' (FASTA) or a header line with a column named 'sequence' (CSV, TSV)"


def zstd(body: bytes) -> bytes:
    packed = io.BytesIO()
    with xopen(packed, "wb", threads=0, format="zst") as stream:
        stream.write(body)
    return packed.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
}


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time and cannot be rewound."""

    def __init__(self, content: bytes, n_bytes: int) -> None:
        self._content, self._n_bytes = io.BytesIO(content), n_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._content.read(min(len(buffer), self._n_bytes))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def pipe_to_stdin(monkeypatch: pytest.MonkeyPatch, content: bytes, n_bytes: int = 1_000) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Trickle(content, n_bytes))))


def read(content: bytes, **options: Any) -> list[SequenceRecord]:
    return list(read_sequences(io.BytesIO(content), name="peptides.fasta", **options))


def message_of(content: bytes, error: type[SortilinError] = InputError, **options: Any) -> str:
    with pytest.raises(error) as caught:
        read(content, **options)
    assert type(caught.value) is error
    return str(caught.value)


@pytest.fixture(scope="module")
def plain() -> list[SequenceRecord]:
    return read(BODY)


def test_records_are_read_in_full(plain: list[SequenceRecord]) -> None:
    assert len(plain) == N
    assert plain[0] == SequenceRecord("pep0", "MKVACDEFGHIKLMNPQRSTVWYWYHK", "a peptide")
    assert plain[-1].sequence == "MKVYK"


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("name", ["right", "wrong.fasta", "wrong.gz", "wrong.xz"])
def test_compressed_files_are_told_by_content(
    tmp_path: Path, plain: list[SequenceRecord], kind: str, name: str
) -> None:
    path = tmp_path / (name if name != "right" else f"peptides.fasta.{kind}")
    path.write_bytes(COMPRESS[kind](BODY))
    assert list(read_sequences(path)) == plain
    assert list(read_sequences(str(path))) == plain


@pytest.mark.parametrize("kind", ["plain", *COMPRESS])
@pytest.mark.parametrize("n_bytes", [1, 7, 100_000])
def test_standard_input_may_be_compressed(
    monkeypatch: pytest.MonkeyPatch, plain: list[SequenceRecord], kind: str, n_bytes: int
) -> None:
    pipe_to_stdin(monkeypatch, COMPRESS.get(kind, bytes)(BODY), n_bytes)
    assert list(read_sequences("-")) == plain
    assert not sys.stdin.closed


@pytest.mark.parametrize("kind", COMPRESS)
def test_joined_compressed_files_are_read_to_the_end(plain: list[SequenceRecord], kind: str) -> None:
    half = BODY.index(b">pep1500")
    assert read(COMPRESS[kind](BODY[:half]) + COMPRESS[kind](BODY[half:])) == plain


def test_a_plain_file_may_be_called_gz(tmp_path: Path, plain: list[SequenceRecord]) -> None:
    path = tmp_path / "peptides.fasta.gz"
    path.write_bytes(BODY)
    assert list(read_sequences(path)) == plain


@pytest.mark.parametrize("kind", COMPRESS)
@pytest.mark.parametrize("cut", ["half", "tail", "start"])
@pytest.mark.parametrize("is_stdin", [True, False])
def test_truncated_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, cut: str, is_stdin: bool
) -> None:
    whole = COMPRESS[kind](BODY)
    part = whole[: {"half": len(whole) // 2, "tail": len(whole) - 1, "start": 12}[cut]]
    path = tmp_path / "peptides.fasta"
    path.write_bytes(part)
    pipe_to_stdin(monkeypatch, part)
    records = read_sequences("-" if is_stdin else path)
    with pytest.raises(FormatError) as caught:
        list(records)
    message = str(caught.value)
    assert message.startswith(f"{'standard input' if is_stdin else path}: compressed file ends early")
    assert message.endswith(" (truncated download?)")


@pytest.mark.parametrize("kind", COMPRESS)
def test_damaged_files_are_refused(kind: str) -> None:
    damaged = bytearray(COMPRESS[kind](BODY))
    for place in range(len(damaged) // 2, len(damaged) // 2 + 40):
        damaged[place] ^= 0x5A
    message = message_of(bytes(damaged), FormatError)
    assert message.startswith("peptides.fasta: reading failed")
    assert message.endswith("; the file may be damaged")


@pytest.mark.parametrize("kind", COMPRESS)
def test_truncated_files_say_how_far_they_were_read(kind: str) -> None:
    n_whole = 100_000
    body = b"".join(b">r%d\nMKV\n" % i for i in range(n_whole))
    packed = COMPRESS[kind](body) + COMPRESS[kind](BODY)[:-20]
    message = message_of(packed, FormatError)
    n_records = int(
        message.removeprefix("peptides.fasta: compressed file ends early after at least ").split()[0]
    )
    assert n_whole - 20_000 < n_records < n_whole + N


def test_bytes_that_are_not_utf8_are_placed() -> None:
    content = b"".join(b">r%d\nMKV\n" % i for i in range(10_000)) + b">\xe9\nMKV\n"
    message = message_of(content, FormatError)
    start, _, count = message.partition(" after at least ")
    assert start == "peptides.fasta: byte 0xe9"
    assert 8_000 < int(count.split()[0]) <= 10_000


def test_headers_are_utf8_in_any_locale(tmp_path: Path) -> None:
    path = tmp_path / "peptides.fasta"
    path.write_bytes(">ß1 β-défensine\nMKV\n".encode())
    code = (
        "import sys, locale; from sortilin.sequences import read_sequences;"
        "print([*map(ascii, [*read_sequences(sys.argv[1])])]); print(locale.getpreferredencoding())"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ran = subprocess.run(
        [sys.executable, "-c", code, path], env=environment, capture_output=True, text=True, check=True
    )
    assert ascii(ascii(SequenceRecord("ß1", "MKV", "β-défensine"))) in ran.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "peptides.fasta is empty"),
        (gzip.compress(b"", mtime=0), "peptides.fasta is empty"),
        (b"\n \n# nothing\n", "peptides.fasta holds no records"),
        (
            b"MKVLAW\n>a\nMKV\n",
            f"peptides.fasta, line 1 holds 'MKVLAW'; {EXPECTED}",
        ),
        (
            b"\n\nLOCUS       SCU49845     5028 bp    DNA             PLN       21-JUN-1999\n",
            f"peptides.fasta, line 3 holds 'LOCUS       SCU49845     5028 bp    D...'; {EXPECTED}",
        ),
        (
            b"PK\x03\x04\x14\x00",
            "peptides.fasta is a zip archive or an Excel workbook; save the sheet as CSV",
        ),
        (">a\nMKV\n".encode("utf-16"), "peptides.fasta is UTF-16 text; save it as UTF-8"),
        (
            b">a\nMKV\n>b \xe9\nMKV\n",
            "peptides.fasta: byte 0xe9 is not UTF-8 text; save it as UTF-8",
        ),
        (
            b"id,sequence\n\xe9,MKV\n",
            "peptides.fasta: byte 0xe9 is not UTF-8 text; save it as UTF-8",
        ),
    ],
)
@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_files_that_are_no_sequences_are_refused(content: bytes, message: str, on_error: str) -> None:
    kind = NoRecordsError if message.endswith(("is empty", "holds no records")) else FormatError
    assert message_of(content, kind, on_error=on_error) == message


@pytest.mark.parametrize(
    "start", [b"\x1f\x8b", b"\x1f\x8bgarbage in a gz file", b"BZhello", b"\x28\xb5\x2f\xfdx"]
)
def test_garbage_with_the_first_bytes_of_a_compressed_file_is_refused(start: bytes) -> None:
    assert message_of(start, FormatError).startswith("peptides.fasta: ")


def test_a_gz_file_that_holds_something_else_is_refused() -> None:
    content = bytes(range(128, 256))
    assert message_of(gzip.compress(content), FormatError).startswith("peptides.fasta, line 1 holds ")


def test_a_missing_file_is_named_with_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "peptides.fa").touch()
    path = tmp_path / "peptide.fa"
    with pytest.raises(InputError) as caught:
        list(read_sequences(path))
    assert str(caught.value) == f"{path}: there is no such file; did you mean 'peptides.fa'?"
    with pytest.raises(InputError) as caught:
        list(read_sequences(tmp_path / "x" / "y.fa"))
    assert str(caught.value) == f"{tmp_path / 'x' / 'y.fa'}: there is no folder '{tmp_path / 'x'}'"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        list(read_sequences(tmp_path))
    assert str(caught.value) == f"{tmp_path} is a folder; give the file in it that is meant"


def test_a_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = tmp_path / "peptides.fasta"
    path.write_bytes(BODY)
    monkeypatch.setattr(Path, "open", forbid)
    with pytest.raises(InputError) as caught:
        list(read_sequences(path))
    assert str(caught.value) == f"{path} cannot be read: Permission denied"


def test_a_text_stream_is_refused() -> None:
    with pytest.raises(InputError, match=r"^input is open as text; open it in binary mode \('rb'\)$"):
        list(read_sequences(io.StringIO(">a\nMKV\n")))  # type: ignore[arg-type]


def test_a_given_stream_stays_open() -> None:
    stream = io.BytesIO(gzip.compress(BODY))
    assert sum(1 for _ in read_sequences(stream)) == N
    assert not stream.closed


def test_a_path_is_closed_with_the_iterator(tmp_path: Path) -> None:
    path = tmp_path / "peptides.fasta.gz"
    path.write_bytes(gzip.compress(BODY))
    records = read_sequences(path)
    assert next(records).id == "pep0"
    records.close()  # type: ignore[attr-defined]
    assert next(records, None) is None


class Endless(io.RawIOBase):
    """A pipe whose writer is slow: each read gives one record."""

    n_given = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.n_given += 1
        record = b">r%d\nMKVLAW\n" % self.n_given
        buffer[: len(record)] = record
        return len(record)


def test_records_are_given_as_they_arrive() -> None:
    pipe = Endless()
    records = read_sequences(io.BufferedReader(pipe))
    assert [next(records).id for _ in range(1_000)][-1] == "r1000"
    assert pipe.n_given < 1_010


@pytest.mark.parametrize("kind", ["plain", *COMPRESS])
def test_an_unbuffered_stream_may_give_single_bytes(plain: list[SequenceRecord], kind: str) -> None:
    stream = Trickle(COMPRESS.get(kind, bytes)(BODY), 1)
    assert list(read_sequences(cast(BinaryIO, stream))) == plain
