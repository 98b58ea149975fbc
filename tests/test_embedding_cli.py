"""`sortilin embed`: from a FASTA file and a hub on this machine to a file of vectors."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tiny
from hub import Hub, files_of
from sortilin import language_models
from sortilin.embedding import Embedder, EmbeddingConfig
from sortilin.vectors import Store, open_vectors
from terminal import Terminal

pytest.importorskip("h5py")
pytest.importorskip("torch")

SEQUENCES = tiny.random_sequences(5, 8, shortest=5, longest=60)
ENGINE = ("--runtime", "torch", "--threads", 1)


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Terminal]:
    monkeypatch.setenv("SORTILIN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "cache"))
    before = signal.getsignal(signal.SIGTERM)
    yield Terminal(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    return tiny.write_fasta(tmp_path / "in.fasta", SEQUENCES)


def vectors_of(path: Path) -> list[np.ndarray]:
    with open_vectors(path) as opened:
        return [vector for vector in opened.match(SEQUENCES).vectors if vector is not None]


def expected() -> list[np.ndarray]:
    config = EmbeddingConfig(backbone="esm2_t6", engine="torch")
    return list(Embedder.of(config, model=language_models.load("esm2_t6")).embed(SEQUENCES))


@pytest.mark.parametrize("ending", [".h5", ".npz", ".parquet"])
def test_file_of_vectors_by_its_ending(
    run: Terminal, hub: Hub, fasta: Path, tmp_path: Path, ending: str
) -> None:
    hub.publish("esm2_t6")
    out = tmp_path / f"out{ending}"
    code, printed, said = run("embed", fasta, "-o", out, *ENGINE)
    assert (code, printed) == (0, "")
    assert f"{out}: 8 vectors of 32 numbers from esm2_t6; 8 computed with torch in float32" in said
    for found, other in zip(vectors_of(out), expected(), strict=True):
        np.testing.assert_array_equal(found, other)
    with open_vectors(out) as opened:
        assert opened.description["checkpoint"] == "esm2_t6"
        assert opened.description["length_policy"] == "whole"
        assert len(opened.description["revision"]) == 40


@pytest.mark.parametrize("store", [(), ("--no-store",)])
def test_half_precision_in_the_store_and_in_the_file(
    run: Terminal, hub: Hub, fasta: Path, tmp_path: Path, store: tuple[str, ...]
) -> None:
    hub.publish("esm2_t6")
    out = tmp_path / "out.npz"
    for _ in range(2):
        assert run("embed", fasta, "-o", out, "--half", *store, *ENGINE).code == 0
        with np.load(out) as arrays:
            assert arrays["vectors"].dtype == np.float16
            np.testing.assert_array_equal(arrays["vectors"], np.stack(expected()).astype(np.float16))
    with open_vectors(out) as opened:
        assert (opened.description["dtype"], opened.description["precision"]) == ("float16", "float32")
    if not store:
        assert [kind.dtype for kind in Store(tmp_path / "store").kinds()] == ["float16"]


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_engines_give_the_same(run: Terminal, hub: Hub, fasta: Path, tmp_path: Path, engine: str) -> None:
    pytest.importorskip(engine)
    hub.publish("esm2_t6")
    out = tmp_path / "out.h5"
    assert run("embed", fasta, "-o", out, "--runtime", engine, "--threads", 1).code == 0
    for found, other in zip(vectors_of(out), expected(), strict=True):
        np.testing.assert_allclose(found, other, atol=2e-5)


def test_second_run_takes_all_from_the_store_without_a_network(
    run: Terminal, hub: Hub, fasta: Path, tmp_path: Path
) -> None:
    hub.publish("esm2_t6")
    run("embed", fasta, "-o", tmp_path / "a.h5", *ENGINE)
    n_requests = len(hub.requests)
    said = run("embed", fasta, "-o", tmp_path / "b.npz", "--offline", *ENGINE).err
    assert "0 computed, 8 from the store" in said
    assert len(hub.requests) == n_requests
    for a, b in zip(vectors_of(tmp_path / "a.h5"), vectors_of(tmp_path / "b.npz"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_store_of_ones_own_and_none(run: Terminal, hub: Hub, fasta: Path, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    run("embed", fasta, "-o", tmp_path / "a.h5", "--no-store", *ENGINE)
    assert not (tmp_path / "store").exists()
    run("embed", fasta, "-o", tmp_path / "b.h5", "--store", tmp_path / "mine", *ENGINE)
    assert len(Store(tmp_path / "mine").kinds()) == 1


def test_store_and_no_store_exclude_each_other(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    found = run("embed", fasta, "-o", tmp_path / "a.h5", "--no-store", "--store", tmp_path)
    assert found.code == 2
    assert "exclude each other" in found.err


def test_vectors_of_residues(run: Terminal, hub: Hub, fasta: Path, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    out = tmp_path / "out.h5"
    assert run("embed", fasta, "-o", out, "--pooling", "none", *ENGINE).code == 0
    with open_vectors(out, per_residue=True) as opened:
        found = opened.match(SEQUENCES).vectors
    assert [len(each) for each in found if each is not None] == [len(sequence) for sequence in SEQUENCES]


def test_too_long_sequence_is_reported_and_the_others_are_written(
    run: Terminal, hub: Hub, tmp_path: Path
) -> None:
    most = hub.publish("protbert").most_residues
    assert most is not None
    fasta = tmp_path / "in.fasta"
    fasta.write_text(f">a\nMKV\n>bad\nMK7\n>long\n{'A' * (most + 1)}\n>b\nMKVL\n")
    out = tmp_path / "out.h5"
    asked = ("embed", fasta, "-o", out, "-b", "protbert", *ENGINE)
    code, _, said = run(*asked, "--on-error", "skip")
    assert code == 0
    assert "2 vectors" in said
    assert "no vector: 1 of 3 sequences" in said
    lines = (tmp_path / "out.h5.skipped.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["record", "id"], ["2", "bad"], ["3", "long"]]
    assert f"has {most + 1} residues, and protbert takes at most {most}" in lines[2]


def test_too_long_sequence_is_an_error_but_the_others_are_written(
    run: Terminal, hub: Hub, tmp_path: Path
) -> None:
    hub.publish("protbert")
    fasta = tiny.write_fasta(tmp_path / "in.fasta", ["MKV", "A" * 500, "MKVL"])
    out = tmp_path / "out.h5"
    code, _, said = run("embed", fasta, "-o", out, "-b", "protbert", *ENGINE)
    assert code == 1
    assert "1 of 3 sequences have no vector: p1: has 500 residues" in said
    with open_vectors(out) as opened:
        assert len(opened) == 2


def test_nothing_could_be_embedded(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    hub.publish("protbert")
    fasta = tiny.write_fasta(tmp_path / "in.fasta", ["A" * 500])
    code, _, said = run("embed", fasta, "-o", tmp_path / "out.h5", "-b", "protbert", *ENGINE)
    assert code == 1
    assert "1 of 1 sequences have no vector" in said
    assert not (tmp_path / "out.h5").exists()


@pytest.mark.parametrize(("on_error", "expected"), [("skip", 0), ("fail", 1)])
def test_list_is_written_if_nothing_could_be_embedded(
    run: Terminal, hub: Hub, tmp_path: Path, on_error: str, expected: int
) -> None:
    hub.publish("protbert")
    fasta, out = tiny.write_fasta(tmp_path / "in.fasta", ["A" * 500]), tmp_path / "out.h5"
    code, _, said = run("embed", fasta, "-o", out, "-b", "protbert", "--on-error", on_error, *ENGINE)
    assert code == expected
    assert f"no vector: 1 of 1 sequences; {out} is not written" in said
    lines = (tmp_path / "out.h5.skipped.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in lines] == [["record", "id"], ["1", "p0"]]
    assert not out.exists()


def test_repeated_sequences_are_not_said_to_be_from_the_store(
    run: Terminal, hub: Hub, tmp_path: Path
) -> None:
    hub.publish("esm2_t6")
    fasta = tiny.write_fasta(tmp_path / "in.fasta", ["MKV", "MKV", "MKL"])
    said = run("embed", fasta, "-o", tmp_path / "a.h5", *ENGINE).err
    assert ", 1 from the store or equal to an earlier one" in said


def test_output_that_is_a_folder_gets_the_name_of_a_file_of_vectors(
    run: Terminal, fasta: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5"
    out.mkdir()
    code, _, said = run("embed", fasta, "-o", out)
    assert code == 1
    assert f"{out}: is a folder; give a file name, such as {out / 'vectors.h5'}" in said


def test_copy_of_a_folder_gives_vectors_of_the_same_kind(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    folder, fasta = tmp_path / "one" / "esm2_t6", tiny.write_fasta(tmp_path / "in.fasta", SEQUENCES)
    folder.mkdir(parents=True)
    for name, content in files_of("esm2").items():
        (folder / name).write_bytes(content)
    copied = shutil.copytree(folder, tmp_path / "two" / "esm2_t6")
    described = []
    for backbone in (folder, copied):
        out = tmp_path / "out.h5"
        said = run("embed", fasta, "-o", out, "-b", backbone, "--pooling", "cls", *ENGINE).err
        with open_vectors(out) as opened:
            described.append(dict(opened.description))
    assert "0 computed, 8 from the store" in said
    assert described[0] == described[1]
    assert (described[0]["checkpoint"], described[0]["hub_id"]) == ("esm2_t6", "esm2_t6")
    assert str(tmp_path) not in str(described)


def test_flags_of_the_length_policy(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    fasta = tiny.write_fasta(tmp_path / "in.fasta", ["MKV", "A" * 50])
    out = tmp_path / "out.h5"
    said = run("embed", fasta, "-o", out, "--length-policy", "head-tail:20,10", *ENGINE).err
    assert "warning: middle left out, 30 residues kept: 1 sequence" in said
    assert (tmp_path / "out.h5.flags.tsv").read_text() == "id\tlength\tflag\np1\t50\tshortened_to:30\n"
    run("embed", fasta, "-o", out, *ENGINE)
    assert not (tmp_path / "out.h5.flags.tsv").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "out.csv"), "vectors are written to .h5, .hdf5, .npz, .parquet files"),
        (("-o", "no/such/out.h5"), "does not exist; create it first"),
        (("-o", "out.h5", "-b", "esm2_t7"), "unknown backbone 'esm2_t7'; did you mean 'esm2_t6'"),
        (("-o", "out.h5", "--length-policy", "halves"), "unknown length policy 'halves'"),
        (("-o", "out.h5", "--pooling", "none", "--length-policy", "head-tail"), "leaves residues out"),
        (("-o", "out.h5", "--layer", 9, *ENGINE), "has no layer 9"),
        (("-o", "out.h5", "--runtime", "onnxruntime", "--precision", "bfloat16"), "float32 only"),
        (("-o", "out.h5", "--offline", *ENGINE), "sortilin backbones fetch esm2_t6"),
    ],
)
def test_errors_say_what_is_allowed(
    run: Terminal,
    hub: Hub,
    fasta: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, said = run("embed", fasta, *options)
    assert code == 1
    assert message in said
    assert not (tmp_path / "out.h5").exists()


def test_faulty_record_stops_or_is_listed(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    fasta = tmp_path / "in.fasta"
    fasta.write_text(">a\nMKVU\n>b\nMK7\n>c\nMKL\n")
    out = tmp_path / "out.h5"
    assert run("embed", fasta, "-o", out, *ENGINE).code == 1
    assert not out.exists()
    code, _, said = run("embed", fasta, "-o", out, "--on-error", "skip", *ENGINE)
    assert code == 0
    assert "U (selenocysteine) read as C: 1 in 1 record" in said
    assert "left out: 1 record of 3" in said


def test_quiet_says_nothing(run: Terminal, hub: Hub, fasta: Path, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    assert run("embed", fasta, "-o", tmp_path / "out.h5", "-q", *ENGINE) == (0, "", "")


def test_sequences_from_standard_input(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    found = run("embed", "-", "-o", tmp_path / "out.h5", *ENGINE, stdin=b">a\nMKV\n")
    assert found.code == 0


def test_help_has_examples(run: Terminal) -> None:
    code, printed, _ = run("embed", "--help")
    assert code == 0
    assert "sortilin embed proteins.fasta -o vectors.h5" in printed


def test_only_the_first_of_many_left_out_are_shown(run: Terminal, hub: Hub, tmp_path: Path) -> None:
    hub.publish("esm2_t6")
    fasta, out = tmp_path / "in.fasta", tmp_path / "out.h5"
    fasta.write_text(">a\nMKV\n" + "".join(f">bad{n}\nMK7\n" for n in range(12)))
    said = run("embed", fasta, "-o", out, "--on-error", "skip", *ENGINE).err
    assert said.count("is not a residue") == 10
    assert f"and 2 more, see {out}.skipped.tsv" in said
