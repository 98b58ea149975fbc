"""Inputs in parts: every record is in one part, in order, whatever the file looks like and the size is."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaled import Named, fasta_of, packed, parquet_of, peptides, shards_of
from sortilin.errors import ConfigError, FormatError, InputError, NoRecordsError
from sortilin.scale.inputs import find
from sortilin.scale.local import Share
from sortilin.scale.plan import Part, plan
from sortilin.scale.reading import read_part
from sortilin.sequences import ReadReport, read_sequences

Read = list[tuple[str, str, str]]


def planned(source: object, size: int) -> list[Part]:
    return plan(find(str(source)), size)


def read(part: Part) -> Read:
    found = read_part(part, on_error="fail", report=ReadReport())
    return [(record.id, record.description, record.sequence) for record in found]


def read_in_parts(source: object, size: int) -> Read:
    return [record for part in planned(source, size) for record in read(part)]


def read_whole(path: Path) -> Read:
    try:
        return [(record.id, record.description, record.sequence) for record in read_sequences(path)]
    except NoRecordsError:  # nothing but comments: parts of it have none, which is no error of theirs
        return []


def named(records: Sequence[Named]) -> list[tuple[str, str]]:
    return [(header.split()[0], sequence) for header, sequence in records]


def without_text(found: Read) -> list[tuple[str, str]]:
    return [(record_id, sequence) for record_id, _, sequence in found]


# --- plain FASTA, cut anywhere

DESCRIPTIONS = st.text(alphabet=">ab #;,é\t ", max_size=12)
SEQUENCES = st.one_of(
    st.text(alphabet="ACDEFGHIKLMNPQRSTVWY", max_size=30),
    st.integers(100, 3_000).map(lambda n: "LW" * n),  # a giant among them
)


@st.composite
def fasta_files(draw: st.DrawFn) -> bytes:
    """A file as people write them: wrapped, with blank lines, a mark or comments at its head."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    width, gap = draw(st.integers(1, 80)), draw(st.sampled_from(["", end, end + end]))
    lines = []
    for at, (text, letters) in enumerate(draw(st.lists(st.tuples(DESCRIPTIONS, SEQUENCES), min_size=1))):
        sequence = "MW" + letters
        wrapped = [sequence[n : n + width] for n in range(0, len(sequence), width)]
        lines.append(f">r{at} {text}{end}{end.join(wrapped)}{end}{gap}")
    whole = draw(st.sampled_from(["", gap, f"# made by hand{end}", f"# a > b{end}#>c{end}{gap}"]))
    whole += "".join(lines)
    if draw(st.booleans()):
        whole = whole.rstrip("\r\n")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + whole.encode()


@settings(deadline=None, max_examples=50)
@given(content=fasta_files(), size=st.one_of(st.integers(1, 60), st.integers(60, 5_000)))
def test_every_record_of_a_fasta_is_in_one_part_and_in_order(content: bytes, size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.fasta"
        path.write_bytes(content)
        # Each part opens the file: a file of some thousand letters is not cut at each of them.
        assert read_in_parts(path, max(size, len(content) // 80)) == read_whole(path)


@pytest.mark.parametrize("size", [1, 7, 64, 1_000, 10**9])
def test_parts_of_a_fasta_meet_and_cover_it(tmp_path: Path, size: int) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of(peptides(1, 60)))
    parts = planned(path, size)
    assert [part.number for part in parts] == list(range(len(parts)))
    assert (parts[0].start, parts[-1].stop) == (0, path.stat().st_size)
    assert all(before.stop == after.start for before, after in pairwise(parts))


@pytest.mark.parametrize("n_lines", [1, 5, 400])
def test_comments_before_the_first_record_may_be_longer_than_a_part(tmp_path: Path, n_lines: int) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(b"# a comment of the database\n" * n_lines + fasta_of(peptides(1, 20)))
    assert read_in_parts(path, 50) == read_whole(path)


def test_blank_lines_before_the_first_record_may_be_longer_than_a_part(tmp_path: Path) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(b"\n" * 500 + fasta_of(peptides(1, 20)))
    assert read_in_parts(path, 50) == read_whole(path)


def test_record_that_begins_at_the_end_of_a_block_is_read_once(tmp_path: Path) -> None:
    """The next record is sought in blocks of 64 KiB; one may begin on each side of their border."""
    path = tmp_path / "in.fasta"
    for n_before in range((1 << 16) - 4, (1 << 16) + 4):
        giant = ">giant\n" + "W" * (n_before - len(">giant\n")) + "\n"
        path.write_text(f"{giant}>next\nMKL\n>last\nMKV\n")
        assert [one[0] for one in read_in_parts(path, 500)] == ["giant", "next", "last"]


def test_parts_are_even_however_skewed_the_lengths(tmp_path: Path) -> None:
    records = [(f"r{at}", "W" * (20_000 if at % 50 == 7 else 10)) for at in range(300)]
    path, size = tmp_path / "in.fasta", 4_000
    path.write_bytes(fasta_of(records))
    parts = planned(path, size)
    longest = max(len(sequence) for _, sequence in records)
    assert all(part.stop - part.start <= 1.5 * size for part in parts)
    for part in parts:
        n_residues = sum(len(sequence) for _, _, sequence in read(part))
        assert n_residues <= part.stop - part.start + longest


def test_peptides_of_nucleotide_letters_are_read_as_in_the_whole_file(tmp_path: Path) -> None:
    """Among proteins a short peptide of A, C, G and T is one; alone in its part it must not be DNA."""
    records = [("p0", "MKWVTFISLLLLFSSAYS"), ("p1", "ACGTACGTACGTACGTACGTACGTACGTACGTACGT")]
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of([*records, ("p2", "MKKLLPTAAAGLLLLAAQPAMA")]))
    assert read_in_parts(path, 10) == read_whole(path)


def test_file_of_dna_is_refused_in_parts_too(tmp_path: Path) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of([(f"g{at}", "ACGTTGCA" * 20) for at in range(10)]))
    with pytest.raises(InputError, match="looks like DNA"):
        read_in_parts(path, 300)


# --- always the same parts


@pytest.mark.parametrize("size", [100, 3_000])
def test_same_input_gives_the_same_parts_also_elsewhere(tmp_path: Path, size: int) -> None:
    one = shards_of(tmp_path / "one", peptides(2, 90), [10, 30, 5], [".fasta", ".fasta.gz", ".faa.zst"])
    parquet_of(one / "z.parquet", peptides(3, 40), group=10)
    assert planned(one, size) == planned(one, size)
    other = Path(shutil.copytree(one, tmp_path / "other"))
    assert [shard.identity for shard in find(str(one))] == [shard.identity for shard in find(str(other))]
    cuts = [
        [(part.number, part.shard, part.start, part.stop) for part in planned(folder, size)]
        for folder in (one, other)
    ]
    assert cuts[0] == cuts[1]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_shares_have_every_part_once(tmp_path: Path, n: int) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of(peptides(1, 60)))
    parts = planned(path, 200)
    shares = [Share(number, n).parts(parts) for number in range(1, n + 1)]
    assert sorted(part.number for share in shares for part in share) == list(range(len(parts)))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


# --- tables, what is compressed, Parquet


@pytest.mark.parametrize("ending", [".fasta.gz", ".fa.zst", ".csv", ".tsv", ".csv.gz"])
def test_what_cannot_be_cut_is_one_part(tmp_path: Path, ending: str) -> None:
    records = peptides(4, 50)
    mark = "," if ".csv" in ending else "\t"
    table = "\n".join(["id" + mark + "sequence", *(mark.join(row) for row in named(records))]) + "\n"
    content = fasta_of(records) if ".fa" in ending else table.encode()
    path = tmp_path / f"in{ending}"
    path.write_bytes(packed(content, ending))
    parts = planned(path, 50)
    assert len(parts) == 1
    assert without_text(read(parts[0])) == named(records)


@pytest.mark.parametrize("size", [1, 300, 2_000, 10**9])
@pytest.mark.parametrize("group", [1, 7, 1_000])
def test_every_row_of_parquet_is_in_one_part_and_in_order(tmp_path: Path, size: int, group: int) -> None:
    records = peptides(5, 40)
    path = parquet_of(tmp_path / "in.parquet", records, group=group)
    parts = planned(path, size)
    n_groups = -(-len(records) // group)
    assert [at for part in parts for at in range(part.start, part.stop)] == list(range(n_groups))
    assert without_text(read_in_parts(path, size)) == named(records)


def test_parquet_without_sequences_names_its_columns(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"name": ["a"], "letters": ["MK"]}), path)
    with pytest.raises(FormatError, match="no column of sequences; it has name, letters; allowed names: "):
        planned(path, 100)


def test_parquet_cell_that_is_no_text_is_named(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a", "b"], "sequence": [1, 2]}), path)
    with pytest.raises(FormatError, match=r'record 1 \("a"\) its sequence is 1; expected text'):
        read_in_parts(path, 100)


# --- nothing in it


EMPTY = {
    "nothing.fasta": b"",
    "nothing.fasta.gz": packed(b"", ".gz"),
    "nothing.fasta.zst": packed(b"", ".zst"),
    "blank.fasta": b"\n\n",
    "blank.fasta.gz": packed(b"\n", ".gz"),
    "comment.fasta": b"# no records of this day\n",
    "header.csv": b"id,sequence\n",
}


@pytest.mark.parametrize("name", EMPTY)
def test_empty_shard_among_others_has_no_records(tmp_path: Path, name: str) -> None:
    records = peptides(6, 20)
    folder = shards_of(tmp_path / "in", records, [10])
    (folder / name).write_bytes(EMPTY[name])
    assert sorted(without_text(read_in_parts(folder, 200))) == sorted(named(records))


def test_empty_parquet_among_others_has_no_records(tmp_path: Path) -> None:
    records = peptides(6, 20)
    folder = shards_of(tmp_path / "in", records, [10])
    parquet_of(folder / "nothing.parquet", [], group=10)
    assert without_text(read_in_parts(folder, 200)) == named(records)


def test_size_of_less_than_a_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "in.fasta"
    path.write_bytes(fasta_of(peptides(1, 3)))
    with pytest.raises(ConfigError, match="at least 1 byte, got 0"):
        planned(path, 0)


# --- what a source consists of


def test_pattern_takes_names_that_fit_and_does_not_cross_folders(tmp_path: Path) -> None:
    records = peptides(7, 30)
    shards_of(tmp_path / "in", records, [10, 10])
    shards_of(tmp_path / "in" / "deeper", peptides(8, 5), [])
    found = find(str(tmp_path / "in" / "*.fasta"))
    assert [shard.name for shard in found] == ["shard-000.fasta", "shard-001.fasta", "shard-002.fasta"]
    assert [shard.name for shard in find(str(tmp_path / "in" / "*" / "shard-*"))] == [
        "deeper/shard-000.fasta"
    ]


@pytest.mark.parametrize("pattern", ["", "*/shard-*.fasta"])
def test_linked_folders_are_read_too(tmp_path: Path, pattern: str) -> None:
    """Data are often gathered by links; half of them must not be left out without a word."""
    shards_of(tmp_path / "elsewhere", peptides(7, 5), [])
    shards_of(tmp_path / "in" / "a", peptides(8, 5), [])
    (tmp_path / "in" / "b").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    found = find(str(tmp_path / "in" / pattern))
    assert [shard.name for shard in found] == ["a/shard-000.fasta", "b/shard-000.fasta"]


def test_folder_leaves_out_what_is_no_input(tmp_path: Path) -> None:
    folder = shards_of(tmp_path / "in", peptides(7, 30), [10])
    (folder / "README.md").write_text("what this is\n")
    (folder / ".hidden.fasta").write_text(">x\nMK\n")
    (folder / "md5sums.txt").write_text("0  shard\n")
    assert [shard.name for shard in find(str(folder))] == ["shard-000.fasta", "shard-001.fasta"]


def test_file_whose_name_has_a_bracket_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "strain[2].fasta"
    path.write_bytes(fasta_of(peptides(1, 3)))
    assert [shard.name for shard in find(str(path))] == ["strain[2].fasta"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("-", "standard input cannot be read in parts"),
        ("none.fasta", "there is no such file"),
        ("none*.fasta", "no file has a name that fits"),
        ("nowhere/*.fasta", "there is no folder"),
        (".", "no file that ends in .fasta, .fa"),
    ],
)
def test_source_without_shards_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        find(source)
