"""Runs in parts when inputs, folders, disks and processes fail: nothing is lost; messages help."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from scaled import (
    SORTILIN,
    begun,
    check_same_tables,
    environment,
    fasta_of,
    hidden_in,
    packed,
    parquet_of,
    parts_in,
    peptides,
    shards_of,
    times_in,
)
from sortilin.errors import ConfigError
from sortilin.scale.description import RunDescription
from sortilin.scale.folder import RunFolder
from terminal import Result, Terminal

MODEL = ("--model", "anticancer", "--threads", 1)
RECORDS = peptides(21, 120)


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of(RECORDS))
    return path


def share(source: object, folder: object, *options: object, number: str = "1/1") -> tuple[object, ...]:
    """The words of a command; parts of 1 KiB unless options say otherwise."""
    size = () if "--part-size" in options else ("--part-size", "1K")
    return ("predict", source, "--shard", number, *size, "-o", folder, *MODEL, *options)


def done(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def refused(result: Result, *words: str, code: int = 1) -> str:
    """What is said, in which all words stand and no traceback."""
    assert result.code == code, result.err
    assert "Traceback" not in result.err
    for word in words:
        assert word in result.err
    return result.err


def check_complete(
    run: Terminal, fasta: Path, folder: Path, tmp_path: Path, *, was_killed: bool = False
) -> None:
    """The folder makes the table of a plain run, and holds nothing half-written (but of the killed)."""
    done(run("merge", folder, "-o", tmp_path / "merged.tsv"))
    done(run("predict", fasta, "-o", tmp_path / "plain.tsv", *MODEL))
    check_same_tables(tmp_path / "plain.tsv", tmp_path / "merged.tsv")
    assert was_killed or hidden_in(folder) == []


# --- shards


def cut_gzip() -> bytes:
    content = packed(fasta_of(peptides(22, 300)), ".gz")
    return content[: len(content) // 2]


CORRUPT = {
    "cut.fasta.gz": (cut_gzip(), "compressed file ends early"),
    "cut.fasta.zst": (packed(fasta_of(peptides(22, 300)), ".zst")[:-400], "cut.fasta.zst"),
    "garbage.fasta": (bytes(range(256)) * 40, "expected '>' (FASTA) or a header line"),
    "latin1.fasta": (">x\nMK\n>é\nMKL\n".encode("latin-1"), "is not UTF-8 text"),
    "zeros.fasta": (b">x\nMK\n" + b"\0" * 300 + b"\n", "is not a residue"),
}


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_shard_is_named_and_the_others_are_done(run: Terminal, tmp_path: Path, name: str) -> None:
    content, message = CORRUPT[name]
    source = shards_of(tmp_path / "in", RECORDS, [50])
    (source / name).write_bytes(content)
    folder = tmp_path / "run"
    command = share(source, folder, "--part-size", "1M")
    said = refused(run(*command), str(source / name), message, "1 of 3 parts failed", "run the same command")
    assert len(list((folder / "parts").glob("*.parquet"))) == 2
    assert not (folder / "manifest.json").exists()
    refused(run("merge", folder, "-o", tmp_path / "m.tsv"), "1 of 3 parts are not done", "run the same")
    assert said.count(str(source / name)) == 1


def test_damaged_parquet_is_named(run: Terminal, tmp_path: Path) -> None:
    source = shards_of(tmp_path / "in", RECORDS, [50])
    whole = parquet_of(tmp_path / "whole.parquet", peptides(22, 300), group=100).read_bytes()
    (source / "cut.parquet").write_bytes(whole[:-40])
    refused(run(*share(source, tmp_path / "run")), "cut.parquet", "cannot be read as Parquet", "cut short?")
    wrong = bytearray(whole)
    wrong[200:600] = b"\xff" * 400
    (source / "cut.parquet").unlink()
    (source / "wrong.parquet").write_bytes(bytes(wrong))
    refused(
        run(*share(source, tmp_path / "run2", "--part-size", "1M")),
        "wrong.parquet, row groups 0 to 2",
        "cannot be read as Parquet",
        "1 of 3 parts failed",
    )


def test_mended_shard_is_done_and_the_others_are_kept(run: Terminal, tmp_path: Path) -> None:
    """As the message of the first start says: mend what is named, and run the same command again."""
    source = shards_of(tmp_path / "in", RECORDS, [50])
    (source / "bad.fasta.gz").write_bytes(cut_gzip())
    assert run(*share(source, tmp_path / "run")).code == 1
    (source / "bad.fasta.gz").write_bytes(packed(fasta_of([("new", "MKL")]), ".gz"))
    before = times_in(tmp_path / "run")
    done(run(*share(source, tmp_path / "run")))
    assert {name: times_in(tmp_path / "run")[name] for name in before} == before


def test_shard_that_the_list_names_and_is_gone_is_named(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    done(run("shards", fasta, "-o", shards, "--residues", 500, "--compression", "gz"))
    names = sorted(path.name for path in shards.glob("*.gz"))
    kept = (shards / names[1]).read_bytes()
    (shards / names[1]).unlink()
    refused(run(*share(shards, tmp_path / "run")), f"shard {names[1]} is missing, which shards.json names")
    (shards / names[1]).write_bytes(kept[:-10])
    refused(run(*share(shards, tmp_path / "run")), names[1], f"says {len(kept):,}", "cut short?")
    (shards / "shards.json").write_text('{"shards": [{}')
    refused(run(*share(shards, tmp_path / "run")), "shards.json is damaged; make the shards again")
    assert not (tmp_path / "run").exists()


def test_shard_that_went_between_two_starts_is_named(run: Terminal, tmp_path: Path) -> None:
    source = shards_of(tmp_path / "in", RECORDS, [50, 30])
    done(run(*share(source, tmp_path / "run", number="1/2")))
    (source / "shard-001.fasta").rename(tmp_path / "away.fasta")
    refused(
        run(*share(source, tmp_path / "run", number="2/2")), "shard shard-001.fasta of its input is missing"
    )
    (tmp_path / "away.fasta").rename(source / "shard-001.fasta")
    (source / "shard-001.fasta").write_bytes(fasta_of(RECORDS[50:79]))
    refused(run(*share(source, tmp_path / "run", number="2/2")), "shard shard-001.fasta was changed since")
    (source / "shard-001.fasta").write_bytes(fasta_of(RECORDS[50:80]))
    (source / "shard-007.fasta").write_bytes(fasta_of([("new", "MKL")]))
    refused(run(*share(source, tmp_path / "run", number="2/2")), "it does not know shard shard-007.fasta")
    (source / "shard-007.fasta").unlink()
    done(run(*share(source, tmp_path / "run", number="2/2")))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("-", "standard input cannot be read in parts: give a file, a folder or a pattern"),
        ("in.fast", "there is no such file; did you mean 'in.fasta'?"),
        ("nothing-*.fasta", "nothing-*.fasta: no file has a name that fits"),
        ("nowhere/*.fasta", "there is no folder 'nowhere'"),
        ("s4://bucket/x.fasta", "s4"),
        ("local:///nowhere/in.fasta", "local:///nowhere/in.fasta: there is no such file"),
        ("empty", "no file that ends in .fasta"),
    ],
)
def test_missing_source_is_told(
    run: Terminal, fasta: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.chdir(fasta.parent)
    Path("empty").mkdir()
    refused(run(*share(source, "run")), message)
    assert not Path("run").exists()


def test_source_of_empty_shards_holds_no_records(run: Terminal, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.fasta", "b.fasta"):
        (tmp_path / "in" / name).write_bytes(b"")
    refused(run(*share(tmp_path / "in", tmp_path / "run")), "in holds no records")


# --- options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--shard", "0/3", "-o", "run"), "'0/3': the first number must be 1 to 3"),
        (("--shard", "4/3", "-o", "run"), "'4/3': the first number must be 1 to 3"),
        (("--shard", "abc", "-o", "run"), "'abc' is not I/N, such as 3/100"),
        (("--shard", "1/0", "-o", "run"), "'1/0'"),
        (("--shard", "-1/3", "-o", "run"), "-1/3"),
        (("--shard", "1/2", "--part-size", "x", "-o", "run"), "'x' is no size"),
        (("--shard", "1/2", "--part-size", "0", "-o", "run"), "'0' is no size"),
        (("--part-size", "4M", "-o", "run"), "--part-size is for --engine ray or --shard"),
        (("--workers", "2", "-o", "run"), "--workers is for --engine ray"),
        (("--ray-address", "auto", "--shard", "1/2", "-o", "run"), "--ray-address is for --engine ray"),
        (
            ("--engine", "ray", "--shard", "1/2", "-o", "run"),
            "--shard is for array jobs, without --engine ray",
        ),
        (("--shard", "1/2"), "-o"),
        (("--shard", "1/2", "-o", "-"), "a run in parts writes a folder"),
        (("--shard", "1/2", "-o", "out.tsv"), "sortilin merge FOLDER -o out.tsv"),
        (("--shard", "1/2", "-o", "out.tsv.gz"), "sortilin merge FOLDER -o out.tsv.gz"),
        (("--shard", "1/2", "-o", "out.parquet"), "sortilin merge FOLDER -o out.parquet"),
        (("--engine", "ray", "-o", "out.jsonl"), "sortilin merge FOLDER -o out.jsonl"),
        (("--shard", "1/2", "-o", "run", "--format", "tsv"), "--format is for one file"),
        (("--engine", "spark", "-o", "run"), "'spark' is not one of"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Terminal, fasta: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(fasta.parent)
    refused(run("predict", fasta, *MODEL, *options), message, code=2)
    assert sorted(path.name for path in fasta.parent.iterdir()) == ["in.fasta"]


@pytest.mark.parametrize(
    ("output", "message"),
    [("vectors.h5", "sortilin merge FOLDER -o vectors.h5"), ("out.npz", "sortilin merge FOLDER -o out.npz")],
)
def test_embed_in_parts_needs_a_folder(
    run: Terminal, fasta: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    monkeypatch.chdir(fasta.parent)
    refused(run("embed", fasta, "--shard", "1/2", "-o", output), message, code=2)


# --- the folder


def test_folder_of_another_run_says_in_what_it_differs(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder, number="1/2")))
    before = times_in(folder)
    for options, message in (
        (("--model", "localization"), "its model is anticancer ("),
        (("--coverage", "0.9"), "its sets is None, not {"),
        (("--part-size", "2K"), "its parts are of 1,024 bytes, not 2,048"),
    ):
        said = refused(run(*share(fasta, folder, *options, number="2/2")), "holds another run", message)
        assert "choose another folder" in said
    other = tmp_path / "other.fasta"
    other.write_bytes(fasta_of(peptides(23, 20)))
    refused(run(*share(other, folder, number="2/2")), "shard in.fasta of its input is missing")
    assert times_in(folder) == before


def test_faulty_record_may_be_left_out_at_the_second_start(
    run: Terminal, fasta: Path, tmp_path: Path
) -> None:
    folder, records = tmp_path / "run", list(RECORDS)
    records[70] = (records[70][0], "MK7")
    fasta.write_bytes(fasta_of(records))
    refused(run(*share(fasta, folder)), "'7' is not a residue", "1 of 5 parts failed")
    before = times_in(folder)
    said = done(run(*share(fasta, folder, "--on-error", "skip"))).err
    assert "4 of its parts were done before" in said
    assert {name: times_in(folder)[name] for name in before} == before
    done(run("merge", folder, "-o", tmp_path / "merged.tsv"))
    done(run("predict", fasta, "-o", tmp_path / "plain.tsv", *MODEL, "--on-error", "skip"))
    check_same_tables(tmp_path / "plain.tsv", tmp_path / "merged.tsv")
    # And the other way about: what was left out is an error again.
    refused(run(*share(fasta, folder)), "'7' is not a residue", "1 of 5 parts failed")


def test_folder_of_vectors_is_no_folder_of_predictions(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(RunDescription("embed", {}, {}, "fail", [], 1024, 3))
    refused(run(*share(fasta, tmp_path / "run")), "it is a run of embed, not of predict")


def test_changed_references_are_another_run(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    pytest.importorskip("pyopal")
    references = tmp_path / "known.fasta"
    references.write_bytes(fasta_of(RECORDS[:10]))
    done(run(*share(fasta, tmp_path / "run", "--nearest", references, number="1/2")))
    references.write_bytes(fasta_of(RECORDS[10:20]))
    refused(
        run(*share(fasta, tmp_path / "run", "--nearest", references, number="2/2")),
        "holds another run",
        "nearest",
    )


def test_folder_with_foreign_files_is_left_alone(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "chapter1.tex").write_text("x")
    refused(run(*share(fasta, folder)), f"{folder} holds chapter1.tex and no run.json", "choose an empty one")
    assert [path.name for path in folder.iterdir() if not path.name.startswith(".lock")] == ["chapter1.tex"]


def test_folder_below_the_source_is_refused(run: Terminal, tmp_path: Path) -> None:
    """Its parts would be read as shards at the next start."""
    source = shards_of(tmp_path / "in", RECORDS, [50])
    refused(
        run(*share(source, source / "run")), f"{source / 'run'} lies in {source}", "choose a folder beside"
    )
    refused(run(*share(source, source)), str(source))
    assert sorted(path.name for path in source.iterdir() if not path.name.startswith(".")) == [
        "shard-000.fasta",
        "shard-001.fasta",
    ]


def test_file_in_place_of_the_folder_is_refused(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    refused(run(*share(fasta, tmp_path / "run")), f"{tmp_path / 'run'} is a file; ", "need a folder")


def test_folder_of_a_newer_version_is_refused(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 99}))
    for command in (share(fasta, folder), ("merge", folder, "-o", tmp_path / "m.tsv")):
        refused(run(*command), "run.json is of version 99; this sortilin reads up to 1")
    path.write_text("{")
    for command in (share(fasta, folder), ("merge", folder, "-o", tmp_path / "m.tsv")):
        refused(run(*command), f"{path} is damaged")


def test_two_jobs_may_begin_in_one_folder_at_the_same_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other job takes the folder after this one has seen that nobody has."""
    description = RunDescription("predict", {}, {}, "fail", [], 1024, 3)
    folder, other = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    look = folder.description

    def slow() -> RunDescription | None:
        found = look()
        if found is None:
            other.begin(description)
        return found

    monkeypatch.setattr(folder, "description", slow)
    folder.begin(description)
    assert other.description() is not None


@pytest.mark.slow
def test_same_run_twice_at_once_is_refused_and_another_job_is_not(
    run: Terminal, fasta: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    fasta.write_bytes(fasta_of(peptides(24, 2_500)))
    first = begun(*share(fasta, folder, number="1/2"))
    try:
        wait_for_parts(folder, first, 1)
        refused(
            run(*share(fasta, folder, number="1/2")), f"another job 1/2 is working in {folder}", "wait for it"
        )
        done(run(*share(fasta, folder, number="2/2")))
        assert first.wait(120) == 0, first.communicate()
    finally:
        end(first)
    check_complete(run, fasta, folder, tmp_path)


# --- parts


def test_deleted_parts_are_done_again_and_only_they(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    (folder / "parts" / "part-000001.parquet").unlink()
    (folder / "parts" / "part-000002.json").unlink()
    refused(run("merge", folder, "-o", tmp_path / "m.tsv"), "2 of ", "parts are not done (1, 2)")
    before = times_in(folder)
    done(run(*share(fasta, folder)))
    after = times_in(folder)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed == {f"part-00000{n}.{ending}" for n in (1, 2) for ending in ("json", "parquet")}
    check_complete(run, fasta, folder, tmp_path)


def test_shortened_part_is_done_again(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    path = folder / "parts" / "part-000001.parquet"
    path.write_bytes(path.read_bytes()[:-5])
    refused(run("merge", folder, "-o", tmp_path / "m.tsv"), "parts are not done (1)")
    done(run(*share(fasta, folder)))
    check_complete(run, fasta, folder, tmp_path)


def test_changed_part_is_refused_with_the_remedy(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    path = folder / "parts" / "part-000001.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(bytes(content))
    out = tmp_path / "merged.tsv"
    out.write_text("an older table\n")
    refused(run("merge", folder, "-o", out), f"{path} is not as it was written", "delete it and run again")
    assert out.read_text() == "an older table\n"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.fasta", "merged.tsv", "run"]
    path.unlink()
    done(run(*share(fasta, folder)))
    check_complete(run, fasta, folder, tmp_path)


def test_part_with_a_damaged_note_is_done_again(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    path = folder / "parts" / "part-000001.json"
    path.write_text(path.read_text()[:40])
    refused(run("merge", folder, "-o", tmp_path / "m.tsv"), "1 of 5 parts are not done (1)")
    said = done(run(*share(fasta, folder))).err
    assert "1 parts done now" in said
    assert "4 of its parts were done before" in said
    check_complete(run, fasta, folder, tmp_path)


# --- merge


def test_merge_of_what_is_no_run_is_refused(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    out = tmp_path / "m.tsv"
    refused(
        run("merge", tmp_path / "empty", "-o", out), "holds no run.json: it is no folder of a run in parts"
    )
    refused(run("merge", tmp_path / "nowhere", "-o", out), "nowhere")
    refused(run("merge", "-o", out), "FOLDERS", code=2)
    folders = [tmp_path / "one", tmp_path / "two"]
    done(run(*share(fasta, folders[0], number="1/2")))
    done(run(*share(fasta, folders[1], "--coverage", "0.8", number="2/2")))
    refused(
        run("merge", *folders, "-o", out), f"{folders[1]} holds another run than {folders[0]}", "its sets"
    )
    refused(run("merge", folders[0], "-o", out), "are not done", "run the same `sortilin predict` again")
    assert not out.exists()


def test_merge_into_the_folder_of_the_run_is_refused(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done(run(*share(fasta, folder)))
    part = folder / "parts" / "part-000001.parquet"
    before = part.read_bytes()
    refused(run("merge", folder, "-o", part))
    assert part.read_bytes() == before


def test_merge_over_the_source_is_refused(run: Terminal, tmp_path: Path) -> None:
    source = tmp_path / "in.tsv"
    source.write_text("id\tsequence\n" + "".join(f"{name.split()[0]}\t{one}\n" for name, one in RECORDS))
    before = source.read_bytes()
    done(run(*share(source, tmp_path / "run")))
    refused(run("merge", tmp_path / "run", "-o", source), str(source))
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("m.xyz", "the ending chooses no output format; allowed: "),
        ("nowhere/m.tsv", "nowhere"),
        ("in.fasta/m.tsv", "in.fasta"),
        ("folder", "folder"),
        ("m.h5", "run holds predictions, and m.h5 is for vectors"),
    ],
)
def test_merge_to_what_cannot_be_written_is_refused(
    run: Terminal, fasta: Path, monkeypatch: pytest.MonkeyPatch, output: str, message: str
) -> None:
    monkeypatch.chdir(fasta.parent)
    Path("folder").mkdir()
    done(run(*share(fasta, "run")))
    refused(run("merge", "run", "-o", output), message)


# --- processes that are killed or stopped


def wait_for_parts(folder: Path, process: subprocess.Popen[str], n: int) -> None:
    """Until so many parts are done, while the run goes on."""
    limit = time.monotonic() + 120
    while len(list((folder / "parts").glob("part-*.json"))) < n:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit, "no part is done"
        time.sleep(0.01)


def end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.fixture
def long_fasta(tmp_path: Path) -> Path:
    """Input that takes a few seconds in small parts."""
    path = tmp_path / "long.fasta"
    path.write_bytes(fasta_of(peptides(25, 3_000)))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=str
)
def test_stopped_run_goes_on_where_it_was(
    run: Terminal, long_fasta: Path, tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    process = begun(*share(long_fasta, folder))
    try:
        wait_for_parts(folder, process, 5)
        process.send_signal(sent)
        _, said = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == code, said
    assert "Traceback" not in said
    if sent != signal.SIGKILL:
        assert hidden_in(folder) == []
    finished = {name.removesuffix(".json") for name in parts_in(folder) if name.endswith(".json")}
    before = {name: at for name, at in times_in(folder).items() if name.partition(".")[0] in finished}
    assert not (folder / "manifest.json").exists()
    said = done(run(*share(long_fasta, folder))).err
    assert f"{len(finished)} of its parts were done before" in said
    after = times_in(folder)
    assert {name: after[name] for name in before} == before
    check_complete(run, long_fasta, folder, tmp_path, was_killed=sent == signal.SIGKILL)


# --- a disk without room


def fill(ballast: Path, *, but: int = 0) -> None:
    with ballast.open("wb", buffering=0) as stream:
        while True:
            try:
                stream.write(b"\0" * 4096)
            except OSError:
                break
        stream.truncate(max(stream.tell() - but, 0))


@pytest.mark.slow
def test_disk_that_fills_up_ends_the_run_and_room_lets_it_go_on(
    run: Terminal, long_fasta: Path, tmp_path: Path, small_disk: Path
) -> None:
    folder, ballast = small_disk / "run", small_disk / "ballast"
    process = begun(*share(long_fasta, folder))
    try:
        wait_for_parts(folder, process, 3)
        fill(ballast)
        _, said = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert str(folder) in said
    assert "the disk is full" in said or "No space left" in said
    refused(run(*share(long_fasta, folder)), f"{folder}: 0 MB are free; at least 50 MB are needed")
    ballast.unlink()
    assert hidden_in(folder) == []
    done(run(*share(long_fasta, folder)))
    check_complete(run, long_fasta, folder, tmp_path)


def test_file_that_must_not_grow_is_told_by_merge(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    done(run(*share(fasta, tmp_path / "run")))
    out = tmp_path / "merged.tsv"
    result = subprocess.run(
        [*SORTILIN, "merge", str(tmp_path / "run"), "-o", str(out)],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
    )
    assert result.returncode == 1
    assert f"{out}: cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.fasta", "run"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_must_not_be_written_is_told(run: Terminal, fasta: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o500)
    refused(run(*share(fasta, folder)), f"{folder} cannot be written: Permission denied")


def test_description_that_differs_is_told_by_the_folder_itself(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin(RunDescription("predict", {"engine": "a"}, {}, "fail", [], 10, 1))
    with pytest.raises(ConfigError, match="its engine is 'a', not 'b'; its parts are of 10 bytes, not 20"):
        folder.begin(RunDescription("predict", {"engine": "b"}, {}, "fail", [], 20, 1))
