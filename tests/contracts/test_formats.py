"""Every registered output format, whoever wrote it: the same rows in give the same rows out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet
import pytest

from sortilin import registry
from sortilin.report import column_names, format_for, open_output
from sortilin.results import Prediction, RunSummary

CLASSES = ("cytosol", "secreted", "mitochondrion", "nucleus")
SUMMARY = RunSummary(
    version="0.1.0",
    model="localization-light",
    model_checksum="9f2c" * 16,
    task="localization",
    date="2026-03-14T09:26:53+00:00",
    source="proteins.fasta",
    n_predicted=7,
    n_skipped=0,
    changes={"U>C": 1},
)


class Parsed(NamedTuple):
    id: str
    length: int
    label: str
    confidence: str
    probabilities: tuple[float, ...]
    flags: tuple[str, ...]


def _prediction(record_id: str, label: str, *flags: str, top: float = 0.9) -> Prediction:
    rest = (1 - top) / (len(CLASSES) - 1)
    probabilities = {name: top if name == label else rest for name in CLASSES}
    return Prediction(record_id, len(record_id) * 10, label, probabilities, flags)


PREDICTIONS = (
    _prediction("P01308", "secreted"),
    _prediction("sp|P07203|GPX1_HUMAN", "cytosol", "U>C:1", "stop:1", top=0.512345678),
    _prediction("Aβ-42 «淀粉样»", "secreted", top=0.7499996),
    _prediction("100% of it", "nucleus", "longer_than_trained", top=0.26),
    _prediction("<script>alert(1)</script>", "mitochondrion", top=1.0),
    _prediction("a & b; 'c'", "mitochondrion", "unknown:3"),
    _prediction("z", "cytosol", top=0.99999),
)


def _read_tsv(content: bytes) -> list[Parsed]:
    table = csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [
        Parsed(
            row["id"],
            int(row["length"]),
            row["prediction"],
            row["confidence"],
            tuple(float(row[f"p_{name}"]) for name in CLASSES),
            tuple(row["flags"].split(";")) if row["flags"] else (),
        )
        for row in table
    ]


def _read_jsonl(content: bytes) -> list[Parsed]:
    return [
        Parsed(
            row["id"],
            row["length"],
            row["prediction"],
            row["confidence"],
            tuple(row["probabilities"][name] for name in CLASSES),
            tuple(row["flags"]),
        )
        for row in map(json.loads, content.decode().splitlines())
    ]


def _read_parquet(content: bytes) -> list[Parsed]:
    return [
        Parsed(
            row["id"],
            row["length"],
            row["prediction"],
            row["confidence"],
            tuple(row[f"p_{name}"] for name in CLASSES),
            tuple(row["flags"]),
        )
        for row in pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    ]


class _PageRows(HTMLParser):
    """Rows of the page; its flags stand in words, and are tested with the page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self._into: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        kind = given.get("class") or ""
        if tag == "li" and kind == "row":
            self.rows.append({"label": given["data-class"], "length": int(given["data-l"] or ""), "id": ""})
            self.rows[-1] |= {"confidence": "", "widths": []}
        elif self.rows and tag == "i" and "style" in given:
            width = (given["style"] or "").removeprefix("width:").removesuffix("%")
            self.rows[-1]["widths"].append(float(width) / 100)
        elif self.rows and tag == "span" and kind == "id":
            self._into = "id"
        elif self.rows and tag == "span" and kind.startswith("badge"):
            self._into = "confidence"

    def handle_data(self, data: str) -> None:
        if self._into:
            self.rows[-1][self._into] += data

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._into = None


def _read_html(content: bytes) -> list[Parsed]:
    page = _PageRows()
    page.feed(content.decode())
    return [
        Parsed(
            r["id"],
            r["length"],
            r["label"],
            r["confidence"].removesuffix(" confidence"),
            tuple(r["widths"]),
            (),
        )
        for r in page.rows
    ]


class Reader(NamedTuple):
    read: Callable[[bytes], list[Parsed]]
    tolerance: float
    has_flags: bool = True


READERS = {
    "tsv": Reader(_read_tsv, 0.5e-4),
    "jsonl": Reader(_read_jsonl, 0.5e-6),
    "parquet": Reader(_read_parquet, 1e-7),
    "html": Reader(_read_html, 0.5e-3, has_flags=False),
}
FORMATS = registry.names("format")


def _written(name: str, predictions: Sequence[Prediction], batch_size: int) -> bytes:
    stream = io.BytesIO()
    out = registry.get("format", name)(stream, classes=CLASSES, title="proteins.fasta")
    for start in range(0, len(predictions), batch_size):
        out.write(predictions[start : start + batch_size])
    out.finish(SUMMARY)
    return stream.getvalue()


def test_every_bundled_format_is_read_back() -> None:
    assert set(READERS) <= set(FORMATS)


@pytest.mark.parametrize("name", READERS)
def test_format_read_back_gives_the_same_rows_in_order(name: str) -> None:
    reader = READERS[name]
    found = reader.read(_written(name, PREDICTIONS, 3))
    assert [row.id for row in found] == [p.id for p in PREDICTIONS]
    for row, prediction in zip(found, PREDICTIONS, strict=True):
        assert row.length == prediction.length
        assert row.label == prediction.label
        assert row.confidence == prediction.confidence
        expected = tuple(prediction.probabilities[c] for c in CLASSES)
        assert row.probabilities == pytest.approx(expected, abs=reader.tolerance + 1e-9)
        assert row.flags == (prediction.flags if reader.has_flags else ())


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_format_any_batch_size_gives_equal_bytes(name: str, batch_size: int) -> None:
    assert _written(name, PREDICTIONS, batch_size) == _written(name, PREDICTIONS, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_format_empty_batch_changes_nothing(name: str) -> None:
    stream = io.BytesIO()
    out = registry.get("format", name)(stream, classes=CLASSES, title="proteins.fasta")
    out.write(PREDICTIONS[:4])
    out.write([])
    out.write(PREDICTIONS[4:])
    out.finish(SUMMARY)
    assert stream.getvalue() == _written(name, PREDICTIONS, 3)
    assert not stream.closed


@pytest.mark.parametrize("name", READERS)
def test_format_without_rows_is_still_a_file_of_its_kind(name: str) -> None:
    assert READERS[name].read(_written(name, [], 1)) == []


@pytest.mark.parametrize("name", FORMATS)
def test_format_is_chosen_by_each_of_its_endings(name: str) -> None:
    endings = registry.get("format", name).endings
    assert endings
    assert all(ending.startswith(".") for ending in endings)
    assert {format_for(f"out{ending}") for ending in endings} == {name}


@pytest.mark.parametrize("name", FORMATS)
def test_format_through_a_file_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with open_output(path) as stream:
        out = registry.get("format", name)(stream, classes=CLASSES, title="proteins.fasta")
        out.write(PREDICTIONS)
        out.finish(SUMMARY)
    assert path.read_bytes() == _written(name, PREDICTIONS, 3)


@pytest.mark.parametrize("name", FORMATS)
def test_format_one_class_only(name: str) -> None:
    stream = io.BytesIO()
    out = registry.get("format", name)(stream, classes=("only",), title="")
    out.write([Prediction("a", 5, "only", {"only": 1.0})])
    out.finish(SUMMARY)
    assert stream.getvalue()


def test_columns_are_the_documented_ones() -> None:
    header = _written("tsv", [], 1).decode()
    expected = (
        "id length prediction probability confidence p_cytosol p_secreted p_mitochondrion p_nucleus flags"
    )
    assert header == "\t".join(expected.split()) + "\n"
    parquet = pyarrow.parquet.read_schema(io.BytesIO(_written("parquet", [], 1)))
    assert tuple(parquet.names) == column_names(CLASSES) == tuple(expected.split())
    fields = list(json.loads(_written("jsonl", PREDICTIONS[:1], 1)))
    assert fields == ["id", "length", "prediction", "probability", "confidence", "probabilities", "flags"]
