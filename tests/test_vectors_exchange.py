"""Vectors from and for other programs: round trips, their layouts, and whose vector is whose."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sortilin import __version__
from sortilin.errors import FormatError, InputError, OutputError
from sortilin.sequences import SequenceRecord, read_sequences
from sortilin.vectors import (
    MatchedVectors,
    VectorRow,
    exchange,
    key_of,
    open_vectors,
    read_vectors,
    write_vectors,
)

FloatArray = NDArray[np.float32]
Made = Mapping[str, FloatArray]

DESCRIPTION = {
    "checkpoint": "esm2_t6",
    "revision": "0" * 40,
    "layer": "-1",
    "pooling": "mean",
    "length_policy": "whole",
    "precision": "float32",
}
WIDTH = 5
SEQUENCES = {"P1": "MKVLA", "P2": "ACDEFGHIKL", "sp|P3/1|X.2 long": "WWWW", "P4": "M"}
RECORDS = [SequenceRecord(*(name.split(" ", 1)[0], sequence)) for name, sequence in SEQUENCES.items()]
ENDINGS = [".h5", ".npz", ".parquet"]


def vector(sequence: str, *, per_residue: bool = False) -> FloatArray:
    """What the model of these tests gives a sequence."""
    generator = np.random.default_rng(list(sequence.encode()))
    return generator.normal(size=(len(sequence), WIDTH) if per_residue else WIDTH).astype(np.float32)


def needs(ending: str) -> None:
    pytest.importorskip({".h5": "h5py", ".parquet": "pyarrow"}.get(ending, "numpy"))


@pytest.fixture(params=ENDINGS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    needs(request.param)
    return tmp_path / f"vectors{request.param}"


@pytest.fixture(params=[False, True], ids=["pooled", "residues"])
def per_residue(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def rows(records: Sequence[SequenceRecord], *, per_residue: bool = False) -> Iterator[VectorRow]:
    return (
        VectorRow(record.id, record.sequence, vector(record.sequence, per_residue=per_residue))
        for record in records
    )


def check(found: MatchedVectors, records: Sequence[SequenceRecord], *, per_residue: bool = False) -> None:
    """Every record has its own vector, to the bit."""
    assert (found.n_matched, found.unmatched, dict(found.mismatched)) == (len(records), (), {})
    for record, values in zip(records, found.vectors, strict=True):
        assert values is not None
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, vector(record.sequence, per_residue=per_residue))


# Round trips --------------------------------------------------------------------------------------


def test_a_round_trip_is_exact_in_any_order(path: Path, per_residue: bool) -> None:
    assert write_vectors(path, rows(RECORDS, per_residue=per_residue), description=DESCRIPTION) == 4
    for records in (RECORDS, RECORDS[::-1]):
        found = read_vectors(path, records, per_residue=per_residue)
        check(found, records, per_residue=per_residue)
        assert found.unused == ()
        assert found.width == WIDTH
        assert {name: found.description[name] for name in DESCRIPTION} == DESCRIPTION
        assert found.description["sortilin"] == __version__


def test_half_precision_is_written_and_read(path: Path, per_residue: bool) -> None:
    half = [
        VectorRow(row.id, row.sequence, row.vector.astype(np.float16))
        for row in rows(RECORDS, per_residue=per_residue)
    ]
    write_vectors(path, half, description=DESCRIPTION)
    found = read_vectors(path, RECORDS, per_residue=per_residue)
    for row, values in zip(half, found.vectors, strict=True):
        assert values is not None
        np.testing.assert_array_equal(values, row.vector)
    write_vectors(path.with_name(f"single{path.suffix}"), rows(RECORDS), description=DESCRIPTION)
    assert stored_types(path) == {"float16"}
    assert stored_types(path.with_name(f"single{path.suffix}")) == {"float32"}


def stored_types(path: Path) -> set[str]:
    """What the numbers of a file are, as its own library sees them."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {str(arrays["vectors"].dtype)}
    if path.suffix == ".h5":
        import h5py

        with h5py.File(path) as file:
            return {str(dataset.dtype) for dataset in file.values()}
    import pyarrow.parquet

    kind = pyarrow.parquet.read_schema(path).field("vector").type
    while hasattr(kind, "value_type"):
        kind = kind.value_type
    return {{"halffloat": "float16", "float": "float32"}[str(kind)]}


def test_sequences_alone_are_enough(path: Path) -> None:
    write_vectors(path, rows(RECORDS), description=DESCRIPTION)
    found = read_vectors(path, list(SEQUENCES.values()))
    np.testing.assert_array_equal(found.matrix(), [vector(sequence) for sequence in SEQUENCES.values()])


def test_extreme_values_survive(path: Path) -> None:
    values = np.array(
        [0.0, -0.0, 1e-45, np.finfo(np.float32).max, np.nextafter(np.float32(1), 2)], np.float32
    )
    write_vectors(path, [VectorRow("a", "MK", values)], description={})
    (found,) = read_vectors(path, ["MK"]).vectors
    assert found is not None
    assert found.tobytes() == values.tobytes()


def test_what_is_asked_for_and_what_is_there_may_differ(path: Path) -> None:
    write_vectors(path, rows(RECORDS), description=DESCRIPTION)
    asked = [RECORDS[2], SequenceRecord("new", "HHHH"), RECORDS[0]]
    found = read_vectors(path, asked)
    assert [values is None for values in found.vectors] == [False, True, False]
    assert (found.n_matched, found.unmatched, len(found.unused)) == (2, ("new",), 2)
    with pytest.raises(FormatError, match=r"1 of 3 records have no vector \(new: not in the file\)"):
        found.matrix()


def test_odd_ids_and_repeated_ones_are_kept(path: Path) -> None:
    odd = ["a/b", "a/b", "", "é 日本", "x" * 3000, ".", "a\tb"]
    records = [SequenceRecord(name, "MKV" + "A" * n) for n, name in enumerate(odd)]
    write_vectors(path, rows(records), description={})
    check(read_vectors(path, records), records)


def test_one_sequence_with_several_ids_is_found_by_each(path: Path) -> None:
    records = [SequenceRecord(name, "MKV") for name in ("first", "second", "third")]
    write_vectors(path, rows(records), description={})
    check(read_vectors(path, records), records)


def test_hdf5_has_one_vector_a_sequence_and_lists_its_ids(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    records = [SequenceRecord(name, "MKV") for name in ("first", "second", "third")]
    write_vectors(tmp_path / "v.h5", rows([*records, SequenceRecord("other", "AA")]), description={})
    with h5py.File(tmp_path / "v.h5") as file:
        assert len(file) == 2
        dataset = file[hashlib.sha256(b"MKV_3").hexdigest()]
        assert dataset.attrs["original_id"] == "first"
        assert json.loads(dataset.attrs["original_ids"]) == ["first", "second", "third"]
        assert dataset.attrs["n_original_ids"] == 3


def test_hdf5_keeps_what_fits_of_very_many_ids(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    records = [SequenceRecord(f"{'x' * 5000}{n}", "MKV") for n in range(20)]
    write_vectors(tmp_path / "v.h5", rows(records), description={})
    with h5py.File(tmp_path / "v.h5") as file:
        (dataset,) = file.values()
        assert dataset.attrs["n_original_ids"] == 20
        assert len(json.loads(dataset.attrs["original_ids"])) == 11
    check(read_vectors(tmp_path / "v.h5", records), records)


def test_hdf5_refuses_two_vectors_of_one_sequence(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    twice = [VectorRow("a", "MK", vector("MK")), VectorRow("b", "MK", vector("MV"))]
    with pytest.raises(OutputError, match="'b' has the sequence of 'a' and another vector"):
        write_vectors(tmp_path / "v.h5", twice, description={})
    assert list(tmp_path.iterdir()) == []


def test_hdf5_is_what_biotrainer_reads(tmp_path: Path) -> None:
    # biotrainer 1.4.0, EmbeddingService.load_embeddings: every item of the file is one embedding.
    h5py = pytest.importorskip("h5py")
    torch = pytest.importorskip("torch")
    write_vectors(tmp_path / "v.h5", rows(RECORDS), description=DESCRIPTION)
    with h5py.File(tmp_path / "v.h5", "r") as file:
        loaded = {name: torch.tensor(np.array(values)).float() for name, values in file.items()}
    for record in RECORDS:
        name = hashlib.sha256(f"{record.sequence}_{len(record.sequence)}".encode()).hexdigest()
        np.testing.assert_array_equal(loaded.pop(name).numpy(), vector(record.sequence))
    assert loaded == {}


def test_npz_opens_in_numpy_without_pickles(tmp_path: Path, per_residue: bool) -> None:
    write_vectors(tmp_path / "v.npz", rows(RECORDS, per_residue=per_residue), description=DESCRIPTION)
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == [record.id for record in RECORDS]
        assert arrays["sequence_sha256"].astype(str).tolist() == [key_of(r.sequence) for r in RECORDS]
        assert arrays["vectors"].shape == (20 if per_residue else 4, WIDTH)
        assert ("offsets" in arrays) == per_residue


def test_parquet_opens_as_a_table(tmp_path: Path, per_residue: bool) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_vectors(tmp_path / "v.parquet", rows(RECORDS, per_residue=per_residue), description=DESCRIPTION)
    table = parquet.read_table(tmp_path / "v.parquet")
    assert table.column_names == ["id", "sequence_sha256", "length", "vector"]
    assert table["length"].to_pylist() == [5, 10, 4, 1]
    expected = [vector(record.sequence, per_residue=per_residue).tolist() for record in RECORDS]
    assert table["vector"].to_pylist() == expected


def test_parquet_of_several_row_groups_is_read_across_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, per_residue: bool
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("sortilin.vectors._parquet._GROUP_ROWS", 3)
    records = [SequenceRecord(f"s{n}", "MK" * (n + 1)) for n in range(10)]
    write_vectors(tmp_path / "v.parquet", rows(records, per_residue=per_residue), description={})
    assert parquet.ParquetFile(tmp_path / "v.parquet").num_row_groups == 4
    found = read_vectors(tmp_path / "v.parquet", records[::-1], per_residue=per_residue)
    check(found, records[::-1], per_residue=per_residue)


# Writing ------------------------------------------------------------------------------------------


def test_rows_are_drawn_one_by_one(path: Path) -> None:
    alive: list[Any] = []

    def drawn() -> Iterator[VectorRow]:
        import weakref

        for n in range(300):
            values = np.full(50_000, n, np.float32)
            alive.append(weakref.ref(values))
            assert sum(reference() is not None for reference in alive) < 200  # 32 MB are 168 of them
            yield VectorRow(f"s{n}", "A" * (n + 1), values)
            del values

    assert write_vectors(path, drawn(), description={}) == 300


def bad_rows() -> dict[str, tuple[VectorRow, str]]:
    good = vector("MKV")
    return {
        "width": (VectorRow("b", "AAA", good[:4]), r"'b' has shape \(4,\), that of 'a' \(5,\)"),
        "axes": (VectorRow("b", "AAA", vector("AAA", per_residue=True)), r"'b' has shape \(3, 5\)"),
        "dtype": (VectorRow("b", "AAA", good.astype(np.float64)), "is float64 .* expected float32"),
        "other dtype": (VectorRow("b", "AAA", good.astype(np.float16)), "is float16, that of 'a' float32"),
        "nan": (VectorRow("b", "AAA", np.full(WIDTH, np.nan, np.float32)), "not finite"),
        "empty": (VectorRow("b", "AAA", np.zeros(0, np.float32)), "expected float32"),
    }


@pytest.mark.parametrize("fault", list(bad_rows()))
def test_a_bad_row_leaves_the_older_file_as_it_was(path: Path, fault: str) -> None:
    path.write_bytes(b"older")
    row, reason = bad_rows()[fault]
    with pytest.raises(OutputError, match=reason):
        write_vectors(path, [VectorRow("a", "MKV", vector("MKV")), row], description={})
    assert [(found.name, found.read_bytes()) for found in path.parent.iterdir()] == [(path.name, b"older")]


def test_vectors_of_residues_must_be_as_many_as_residues(path: Path) -> None:
    row = VectorRow("a", "MKVL", vector("MKV", per_residue=True))
    with pytest.raises(OutputError, match="'a' has 4 residues and vectors of 3"):
        write_vectors(path, [row], description={})


def test_no_rows_make_no_file(path: Path) -> None:
    with pytest.raises(OutputError, match="there are no vectors to write"):
        write_vectors(path, [], description={})
    assert list(path.parent.iterdir()) == []


def test_an_error_of_the_rows_comes_through_and_leaves_nothing(path: Path) -> None:
    def failing() -> Iterator[VectorRow]:
        yield VectorRow("a", "MKV", vector("MKV"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_vectors(path, failing(), description={})
    assert list(path.parent.iterdir()) == []


def test_a_full_disk_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sortilin.vectors.exchange.os.fsync", full)
    with pytest.raises(OutputError, match=r"vectors\.\w+ cannot be written: No space left on device"):
        write_vectors(path, rows(RECORDS), description={})
    assert list(path.parent.iterdir()) == []


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"vectors are written to \.h5, \.hdf5, \.npz, \.parquet files"):
        write_vectors(tmp_path / "v.csv", rows(RECORDS), description={})


# Layouts of other programs ------------------------------------------------------------------------


def biotrainer(path: Path, made: Made, *, by_hash: bool = True) -> None:
    """As biotrainer 1.4.0 stores it (embedders/services/embedding_service.py, store_embedding)."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "a") as file:
        for name, values in made.items():
            sequence = SEQUENCES[name]
            index = hashlib.sha256(f"{sequence}_{len(sequence)}".encode()).hexdigest() if by_hash else name
            file.create_dataset(index, data=values, compression="gzip", chunks=True)
            file[index].attrs["original_id"] = name


def bio_embeddings(path: Path, made: Made, *, simple: bool = False) -> None:
    """As bio_embeddings 0.1.6 stores it (embed/pipeline.py; utilities/helpers.py, reindex_sequences)."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for n, (name, values) in enumerate(made.items()):
            index = str(n) if simple else hashlib.md5(SEQUENCES[name].encode()).hexdigest()
            dataset = file.create_dataset(index, data=values.astype(np.float16).astype(np.float32))
            dataset.attrs["original_id"] = name.split(" ")[0]


def prottrans(path: Path, made: Made) -> None:
    """As ProtTrans stores it (Embedding/prott5_embedder.py, commit 0fd2114): header, axes of 1 dropped."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in made.items():
            file.create_dataset(name.replace("/", "_").replace(".", "_"), data=values.squeeze())


def fair_esm(folder: Path, made: Made, *, field: str, layers: Sequence[int] = (6,)) -> None:
    """As fair-esm 2.0.0 stores it (scripts/extract.py): a dictionary of tensors a sequence."""
    torch = pytest.importorskip("torch")
    for name, values in made.items():
        by_layer = {layer: torch.from_numpy(values + (layers[-1] - layer)) for layer in layers}
        target = folder / f"{name}.pt"
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"label": name, field: by_layer}, target)


def made_of(*, per_residue: bool) -> Made:
    return {name: vector(sequence, per_residue=per_residue) for name, sequence in SEQUENCES.items()}


def full_headers() -> list[SequenceRecord]:
    """The records with what stands behind their ids in the header."""
    return [
        SequenceRecord(name.partition(" ")[0], sequence, name.partition(" ")[2])
        for name, sequence in SEQUENCES.items()
    ]


LAYOUTS: dict[str, Callable[[Path, bool], Path]] = {}


def layout(make: Callable[[Path, bool], Path]) -> Callable[[Path, bool], Path]:
    LAYOUTS[make.__name__.strip("_")] = make
    return make


@layout
def _biotrainer(folder: Path, per_residue: bool) -> Path:
    biotrainer(folder / "b.h5", made_of(per_residue=per_residue))
    return folder / "b.h5"


@layout
def _bio_embeddings_simple(folder: Path, per_residue: bool) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "e.h5", "w") as file:
        for n, (name, values) in enumerate(made_of(per_residue=per_residue).items()):
            file.create_dataset(str(n), data=values).attrs["original_id"] = name.split(" ")[0]
    return folder / "e.h5"


@layout
def _bio_embeddings_md5(folder: Path, per_residue: bool) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "e.h5", "w") as file:
        for name, values in made_of(per_residue=per_residue).items():
            index = hashlib.md5(SEQUENCES[name].encode()).hexdigest()
            file.create_dataset(index, data=values).attrs["original_id"] = name.split(" ")[0]
    return folder / "e.h5"


@layout
def _prottrans(folder: Path, per_residue: bool) -> Path:
    prottrans(folder / "p.h5", made_of(per_residue=per_residue))
    return folder / "p.h5"


@layout
def _hdf5_with_slashes(folder: Path, per_residue: bool) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "s.h5", "w") as file:
        for name, values in made_of(per_residue=per_residue).items():
            file.create_dataset(name, data=values)
    return folder / "s.h5"


@layout
def _fair_esm_folder(folder: Path, per_residue: bool) -> Path:
    field = "representations" if per_residue else "mean_representations"
    fair_esm(folder / "esm", made_of(per_residue=per_residue), field=field)
    return folder / "esm"


@layout
def _npz_by_id(folder: Path, per_residue: bool) -> Path:
    np.savez(folder / "n.npz", **dict(made_of(per_residue=per_residue)))  # type: ignore[arg-type]
    return folder / "n.npz"


@layout
def _parquet_by_sequence(folder: Path, per_residue: bool) -> Path:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    made = made_of(per_residue=per_residue)
    columns = {
        "Sequence": list(SEQUENCES.values()),
        "embedding": [values.tolist() for values in made.values()],
    }
    parquet.write_table(arrow.table(columns), folder / "q.parquet")
    return folder / "q.parquet"


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_others_are_read(tmp_path: Path, name: str, per_residue: bool) -> None:
    found = read_vectors(LAYOUTS[name](tmp_path, per_residue), full_headers(), per_residue=per_residue)
    check(found, RECORDS, per_residue=per_residue)
    assert found.unused == ()


@pytest.mark.parametrize("name", LAYOUTS)
def test_ids_without_the_rest_of_the_header_are_enough(tmp_path: Path, name: str) -> None:
    check(read_vectors(LAYOUTS[name](tmp_path, False), RECORDS), RECORDS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_pooled_vectors_are_not_taken_for_those_of_residues_or_the_other_way(
    tmp_path: Path, name: str
) -> None:
    path = LAYOUTS[name](tmp_path, True)
    found = read_vectors(path, RECORDS[:3])
    assert set(found.mismatched) == {record.id for record in RECORDS[:3]}
    assert all("residues" in reason or "no mean_rep" in reason for reason in found.mismatched.values())


def test_half_precision_becomes_float32(tmp_path: Path) -> None:
    bio_embeddings(tmp_path / "e.h5", made_of(per_residue=False))
    found = read_vectors(tmp_path / "e.h5", RECORDS)
    expected = [vector(record.sequence).astype(np.float16).astype(np.float32) for record in RECORDS]
    np.testing.assert_array_equal(found.matrix(), expected)


def test_an_id_that_the_file_has_for_another_sequence_is_no_match(tmp_path: Path) -> None:
    biotrainer(tmp_path / "b.h5", made_of(per_residue=False))
    found = read_vectors(tmp_path / "b.h5", [SequenceRecord("P1", "MKVLL"), RECORDS[1]])
    assert found.mismatched == {"P1": "the file has this id for another sequence"}
    assert found.n_matched == 1
    with pytest.raises(FormatError, match="P1: the file has this id for another sequence"):
        found.matrix()


def test_a_record_whose_letters_were_changed_is_found_by_its_id(tmp_path: Path) -> None:
    biotrainer(tmp_path / "b.h5", made_of(per_residue=False))
    changed = SequenceRecord("P1", "MKVLC", flags=("U>C:1",))
    found = read_vectors(tmp_path / "b.h5", [changed])
    np.testing.assert_array_equal(found.matrix(), [vector("MKVLA")])


def test_biotrainer_by_id_is_read_too(tmp_path: Path) -> None:
    made = {name: values for name, values in made_of(per_residue=False).items() if "/" not in name}
    biotrainer(tmp_path / "b.h5", made, by_hash=False)
    found = read_vectors(tmp_path / "b.h5", RECORDS)
    assert (found.n_matched, found.unmatched) == (3, ("sp|P3/1|X.2",))


@pytest.mark.parametrize("name", ["prottrans", "fair_esm_folder"])
def test_residues_of_a_sequence_that_was_cut_are_told(tmp_path: Path, name: str) -> None:
    longer = [SequenceRecord("P1", "MKVLA" * 3), *RECORDS[1:]]
    found = read_vectors(LAYOUTS[name](tmp_path, True), longer, per_residue=True)
    assert found.mismatched == {"P1": "it has vectors of 5 residues, the sequence has 15"}
    assert found.n_matched == 3


def test_vectors_that_are_not_finite_or_of_another_width_are_told(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "p.h5", "w") as file:
        file["a"] = np.zeros(4)
        file["b"] = np.array([0, 1, np.nan, 3])
        file["c"] = np.zeros(6)
        file["d"] = np.array([0, 1, 1e300, 3])
        file["e"] = np.array([b"x", b"y"])
        file["f"] = np.zeros((3, 4, 5))
    found = read_vectors(tmp_path / "p.h5", [SequenceRecord(name, f"M{name.upper()}") for name in "acbdef"])
    assert found.n_matched == 1
    assert found.mismatched == {
        "b": "it holds values that are not finite",
        "c": "it is 6 wide, others 4",
        "d": "it holds values that are not finite",
        "e": "it holds |S1, not numbers",
        "f": "it has shape (3, 4, 5), as vectors of residues have; asked for is one a sequence, (D,)",
    }


def test_ids_that_say_too_little_are_no_match(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "p.h5", "w") as file:
        for name in ("a_b", "x first", "x second", "c"):
            file[name] = np.zeros(4)
    asked = [
        SequenceRecord("a.b", "MK"),  # both would be "a_b" in a file of ProtTrans
        SequenceRecord("a/b", "MV"),
        SequenceRecord("x", "MA"),
        SequenceRecord("x", "MC", "second"),
        SequenceRecord("c", "MD"),
        SequenceRecord("c", "MD"),
    ]
    found = read_vectors(tmp_path / "p.h5", asked)
    assert [values is not None for values in found.vectors] == [False, False, False, True, True, True]
    shared = "several records with unlike sequences answer to one id of the file"
    assert found.mismatched == {
        "a.b": shared,
        "a/b": shared,
        "x": "several vectors of the file have this id",
    }


# fair-esm -----------------------------------------------------------------------------------------


def test_fair_esm_layers_are_chosen(tmp_path: Path) -> None:
    made = {"P1": vector("MKVLA")}
    fair_esm(tmp_path, made, field="mean_representations", layers=(0, 3, 6))
    path = tmp_path / "P1.pt"
    assert read_vectors(path, RECORDS[:1]).mismatched == {"P1": "P1.pt has layers [0, 3, 6]; say which"}
    for layer, more in ((6, 0), (-1, 0), (3, 3)):
        np.testing.assert_array_equal(
            read_vectors(path, RECORDS[:1], layer=layer).matrix()[0], made["P1"] + more
        )
    found = read_vectors(path, RECORDS[:1], layer=5)
    assert found.mismatched == {"P1": "P1.pt has no layer 5; it has [0, 3, 6]"}


def test_fair_esm_files_that_were_renamed_are_told(tmp_path: Path) -> None:
    fair_esm(tmp_path, {"P1": vector("MKVLA")}, field="mean_representations")
    (tmp_path / "P1.pt").rename(tmp_path / "P2.pt")
    assert read_vectors(tmp_path, RECORDS[:2]).mismatched == {"P2": "P2.pt is labelled 'P1'"}


def test_a_pickle_in_place_of_tensors_is_not_run(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    class Harmful:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    torch.save({"label": "P1", "mean_representations": Harmful()}, tmp_path / "P1.pt")
    with pytest.raises(FormatError, match="cannot be read as tensors alone"):
        read_vectors(tmp_path / "P1.pt", RECORDS[:1])
    (tmp_path / "P2.pt").write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(FormatError, match="cannot be read as tensors alone"):
        read_vectors(tmp_path / "P2.pt", RECORDS[:1])
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.99])
def test_fair_esm_files_that_are_cut_short_are_told(tmp_path: Path, share: float) -> None:
    fair_esm(tmp_path, {"P1": vector("MKVLA")}, field="mean_representations")
    path = tmp_path / "P1.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FormatError, match=r"P1\.pt cannot be read as tensors alone"):
        read_vectors(path, RECORDS[:1])
    (reason,) = read_vectors(tmp_path, RECORDS[:1]).mismatched.values()
    assert "P1.pt cannot be read as tensors alone" in reason


# Tables -------------------------------------------------------------------------------------------


def write_table(
    path: Path, header: Sequence[str], body: Sequence[Sequence[object]], delimiter: str = ","
) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *body] if header else body)
    return path


def cells(sequence: str) -> list[str]:
    return [repr(float(value)) for value in vector(sequence)]


COLUMNS = [str(n) for n in range(WIDTH)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("named", [["id"], ["sequence"], ["Sequence", "ID", "label", "length"]], ids=str)
@pytest.mark.parametrize("columns", [COLUMNS, [f"dim_{n + 1}" for n in range(WIDTH)]], ids=["0", "dim_1"])
def test_tables_with_ids_or_sequences_are_read(
    tmp_path: Path, delimiter: str, named: list[str], columns: list[str]
) -> None:
    body = []
    for record in RECORDS:
        known = {"id": record.id, "sequence": record.sequence, "label": "1", "length": "9"}
        body.append([*(known[name.lower()] for name in named), *cells(record.sequence)])
    path = write_table(tmp_path / "v.csv", [*named, *columns], body, delimiter)
    check(read_vectors(path, RECORDS[::-1]), RECORDS[::-1])


def test_columns_of_numbers_need_no_numbers_in_their_names(tmp_path: Path) -> None:
    body = [[record.id, "4", *cells(record.sequence)] for record in RECORDS]
    path = write_table(tmp_path / "v.csv", ["id", "length", *"abcde"], body)
    check(read_vectors(path, RECORDS), RECORDS)


def test_sequences_in_a_table_are_cleaned_as_records_are(tmp_path: Path) -> None:
    path = write_table(tmp_path / "v.csv", ["sequence", *COLUMNS], [["mk-vU*", *cells("A")]])
    np.testing.assert_array_equal(read_vectors(path, ["MKVC"]).matrix(), [vector("A")])


@pytest.mark.parametrize("has_header", [True, False])
@pytest.mark.parametrize("table", ["x.csv", "x.fasta"])
def test_rows_without_names_are_those_of_the_table_beside(
    tmp_path: Path, has_header: bool, table: str
) -> None:
    if table.endswith("csv"):
        write_table(tmp_path / table, ["sequence", "label"], [[record.sequence, 1] for record in RECORDS])
    else:
        text = "".join(f">{record.id}\n{record.sequence}\n" for record in RECORDS)
        (tmp_path / table).write_text(text)
    write_table(tmp_path / "x_other.csv", ["sequence"], [["MM"]])
    header = COLUMNS if has_header else []
    path = write_table(tmp_path / "x_esm2.csv", header, [cells(record.sequence) for record in RECORDS])
    check(read_vectors(path, RECORDS[::-1]), RECORDS[::-1])
    check(read_vectors(path, RECORDS[:2]), RECORDS[:2])
    moved = path.rename(tmp_path / "unlike.csv")
    check(read_vectors(moved, RECORDS[::-1], table=tmp_path / table), RECORDS[::-1])


def test_rows_without_a_table_are_the_records_in_order(tmp_path: Path) -> None:
    path = write_table(tmp_path / "v.csv", COLUMNS, [cells(record.sequence) for record in RECORDS])
    check(read_vectors(path, RECORDS), RECORDS)
    with pytest.raises(FormatError, match="4 rows without ids for 3 records; give the table"):
        read_vectors(path, RECORDS[:3])


def test_a_table_of_another_number_of_rows_is_refused(tmp_path: Path) -> None:
    table = write_table(tmp_path / "x.csv", ["sequence"], [["MKV"]])
    path = write_table(tmp_path / "x_esm2.csv", COLUMNS, [cells("MKV"), cells("MKA")])
    with pytest.raises(FormatError, match=r"has 2 rows, and .*x\.csv 1 sequences; they must be the same"):
        read_vectors(path, ["MKV"])
    assert table.exists()


def test_an_index_column_is_no_number_of_the_vector(tmp_path: Path) -> None:
    body = [[n, *cells(record.sequence)] for n, record in enumerate(RECORDS)]
    path = write_table(tmp_path / "v.csv", ["", *COLUMNS], body)
    check(read_vectors(path, RECORDS), RECORDS)


def test_compressed_tables_are_read(tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", ["sequence"], [[record.sequence] for record in RECORDS])
    plain = write_table(tmp_path / "v.csv", COLUMNS, [cells(record.sequence) for record in RECORDS])
    (tmp_path / "x_esm2.csv.gz").write_bytes(gzip.compress(plain.read_bytes()))
    check(read_vectors(tmp_path / "x_esm2.csv.gz", RECORDS[::-1]), RECORDS[::-1])
    content = (tmp_path / "x_esm2.csv.gz").read_bytes()
    (tmp_path / "x_esm2.csv.gz").write_bytes(content[:-20])
    with pytest.raises(FormatError, match=r"x_esm2\.csv\.gz"):
        read_vectors(tmp_path / "x_esm2.csv.gz", RECORDS)


def test_matrix_of_numpy_stands_beside_a_table_too(tmp_path: Path) -> None:
    write_table(tmp_path / "x.csv", ["sequence"], [[record.sequence] for record in RECORDS])
    np.save(tmp_path / "x_esm2.npy", np.stack([vector(record.sequence) for record in RECORDS]))
    check(read_vectors(tmp_path / "x_esm2.npy", RECORDS[::-1]), RECORDS[::-1])


def numbers_alone(path: Path, *, as_list: bool) -> Path:
    """The vectors of the records as a Parquet file without ids."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    matrix = np.stack([vector(record.sequence) for record in RECORDS])
    columns = {"v": matrix.tolist()} if as_list else dict(zip(COLUMNS, matrix.T, strict=True))
    parquet.write_table(arrow.table(columns), path, row_group_size=3)
    return path


@pytest.mark.parametrize("as_list", [False, True], ids=["columns", "list"])
def test_parquet_of_numbers_alone_belongs_to_the_table(tmp_path: Path, as_list: bool) -> None:
    path = numbers_alone(tmp_path / "v.parquet", as_list=as_list)
    table = write_table(tmp_path / "x.csv", ["id", "sequence"], [[r.id, r.sequence] for r in RECORDS])
    for records in (RECORDS[::-1], RECORDS[1:3]):
        check(read_vectors(path, records, table=table), records)
        check(read_vectors(path.rename(tmp_path / "x_esm2.parquet"), records), records)
        (tmp_path / "x_esm2.parquet").rename(path)
    check(read_vectors(path, RECORDS), RECORDS)  # without a table they are the records, in order
    write_table(table, ["sequence"], [["MKV"]])
    with pytest.raises(FormatError, match=r"v\.parquet has 4 rows, and .*x\.csv 1 sequences"):
        read_vectors(path, RECORDS, table=table)


@pytest.mark.parametrize("ending", [".npy", ".csv", ".parquet", ".npz"])
def test_a_table_that_is_not_there_is_an_error(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"v{ending}"
    if ending == ".npy":
        np.save(path, np.stack([vector(record.sequence) for record in RECORDS]))
    elif ending == ".csv":
        write_table(path, COLUMNS, [cells(record.sequence) for record in RECORDS])
    elif ending == ".parquet":
        numbers_alone(path, as_list=True)
    else:
        write_vectors(path, rows(RECORDS), description={})
    with pytest.raises(InputError, match=r"absent\.csv: there is no such file"):
        read_vectors(path, RECORDS, table=tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("id,0,1\na,1,x\n", "line 2: could not convert string to float: 'x'"),
        ("id,0,1\na,1\n", "line 2 has 2 cells; expected 3"),
        ("0,1,id\n1,2\n", "line 2 has 2 cells; expected 3"),
        ("id,0,1\na,1,2\n\nb,1,2,3\n", "line 4 has 4 cells; expected 3"),
        ('id,0,1\n"a\nb",1,2\nc,1,2,3\n', "line 4 has 4 cells; expected 3"),
        ("0,1\n1,2\n1,2,3\n", "line 3 has 3 cells; expected 2"),
        ("1.5,2.5\n1,2,3\n", "line 2 has 3 cells; expected 2"),
        ("sequence\t0\t1\nMKV\t1\t2\t\n", "line 2 has 4 cells; expected 3"),
        ("id,0,1\n", "holds no vectors below its header line"),
        ("sequence,label\nMKV,1\n", "is a table of sequences: it has no columns of numbers"),
        ("name,comment\nb,hello\n", "is no table of vectors: it has no columns of numbers"),
        ("id,a0,a1,b0,b1\nx,1,2,3,4\n", r"several groups of numbered columns \('a0', ..., 'b0', ...\)"),
        ('id,0,1\n"a,1,2\n', "is no sound table"),
        (">P1\nMKV\n", "is no file of vectors that is known; read are HDF5"),
        ("just text\n", "is no file of vectors that is known"),
        ("", "is no file of vectors that is known"),
    ],
)
def test_unsound_tables_are_refused(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "v.csv").write_text(content)
    with pytest.raises(FormatError, match=reason):
        read_vectors(tmp_path / "v.csv", ["MKV"])


def test_an_empty_cell_is_told_for_its_record(tmp_path: Path) -> None:
    path = write_table(tmp_path / "v.csv", ["id", "0", "1"], [["a", "1", ""], ["b", "1", "2"]])
    found = read_vectors(path, [SequenceRecord("a", "MK"), SequenceRecord("b", "MV")])
    assert found.mismatched == {"a": "it holds values that are not finite"}


@pytest.mark.parametrize("name", ["bitter_train", "bitter_test", "qs_train", "qs_test"])
def test_published_vectors_of_esm2_t6_are_matched_row_by_row(shared_data: Path, name: str) -> None:
    folder = shared_data / "esm2_t6_vectors"
    path, table = folder / f"{name}_esm2_t6_8M_UR50D.csv", folder / f"{name}.csv"
    if not path.is_file():
        pytest.skip(f"no {path.name} in the published data")
    records = list(read_sequences(table, on_error="skip"))
    found = read_vectors(path, records)
    assert (found.n_matched, found.width) == (len(records), 320)
    assert (found.unmatched, dict(found.mismatched)) == ((), {})
    with path.open() as stream:
        numbers = [list(map(float, row)) for row in list(csv.reader(stream))[1:]]
    first = {key_of(record.sequence): n for n, record in reversed(list(enumerate(records)))}
    expected = np.array(numbers, np.float64).astype(np.float32)
    assert len(expected) == len(records)
    for record, values in zip(records, found.vectors, strict=True):
        np.testing.assert_array_equal(values, expected[first[key_of(record.sequence)]])


# Files that are none ------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_files_that_are_cut_short_are_refused(tmp_path: Path, ending: str, share: float) -> None:
    needs(ending)
    path = tmp_path / f"v{ending}"
    records = [SequenceRecord(f"s{n}", "MK" * (n + 1)) for n in range(60)]
    write_vectors(path, rows(records), description={})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(FormatError, match=r"v\.\w+ (cannot be read as|is a damaged)"):
        read_vectors(path, records)


def test_no_changed_byte_of_an_npz_becomes_a_number(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    records = RECORDS[2:]
    write_vectors(path, rows(records, per_residue=True), description={})
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = content.index(b"\x93NUMPY")
        matrix = range(start, start + archive.getinfo("vectors.npy").file_size)
    for at in [*matrix, *(at for at in range(0, len(content), 3) if at not in matrix)]:
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        try:
            found = read_vectors(path, records, per_residue=True)
        except FormatError as error:
            reason = str(error)
        else:
            assert at not in matrix
            for record, values in zip(records, found.vectors, strict=True):
                if values is not None:
                    np.testing.assert_array_equal(values, vector(record.sequence, per_residue=True))
            continue
        if at in matrix:
            assert "v.npz cannot be read as npz: the CRC-32 of vectors.npy is not the one" in reason


def test_objects_in_place_of_numbers_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", P1=np.array([{"a": 1}], dtype=object))
    found = read_vectors(tmp_path / "v.npz", RECORDS[:1])
    assert "cannot be read: Object arrays cannot be loaded" in found.mismatched["P1"]
    np.save(tmp_path / "v.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(
        FormatError, match="cannot be read as npy: Array can't be memory-mapped: Python objects"
    ):
        read_vectors(tmp_path / "v.npy", RECORDS[:1])


def test_what_is_no_file_of_vectors_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_vectors(tmp_path / "absent.h5", RECORDS)
    with pytest.raises(FormatError, match=r"is a folder without \.pt files"):
        read_vectors(tmp_path, RECORDS)
    (tmp_path / "store.json").write_text("{}")
    with pytest.raises(FormatError, match="is a store, not a file of vectors"):
        read_vectors(tmp_path, RECORDS)
    with zipfile.ZipFile(tmp_path / "v.zip", "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(FormatError, match="is no file of vectors that is known"):
        read_vectors(tmp_path / "v.zip", RECORDS)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from sortilin.errors import MissingDependencyError

    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r"needs h5py: pip install 'sortilin\[plm\]'"):
        write_vectors(tmp_path / "v.h5", rows(RECORDS), description={})
    assert list(tmp_path.iterdir()) == []


def test_an_open_file_answers_many_times(path: Path) -> None:
    write_vectors(path, rows(RECORDS), description=DESCRIPTION)
    with open_vectors(path) as vectors:
        assert len(vectors) == len(RECORDS)
        assert vectors.description["checkpoint"] == "esm2_t6"
        for record in RECORDS:
            check(vectors.match([record]), [record])
    assert set(exchange.WRITERS) >= set(ENDINGS)
