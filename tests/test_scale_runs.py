"""Runs in parts: one file made of them is what a plain run writes, whatever the shards, parts and shares."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub import Hub
from scaled import (
    Named,
    check_same_tables,
    fasta_of,
    hidden_in,
    meta_of,
    packed,
    parquet_of,
    peptides,
    shards_of,
    skipped_of,
)
from sortilin.vectors import open_vectors
from terminal import Result, Terminal

MODEL = ("--model", "anticancer", "--threads", 1)
RECORDS = peptides(11, 150)
SKIP = ("--on-error", "skip")


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of(RECORDS))
    return path


def done(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def plain(run: Terminal, source: object, out: Path, *options: object) -> Path:
    done(run("predict", source, "-o", out, *MODEL, *options))
    return out


def merged(
    run: Terminal, source: object, folder: Path, out: Path, *options: object, size: object = "1K"
) -> Path:
    done(run("predict", source, "--shard", "1/1", "--part-size", size, "-o", folder, *MODEL, *options))
    done(run("merge", folder, "-o", out))
    return out


def check_same(
    run: Terminal,
    folder: Path,
    source: object,
    *options: object,
    size: object = "1K",
    plain_source: object = None,
    ending: str = ".tsv",
) -> Path:
    """Both ways are the same; the plain table."""
    one = plain(run, plain_source or source, folder / f"plain{ending}", *options)
    other = merged(run, source, folder / "run", folder / f"merged{ending}", *options, size=size)
    check_same_tables(one, other)
    return one


def manifest_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


# --- one file, in parts of any size, to any format


@pytest.mark.parametrize("size", ["1", pytest.param("37", marks=pytest.mark.slow), "500", "1G"])
def test_table_of_parts_of_any_size_is_that_of_a_plain_run(
    run: Terminal, fasta: Path, tmp_path: Path, size: str
) -> None:
    if size == "1":  # a part for each byte
        fasta.write_bytes(fasta_of(RECORDS[:3]))
    check_same(run, tmp_path, fasta, size=size)


@pytest.mark.parametrize("ending", [".tsv", ".tsv.gz", ".jsonl", ".parquet", ".html"])
def test_every_format_is_that_of_a_plain_run(run: Terminal, fasta: Path, tmp_path: Path, ending: str) -> None:
    check_same(run, tmp_path, fasta, ending=ending)


def test_record_of_the_run_names_the_source_as_given(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    check_same(run, tmp_path, fasta)
    sources = [
        json.loads((tmp_path / f"{name}.tsv.meta.json").read_text())["source"] for name in ("plain", "merged")
    ]
    assert sources == [str(fasta), str(fasta)]


def test_manifest_lists_parts_that_add_up(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    merged(run, fasta, tmp_path / "run", tmp_path / "merged.tsv", size="700")
    manifest = manifest_of(tmp_path / "run")
    assert manifest["totals"]["rows"] == manifest["totals"]["records"] == len(RECORDS)
    assert manifest["totals"]["residues"] == sum(len(sequence) for _, sequence in RECORDS)
    assert [part["part"] for part in manifest["parts"]] == list(range(len(manifest["parts"])))
    for part in manifest["parts"]:
        table = pyarrow.parquet.read_table(tmp_path / "run" / part["file"])
        assert (table.num_rows, (tmp_path / "run" / part["file"]).stat().st_size) == (
            part["rows"],
            part["bytes"],
        )
    assert sum(worker["parts"] for worker in manifest["workers"]) == manifest["totals"]["parts"]
    assert all(worker["peak_bytes"] > 0 for worker in manifest["workers"])
    assert hidden_in(tmp_path / "run") == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["localization", "anticancer"])
def test_each_bundled_model(run: Terminal, tmp_path: Path, model: str) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(peptides(12, 30, shortest=30, longest=300)))
    check_same(run, tmp_path, fasta, "--model", model)


# --- shards


@pytest.mark.parametrize("how", ["folder", "pattern"])
def test_shards_are_as_the_files_one_after_the_other(run: Terminal, tmp_path: Path, how: str) -> None:
    folder = shards_of(
        tmp_path / "in", RECORDS, [20, 1, 60, 0, 9], [".fasta", ".fasta.gz", ".faa.zst", ".fa"]
    )
    whole = tmp_path / "whole.fasta"
    whole.write_bytes(fasta_of(RECORDS))
    source = folder if how == "folder" else f"{folder}/shard-*"
    check_same(run, tmp_path, source, plain_source=whole)


@pytest.mark.parametrize("group", [1, 40, 1_000])
def test_parquet_is_as_fasta(run: Terminal, fasta: Path, tmp_path: Path, group: int) -> None:
    records = RECORDS[:40] if group == 1 else RECORDS
    fasta.write_bytes(fasta_of(records))
    source = parquet_of(tmp_path / "in.parquet", records, group=group)
    check_same(run, tmp_path, source, plain_source=fasta, size="500")


def test_folder_of_parquet_files_is_as_fasta(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    for at in range(3):
        (folder / f"month={at}").mkdir(parents=True)
        parquet_of(folder / f"month={at}" / "part-0.parquet", RECORDS[at * 50 : at * 50 + 50], group=20)
    check_same(run, tmp_path, folder, plain_source=fasta)


def test_table_is_one_part(run: Terminal, tmp_path: Path) -> None:
    table = tmp_path / "in.csv"
    rows = [f"{header.split()[0]},{sequence}" for header, sequence in RECORDS]
    table.write_text("\n".join(["id,sequence", *rows]) + "\n")
    check_same(run, tmp_path, table)
    assert manifest_of(tmp_path / "run")["totals"]["parts"] == 1


@pytest.mark.parametrize("compression", ["none", "gz", "zst"])
def test_cut_shards_are_as_the_file(run: Terminal, fasta: Path, tmp_path: Path, compression: str) -> None:
    shards = tmp_path / "shards"
    said = done(run("shards", fasta, "-o", shards, "--residues", 900, "--compression", compression)).err
    listed = json.loads((shards / "shards.json").read_text())
    assert listed["n_records"] == sum(one["n_records"] for one in listed["shards"]) == len(RECORDS)
    assert f"{shards}: {len(listed['shards'])} shards" in said
    check_same(run, tmp_path, shards, plain_source=fasta)


# --- records without ids, with faults, with equal ids


def unnamed(records: Sequence[Named], every: int) -> list[Named]:
    return [("" if at % every == 0 else header, sequence) for at, (header, sequence) in enumerate(records)]


@pytest.mark.parametrize("every", [1, 3])
def test_unnamed_records_are_numbered_through(run: Terminal, tmp_path: Path, every: int) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(unnamed(RECORDS, every)))
    table = check_same(run, tmp_path, fasta)
    assert f"\nseq{len(RECORDS) - (len(RECORDS) - 1) % every}\t" in table.read_text()


def test_unnamed_records_of_shards_are_numbered_through(run: Terminal, tmp_path: Path) -> None:
    records = unnamed(RECORDS, 1)
    whole = tmp_path / "whole.fasta"
    whole.write_bytes(fasta_of(records))
    folder = shards_of(tmp_path / "in", records, [30, 50], [".fasta", ".fasta.gz"])
    check_same(run, tmp_path, folder, plain_source=whole)


def test_parquet_without_ids_is_numbered_through(run: Terminal, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    whole.write_text("\n".join(["sequence", *(sequence for _, sequence in RECORDS)]) + "\n")
    source = parquet_of(tmp_path / "in.parquet", RECORDS, group=40, ids=False)
    check_same(run, tmp_path, source, plain_source=whole, size="500")


def test_tables_without_ids_are_numbered_through(run: Terminal, tmp_path: Path) -> None:
    whole = tmp_path / "whole.csv"
    whole.write_text("\n".join(["sequence", *(sequence for _, sequence in RECORDS)]) + "\n")
    folder = tmp_path / "in"
    folder.mkdir()
    for at in range(3):
        own = RECORDS[at * 50 : at * 50 + 50]
        (folder / f"{at}.csv").write_text("\n".join(["sequence", *(one for _, one in own)]) + "\n")
    check_same(run, tmp_path, folder, plain_source=whole)


def test_id_that_looks_like_a_number_given_to_another_is_kept(run: Terminal, tmp_path: Path) -> None:
    """A record may be called seq2 by its maker, among others that have no name."""
    records = list(RECORDS)
    records[101], records[103] = ("seq2", records[101][1]), ("", records[103][1])
    source = parquet_like_shards(tmp_path, records)
    table = check_same(run, tmp_path, source, plain_source=tmp_path / "whole.fasta")
    assert "\nseq2\t" in table.read_text()


def test_id_like_the_number_of_an_unnamed_record_in_its_part_loses_nothing(
    run: Terminal, tmp_path: Path
) -> None:
    records = list(RECORDS)
    records[101], records[103] = ("", records[101][1]), ("seq2", records[103][1])
    source = parquet_like_shards(tmp_path, records)
    table = check_same(run, tmp_path, source, *SKIP, plain_source=tmp_path / "whole.fasta")
    assert table.read_text().count("\n") == len(RECORDS) + 1


def parquet_like_shards(folder: Path, records: Sequence[Named]) -> Path:
    """Two packed shards, the second of which begins with record 100, and the whole file."""
    (folder / "whole.fasta").write_bytes(fasta_of(records))
    return shards_of(folder / "in", records, [100], [".fasta.gz"])


def faulty(records: Sequence[Named]) -> list[Named]:
    found = list(records)
    found[3] = (found[3][0], "MK7L")
    found[60] = (found[60][0], "")
    found[61] = ("", "MK!")
    found[100] = (found[100][0], "ACGTACGT" * 20)
    found[101] = (found[101][0], "MKUOBZ--L*")
    found[149] = (found[149][0], "9")
    return found


@pytest.mark.parametrize("size", [pytest.param("60", marks=pytest.mark.slow), "1K", "1G"])
def test_faulty_records_are_left_out_and_listed(run: Terminal, tmp_path: Path, size: str) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(faulty(RECORDS)))
    table = check_same(run, tmp_path, fasta, *SKIP, size=size)
    listed = skipped_of(table)
    assert listed is not None
    assert [line.split("\t")[0] for line in listed.splitlines()[1:]] == ["4", "61", "62", "101", "150"]


def test_faulty_record_fails_its_part_and_the_others_are_done(run: Terminal, tmp_path: Path) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(faulty(RECORDS)[:50]))
    result = run("predict", fasta, "--shard", "1/1", "--part-size", "500", "-o", tmp_path / "run", *MODEL)
    assert result.code == 1
    assert "'7' is not a residue" in result.err
    assert str(fasta) in result.err
    assert "run the same command again" in result.err
    assert list((tmp_path / "run" / "parts").glob("*.json"))
    assert not (tmp_path / "run" / "manifest.json").exists()


def repeated(records: Sequence[Named], pairs: Sequence[tuple[int, int]]) -> list[Named]:
    """Later records with the ids of earlier ones."""
    found = list(records)
    for earlier, later in pairs:
        found[later] = (found[earlier][0], found[later][1])
    return found


DUPLICATES = {
    "inside a part": [(1, 2), (80, 81)],
    "across parts": [(1, 140), (50, 100)],
    "both": [(1, 2), (1, 140), (2, 141), (80, 82)],
    "three times": [(70, 120), (70, 121), (70, 149)],
}


@pytest.mark.parametrize("pairs", DUPLICATES.values(), ids=DUPLICATES)
def test_equal_ids_are_left_out_and_listed(
    run: Terminal, tmp_path: Path, pairs: list[tuple[int, int]]
) -> None:
    fasta = tmp_path / "in.fasta"
    records = repeated(RECORDS, pairs)
    records[pairs[0][1]] = (records[pairs[0][1]][0], "MKUUXL")  # its changes do not count
    fasta.write_bytes(fasta_of(records))
    check_same(run, tmp_path, fasta, *SKIP)


def test_equal_ids_that_are_also_faulty_are_left_out_and_listed(run: Terminal, tmp_path: Path) -> None:
    """The id of a record that could not be read is free again."""
    records = faulty(repeated(RECORDS, [(3, 4), (3, 120), (60, 62), (100, 130), (5, 149)]))
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(records))
    check_same(run, tmp_path, fasta, *SKIP)


def test_left_out_sequence_that_was_far_or_changed_is_not_counted(run: Terminal, tmp_path: Path) -> None:
    records = repeated(RECORDS, [(1, 140)])
    records[140] = (records[140][0], "W" * 300 + "U")
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(records))
    check_same(run, tmp_path, fasta, *SKIP)
    details = meta_of(tmp_path / "merged.tsv")["details"]
    assert details["n_far"] == meta_of(tmp_path / "plain.tsv")["details"]["n_far"]


@pytest.mark.parametrize("later", [2, 140])
def test_equal_ids_are_an_error_as_in_a_plain_run(run: Terminal, tmp_path: Path, later: int) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(repeated(RECORDS, [(1, later)])))
    plainly = run("predict", fasta, "-o", tmp_path / "plain.tsv", *MODEL)
    assert plainly.code == 1
    folder = tmp_path / "run"
    result = run("predict", fasta, "--shard", "1/1", "--part-size", "1K", "-o", folder, *MODEL)
    if later == 2:  # in one part
        assert result.code == 1
        assert "has the id of record 2; ids must differ" in result.err
        return
    done(result)
    result = run("merge", folder, "-o", tmp_path / "merged.tsv")
    assert result.code == 1
    for word in (f'{fasta}, record 141 ("p1"', "has the id of record 2; ids must differ"):
        assert word in plainly.err
        assert word in result.err
    assert not (tmp_path / "merged.tsv").exists()


def test_equal_ids_of_several_parts_can_be_left_out_by_merge(run: Terminal, tmp_path: Path) -> None:
    """They come to light when all parts are done, and need not be done again."""
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(repeated(RECORDS, [(1, 140), (60, 120)])))
    folder, out = tmp_path / "run", tmp_path / "merged.tsv"
    done(run("predict", fasta, "--shard", "1/1", "--part-size", "1K", "-o", folder, *MODEL))
    result = run("merge", folder, "-o", out)
    assert result.code == 1
    assert "--on-error skip" in result.err
    done(run("merge", folder, "-o", out, *SKIP))
    check_same_tables(plain(run, fasta, tmp_path / "plain.tsv", *SKIP), out)


def test_input_of_faulty_records_only_is_an_error(run: Terminal, tmp_path: Path) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of([(f"p{at}", "MK7") for at in range(9)]))
    done(run("predict", fasta, "--shard", "1/1", "--part-size", "20", "-o", tmp_path / "run", *MODEL, *SKIP))
    result = run("merge", tmp_path / "run", "-o", tmp_path / "merged.tsv")
    assert result.code == 1
    assert "none of its 9 records can be" in result.err
    assert "'7' is not a residue" in result.err
    assert not (tmp_path / "merged.tsv").exists()


# --- what is added


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        (".tsv", ()),
        (".jsonl", ()),
        (".parquet", ()),
        (".html", ()),
        (".tsv", ("--per-class", "--never-empty")),
    ],
)
def test_sets_of_classes(
    run: Terminal, fasta: Path, tmp_path: Path, ending: str, options: tuple[str, ...]
) -> None:
    check_same(run, tmp_path, fasta, "--coverage", "0.9", *options, ending=ending)


@pytest.mark.parametrize("ending", [".tsv", ".jsonl", ".parquet"])
def test_nearest_references(run: Terminal, fasta: Path, tmp_path: Path, ending: str) -> None:
    pytest.importorskip("pyopal")
    references = tmp_path / "known.fasta"
    references.write_bytes(fasta_of([*RECORDS[:20], ("other", "MKWVTFISLLLL"), ("x", "MK7")]))
    check_same(run, tmp_path, fasta, "--nearest", references, *SKIP, ending=ending)


# --- shares


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)], ids=str)
@pytest.mark.parametrize("folders", ["one", "three"])
def test_shares_in_any_order_come_to_the_same(
    run: Terminal, fasta: Path, tmp_path: Path, order: tuple[int, ...], folders: str
) -> None:
    used = [tmp_path / ("run" if folders == "one" else f"run{number}") for number in (1, 2, 3)]
    for number in order:
        options = ("--shard", f"{number}/3", "--part-size", "500", "-o", used[number - 1])
        done(run("predict", fasta, *options, *MODEL))
    one = plain(run, fasta, tmp_path / "plain.tsv")
    done(run("merge", *dict.fromkeys(used), "-o", tmp_path / "merged.tsv"))
    check_same_tables(one, tmp_path / "merged.tsv")
    assert (tmp_path / "run" / "manifest.json").exists() == (folders == "one")


def test_shares_of_another_number_go_on_with_what_is_done(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run("predict", fasta, "--shard", "1/3", "--part-size", "500", "-o", folder, *MODEL))
    said = done(run("predict", fasta, "--shard", "1/1", "-o", folder, *MODEL)).err
    assert "of its parts were done before" in said
    done(run("merge", folder, "-o", tmp_path / "merged.tsv"))
    check_same_tables(plain(run, fasta, tmp_path / "plain.tsv"), tmp_path / "merged.tsv")


def test_more_jobs_than_parts_are_done_with_nothing(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        done(run("predict", fasta, "--shard", f"{number}/3", "-o", tmp_path / "run", *MODEL))
    done(run("merge", tmp_path / "run", "-o", tmp_path / "merged.tsv"))
    check_same_tables(plain(run, fasta, tmp_path / "plain.tsv"), tmp_path / "merged.tsv")


def test_second_start_does_nothing_again(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    options = ("predict", fasta, "--shard", "1/1", "--part-size", "1K", "-o", tmp_path / "run", *MODEL)
    done(run(*options))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parts").iterdir()}
    said = done(run(*options)).err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parts").iterdir()} == before
    assert f"{len(before) // 2} of its parts were done before" in said


# --- object storage


@pytest.mark.parametrize(
    "form",
    ["file", *(pytest.param(form, marks=pytest.mark.slow) for form in ("folder", "pattern"))],
)
def test_input_and_output_by_address(run: Terminal, fasta: Path, tmp_path: Path, form: str) -> None:
    shards_of(tmp_path / "in", RECORDS, [50, 50], [".fasta.gz", ".fasta"])
    source = {
        "file": f"local://{fasta}",
        "folder": f"local://{tmp_path}/in",
        "pattern": f"local://{tmp_path}/in/*.fast*",
    }[form]
    folder = f"local://{tmp_path}/run"
    done(run("predict", source, "--shard", "1/1", "--part-size", "1K", "-o", folder, *MODEL))
    done(run("merge", folder, "-o", tmp_path / "merged.tsv"))
    check_same_tables(plain(run, fasta, tmp_path / "plain.tsv"), tmp_path / "merged.tsv")
    assert hidden_in(tmp_path / "run") == []


@pytest.mark.slow
def test_storage_without_folders(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe("/scale-test/in/a.fasta", fasta_of(RECORDS[:70]))
    memory.pipe("/scale-test/in/b.fasta.gz", packed(fasta_of(RECORDS[70:]), ".gz"))
    try:
        folder = "memory://scale-test/run"
        for number in (2, 1):
            options = ("--shard", f"{number}/2", "--part-size", "1K", "-o", folder)
            done(run("predict", "memory://scale-test/in", *options, *MODEL))
        done(run("merge", folder, "-o", tmp_path / "merged.tsv"))
        check_same_tables(plain(run, fasta, tmp_path / "plain.tsv"), tmp_path / "merged.tsv")
        assert not [name for name in memory.find("/scale-test/run") if "running" in name]
    finally:
        memory.rm("/scale-test", recursive=True)


# --- vectors


EMBED = ("--runtime", "torch", "--threads", 1, "--no-store")


@pytest.fixture
def backbone(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    pytest.importorskip("torch")
    pytest.importorskip("h5py")
    monkeypatch.setenv("SORTILIN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SORTILIN_CACHE", str(tmp_path / "cache"))
    hub.publish("esm2_t6")
    hub.publish("protbert")
    return hub


def check_same_vectors(one: Path, other: Path, letters: Sequence[str]) -> None:
    with open_vectors(one) as left, open_vectors(other) as right:
        assert right.description == left.description
        pairs = zip(left.match(letters).vectors, right.match(letters).vectors, strict=True)
        for before, after in pairs:
            assert (before is None) == (after is None)
            if before is not None and after is not None:
                assert after.dtype == before.dtype
                np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)
    # One process reads ahead of the model, and lists what reading leaves out before what the model does.
    assert sorted((skipped_of(other) or "").splitlines()) == sorted((skipped_of(one) or "").splitlines())


def check_same_embedding(
    run: Terminal, folder: Path, source: Path, *options: object, ending: str = ".h5"
) -> None:
    one, other = folder / f"plain{ending}", folder / f"merged{ending}"
    done(run("embed", source, "-o", one, *EMBED, *options))
    for number in (2, 1):
        parts = ("--shard", f"{number}/2", "--part-size", "500", "-o", folder / "run")
        done(run("embed", source, *parts, *EMBED, *options))
    done(run("merge", folder / "run", "-o", other))
    check_same_vectors(one, other, [sequence for _, sequence in RECORDS])


@pytest.mark.slow
@pytest.mark.usefixtures("backbone")
@pytest.mark.parametrize("ending", [".h5", ".npz", ".parquet"])
@pytest.mark.parametrize("options", [(), ("--half",), ("--pooling", "none")], ids=str)
def test_vectors_of_parts_are_those_of_a_plain_run(
    run: Terminal, tmp_path: Path, ending: str, options: tuple[str, ...]
) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(RECORDS[:40]))
    check_same_embedding(run, tmp_path, fasta, *options, ending=ending)


@pytest.mark.slow
@pytest.mark.usefixtures("backbone")
def test_vectors_of_unnamed_and_faulty_records(run: Terminal, tmp_path: Path) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(repeated(faulty(unnamed(RECORDS, 7)), [(5, 6), (5, 90)])))
    check_same_embedding(run, tmp_path, fasta, *SKIP)


@pytest.mark.slow
@pytest.mark.usefixtures("backbone")
def test_id_of_a_sequence_too_long_for_the_model_is_taken(run: Terminal, tmp_path: Path) -> None:
    """The small ProtBert reads 198 residues: the long one is left out, and so is its namesake behind."""
    records = repeated(RECORDS[:60], [(2, 50)])
    records[2] = (records[2][0], "MW" * 150)
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(records))
    check_same_embedding(run, tmp_path, fasta, "--backbone", "protbert", *SKIP)


@pytest.mark.slow
@pytest.mark.usefixtures("backbone")
def test_flags_of_the_length_policy_are_listed(run: Terminal, tmp_path: Path) -> None:
    records = [("long", "MW" * 120), *RECORDS[:20]]
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(records))
    check_same_embedding(run, tmp_path, fasta, "--length-policy", "head-tail:50,50")
    flags = [tmp_path / f"{name}.h5.flags.tsv" for name in ("plain", "merged")]
    assert flags[0].exists()
    assert flags[1].exists(), "the merged vectors have no list of what the length policy did"
    assert flags[1].read_text() == flags[0].read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("backbone")
def test_vectors_by_address(run: Terminal, tmp_path: Path) -> None:
    fasta = tmp_path / "in.fasta"
    fasta.write_bytes(fasta_of(RECORDS[:20]))
    folder = f"local://{tmp_path}/run"
    done(run("embed", f"local://{fasta}", "--shard", "1/1", "--part-size", "300", "-o", folder, *EMBED))
    done(run("merge", folder, "-o", tmp_path / "merged.h5"))
    done(run("embed", fasta, "-o", tmp_path / "plain.h5", *EMBED))
    letters = [sequence for _, sequence in RECORDS[:20]]
    check_same_vectors(tmp_path / "plain.h5", tmp_path / "merged.h5", letters)


@pytest.mark.usefixtures("backbone")
@pytest.mark.parametrize(("on_error", "code"), [("fail", 1), ("skip", 0)])
def test_list_is_merged_where_no_sequence_has_a_vector(
    run: Terminal, tmp_path: Path, on_error: str, code: int
) -> None:
    fasta, folder, out = tmp_path / "in.fasta", tmp_path / "run", tmp_path / "out.h5"
    fasta.write_text(f">a\n{'MKV' * 100}\n")
    options = ("--backbone", "protbert", "--on-error", on_error, "--shard", "1/1", "-o", folder)
    assert run("embed", fasta, *options, *EMBED).code == code
    made = run("merge", folder, "-o", out)
    assert made.code == code
    assert f"no vector: 1 of 1 sequences, listed in {out}.skipped.tsv; {out} is not written" in made.err
    assert "has 300 residues, and protbert takes at most 198" in (skipped_of(out) or "")
    assert not out.exists()
