from __future__ import annotations

import io
from pathlib import Path

import pytest

from sortilin.errors import DuplicateIdError, InputError, LabelError, UnknownNameError
from sortilin.sequences import LABEL_HABITS, ReadReport, read_labelled, read_sequences

HEADERS = {
    "biotrainer": [">a TARGET=Nucleus SET=train", ">b TARGET=Secreted SET=train VALIDATION=True"],
    "deeploc": [">a Nucleus-U", ">b Cell.membrane-M test"],
    "pipe": [">a|1", ">b|0|testing"],
}
LABELS = {
    "biotrainer": [("Nucleus", "train"), ("Secreted", "val")],
    "deeploc": [("Nucleus", None), ("Cell.membrane", "test")],
    "pipe": [("1", None), ("0", "test")],
}


def fasta(*headers: str) -> bytes:
    return "".join(f"{header}\nMKVLAW\n" for header in headers).encode()


def labels_of(content: bytes, habit: str) -> list[tuple[str | None, str | None]]:
    records = read_sequences(io.BytesIO(content), labels=habit, name="x.fasta")
    return [(record.label, record.split) for record in records]


def write(path: Path, *headers: str) -> str:
    path.write_bytes(fasta(*headers))
    return str(path)


@pytest.mark.parametrize("habit", list(HEADERS))
@pytest.mark.parametrize("is_named", [True, False])
def test_header_habits(habit: str, is_named: bool) -> None:
    content = fasta(*HEADERS[habit])
    assert labels_of(content, habit if is_named else "auto") == LABELS[habit]


@pytest.mark.parametrize(
    ("header", "label"),
    [
        (">a OS=Homo TARGET=3 GN=x", ("3", None)),
        (">a TARGET=Nucleus SET=test", ("Nucleus", "test")),
        (">a TARGET=Nucleus SET=val", ("Nucleus", "val")),
        (">a TARGET=Nucleus SET=train VALIDATION=False", ("Nucleus", "train")),
        (">a Cytoplasm-Nucleus-S", ("Cytoplasm-Nucleus", None)),
        (">a Lysosome/Vacuole-M test", ("Lysosome/Vacuole", "test")),
        (">a|Cell membrane", ("Cell membrane", None)),
        (">a|1|training", ("1", "train")),
    ],
)
def test_header_habits_at_their_edges(header: str, label: tuple[str, str | None]) -> None:
    assert labels_of(fasta(header), "auto") == [label]


@pytest.mark.parametrize(
    "header",
    [">sp|P12345|ANKS6_RAT Ankyrin", ">tr|Q1|X", ">sp|P12345", ">ref|NP_1.1|", ">a|", ">a b-c", ">a x-S y"],
)
def test_other_headers_are_no_habit(header: str) -> None:
    with pytest.raises(LabelError):
        labels_of(fasta(header), "auto")


def test_auto_says_what_it_tried() -> None:
    with pytest.raises(LabelError) as caught:
        labels_of(fasta(">P1 kinase", ">P2"), "auto")
    assert str(caught.value) == (
        "x.fasta: no label in the headers; tried biotrainer ('>id TARGET=label'), deeploc ('>id label-M'), "
        "pipe ('>id|label'); record 1 is '>P1 kinase'"
    )


def test_auto_names_the_record_that_does_not_fit() -> None:
    with pytest.raises(LabelError) as caught:
        labels_of(fasta(">a|1", ">b|0", ">c"), "auto")
    assert str(caught.value).endswith("record 1 is '>a|1' and fits pipe, but record 3 does not: '>c'")


def test_a_missing_label_is_named() -> None:
    content = fasta(*(f">r{i}|1" for i in range(100)), ">late")
    for habit in ("pipe", "auto"):
        with pytest.raises(LabelError) as caught:
            labels_of(content, habit)
        assert str(caught.value) == (
            """x.fasta, record 101 ("late") has no label in its header '>late'; 'pipe' expects '>id|label'"""
        )


def test_control_characters_are_escaped_in_messages(tmp_path: Path) -> None:
    with pytest.raises(LabelError) as caught:
        labels_of(fasta(">a|1", ">b\x1b[31m"), "pipe")
    assert str(caught.value).startswith('x.fasta, record 2 ("b%1B[31m") has no label in its header ')
    assert str(caught.value).isprintable()
    with pytest.raises(LabelError, match=r"its columns are: id, sequence, x%1B\[31m; one of them must"):
        labels_of(b"id,sequence,x\x1b[31m\na,MKV,1\n", "auto")
    with pytest.raises(LabelError, match=r"^'=x%1B' is neither a file nor class=path$"):
        read_labelled(["=x\x1b"])
    path = write(tmp_path / "x\x1b.fasta", ">a|1")
    with pytest.raises(LabelError, match=r"x%1B\.fasta has no class; write class=.*x%1B\.fasta, or"):
        read_labelled([path], labels="none")
    with pytest.raises(DuplicateIdError, match=r"id 'x%1B:a\|1' stands"):
        read_labelled([path] * 3, labels="pipe")


def test_a_missing_label_in_a_table_is_named() -> None:
    with pytest.raises(LabelError) as caught:
        labels_of(b"id,sequence,label\na,MKV,1\nb,MLL,\n", "auto")
    assert str(caught.value) == """x.fasta, record 2 ("b") has no label in column 'label'"""


@pytest.mark.parametrize(
    ("content", "habit", "message"),
    [
        (
            fasta(">a"),
            "column",
            "x.fasta is FASTA, so it has no label column; choose from: biotrainer, deeploc",
        ),
        (
            b"id,sequence\na,MKV\n",
            "pipe",
            "x.fasta is a table, so it has no headers for 'pipe'; use 'column'",
        ),
        (
            b"id,sequence\na,MKV\n",
            "auto",
            "x.fasta has no label column; its columns are: id, sequence; one of them must be called: label",
        ),
        (
            b"sequence,label,set\nMKV,1,pred\n",
            "column",
            """x.fasta, record 1 ("seq1") has the unknown split 'pred'; allowed: train, training, test""",
        ),
    ],
)
def test_wrong_habits_are_refused(content: bytes, habit: str, message: str) -> None:
    with pytest.raises(LabelError) as caught:
        labels_of(content, habit)
    assert str(caught.value).startswith(message)


def test_an_unknown_habit_is_refused() -> None:
    with pytest.raises(UnknownNameError) as caught:
        labels_of(fasta(">a"), "pip")
    choices = ", ".join(sorted(LABEL_HABITS))
    assert str(caught.value) == f"unknown label habit 'pip'; did you mean 'pipe'? choose from: {choices}"


@pytest.mark.parametrize("ending", ["", ".fasta", ".fa", ".faa.gz", ".FASTA", ".csv.zst", ".txt"])
def test_the_file_name_is_the_label(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"Cell.membrane{ending}", ">a", ">b")
    assert [record.label for record in read_sequences(path, labels="filename")] == ["Cell.membrane"] * 2


def test_a_stream_has_no_file_name() -> None:
    with pytest.raises(LabelError, match="input has no file name to take a label from"):
        list(read_sequences(io.BytesIO(fasta(">a")), labels="filename"))


def test_none_reads_no_labels() -> None:
    assert labels_of(fasta(">a|1"), "none") == [(None, None)]


def test_several_files_are_named_by_their_class(tmp_path: Path) -> None:
    paths = [write(tmp_path / "mito.fasta", ">a"), write(tmp_path / "cyto.fasta", ">b", ">c")]
    for habit in ("auto", "filename"):
        records = read_labelled(paths, labels=habit)
        assert [(r.id, r.label) for r in records] == [("a", "mito"), ("b", "cyto"), ("c", "cyto")]


def test_one_file_is_not_taken_for_a_class(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="no label in the headers"):
        read_labelled([write(tmp_path / "mito.fasta", ">a")])
    assert read_labelled([write(tmp_path / "mito.fasta", ">a")], labels="filename")[0].label == "mito"


@pytest.mark.parametrize("is_labelled_first", [True, False])
def test_labels_inside_some_files_only_are_refused(tmp_path: Path, is_labelled_first: bool) -> None:
    paths = [write(tmp_path / "x.fasta", ">a|1"), write(tmp_path / "y.fasta", ">b")]
    with pytest.raises(
        LabelError, match=r"y\.fasta: no label in the headers;.*but another file has labels inside"
    ):
        read_labelled(paths if is_labelled_first else paths[::-1])


def test_several_files_with_labels_inside(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("id,sequence,label\nc,MKV,2\n")
    paths = [write(tmp_path / "x.fasta", ">a|1"), write(tmp_path / "y.fasta", ">b TARGET=0"), str(table)]
    assert [record.label for record in read_labelled(paths)] == ["1", "0", "2"]


def test_a_class_can_be_given(tmp_path: Path) -> None:
    plain = write(tmp_path / "a=b.fasta", ">a")
    inside = write(tmp_path / "y.fasta", ">b|1")
    records = read_labelled([f"Cell membrane={plain}", f"other={inside}"])
    assert [record.label for record in records] == ["Cell membrane", "other"]


def test_a_class_can_be_given_beside_labels_inside(tmp_path: Path) -> None:
    records = read_labelled([f"0={write(tmp_path / 'n.fasta', '>n')}", write(tmp_path / "p.fasta", ">p|1")])
    assert [record.label for record in records] == ["0", "1"]


def test_a_path_with_an_equals_sign_is_a_path(tmp_path: Path) -> None:
    paths = [write(tmp_path / "k=1.fasta", ">a"), write(tmp_path / "k=2.fasta", ">b")]
    assert [record.label for record in read_labelled(paths)] == ["k=1", "k=2"]
    assert [record.label for record in read_labelled([Path(p) for p in paths])] == ["k=1", "k=2"]


@pytest.mark.parametrize("source", ["=x.fasta", "mito=", " =x.fasta"])
def test_half_a_class_is_refused(source: str) -> None:
    with pytest.raises(LabelError) as caught:
        read_labelled([source])
    assert str(caught.value) == f"'{source}' is neither a file nor class=path"


def test_a_class_without_its_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mito\.fasta: there is no such file"):
        read_labelled([f"mito={tmp_path / 'mito.fasta'}"])


def test_records_without_a_class_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.fasta", ">a|1")
    with pytest.raises(LabelError) as caught:
        read_labelled([path], labels="none")
    assert str(caught.value) == f"{path} has no class; write class={path}, or choose where labels stand"


def test_ids_of_several_files_are_kept_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / "pos.fasta", ">1", ">2"), write(tmp_path / "neg.fasta", ">1", ">3")]
    report = ReadReport()
    records = read_labelled(paths, report=report)
    assert [record.id for record in records] == ["1", "2", "neg:1", "3"]
    assert report.warnings == ["id in an earlier file too, named file:id: 1 record"]


def test_standard_input_can_have_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(fasta(">a"))))
    assert read_labelled(["mito=-"])[0].label == "mito"


def test_the_published_files_are_read(shared_data: Path) -> None:
    acp = [shared_data / "acp_ml" / f"Test_1_{kind}.fasta" for kind in "PN"]
    records = read_labelled(acp)
    assert len(records) == 495
    assert sum(record.label == "1" for record in records) == 135
    psl = [shared_data / "psl" / f"{name}.fasta" for name in ("cyto", "secreted", "mito", "nucleus")]
    labels = [record.label for record in read_labelled(psl)]
    assert {label: labels.count(label) for label in labels} == {
        "cyto": 2463,
        "secreted": 1236,
        "mito": 1023,
        "nucleus": 2736,
    }
