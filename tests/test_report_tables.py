"""What is particular to TSV, JSON Lines and Parquet."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from sortilin import registry
from sortilin.errors import MissingDependencyError
from sortilin.report import change_words, flag_words, parquet
from sortilin.report._columns import escape
from sortilin.results import Prediction, RunSummary

CLASSES = ("anticancer", "not_anticancer")


def _summary(**details: object) -> RunSummary:
    return RunSummary("0.1.0", "anticancer", "ab" * 32, "anticancer", "2026-03-14", "a.fa", 1, 0, {}, details)


def _prediction(record_id: str = "a", *flags: str, p: float = 0.8) -> Prediction:
    label = CLASSES[0] if p >= 0.5 else CLASSES[1]
    return Prediction(record_id, 12, label, dict(zip(CLASSES, (p, 1 - p), strict=True)), flags)


def _written(name: str, *predictions: Prediction, **details: object) -> bytes:
    stream = io.BytesIO()
    out = registry.get("format", name)(stream, classes=CLASSES, title="peptides.fasta")
    out.write(predictions)
    out.finish(_summary(**details))
    return stream.getvalue()


def test_tsv_row_is_spelled_exactly() -> None:
    text = _written("tsv", _prediction("pep 1", "U>C:1", "stop:1", p=0.81234567)).decode()
    assert text.splitlines()[1] == "pep 1\t12\tanticancer\t0.8123\tHigh\t0.8123\t0.1877\tU>C:1;stop:1"
    assert text.endswith("\n")
    assert "\r" not in text


@pytest.mark.parametrize("p", [0.5, 1.0, 0.0, 1e-9, 1 - 1e-9, 0.74996, 0.33335])
def test_tsv_rounded_row_holds_together(p: float) -> None:
    row = _written("tsv", _prediction(p=p)).decode().splitlines()[1].split("\t")
    top, scores = float(row[3]), [float(row[5]), float(row[6])]
    assert top == max(scores) == scores[CLASSES.index(row[2])]
    assert sum(scores) == pytest.approx(1, abs=1.01e-4)
    assert all(0 <= score <= 1 for score in scores)


@pytest.mark.parametrize(
    ("record_id", "expected"),
    [
        ("a\tb", "a%09b"),
        ("a\r\nb", "a%0D%0Ab"),
        ('"quoted', "%22quoted"),
        ('3" fragment', '3" fragment'),
        ("\x1b[31mred", "%1B[31mred"),
        ("line\u2028separator\x85", "line%E2%80%A8separator%C2%85"),
        ("50%09", "50%09"),
        ("Aβ 淀 \u00a0\u200b", "Aβ 淀 \u00a0\u200b"),
        ("", ""),
    ],
)
def test_escape_keeps_the_table_whole(record_id: str, expected: str) -> None:
    assert escape(record_id) == expected
    lines = _written("tsv", _prediction(record_id), _prediction("next")).decode().split("\n")
    assert [line.count("\t") for line in lines] == [7, 7, 7, 0]
    assert lines[1].split("\t")[0] == expected


def test_tsv_flag_with_a_tab_is_escaped() -> None:
    assert _written("tsv", _prediction("a", "odd\tflag")).decode().endswith("\todd%09flag\n")


def test_jsonl_rounds_to_six_decimals_and_keeps_text_as_read() -> None:
    line = _written("jsonl", _prediction('tab\t"β\n', "U>C:1", p=0.81234567)).decode()
    assert line.count("\n") == 1
    assert "β" in line
    assert json.loads(line) == {
        "id": 'tab\t"β\n',
        "length": 12,
        "prediction": "anticancer",
        "probability": 0.812346,
        "confidence": "High",
        "probabilities": {"anticancer": 0.812346, "not_anticancer": 0.187654},
        "flags": ["U>C:1"],
    }


def test_jsonl_gives_answers_to_questions_where_there_are_any() -> None:
    answered = replace(_prediction("a"), answers={"one-or-two": 0.12345678, 'odd "name" 100%': 1.0})
    first, second = _written("jsonl", answered, _prediction("b")).decode().splitlines()
    assert json.loads(first)["answers"] == {"one-or-two": 0.123457, 'odd "name" 100%': 1.0}
    assert list(json.loads(second)) == list(json.loads(first))[:-1]


def test_jsonl_and_tsv_take_class_names_with_odd_characters() -> None:
    classes = ('50%\t"odd"', "β")
    prediction = Prediction("a", 3, classes[0], dict(zip(classes, (0.6, 0.4), strict=True)))
    for name in ("jsonl", "tsv"):
        stream = io.BytesIO()
        registry.get("format", name)(stream, classes=classes, title="").write([prediction])
        last = stream.getvalue().decode().splitlines()[-1]
        if name == "jsonl":
            assert json.loads(last)["probabilities"] == {classes[0]: 0.6, "β": 0.4}
        else:
            assert last.split("\t") == ["a", "3", '50%%09"odd"', "0.6000", "Medium", "0.6000", "0.4000", ""]


def test_tables_take_numpy_probabilities() -> None:
    scores = np.array([0.75, 0.25], dtype=np.float32)
    prediction = Prediction("a", 3, CLASSES[0], dict(zip(CLASSES, scores, strict=True)))
    assert json.loads(_written("jsonl", prediction))["probability"] == 0.75
    assert "\t0.7500\tHigh\t0.7500\t0.2500\t" in _written("tsv", prediction).decode()
    assert (
        pyarrow.parquet.read_table(io.BytesIO(_written("parquet", prediction)))["probability"][0].as_py()
        == 0.75
    )


def test_parquet_columns_are_typed_and_the_summary_is_in_the_metadata() -> None:
    file = pyarrow.parquet.ParquetFile(io.BytesIO(_written("parquet", _prediction(), seconds=1.5)))
    text, score = pyarrow.string(), pyarrow.float32()
    types = [text, pyarrow.int32(), text, score, text, score, score]
    assert file.schema_arrow.types[:-1] == types
    assert file.schema_arrow.types[-1].value_type == text
    metadata = file.metadata.metadata
    summary = json.loads(metadata[b"sortilin.summary"])
    assert summary["format_version"] == 1
    assert summary["model"] == "anticancer"
    assert summary["details"] == {"seconds": 1.5}
    assert metadata[b"sortilin.title"] == b"peptides.fasta"


def test_parquet_row_groups_do_not_follow_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 4)
    predictions = [_prediction(f"r{i}") for i in range(11)]
    contents = []
    for size in (1, 3, 11):
        stream = io.BytesIO()
        out = registry.get("format", "parquet")(stream, classes=CLASSES, title="")
        for start in range(0, 11, size):
            out.write(predictions[start : start + size])
            assert len(out._pending) < 4  # what is held does not grow with the table
        out.finish(_summary())
        contents.append(stream.getvalue())
    assert contents[0] == contents[1] == contents[2]
    file = pyarrow.parquet.ParquetFile(io.BytesIO(contents[0]))
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [4, 4, 3]
    assert file.read()["id"].to_pylist() == [p.id for p in predictions]


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingDependencyError) as caught:
        registry.get("format", "parquet")(io.BytesIO(), classes=CLASSES, title="")
    assert str(caught.value) == "Parquet output needs pyarrow: pip install 'sortilin[parquet]'"


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("U>C:1", "1 selenocysteine (U) read as cysteine (C)"),
        ("U>C:3", "3 selenocysteines (U) read as cysteine (C)"),
        ("O>K:1", "1 pyrrolysine (O) read as lysine (K)"),
        ("O>K:2", "2 pyrrolysines (O) read as lysine (K)"),
        ("unknown:1", "1 unknown residue (B, Z, J or X)"),
        ("unknown:1200", "1,200 unknown residues (B, Z, J or X)"),
        ("gaps:1", "1 gap character was removed"),
        ("gaps:4", "4 gap characters were removed"),
        ("stop:1", "a final * was removed"),
        ("longer_than_trained", "longer than any sequence the model was trained on"),
        ("shorter_than_trained", "shorter than any sequence the model was trained on"),
        ("trained_on", "in the data that the model was trained on"),
        ("something_new:7", "something_new:7"),
        ("U>C", "U>C"),
        ("U>C:many", "U>C:many"),
    ],
)
def test_flag_words_say_what_the_policy_did(flag: str, words: str) -> None:
    assert flag_words(flag) == words


def test_change_words_count_over_the_run() -> None:
    assert change_words({"U>C": 2, "gaps": 0, "stop": 3}) == [
        "2 selenocysteines (U) read as cysteine (C)",
        "a final * was removed from 3 sequences",
    ]
