"""Groups of homologues: planted families are found by either tool, in any order, and nothing else is."""

from __future__ import annotations

import random
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

import tiny
from sortilin.errors import ConfigError, MissingDependencyError, SortilinError
from sortilin.interfaces import IntArray
from sortilin.sequences import clusters, homology, mmseqs, peptides
from sortilin.sequences.clusters import groups
from tiny import RESIDUES

pytest.importorskip("pyopal")

NATURAL = "".join(
    letter * n
    for letter, n in zip(
        "ACDEFGHIKLMNPQRSTVWY", (8, 1, 5, 7, 4, 7, 2, 6, 6, 10, 2, 4, 5, 4, 6, 7, 5, 7, 1, 3), strict=True
    )
)
"""Residues about as often as in proteins: where W and C are common, chance scores high."""


def random_sequences(seed: int, n: int, *, shortest: int, longest: int) -> list[str]:
    """Unrelated sequences of random lengths with the composition of proteins."""
    return tiny.random_sequences(seed, n, shortest=shortest, longest=longest, letters=NATURAL)


def mutated(sequence: str, share: float, seed: int) -> str:
    """The sequence with a share of its residues replaced by others."""
    rng = random.Random(seed)
    places = rng.sample(range(len(sequence)), round(share * len(sequence)))
    letters = list(sequence)
    for place in places:
        letters[place] = rng.choice(RESIDUES.replace(letters[place], ""))
    return "".join(letters)


def families(n: int, members: int, share: float, shortest: int, longest: int) -> tuple[list[str], list[int]]:
    """Mutated copies of random parents, the families in turn, and the family of each."""
    parents = random_sequences(9, n, shortest=shortest, longest=longest)
    found = [mutated(parent, share, seed) for seed in range(members) for parent in parents]
    return found, list(range(n)) * members


def partition(labels: IntArray | list[int]) -> set[frozenset[int]]:
    """Which rows stand together, whatever the groups are called."""
    array = np.asarray(labels)
    return {frozenset(np.flatnonzero(array == label).tolist()) for label in np.unique(array)}


@pytest.fixture(params=["mmseqs", "phmmer"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each tool in turn; what it is called in the result."""
    if request.param == "phmmer":
        pytest.importorskip("pyhmmer")
        monkeypatch.setattr(mmseqs, "find", lambda: None)
        return "phmmer (PyHMMER "
    if mmseqs.find() is None:
        pytest.skip("MMseqs2 is not installed: no `mmseqs` on the PATH")
    return "MMseqs2 "


# --- either tool


def test_families_of_proteins_are_groups(tool: str) -> None:
    sequences, family = families(8, 3, 0.25, 110, 250)
    found = groups(sequences, threads=1)
    assert found.labels.dtype == np.int64
    assert found.labels.tolist() == family  # numbered by their first members
    assert found.tool.startswith(tool)
    assert "Opal" not in found.tool  # there are no peptides
    assert (found.n, found.largest) == (8, 3)


def test_families_of_peptides_are_groups(tool: str) -> None:
    sequences, family = families(20, 4, 0.15, 15, 40)
    found = groups(sequences, threads=1)
    assert found.labels.tolist() == family
    assert found.tool.startswith(tool)
    assert " and Opal (PyOpal " in found.tool


def test_unrelated_sequences_stand_alone(tool: str) -> None:
    sequences = random_sequences(3, 40, shortest=120, longest=200)
    sequences += random_sequences(4, 60, shortest=10, longest=40)
    assert groups(sequences, threads=1).labels.tolist() == list(range(100))


def test_homologue_needs_its_share_of_equal_residues(tool: str) -> None:
    near, far = random_sequences(5, 2, shortest=900, longest=900)
    sequences = [near, mutated(near, 0.5, seed=1), far, mutated(far, 0.75, seed=1)]
    assert groups(sequences, threads=1).labels.tolist() == [0, 0, 1, 2]
    assert groups(sequences, min_identity=0.55, threads=1).n == 4


def test_order_changes_nothing_but_the_numbers(tool: str) -> None:
    proteins, _ = families(6, 3, 0.55, 150, 400)  # near the limit of what is found
    short, _ = families(12, 3, 0.3, 10, 60)
    sequences = [*proteins, *short, proteins[0], short[0]]
    expected = groups(sequences, threads=1)
    assert 1 < expected.n < len(set(sequences))
    order = np.random.default_rng(1).permutation(len(sequences))
    moved = groups([sequences[i] for i in order], threads=2)
    back = np.empty_like(moved.labels)
    back[order] = moved.labels
    assert partition(back) == partition(expected.labels)
    assert moved.labels[0] == 0
    assert moved.tool == expected.tool


def test_links_join_what_is_not_alike_itself(tool: str) -> None:
    """Two unrelated domains, and one protein that has both."""
    one, two = random_sequences(11, 2, shortest=150, longest=150)
    found = groups([one, two, one + two], threads=1)
    assert found.labels.tolist() == [0, 0, 0]
    assert set(found.relatives.pairs.numbers()) == linked_rows(found, (0, 2), (1, 2))


def linked_rows(found: clusters.Groups, *rows: tuple[int, int]) -> set[tuple[int, int]]:
    """Those pairs of rows by the numbers of their sequences."""
    number = found.relatives.number.tolist()
    return {(min(number[a], number[b]), max(number[a], number[b])) for a, b in rows}


def nearest(found: clusters.Groups, row: int, among: list[int]) -> tuple[float, float]:
    """Identity and E-value of the nearest of some rows."""
    result = found.relatives.nearest(np.array([row]), np.array(among))
    return float(result.identity[0]), float(result.e_value[0])


def test_nearest_is_known_with_its_identity(tool: str) -> None:
    parent, other = random_sequences(21, 2, shortest=400, longest=400)
    half, far = mutated(parent, 0.5, seed=1), mutated(parent, 0.74, seed=2)
    found = groups([parent, mutated(parent, 0.05, seed=3), half, other, far, parent], threads=1)
    identity, e_value = nearest(found, 0, [1, 2, 3])
    assert 0.94 <= identity <= 0.97
    assert e_value < 1e-50
    identity, e_value = nearest(found, 0, [2, 3])
    assert 0.49 <= identity <= 0.56  # of the aligned part
    assert e_value < 1e-10
    assert np.isnan(nearest(found, 0, [3])).all()
    assert np.isnan(nearest(found, 3, [0, 1, 2, 4, 5])).all()
    assert nearest(found, 0, [3, 5]) == (1, 0)  # an equal one
    assert found.labels.tolist()[:4] == [0, 0, 0, 1]
    assert 370 <= found.relatives.pairs.n_equal.max() <= 385  # 380, less what the ends of alignments lose


def test_whole_copy_is_nearer_than_a_short_stretch_that_is_equal(tool: str) -> None:
    parent, one, two = random_sequences(22, 3, shortest=300, longest=300)
    found = groups([parent, mutated(parent, 0.3, seed=1), one + parent[:60] + two], threads=1)
    assert 0.65 < nearest(found, 0, [1, 2])[0] < 0.75
    assert nearest(found, 0, [2])[0] > 0.9


def test_hit_too_far_for_a_link_is_kept(tool: str) -> None:
    sequences = [random_sequences(5, 1, shortest=900, longest=900)[0]]
    sequences.append(mutated(sequences[0], 0.55, seed=1))
    found = groups(sequences, min_identity=0.7, threads=1)
    assert found.n == 2
    identity, e_value = nearest(found, 0, [1])
    assert 0.44 < identity < 0.55
    assert 0 <= e_value < 1e-3


def test_nearest_peptide_is_by_identity_over_the_shorter_one(tool: str) -> None:
    found = groups([PEPTIDE, PEPTIDE[2:12], "W" * 12], threads=1)
    assert nearest(found, 0, [1, 2])[0] == 1
    assert np.isnan(nearest(found, 0, [2])).all()


def test_equal_sequences_are_one_group_however_short(tool: str) -> None:
    sequences = ["MK", "ACGT", "MK", "X", "ACGT", "GGGGG", "GGGGGG", "X" * 30, "W" * 200]
    found = groups(sequences, threads=1).labels
    assert (found[0], found[1]) == (found[2], found[4])
    assert found[3] != found[0] != found[1]


def test_peptides_without_any_word_are_grouped(tool: str) -> None:
    """MMseqs2 fails where every sequence is shorter than its words."""
    assert groups(["GLFDIVKKVV", "GLFDIVKKV", "MKWL"], threads=1).labels.tolist() == [0, 0, 1]


def test_one_sequence_or_none(tool: str) -> None:
    none, one, same = (groups(sequences, threads=1) for sequences in ([], ["MKT"], ["MKT", "MKT"]))
    assert (none.labels.tolist(), none.n, none.largest) == ([], 0, 0)
    assert (one.labels.tolist(), one.n, one.largest) == ([0], 1, 1)
    assert (same.labels.tolist(), same.n, same.largest) == ([0, 0], 1, 2)


@pytest.mark.slow
def test_progress_ends_with_all_done(tool: str) -> None:
    told: list[tuple[str, int, int]] = []
    groups(families(4, 2, 0.1, 80, 100)[0], threads=1, on_progress=lambda *call: told.append(call))
    last = {stage: (done, total) for stage, done, total in told}
    assert set(last) == {"homology search", "comparing peptides"}
    assert all(done == total for done, total in last.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_identity": 30}, "min_identity is 30; allowed: 0 to 1"),
        ({"min_identity_short": -0.1}, "min_identity_short is -0.1; allowed: 0 to 1"),
        ({"max_e_value": 0}, "max_e_value is 0; allowed: above 0"),
    ],
)
def test_limit_that_is_not_allowed_is_named(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        groups(["MKT"], **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


# --- peptides


def linked(*sequences: str, **options: float) -> list[tuple[int, int]]:
    return [pair[:2] for pair in peptides.similar_pairs(sequences, **options)]  # type: ignore[arg-type]


PEPTIDE = "GLFDIVKKVVGALGSL"


@pytest.mark.parametrize(
    ("other", "together"),
    [
        ("GLFDIVKKVVGALGSL"[2:12], True),  # a part of it
        ("AAAA" + PEPTIDE + "CC", True),
        ("GLFDIVKKVVGALGSL".replace("K", "R"), True),
        ("GLFDIVKKVVAAAAAA", True),  # ten of sixteen, and two more with a shift
        ("GLFDIVKWWWWWWWWW", False),
        (PEPTIDE[::-1], False),
        ("GLFDIVK", True),
        ("GLFDIV", False),  # six equal residues are chance
    ],
)
def test_peptides_are_linked_by_the_shorter_one(other: str, together: bool) -> None:
    assert linked(PEPTIDE, other) == ([(0, 1)] if together else [])
    assert linked(other, PEPTIDE) == ([(0, 1)] if together else [])


def test_peptide_pairs_are_those_of_the_short_sequences() -> None:
    long = "W" * 101 + PEPTIDE
    assert linked(long, PEPTIDE, "MKV", PEPTIDE + "A", long + "A") == [(1, 3)]
    assert linked(PEPTIDE, "GLFDIVKKWWWWWWWW", min_identity=0.5) == [(0, 1)]
    assert linked(PEPTIDE, "GLFDIVKKWWWWWWWW", min_identity=0.6) == []
    assert linked() == linked(PEPTIDE) == linked(long, long) == []


def test_random_peptides_are_nearly_never_linked() -> None:
    rng = random.Random(0)
    short = ["".join(rng.choices(NATURAL, k=rng.randint(8, 40))) for _ in range(500)]
    assert len(linked(*short)) < 10  # of 124,750 pairs


@pytest.mark.slow
def test_three_thousand_peptides_are_compared_in_a_minute() -> None:
    import time

    started = time.process_time()
    peptides_only = random_sequences(0, 3000, shortest=10, longest=50)
    list(peptides.similar_pairs(peptides_only))
    assert time.process_time() - started < 60


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmseqs, "find", lambda: None)
    monkeypatch.setitem(sys.modules, "pyopal", None)
    with pytest.raises(MissingDependencyError) as caught:
        linked("MKT", "MKV")
    assert str(caught.value) == "comparing peptides needs pyopal: pip install 'sortilin[train]'"
    monkeypatch.setitem(sys.modules, "pyhmmer", None)
    with pytest.raises(MissingDependencyError) as caught:
        groups(["MKT" * 50, "MKV" * 50])
    assert str(caught.value) == "homology search needs pyhmmer: pip install 'sortilin[train]'"


# --- the program


def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A program of that name that does what the script says."""
    path = tmp_path / "mmseqs"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(mmseqs, "find", lambda: str(path))
    return path


def test_program_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mmseqs"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert mmseqs.find() == str(path)
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    assert mmseqs.find() is None


def test_best_hits_of_the_program_are_the_lowest_e_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = (
        "0\\t1\\t0.5\\t50\\t1E-5\\t40\\n"
        "0\\t0\\t0.4\\t50\\t1E-9\\t60\\n"
        "2\\t1\\t0.9\\t90\\t0\\t200\\n"
        "2\\t0\\t0.9\\t90\\t0\\t210\\n"
    )
    path = program(
        tmp_path, monkeypatch, f'cp "$2" {tmp_path}/q; cp "$3" {tmp_path}/t; printf "{hits}" > "$4"'
    )
    best = mmseqs.best_hits(str(path), ["AAA", "CCC", "DDD"], ["MKV", "MLL"], max_e_value=1e-3)
    assert [None if hit is None else (hit.target, hit.e_value, hit.score) for hit in best] == [
        (0, 1e-9, 60.0),
        None,
        (0, 0.0, 210.0),
    ]
    assert (tmp_path / "q").read_text() == ">0\nAAA\n>1\nCCC\n>2\nDDD\n"
    assert (tmp_path / "t").read_text() == ">0\nMKV\n>1\nMLL\n"
    assert mmseqs.best_hits(str(path), [], ["MKV"], max_e_value=1e-3) == []


def test_hits_of_the_program_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hits = (
        "0\\t0\\t1.000\\t130\\t1E-9\\t90\\n"
        "2\\t0\\t0.300\\t100\\t1.5E-9\\t80\\n"
        "1\\t2\\t0.299\\t97\\t0\\t70\\n"
        "2\\t1\\t0.290\\t97\\t1E-9\\t60\\n"
    )
    program(
        tmp_path,
        monkeypatch,
        f'if [ "$1" = version ]; then echo 99-abc; exit; fi\n'
        f'cp "$2" {tmp_path}/asked.fasta; echo "$@" > {tmp_path}/words; printf "{hits}" > "$4"',
    )
    long = sorted(random_sequences(0, 3, shortest=120, longest=130))
    found = groups([long[1], long[0], long[2]], threads=3)
    assert found.tool == "MMseqs2 99-abc"
    assert found.labels.tolist() == [0, 1, 1]
    kept = found.relatives.pairs  # one below the limit of links too, each pair once, the nearest last
    assert list(kept.numbers()) == [(1, 2), (0, 2)]
    assert (kept.n_equal.tolist(), kept.identity.tolist()) == ([29, 30], [0.299, 0.3])
    assert kept.e_value.tolist() == [0, 1.5e-9]
    assert found.relatives.number.tolist() == [1, 0, 2]
    assert (tmp_path / "asked.fasta").read_text() == f">0\n{long[0]}\n>1\n{long[1]}\n>2\n{long[2]}\n"
    words = (tmp_path / "words").read_text()
    assert words.startswith("easy-search ")
    assert " -s 7.5 --max-seqs 2000 " in words
    assert " -e 0.001 --threads 3" in words
    assert not Path(words.split()[1]).parent.exists()  # the temporary folder is gone


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            'if [ "$1" = version ]; then echo 1; exit; fi; seq 1 9; echo "  no space left" >&2; exit 3',
            "{path} easy-search failed with exit code 3; its last lines: 6; 7; 8; 9; no space left",
        ),
        ("exit 2", "{path} version failed with exit code 2; its last lines: it said nothing"),
    ],
)
def test_program_that_fails_is_quoted(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = program(tmp_path, monkeypatch, script)
    with pytest.raises(SortilinError) as caught:
        groups(["MKTAYIAKQR", "MKV"])
    assert str(caught.value) == message.format(path=path)


def test_program_that_cannot_be_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, monkeypatch, "")
    path.chmod(0o644)
    with pytest.raises(SortilinError) as caught:
        groups(["MKTAYIAKQR", "MKV"])
    assert str(caught.value) == f"{path} cannot be run: Permission denied"


def test_groups_of_links_are_connected_whatever_their_order() -> None:
    links = [(0, 1), (5, 6), (1, 2), (6, 7), (2, 5), (3, 4)]
    for seed in range(5):
        shuffled = random.Random(seed).sample(links, len(links))
        found = clusters._numbered(clusters._connected(9, [shuffled[:3], shuffled[3:]]))
        assert found.tolist() == [0, 0, 0, 1, 1, 0, 0, 0, 2]


def test_coverage_of_what_is_cut_into_windows_is_that_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyhmmer")
    monkeypatch.setattr(homology, "WINDOW", 400)
    monkeypatch.setattr(homology, "_STEP", 200)
    one = random_sequences(3, 1, shortest=900, longest=900)[0]
    search = clusters.Search(clusters.BUILTIN, min_coverage=0.6)
    near, short = mutated(one, 0.1, 4), one[300:450]
    assert groups([one, near, short], search=search).labels.tolist() == [0, 0, 1]
